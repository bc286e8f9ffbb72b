"""Made-up detectors: a truth table, a list of the training, and submissions of scores, drawn at random from a seed.

Nothing was detected: the numbers show what a protocol asks for and what its tables look like.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evalkit.challenges.model import Challenge
from evalkit.errors import UsageError
from evalkit.files import storage_error, write_bytes, write_text

TRUTH, SUBMISSIONS = "truth.csv", "submissions"
COLUMNS = ("video_id", "label", "generator", "identity", "driver", "dataset", "quality", "split", "run", "video")
LEVELS = ("x264-crf35", "x264-crf45")  # qualities besides the base
_LOST = {LEVELS[0]: 0.5, LEVELS[1]: 1.1}  # of the distance between real and fake
_EPOCH = (2026, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Detector:
    """A made-up detector.

    Args:
        distance: how far the scores of fakes are above those of reals, in their standard deviations.
        certain: how far its probabilities are from 0.5, as a multiple of what would be right.
        fails: share of the videos without a score.
    """

    distance: float
    certain: float = 1.0
    fails: float = 0.0


DETECTORS: Mapping[str, Detector] = {
    "keen": Detector(2.6),
    "sure": Detector(1.2, certain=3.0),
    "fails": Detector(2.6, fails=0.05),
    "coin": Detector(0.0),
}


@dataclass(frozen=True)
class MadeUp:
    """What was written.

    Args:
        truth: the table of all videos.
        submissions: the detectors' files.
        videos: number of videos of the test.
    """

    truth: Path
    submissions: tuple[Path, ...]
    videos: int


def make_scores(out: Path, challenge: Challenge, *, people: int, generators: int, seed: int) -> MadeUp:
    """Write the tables of a challenge for detectors.

    Args:
        out: a new or empty folder.
        challenge: of the kind ``scores``; its rules say whether there are runs, qualities and data sets.
        people: in the test.
        generators: how many there are.
        seed: another one gives other numbers.

    Raises:
        UsageError: when ``out`` is not empty, or the challenge is of another kind.
        StorageError: when a file can't be written.
    """
    if challenge.submission.kind != "scores":
        raise UsageError(
            f"The challenge {challenge.id} is not about detectors.",
            found=f"submission.kind: {challenge.submission.kind}",
            expected="submission.kind: scores, as in talkingheadbench-p3",
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is no empty folder.", fix="Choose another one.")
    rows = list(_rows(challenge, people, [f"maker{number}" for number in range(1, generators + 1)]))
    test = [row for row in rows if row["split"] == "test"]
    try:
        (out / SUBMISSIONS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(out, error) from None
    write_text(out / TRUTH, _csv(COLUMNS, rows))
    files = []
    for at, (name, detector) in enumerate(DETECTORS.items()):
        scores = list(_scored(test, detector, np.random.default_rng([seed, at])))
        files.append(_write(out / SUBMISSIONS, name, test, scores))
    return MadeUp(out / TRUTH, tuple(files), len(test))


def _rows(challenge: Challenge, people: int, generators: Sequence[str]) -> Iterator[dict[str, str]]:
    rules = challenge.detection
    by_run = rules.held_out_generator or "person" in rules.disjoint
    levels = (rules.base or "original", *LEVELS) if "quality" in rules.within else ("",)
    apart = "dataset" in rules.disjoint or "dataset" in rules.within
    for split in ("train", "test"):
        secret = "person" in rules.disjoint and split == "train"
        names = [f"{'q' if secret else 'p'}{number:03}" for number in range(1, people + 1)]
        dataset = {"train": "set-a", "test": "set-b"}[split] if apart else "set-a"
        for run in generators if by_run else ("",):
            made = [name for name in generators if not by_run or (name == run) == _own(rules, split)]
            for quality in levels if split == "test" else levels[:1]:
                common = {"dataset": dataset, "quality": quality, "split": split, "run": run}
                for at, person in enumerate(names):
                    video = f"{split}-real-{person}"
                    yield _row(video, common, "0", identity=person)
                    for generator in made:
                        driver = names[(7 * at + 3) % len(names)]
                        video = f"{split}-{generator}-{person}-{driver}"
                        yield _row(video, common, "1", generator, person, driver)


def _own(rules: object, split: str) -> bool:
    """Whether a run sees the fakes of the generator that it is named for."""
    return split == "test" or not getattr(rules, "held_out_generator", False)


def _row(  # noqa: PLR0917
    video: str, common: Mapping[str, str], label: str, generator: str = "", identity: str = "", driver: str = ""
) -> dict[str, str]:
    name = f"{common['quality']}/{video}" if common["quality"] else video
    about = {"generator": generator, "identity": identity, "driver": driver, "video": video}
    return {"video_id": name, "label": label, **about, **common}


def _scored(
    test: Sequence[Mapping[str, str]], detector: Detector, rng: np.random.Generator
) -> Iterator[tuple[str, str]]:
    """Yield score and probability of each video; both are empty where the detector fails."""
    bias: dict[str, float] = {}
    for row in test:
        for name in (row["identity"], row["generator"]):
            bias.setdefault(name, float(rng.normal(0, 0.25)))
        fake = row["label"] == "1"
        distance = max(0.0, detector.distance - _LOST.get(row["quality"], 0.0) * (detector.distance > 0))
        score = distance * fake + bias[row["identity"]] + bias[row["generator"]] * fake + float(rng.normal())
        log_odds = detector.certain * (distance * (score - distance / 2) if detector.distance else score)
        failed = float(rng.random()) < detector.fails
        yield ("", "") if failed else (f"{score:.6f}", f"{1 / (1 + np.exp(-log_odds)):.6f}")


def _write(folder: Path, name: str, test: Sequence[Mapping[str, str]], scores: Sequence[tuple[str, str]]) -> Path:
    """Write a CSV, or a ZIP with a CSV for each run."""
    columns = ("video_id", "score", "prob")
    tables: dict[str, list[dict[str, str]]] = {}
    for row, (score, chance) in zip(test, scores, strict=True):
        told = dict(zip(columns, (row["video_id"], score, chance), strict=True))
        tables.setdefault(row["run"], []).append(told)
    if set(tables) == {""}:
        path = folder / f"{name}.csv"
        write_text(path, _csv(columns, tables[""]))
        return path
    path, stream = folder / f"{name}.zip", io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for run, rows in tables.items():
            info = zipfile.ZipInfo(f"{run}/scores.csv", _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, _csv(columns, rows))
    write_bytes(path, stream.getvalue())
    return path


def _csv(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str:
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()
