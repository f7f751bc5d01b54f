openai_templates = [
    lambda c: f"{c!r}的照片",
]
