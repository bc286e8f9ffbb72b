"""Plugins: metrics, features, validators and generators, found through entry points.

The built-ins register exactly as a third party does: an entry point in one of the groups below names a module
attribute that holds one object or a sequence of them. Nothing is imported before somebody asks for the group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from evalkit.errors import PluginError

Group = Literal["evalkit.metrics", "evalkit.features", "evalkit.validators", "evalkit.generators"]


@cache
def load_group(group: Group) -> tuple[tuple[str, Any], ...]:
    """Return (origin, object) for everything that registered in ``group``, in the order of the entry points' names.

    Raises:
        PluginError: when an entry point can't be imported, or when none is registered (evalkit is not installed).
    """
    found = sorted(entry_points(group=group), key=lambda point: (point.name, _origin(point)))
    if not found:
        raise PluginError(
            f"No plugin is registered in the group '{group}'.",
            expected="at least the built-in ones",
            fix="Install evalkit ('pip install .' or 'pip install -e .' in its folder), then try again.",
        )
    objects: list[tuple[str, Any]] = []
    seen: set[tuple[str, str, str]] = set()
    for point in found:
        identity = (point.name, point.value, _distribution(point))
        if identity in seen:  # the same distribution listed twice on sys.path
            continue
        seen.add(identity)
        origin = _origin(point)
        try:
            loaded = point.load()
            items = list(loaded) if isinstance(loaded, Iterable) and not isinstance(loaded, type) else [loaded]
        except (Exception, SystemExit) as error:
            raise PluginError(
                f"The plugin {origin} can't be loaded.",
                found=f"{type(error).__name__}: {error}",
                fix=f"Mend or uninstall the package '{_distribution(point)}'.",
            ) from error
        objects += [(origin, item) for item in items]
    return tuple(objects)


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
            raise PluginError(f"The plugin {origin} is no {kind}.", found=f"{type(error).__name__}: {error}") from error
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
