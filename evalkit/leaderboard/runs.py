"""The runs of a board in a fixed order, the samples that they answer, and every value per video."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from evalkit.board.model import Decision, Run, Snapshot
from evalkit.leaderboard.scoring_rules import Floats
from evalkit.leaderboard.table import CodedReason, RunKey
from evalkit.scoring.aggregate import SAME_NUMBER
from evalkit.scoring.scorecard import MetricScore


@dataclass(frozen=True)
class Entrant:
    """A run and whether it competes.

    Args:
        run: as on the board.
        label: its name in rank intervals and samples: the team, or ``team/run`` where several runs of a team compete
            or this one does not. Never the name of another team.
        decision: the decision that excludes it; that on the run before that on its team.
    """

    run: Run
    label: str
    decision: Decision | None = None

    @property
    def key(self) -> RunKey:
        """Team and run."""
        return self.run.team, self.run.name

    @property
    def competes(self) -> bool:
        """Whether it is a primary run that no decision excludes."""
        return self.run.primary and self.decision is None

    @property
    def why_excluded(self) -> tuple[CodedReason, ...]:
        """The decision that leaves it out, as a reason."""
        return () if self.decision is None else (CodedReason("excluded", self.decision.reason),)

    def score(self, metric: str) -> MetricScore | None:
        """Return the number of the whole run, ``None`` when the scorecard does not hold the metric."""
        return self.run.card.metrics.get(metric)


@dataclass(frozen=True)
class Runs:
    """All runs of a board.

    Args:
        entrants: in the board's order.
    """

    entrants: tuple[Entrant, ...]

    @property
    def competing(self) -> tuple[Entrant, ...]:
        """The runs that can be ranked."""
        return tuple(one for one in self.entrants if one.competes)

    @cached_property
    def position(self) -> dict[RunKey, int]:
        """Place of each run in ``entrants``."""
        return {one.key: at for at, one in enumerate(self.entrants)}

    @cached_property
    def samples(self) -> tuple[str, ...]:
        """Every sample that a scorecard names, in the order of the first that does."""
        return tuple(dict.fromkeys(video.sample for one in self.entrants for video in one.run.card.videos))

    @cached_property
    def sample_index(self) -> dict[str, int]:
        """Place of each sample in ``samples``."""
        return {sample: at for at, sample in enumerate(self.samples)}

    @cached_property
    def primary_of(self) -> dict[str, tuple[Entrant, ...]]:
        """The primary runs of each team, those left out included."""
        found: dict[str, tuple[Entrant, ...]] = {}
        for one in self.entrants:
            if one.run.primary:
                found[one.run.team] = (*found.get(one.run.team, ()), one)
        return found

    def per_video(self, metric: str) -> Floats:
        """Return the metric's values (runs, samples), NaN where there is none."""
        if metric not in self._arrays:
            array = np.full((len(self.entrants), len(self.samples)), np.nan)
            for row, one in enumerate(self.entrants):
                for video in one.run.card.videos:
                    value = video.values.get(metric)
                    if value is not None:
                        array[row, self.sample_index[video.sample]] = value
            self._arrays[metric] = array
        return self._arrays[metric]

    @cached_property
    def _arrays(self) -> dict[str, Floats]:
        return {}

    def is_mean(self, metric: str, rows: Sequence[int]) -> bool:
        """Whether the number of each of these runs is declared and is the mean over its videos, to 1e-6 of it."""
        array = self.per_video(metric)
        for row in rows:
            score = self.entrants[row].score(metric)
            known = array[row][np.isfinite(array[row])]
            if score is None or score.value is None or score.aggregate == "median" or len(known) == 0:
                return False
            if abs(float(known.mean()) - score.value) > SAME_NUMBER * max(abs(score.value), SAME_NUMBER):
                return False
        return bool(rows)


def read_runs(snapshot: Snapshot) -> Runs:
    """Return the runs of the board, with the decisions in force."""
    runs, teams = snapshot.excluded("run"), snapshot.excluded("team")
    decisions = [runs.get(f"{run.team}/{run.name}") or teams.get(run.team) for run in snapshot.runs]
    competing = Counter(run.team for run, why in zip(snapshot.runs, decisions, strict=True) if run.primary and not why)
    takes_part = [run.primary and why is None for run, why in zip(snapshot.runs, decisions, strict=True)]
    labels = _labels(snapshot, takes_part, competing)
    return Runs(
        tuple(Entrant(run, label, why) for run, label, why in zip(snapshot.runs, labels, decisions, strict=True))
    )


def _labels(snapshot: Snapshot, takes_part: Sequence[bool], competing: Mapping[str, int]) -> list[str]:
    """Return a label per run. Team names are taken before any ``team/run``, competing runs come before the others."""
    runs = list(zip(snapshot.runs, takes_part, strict=True))
    alone = [competes and competing[run.team] == 1 for run, competes in runs]
    others = [at for at in range(len(runs)) if not alone[at]]
    others.sort(key=lambda at: not takes_part[at])
    teams = list(dict.fromkeys([*(team.name for team in snapshot.teams), *(run.team for run, _ in runs)]))
    shown = unique([*teams, *(f"{runs[at][0].team}/{runs[at][0].name}" for at in others)])[len(teams) :]
    named = dict(zip(others, shown, strict=True))
    return [run.team if alone[at] else named[at] for at, (run, _) in enumerate(runs)]


def unique(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names, each with a number appended when it repeats an earlier one."""
    seen: set[str] = set()
    out = []
    for name in names:
        shown, count = name, 1
        while shown in seen:
            count += 1
            shown = f"{name} ({count})"
        seen.add(shown)
        out.append(shown)
    return tuple(out)
