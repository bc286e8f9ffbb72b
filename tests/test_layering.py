"""Who may import whom: a room imports only rooms below it, no modules import each other in a circle.

The rooms and their order are explained in docs/architecture.md. Imports inside functions and under ``TYPE_CHECKING``
count like any other, and so do names of modules in strings (`importlib`, entry points, package resources).
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# From the ground up. Rooms on one floor don't import each other; there is no exempt floor.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("evalkit._version", "evalkit.text"),
    ("evalkit.errors",),
    (
        "evalkit.clock",
        "evalkit.files",
        "evalkit.heap",
        "evalkit.jsonio",
        "evalkit.model_faults",
        "evalkit.notebook",
        "evalkit.progress",
        "evalkit.registry",
        "evalkit.signing",
        "evalkit.statistics",
        "evalkit.media",
    ),
    ("evalkit.numpy_files", "evalkit.yamlio"),
    ("evalkit.challenges", "evalkit.testsets", "evalkit.workers"),
    ("evalkit.submission", "evalkit.ratings", "evalkit.speed"),
    # What a feature is, what a metric is; the rooms above hold both, a file each.
    ("evalkit.weights", "evalkit.metrics.features", "evalkit.metrics.base"),
    ("evalkit.metrics.networks",),
    ("evalkit.metrics.embeddings",),
    (
        "evalkit.metrics.clip",
        "evalkit.metrics.faces",
        "evalkit.metrics.gaming",
        "evalkit.metrics.motion",
        "evalkit.metrics.quality",
        "evalkit.metrics.sync",
    ),
    ("evalkit.metrics", "evalkit.validators"),
    ("evalkit.detection",),
    ("evalkit.scoring",),
    (
        "evalkit.arrays",
        "evalkit.board",
        "evalkit.challenge_gaming",
        "evalkit.cluster",
        "evalkit.crosscheck",
        "evalkit.folders",
        "evalkit.groups",
        "evalkit.repairing",
        "evalkit.testset_check",
    ),
    ("evalkit.functional", "evalkit.leaks", "evalkit.torchmetrics"),
    ("evalkit.leaderboard", "evalkit.packing", "evalkit.rating_report", "evalkit.tables"),
    ("evalkit.challenge_check", "evalkit.plot", "evalkit.reports", "evalkit.reference_models"),
    ("evalkit.batch", "evalkit.scorer"),
    ("evalkit.api", "evalkit.huggingface", "evalkit.lightning"),
    ("evalkit.hosting", "evalkit.studio"),
    ("evalkit.cli",),
    ("evalkit.__main__", "evalkit"),
)
# evalkit/ links to these folders of the top level, so that they import as evalkit.metrics and so on.
LINKED = {"metrics", "validators", "reports", "reference_models"}
# ``import evalkit`` alone offers the Python interface; it loads these when they are asked for.
PUBLIC_INTERFACE = {"evalkit.api", "evalkit.challenges", "evalkit.errors", "evalkit._version"}
_MODULE_NAME = re.compile(r"evalkit(\.[a-z_][a-z0-9_]*)+")


def room_of(module: str) -> tuple[int, str]:
    """Return the floor and the room that ``module`` belongs to: the longest name that fits."""
    fits = [
        (floor, room)
        for floor, rooms in enumerate(FLOORS)
        for room in rooms
        if module == room or module.startswith(room + ".")
    ]
    return max(fits, key=lambda found: len(found[1]))


def _modules() -> Iterator[tuple[str, Path]]:
    for base, prefix in [(ROOT / "evalkit", "evalkit"), *((ROOT / name, f"evalkit.{name}") for name in sorted(LINKED))]:
        for file in sorted(base.rglob("*.py")):
            relative = file.relative_to(base)
            if prefix == "evalkit" and relative.parts[0] in LINKED:
                continue
            parts = [prefix, *relative.with_suffix("").parts]
            if parts[-1] == "__init__":
                parts.pop()
            yield ".".join(parts), file


MODULES = dict(_modules())
PACKAGES = {name.rpartition(".")[0] for name in MODULES} | {name for name, f in MODULES.items() if f.stem == "__init__"}


def imports(tree: ast.AST) -> set[str]:
    """Return the modules of evalkit that a module imports or names in a string."""
    found: set[str] = set()
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide which room is meant"
            module = node.module or ""
            # "from evalkit.metrics import base" means the module evalkit.metrics.base.
            names = [f"{module}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES or name in PACKAGES else module for name in names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _MODULE_NAME.fullmatch(node.value):
            names = [node.value] if node.value in MODULES else []
        assert not {name.partition(".")[0] for name in names} & LINKED, "import linked rooms through evalkit"
        found |= {name for name in names if name == "evalkit" or name.startswith("evalkit.")}
    return found


IMPORTS = {name: imports(ast.parse(file.read_text(encoding="utf-8"))) - {name} for name, file in MODULES.items()}


def violations(name: str, imported: set[str]) -> list[str]:
    """Return what ``name`` must not import."""
    floor, room = room_of(name)
    wrong = []
    for target in sorted(imported - (PUBLIC_INTERFACE if name == "evalkit" else set())):
        target_floor, target_room = room_of(target)
        if target_floor > floor or (target_floor == floor and target_room != room):
            wrong.append(f"{name} ({room}) imports {target} ({target_room})")
    return wrong


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_room_imports_only_what_lies_below(name: str) -> None:
    assert violations(name, IMPORTS[name]) == []


def test_the_rule_sees_a_violation() -> None:
    assert violations("evalkit.media.decode", {"evalkit.scoring.plan"})
    assert violations("evalkit.metrics.identity.similarity", {"evalkit.validators.findings"})
    assert violations("evalkit.metrics.features.base", {"evalkit.metrics.base"})
    assert violations("evalkit.scoring.run", {"evalkit.cli.score"})
    assert violations("evalkit.challenges.model", {"evalkit.testsets.model"})
    assert violations("evalkit.errors", {"evalkit.files"})
    assert not violations("evalkit.cli.score", {"evalkit.scoring.run"})


@pytest.mark.parametrize(
    "code",
    [
        "import evalkit.scoring.run",
        "from evalkit.scoring import run",
        "from evalkit.scoring.run import score_run",
        "def f():\n    from evalkit.scoring.run import score_run",
        "if TYPE_CHECKING:\n    from evalkit.scoring.run import score_run",
        "importlib.import_module('evalkit.scoring.run')",
    ],
)
def test_every_way_to_import_is_seen(code: str) -> None:
    assert imports(ast.parse(code)) == {"evalkit.scoring.run"}


@pytest.mark.parametrize("code", ["from metrics.base import Metric", "import reports.page", "from .text import escape"])
def test_imports_that_hide_their_room_are_refused(code: str) -> None:
    with pytest.raises(AssertionError):
        imports(ast.parse(code))


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {name: {target for target in found if target in MODULES} for name, found in IMPORTS.items()}
    graph["evalkit"] -= PUBLIC_INTERFACE
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(error.args[1])}")


def test_files_with_one_prefix_become_a_package() -> None:
    """Three siblings ``sync_audio``, ``sync_tracks``, ``sync_windows`` are a package ``sync`` that has no name yet."""
    families: dict[tuple[Path, str], list[str]] = defaultdict(list)
    for file in MODULES.values():
        if not file.stem.startswith("_"):
            families[file.parent, file.stem.partition("_")[0]].append(file.stem)
    assert {str(folder / prefix): names for (folder, prefix), names in families.items() if len(names) > 2} == {}


def test_the_linked_rooms_have_no_init_and_the_links_are_relative() -> None:
    for room in LINKED:
        assert not (ROOT / room / "__init__.py").exists(), f"{room}/ would shadow a package of that name"
        link = ROOT / "evalkit" / room
        assert link.is_symlink()
        assert link.readlink() == Path("..") / room


def test_every_folder_with_code_is_packaged() -> None:
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    with_code = {name if file.name == "__init__.py" else name.rpartition(".")[0] for name, file in MODULES.items()}
    assert sorted(setup["packages"]) == sorted(with_code | set(setup["package-data"]))
