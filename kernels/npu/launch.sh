#!/bin/bash
# Jupyter starts this through kernel.json: the common launcher, with the card's environment.
here="$(cd "$(dirname "$0")" && pwd)"
. "$here/env.sh"
exec "$here/../launch.sh" "$@"
