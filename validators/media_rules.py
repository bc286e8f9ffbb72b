"""All rules for one media file: the built-in ones and those that plugins register, in one list."""

from __future__ import annotations

from functools import cache

from evalkit.challenges.model import SubmissionRules
from evalkit.media.facts import MediaFacts
from evalkit.registry import VALIDATORS, index_by_name, load_group
from evalkit.validators.file import File
from evalkit.validators.findings import Finding, Rule, run_rules
from evalkit.validators.gaming import Case, Shared


@cache
def rule_registry() -> dict[str, Rule[object]]:
    """Return every registered rule by id, in the order of registration."""
    return index_by_name(load_group(VALIDATORS), lambda rule: str(rule.id), "rule")


@cache
def file_rules() -> tuple[Rule[File], ...]:
    """Return the rules that look at one file."""
    return tuple(rule for rule in rule_registry().values() if rule.scope == "file")  # type: ignore[misc]


@cache
def gaming_rules() -> tuple[Rule[Case], ...]:
    """Return the rules that look at one video beside its references and the other videos."""
    return tuple(rule for rule in rule_registry().values() if rule.scope == "gaming")  # type: ignore[misc]


@cache
def board_rules() -> tuple[Rule[Shared], ...]:
    """Return the rules that look at what runs of two teams share."""
    return tuple(rule for rule in rule_registry().values() if rule.scope == "board")  # type: ignore[misc]


def file_findings(
    facts: MediaFacts, rules: SubmissionRules, path: str | None = None, speech_seconds: float | None = None
) -> list[Finding]:
    """Return what the rules find in one file."""
    return run_rules(file_rules(), File(facts, rules, speech_seconds), rules.severities, path)
