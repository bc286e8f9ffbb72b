"""What the bundled networks detect on puppets that are not in the training data: the table of their model card.

    python -m benchmarks.bundled --weights FOLDER... [--identities 20] [--takes 2] [-o OUT.json]
    python -m benchmarks.bundled --weights FOLDER --real DIR     # a folder with testset/ and submissions/ of real clips

Every control is a submission that a baseline generator made, and is scored like any other.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
from numpy.typing import NDArray

import evalkit
from evalkit.challenges.model import load_challenge
from evalkit.media.decode import iter_frames
from evalkit.media.stills import read_still
from evalkit.metrics.faces.align import norm_crop
from evalkit.metrics.features.audio import official_audio
from evalkit.metrics.networks.small.inputs import WordNumbers
from evalkit.metrics.networks.small.runners import SmallBoxes, SmallDetector, SmallFaces, SmallSync
from evalkit.metrics.networks.small.texts import SmallText
from evalkit.metrics.sync.arithmetic import summarise
from evalkit.metrics.sync.distances import shift_distances, window_count
from evalkit.metrics.sync.mfcc import mfcc
from evalkit.metrics.sync.tracks import crop, smooth, track_faces
from evalkit.reference_models.generation.submission import make_submission
from evalkit.reference_models.puppet.testset import PuppetTestSet, write_puppet_testset
from evalkit.testsets.loading import load_testset
from evalkit.testsets.model import TestSet
from evalkit.weights.store import file_sha256
from training.publish import manifest

HELD_OUT = 90210
CONTROLS: dict[str, tuple[str, dict[str, Any]]] = {
    "truth": ("truth", {}),
    "warp": ("warp", {}),
    "still": ("still", {}),
    "late 6": ("late", {"frames": 6}),
    "late 20": ("late", {"frames": 20}),
    "swap": ("swap", {}),
    "blur 1": ("blur", {"sigma": 1.0}),
    "blur 2": ("blur", {"sigma": 2.0}),
    "blur 4": ("blur", {"sigma": 4.0}),
    "jitter 1": ("jitter", {"sigma": 1.0}),
    "jitter 2": ("jitter", {"sigma": 2.0}),
    "jitter 4": ("jitter", {"sigma": 4.0}),
    "frozen": ("frozen", {}),
    "shuffle": ("shuffle", {}),
    "warp shuffled": ("shuffle", {"base": "warp"}),
}
METRICS = ("fid", "kid", "fvd", "lse_c", "lse_d", "sync.latentsync.offset", "identity", "clipscore")
SHIFTS = range(-10, 11)


def submissions(testset: Path, folder: Path, workers: int) -> dict[str, Path]:
    """Make the submission of every control, or take the one that is there."""
    made = {}
    for name, (generator, options) in CONTROLS.items():
        path = folder / f"{name.replace(' ', '-')}.zip"
        if not path.exists():
            make_submission(generator, testset, path, options=options, seed=1, workers=workers, backbones="bundled")
        made[name] = path
    return made


def real_submissions(folder: Path) -> dict[str, Path]:
    """Return the submissions that come with real clips, but those with broken files."""
    return {path.stem: path for path in sorted((folder / "submissions").glob("*.zip")) if path.stem != "broken"}


def table(paths: dict[str, Path], testset: Path, backbones: Path, work: Path, workers: int) -> dict[str, Any]:
    """Score every submission; the metrics' values."""
    rows = {}
    for name, path in paths.items():
        started = time.perf_counter()
        card = evalkit.score(
            path, load_challenge("talking-head"), testset, metrics=METRICS, backbones=backbones, workers=workers,
            cache=work / "cache", out=work / "cards" / path.stem,
        )  # fmt: skip
        seconds = time.perf_counter() - started
        rows[name] = {key: metric.value for key, metric in card.metrics.items()} | {"seconds": round(seconds, 1)}
        click.echo(f"{name:10} " + "  ".join(f"{k} {_short(v)}" for k, v in rows[name].items()), err=True)
    return rows


def shuffled_captions(paths: dict[str, Path], testset: TestSet, backbones: Path, work: Path, workers: int) -> float:
    """Return CLIPScore of the truth when every caption belongs to another sample."""
    count = len(testset.samples)
    other = [testset.samples[(row + count // 2) % count].text for row in range(count)]
    samples = tuple(replace_text(sample, text) for sample, text in zip(testset.samples, other, strict=True))
    card = evalkit.score(
        paths["truth"], load_challenge("talking-head"), replace(testset, samples=samples), metrics=["clipscore"],
        backbones=backbones, workers=workers, cache=work / "cache",
    )  # fmt: skip
    value = next(iter(card.metrics.values())).value
    return np.nan if value is None else value


def replace_text(sample: Any, text: str | None) -> Any:
    """Return the sample with another caption."""
    return sample.model_copy(update={"text": text})


class Looker:
    """The networks of one folder, used directly for what no metric asks."""

    def __init__(self, folder: Path) -> None:
        def of(kind: type, name: str, **options: Any) -> Any:
            path = folder / f"{name}.safetensors"
            return kind(path, file_sha256(path), "cpu", **options)

        self.detector, self.boxes = of(SmallDetector, "detector"), of(SmallBoxes, "detector")
        self.faces, self.sync, self.text = of(SmallFaces, "faces"), of(SmallSync, "sync"), of(SmallText, "text")

    def face(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """Return the unit vector of the first face."""
        found = self.detector.detect(rgb)
        cut = norm_crop(rgb, found[0].keypoints, 112) if found else None
        if cut is None:
            return None
        vector = self.faces.embed(cut[None])[0]
        return np.asarray(vector / np.linalg.norm(vector))

    def offsets(self, video: Path, audio: Path) -> list[int] | None:
        """Return the offset found for every planted shift of the sound."""
        frames = list(iter_frames(video))
        sizes = [(rgb.shape[1], rgb.shape[0]) for rgb in frames]
        tracks = track_faces(self.boxes.detect([self.boxes.small(rgb) for rgb in frames], sizes))
        if not tracks:
            return None
        track = tracks[0]
        part = frames[track.first : track.last + 1]
        crops = np.stack(
            [crop(np.ascontiguousarray(rgb[:, :, ::-1]), *place) for rgb, place in
             zip(part, smooth(track.boxes), strict=True)]
        )  # fmt: skip
        lips = self.sync.lips(crops)
        sound = official_audio(audio)
        if sound is None:
            return None
        found = []
        for shift in SHIFTS:
            moved = np.roll(np.concatenate([np.zeros(16 * 640, np.int16), sound.samples, np.zeros(16 * 640, np.int16)]),
                            shift * 640)  # fmt: skip
            moved = moved[16 * 640 : -16 * 640][track.first * 640 :]
            count = window_count(len(part), len(moved))
            result = summarise(shift_distances(lips[:count], self.sync.audio(mfcc(moved), count)))
            found.append(-99 if isinstance(result, str) else int(result.offset))
        return found


def looked(folder: Path, testset: TestSet, *, takes: bool) -> dict[str, Any]:
    """Return what the networks say of the truth: faces told apart, offsets found, captions found.

    Args:
        folder: of the networks.
        testset: with reference videos.
        takes: whether ids are a person and a take: then faces are compared over takes, else within the video.
    """
    looker = Looker(folder)
    root = testset.root
    people = [sample.id.split("t")[0] if takes else sample.id for sample in testset.samples]
    references = [looker.face(read_still(root / sample.reference_images[0])) for sample in testset.samples]
    pictures, vectors, owners, detected, frames_seen, right, shown = [], [], [], 0, 0, [], []
    for sample, person in zip(testset.samples, people, strict=True):
        video = root / str(sample.reference_video)
        frames = list(iter_frames(video))
        for rgb in frames[::12]:
            frames_seen += 1
            vector = looker.face(rgb)
            if vector is not None:
                detected += 1
                vectors.append(vector)
                owners.append((sample.id, person))
        pictures.append(frames[len(frames) // 2])
        found = looker.offsets(video, root / str(sample.audio))
        if found is not None:
            base = found[len(found) // 2]
            right += [abs(offset - found_shift) <= 1 for offset, found_shift in zip(found, _expected(), strict=True)]
            shown.append(base)
        else:
            right += [False] * len(SHIFTS)
    same, different = [], []
    for reference, sample, person in zip(references, testset.samples, people, strict=True):
        for vector, (other_sample, owner) in zip(vectors, owners, strict=True):
            if reference is None or (takes and other_sample == sample.id):
                continue
            (same if owner == person else different).append(float(reference @ vector))
    return {
        "detection_rate": detected / frames_seen,
        "identity_auc": auc(np.array(same), np.array(different)),
        "identity_same_mean": float(np.mean(same)) if same else None,
        "identity_different_mean": float(np.mean(different)),
        "offset_within_1": float(np.mean(right)),
        "offset_unshifted": shown,
        **retrieval(looker, testset, pictures),
    }


def _expected() -> list[int]:
    """Return the offsets that the planted shifts should give: sound that comes later has a negative offset."""
    return [-shift for shift in SHIFTS]


def retrieval(looker: Looker, testset: TestSet, pictures: list[NDArray[np.uint8]]) -> dict[str, Any]:
    """Return how often the right one of 16 captions is the nearest to a picture."""
    rng = np.random.default_rng(0)
    seen = looker.text.embed_images([cv2.resize(p, (96, 96), interpolation=cv2.INTER_AREA) for p in pictures])
    told = looker.text.embed_texts(WordNumbers().tokens([str(s.text) for s in testset.samples]).numbers)
    cosine = (seen / np.linalg.norm(seen, axis=1, keepdims=True)) @ (
        told / np.linalg.norm(told, axis=1, keepdims=True)
    ).T
    first: list[bool] = []
    texts = [sample.text for sample in testset.samples]
    for row in range(len(texts)):
        others = [column for column in range(len(texts)) if texts[column] != texts[row]]
        for _ in range(20):
            chosen = rng.choice(others, 15, replace=False)
            first.append(bool(cosine[row, row] > cosine[row, chosen].max()))
    return {"retrieval_top1_of_16": float(np.mean(first))}


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def auc(same: NDArray[np.float64], different: NDArray[np.float64]) -> float | None:
    """Return the share of pairs (same, different) in the right order."""
    from scipy.stats import mannwhitneyu

    if not len(same):
        return None
    return float(mannwhitneyu(same, different).statistic / (len(same) * len(different)))


def _short(value: Any) -> str:
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


@click.command()
@click.option("--weights", multiple=True, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--identities", type=int, default=20, show_default=True)
@click.option("--takes", type=int, default=2, show_default=True)
@click.option("--seconds", type=float, default=3.0, show_default=True)
@click.option("--workers", type=int, default=2, show_default=True)
@click.option("--work", type=click.Path(path_type=Path), help="Keep the work here, and go on from it.")
@click.option("--real", type=click.Path(exists=True, path_type=Path), help="Real clips in place of puppets.")
@click.option("--look-only", is_flag=True, help="Only what needs no submission.")
@click.option("-o", "--output", type=click.Path(path_type=Path))
def main(  # noqa: PLR0917 - click passes options by name
    weights: tuple[Path, ...], identities: int, takes: int, seconds: float, workers: int, work: Path | None,
    real: Path | None, look_only: bool, output: Path | None,
) -> None:  # fmt: skip
    """Measure the networks of each folder."""
    with tempfile.TemporaryDirectory() as temporary:
        place = work or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        world = real / "testset" if real else place / "testset"
        if not (world / "samples.jsonl").exists():
            write_puppet_testset(PuppetTestSet(world, HELD_OUT, identities, takes, seconds), workers)
        testset = load_testset(world)
        result: dict[str, Any] = {}
        for folder in weights:
            click.echo(f"== {folder.name}", err=True)
            result[folder.name] = looked(folder, testset, takes=real is None)
            click.echo(json.dumps(result[folder.name]), err=True)
        paths = (
            {} if look_only else real_submissions(real) if real else submissions(world, place / "submissions", workers)
        )
        for folder in [] if look_only else weights:
            os.environ["EVALKIT_WEIGHTS"] = str(folder)
            backbones = place / f"{folder.name}.yaml"
            backbones.write_text(manifest(folder, "retrained"), encoding="utf-8")
            result[folder.name]["controls"] = table(paths, world, backbones, place / folder.name, workers)
            if real is None:
                result[folder.name]["clipscore_shuffled_captions"] = shuffled_captions(
                    paths, testset, backbones, place / folder.name, workers
                )
        text = json.dumps(result, indent=1)
        if output:
            output.write_text(text + "\n", encoding="utf-8")
        click.echo(text)


if __name__ == "__main__":
    main()
