"""Declare validation rules and report what they find.

A rule is a small pure function over one kind of fact. It yields a `Violation` for every fault; the id and the
severity are the rule's, and a challenge may replace the severity (``submission.severities`` in its YAML).
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Generic, Literal, TypeVar

from evalkit.text import FACT_LENGTH, MESSAGE_LENGTH, escape_for_display, escape_message

Severity = Literal["error", "warning", "info"]
Verdict = Literal["ok", "warning", "error"]
Scope = Literal["archive", "set", "file", "sound", "motion", "reading", "gaming", "board", "testset", "scores", "truth"]
Facts = TypeVar("Facts")
# What corrects a file; `evalkit.validators.conversion` makes one ffmpeg command of several.
Step = Literal[
    "rewrite",  # copy the first video and the first audio stream to a new file
    "video",  # encode the video
    "deinterlace",
    "square-pixels",
    "size",
    "rate",  # a constant frame rate within the challenge's limits
    "tone-map",  # high dynamic range to bt709
    "primaries",  # unusual colours to bt709
    "audio",  # encode the audio
    "one-channel",  # of several that cancel each other
    "mono",
    "align-audio",  # start at zero, fill gaps
    "speech",  # replace the audio by the sample's speech
    "start",  # the first frame at time zero
    "enable",  # tracks that are off in the index
    "cut",  # frames after the end of the speech
    "cut-audio",  # sound after the last frame
]


@dataclass(frozen=True, slots=True)
class Violation:
    """One fault that a rule found.

    Args:
        message: one sentence, without the path.
        found: what is there.
        expected: what should be there.
        fix: the command or step that solves it; ``{path}`` becomes the file's name, quoted for a shell.
        steps: what corrects the file, for a rule of the scope ``file`` (`Step`); the
            command made of them is the fix when ``fix`` is ``None``.
        path: the member of the archive, when the rule's scope is not a single file.
        sample: the sample's id, when the fault is about a sample that has no file.
    """

    message: str
    found: str | None = None
    expected: str | None = None
    fix: str | None = None
    path: str | None = None
    sample: str | None = None
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """A violation together with its rule, as reports print it.

    Its sentences may quote untrusted names and metadata: they are escaped and shortened here. ``path``,
    ``sample`` and the path inside ``fix`` stay as they are, for programs and shells; printing them needs
    `escape_for_display`.
    """

    rule: str
    severity: Severity
    message: str
    found: str | None = None
    expected: str | None = None
    fix: str | None = None
    path: str | None = None
    sample: str | None = None
    steps: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, limit in (("message", MESSAGE_LENGTH), ("found", FACT_LENGTH), ("expected", FACT_LENGTH)):
            text = getattr(self, name)
            if text is not None:
                object.__setattr__(self, name, escape_message(text, limit))

    def to_json(self) -> dict[str, Any]:
        """Return the finding with the keys that ``validate --json`` promises."""
        return asdict(self)


@dataclass(frozen=True)
class Rule(Generic[Facts]):
    """A named check.

    Args:
        id: ``group.name``, as in ``encoding.codec``; a group is a subject, and its rules may have several scopes.
        scope: decides what ``check`` is called with; docs/add-a-validation-rule.md lists it.
        severity: the severity of a violation unless the challenge changes it.
        title: a few words for tables and docs.
        check: yields a `Violation` per fault.
    """

    id: str
    scope: Scope
    severity: Severity
    title: str
    check: Callable[[Facts], Iterable[Violation]]


_MOST_RULES = 20


def rule_lines(findings: Iterable[Finding]) -> list[str]:
    """Return a line for each rule that found something, errors first: severity, rule, how often, the first place."""
    order = {"error": 0, "warning": 1, "info": 2}
    grouped: dict[tuple[str, str], list[Finding]] = {}
    for finding in sorted(findings, key=lambda one: (order[one.severity], one.rule)):
        grouped.setdefault((finding.severity, finding.rule), []).append(finding)
    lines = []
    for (severity, rule), found in grouped.items():
        place = found[0].path or found[0].sample
        where = f" ({'first: ' if len(found) > 1 else ''}{escape_for_display(place)})" if place else ""
        lines.append(f"  {severity} {rule}: {len(found)}{where}")
    more = len(lines) - _MOST_RULES
    return lines if more <= 0 else [*lines[:_MOST_RULES], f"  ... and {more} more rules"]


def run_rules(
    rules: Sequence[Rule[Facts]], facts: Facts, severities: Mapping[str, str], path: str | None = None
) -> list[Finding]:
    """Apply ``rules`` to ``facts``, in order; ``severities`` overrides or switches off by rule id."""
    findings = []
    for rule in rules:
        severity = severities.get(rule.id, rule.severity)
        if severity == "off":
            continue
        for seen in rule.check(facts):
            place = seen.path if seen.path is not None else path
            findings.append(
                Finding(
                    rule=rule.id,
                    severity=severity,  # type: ignore[arg-type]  # the challenge's model allows no other value
                    message=seen.message,
                    found=seen.found,
                    expected=seen.expected,
                    fix=escape_message(seen.fix).replace("{path}", _argument(place)) if seen.fix else None,
                    path=place,
                    sample=seen.sample,
                    steps=seen.steps,
                )
            )
    return findings


def _argument(path: str | None) -> str:
    """Return ``path`` as one word of a shell command that no program reads as an option."""
    if path is None:
        return "FILE"
    return shlex.quote(f"./{path}" if path.startswith("-") else path)


def verdict_of(findings: Iterable[Finding]) -> Verdict:
    """Return the worst of the findings' severities; ``info`` leaves a file ok."""
    severities = {finding.severity for finding in findings}
    if "error" in severities:
        return "error"
    return "warning" if "warning" in severities else "ok"
