#!/bin/bash
# Measures or profiles on a machine with a GPU, by the binary that prepare.sh made: run.sh FOLDER -measure|-profile …   (go doc clipnb/clipkit/internal/gpu)
# The Python with torch is python3 or CLIPKIT_TORCH_PYTHON; XLA's plugin is the one in the environment of python3 (jax-cuda13-pjrt).
folder=$(cd "${1:?the folder that prepare.sh made}" && pwd) || exit
shift
root=$(cd "$(dirname "$0")/../../.." && pwd)
program=$(mktemp -d)/gpu.test
gunzip -c "$folder/gpu.test.gz" > "$program" && chmod +x "$program" || exit
export CLIPKIT_ROOT=$root CLIPKIT_DEVICE=${CLIPKIT_DEVICE:-cuda} CLIPKIT_TORCH_PYTHON=${CLIPKIT_TORCH_PYTHON:-python3} GOMLX_NO_AUTO_INSTALL=1
export PYTHONPATH=$folder${PYTHONPATH:+:$PYTHONPATH} XDG_CACHE_HOME=${XDG_CACHE_HOME:-$(dirname "$program")}
nvidia-smi --query-gpu=name,driver_version,memory.total,memory.used,clocks.sm --format=csv 2>/dev/null
cd "$root/clipkit/internal/gpu" && exec "$program" -test.run '^TestMeasure$' -test.timeout 0 "$@"
