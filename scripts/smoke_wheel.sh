#!/usr/bin/env bash
# Install the built wheel into an environment of its own, away from the source tree, and use it.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
wheel=$(ls "$root"/dist/evalkit_video-*.whl)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$root/.venv/bin/python" -m venv "$work/venv"
PIP_CONSTRAINT="$root/constraints.txt" "$work/venv/bin/python" -m pip install --quiet "$wheel"
mkdir "$work/try"
cd "$work/try"
"$root/scripts/try_wheel.sh" "$work/venv/bin"
echo "wheel ok: $(du -h "$wheel" | cut -f1)"
