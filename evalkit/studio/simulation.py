"""How many comparisons a ranking takes when pairs are chosen by the answers so far, against random pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from evalkit.errors import UsageError
from evalkit.progress import Progress
from evalkit.statistics.arrays import Vector
from evalkit.statistics.next_pair import fit_with_prior
from evalkit.studio.adaptive import choose_pair

Strategy = Literal["random", "balanced", "adaptive"]
STRATEGIES: tuple[Strategy, ...] = ("random", "balanced", "adaptive")


@dataclass(frozen=True)
class SimulationSetting:
    """What is simulated.

    Args:
        teams: how many.
        spread: standard deviation of their true log strengths, drawn from a normal distribution.
        comparisons: of each study.
        seeds: different sets of teams.
        studies: of each seed.
        raters: who compare at the same time.
        seed: of the first.
    """

    teams: int = 8
    spread: float = 2.0
    comparisons: int = 300
    seeds: int = 5
    studies: int = 10
    raters: int = 1
    seed: int = 0


@dataclass(frozen=True)
class SimulationResult:
    """What came of it.

    Args:
        setting: what was simulated.
        counts: numbers of comparisons at which the error was taken.
        errors: strategy -> mean share of pairs in the wrong order, at each of ``counts``.
        needed: strategy -> comparisons after which its error is, and stays, at most that of random pairs at the end.
        shares: the same as a share of the comparisons of random pairs.
        by_seed: the share of adaptive pairs for each seed by itself; ``None`` where they don't reach that error.
    """

    setting: SimulationSetting
    counts: tuple[int, ...]
    errors: dict[str, tuple[float, ...]]
    needed: dict[str, int | None]
    shares: dict[str, float | None]
    by_seed: tuple[float | None, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data for JSON."""
        return asdict(self)


def simulate(setting: SimulationSetting, progress: Progress | None = None) -> SimulationResult:
    """Return the errors of all strategies over studies with the same teams and the same luck.

    Args:
        setting: what to simulate.
        progress: told of each study.

    Raises:
        UsageError: fewer than three teams, or fewer comparisons than pairs.
    """
    pairs = setting.teams * (setting.teams - 1) // 2
    if setting.teams < 3 or setting.comparisons < pairs:
        raise UsageError(
            "Too little to simulate.",
            found=f"{setting.teams} teams, {setting.comparisons} comparisons",
            expected=f"at least 3 teams and {max(3, pairs)} comparisons",
        )
    progress = progress or Progress()
    step = max(1, setting.comparisons // 30)
    counts = tuple(range(step, setting.comparisons + 1, step))
    found = {strategy: np.zeros((setting.seeds, len(counts))) for strategy in STRATEGIES}
    with progress.stage("simulating studies", setting.seeds * setting.studies * len(STRATEGIES)):
        for at in range(setting.seeds):
            strengths = np.random.default_rng([setting.seed + at, 0]).normal(0, setting.spread, setting.teams)
            for study in range(setting.studies):
                for strategy in STRATEGIES:
                    rng = np.random.default_rng([setting.seed + at, 1 + study])
                    found[strategy][at] += _study(strategy, strengths, counts, setting.raters, rng)
                    progress.advance()
    errors = {strategy: rows / setting.studies for strategy, rows in found.items()}
    needed: dict[str, int | None] = {
        name: _needed(rows.mean(axis=0), errors["random"].mean(axis=0), counts) for name, rows in errors.items()
    }
    by_seed = []
    for at in range(setting.seeds):
        own = _needed(errors["adaptive"][at], errors["random"][at], counts)
        by_seed.append(None if own is None else own / counts[-1])
    return SimulationResult(
        setting,
        counts,
        {name: tuple(float(one) for one in rows.mean(axis=0)) for name, rows in errors.items()},
        needed,
        {name: None if number is None else number / counts[-1] for name, number in needed.items()},
        tuple(by_seed),
    )


def _needed(errors: Vector, of_random: Vector, counts: Sequence[int]) -> int | None:
    """Return after how many comparisons the error is, and stays, at most that of random pairs at the end."""
    late = np.flatnonzero(errors > of_random[-1] + 1e-12)
    if not len(late):
        return counts[0]
    return None if late[-1] + 1 >= len(counts) else counts[int(late[-1]) + 1]


def _study(
    strategy: Strategy, strengths: Vector, counts: Sequence[int], raters: int, rng: np.random.Generator
) -> Vector:
    n = len(strengths)
    points = np.zeros((n, n))
    choose = _chooser(strategy, n, rng)
    errors: list[float] = []
    waiting: list[tuple[int, int]] = []
    for number in range(1, counts[-1] + 1):
        while len(waiting) < raters:  # everybody is asked before the first of them answers
            waiting.append(choose(points, waiting))
        one, other = waiting.pop(0)
        won = float(rng.random() < 1 / (1 + np.exp(strengths[other] - strengths[one])))
        points[one, other] += won
        points[other, one] += 1 - won
        if number in counts:
            errors.append(rank_error(strengths, fit_with_prior(points).theta))
    return np.array(errors)


Chooser = Callable[[Vector, Sequence[tuple[int, int]]], tuple[int, int]]


def _chooser(strategy: Strategy, n: int, rng: np.random.Generator) -> Chooser:
    pairs = [(one, other) for one in range(n) for other in range(one + 1, n)]
    if strategy == "adaptive":
        allowed = np.ones((n, n))

        def adaptive(points: Vector, waiting: Sequence[tuple[int, int]]) -> tuple[int, int]:
            pending = np.zeros((n, n))
            for one, other in waiting:
                pending[one, other] += 1
                pending[other, one] += 1
            return choose_pair(points, pending, allowed, rng)

        return adaptive
    left: list[int] = []

    def drawn(points: Vector, waiting: Sequence[tuple[int, int]]) -> tuple[int, int]:
        del points, waiting
        if strategy == "random":
            return pairs[int(rng.integers(len(pairs)))]
        if not left:
            left.extend(int(at) for at in rng.permutation(len(pairs)))
        return pairs[left.pop()]

    return drawn


def rank_error(true: Vector, found: Vector) -> float:
    """Return the share of pairs that are in the wrong order, 0 to 1; pairs of equal truth don't count."""
    above = np.sign(np.subtract.outer(true, true))
    differ = above != 0
    return float(np.mean((np.sign(np.subtract.outer(found, found)) != above)[differ]))
