#!/bin/bash
# Jupyter starts this through kernels/*/kernel.json. Cells run in the notebook's own folder; CLIPKIT_ROOT tells them where the repository is.
root="$(cd "$(dirname "$0")/.." && pwd)"
if [ ! -x "$root/.tools/bin/gonb" ]; then
  echo "the Go kernel is not set up in $root; run: go run ./kernels setup" >&2
  exit 1
fi
export CLIPKIT_ROOT="$root"
export CGO_ENABLED=1 # cells are compiled with clipkit's C parts, whatever the shell that started Jupyter says
export PATH="$root/.tools/bin:$root/.tools/gopls:$PATH"
# A device may need an environment of its own.
if [ -r "$root/kernels/${CLIPKIT_DEVICE%%[:,]*}/env.sh" ]; then
  . "$root/kernels/${CLIPKIT_DEVICE%%[:,]*}/env.sh"
fi
# Standard error is a console's screen: it has what goes wrong, not what goes on.
exec gonb -go_work="$root" -legacy_stderr_threshold_behavior=false -stderrthreshold=WARNING "$@"
