#!/usr/bin/env bash
# Install the built wheel into an environment of its own, away from the source tree, and use it.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
wheel=$(ls "$root"/dist/evalkit_video-*.whl)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$root/.venv/bin/python" -m venv "$work/venv"
PIP_CONSTRAINT="$root/constraints.txt" "$work/venv/bin/python" -m pip install --quiet "$wheel"
cd "$work"
export EVALKIT_CACHE="$work/cache"
venv/bin/evalkit --version
venv/bin/evalkit challenges list
venv/bin/evalkit metrics list
venv/bin/evalkit demo -o demo --samples 3 --seconds 0.8 --size 64 --quiet >demo.log || { cat demo.log; exit 1; }
test -s demo/scorecards/truth/report.html
test -s demo/compare.html
venv/bin/python -c 'import evalkit, sys; card = evalkit.Scorecard.load("demo/scorecards/truth"); print(card)
assert card.metrics["psnr.rgb"].coverage == 1 and "torch" not in sys.modules and "/venv/" in evalkit.__file__'
echo "wheel ok: $(du -h "$wheel" | cut -f1)"
