"""What every page shares: the template environment, escaping, and style and script allowed by their digests.

A page is one HTML file that needs nothing else: no network, no second file, no script to be readable. What a submission
brought in is foreign text: every string passes `escape_for_display` on its way out and jinja2's escaping after it.
The page's own style and script are allowed by their digests; the content security policy refuses anything else.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import importlib.resources
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from evalkit.files import write_bytes
from evalkit.reports.tables import flatten, format_share, format_value
from evalkit.text import escape_for_display

TEXT_LIMIT = 600
ROLES = (
    ("ranked", "Ranked", "may decide the ranking"),
    ("secondary", "Secondary", "explain the ranked ones"),
    ("diagnostic", "Diagnostic", "describe, without a better side"),
)


def render_page(template: str, *, styles: Sequence[str], scripts: Sequence[str], **values: Any) -> str:
    """Return the page; equal values give equal text.

    Args:
        template: name of the template under ``templates``.
        styles: names of the style sheets, in order; they become one.
        scripts: names of the scripts, in order; they become one.
        values: what the template reads.
    """
    style, script = ("".join(map(_resource, names)) for names in (styles, scripts))
    return _template(template).render(
        style=Markup(style),  # noqa: S704  (ours, from the package)
        script=Markup(script),  # noqa: S704
        csp=f"default-src 'none'; img-src data:; style-src {_digest(style)}; script-src {_digest(script)}; "
        "base-uri 'none'; form-action 'none'",
        **values,
    )


def write_page(text: str, path: Path) -> None:
    """Write a page to ``path`` in one step.

    Raises:
        StorageError: when the folder is missing, read-only or full.
    """
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


@functools.cache
def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: (
            escape_for_display(value, TEXT_LIMIT) if isinstance(value, str) and not isinstance(value, Markup) else value
        ),
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FunctionLoader(_resource),
    )
    environment.filters |= {
        "number": format_value,
        "amount": _amount,
        "short": "{:g}".format,
        "percent": format_share,
        "flat": flatten,
    }
    return environment.get_template(name)


def count(number: int, one: str, many: str | None = None) -> str:
    """Return ``1 sample`` or ``3 samples``."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def _resource(name: str) -> str:
    file = importlib.resources.files("evalkit.reports") / "templates" / name
    return file.read_text(encoding="utf-8").replace("\r\n", "\n")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _amount(value: float) -> str:
    """Return a count as a count, anything else as a value."""
    return f"{value:,.0f}" if value == int(value) else format_value(value)
