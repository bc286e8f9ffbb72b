#!/usr/bin/env bash
# Build the environment of the oracles: other people's implementations, which parity tests run in a process of their own.
#
#   scripts/make_oracles.sh [FOLDER]        default: .venv-oracles in the project's root
#
# Does nothing when FOLDER already holds exactly scripts/oracle-constraints.txt. PYTHON names the interpreter to build
# with (default: .venv/bin/python, or python3). Nothing here downloads weights.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
pins=$root/scripts/oracle-constraints.txt
venv=${1:-$root/.venv-oracles}
python=${PYTHON:-$root/.venv/bin/python}
[ -x "$(command -v "$python")" ] || python=python3

die() { printf 'make_oracles: %s\n' "$*" >&2; exit 1; }

version=$("$python" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])') || die "no Python to build with: set PYTHON"
stamp=$(cat "$pins" "${BASH_SOURCE[0]}" | "$python" -c \
    'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())')" python $version"

if [ -x "$venv/bin/python" ] && [ "$(cat "$venv/.oracle-stamp" 2>/dev/null)" = "$stamp" ]; then
    echo "$venv is up to date"
    exit 0
fi
if [ -e "$venv" ]; then
    [ -f "$venv/pyvenv.cfg" ] || die "$venv exists and is not a virtual environment: name another folder"
    rm -rf "$venv"
fi

"$python" -m venv "$venv"
# Without resolution: insightface asks for opencv-python, whose files overwrite those of opencv-python-headless.
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --requirement "$pins"

# The list must be complete: nothing may be missing but the OpenCV that was replaced.
missing=$("$venv/bin/python" -m pip check 2>&1 | grep -v -e 'requires opencv-python, which is not installed' \
    -e '^No broken requirements found' || true)
[ -z "$missing" ] || die "scripts/oracle-constraints.txt is incomplete: $missing"
opencvs=$("$venv/bin/python" -m pip list --format freeze --disable-pip-version-check | grep -c -i '^opencv' || true)
[ "$opencvs" = 1 ] || die "$opencvs packages of OpenCV in $venv, expected one"
"$venv/bin/python" -c 'import ffprobe; from insightface.model_zoo import SCRFD, ArcFaceONNX' || die "the oracles don't import"

printf '%s\n' "$stamp" >"$venv/.oracle-stamp"
echo "$venv is ready"
