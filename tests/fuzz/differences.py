"""Hold evalkit against other programs on many inputs: where they see different things, evalkit must take none of it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from fuzz.campaign import Figures


@dataclass(frozen=True)
class Outcome:
    """One input: whether evalkit takes anything of it, whether programs differ, and what it takes although they do."""

    taken: bool
    differs: bool
    faults: tuple[str, ...] = ()


@dataclass
class Differences(Figures):
    """What came of it; of the inputs in which other programs differ, evalkit takes ``differing_taken`` in part: the
    rest of such an input, in which they agree.
    """

    differing: int = 0
    differing_taken: int = 0
    seconds: float = 0.0


def run_differences(
    name: str,
    make: Callable[[random.Random], bytes],
    judge: Callable[[Path], Outcome],
    inputs: int,
    seed: int,
    *,
    suffix: str,
    minutes: float | None = None,
    keep: Path | None = None,
) -> Differences:
    """Return the figures of ``inputs`` inputs, fewer when the time is over; the same seed makes the same ones.

    Args:
        name: of the comparison.
        make: returns an input.
        judge: compares the programs on the file that holds it.
        inputs: how many.
        seed: of the inputs.
        suffix: of the file's name.
        minutes: after which no further input is tried.
        keep: folder for inputs that went wrong.
    """
    figures, dice, start = Differences(name), random.Random(f"{name} {seed}"), time.monotonic()
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"input{suffix}"
        while figures.inputs < inputs and (minutes is None or time.monotonic() - start < 60 * minutes):
            data = make(dice)
            path.write_bytes(data)
            outcome = judge(path)
            figures.accepted += outcome.taken
            figures.refused += not outcome.taken
            figures.differing += outcome.differs
            figures.differing_taken += outcome.differs and outcome.taken
            if outcome.faults:
                figures.wrong_accepts += 1
                fault = f"input {figures.inputs}: {'; '.join(outcome.faults)}"
                figures.failures = [*figures.failures, fault][:20]
                if keep is not None:
                    keep.mkdir(parents=True, exist_ok=True)
                    (keep / f"{name}-{seed}-{figures.inputs}{suffix}").write_bytes(data)
            figures.inputs += 1
    figures.seconds = round(time.monotonic() - start, 1)
    return figures
