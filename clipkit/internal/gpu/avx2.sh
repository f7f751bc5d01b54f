#!/bin/bash
# Runs a command as on a processor that has AVX2 and no AVX-512, on one that has both, by telling each library so. The table of such a processor, which is
# printed without this script where there is no AVX-512:
#
#   CLIPKIT_TORCH_PYTHON=… clipkit/internal/gpu/avx2.sh FOLDER go test ./clipkit/internal/gpu -run Measure -v -timeout 0 -measure -budget 1h -only '^peak$|^processor/'
#
# and its engines for encoding, turn by turn:
#
#   clipkit/internal/gpu/avx2.sh FOLDER go test -run xxx -bench ProcessorEngines -benchtime 5x ./clipkit/device
#
# FOLDER is made, with copies of the engines' libraries that find no AVX-512 (minutes, once). The engines are fetched by opening them: go run ./kernels doctor -try
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
GOCACHE=$(go env GOCACHE) # lies in XDG_CACHE_HOME by default
export GOCACHE XDG_CACHE_HOME=${to%/clipkit/runtimes} XLA_FLAGS=--xla_cpu_max_isa=AVX2 ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2
cd "$root"
exec "$@"
