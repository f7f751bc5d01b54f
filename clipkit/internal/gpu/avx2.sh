#!/bin/bash
# Prints the table of a processor that has AVX2 and no AVX-512, on one that has both, by telling each library so:
#
#   CLIPKIT_TORCH_PYTHON=… clipkit/internal/gpu/avx2.sh FOLDER            # FOLDER is made: copies of the engines' libraries that find no AVX-512
#   CLIPKIT_TORCH_PYTHON=… clipkit/internal/gpu/avx2.sh FOLDER -rounds 6 -only 'peak|processor/text'
#
# A processor without AVX-512 needs none of this (go doc clipnb/clipkit/internal/gpu).
# The engines are fetched by opening them: go run ./kernels doctor -try
set -e
folder=${1:?a folder to make}
shift
root=$(cd "$(dirname "$0")/../../.." && pwd)
from=${XDG_CACHE_HOME:-$HOME/.cache}/clipkit/runtimes
to=$(mkdir -p "$folder" && cd "$folder" && pwd)/clipkit/runtimes
for engine in lammps-jax-pjrt-cpu onnxruntime onnxruntime-openvino; do
	for library in "$from/$engine"-[0-9]*/*.so*; do
		copy=$to/${library#"$from/"}
		[ -e "$copy" ] && continue
		mkdir -p "$(dirname "$copy")"
		python3 "$root/clipkit/onnx/testdata/avx2only.py" "$library" "$copy.tmp" && chmod +x "$copy.tmp" && mv "$copy.tmp" "$copy"
	done
done
export GOCACHE=$(go env GOCACHE) XDG_CACHE_HOME=${to%/clipkit/runtimes} XLA_FLAGS=--xla_cpu_max_isa=AVX2 ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2
cd "$root"
exec go test ./clipkit/internal/gpu -run '^TestMeasure$' -v -timeout 0 -measure -budget 1h -only '^peak$|^processor/' "$@"
