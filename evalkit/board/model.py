"""What a board holds at one moment, as plain values: rankings and pages are made from a `Snapshot` and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from evalkit.challenges.model import Challenge
from evalkit.ratings.model import Answer, Key
from evalkit.scoring.scorecard import Scorecard
from evalkit.speed.model import SampleSpeed, Source, Timed

Origin = Literal["scored-here", "signed", "handed-in"]
Target = Literal["rater", "answer", "run", "team", "sample", "finding"]
ORIGINS: dict[Origin, str] = {
    "scored-here": "scored here",
    "signed": "signed by the organizer",
    "handed-in": "handed in",
}


@dataclass(frozen=True)
class Team:
    """Who takes part.

    Args:
        name: unique on the board.
        members: ids of its people, sorted; nobody is in two teams.
    """

    name: str
    members: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunSpeed:
    """Where a run's numbers of speed are from.

    Args:
        source: whose measurement it is.
        hardware: the machine in words; empty where nothing says it.
        timed: what the seconds include.
        number: of the import; ``None`` for what the team reported.
        who: who measured; empty where nothing says it.
    """

    source: Source
    hardware: str
    timed: Timed
    number: int | None = None
    who: str = ""


@dataclass(frozen=True)
class MeasuredSpeed:
    """What one import says of one run's speed.

    Args:
        team: whose.
        run: its name; ``None`` for the only run that competes.
        source: ``measured`` or ``imported``.
        hardware: the machine in words.
        timed: what the seconds include.
        who: who measured.
        number: of the import.
        samples: sample -> what was measured.
    """

    team: str
    run: str | None
    source: Source
    hardware: str
    timed: Timed
    who: str
    number: int
    samples: Mapping[str, SampleSpeed]


@dataclass(frozen=True)
class Run:
    """One submission of a team, with what it scored.

    Args:
        team: whose.
        name: unique within the team.
        primary: whether it competes.
        card: the scorecard that counts, the last one that was added.
        card_sha256: digest of the scorecard's JSON as it was added.
        strips: sample id -> small JPEG images in time order.
        origin: whether the organizer scored it, as far as the board knows: ``scored-here`` when ``board add`` scored
            the submission itself, ``signed`` with a signature of a key that the board trusts, ``handed-in`` otherwise.
        signer: fingerprint of the key that signed it, trusted or not; ``None`` without a signature.
        speed: where its numbers of speed are from; only `evalkit.board.speeds.with_measured_speed` says it.
    """

    team: str
    name: str
    primary: bool
    card: Scorecard
    card_sha256: str
    strips: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)
    origin: Origin = "handed-in"
    signer: str | None = None
    speed: RunSpeed | None = None


@dataclass(frozen=True)
class Signer:
    """A key whose signatures of scorecards the board trusts.

    Args:
        fingerprint: as ``ssh-keygen -l`` shows it.
        line: the key as a ``.pub`` file holds it.
        comment: what that file said of it.
    """

    fingerprint: str
    line: str
    comment: str = ""


@dataclass(frozen=True)
class GoldItem:
    """An item whose right answer is known: ``low`` to ``high`` in ``dimension``."""

    item: str
    dimension: str
    low: float
    high: float


@dataclass(frozen=True)
class GoldPair:
    """A comparison whose right answer is known.

    Args:
        sample: of both videos.
        dimension: id; empty where the challenge asks only one question.
        sides: the first and the second, as comparisons call them.
        low, high: fewest and most points of the first that are right, 0..1.
        draw: whether 0.5 is right where it lies between them.
    """

    sample: str
    dimension: str
    sides: tuple[str, str]
    low: float
    high: float
    draw: bool = True

    def in_order(self) -> GoldPair:
        """Return the same with its sides in the order of their names."""
        if self.sides[0] <= self.sides[1]:
            return self
        return replace(self, sides=self.sides[::-1], low=1 - self.high, high=1 - self.low)

    def is_right(self, left: str, points: float) -> bool:
        """Return whether it is right that the side ``left`` gets ``points``."""
        of_first = points if left == self.sides[0] else 1 - points
        return self.low <= of_first <= self.high and (self.draw or of_first != 0.5)


@dataclass(frozen=True)
class Decision:
    """A decision that something does not count. Decisions are never deleted: they are revoked.

    Args:
        number: counts up from 1, over the whole board.
        target: kind of what it is about.
        subject: rater id, id of an answer, ``team/run``, team, sample id, or ``team/run/sample/rule`` of a finding that
            is overruled.
        code: a code for programs, such as ``speeder``, ``straight-liner``, ``manual``.
        reason: a sentence for people.
        by: who decided.
        at: when.
        revoked_at: when it was taken back; ``None`` while it holds.
        revoked_by: who took it back.
        revoked_why: why.
    """

    number: int
    target: Target
    subject: str
    code: str
    reason: str
    by: str
    at: datetime
    revoked_at: datetime | None = None
    revoked_by: str | None = None
    revoked_why: str | None = None

    @property
    def holds(self) -> bool:
        """Whether it has not been taken back."""
        return self.revoked_at is None


@dataclass(frozen=True)
class Import:
    """One file of ratings or comparisons that was imported.

    Args:
        file: its name, without folders.
        sha256: its digest.
        form: the format it was read as.
        new: entries that it added.
        known: entries that were on the board before.
        by: who imported it.
        at: when.
        number: counts up from 1, over the whole board; the numbers of undone imports are not used again.
    """

    file: str
    sha256: str
    form: str
    new: int
    known: int
    by: str
    at: datetime
    number: int = 0


@dataclass(frozen=True)
class AuditEntry:
    """One line of the board's log: who did what, when.

    Args:
        number: counts up from 1 without gaps.
        at: when, in UTC; never earlier than the entry before.
        by: who.
        action: a word such as ``add-run``.
        subject: what it was done to.
        details: more, as plain data.
        digest: SHA-256 over the entry and the digest before it, so that a changed log shows.
    """

    number: int
    at: datetime
    by: str
    action: str
    subject: str
    details: Mapping[str, Any]
    digest: str


@dataclass(frozen=True)
class Snapshot:
    """The board as it was after its ``number``-th log entry. Equal boards at equal moments give equal snapshots.

    Everything is in a fixed order: teams and runs by name, answers by their number on the board, decisions
    and imports as they came.

    Args:
        challenge: the rules that held then.
        number: of the last log entry that it knows.
        at: time of that entry.
        log: all entries up to it.
        as_of: the moment that was asked for; ``None`` for the newest state, and where it is ``at`` itself.
        teams: who takes part.
        runs: live runs; of a live team.
        answers: all ratings and comparisons, those that don't count included; no two have the same id.
        key: what anonymous items are; ``None`` when no key was given.
        raters: rater -> own team, for raters who are known to have one.
        gold: items with a known answer.
        gold_pairs: comparisons with one.
        decisions: all, revoked ones included.
        imports: those that were not undone.
        reference: sample id -> small JPEG of the reference picture or strip of the reference video.
        signers: keys whose signatures the board trusts.
        speeds: measurements of speed, in the order of their imports.
    """

    challenge: Challenge
    number: int
    at: datetime
    log: tuple[AuditEntry, ...]
    as_of: datetime | None = None
    teams: tuple[Team, ...] = ()
    runs: tuple[Run, ...] = ()
    answers: tuple[Answer, ...] = ()
    key: Key | None = None
    raters: Mapping[str, str] = field(default_factory=dict)
    gold: tuple[GoldItem, ...] = ()
    gold_pairs: tuple[GoldPair, ...] = ()
    decisions: tuple[Decision, ...] = ()
    imports: tuple[Import, ...] = ()
    reference: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)
    signers: tuple[Signer, ...] = ()
    speeds: tuple[MeasuredSpeed, ...] = ()

    @property
    def digest(self) -> str:
        """Digest of the last log entry: it identifies everything that happened up to then."""
        return self.log[-1].digest if self.log else ""

    def excluded(self, target: Target) -> dict[str, Decision]:
        """Return subject -> the decision that holds, the newest one, for one kind of target."""
        return {one.subject: one for one in self.decisions if one.holds and one.target == target}


@dataclass(frozen=True)
class DecisionChange:
    """What a change of the decisions did.

    Args:
        decisions: the numbers of those that were made, or that no longer hold.
        before, after: the board.
    """

    decisions: tuple[int, ...]
    before: Snapshot
    after: Snapshot
