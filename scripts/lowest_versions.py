"""Print the lowest version of each dependency that pyproject.toml allows, as constraints for pip.

    python scripts/lowest_versions.py > lowest.txt && pip install -c lowest.txt dist/*.whl

torch is left out: which builds there are differs from index to index.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
LEFT_OUT = {"torch"}
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:\[[a-z]+\])?>=([0-9.]+)")


def lowest_versions() -> dict[str, str]:
    """Return package -> the lowest version that pyproject.toml allows."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found = {}
    for line in document["project"]["dependencies"]:
        match = _REQUIREMENT.match(line)
        if match is None:
            raise SystemExit(f"pyproject.toml: '{line}' has no lowest version")
        found[match[1]] = match[2]
    return found


if __name__ == "__main__":
    for name, version in lowest_versions().items():
        if name not in LEFT_OUT:
            print(f"{name}=={version}")
