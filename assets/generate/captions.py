"""What pretraining says of the pictures: names, keywords in many combinations, and the groups of the emoji set in Chinese.

A caption belongs to all pictures of which it is true: a keyword to those of every emoji that has it, a group's name to those of the whole group.
"""

import random

from concepts import TEMPLATES

OTHER_TEMPLATES = ["画的是{}", "图中是{}", "一幅{}的小图"]
KEYWORDS = 6  # of an emoji that become captions of their own; some have more than twenty

# What people call the subcategories of emoji-datasource's emoji.json, which are those of Unicode's emoji-test.txt.
GROUPS = {
    "face-smiling": "笑脸 表情", "face-affection": "喜欢 表情", "face-tongue": "吐舌头 表情", "face-hand": "表情", "face-neutral-skeptical": "表情",
    "face-sleepy": "困 表情", "face-unwell": "生病 表情", "face-hat": "表情", "face-glasses": "戴眼镜 表情", "face-concerned": "难过 表情",
    "face-negative": "生气 表情", "face-costume": "怪物 表情", "cat-face": "猫 动物", "monkey-face": "猴子 动物", "heart": "爱心 心", "emotion": "情绪",
    "hand-fingers-open": "手 手势", "hand-fingers-partial": "手 手势", "hand-single-finger": "手指 手势", "hand-fingers-closed": "拳头 手势",
    "hands": "双手 手势", "hand-prop": "手", "body-parts": "身体", "person": "人", "person-gesture": "人 动作", "person-role": "人 职业",
    "person-fantasy": "人 幻想人物", "person-activity": "人 活动", "person-sport": "人 运动", "person-resting": "人 休息", "family": "人 家庭",
    "person-symbol": "人 人像", "animal-mammal": "动物 哺乳动物", "animal-bird": "动物 鸟", "animal-amphibian": "动物 两栖动物",
    "animal-reptile": "动物 爬行动物", "animal-marine": "动物 海洋动物", "animal-bug": "动物 虫子", "plant-flower": "植物 花", "plant-other": "植物",
    "food-fruit": "食物 水果", "food-vegetable": "食物 蔬菜", "food-prepared": "食物 饭菜", "food-asian": "食物 亚洲菜", "food-sweet": "食物 甜点",
    "drink": "饮料 喝的", "dishware": "餐具", "place-map": "地图", "place-geographic": "风景 地方", "place-building": "建筑",
    "place-religious": "建筑 宗教建筑", "place-other": "地方", "transport-ground": "陆上交通", "transport-water": "水上交通",
    "transport-air": "航空", "hotel": "旅行", "time": "时间", "sky & weather": "天空 天气", "event": "节日 庆祝", "award-medal": "奖牌",
    "sport": "运动 体育", "game": "游戏", "arts & crafts": "艺术 手工", "clothing": "衣服 服饰", "sound": "声音", "music": "音乐",
    "musical-instrument": "乐器 音乐", "phone": "通信", "computer": "电子产品", "light & video": "影像", "book-paper": "书本纸张",
    "money": "钱", "mail": "邮件", "writing": "笔 写字", "office": "办公用品", "lock": "锁", "tool": "工具", "science": "科学", "medical": "医疗",
    "household": "家居用品", "other-object": "物品", "transport-sign": "标志 交通标志", "warning": "标志 警告标志", "arrow": "箭头 符号",
    "religion": "宗教 符号", "zodiac": "星座 符号", "av-symbol": "播放器按钮 符号", "gender": "性别 符号", "math": "数学 符号",
    "punctuation": "标点 符号", "currency": "货币 符号", "other-symbol": "符号", "keycap": "数字 按键", "alphanum": "按钮 文字", "geometric": "形状",
    "skin-tone": "肤色", "flag": "旗 旗帜", "country-flag": "国旗 旗帜", "subdivision-flag": "旗 旗帜",
}  # fmt: skip
# The groups of vehicles also hold signs, stations, anchors and seats; a vehicle is known by the end of its name.
VEHICLES = {
    "transport-ground": (("车", "铁", "轨", "铁路", "小巴", "拖拉机"), "车 交通工具"),
    "transport-water": (("船", "轮", "舟", "艇"), "船 交通工具"),
    "transport-air": (("飞机", "直升机", "起飞", "降落", "火箭", "飞碟", "缆车", "索道", "空轨"), "交通工具"),
}


def studied(concept):
    """The captions of one emoji, some of which others share."""
    chance = random.Random("pretraining " + concept.code)
    name, keywords = concept.name, list(concept.keywords)
    chance.shuffle(keywords)
    said = [name, *(template.format(name) for template in TEMPLATES), chance.choice(OTHER_TEMPLATES).format(name)]
    for _ in range(3 if len(keywords) > 1 else len(keywords)):
        some = chance.sample(keywords, min(len(keywords), chance.randint(1, 3)))
        said.append(f"{name}，{'、'.join(some)}")
    for keyword in keywords[:2]:
        said.append(f"{keyword}：{name}")
        said.append(f"与{keyword}有关的{name}")
    said += keywords[:KEYWORDS]
    return list(dict.fromkeys(said + groups(concept)))


def typed(concept):
    """What people type: the name alone, in a sentence and with keywords, and all that is true of the emoji in a word or two, which is most of it."""
    chance = random.Random("typed " + concept.code)
    name, keywords = concept.name, list(concept.keywords)
    said = [name, chance.choice([*TEMPLATES, *OTHER_TEMPLATES]).format(name)]
    if keywords:
        said.append(f"{name}，{'、'.join(chance.sample(keywords, min(len(keywords), 2)))}")
    return list(dict.fromkeys(said + keywords + groups(concept)))


def groups(concept):
    """The Chinese names of the groups that an emoji belongs to."""
    group = concept.entry["subcategory"]
    ends, vehicle = VEHICLES.get(group, ((), ""))
    return GROUPS[group].split() + (vehicle.split() if concept.name.endswith(ends) else [])


def owned(shared):
    """Of {caption: [concept, …]}, what people mean who type it: a word that is part of the names of some emoji is these and others of their kind, not the rest
    that it was given as a keyword. 火箭 is the rocket, not the astronaut; 狗 is the poodle, too, not the bone."""
    kept = {}
    for caption, found in shared.items():
        kinds = {concept.entry["subcategory"] for concept in found if caption in concept.name}
        kept[caption] = [concept for concept in found if not kinds or concept.entry["subcategory"] in kinds or caption in groups(concept)]
    return kept


def shared(concepts, captions):
    """Returns {caption: [concept, …]} of all concepts, in their order; captions is studied or typed."""
    found = {}
    for concept in concepts:
        for caption in captions(concept):
            found.setdefault(caption, []).append(concept)
    return found
