"""What two processes must have in common so that their numbers belong into one scorecard."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from evalkit.challenges.model import Challenge
from evalkit.media.facts import FACTS_VERSION
from evalkit.media.stills import READER_VERSION
from evalkit.scoring import cache
from evalkit.scoring.devices import kind_of
from evalkit.scoring.plan import RunPlan
from evalkit.scoring.provenance import features_used, provenance_of
from evalkit.submission.model import Submission
from evalkit.testsets.model import TestSet
from evalkit.text import escape_for_display

Identity = dict[str, str]
MOST_SHOWN = 8  # differences that an error names


def run_identity(submission: Submission, challenge: Challenge, testset: TestSet, plan: RunPlan) -> Identity:
    """Return what a run's numbers depend on, as name -> text: inputs, weights, versions."""
    provenance = provenance_of(plan, testset)
    facts: dict[str, Any] = {
        "submission": submission.sha256,
        "challenge": [challenge.id, challenge.scoring_sha256],
        "test set": provenance["testset"]["sha256"],
        "samples": provenance["testset"]["samples"],
        "format of the test set": provenance["testset"]["format"],
        "backbones": provenance["backbones"],
        "device": kind_of(plan.device),
        "metrics": list(plan.metrics),
        "metrics left out": dict(plan.unavailable),
    }
    facts |= {f"weights of {role}": use for role, use in provenance["weights"].items()}
    facts |= {f"library of {role}": name for role, name in provenance.get("runners", {}).items()}
    facts |= {f"feature {name}": use.model_dump(mode="json") for name, use in features_used(plan).items()}
    return {name: _text(value) for name, value in facts.items()} | code_identity(provenance)


def code_identity(provenance: Mapping[str, Any]) -> Identity:
    """Return the versions of the code that computes, of those that a scorecard's provenance names."""
    facts = {
        "evalkit": f"{provenance['evalkit']} (code {code_sha256()[:16]})",
        "python": provenance["python"],
        "platform": provenance["platform"],
        "forms of the cache": [cache.FORMAT, FACTS_VERSION, READER_VERSION],
    }
    facts |= {f"package {name}": version for name, version in provenance["packages"].items()}
    return {name: _text(value) for name, value in facts.items()}


def differences(found: Mapping[str, str], expected: Mapping[str, str]) -> list[str]:
    """Return a phrase for each name whose text differs, the inputs before the versions."""
    names = [name for name in (*expected, *found) if found.get(name) != expected.get(name)]
    return [
        f"{escape_for_display(name, 80)}: {_shown(found.get(name))}, here {_shown(expected.get(name))}"
        for name in dict.fromkeys(names)
    ]


def listed_differences(phrases: list[str]) -> str:
    """Return the first of ``phrases`` in one text, and how many more there are."""
    more = len(phrases) - MOST_SHOWN
    return "; ".join(phrases[:MOST_SHOWN]) + (f"; and {more} more" if more > 0 else "")


@lru_cache(maxsize=1)
def code_sha256() -> str:
    """Return the digest of evalkit's own modules: a version under development changes without its number."""
    root = Path(__file__).parents[1]
    whole = hashlib.sha256()
    rooms = [root, *(path for path in root.iterdir() if path.is_dir())]  # some are links, which rglob does not follow
    files = {file for room in rooms for file in room.rglob("*.py")}
    for file in sorted(files, key=lambda path: path.relative_to(root).as_posix()):
        name = file.relative_to(root).as_posix()
        whole.update(f"{name}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=True)


def _shown(text: str | None) -> str:
    return "nothing" if text is None else escape_for_display(text, 90)
