#!/usr/bin/env python3
"""Writes broken/: captions that are refused or in part left out, named after what is wrong. The pictures that they name are a.jpg and b.jpg."""
import json, os

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "broken"))


def coco(name, images=None, annotations=None, more=None):
    json.dump({**(more or {}), "images": images or [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}],
               "annotations": annotations or [{"id": 1, "image_id": 1, "caption": "一只猫"}, {"id": 2, "image_id": 2, "caption": "一只狗"}]}, open(name + ".json", "w"))


coco("unknown-image", annotations=[{"id": 1, "image_id": 404, "caption": "x"}, {"id": 2, "image_id": 405, "caption": "x"}])
coco("duplicate-image-id", images=[{"id": 1, "file_name": "a.jpg"}, {"id": 1, "file_name": "b.jpg"}])
coco("no-image-id", annotations=[{"id": 1, "caption": "x"}])
coco("no-file-name", images=[{"id": 1, "coco_url": "http://example.com/a.jpg"}])
coco("no-id", images=[{"file_name": "a.jpg"}])
coco("no-caption", annotations=[{"id": 1, "image_id": 1, "bbox": [1, 2, 3, 4]}])
coco("caption-not-a-string", annotations=[{"id": 1, "image_id": 1, "caption": 7}])
coco("file-name-not-a-string", images=[{"id": 1, "file_name": 7}])
coco("missing-pictures", images=[{"id": i, "file_name": f"{i:012}.jpg"} for i in range(30)])
coco("outside", images=[{"id": 1, "file_name": "../../../../etc/passwd"}, {"id": 2, "file_name": "/etc/hostname.jpg"}])
coco("two-names", images=[{"id": 1, "file_name": "twice.jpg"}])
coco("empty-captions", annotations=[{"id": 1, "image_id": 1, "caption": " "}, {"id": 2, "image_id": 2, "caption": "一只狗"}, {"id": 3, "image_id": 2, "caption": ""}])
coco("strings-as-ids", images=[{"id": "a", "file_name": "a.jpg"}, {"id": "b", "file_name": "b.jpg"}], annotations=[{"id": "x", "image_id": "b", "caption": "一只狗"}])
coco("equal-annotation-ids", annotations=[{"id": 1, "image_id": 1, "caption": "一只猫"}, {"id": 1, "image_id": 2, "caption": "一只狗"}])
coco("split-unknown", images=[{"imgid": 1, "filename": "a.jpg", "split": "extra", "sentences": [{"raw": "x"}]}])
deep = "[" * 200 + "]" * 200
open("nested-deep.json", "w").write('{"info": %s, "images": []}' % deep)
open("nested-deep-in-element.json", "w").write('{"images": [{"id": %s}]}' % ("[" * 20000 + "]" * 20000))
good = '{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"id": 1, "image_id": 1, "caption": "猫"}]}'
open("byte-order-mark.json", "w").write("\ufeff" + good)
open("cut-off.json", "w").write(good[:70])
open("cut-off-at-end.json", "w").write(good[:-1])
open("two-values.json", "w").write(good + good)
open("not-json.json", "w").write("image_id,caption\n1,x\n")
open("empty.json", "w").write("")
open("a-number.json", "w").write("7")
open("not-utf8.json", "wb").write(good.encode().replace("猫".encode(), b"\xc3\xa8\xff"))
open("list-of-strings.json", "w").write('["a.jpg"]')
open("list-without-image.json", "w").write('[{"image_id": "coco_1", "caption": "x"}]')
