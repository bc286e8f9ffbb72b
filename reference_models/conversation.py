"""Made-up conversations as motion coefficients: two people who take turns, nod, and move their lips while they speak.

For trying challenges whose submissions are motion coefficients, and for tests. The arrays have the names, shapes and
scale of FLAME coefficients as DualTalk's data set has them; nobody's face was recorded for them.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import UsageError
from evalkit.files import write_bytes, write_text
from evalkit.testsets.loading import SAMPLES_FILE

FPS = 25
EXPRESSION, ROTATION, JAW = 50, 3, 3
Motion = NDArray[np.float64]


@dataclass(frozen=True)
class Conversations:
    """Options of a test set of conversations.

    Args:
        folder: where to write.
        seed: other seeds have other people.
        count: how many conversations, of two samples each.
        seconds: length of each.

    Raises:
        UsageError: an option is out of range.
    """

    folder: Path
    seed: int = 0
    count: int = 12
    seconds: float = 12.0

    def __post_init__(self) -> None:
        limits = {"seed": (self.seed, 0, 1_000_000), "count": (self.count, 1, 9_999)}
        for name, (value, low, high) in {**limits, "seconds": (self.seconds, 0.4, 600)}.items():
            if not low <= value <= high:
                raise UsageError(
                    f"The option {name} of a test set of conversations is out of range.",
                    found=f"{value}",
                    expected=f"{low} to {high}",
                )


def write_conversations(options: Conversations, *, force: bool = False) -> int:
    """Write ``talk0001_speaker1.npz`` and so on, and the list of samples; return how many samples there are.

    Each file has ``exp`` (T, 50) and ``pose`` (T, 6): head rotation, then jaw. The same options give the same bytes.

    Raises:
        UsageError: the folder has a test set, and ``force`` is not set.
        StorageError: it can't be written.
    """
    listed = options.folder / SAMPLES_FILE
    if listed.exists() and not force:
        raise UsageError(f"There is a test set in {options.folder}.", fix="Choose another folder, or add --force.")
    options.folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(1, options.count + 1):
        names = [f"talk{number:04}_speaker{side}" for side in (1, 2)]
        for name, (expression, pose) in zip(names, conversation(options, number), strict=True):
            stream = io.BytesIO()
            np.savez(stream, exp=expression.astype(np.float32), pose=pose.astype(np.float32))
            write_bytes(options.folder / f"{name}.npz", stream.getvalue())
        for own, other in (names, names[::-1]):
            lines.append(json.dumps({"id": own, "motion": f"{own}.npz", "partner_motion": f"{other}.npz"}))
    write_text(listed, "\n".join(lines) + "\n")
    return len(lines)


def conversation(options: Conversations, number: int) -> Iterator[tuple[Motion, Motion]]:
    """Yield expression (T, 50) and pose (T, 6) of both speakers of one conversation."""
    rng = np.random.default_rng([options.seed, number])
    frames = round(options.seconds * FPS)
    first = _turns(rng, frames)
    speech = [_syllables(rng, frames) * turn for turn in (first, 1.0 - first)]
    for own, other in ((0, 1), (1, 0)):
        yield _expression(rng, speech[own]), _pose(rng, speech[own], speech[other])


def _turns(rng: np.random.Generator, frames: int) -> Motion:
    """Return (T,): 1 while the first one speaks, else 0; turns of 1.5 to 4 seconds with soft ends."""
    turns, at = np.zeros(frames), 0
    speaking = bool(rng.integers(2))
    while at < frames:
        end = at + int(rng.uniform(1.5, 4.0) * FPS)
        turns[at:end] = speaking
        at, speaking = end, not speaking
    return _smooth(turns[:, None], 3)[:, 0]


def _syllables(rng: np.random.Generator, frames: int) -> Motion:
    """Return (T,) how wide the mouth opens, 0..1: about four syllables a second of unequal strength."""
    phase = np.cumsum(2 * np.pi * (4.0 + _wander(rng, frames, 1, 8)[:, 0]) / FPS)
    return np.asarray((0.5 - 0.5 * np.cos(phase)) * np.clip(0.7 + 0.3 * _wander(rng, frames, 1, 4)[:, 0], 0, 1))


def _expression(rng: np.random.Generator, speech: Motion) -> Motion:
    scale = 1.0 / (1.0 + np.arange(EXPRESSION)) ** 0.5
    mouth = rng.normal(0, 1.6, EXPRESSION) * (np.arange(EXPRESSION) < 12)
    own = rng.normal(0, 0.4, EXPRESSION)  # what the face is like at rest
    return np.asarray((own + 1.2 * _wander(rng, len(speech), EXPRESSION, 10)) * scale + speech[:, None] * mouth)


def _pose(rng: np.random.Generator, speech: Motion, heard: Motion) -> Motion:
    """Return head rotation and jaw; a listener nods 0.3 s after what is heard."""
    late = np.concatenate([np.zeros(8), heard])[: len(heard)]
    head = 0.08 * _wander(rng, len(speech), ROTATION, 20)
    head[:, 0] += 0.05 * _smooth(late[:, None], 4)[:, 0]
    jaw = 0.004 * _wander(rng, len(speech), JAW, 6)
    jaw[:, 0] += 0.02 + 0.1 * speech
    return np.concatenate([head, jaw], axis=1)


def _wander(rng: np.random.Generator, frames: int, numbers: int, width: int) -> Motion:
    """Return (T, n) of smooth noise with deviation 1: it changes over about ``width`` frames."""
    margin = 4 * width
    smooth = _smooth(rng.normal(size=(frames + 2 * margin, numbers)), width)[margin : margin + frames]
    return np.asarray(smooth * (2.0 * width * np.pi**0.5) ** 0.5)


def _smooth(rows: Motion, width: float) -> Motion:
    """Return rows (T, n) after a Gaussian of ``width`` frames over time; the ends are held."""
    from scipy.ndimage import gaussian_filter1d

    return np.asarray(gaussian_filter1d(rows, width, axis=0, mode="nearest"))
