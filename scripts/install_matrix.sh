#!/usr/bin/env bash
# Install the built wheel beside what users have, and use it: install_matrix.sh [ENVIRONMENT...]
#
#   3.11 3.12 3.13   a new environment of that Python: PyTorch first, then the wheel
#   numpy-1.26       Python 3.11 with PyTorch and NumPy 1.26
#   torch-2.6        Python 3.11 with PyTorch 2.6 and NumPy 1.26; ANY_BUILD=1 takes a CUDA build (3 GB) where pip finds
#                    no other, which runs on a processor, too
#   lowest           Python 3.11 with the lowest version of every dependency that pyproject.toml allows
#
# The wheel must replace no package that is there. PyTorch is the CPU build that pip finds for the version of
# constraints.txt; where there is none (an index of CUDA builds only) PyTorch is left out, which the summary says, and so
# it says what could not be tried: no interpreter, no such build.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
wheel=$(ls "$root"/dist/evalkit_video-*.whl)
torch=$(sed -n 's/^torch==//p' "$root/constraints.txt")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_CONSTRAINT= PIP_DISABLE_PIP_VERSION_CHECK=1
summary=()

interpreter() { # VERSION -> its path, or nothing
    local found
    for found in "$(command -v "python$1" || true)" "$HOME"/.pyenv/versions/"$1".*/bin/python; do
        if [ -x "$found" ] && [ "$("$found" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$1" ]; then
            echo "$found"
            return
        fi
    done
}

has_cpu_build() { # BIN VERSION
    "$1/python" -m pip install --quiet --dry-run --no-deps --only-binary :all: "torch==$2+cpu" >/dev/null 2>&1
}

packages() { "$1/python" -m pip list --format freeze 2>/dev/null | sort; } # BIN

try() { # NAME PYTHON TORCH|- PACKAGE...
    local name=$1 python=$2 version=$3
    shift 3
    local folder="$work/$name" path note=() option=()
    path=$(interpreter "$python")
    if [ -z "$path" ]; then
        summary+=("$name: not tried, there is no Python $python here")
        return
    fi
    echo "=== $name"
    mkdir "$folder" "$folder/try"
    "$path" -m venv "$folder/venv"
    local bin="$folder/venv/bin"
    if has_cpu_build "$bin" "$version"; then
        "$bin/python" -m pip install --quiet "torch==$version+cpu" "$@"
    elif [ "$name" = torch-2.6 ] && [ -n "${ANY_BUILD:-}" ]; then
        "$bin/python" -m pip install --quiet --only-binary :all: "torch==$version" "$@"
    elif [ "$name" = torch-2.6 ]; then
        summary+=("$name: not tried, pip finds no CPU build of torch $version")
        return
    else
        # Everything else is tried all the same.
        note=("without torch, of which pip finds no CPU build for this Python")
        option=(--without-torch)
        [ $# = 0 ] || "$bin/python" -m pip install --quiet "$@"
    fi
    packages "$bin" >"$folder/before"
    local limits=(-c "$folder/before") # as docs/dependencies.md says; pip alone replaces NumPy for the newest OpenCV
    if [ "$name" = lowest ]; then
        "$path" "$root/scripts/lowest_versions.py" >"$folder/lowest"
        limits+=(-c "$folder/lowest")
    elif [ $# -gt 0 ]; then # NumPy 1.26, which the newest pyarrow refuses when it is imported, without telling pip
        limits+=("pyarrow<21")
    fi
    local started=$EPOCHSECONDS
    if [ "${#option[@]}" = 0 ]; then
        "$bin/python" -m pip install --quiet "${limits[@]}" "$wheel"
    else
        "$path" - "$wheel" >"$folder/needed" <<'PY'
import email, sys, zipfile

with zipfile.ZipFile(sys.argv[1]) as wheel:
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    for line in email.message_from_bytes(wheel.read(name)).get_all("Requires-Dist"):
        if "extra ==" not in line and not line.startswith("torch"):
            print(line)
PY
        "$bin/python" -m pip install --quiet "${limits[@]}" -r "$folder/needed"
        "$bin/python" -m pip install --quiet --no-deps "$wheel"
    fi
    local seconds=$((EPOCHSECONDS - started))
    packages "$bin" >"$folder/after"
    local replaced
    replaced=$(comm -23 "$folder/before" "$folder/after")
    if [ -n "$replaced" ]; then
        echo "$name: installing the wheel replaced what was there:" >&2
        echo "$replaced" >&2
        exit 1
    fi
    (cd "$folder/try" && "$root/scripts/try_wheel.sh" "$bin" "${option[@]}")
    summary+=("$name: works, installed in $seconds s; $(grep -iE '^(numpy|torch)==' "$folder/after" | tr '\n' ' ')${note[*]}")
    rm -rf "$folder"
}

for name in "${@:-3.11 3.12 3.13 numpy-1.26 torch-2.6 lowest}"; do
    for one in $name; do
        case $one in
            3.11 | 3.12 | 3.13) try "$one" "$one" "$torch" ;;
            numpy-1.26) try "$one" 3.11 "$torch" "numpy==1.26.4" ;;
            torch-2.6) try "$one" 3.11 2.6.0 "numpy==1.26.4" ;;
            lowest) try "$one" 3.11 "$torch" "numpy==1.26.0" ;;
            *) echo "no such environment: $one" >&2 && exit 2 ;;
        esac
    done
done
printf '\n'
printf '%s\n' "${summary[@]}"
