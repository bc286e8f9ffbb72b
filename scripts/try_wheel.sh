#!/usr/bin/env bash
# Use an installed evalkit as the README says: try_wheel.sh BIN [--without-torch], BIN the environment's folder of programs.
# Works in the current folder, which must be empty and away from the source tree.
set -euo pipefail
bin=$1
export EVALKIT_CACHE="$PWD/cache"
quiet() { "$@" >log.txt 2>&1 || { cat log.txt; exit 1; }; }

"$bin/evalkit" --version
quiet "$bin/evalkit" challenges list
quiet "$bin/evalkit" metrics list
"$bin/python" -c 'import evalkit; assert "site-packages" in evalkit.__file__, evalkit.__file__'

# A folder of videos becomes a submission, and the two commands of the README take it.
quiet "$bin/evalkit" testset make testset --seed 1 --identities 2 --seconds 1 --size 128 --quiet
quiet "$bin/evalkit" baseline run truth --testset testset/ -o truth.zip --quiet
"$bin/python" - <<'PY'
import zipfile

with zipfile.ZipFile("truth.zip") as archive:
    for name in archive.namelist():
        if name.endswith(".mp4"):
            archive.extract(name, "results")
PY
quiet "$bin/evalkit" pack results/ -o team.zip -c talking-head -t testset/ --quiet
quiet "$bin/evalkit" validate team.zip --challenge talking-head --testset testset/
if [ "${2:-}" = --without-torch ]; then
    quiet "$bin/evalkit" score team.zip --challenge talking-head --testset testset/ -o team/ --metrics psnr,ssim
else
    quiet "$bin/evalkit" score team.zip --challenge talking-head --testset testset/ -o team/ -b bundled --metrics psnr,ssim,fid,identity
    quiet "$bin/evalkit" demo -o demo --samples 3 --seconds 0.8 --size 64 --quiet
    test -s demo/scorecards/truth/report.html
    test -s demo/compare.html
fi
for file in scorecard.json report.html per_video.parquet per_video.csv log.jsonl; do test -s "team/$file"; done
"$bin/python" - <<'PY'
import sys

import evalkit

card = evalkit.Scorecard.load("team")
print(card)
assert card.metrics["psnr.rgb"].coverage == 1
assert card.metrics["psnr.rgb"].value > 30
assert len(card.to_pandas()) == 2
assert "torch" not in sys.modules
PY
