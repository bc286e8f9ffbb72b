"""The page that compares with other libraries says what is seen when its code is run."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks" / "libraries" / "compare.py"


@pytest.fixture(scope="module")
def compare() -> ModuleType:
    spec = importlib.util.spec_from_file_location("compare_libraries", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def seen(compare: ModuleType, oracle_python: Path) -> dict[str, Any]:
    path = list(sys.path)
    try:
        found: dict[str, Any] = compare.observe(oracle_python)
    finally:
        sys.path[:] = path
    return found


@pytest.mark.oracles
def test_the_page_says_what_is_seen(compare: ModuleType, seen: dict[str, Any]) -> None:
    now = compare.markdown(seen)
    assert compare.agree(compare.on_page(), now), now


@pytest.mark.oracles
def test_the_versions_on_the_page_are_those_that_ran(seen: dict[str, Any]) -> None:
    page = (ROOT / "docs" / "comparison.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith(("| [", "| evalkit | "))]
    for name, version in seen["versions"].items():
        assert any(name in row.split("|")[1] and row.split("|")[2].strip() == version for row in rows), name


@pytest.mark.oracles
def test_here_every_wrong_array_is_refused_with_what_to_do(seen: dict[str, Any]) -> None:
    for job in ("fid", "psnr"):
        found = seen["found"][job]["evalkit"]
        for case in ("floats", "axes", "nan"):
            assert (found[case]["kind"], found[case]["error"]) == ("error", "InputError")
        assert found["right"]["kind"] == "number"
    assert seen["found"]["psnr"]["evalkit"]["unequal"]["kind"] == "error"
    assert any("all_of_both_sides" in one for one in seen["found"]["fid"]["evalkit"]["unequal"]["warnings"])


def test_agreement_takes_rounding_for_none_and_a_change_for_one(compare: ModuleType) -> None:
    page = "| x | another number, 1.62 times the right one | **refused**: ValueError: no |"
    assert compare.agree(page, page.replace("1.62", "1.6"))
    assert not compare.agree(page, page.replace("1.62", "2.6"))
    assert not compare.agree(page, page.replace("**refused**", "a number"))
    assert not compare.agree(page, page.replace("another number, 1.62 times the right one", "the same number"))


def test_cells_say_what_happened(compare: ModuleType) -> None:
    right = {"kind": "number", "value": 10.0, "warnings": []}
    assert compare.cell(right, right) == "a number"
    assert compare.cell({**right}, right) == "the same number"
    assert compare.cell({**right, "value": 25.0}, right) == "another number, 2.5 times the right one"
    assert compare.cell({**right, "value": 25.0, "warnings": ["few | x"]}, right).endswith("; says: few \\| x")
    error = {"kind": "error", "error": "ValueError", "message": "a_b " * 60, "warnings": []}
    assert compare.cell(error, right).startswith("**refused**: ValueError: a\\_b a\\_b")
    assert compare.cell(error, right).endswith(" ...")
    assert compare.cell({"kind": "not finite", "value": "nan", "warnings": []}, right) == "nan"
