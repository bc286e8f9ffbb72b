"""The rater's page: one document for all raters of a plan; what differs between them comes from ``/state``."""

from __future__ import annotations

import functools
import importlib.resources

import jinja2

from evalkit.jsonio import parse_json
from evalkit.studio.page_model import Page
from evalkit.studio.pages.assets import assets, static_prefix
from evalkit.text import escape_for_display

# Everything comes from the studio itself; ``blob:`` are copies that the page holds of its own media.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def render_rater_page(page: Page) -> str:
    """Return the document; it names nothing of the plan but what raters read."""
    return _template().render(
        static=static_prefix(),
        strings=strings(),
        title=page.title,
        titles={language: text.title for language, text in page.translations.items() if text.title is not None},
        consent=_paragraphs(page.consent),
        consents={
            language: _paragraphs(text.consent)
            for language, text in page.translations.items()
            if page.consent.strip() and text.consent is not None
        },
        contact=page.contact,
        languages=page.languages,
        watch_share=page.watch_share,
        keep=page.keep,
    )


def _paragraphs(text: str) -> list[str]:
    return [part.strip() for part in text.split("\n") if part.strip()]


@functools.cache
def strings() -> dict[str, dict[str, str]]:
    """Return language -> key -> text."""
    found: dict[str, dict[str, str]] = parse_json(assets()[f"{static_prefix()}/strings.json"].content.decode())
    return found


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: escape_for_display(value, 20_000) if isinstance(value, str) else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    file = importlib.resources.files("evalkit.studio.pages") / "templates" / "rater.html"
    return environment.from_string(file.read_text(encoding="utf-8"))
