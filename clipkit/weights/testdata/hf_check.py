"""Compares a folder of transformers' ChineseCLIPModel with the reference (cn_clip), for hf_test.go.

    hf_check.py make FOLDER                       a random tiny model, saved by transformers
    hf_check.py compare FOLDER STATE CONFIG       FOLDER in transformers against STATE (safetensors, the reference's names) in cn_clip

Prints one JSON object. Exit status 3: a package is missing.
"""
import json
import sys

try:
    import torch
    from cn_clip.clip import tokenize
    from cn_clip.clip.model import CLIP
    from safetensors.torch import load_file
    from transformers import BertTokenizer, ChineseCLIPConfig, ChineseCLIPImageProcessor, ChineseCLIPModel
except ImportError as e:
    print(e)
    sys.exit(3)

torch.manual_seed(1)
torch.set_num_threads(1)


def make(folder):
    c = ChineseCLIPConfig(
        projection_dim=16,
        text_config=dict(vocab_size=21128, hidden_size=64, num_hidden_layers=2, num_attention_heads=1, intermediate_size=96),
        vision_config=dict(hidden_size=64, intermediate_size=256, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8))
    ChineseCLIPModel(c).save_pretrained(folder)
    return {}


def compare(folder, state, config):
    ours, info = ChineseCLIPModel.from_pretrained(folder, output_loading_info=True)
    ours.eval()
    c = json.load(open(config))
    for key in ("name", "context_length"):
        c.pop(key, None)
    theirs = CLIP(**c).eval()
    theirs.load_state_dict(load_file(state))
    images = torch.randn(4, 3, c["image_resolution"], c["image_resolution"])
    texts = ["一只猫", "杰尼龟 and a Pokémon", "一只小狗在草地上奔跑，天气很好", "皮"]
    ids = tokenize(texts)
    with torch.no_grad():
        out = ours(input_ids=ids, pixel_values=images, attention_mask=(ids != 0).long())
        image, text, scale = theirs(images, ids)
    tokenizer = BertTokenizer.from_pretrained(folder)
    processor = ChineseCLIPImageProcessor.from_pretrained(folder)
    return {
        "image": (out.image_embeds - image).abs().max().item(),
        "text": (out.text_embeds - text).abs().max().item(),
        "logits": (out.logits_per_image - scale * image @ text.t()).abs().max().item(),
        "missing": sorted(info["missing_keys"]), "unexpected": sorted(info["unexpected_keys"]), "mismatched": sorted(map(str, info["mismatched_keys"])),
        "same_tokens": tokenizer(texts, padding="max_length", max_length=52, truncation=True)["input_ids"] == ids.tolist(),
        "size": [processor.size["height"], processor.size["width"]],
    }


print(json.dumps({"make": make, "compare": compare}[sys.argv[1]](*sys.argv[2:])))
