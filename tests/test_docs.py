"""The documents say what the code does, and the reverse."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest
from test_layering import FLOORS

import evalkit
from evalkit.challenges.model import preset_ids
from evalkit.cli import cli
from evalkit.metrics.base import metric_registry
from evalkit.validators.registry import rule_registry

ROOT = Path(__file__).parents[1]
GUIDES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "definitions").glob("*.md")),
    *sorted((ROOT / "docs" / "papers").glob("*.md")),
]
SHOWN = "\n".join(path.read_text(encoding="utf-8") for path in GUIDES)
ORGANIZERS = (ROOT / "docs" / "organizers.md").read_text(encoding="utf-8")
DEPENDENCIES = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
RULES_PAGE = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
METRICS_PAGE = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")


def command_paths(group: click.Group, before: tuple[str, ...] = ()) -> dict[tuple[str, ...], click.Command]:
    """Return every command by its words."""
    found: dict[tuple[str, ...], click.Command] = {}
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found |= command_paths(command, (*before, name))
        else:
            found[(*before, name)] = command
    return found


COMMANDS = command_paths(cli)


def shown_commands(text: str) -> list[list[str]]:
    """Return the words of every ``evalkit ...`` line in code blocks."""
    blocks = re.findall(r"```[a-z]*\n(.*?)```", text, flags=re.DOTALL)
    lines = [line.removeprefix("$ ").split("#")[0] for block in blocks for line in block.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("evalkit ")]


def test_every_command_is_on_the_page_of_commands() -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    shown = {tuple(words[: len(path)]) for words in shown_commands(page) for path in COMMANDS}
    assert [" ".join(path) for path in COMMANDS if path not in shown] == []


@pytest.mark.parametrize("words", shown_commands(SHOWN), ids=" ".join)
def test_every_command_in_the_readme_and_docs_exists_with_its_options(words: list[str]) -> None:
    path = next(path for path in sorted(COMMANDS, key=len, reverse=True) if tuple(words[: len(path)]) == path)
    known = {option for parameter in COMMANDS[path].params for option in parameter.opts + parameter.secondary_opts}
    assert {word for word in words if word.startswith("-")} <= known | {"-h", "--help"}


def named_in_messages() -> set[tuple[str, ...]]:
    """Return the commands that messages and docstrings of the product name in quotes, such as 'evalkit board init'."""
    found = set()
    for room in ("evalkit", "metrics", "validators", "reports", "reference_models"):
        for file in (ROOT / room).rglob("*.py"):
            for words in re.findall(r"'evalkit((?: [a-z][a-z-]*)+)[^']*'", file.read_text(encoding="utf-8")):
                found.add(tuple(words.split()))
    return found


@pytest.mark.parametrize("words", sorted(named_in_messages()), ids=" ".join)
def test_every_command_that_a_message_names_exists(words: tuple[str, ...]) -> None:
    groups = {path[:1] for path in COMMANDS if len(path) == 2}
    if words[:1] in groups:
        assert len(words) == 1 or words[:2] in COMMANDS
    else:
        assert words[:1] in COMMANDS


@pytest.mark.parametrize(
    ("path", "command"), COMMANDS.items(), ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_every_command_has_help_and_an_example(path: tuple[str, ...], command: click.Command) -> None:
    assert command.help
    assert f"evalkit {' '.join(path)}" in (command.epilog or "")


def ids_in(page: str) -> set[str]:
    """Return what stands as `code` in the first column of a page's tables."""
    return set(re.findall(r"^\| \[?`([^`]+)`", page, flags=re.MULTILINE))


def test_the_metrics_page_lists_exactly_the_registered_metrics() -> None:
    assert ids_in(METRICS_PAGE) == set(metric_registry())


@pytest.mark.parametrize("name", sorted(metric_registry()))
def test_every_metric_has_a_page_with_its_definition(name: str) -> None:
    record = metric_registry()[name].record
    page = (ROOT / "docs" / "metrics" / f"{name}.md").read_text(encoding="utf-8")
    assert len(record.definition) > 60
    for words in (record.definition, record.summary, record.citation, record.notes):
        assert words in page
    assert f"](metrics/{name}.md)" in METRICS_PAGE


def test_the_index_of_definitions_names_families_that_exist() -> None:
    index = (ROOT / "docs" / "definitions" / "README.md").read_text(encoding="utf-8")
    families = set(re.findall(r"`([a-z]+)\.\*`", index))
    assert len(families) > 5
    for family in families:
        pages = sorted((ROOT / "docs" / "metrics").glob(f"{family}.*.md"))
        assert pages, family
        assert [page.name for page in pages if "](../definitions/" not in page.read_text(encoding="utf-8")] == []


def test_links_between_pages_lead_somewhere() -> None:
    folders = [
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "design").glob("*.md"),
        *(ROOT / "reference_models").rglob("*.md"),
    ]
    pages = [*ROOT.glob("*.md"), *folders]
    links = [
        (page, link)
        for page in pages
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    ]
    assert len(links) > 100
    assert [(page.name, link) for page, link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)
def test_names_that_examples_import_exist(page: Path) -> None:
    for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("evalkit"):
                spec = importlib.util.find_spec(node.module or "")
                assert spec is not None
                assert spec.origin is not None
                source = Path(spec.origin).read_text(encoding="utf-8")
                assert [alias.name for alias in node.names if not re.search(rf"\b{alias.name}\b", source)] == []


def test_the_metrics_page_has_every_short_name() -> None:
    aliases = [alias for metric in metric_registry().values() for alias in metric.record.aliases]
    assert [alias for alias in aliases if f"`{alias}`" not in METRICS_PAGE] == []


def test_the_rules_page_lists_exactly_the_registered_rules() -> None:
    assert ids_in(RULES_PAGE) == set(rule_registry())


def test_the_guide_for_organizers_names_exactly_the_presets() -> None:
    table = ORGANIZERS.split("<!-- presets -->")[1].split("<!-- end -->")[0]
    assert ids_in(table) == set(preset_ids())


def test_the_changelog_knows_this_version() -> None:
    assert f"## {evalkit.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_dependency_is_explained() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [re.split(r"[<>=\[ ]", requirement)[0] for requirement in project["dependencies"]]
    table = DEPENDENCIES.split("<!-- dependencies -->")[1].split("<!-- end -->")[0]
    assert [name for name in names if f"`{name}`" not in table] == []


# Citations: every document that a tracked file names is in the repository


def tracked() -> dict[str, str]:
    """Return the text of every tracked text file, by its path; symbolic links are left out."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    names = [name for name in listed.stdout.split("\0") if name]
    if not names:
        pytest.skip("not a checkout of git")
    found = {}
    for name in names:
        path = ROOT / name
        if path.suffix in TEXT and path.is_file() and not path.is_symlink():
            found[name] = path.read_text(encoding="utf-8")
    return found


TEXT = {".md", ".py", ".yaml", ".yml", ".toml", ".html", ".js", ".css", ".txt", ".cfg", ".sh", ""}
ELSEWHERE = re.compile(r"(?:METRICS|METRICS_PAPERS|DESIGN|STYLE|DATA)\." + "md")
CITED = re.compile(r"(?<![\w/.-])docs/([\w./-]+\.md)(?:#([\w-]+))?")
LINK = re.compile(r"\]\(([^)\s#:]*)(?:#([^)\s]+))?\)")


def anchors(text: str) -> set[str]:
    """Return the fragments of a page's headings, as GitHub makes them."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), flags=re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        found.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return found


def test_no_file_cites_a_document_that_is_not_here() -> None:
    files = {name: text for name, text in tracked().items() if name != "CHANGELOG.md"}
    assert {name: ELSEWHERE.findall(text) for name, text in files.items() if ELSEWHERE.search(text)} == {}


def test_every_page_of_docs_that_a_file_names_exists_with_its_section() -> None:
    broken = []
    for name, text in tracked().items():
        for page, section in CITED.findall(text):
            path = ROOT / "docs" / page
            if not path.is_file() or (section and section not in anchors(path.read_text(encoding="utf-8"))):
                broken.append(f"{name}: docs/{page}#{section}")
    assert broken == []


def test_sections_that_links_name_exist() -> None:
    broken = []
    for name, text in tracked().items():
        if not name.endswith(".md"):
            continue
        for link, section in LINK.findall(text):
            path = (ROOT / name).parent / link if link else ROOT / name
            if section and path.suffix == ".md" and section not in anchors(path.read_text(encoding="utf-8")):
                broken.append(f"{name}: {link}#{section}")
    assert broken == []


def test_the_architecture_page_has_every_room() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    engine = [path.name for path in (ROOT / "evalkit").iterdir() if (path / "__init__.py").exists()]
    rooms = [f"evalkit/{name}/" for name in engine] + ["metrics/", "validators/", "reports/", "reference_models/"]
    assert [room for room in rooms if f"| [{room}](../{room.rstrip('/')}) |" not in page] == []


def pages_about_code() -> dict[str, str]:
    """Return the text of every page that may name modules: README, SECURITY, docs/ and design/."""
    return {
        name: text for name, text in tracked().items() if name.startswith(("docs/", "design/", "README", "SECURITY"))
    }


def test_paths_that_pages_name_exist() -> None:
    """A path may stand in backticks or in plain text; a link's target is another test's."""
    rooms = "evalkit|metrics|validators|reports|reference_models|training|tests|benchmarks|scripts"
    quoted = re.compile(rf"`((?:{rooms})/[\w./-]+)`")
    plain = re.compile(rf"(?<![\w./-])((?:{rooms})/[\w/-]+\.(?:py|yaml|html|js|css|md))\b")
    named = [
        (page, path)
        for page, text in pages_about_code().items()
        for path in [*quoted.findall(text), *plain.findall(text)]
    ]
    assert len(named) > 50
    missing = [
        (page, path) for page, path in named if not (ROOT / path).exists() and not (ROOT / "evalkit" / path).exists()
    ]
    assert missing == []


def test_modules_that_pages_name_exist() -> None:
    """``evalkit.workers.sandbox`` is a module or a name in one; the entry-point groups are the exception."""
    groups = {
        "evalkit.metrics",
        "evalkit.features",
        "evalkit.validators",
        "evalkit.generators",
        "evalkit.rating_formats",
    }
    named = [
        (page, name)
        for page, text in pages_about_code().items()
        for name in re.findall(r"`(evalkit(?:\.\w+)+)(?:\(\))?`", text)
        if name not in groups
    ]
    assert len(named) > 5
    missing = []
    for page, name in named:
        parent, _, last = name.rpartition(".")
        if importlib.util.find_spec(parent) is None or (
            not hasattr(importlib.import_module(parent), last) and importlib.util.find_spec(name) is None
        ):
            missing.append((page, name))
    assert missing == []


def test_names_that_pages_give_with_a_file_are_in_it() -> None:
    """Such as ```FRAME_RATE` in [distances.py](../metrics/sync/distances.py)``."""
    named = [
        (page, *found)
        for page, text in pages_about_code().items()
        for found in re.findall(r"`(\w+)` in \[[^\]]+\]\(([^)#]+)\)", text)
    ]
    assert len(named) > 5
    missing = []
    for page, word, link in named:
        text = ((ROOT / page).parent / link).read_text(encoding="utf-8")
        if not re.search(rf"\b{word}\b", text):
            missing.append((page, word, link))
    assert missing == []


def test_classes_that_pages_name_exist() -> None:
    code = "\n".join(text for name, text in tracked().items() if name.endswith(".py"))
    classes = set(re.findall(r"^\s*class (\w+)", code, flags=re.MULTILINE))
    named = {
        (page, word)
        for page, text in pages_about_code().items()
        for word in re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)+)`", text)
    }
    assert len(named) > 5
    of_python = {"ProcessPoolExecutor"}
    assert sorted((page, word) for page, word in named if word not in classes | of_python) == []


def test_every_room_starts_at_a_file_that_exists() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[[^\]]+\]\(\.\./([^)]+)\) \|.*\| `([\w/.]+)` \|$", page, flags=re.MULTILINE)
    assert len(rows) > 15
    assert [row for row in rows if not (ROOT / row[0] / row[1]).is_file()] == []


def test_the_order_of_rooms_on_the_architecture_page_is_the_one_that_holds() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = page.split("### Who may import whom")[1].split("```text\n")[1].split("```")[0].splitlines()
    small = {"_version", "__main__", "evalkit"}
    floors = [{room.removeprefix("evalkit.") for room in floor} - small for floor in FLOORS]
    assert [set(line.split(", ")) for line in reversed(drawn)] == [floor for floor in floors if floor]
