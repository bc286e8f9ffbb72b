"""The schedule of a challenge as phases of a platform: UTC, whole seconds, one after the other."""

from __future__ import annotations

import pytest

from evalkit.challenges.model import Challenge, parse_challenge
from evalkit.errors import ChallengeError, UsageError
from evalkit.hosting.phases import host_phases, phase_facts, refuse_endless


def scheduled(*phases: str) -> Challenge:
    schedule = "".join(f"\n  - {phase}" for phase in phases)
    return parse_challenge(f"id: c\ntitle: C\nschedule:{schedule}\n" if phases else "id: c\ntitle: C\n", "test")


def facts(challenge: Challenge, *only: str, **times: str | None) -> list[tuple[str | None, ...]]:
    return [tuple(phase_facts(one).values()) for one in host_phases(challenge, only, **times)]


def test_times_are_in_utc_and_in_order() -> None:
    challenge = scheduled(
        "{id: final, opens: 2026-03-11T02:00:00+02:00, closes: 2026-03-20 AoE}",
        "{id: warm-up, opens: 2026-03-01 UTC, closes: 2026-03-10 UTC}",
    )
    assert facts(challenge) == [
        ("warm-up", "2026-03-01 00:00:00", "2026-03-10 23:59:59"),
        ("final", "2026-03-11 00:00:00", "2026-03-21 11:59:59"),
    ]


def test_overlapping_phases_are_refused_and_one_of_them_can_be_chosen() -> None:
    challenge = scheduled(
        "{id: submission, opens: 2026-03-01 UTC, closes: 2026-03-10 UTC}",
        "{id: rating, opens: 2026-03-05 UTC, closes: 2026-03-20 UTC}",
    )
    with pytest.raises(ChallengeError, match=r"'submission' and 'rating' overlap.*--phase"):
        host_phases(challenge)
    assert facts(challenge, "submission") == [("submission", "2026-03-01 00:00:00", "2026-03-10 23:59:59")]
    with pytest.raises(UsageError, match=r"no phase 'submision'.*Did you mean 'submission'"):
        host_phases(challenge, ["submision"])


def test_a_phase_that_starts_as_another_ends_starts_a_second_later() -> None:
    challenge = scheduled(
        "{id: a, opens: 2026-03-01T00:00:00Z, closes: 2026-03-02T00:00:00Z}",
        "{id: b, opens: 2026-03-02T00:00:00Z}",
    )
    assert facts(challenge) == [
        ("a", "2026-03-01 00:00:00", "2026-03-01 23:59:59"),
        ("b", "2026-03-02 00:00:00", None),
    ]


def test_a_phase_without_a_start_follows_the_one_before() -> None:
    challenge = scheduled("{id: a, opens: 2026-03-01 UTC, closes: 2026-03-02 UTC}", "{id: b, closes: 2026-03-05 UTC}")
    assert facts(challenge)[1] == ("b", "2026-03-03 00:00:00", "2026-03-05 23:59:59")
    with pytest.raises(ChallengeError, match=r"Nothing says when the phase 'a' starts.*opens"):
        host_phases(scheduled("{id: a, closes: 2026-03-05 UTC}"))


def test_a_phase_after_an_endless_one_is_refused() -> None:
    challenge = scheduled("{id: a, opens: 2026-03-01 UTC}", "{id: b, opens: 2026-03-05 UTC}")
    with pytest.raises(ChallengeError, match="'a' ends never"):
        host_phases(challenge)


def test_without_a_schedule_the_times_are_options() -> None:
    with pytest.raises(ChallengeError, match=r"no schedule.*--opens"):
        host_phases(scheduled())
    assert facts(scheduled(), opens="2026-03-01 AoE", closes="2026-03-31 AoE") == [
        ("submission", "2026-03-01 12:00:00", "2026-04-01 11:59:59")
    ]
    with pytest.raises(UsageError, match="can't be read"):
        host_phases(scheduled(), opens="tomorrow")
    with pytest.raises(UsageError, match="has a schedule"):
        host_phases(scheduled("{id: a, opens: 2026-03-01 UTC}"), opens="2026-03-01 UTC")


def test_evalai_needs_an_end() -> None:
    with pytest.raises(ChallengeError, match=r"EvalAI needs an end.*closes"):
        refuse_endless(host_phases(scheduled("{id: a, opens: 2026-03-01 UTC}")), "EvalAI")
