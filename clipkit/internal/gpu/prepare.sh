#!/bin/bash
# Makes what travels to a machine that has a GPU, PyTorch and XLA's plugin for CUDA, and neither Go nor a network: the test binary, and the reference's code.
#
#   clipkit/internal/gpu/prepare.sh FOLDER CHINESE-CLIP
#
# FOLDER is made, anywhere; CHINESE-CLIP is a checkout of the reference, whose cn_clip/clip is copied. There, in the repository:
#
#   bash clipkit/internal/gpu/run.sh FOLDER -measure …
set -e
folder=${1:?a folder to make}
reference=${2:?a checkout of Chinese-CLIP}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$folder/cn_clip"
cp "$reference/cn_clip/__init__.py" "$folder/cn_clip/"
cp -r "$reference/cn_clip/clip" "$folder/cn_clip/"
find "$folder" -name __pycache__ -prune -exec rm -r {} +
folder=$(cd "$folder" && pwd)
cd "$here"
CGO_ENABLED=1 go test -c -trimpath -ldflags='-s -w' -o "$folder/gpu.test" .
gzip -9 -f "$folder/gpu.test"
du -sk "$folder" | cut -f 1 | sed 's/$/ kB in FOLDER/'
