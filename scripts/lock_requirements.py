"""Write requirements.lock: the packages of constraints.txt with the SHA-256 of the file that pip installs of each.

Run it with the environment's Python on Linux, x86-64: ``.venv/bin/python scripts/lock_requirements.py``. A digest is of
the one wheel for that platform and Python. torch is left out: which of its builds an index offers (CPU or CUDA) differs
from index to index, so that no digest holds everywhere; it stays pinned by its version in constraints.txt.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
WITHOUT_HASH = {"torch"}
HEAD = """# The packages of constraints.txt with digests, for Linux on x86-64 with Python 3.11; without torch.
# Made by scripts/lock_requirements.py. Install with
#   pip install --require-hashes --no-deps -r requirements.lock
"""


def pins() -> list[str]:
    """Return the lines ``NAME==VERSION`` of constraints.txt that get a digest."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and line[0] != "#" and line.partition("==")[0] not in WITHOUT_HASH]


def main() -> None:
    """Ask pip which file it would install for each pin, and write the digests."""
    with tempfile.TemporaryDirectory() as folder:
        asked, report = Path(folder) / "pins.txt", Path(folder) / "report.json"
        asked.write_text("\n".join(pins()) + "\n", encoding="utf-8")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps"]
        environment = {name: value for name, value in os.environ.items() if name != "PIP_CONSTRAINT"}
        subprocess.run([*command, "--report", str(report), "-r", str(asked)], check=True, env=environment)
        found = json.loads(report.read_text(encoding="utf-8"))["install"]
    (ROOT / "requirements.lock").write_text(lock_of(found), encoding="utf-8")


def lock_of(found: list[dict[str, dict[str, object]]]) -> str:
    """Return the text of the lock from the entries of pip's report."""
    lines = []
    for entry in found:
        about, archive = entry["metadata"], entry["download_info"]["archive_info"]
        digest = archive["hashes"]["sha256"]  # type: ignore[index]
        lines.append(f"{about['name']}=={about['version']} --hash=sha256:{digest}\n")
    return HEAD + "".join(sorted(lines, key=str.casefold))


if __name__ == "__main__":
    main()
