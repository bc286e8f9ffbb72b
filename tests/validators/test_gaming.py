"""The gaming rules, each on made-up facts at both sides of its limit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evalkit.metrics.gaming.audio_match import AudioMatch
from evalkit.metrics.gaming.overlay import Island
from evalkit.metrics.gaming.repetition import Repetition
from evalkit.metrics.gaming.signature import Match
from evalkit.validators.findings import run_rules
from evalkit.validators.gaming import BOARD_RULES, CASE_RULES, RunPair, all_off
from evalkit.validators.gaming_case import GamingCase, VideoCopy
from evalkit.validators.registry import rule_registry, rules_for

HONEST = GamingCase("s01", ticks=50, distinct=13, warped=30.0, audio=AudioMatch("compared", 0.99, 0.02, 1.0))


def rules_of(case: GamingCase, **severities: str) -> dict[str, str]:
    """Return rule -> what it found."""
    told = {name.replace("_", "-"): word for name, word in severities.items()}
    found = run_rules(CASE_RULES, case, {f"gaming.{name}": word for name, word in told.items()})
    assert all(finding.severity in {"warning", "info"} for finding in found) or severities
    assert all(finding.message and finding.found and finding.expected for finding in found)
    return {finding.rule.removeprefix("gaming."): str(finding.found) for finding in found}


def sound(match: float, offset: float, share: float) -> GamingCase:
    return replace(HONEST, audio=AudioMatch("compared", match, offset, share))


def test_an_honest_video_has_no_finding():
    assert rules_of(HONEST) == {}
    assert rules_of(GamingCase("s01")) == {}


@pytest.mark.parametrize(
    ("case", "rules"),
    [
        (replace(HONEST, distinct=4), {"nearly-frozen"}),
        (replace(HONEST, distinct=5), set()),
        (replace(HONEST, warped=10.9), {"nearly-frozen"}),
        (replace(HONEST, warped=11.0), set()),
        (replace(HONEST, distinct=1, ticks=14), set()),  # too short to say
        (replace(HONEST, distinct=1, frozen=True), {"nearly-frozen"}),
        (replace(HONEST, distinct=1, frozen=True, reference_picture=0.9), {"nearly-frozen", "reference-image"}),
        (replace(HONEST, distinct=1, frozen=True, reference_picture=11.0), {"nearly-frozen"}),
        (replace(HONEST, references=(VideoCopy("s01", None),)), {"reference-video"}),
        (replace(HONEST, duplicates=(VideoCopy("s02", None),)), {"duplicate"}),
        (sound(0.69, 0.0, 1.0), {"audio-replaced"}),
        (sound(0.70, 0.0, 1.0), set()),
        (sound(0.95, 0.0, 0.79), {"audio-replaced"}),
        (sound(0.95, 0.0, 0.80), set()),
        (sound(0.95, 0.081, 1.0), {"audio-shifted"}),
        (sound(0.95, -0.081, 1.0), {"audio-shifted"}),
        (sound(0.95, 0.08, 1.0), set()),
        (sound(0.5, 0.5, 0.0), {"audio-replaced"}),  # the offset of another sound means nothing
        (replace(HONEST, audio=AudioMatch("silent")), {"audio-replaced"}),
        (replace(HONEST, audio=AudioMatch("no_sound")), set()),  # encoding.audio-missing says it
        (replace(HONEST, audio=AudioMatch("official_silent")), set()),
        (replace(HONEST, islands=(Island(0.1, 0.2, 0.3, 0.1),)), {"overlay"}),
        (replace(HONEST, islands=(Island(0.1, 0.2, 0.3, 0.1),), distinct=1, frozen=True), {"nearly-frozen"}),
        (replace(HONEST, rest=5.0, bent=16.9), {"face-still"}),
        (replace(HONEST, rest=50.0, bent=16.9), {"face-still"}),  # bent by waves
        (replace(HONEST, rest=50.0, bent=17.0), set()),
        (replace(HONEST, rest=11.9, bent=17.0), {"mouth-only"}),
        (replace(HONEST, rest=12.0, bent=17.0), set()),
        (replace(HONEST, rest=5.0, bent=5.0, warped=5.0), {"nearly-frozen"}),  # all of the picture is one
        (replace(HONEST, rest=5.0, bent=5.0, frozen=True), {"face-still"}),  # what moves on it is small
        (replace(HONEST, rest=5.0, bent=17.0, frozen=True), {"mouth-only"}),
        (replace(HONEST, loop=Repetition(0.0, 1.0), frozen=True), set()),
        (replace(HONEST, loop=Repetition(0.149, 1.5)), {"looped"}),
        (replace(HONEST, loop=Repetition(0.15, 1.5)), set()),
        (replace(HONEST, reversal=Repetition(0.149, 1.5)), {"looped"}),
        (replace(HONEST, loop=Repetition(0.0, 1.0), distinct=4), {"nearly-frozen"}),
        (replace(HONEST, moves=(0.02, 0.81)), {"mouth-pasted"}),
        (replace(HONEST, moves=(0.0, 0.5)), {"mouth-pasted"}),
        (replace(HONEST, moves=(0.02, 0.79)), set()),  # more than a fortieth
        (replace(HONEST, moves=(0.05, 9.0)), set()),
        (replace(HONEST, moves=(0.0, 0.49)), set()),
        (replace(HONEST, moves=(-1.0, -1.0)), set()),
        (replace(HONEST, moves=(0.01, 3.0), warped=5.0), {"nearly-frozen"}),
        (replace(HONEST, moves=(0.01, 3.0), rest=5.0, bent=30.0), {"mouth-only", "mouth-pasted"}),
        (replace(HONEST, part=Repetition(0.079, 1.5)), {"looped"}),
        (replace(HONEST, part=Repetition(0.08, 1.5)), set()),
        (replace(HONEST, waves=0.55), {"waves"}),
        (replace(HONEST, waves=0.549), set()),
        (replace(HONEST, waves=0.9, warped=5.0), {"nearly-frozen"}),
        (replace(HONEST, waves=0.9, rest=50.0, bent=5.0), {"face-still", "waves"}),
        (replace(HONEST, inserted=3), {"inserted-frames"}),
        (replace(HONEST, inserted=2), set()),
        (replace(HONEST, left_over=0.101), {"audio-mixed"}),
        (replace(HONEST, left_over=0.1), set()),
        (replace(sound(0.69, 0.0, 1.0), left_over=0.5), {"audio-replaced"}),  # one finding for one sound
        (replace(sound(0.9, 0.0, 0.79), left_over=0.5), {"audio-replaced"}),
    ],
)
def test_each_rule_at_its_limit(case, rules):
    assert set(rules_of(case)) == rules


def test_numbers_are_in_the_words():
    match = Match(0.913, -0.7, "mirrored")
    found = rules_of(replace(HONEST, references=(VideoCopy("s04", match), VideoCopy("s01", None))))
    assert found == {"reference-video": "equal files"}  # its own, though another one is first
    found = rules_of(replace(HONEST, references=(VideoCopy("s04", match),)))
    assert found == {"reference-video": "sample s04: 91.3% of the signature equal, 0.7 s apart, mirrored"}
    duplicates = tuple(VideoCopy(f"s{at:02}", None) for at in range(2, 7))
    assert rules_of(replace(HONEST, duplicates=duplicates))["duplicate"].endswith("sample s04: equal files; and 2 more")
    assert rules_of(sound(0.98, 0.2, 1.0))["audio-shifted"] == "+200 ms, correlation 0.98"
    assert rules_of(sound(0.31, 0.2, 0.1))["audio-replaced"] == "correlation 0.31, 10% of the seconds recognized"


def test_foreign_names_are_neutral():
    duplicate = VideoCopy("\x1b[31ms\u202e02", None)
    found = rules_of(replace(HONEST, duplicates=(duplicate,)))["duplicate"]
    assert "\x1b" not in found and "\u202e" not in found


def test_a_challenge_may_change_or_switch_off_each_rule():
    case = replace(HONEST, islands=(Island(0.1, 0.2, 0.3, 0.1),), duplicates=(VideoCopy("s02", None),))
    assert set(rules_of(case, overlay="off")) == {"duplicate"}
    changed = run_rules(CASE_RULES, case, {"gaming.overlay": "error"})
    assert {finding.rule: finding.severity for finding in changed}["gaming.overlay"] == "error"
    everything = {rule.id: "off" for rule in CASE_RULES}
    assert all_off(everything) and not all_off({**everything, "gaming.overlay": "info"}) and not all_off({})


def test_the_rules_are_registered_and_of_no_file():
    registered = rule_registry()
    assert {rule.id for rule in (*CASE_RULES, *BOARD_RULES)} <= set(registered)
    assert rules_for("gaming") == CASE_RULES and rules_for("board") == BOARD_RULES
    assert {rule.severity for rule in (*CASE_RULES, *BOARD_RULES)} == {"warning", "info"}


def test_what_two_teams_share():
    one = RunPair(("alpha", "beta"), ("main", "late"), (("s01", VideoCopy("s01", Match(0.95, 0.0))),))
    (finding,) = run_rules(BOARD_RULES, one, {})
    assert finding.rule == "gaming.across-teams" and finding.severity == "warning"
    assert finding.message == "Two teams submitted the same content in 1 video."
    assert finding.found == "sample s01: 95.0% of the signature equal"
    two = replace(one, copies=(*one.copies, ("s02", VideoCopy("s05", None))))
    (finding,) = run_rules(BOARD_RULES, two, {})
    assert finding.message.endswith("in 2 videos.") and str(finding.found).endswith("sample s02 as s05: equal files")
    assert run_rules(BOARD_RULES, replace(one, copies=()), {}) == []
    assert run_rules(BOARD_RULES, one, {"gaming.across-teams": "off"}) == []
