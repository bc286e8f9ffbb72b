"""The same jobs in other libraries and here: run them, and write what was seen into docs/comparison.md.

    .venv/bin/python benchmarks/libraries/compare.py            writes the part of the page between its marks
    .venv/bin/python benchmarks/libraries/compare.py --check    compares it with what is seen now

Needs the oracles (``make oracles``). Takes two minutes of a processor.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "comparison.md"
BEGIN, END = "<!-- observed -->", "<!-- end -->"
LIBRARIES = ("torchmetrics", "torch-fidelity", "clean-fid", "pyiqa", "evalkit")
TITLES = {
    "fid": "FID of two sets of frames",
    "psnr": "PSNR of a video against its reference",
}
EXPECTED = {
    "fid": {
        "torchmetrics": "tensors (N, 3, H, W), uint8; floats in 0..1 with `normalize=True`",
        "torch-fidelity": "a dataset of tensors (3, H, W), uint8",
        "clean-fid": "folders of image files; here `.npy` with bytes (H, W, 3)",
        "pyiqa": "folders of image files",
        "evalkit": "arrays (T, H, W, 3), uint8",
    },
    "psnr": {
        "torchmetrics": "tensors (N, 3, H, W) in the range that `data_range` names",
        "pyiqa": "tensors (N, 3, H, W), floats in 0..1",
        "evalkit": "arrays (T, H, W, 3), uint8",
    },
}
SAME = 1e-7  # of a number
MESSAGE = 180  # characters of a message in a cell


def observe(oracle_python: Path) -> dict[str, Any]:
    """Run all jobs and return versions, code and outcomes of all libraries."""
    sys.path.insert(0, str(HERE))
    from cases import frames
    from networks import write_networks

    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        write_networks(work, frames(1, 2.0))
        merged: dict[str, Any] = {}
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "EVALKIT_CACHE": str(work / "cache")}
        for python, script in ((Path(sys.executable), "ours.py"), (oracle_python, "others.py")):
            own = environment if script == "ours.py" else dict(os.environ)
            subprocess.run([str(python), str(HERE / script), str(work), str(work / "out.json")], check=True, env=own)
            _merge(merged, json.loads((work / "out.json").read_text()))
    return merged


def _merge(into: dict[str, Any], other: dict[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def markdown(seen: dict[str, Any]) -> str:
    """Return the generated part of the page."""
    sys.path.insert(0, str(HERE))
    from cases import CASES

    lines = []
    for job, title in TITLES.items():
        names = [name for name in LIBRARIES if name in seen["found"][job]]
        lines += [f"## {title}", "", "| library | takes | lines |", "|---|---|---|"]
        for name in names:
            code = seen["code"][job][name]
            lines.append(f"| {name} {seen['versions'][name]} | {EXPECTED[job][name]} | {line_count(code)} |")
        lines += ["", "| given | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
        for case, words in CASES.items():
            cells = [cell(seen["found"][job][name][case], seen["found"][job][name]["right"]) for name in names]
            lines.append(f"| {words} | " + " | ".join(cells) + " |")
        lines.append("")
        for name in names:
            lines += [f"{name}:", "", "```python", seen["code"][job][name].rstrip(), "```", ""]
    return "\n".join(lines)


def line_count(code: str) -> int:
    """Return the lines of code, without empty ones."""
    return sum(bool(line.strip()) for line in code.splitlines())


def cell(found: dict[str, Any], right: dict[str, Any]) -> str:
    """Return what a library did, in words."""
    usual = set() if found is right else {_plain(one) for one in right["warnings"]}
    notes = "".join(f"; says: {_short(one)}" for one in found["warnings"] if _plain(one) not in usual)
    kind = found["kind"]
    if kind in {"impossible", "error"}:
        what = "can't be given: " if kind == "impossible" else f"**refused**: {found['error']}: "
        return what + _short(found["message"])
    if kind == "missing":
        return f"**no number**: {found['reason']}{notes}"
    if kind == "not finite":
        return f"{found['value']}{notes}"
    if found is right or right["kind"] != "number":
        return f"a number{notes}"
    ratio = found["value"] / right["value"]
    digits = 3 if abs(ratio - 1) >= 0.005 else 6
    words = "the same number" if abs(ratio - 1) < SAME else f"another number, {ratio:.{digits}g} times the right one"
    return words + notes


def _plain(warning: str) -> str:
    """Return a warning without its numbers: with others it is the same warning."""
    return re.sub(r"[\d.,]+", "", warning)


def _short(text: str) -> str:
    text = re.sub(r"\s+", " ", text)
    text = text if len(text) <= MESSAGE else text[:MESSAGE].rsplit(" ", 1)[0] + " ..."
    return re.sub(r"([\\`*_{}\[\]<>|])", r"\\\1", text)


def without_numbers(text: str) -> tuple[str, list[float]]:
    """Return a page's text with its ratios taken out, and the ratios."""
    form = r"(?<=another number, )[-+.\de]+(?= times)"
    return re.sub(form, "N", text), [float(one) for one in re.findall(form, text)]


def on_page() -> str:
    """Return the part of the page between the marks."""
    return PAGE.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0].strip()


def agree(page: str, now: str) -> bool:
    """Return whether a page says what is seen now; ratios may differ by a tenth, as processors do.

    Empty lines don't count: ruff puts its own between the lines of code on a page.
    """
    lines = ["\n".join(line for line in text.splitlines() if line.strip()) for text in (page, now)]
    (words, ratios), (new_words, new_ratios) = map(without_numbers, lines)
    close = all(abs(one - other) <= 0.1 * abs(other) for one, other in zip(ratios, new_ratios, strict=False))
    return words == new_words and len(ratios) == len(new_ratios) and close


def main() -> int:
    python = Path(os.environ.get("EVALKIT_ORACLES", ROOT / ".venv-oracles")) / "bin" / "python"
    now = markdown(observe(python))
    if "--check" in sys.argv[1:]:
        if agree(on_page(), now):
            print("docs/comparison.md says what is seen")
            return 0
        print(now)
        print("docs/comparison.md says something else", file=sys.stderr)
        return 1
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{now}\n{END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
