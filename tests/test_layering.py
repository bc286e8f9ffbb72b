"""Who may import whom: a room never imports one above it, and the code's folders are all packaged."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# From the ground up; rooms on one line don't import each other.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("evalkit._version", "evalkit.text"),
    ("evalkit.errors",),
    ("evalkit.clock", "evalkit.files", "evalkit.registry", "evalkit.statistics", "evalkit.media"),
    ("evalkit.yamlio",),
    ("evalkit.challenges", "evalkit.testsets", "evalkit.workers"),
    ("evalkit.submission", "evalkit.ratings"),
    ("evalkit.weights", "evalkit.metrics.features"),
    ("evalkit.metrics", "evalkit.validators"),
    ("evalkit.scoring",),
    ("evalkit.board",),
    ("evalkit.leaderboard", "evalkit.rating_report"),
    ("evalkit.reports", "evalkit.reference_models"),
    ("evalkit.api",),
    ("evalkit.cli",),
    ("evalkit.__main__", "evalkit"),
)
LINKED = {"metrics", "validators", "reports", "reference_models"}


def room_of(module: str) -> tuple[int, str]:
    """Return the floor and the room that ``module`` belongs to: the longest name that fits."""
    fits = [
        (floor, room)
        for floor, rooms in enumerate(FLOORS)
        for room in rooms
        if module == room or module.startswith(room + ".")
    ]
    return max(fits, key=lambda found: len(found[1]))


def modules() -> list[tuple[str, Path]]:
    """Return every module of the product with its file, links resolved to where the code lies."""
    found = []
    for base, prefix in [(ROOT / "evalkit", "evalkit"), *((ROOT / name, f"evalkit.{name}") for name in sorted(LINKED))]:
        for file in sorted(base.rglob("*.py")):
            relative = file.relative_to(base)
            if prefix == "evalkit" and relative.parts[0] in LINKED:
                continue
            parts = [prefix, *relative.with_suffix("").parts]
            if parts[-1] == "__init__":
                parts.pop()
            found.append((".".join(parts), file))
    return found


def imports(file: Path) -> set[str]:
    """Return the evalkit modules that ``file`` imports, wherever in the file it does, types included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative imports hide which room is meant"
            module = node.module or ""
            # "from evalkit.metrics import x" means the module evalkit.metrics.x
            names |= {f"{module}.{alias.name}" for alias in node.names} if module.startswith("evalkit") else set()
    return {name for name in names if name == "evalkit" or name.startswith("evalkit.")}


def violations(name: str, imported: set[str]) -> list[str]:
    """Return what ``name`` must not import."""
    floor, room = room_of(name)
    wrong = []
    for target in sorted(imported):
        target_floor, target_room = room_of(target)
        neighbours = target_floor == floor and target_room != room
        if target_floor > floor or neighbours:
            wrong.append(f"{name} ({room}) imports {target} ({target_room})")
    return wrong


@pytest.mark.parametrize(("name", "file"), modules(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_room_imports_only_what_lies_below(name: str, file: Path) -> None:
    lazy = {"evalkit.api", "evalkit.challenges.model", "evalkit.errors"} if name == "evalkit" else set()
    assert violations(name, imports(file) - lazy) == []


def test_the_rule_sees_a_violation() -> None:
    assert violations("evalkit.media.probe", {"evalkit.scoring.plan.make_plan"})
    assert violations("evalkit.metrics.identity", {"evalkit.validators.findings.Rule"})
    assert violations("evalkit.metrics.features.faces", {"evalkit.metrics.base.Metric"})
    assert violations("evalkit.scoring.run", {"evalkit.cli.score"})
    assert not violations("evalkit.cli.score", {"evalkit.scoring.run.Options"})


def test_the_linked_rooms_have_no_init_and_the_links_are_relative() -> None:
    for room in LINKED:
        assert not (ROOT / room / "__init__.py").exists(), f"{room}/ would shadow a package of that name"
        link = ROOT / "evalkit" / room
        assert link.is_symlink()
        assert link.readlink() == Path("..") / room


def test_every_folder_with_code_is_packaged() -> None:
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    with_code = {name if file.name == "__init__.py" else name.rpartition(".")[0] for name, file in modules()}
    with_data = {
        "evalkit.metrics.definitions",
        "evalkit.challenges.presets",
        "evalkit.weights",
        "evalkit.reports.templates",
    }
    with_data |= {"evalkit.reference_models.bundled.weights"}
    assert sorted(setup["packages"]) == sorted(with_code | with_data)


def test_modules_do_one_job() -> None:
    """A module beyond 400 lines holds more than one job."""
    long = [(name, count) for name, file in modules() if (count := len(file.read_text().splitlines())) > 400]
    assert long == []
