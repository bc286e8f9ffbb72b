"""How far `evalkit.measure` of arrays is from `evalkit score` of files with the same frames, as a Markdown table.

    python -m benchmarks.arrays_and_files [--clips 5] [--seconds 3] [--shared ../shared] [--work FOLDER]

The arrays are the frames of real clips, cut and slightly blurred; the references are these clips. The files are these
frames without loss (H.264 in RGB, sound as ALAC) and as a generator would write them (H.264 4:2:0, CRF 18, AAC). Each
cell is the largest difference over the videos. tests/arrays/test_arrays_and_files.py holds a small version.
"""

from __future__ import annotations

import json
import tempfile
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import click
import cv2
import numpy as np
from PIL import Image

import evalkit
from evalkit.media.audio import read_audio
from evalkit.media.decode import iter_frames
from evalkit.media.encode import write_video
from evalkit.media.stills import read_still
from evalkit.metrics.features.audio import to_int16
from evalkit.testsets.loading import load_testset
from evalkit.testsets.model import TestSet

RATE = 16_000
METRICS = (
    "fid", "fid.pytorch.uniform16", "fvd", "kvd", "identity", "facefid.strict",
    "clipscore", "clip.image_sim", "clip.frame_consistency", "subject.dino", "psnr", "ssim", "ssim.rgb", "ms_ssim",
    "niqe", "brisque", "cpbd", "m_lmd", "akd", "landmark.jitter", "motion.flow",
    "temporal.flicker", "frozen_share", "duration",
)  # fmt: skip
CHALLENGE = """\
schema: 1
id: arrays-and-files
title: Arrays and files
submission:
  video:
    pixel_formats: [gbrp, yuv420p]
    min_fps: 1
    min_frames: 1
  audio: {required: false, codecs: [alac, aac], max_length_difference: 10}
"""


@dataclass(frozen=True)
class Difference:
    """One metric: its number from arrays, and the largest difference of the files' from it; ``None`` without values."""

    metric: str
    value: float | None
    reason: str | None
    lossless: float | None
    encoded: float | None


@dataclass(frozen=True)
class World:
    """Some samples as arguments of `measure`, and as a test set."""

    testset: TestSet
    names: tuple[str, ...]
    videos: list[Any]
    rates: list[Fraction]
    arguments: dict[str, Any]


def make_world(source: TestSet, folder: Path, clips: int, seconds: float) -> World:
    """Cut the first samples to ``seconds`` and return them as a test set of their own; the videos are blurred.

    Raises:
        UsageError: a sample has no reference video or no speech.
    """
    (folder / "testset").mkdir(parents=True)
    given: dict[str, list[Any]] = {"reference": [], "reference_image": [], "audio": [], "prompt": []}
    rates, videos, lines = [], [], []
    for sample in source.limited(clips):
        if not (sample.reference_video and sample.audio):
            raise click.UsageError(f"the sample {sample.id} has no reference video or no speech")
        path = source.path(sample.reference_video)
        with av.open(str(path)) as container:
            rates.append(Fraction(container.streams.video[0].average_rate or 25))
        real = np.stack(list(islice(iter_frames(path), round(seconds * rates[-1]))))
        sound = to_int16(read_audio(source.path(sample.audio), RATE))[: round(seconds * RATE)]
        images = [read_still(source.path(image)) for image in sample.reference_images]
        lines.append(_write_sample(folder / "testset", sample.id, sample.text, real, rates[-1], sound, images))
        for name, value in zip(given, (real, images, sound, sample.text), strict=True):
            given[name].append(value)
        videos.append(np.stack([cv2.GaussianBlur(rgb, (0, 0), 1.0) for rgb in real]))
    (folder / "testset" / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    arguments = {**given, "fps": [float(rate) for rate in rates], "audio_rate": RATE}
    names = tuple(str(line["id"]) for line in lines)
    return World(load_testset(folder / "testset"), names, videos, rates, arguments)


def _write_sample(  # noqa: PLR0917
    folder: Path, name: str, text: str | None, real: Any, rate: Fraction, sound: Any, images: Sequence[Any]
) -> dict[str, Any]:
    """Write the files of one sample, and return its line."""
    with wave.open(str(folder / f"{name}.wav"), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(sound.tobytes())
    write_lossless(folder / f"{name}.mp4", real, rate, sound)
    pictures = [f"{name}_{at}.png" for at in range(len(images))]
    for picture, image in zip(pictures, images, strict=True):
        Image.fromarray(image).save(folder / picture)
    return {
        "id": name,
        "text": text,
        "audio": f"{name}.wav",
        "reference_video": f"{name}.mp4",
        "reference_images": pictures,
    }


def write_lossless(path: Path, frames: Any, rate: Fraction, samples: Any) -> None:
    """Write the frames and the sound without loss."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264rgb", rate=rate, options={"qp": "0", "preset": "ultrafast"})
        video.pix_fmt, video.height, video.width = "rgb24", *frames.shape[1:3]
        sound = container.add_stream("alac", rate=RATE, layout="mono")
        for picture in frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode(None))
        for start in range(0, len(samples), 4096):
            block = av.AudioFrame.from_ndarray(samples[None, start : start + 4096], format="s16p", layout="mono")
            block.sample_rate, block.pts = RATE, start
            container.mux(sound.encode(block))
        container.mux(sound.encode(None))


def compare(world: World, folder: Path, metrics: Sequence[str], backbones: str = "bundled") -> list[Difference]:
    """Measure the arrays, score both kinds of files, and return the differences.

    Raises:
        RuntimeError: a file without loss does not give the frames back.
    """
    challenge = folder / "challenge.yaml"
    challenge.write_text(CHALLENGE, "utf-8")
    kinds = [folder / kind for kind in ("lossless", "encoded")]
    for kind in kinds:
        kind.mkdir()
    for name, frames, rate, sound in zip(world.names, world.videos, world.rates, world.arguments["audio"], strict=True):
        write_lossless(kinds[0] / f"{name}.mp4", frames, rate, sound)
        if not np.array_equal(np.stack(list(iter_frames(kinds[0] / f"{name}.mp4"))), frames):
            raise RuntimeError(f"the file without loss does not give the frames of {name} back")
        write_video(kinds[1] / f"{name}.mp4", frames, rate, sound.astype(np.float32) / 32768, RATE)
    cards = [
        evalkit.score(
            kind, challenge, world.testset, backbones=backbones, metrics=metrics, workers=1, cache=folder / "cache"
        )
        for kind in kinds
    ]
    measured = evalkit.measure(metrics, world.videos, backbones=backbones, **world.arguments)
    return [_difference(found, cards) for found in measured.values()]


def _difference(found: evalkit.Measurement, cards: Sequence[evalkit.Scorecard]) -> Difference:
    apart = []
    for card in cards:
        ours = [found.value, *found.values]
        theirs = [card.metrics[found.metric].value]
        if found.values:
            theirs += [video.values[found.metric] for video in card.videos]
        both = [abs(a - b) for a, b in zip(ours, theirs, strict=True) if a is not None and b is not None]
        apart.append(max(both, default=None))
    return Difference(found.metric, found.value, found.reason, *apart)


def table(rows: Sequence[Difference]) -> str:
    """Return the rows in Markdown."""
    lines = ["| metric | arrays | file without loss | H.264, CRF 18 |", "|---|---|---|---|"]
    for row in rows:
        value = f"unscored: {row.reason}" if row.value is None else f"{row.value:.5g}"
        cells = ["-" if one is None else f"{one:.2g}" for one in (row.lossless, row.encoded)]
        lines.append(f"| `{row.metric}` | {value} | {' | '.join(cells)} |")
    return "\n".join(lines)


@click.command()
@click.option("--clips", default=5, show_default=True)
@click.option("--seconds", default=3.0, show_default=True)
@click.option("--shared", type=click.Path(path_type=Path), default=Path("../shared"), show_default=True)
@click.option("--work", type=click.Path(path_type=Path), help="folder for the files; a temporary one without")
def main(clips: int, seconds: float, shared: Path, work: Path | None) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = work or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        world = make_world(load_testset(shared / "data/talking-heads/testset"), folder, clips, seconds)
        print(table(compare(world, folder, METRICS)))


if __name__ == "__main__":
    main()
