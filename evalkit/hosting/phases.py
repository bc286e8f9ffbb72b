"""The phases of a hosted challenge: its schedule, in UTC and whole seconds, in the order that platforms ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from evalkit.challenges.model import Challenge, Phase
from evalkit.challenges.parts import Window
from evalkit.errors import ChallengeError, UsageError, did_you_mean
from evalkit.model_faults import first_fault

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class HostPhase:
    """A time in which teams hand in: ``start`` and ``end`` in UTC; without an ``end`` it stays open."""

    id: str
    start: datetime
    end: datetime | None

    @property
    def name(self) -> str:
        """The id as words."""
        return self.id.replace("-", " ").capitalize()


def stamp(moment: datetime) -> str:
    """Return a moment as both platforms read it: ``2026-03-06 11:59:59``, meant as UTC."""
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def phase_facts(phase: HostPhase) -> dict[str, str | None]:
    """Return a phase as a program reads it."""
    return {"id": phase.id, "start": stamp(phase.start), "end": stamp(phase.end) if phase.end else None}


def host_phases(
    challenge: Challenge, only: Sequence[str] = (), opens: str | None = None, closes: str | None = None
) -> tuple[HostPhase, ...]:
    """Return the phases, earliest first.

    Args:
        challenge: with its schedule.
        only: ids of the phases in which teams hand in; all of the schedule when empty.
        opens, closes: of one phase ``submission``, for a challenge without a schedule.

    Raises:
        UsageError: for an unknown phase, or when both a schedule and times are given.
        ChallengeError: without a time to start, or when phases overlap.
    """
    if opens is not None or closes is not None:
        if challenge.schedule:
            raise UsageError(
                "The challenge has a schedule, so its times are there.",
                found="--opens or --closes",
                fix="Change the schedule in the challenge, or choose from it with --phase.",
            )
        chosen: tuple[Phase, ...] = (_phase(opens, closes),)
    else:
        chosen = _chosen(challenge, only)
    return _in_order(chosen)


def refuse_endless(phases: Sequence[HostPhase], platform: str) -> None:
    """Raise for a phase that never ends, on a platform where each has an end."""
    for phase in phases:
        if phase.end is None:
            raise ChallengeError(
                f"{platform} needs an end for every phase, and '{phase.id}' has none.",
                fix="Add 'closes' to the phase of the schedule, or pass --closes.",
            )


def _phase(opens: str | None, closes: str | None) -> Phase:
    try:
        return Phase(id="submission", opens=opens, closes=closes)
    except ValidationError as error:
        raise UsageError(f"The times of the phase can't be read: {first_fault(Phase, error)}") from None


def _chosen(challenge: Challenge, only: Sequence[str]) -> tuple[Phase, ...]:
    known = [phase.id for phase in challenge.schedule]
    if not known:
        raise ChallengeError(
            "The challenge has no schedule, and a platform asks when teams may hand in.",
            found="no 'schedule'",
            fix="Add 'schedule: [{id: submission, opens: 2026-03-01 AoE, closes: 2026-03-31 AoE}]' to the challenge, "
            "or pass --opens and --closes.",
        )
    for name in only:
        if name not in known:
            raise UsageError(
                f"The schedule has no phase '{name}'.{did_you_mean(name, known)}", expected=", ".join(known)
            )
    return tuple(phase for phase in challenge.schedule if not only or phase.id in only)


def _in_order(chosen: Sequence[Phase]) -> tuple[HostPhase, ...]:
    if len(chosen) == 1 and chosen[0].opens is None:
        raise _no_start(chosen[0])
    spans = sorted(((phase, *_span(phase)) for phase in chosen), key=lambda one: one[1] or one[2] or _far())
    made: list[HostPhase] = []
    for phase, opens, end in spans:
        before = made[-1] if made else None
        if opens is not None:
            start = opens
        elif before is not None and before.end is not None:
            start = before.end + _SECOND
        else:
            raise _no_start(phase)
        if before is not None:
            if before.end is None or start < before.end:
                raise ChallengeError(
                    f"The phases '{before.id}' and '{phase.id}' overlap, and a platform takes one after the other.",
                    found=f"'{before.id}' ends {'never' if before.end is None else stamp(before.end) + ' UTC'}, "
                    f"'{phase.id}' starts {stamp(start)} UTC",
                    fix="Choose the phases in which teams hand in with --phase, or change the schedule.",
                )
            if start == before.end:  # one may not begin in the second in which the other ends
                made[-1] = replace(before, end=start - _SECOND)
        if end is not None and end <= start:
            raise ChallengeError(f"The phase '{phase.id}' ends before it starts.", found=f"{stamp(end)} UTC")
        made.append(HostPhase(phase.id, start, end))
    return tuple(made)


def _no_start(phase: Window) -> ChallengeError:
    name = getattr(phase, "id", "submission")
    return ChallengeError(
        f"Nothing says when the phase '{name}' starts.",
        fix="Add 'opens' to it in the challenge's schedule, or pass --opens where there is no schedule.",
    )


def _span(phase: Window) -> tuple[datetime | None, datetime | None]:
    return _whole(phase.opens_at()), _whole(phase.closes_at())


def _whole(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC).replace(microsecond=0, tzinfo=None)


def _far() -> datetime:
    return datetime.max  # only compared
