"""Plugins: metrics, features, validation rules, generators, rating formats.

A plugin is an object that a module names in one attribute (`METRICS`, `FEATURES`, `RULES`, ...), alone or in a
sequence. The built-in ones are found by scanning evalkit's own packages: a new file is enough. Those of other packages
are found through entry points, whose group has the name of the kind (`evalkit.metrics`). Nothing is imported before
somebody asks for a group, and then only the modules whose source assigns the attribute.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from evalkit.errors import PluginError

DISTRIBUTION = "evalkit-video"


@dataclass(frozen=True)
class PluginGroup:
    """One kind of plugin and where to find it.

    Args:
        name: of the entry-point group.
        attribute: what a built-in module calls its plugins.
        package: where the built-in ones are, subpackages included; ``None`` for a group without built-in ones.
    """

    name: str
    attribute: str
    package: str | None


METRICS = PluginGroup("evalkit.metrics", "METRICS", "evalkit.metrics")
FEATURES = PluginGroup("evalkit.features", "FEATURES", "evalkit.metrics")
VALIDATORS = PluginGroup("evalkit.validators", "RULES", "evalkit.validators")
GENERATORS = PluginGroup("evalkit.generators", "GENERATORS", "evalkit.reference_models.generators")
RATING_FORMATS = PluginGroup("evalkit.rating_formats", "FORMAT", "evalkit.ratings.formats")


@cache
def load_group(group: PluginGroup) -> tuple[tuple[str, Any], ...]:
    """Return (origin, object) for every plugin of ``group``: the built-in ones by module, then the others by name.

    Raises:
        PluginError: when a plugin can't be imported, or when there is none.
    """
    objects: list[tuple[str, Any]] = []
    for module in built_in_modules(group):
        origin = f"'{module}:{group.attribute}' of {DISTRIBUTION}"
        objects += _load(origin, DISTRIBUTION, partial(_attribute, module, group.attribute))
    seen: set[tuple[str, str, str]] = set()
    for point in sorted(entry_points(group=group.name), key=lambda point: (point.name, _origin(point))):
        owner = _distribution(point)
        # An editable install keeps the entry points of the version that was installed; ours are found by the scan.
        if (group.package and owner == DISTRIBUTION) or (point.name, point.value, owner) in seen:
            continue  # the second case: the same distribution listed twice on sys.path
        seen.add((point.name, point.value, owner))
        objects += _load(_origin(point), owner, point.load)
    if not objects:
        raise PluginError(
            f"No plugin is registered in the group '{group.name}'.",
            expected="at least the built-in ones",
            fix="Install evalkit ('pip install .' or 'pip install -e .' in its folder), then try again.",
        )
    return tuple(objects)


def built_in_modules(group: PluginGroup) -> list[str]:
    """Return the names of the modules in the group's package whose source assigns its attribute, sorted."""
    if group.package is None:
        return []
    # Also as one of several: FEATURES, METRICS = (...), (...)
    assigns = re.compile(rb"^(?:\w+ *, *)*" + group.attribute.encode() + rb"\b[^=\n]*=", re.MULTILINE)
    return sorted(name for name, file in _source_files(group.package) if assigns.search(file.read_bytes()))


def _source_files(package: str) -> Iterator[tuple[str, Path]]:
    """Yield the module name and the file of every module in the package and its subpackages."""
    for root in import_module(package).__path__:
        for file in Path(root).rglob("*.py"):
            parts = [*file.relative_to(root).parent.parts, *(() if file.stem == "__init__" else (file.stem,))]
            yield ".".join([package, *parts]), file


def _attribute(module: str, name: str) -> Any:
    return getattr(import_module(module), name)


def _load(origin: str, owner: str, load: Callable[[], Any]) -> list[tuple[str, Any]]:
    try:
        loaded = load()
        items = list(loaded) if isinstance(loaded, Iterable) and not isinstance(loaded, type) else [loaded]
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"The plugin {origin} can't be loaded.",
            found=f"{type(error).__name__}: {error}",
            fix=f"Fix or uninstall the package '{owner}'.",
        ) from error
    return [(origin, item) for item in items]


def index_by_name(objects: Iterable[tuple[str, Any]], name: Callable[[Any], str], kind: str) -> dict[str, Any]:
    """Return the objects by name.

    Raises:
        PluginError: naming both owners, when two register the same name.
    """
    owners: dict[str, str] = {}
    named: dict[str, Any] = {}
    for origin, item in objects:
        try:
            key = name(item)
        except Exception as error:
            raise PluginError(
                f"The plugin {origin} is not a {kind}.", found=f"{type(error).__name__}: {error}"
            ) from error
        if key in named:
            raise PluginError(
                f"Two plugins register the {kind} '{key}'.",
                found=f"{owners[key]} and {origin}",
                fix="Uninstall one of the two packages, or rename one of the plugins.",
            )
        owners[key], named[key] = origin, item
    return named


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "unknown"


def _origin(point: EntryPoint) -> str:
    return f"'{point.name} = {point.value}' of {_distribution(point)}"
