"""Check a bundle against the rules of its platform, as far as the platform's public code says them.

The rules are facts of https://github.com/codalab/codabench and https://github.com/Cloud-CV/EvalAI (docs/hosting.md has
the versions); a bundle without problems here may still be refused for what only the platform knows, such as a queue.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from evalkit.errors import InputError
from evalkit.hosting.bundle_files import Bundle, open_bundle
from evalkit.hosting.codabench.rules import codabench_problems
from evalkit.hosting.evalai.rules import evalai_problems
from evalkit.yamlio import MAX_BYTES, parse_yaml

CODABENCH_FILE, EVALAI_FILE = "competition.yaml", "challenge_config.yaml"


@dataclass(frozen=True)
class CheckReport:
    """What a check found.

    Args:
        platform: ``codabench`` or ``evalai``.
        problems: sentences about what the platform refuses, or runs otherwise than meant.
        notes: sentences about what it takes, and an organizer should know.
    """

    platform: str
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def check_bundle(path: Path) -> CheckReport:
    """Check the bundle in a folder or ZIP.

    Raises:
        InputError: when it is no bundle, or can't be read.
    """
    with open_bundle(path) as bundle:
        if CODABENCH_FILE in bundle.names:
            problems, notes = codabench_problems(bundle, _document(bundle, CODABENCH_FILE))
            return CheckReport("codabench", tuple(problems), tuple(notes))
        if EVALAI_FILE in bundle.names:
            problems, notes = evalai_problems(bundle, _document(bundle, EVALAI_FILE))
            return CheckReport("evalai", tuple(problems), tuple(notes))
    raise InputError(
        f"{path} is no bundle.", expected=f"{CODABENCH_FILE} or {EVALAI_FILE} at its top", fix="Name its folder or ZIP."
    )


def _document(bundle: Bundle, name: str) -> dict[str, Any]:
    """Return the YAML as the platform reads it, once it is known to be harmless."""
    try:
        text = bundle.read(name).decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{name} is not UTF-8 text.") from None
    if len(text) > MAX_BYTES:
        raise InputError(f"{name} is too large.", expected=f"at most {MAX_BYTES} bytes")
    parse_yaml(text, name)  # no tags, no anchors, no depth: what follows is then cheap
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"{name}: the platform can't read this YAML.", found=str(error)) from None
    if not isinstance(document, dict):
        raise InputError(f"{name} is no list of keys.", found=type(document).__name__)
    return document
