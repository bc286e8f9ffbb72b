"""What a participant gains by sending less, more, slower or smaller videos than the truth: the table of docs/gaming.md.

    python -m benchmarks.controls [--backbones bundled ...] [--identities 6] [--crf 1] [--work FOLDER] [--json OUT.json]

Every control is the real video of puppets with one change, encoded with the settings of the truth that it is compared
with. Each metric of the presets is computed twice: without the rules about length, size and rate, and with them.

By default the encoder loses next to nothing, so that a gain is the change's. With a larger ``--crf``, a larger picture
also loses less because it has more bytes; ``truth, same bytes`` is then the truth at its own size, encoded better until
its file is as large as that of ``upscaled``, and shows what the bytes alone gain.

The exit status is 1 when a control that the preset accepts ranks above the truth: by the weighted sum of the preset's
ranges, or, for a mean of ranks, by being better in more metrics than it is worse. There a difference counts when the
95 % interval of its mean over the videos excludes zero; of sets there is one number, which counts as it is. Controls
within the tolerance of the length are shown and not judged, as they differ from the truth by chance, and so is the
truth with more bytes.
"""

from __future__ import annotations

import json
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import stats

import evalkit
from evalkit.challenges.model import Challenge, load_challenge
from evalkit.media.audio import read_audio
from evalkit.media.decode import iter_frames
from evalkit.media.encode import write_video
from evalkit.metrics.base import metric_registry
from evalkit.metrics.quality import paired_pixels
from evalkit.reference_models.puppet.testset import PuppetTestSet, write_puppet_testset
from evalkit.scoring.scorecard import Scorecard
from evalkit.testsets.loading import load_testset
from evalkit.testsets.model import TestSet

PRESETS = ("talking-head", "mmasia2025-talking-head")
TRUTH = "truth"
SAME_BYTES, LIKE = "truth, same bytes", "upscaled"
LEAST_CRF = 1  # 0 is lossless, a profile that browsers can't play
RATE, SOUND_RATE = 25, 16_000
SEED = 4711
Frames = list[NDArray[np.uint8]]


def _resized(frames: Frames, factor: float, interpolation: int) -> Frames:
    height, width = (2 * round(side * factor / 2) for side in frames[0].shape[:2])
    return [np.asarray(cv2.resize(f, (width, height), interpolation=interpolation), np.uint8) for f in frames]


# Name -> the frames and the frame rate that are made of the truth's frames at 25 frames/s.
CONTROLS: dict[str, Callable[[Frames], tuple[Frames, float]]] = {
    TRUTH: lambda frames: (frames, RATE),
    "shorter": lambda frames: (frames[: len(frames) * 6 // 10], RATE),
    "shorter, allowed": lambda frames: (frames[:-6], RATE),
    "longer": lambda frames: (frames + frames[-26:-1][::-1], RATE),
    "longer, allowed": lambda frames: (frames + frames[-7:-1][::-1], RATE),
    "slower": lambda frames: (frames, RATE * 0.8),
    "slower, same length": lambda frames: ([frames[i * 4 // 5] for i in range(len(frames))], RATE),
    "two frames": lambda frames: (frames[:2], RATE),
    "half size": lambda frames: (_resized(frames, 0.5, cv2.INTER_AREA), RATE),
    "half size, scaled up": lambda frames: (
        _resized(_resized(frames, 0.5, cv2.INTER_AREA), 2.0, cv2.INTER_CUBIC),
        RATE,
    ),
    "upscaled": lambda frames: (_resized(frames, 2.0, cv2.INTER_CUBIC), RATE),
    "upscaled, allowed": lambda frames: (_resized(frames, 1.09, cv2.INTER_CUBIC), RATE),
    SAME_BYTES: lambda frames: (frames, RATE),
}


NOT_JUDGED = ("shorter, allowed", "longer, allowed", SAME_BYTES)


def write_control(
    testset: TestSet, path: Path, change: Callable[[Frames], tuple[Frames, float]], crf: int, like: Path | None = None
) -> None:
    """Write the submission of a control: every video with the sample's speech, cut or silent to its length.

    Args:
        testset: whose reference videos are the truth.
        path: the ZIP.
        change: makes the control's frames.
        crf: quality of the encoder.
        like: a ZIP; each video is encoded as well as its number of bytes there allows.
    """
    sizes: dict[str, int] = {}
    if like is not None:
        with zipfile.ZipFile(like) as archive:
            sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    with tempfile.TemporaryDirectory() as name, zipfile.ZipFile(path, "w") as archive:
        for sample in testset.samples:
            frames, rate = change(list(iter_frames(testset.path(str(sample.reference_video)))))
            sound = read_audio(testset.path(str(sample.audio)), SOUND_RATE)
            length = round(len(frames) / rate * SOUND_RATE)
            sound = np.pad(sound[:length], (0, max(0, length - len(sound)))).astype(np.float32)
            video = Path(name) / f"{sample.id}.mp4"
            for quality in range(LEAST_CRF, crf + 1) if like is not None else (crf,):
                write_video(video, frames, rate, sound, SOUND_RATE, crf=quality)
                if video.stat().st_size <= sizes.get(video.name, 0):
                    break
            archive.write(video, video.name)


@contextmanager
def no_rules(challenge: Challenge) -> Iterator[Challenge]:
    """Give the challenge without rules about length, size and rate; any share of the reference is enough."""
    video = challenge.submission.video.model_copy(
        update={
            "match_reference_seconds": None,
            "match_reference_size": False,
            "max_reference_scale": None,
            "min_fps": 1,
            "min_frames": 1,
            "constant_frame_rate": False,
        }
    )
    submission = challenge.submission.model_copy(update={"video": video})
    least, paired_pixels.LEAST_SHARE = paired_pixels.LEAST_SHARE, 0.0
    try:
        yield challenge.model_copy(update={"submission": submission})
    finally:
        paired_pixels.LEAST_SHARE = least


@dataclass(frozen=True)
class Row:
    """One metric of one control.

    Args:
        without: value without the rules; ``None`` when it has none.
        value: with them.
        reason: why there is none.
        gained, gains: by how much the value is better than the truth's, without and with the rules; ``None`` for a
            metric without a better side.
        side, ruled_side: 1 for a gain, -1 for a loss, 0 for a difference by chance, without and with the rules.
        events: kinds of what the scorecard tells of the control's videos.
    """

    preset: str
    metric: str
    ranks: bool
    control: str
    truth: float | None
    without: float | None
    value: float | None
    reason: str
    gained: float | None
    gains: float | None
    side: int = 0
    ruled_side: int = 0
    events: tuple[str, ...] = ()


def _gain(value: float | None, truth: float | None, higher: bool | None) -> float | None:
    if value is None or truth is None or higher is None:
        return None
    return value - truth if higher else truth - value


def _reason(card: Scorecard, metric: str) -> str:
    """Return why a metric has no value: the commonest reason of the videos, else that of the number."""
    reasons = [video.reasons[metric] for video in card.videos if metric in video.reasons]
    own = card.metrics[metric].reason or ""
    return max(set(reasons), key=reasons.count) if reasons else own


def _events(card: Scorecard) -> tuple[str, ...]:
    return tuple(sorted({event.kind for video in card.videos for event in video.events}))


@dataclass(frozen=True)
class World:
    """What is scored, and where."""

    testset: Path
    submissions: Mapping[str, Path]
    cache: Path
    workers: int

    def measure(self, challenge: Challenge, backbones: Sequence[str]) -> list[Row]:
        """Return a row for every metric of the challenge that can be computed here, and every control."""
        known = metric_registry()
        wanted = [entry.id for entry in challenge.metrics if entry.id in known]
        rows: list[Row] = []
        for chosen in backbones:
            free, kept = {}, {}
            for name, path in self.submissions.items():
                with no_rules(challenge) as without:
                    free[name] = self._score(path, without, wanted, chosen)
                kept[name] = self._score(path, challenge, wanted, chosen)
                click.echo(f"{challenge.id}: {name}", err=True)
            found = [metric for metric in wanted if kept[TRUTH].metrics[metric].value is not None]
            rows += [row for metric in found for row in _rows(challenge, metric, free, kept)]
            wanted = [metric for metric in wanted if metric not in found]
        return rows

    def _score(self, path: Path, challenge: Challenge, metrics: Sequence[str], backbones: str) -> Scorecard:
        return evalkit.score(
            path, challenge, self.testset, metrics=metrics, backbones=backbones, workers=self.workers,
            cache=self.cache, allow_missing=True,
        )  # fmt: skip


def _rows(
    challenge: Challenge, metric: str, free: Mapping[str, Scorecard], kept: Mapping[str, Scorecard]
) -> Iterator[Row]:
    higher = metric_registry()[metric].record.higher_is_better
    ranks = higher is not None and any(entry.rank for entry in challenge.metrics if entry.id == metric)
    truth = kept[TRUTH].metrics[metric].value
    for name, card in kept.items():
        score, without = card.metrics[metric], free[name].metrics[metric].value
        value = score.value if score.coverage >= challenge.coverage else None
        reason = "" if value is not None else _reason(card, metric)
        gains = _gain(without, truth, higher), _gain(value, truth, higher)
        sides = (_side(metric, free[name], kept[TRUTH], gains[0]), _side(metric, card, kept[TRUTH], gains[1]))
        yield Row(challenge.id, metric, ranks, name, truth, without, value, reason, *gains, *sides, _events(card))


def _side(metric: str, card: Scorecard, truth: Scorecard, gain: float | None) -> int:
    """Return 1 for a gain, -1 for a loss, 0 where the difference of the videos is one by chance."""
    own, true = ({v.sample: v.values.get(metric) for v in one.videos} for one in (card, truth))
    pairs = [(x, y) for sample, y in true.items() if y is not None and (x := own.get(sample)) is not None]
    if len(pairs) > 1:
        changes = np.subtract(*np.transpose(pairs))
        width = stats.t.ppf(0.975, len(pairs) - 1) * changes.std(ddof=1) / np.sqrt(len(pairs))
        if abs(changes.mean()) <= width:
            return 0
    return int(np.sign(gain or 0.0))


def standing(challenge: Challenge, rows: Sequence[Row], control: str, *, ruled: bool = True) -> float | None:
    """Return by how much a control stands above the truth, over the metrics that rank.

    The difference of the weighted sums, or of the numbers of metrics that are better and worse; ``None`` for a control
    that lacks one of the values, which does not rank. ``ruled``: with the rules about length, size and rate.
    """
    ranked = [row for row in rows if row.preset == challenge.id and row.control == control and row.ranks]
    gains = {row.metric: gain for row in ranked if (gain := row.gains if ruled else row.gained) is not None}
    if len(gains) < len(ranked):
        return None
    if challenge.ranking != "weighted-sum":
        return float(sum(row.ruled_side if ruled else row.side for row in ranked))
    entries = {entry.id: entry for entry in challenge.metrics}
    spans = {name: entries[name].range or (0.0, 1.0) for name in gains}
    return sum((entries[name].weight or 1.0) * gain / (spans[name][1] - spans[name][0]) for name, gain in gains.items())


def shown(rows: Sequence[Row]) -> str:
    """Return the rows as tables in Markdown; what is better than the truth is bold."""
    lines = []
    for preset in dict.fromkeys(row.preset for row in rows):
        mine = [row for row in rows if row.preset == preset]
        controls = [name for name in dict.fromkeys(row.control for row in mine) if name != TRUTH]
        challenge = load_challenge(preset)
        lines += ["", f"### {preset}"]
        for title, ruled in (("Without the rules:", False), ("With them:", True)):
            lines += ["", title, "", *_table(mine, controls, ruled=ruled)]
            stands = [standing(challenge, mine, name, ruled=ruled) for name in controls]
            words = ["does not rank" if value is None else f"{value:+.3g}" for value in stands]
            lines += [f"| **against the truth** | | {' | '.join(words)} |"]
        events = {name: ", ".join(next(row.events for row in mine if row.control == name)) for name in controls}
        lines += [f"| events | | {' | '.join(events.values())} |"]
    return "\n".join(lines)


def _table(rows: Sequence[Row], controls: Sequence[str], *, ruled: bool) -> list[str]:
    lines = [f"| metric | truth | {' | '.join(controls)} |", "|---|---|" + "---|" * len(controls)]
    for metric in dict.fromkeys(row.metric for row in rows):
        cells = []
        for row in rows:
            if row.metric == metric and row.control in controls:
                value, gain = (row.value, row.gains) if ruled else (row.without, row.gained)
                bold = "**" if gain is not None and gain > 0 else ""
                cells.append(
                    row.reason if ruled and value is None else "-" if value is None else f"{bold}{value:.4g}{bold}"
                )
        truth = next(row.truth for row in rows if row.metric == metric)
        lines.append(f"| `{metric}` | {truth:.4g} | {' | '.join(cells)} |")
    return lines


@click.command()
@click.option(
    "--backbones", "-b", multiple=True, default=("bundled",), help="Each metric uses the first that has its networks."
)
@click.option("--identities", type=int, default=4, show_default=True)
@click.option("--crf", type=click.IntRange(LEAST_CRF, 51), default=LEAST_CRF, show_default=True)
@click.option("--workers", type=int, default=2, show_default=True)
@click.option("--work", type=click.Path(path_type=Path), help="Keep the work here, and go on from it.")
@click.option("--json", "output", type=click.Path(path_type=Path))
def main(
    *, backbones: tuple[str, ...], identities: int, crf: int, workers: int, work: Path | None, output: Path | None
) -> None:
    """Measure every control."""
    with tempfile.TemporaryDirectory() as temporary:
        place = work or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        folder = place / "testset"
        if not (folder / "samples.jsonl").exists():
            write_puppet_testset(PuppetTestSet(folder, SEED, identities), workers)
        testset = load_testset(folder)
        submissions = {}
        for name, change in CONTROLS.items():
            like = submissions[LIKE] if name == SAME_BYTES else None
            if like is not None and crf == LEAST_CRF:
                continue  # nothing is better encoded
            submissions[name] = place / f"{name.replace(',', '').replace(' ', '-')}-{crf}.zip"
            if not submissions[name].exists():
                write_control(testset, submissions[name], change, crf, like)
        world = World(folder, submissions, place / "cache", workers)
        rows = [row for preset in PRESETS for row in world.measure(load_challenge(preset), backbones)]
    if output:
        output.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    click.echo(shown(rows))
    judged = [row for row in rows if row.control not in {TRUTH, *NOT_JUDGED}]
    stands = [standing(load_challenge(row.preset), rows, row.control) for row in judged]
    sys.exit(any(value is not None and value > 0 for value in stands))


if __name__ == "__main__":
    main()
