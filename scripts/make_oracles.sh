#!/usr/bin/env bash
# Build the environment of the oracles: other people's implementations, which parity tests run in a process of their own.
#
#   scripts/make_oracles.sh [FOLDER]        default: .venv-oracles in the project's root
#
# Does nothing when FOLDER already holds exactly scripts/oracle-constraints.txt. PYTHON names the interpreter to build
# with (default: .venv/bin/python, or python3). Where pip's own choice for the pinned torch is not a CPU build, point it at
# one (PIP_FIND_LINKS, PIP_EXTRA_INDEX_URL). Nothing here downloads weights.
set -euo pipefail
unset PIP_CONSTRAINT  # the product's pins are not the oracles': their list is complete in itself

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
pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-compile)
# Without resolution: insightface and syncnet-python ask for other builds of OpenCV, whose files overwrite each other.
# Three packages have no wheel and are built, with the pinned setuptools.
source_only='^(cd-fvd|cpbd|python_speech_features)=='
grep -v -E "$source_only" "$pins" >"$venv/wheels.txt"
grep -E "$source_only" "$pins" >"$venv/sources.txt"
"${pip[@]}" --only-binary :all: --requirement "$venv/wheels.txt"
"${pip[@]}" --no-build-isolation --use-pep517 --requirement "$venv/sources.txt"
rm "$venv/wheels.txt" "$venv/sources.txt"

# The list must be complete: nothing may be missing but the builds of OpenCV that were replaced, and what pyiqa needs for
# its other metrics. Its MUSIQ is loaded by path (tests/oracles/musiq_reference.py). numba only compiles two functions of
# face_alignment (tests/oracles/face_alignment_reference.py).
missing=$("$venv/bin/python" -m pip check 2>&1 | grep -v -E -e 'requires opencv-(contrib-)?python, which is not installed' \
    -e '^face[-_]alignment .* requires numba, which is not installed' \
    -e '^No broken requirements found' -e '^pyiqa ' || true)
[ -z "$missing" ] || die "scripts/oracle-constraints.txt is incomplete: $missing"
opencvs=$("$venv/bin/python" -m pip list --format freeze --disable-pip-version-check | grep -c -i '^opencv' || true)
[ "$opencvs" = 1 ] || die "$opencvs packages of OpenCV in $venv, expected one"
"$venv/bin/python" -c 'import torch; assert torch.version.cuda is None' ||
    die "torch in $venv is not a CPU build: point pip at one (PIP_FIND_LINKS, PIP_EXTRA_INDEX_URL)"

# torchvision's wheel is made for a CUDA build of torch. Beside a CPU build its compiled operators don't load, and importing
# its Python part then fails while it describes two of them. Declared first, they are described and never called: no oracle
# uses an operator of torchvision.
if ! "$venv/bin/python" -c 'import torchvision' 2>/dev/null; then
    site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    cat >"$site/torchvision_operators.py" <<'END'
"""Declare the operators that torchvision describes when it is imported, the moment it is imported."""

import sys

NAMES = ("nms", "qnms")


class _Declare:
    def find_spec(self, name, path=None, target=None):
        if name == "torchvision":
            sys.meta_path.remove(self)
            import torch

            self.library = torch.library.Library("torchvision", "DEF")
            for operator in NAMES:
                self.library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            torch._evalkit_torchvision_operators = self.library  # they last as long as the library object
        return None


sys.meta_path.insert(0, _Declare())
END
    echo 'import torchvision_operators' >"$site/torchvision_operators.pth"
fi
"$venv/bin/python" - <<'END' || die "the oracles don't import"
import cdfvd.fvd
import ffprobe
import lpips
import pytorch_fid.fid_score
import pytorch_fid.inception
import torch_fidelity
import torchmetrics.image.fid
from cleanfid import fid, resize
from insightface.model_zoo import SCRFD, ArcFaceONNX
from syncnet_python import SyncNetInstance, SyncNetModel, SyncNetPipeline
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel
import python_speech_features
END

printf '%s\n' "$stamp" >"$venv/.oracle-stamp"
echo "$venv is ready"
