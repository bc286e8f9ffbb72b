"""All validation rules: the built-in ones, found by scanning this package, and those of other packages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from evalkit.challenges.kinds import Kind
from evalkit.challenges.submission_rules import SubmissionRules
from evalkit.media.facts import MediaFacts
from evalkit.registry import VALIDATORS, index_by_name, load_group
from evalkit.validators.conversion import printed_command
from evalkit.validators.file import ExpectedLength, File
from evalkit.validators.findings import Finding, Rule, Scope, run_rules

FILE_SCOPES: Mapping[Kind, Scope] = {"video": "file", "audio": "sound", "motion": "motion"}  # rules of one file


@cache
def rule_registry() -> dict[str, Rule[Any]]:
    """Return every rule by id, in the order of registration."""
    return index_by_name(load_group(VALIDATORS), lambda rule: str(rule.id), "rule")


@cache
def rules_for(scope: Scope) -> tuple[Rule[Any], ...]:
    """Return the rules of one scope, in the order of registration."""
    return tuple(rule for rule in rule_registry().values() if rule.scope == scope)


def file_findings(
    facts: MediaFacts, rules: SubmissionRules, path: str | None = None, expected: ExpectedLength | None = None
) -> list[Finding]:
    """Return what the rules find in one file."""
    file = File(facts, rules, expected)
    findings = run_rules(rules_for(FILE_SCOPES[rules.kind]), file, rules.severities, path)
    return [
        replace(one, fix=printed_command(one.steps, file, path or "FILE.mp4")) if one.steps and not one.fix else one
        for one in findings
    ]
