"""Run a target on many inputs, and count what must not be: crashes, hangs, wrong accepts, memory that grows."""

from __future__ import annotations

import random
import resource
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from evalkit.errors import EvalkitError
from fuzz.kinds import Target, WrongAcceptError

WARM = 0.2  # share of the inputs after which memory is measured first


class HangError(BaseException):
    """An input took longer than it may; no reader's ``except Exception`` keeps it."""


@dataclass
class Figures:
    """What came of a campaign; ``failures`` holds a line per input that went wrong, at most 20."""

    target: str
    inputs: int = 0
    accepted: int = 0
    refused: int = 0
    crashes: int = 0
    hangs: int = 0
    wrong_accepts: int = 0
    growth_mib: float = 0.0
    failures: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing went wrong."""
        return not (self.crashes or self.hangs or self.wrong_accepts)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data for JSON."""
        return asdict(self)


def run_campaign(target: Target, inputs: int, seed: int, *, limit: float = 5.0, keep: Path | None = None) -> Figures:
    """Return the figures of ``inputs`` inputs; the same seed makes the same ones.

    Args:
        target: what is fuzzed.
        inputs: how many.
        seed: of the inputs.
        limit: seconds of processor time that one input may take; ten times as long by the clock.
        keep: folder for inputs that went wrong.
    """
    figures = Figures(target.name)
    dice = random.Random(f"{target.name} {seed}")
    before = None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / target.file
        for number in range(inputs):
            data = target.make(dice)
            path.write_bytes(data)
            fault = _try(target, path, limit, figures)
            if fault is not None:
                figures.failures = [*figures.failures, f"input {number}: {fault}"][:20]
                if keep is not None:
                    keep.mkdir(parents=True, exist_ok=True)
                    (keep / f"{target.name}-{seed}-{number}").write_bytes(data)
            figures.inputs += 1
            if before is None and number >= WARM * inputs:
                before = _peak_mib()
    figures.growth_mib = round(_peak_mib() - (before or 0.0), 1)
    return figures


def _try(target: Target, path: Path, limit: float, figures: Figures) -> str | None:
    try:
        with _alarm(limit):
            target.read(path)
        figures.accepted += 1
    except EvalkitError:
        figures.refused += 1
    except HangError:
        figures.hangs += 1
        return f"took more than {limit:g} s"
    except WrongAcceptError as error:
        figures.wrong_accepts += 1
        return f"wrong accept: {error}"
    except Exception as error:  # noqa: BLE001  (that is what is looked for)
        figures.crashes += 1
        return f"{type(error).__name__}: {str(error)[:200]}"
    return None


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise `HangError` after so much processor time, which a busy machine doesn't change, or ten times as long."""

    def ring(number: int, frame: object) -> None:
        raise HangError

    clocks = ((signal.ITIMER_PROF, signal.SIGPROF, seconds), (signal.ITIMER_REAL, signal.SIGALRM, 10 * seconds))
    before = [signal.signal(sign, ring) for _, sign, _ in clocks]
    for clock, _, limit in clocks:
        signal.setitimer(clock, limit)
    try:
        yield
    finally:
        for (clock, sign, _), handler in zip(clocks, before, strict=True):
            signal.setitimer(clock, 0)
            signal.signal(sign, handler)


def _peak_mib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak / (1024**2 if sys.platform == "darwin" else 1024))
