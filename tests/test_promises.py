"""SECURITY.md promises what tests hold: design/014 names them, sentence by sentence."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from evalkit.workers import messages, process, thread_watch
from evalkit.workers.sandbox import Limits

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "design" / "014-promises-and-tests.md"
BEGINS = "## What is in force"


def rows() -> list[tuple[str, list[str]]]:
    """Return the words of each promise and its tests."""
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    cells = [line.strip("|").split(" | ") for line in lines if line.startswith("| ") and "`" in line.split(" | ")[-1]]
    return [(words.strip(), re.findall(r"`([^`]+)`", tests)) for words, tests in cells]


def promised() -> str:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    return " ".join(text[text.index(BEGINS) + len(BEGINS) : text.index("## What is not promised")].split())


def sentences() -> list[str]:
    """Return what is in force; the bold beginning of a paragraph is no sentence of its own."""
    found = re.split(r"(?<=\.)\s+(?=[A-Z`-])|(?<=\.)\*\*\s+", promised().replace(" - **", ". - **"))
    return [one for one in found if re.sub(r"^- \*\*[^*]*\*?\*?$", "", one).strip(" .-")]


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("words", "tests"), rows(), ids=lambda value: value[:60] if isinstance(value, str) else "")
def test_each_row_is_about_a_promise_and_names_tests(words: str, tests: list[str]) -> None:
    assert words in promised()
    assert tests
    for test in tests:
        file, _, name = test.partition("::")
        assert name.startswith("test_")
        assert name in functions(ROOT / file), test


@pytest.mark.parametrize("sentence", sentences(), ids=lambda sentence: sentence[:60])
def test_no_promise_is_without_a_row(sentence: str) -> None:
    assert any(words in sentence for words, _ in rows())


def test_numbers_are_those_of_the_code() -> None:
    limits = Limits()
    said = promised()
    for words, number in {
        f"{limits.memory_bytes >> 30} GiB of memory": limits.memory_bytes % (1 << 30),
        f"{limits.open_files} open files": 0,
        f"{limits.file_bytes >> 30} GiB for each file": limits.file_bytes % (1 << 30),
        f"at most {thread_watch.MOST_THREADS} threads": 0,
        f"at most {messages.MOST_TEXT_BYTES >> 20} MiB of text": messages.MOST_TEXT_BYTES % (1 << 20),
        f"{messages.MOST_DATA_BYTES >> 20} MiB of arrays": messages.MOST_DATA_BYTES % (1 << 20),
        f"serves at most {process.JOBS_PER_WORKER}": 0,
    }.items():
        assert words in said
        assert number == 0  # nothing is rounded
