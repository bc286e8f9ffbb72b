"""What every page shares: the template environment, escaping, and style and script allowed by their digests.

A page is one HTML file that needs nothing else: no network, no second file, no script to be readable. Names, messages
and findings are foreign text: every string passes `escape_for_display` on its way out and jinja2's escaping after it.
The page's own style and script are allowed by their digests; its content security policy blocks everything else, but
for videos that lie beside a leaderboard.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import importlib.resources
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import jinja2
from markupsafe import Markup

from evalkit.challenges.kinds import KINDS, Kind
from evalkit.clock import exact_time
from evalkit.files import write_bytes
from evalkit.metrics.base import is_not_applicable
from evalkit.reports.filmstrips import Filmstrips
from evalkit.reports.tables import flatten, format_share, format_short_share
from evalkit.scoring.scorecard import gap_text
from evalkit.text import count, escape_for_display, format_signed, format_value, found_and_expected

TEXT_LIMIT = 600
NAMED = 5  # names in one sentence
ROLES = (
    ("ranked", "Ranked", "may decide the ranking"),
    ("secondary", "Secondary", "explain the ranked ones"),
    ("diagnostic", "Diagnostic", "describe the video, and rank nobody"),
)
Member = TypeVar("Member")


def render_page(
    name: str,
    *,
    filmstrips: Filmstrips | None = None,
    kind: Kind = "video",
    parts: Sequence[str] = (),
    with_media: bool = False,
    **values: Any,
) -> str:
    """Return the page; equal values give equal text.

    Args:
        name: of the page: its template is ``templates/NAME.html``; the style and script of that name, where there are
            any, follow those of all pages.
        filmstrips: what the page shows of videos.
        parts: of the page that have a style or script of their own.
        kind: what the submissions' files are; the templates call them ``thing`` and ``things``.
        with_media: whether the page plays videos that lie beside it; otherwise its policy forbids that.
        values: what the template reads.
    """
    names = (name, *parts)
    playing = "media-src 'self'; " if with_media else ""
    style = _resource("style.css") + "".join(_resource(f"{one}.css") for one in names)
    script = _resource("page.js") + "".join(_resource(f"{one}.js") for one in names)
    return _template(f"{name}.html").render(
        style=Markup(style),  # noqa: S704  (ours, from the package)
        script=Markup(script),  # noqa: S704
        csp=f"default-src 'none'; img-src data:; {playing}style-src {_digest(style)}; script-src {_digest(script)}; "
        "base-uri 'none'; form-action 'none'",
        filmstrips=filmstrips or Filmstrips([], {}),
        thing=KINDS[kind].file,
        with_media=with_media,
        things=f"{KINDS[kind].file}s",
        **values,
    )


def preload_templates() -> None:
    """Read all templates, which are programs, before an untrusted file is read; import what pages need.

    A template is compiled when its page is made, from the text that is in memory by then.
    """
    import pyarrow.parquet  # noqa: F401 - the tables beside a page

    for file in (importlib.resources.files("evalkit.reports") / "templates").iterdir():
        _resource(file.name)
    _environment().from_string("{% if none %}{% endif %}")  # the compiler itself


def write_page(text: str, path: Path) -> None:
    """Write a page to ``path`` in one step.

    Raises:
        StorageError: when the folder is missing, read-only or full.
    """
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def _template(name: str) -> jinja2.Template:
    return _environment().get_template(name)


@functools.cache
def _environment() -> jinja2.Environment:
    """Return what holds for all templates; it keeps those that are compiled, which pages share."""
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FunctionLoader(_resource),
    )
    environment.filters |= {
        "number": format_value,
        "signed": format_signed,
        "amount": _amount,
        "short": "{:g}".format,
        "percent": format_share,
        "short_percent": format_short_share,
        "flat": flatten,
        "listed": listed,
        "utc": utc,
        "count": count,
        "exact_time": exact_time,
        "gap": gap_text,
    }
    environment.tests["not_applicable"] = is_not_applicable
    environment.globals["facts"] = lambda found, expected: found_and_expected(found or None, expected or None)
    return environment


def _shown(value: object) -> object:
    """Return what a template prints of a value: foreign text escaped, and nothing where there is nothing."""
    if value is None:
        return ""
    return escape_for_display(value, TEXT_LIMIT) if isinstance(value, str) and not isinstance(value, Markup) else value


def listed(names: Sequence[str], most: int = NAMED) -> str:
    """Return ``alpha, beta and gamma``; beyond ``most`` the rest as a number."""
    shown = list(names[:most])
    if len(names) > most:
        shown.append(f"{len(names) - most} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else ""


def utc(moment: datetime) -> str:
    """Return a moment as ``2026-03-06 11:59:59 UTC``; moments of a board's log are printed by `exact_time`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def by_role(members: Iterable[Member], role_of: Callable[[Member], str]) -> list[tuple[str, str, list[Member]]]:
    """Return (title, words, members) of every role that has members."""
    known = list(members)
    groups = [(title, words, [one for one in known if role_of(one) == role]) for role, title, words in ROLES]
    return [group for group in groups if group[2]]


@functools.cache
def _resource(name: str) -> str:
    file = importlib.resources.files("evalkit.reports") / "templates" / name
    return file.read_text(encoding="utf-8").replace("\r\n", "\n") if file.is_file() else ""


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _amount(value: float) -> str:
    """Return a count as a count, anything else as a value."""
    return f"{value:,.0f}" if value == int(value) else format_value(value)
