from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from importlib.metadata import Distribution, EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest

from evalkit import registry
from evalkit.errors import PluginError
from evalkit.registry import (
    FEATURES,
    GENERATORS,
    METRICS,
    RATING_FORMATS,
    VALIDATORS,
    PluginGroup,
    built_in_modules,
    index_by_name,
    load_group,
)

GROUP = PluginGroup("evalkit.metrics", "METRICS", None)
Install = Callable[..., None]


class Thing:
    def __init__(self, name: str) -> None:
        self.name = name


class Installed(Distribution):
    """A package as importlib.metadata sees it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def read_text(self, filename: str) -> str | None:
        return f"Metadata-Version: 2.1\nName: {self._name}\nVersion: 1\n" if filename == "METADATA" else None

    def locate_file(self, path: Any) -> Path:
        return Path(path)


def point(name: str, value: str, owner: str | None = "thirdparty", group: str = GROUP.name) -> EntryPoint:
    found = EntryPoint(name, value, group)
    return found._for(Installed(owner)) if owner else found  # type: ignore[attr-defined]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Make entry points the only installed ones, and a module ``plugin_under_test`` with attributes."""

    def give(*points: EntryPoint, **attributes: Any) -> None:
        module = types.ModuleType("plugin_under_test")
        vars(module).update(attributes)
        monkeypatch.setitem(sys.modules, "plugin_under_test", module)
        monkeypatch.setattr(registry, "entry_points", lambda group: EntryPoints(points).select(group=group))
        load_group.cache_clear()

    yield give
    load_group.cache_clear()


def names(objects: tuple[tuple[str, Any], ...]) -> list[str]:
    return [item.name for _, item in objects]


def test_one_object_or_several(install: Install) -> None:
    install(
        point("b", "plugin_under_test:MANY"),
        point("a", "plugin_under_test:ONE"),
        point("c", "plugin_under_test:LAZY"),
        ONE=Thing("one"),
        MANY=(Thing("two"), Thing("three")),
        LAZY=(Thing(f"lazy{n}") for n in range(2)),
    )
    loaded = load_group(GROUP)
    assert names(loaded) == ["one", "two", "three", "lazy0", "lazy1"]  # by the entry points' names
    assert loaded[0][0] == "'a = plugin_under_test:ONE' of thirdparty"
    assert load_group(GROUP) is loaded


def test_a_class_is_one_object_even_if_it_can_be_iterated(install: Install) -> None:
    class Strange(type):
        def __iter__(cls) -> Iterator[int]:
            return iter((1, 2))

    class Metric(metaclass=Strange):
        name = "class"

    install(point("a", "plugin_under_test:KIND"), KIND=Metric)
    assert load_group(GROUP)[0][1] is Metric


def test_only_the_group_that_is_asked_for_is_imported(install: Install) -> None:
    install(
        point("a", "plugin_under_test:ONE"),
        point("broken", "no_such_module:X", group="evalkit.validators"),
        ONE=Thing("one"),
    )
    assert names(load_group(GROUP)) == ["one"]
    with pytest.raises(PluginError, match="broken = no_such_module:X"):
        load_group(PluginGroup("evalkit.validators", "RULES", None))


def test_nothing_registered_is_said_in_a_sentence(install: Install) -> None:
    install()
    with pytest.raises(PluginError) as caught:
        load_group(GROUP)
    assert caught.value.exit_code == 4
    assert str(caught.value) == (
        "No plugin is registered in the group 'evalkit.metrics'. Expected at least the built-in ones. "
        "Install evalkit ('pip install .' or 'pip install -e .' in its folder), then try again."
    )


@pytest.mark.parametrize(
    ("value", "attributes", "reason"),
    [
        ("no_such_module_at_all:X", {}, "ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ("plugin_under_test:MISSING", {}, "AttributeError: module 'plugin_under_test' has no attribute 'MISSING'"),
        ("plugin_under_test:A.b.c", {"A": None}, "AttributeError: 'NoneType' object has no attribute 'b'"),
    ],
)
def test_a_broken_plugin_is_named_with_its_package(
    install: Install, value: str, attributes: dict[str, Any], reason: str
) -> None:
    install(point("good", "plugin_under_test:ONE"), point("bad", value, "acme-metrics"), ONE=Thing("one"), **attributes)
    with pytest.raises(PluginError) as caught:
        load_group(GROUP)
    assert str(caught.value) == (
        f"The plugin 'bad = {value}' of acme-metrics can't be loaded. Found {reason}. "
        "Fix or uninstall the package 'acme-metrics'."
    )
    assert caught.value.__cause__ is not None  # --debug shows where


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise RuntimeError('no GPU')", "RuntimeError: no GPU"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("def broken(:", "SyntaxError"),
        ("METRICS = (1 / n for n in (1, 0))", "ZeroDivisionError: division by zero"),
    ],
    ids=["raises", "exits", "is not python", "fails while listed"],
)
def test_a_plugin_that_fails_while_it_is_imported(
    install: Install, body: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "broken_plugin_under_test"
    (tmp_path / f"{module}.py").write_text(body)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, module, raising=False)
    install(point("bad", f"{module}:METRICS"))
    with pytest.raises(
        PluginError, match=f"broken_plugin_under_test:METRICS' of thirdparty can't be loaded. Found {reason}"
    ):
        load_group(GROUP)
    sys.modules.pop(module, None)


def test_an_interrupt_is_no_broken_plugin(install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "interrupted_plugin_under_test.py").write_text("raise KeyboardInterrupt")
    monkeypatch.syspath_prepend(tmp_path)
    install(point("slow", "interrupted_plugin_under_test:X"))
    with pytest.raises(KeyboardInterrupt):
        load_group(GROUP)


def test_a_failure_is_not_remembered(install: Install) -> None:
    install(point("a", "plugin_under_test:ONE"))
    with pytest.raises(PluginError):
        load_group(GROUP)
    sys.modules["plugin_under_test"].ONE = Thing("one")  # type: ignore[attr-defined]
    assert names(load_group(GROUP)) == ["one"]


def test_the_same_package_twice_on_the_path_is_one(install: Install) -> None:
    twice = [point("a", "plugin_under_test:ONE", "evalkit-video") for _ in range(2)]
    install(*twice, ONE=Thing("one"))
    assert names(load_group(GROUP)) == ["one"]


def test_an_entry_point_without_a_package(install: Install) -> None:
    install(point("a", "plugin_under_test:ONE", None), ONE=Thing("one"))
    assert load_group(GROUP)[0][0] == "'a = plugin_under_test:ONE' of unknown"


def test_objects_by_name(install: Install) -> None:
    install(point("a", "plugin_under_test:MANY"), MANY=[Thing("one"), Thing("two")])
    named = index_by_name(load_group(GROUP), lambda thing: str(thing.name), "metric")
    assert list(named) == ["one", "two"]
    assert named["two"].name == "two"


def test_two_packages_with_one_name_are_both_named(install: Install) -> None:
    install(
        point("built-in", "plugin_under_test:ONE", "evalkit-video"),
        point("mine", "plugin_under_test:OTHER", "acme-metrics"),
        ONE=Thing("fid.pytorch"),
        OTHER=[Thing("x"), Thing("fid.pytorch")],
    )
    with pytest.raises(PluginError) as caught:
        index_by_name(load_group(GROUP), lambda thing: str(thing.name), "metric")
    message = str(caught.value)
    assert message.startswith("Two plugins register the metric 'fid.pytorch'. Found ")
    assert "'built-in = plugin_under_test:ONE' of evalkit-video and" in message
    assert "and 'mine = plugin_under_test:OTHER' of acme-metrics." in message


def test_one_plugin_can_not_register_a_name_twice_either(install: Install) -> None:
    install(point("a", "plugin_under_test:MANY"), MANY=[Thing("one"), Thing("one")])
    with pytest.raises(PluginError, match="Two plugins register the rule 'one'"):
        index_by_name(load_group(GROUP), lambda thing: str(thing.name), "rule")


@pytest.mark.parametrize("item", [None, "text", 5, {"name": "x"}], ids=repr)
def test_an_object_of_another_kind_is_named_with_its_owner(install: Install, item: Any) -> None:
    install(point("a", "plugin_under_test:ITEM"), ITEM=item)
    with pytest.raises(
        PluginError, match=r"^The plugin 'a = plugin_under_test:ITEM' of thirdparty is not a metric\. Found"
    ):
        index_by_name(load_group(GROUP), lambda thing: str(thing.record.id), "metric")


def test_a_name_that_fails_is_the_plugins_fault(install: Install) -> None:
    class Odd:
        @property
        def name(self) -> str:
            raise KeyError("weights")

    install(point("a", "plugin_under_test:ITEM"), ITEM=Odd())
    with pytest.raises(PluginError, match=r"is not a metric\. Found KeyError: 'weights'"):
        index_by_name(load_group(GROUP), lambda thing: str(thing.name), "metric")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the folder of a package ``scanned_package`` whose plugins are built in."""
    root = tmp_path / "scanned_package"
    (root / "inner").mkdir(parents=True)
    (root / "one.py").write_text("METRICS = ('one',)")
    (root / "inner" / "two.py").write_text("from __future__ import annotations\nMETRICS: tuple[str, ...] = ('two',)")
    (root / "network.py").write_text("raise RuntimeError('loaded without need')")
    (root / "mentions.py").write_text("raise RuntimeError('# METRICS = ')\nif True:\n    METRICS = ()")
    monkeypatch.syspath_prepend(tmp_path)
    load_group.cache_clear()
    yield root
    load_group.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "scanned_package"]:
        del sys.modules[name]


SCANNED = PluginGroup("evalkit.scanned", "METRICS", "scanned_package")


def test_a_new_file_in_the_package_is_enough(package: Path) -> None:
    assert [item for _, item in load_group(SCANNED)] == ["two", "one"]  # by the modules' names
    load_group.cache_clear()
    (package / "three.py").write_text("METRICS = 'three',")
    assert [item for _, item in load_group(SCANNED)] == ["two", "one", "three"]
    assert load_group(SCANNED)[2][0] == "'scanned_package.three:METRICS' of evalkit-video"


def test_only_modules_that_assign_the_attribute_are_imported(package: Path) -> None:
    load_group(SCANNED)
    loaded = {name for name in sys.modules if name.startswith("scanned_package.")}
    assert loaded == {"scanned_package.one", "scanned_package.inner", "scanned_package.inner.two"}


def test_a_broken_built_in_module_is_named(package: Path) -> None:
    (package / "broken.py").write_text("METRICS = (1 / 0,)")
    with pytest.raises(PluginError, match=r"'scanned_package\.broken:METRICS' of evalkit-video can't be loaded"):
        load_group(SCANNED)


def test_others_add_to_the_built_in_plugins(package: Path, install: Install) -> None:
    install(
        point("theirs", "plugin_under_test:ONE", "acme-metrics", SCANNED.name),
        point("stale", "a_module_that_was_moved:METRICS", "evalkit-video", SCANNED.name),
        ONE=("third",),
    )
    assert [item for _, item in load_group(SCANNED)] == ["two", "one", "third"]


def test_a_built_in_name_and_another_packages_are_both_named(package: Path, install: Install) -> None:
    install(point("theirs", "plugin_under_test:ONE", "acme-metrics", SCANNED.name), ONE=("one",))
    with pytest.raises(PluginError, match="Two plugins register the metric 'one'") as caught:
        index_by_name(load_group(SCANNED), str, "metric")
    assert "'scanned_package.one:METRICS' of evalkit-video" in str(caught.value)
    assert "of acme-metrics" in str(caught.value)


@pytest.mark.parametrize(
    "group", [METRICS, FEATURES, VALIDATORS, GENERATORS, RATING_FORMATS], ids=lambda group: group.name
)
def test_the_built_in_plugins_load(group: PluginGroup) -> None:
    load_group.cache_clear()
    assert len(built_in_modules(group)) > 2
    assert {origin for origin, _ in load_group(group)} >= {
        f"'{module}:{group.attribute}' of evalkit-video" for module in built_in_modules(group)
    }


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("METRICS = (a,)\n", True),
        ("METRICS: tuple[int, ...] = (a,)\n", True),
        ("FEATURES, METRICS = (f,), (a,)\n", True),
        ("METRICS, FEATURES = (a,), (f,)\n", True),
        ("    METRICS = (a,)\n", False),
        ("OTHER_METRICS = (a,)\n", False),
        ("from x import METRICS\n", False),
    ],
)
def test_a_module_that_assigns_the_attribute_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, found: bool
) -> None:
    package = tmp_path / "scanned_rooms"
    package.mkdir()
    (package / "one.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert built_in_modules(PluginGroup("x", "METRICS", "scanned_rooms")) == (["scanned_rooms.one"] if found else [])
    sys.modules.pop("scanned_rooms", None)
