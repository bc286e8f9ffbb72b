from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from evalkit.validators.findings import Finding, Rule, Severity, Verdict, Violation, run_rules, verdict_of

HOSTILE = "a'; rm -rf ~ #.mp4"


def negative(numbers: list[int]) -> Iterator[Violation]:
    for number in numbers:
        if number < 0:
            yield Violation("The number is negative.", found=str(number), expected="0 or more", fix="Drop the sign.")


def empty(numbers: list[int]) -> Iterator[Violation]:
    if not numbers:
        yield Violation("There are no numbers.", sample="s01")


RULES = (
    Rule("numbers.negative", "file", "error", "numbers below 0", negative),
    Rule("numbers.empty", "file", "warning", "no numbers", empty),
)


def telling(violation: Violation) -> Rule[None]:
    return Rule("numbers.told", "set", "error", "whatever it is given", lambda _: [violation])


def finding(severity: Severity) -> Finding:
    return Finding("numbers.told", severity, "It is so.")


def test_a_finding_is_the_violation_with_its_rule_and_place() -> None:
    assert run_rules(RULES, [1, -2, -3], {}, path="n.txt") == [
        Finding(
            rule="numbers.negative",
            severity="error",
            message="The number is negative.",
            found=found,
            expected="0 or more",
            fix="Drop the sign.",
            path="n.txt",
        )
        for found in ("-2", "-3")
    ]
    assert run_rules(RULES, [], {}) == [Finding("numbers.empty", "warning", "There are no numbers.", sample="s01")]
    assert run_rules(RULES, [1], {}) == []


def test_what_a_rule_quotes_is_escaped_and_its_place_is_not() -> None:
    foreign, shown = "a\nb\x1b[2J", r"a\nb\x1b[2J"
    (seen,) = run_rules([telling(Violation(foreign, foreign, foreign, foreign, foreign, foreign))], None, {})
    assert seen == Finding("numbers.told", "error", shown, shown, shown, shown, foreign, foreign)
    assert Finding("numbers.told", "error", "x" * 2000).message == f"{'x' * 500}\u2026{'x' * 499}"


def test_findings_stand_in_the_order_of_the_rules() -> None:
    told, other = telling(Violation("It is so.")), RULES[0]
    assert [seen.rule for seen in run_rules([told, other], [-1], {})] == ["numbers.told", "numbers.negative"]
    assert [seen.rule for seen in run_rules([other, told], [-1], {})] == ["numbers.negative", "numbers.told"]


@pytest.mark.parametrize("severity", ["error", "warning", "info"])
def test_a_challenge_replaces_the_severity(severity: Severity) -> None:
    (seen,) = run_rules(RULES, [-1], {"numbers.negative": severity, "numbers.unknown": "error"})
    assert seen.severity == severity


def test_a_rule_that_is_off_is_not_even_asked() -> None:
    def fail(_: object) -> Iterator[Violation]:
        pytest.fail("asked")

    rule: Rule[None] = Rule("numbers.fail", "file", "error", "never", fail)
    assert run_rules([rule], None, {"numbers.fail": "off"}) == []


@pytest.mark.parametrize(
    ("own", "path", "place"),
    [(None, None, None), (None, "f.mp4", "f.mp4"), ("m.mp4", "f.mp4", "m.mp4"), ("", "f.mp4", ""), ("", None, "")],
)
def test_the_violations_own_path_comes_first(own: str | None, path: str | None, place: str | None) -> None:
    """A ZIP may hold a member without a name; it must not pass for another file."""
    (seen,) = run_rules([telling(Violation("It is so.", fix="cat {path}", path=own))], None, {}, path)
    assert seen.path == place
    assert seen.fix == f"cat {'FILE' if place is None else shlex.quote(place)}"


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("s01.mp4", "s01.mp4"),
        ("id 1/s01.mp4", "'id 1/s01.mp4'"),
        (HOSTILE, """'a'"'"'; rm -rf ~ #.mp4'"""),
        ("$(reboot)`reboot`.mp4", "'$(reboot)`reboot`.mp4'"),
        ("{path}.mp4", "'{path}.mp4'"),
    ],
)
def test_a_name_in_a_command_is_one_word(path: str, word: str) -> None:
    violation = Violation("It is so.", fix="ffmpeg -i {path} -c:v libx264 out.mp4 # not {path}")
    (seen,) = run_rules([telling(violation)], None, {}, path)
    assert seen.fix == f"ffmpeg -i {word} -c:v libx264 out.mp4 # not {word}"


@pytest.mark.parametrize("path", [HOSTILE, "a\nb.mp4", "\x1b[2J\u202e.mp4", "~", "*", '"', "\\", ""])
def test_a_shell_sees_the_name_and_nothing_else(tmp_path: Path, path: str) -> None:
    (seen,) = run_rules([telling(Violation("It is so.", fix="printf %s {path}"))], None, {}, path)
    assert seen.fix is not None
    assert shlex.split(seen.fix) == ["printf", "%s", path]
    assert subprocess.run(["sh", "-c", seen.fix], cwd=tmp_path, capture_output=True, check=True).stdout.decode() == path
    assert list(tmp_path.iterdir()) == []


def test_paths_and_commands_reach_json_as_they_are() -> None:
    path = "\x1b[2J\u202e.mp4"
    (seen,) = run_rules([telling(Violation("It is so.", found=path, fix="cat {path}"))], None, {}, path)
    document = json.loads(json.dumps(seen.to_json()))
    assert document == {
        "rule": "numbers.told",
        "severity": "error",
        "message": "It is so.",
        "found": r"\x1b[2J\u202e.mp4",
        "expected": None,
        "fix": f"cat '{path}'",
        "path": path,
        "sample": None,
        "steps": [],
    }


@pytest.mark.parametrize(
    ("severities", "verdict"),
    [
        ([], "ok"),
        (["info"], "ok"),
        (["warning"], "warning"),
        (["error"], "error"),
        (["info", "info"], "ok"),
        (["info", "warning"], "warning"),
        (["warning", "info"], "warning"),
        (["info", "error"], "error"),
        (["warning", "error"], "error"),
        (["error", "warning", "info"], "error"),
    ],
)
def test_the_verdict_is_the_worst_severity(severities: list[Severity], verdict: Verdict) -> None:
    assert verdict_of(map(finding, severities)) == verdict
