"""ZIPs of a bundle that are damaged or encrypted: a problem or an error in one sentence, never a traceback."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from evalkit.errors import InputError
from evalkit.hosting.checking import check_bundle

METHODS = {"deflated": zipfile.ZIP_DEFLATED, "bzip2": zipfile.ZIP_BZIP2, "lzma": zipfile.ZIP_LZMA}
KINDS = [*METHODS, "encrypted", "another method", "another version"]


def damaged(path: Path, name: str, kind: str) -> Path:
    """Write a ZIP with one file that can't be read."""
    with zipfile.ZipFile(path, "w", METHODS.get(kind, zipfile.ZIP_STORED)) as archive:
        archive.writestr(name, b"def evaluate(): ..." * 50)
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\1\2")
    if kind == "encrypted":
        data[6] |= 1
        data[entry + 8] |= 1
    elif kind == "another method":
        data[8] = data[entry + 10] = 97
    elif kind == "another version":
        data[entry + 6] = 200
    else:
        start = 30 + len(name)
        data[start + 4 : start + 24] = b"\xff" * 20
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_a_bundle_that_cannot_be_read_is_an_error(tmp_path: Path, kind: str) -> None:
    bundle = damaged(tmp_path / "bundle.zip", "challenge_config.yaml", kind)
    with pytest.raises(InputError, match="can't be read"):
        check_bundle(bundle)


@pytest.mark.parametrize("kind", KINDS)
def test_a_script_that_cannot_be_read_is_a_problem(tmp_path: Path, kind: str) -> None:
    damaged(tmp_path / "script.zip", "__init__.py", kind)
    (tmp_path / "challenge_config.yaml").write_text("evaluation_script: script.zip\n", encoding="utf-8")
    problems = check_bundle(tmp_path).problems
    assert any("can't be read" in problem or "is no ZIP" in problem for problem in problems), problems
