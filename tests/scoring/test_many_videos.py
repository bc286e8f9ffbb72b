"""What a run keeps of each video, and how often it reads what the cache holds of it."""

from __future__ import annotations

import gc
import json
import tracemalloc
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import shapes

from evalkit import api
from evalkit.challenges.model import load_challenge
from evalkit.media.facts import MediaFacts
from evalkit.metrics.gaming import signature
from evalkit.metrics.gaming.fingerprint import FINGERPRINT
from evalkit.progress import Progress
from evalkit.scoring import gaming
from evalkit.scoring.cache import FeatureCache
from evalkit.scoring.gaming import VideoFingerprint
from evalkit.scoring.intake import file_report
from evalkit.scoring.jobs import Extraction
from evalkit.scoring.lookup import FACTS
from evalkit.scoring.plan import FILMSTRIP
from evalkit.scoring.scorecard import Scorecard

KIB = 1 << 10
MOST_KIB = 8  # of one video; its facts as objects alone have 15
METRICS = ["psnr", "duration", "frozen_share"]


def copies(folder: Path, videos: int) -> tuple[Path, Path]:
    """Write a submission of videos that differ in a box that nobody reads; all have the same reference."""
    testset = shapes.write_testset(folder / "testset", 1, 2.4, 64)
    sample = json.loads((testset / "samples.jsonl").read_text().splitlines()[0])
    names = [f"v{at:03}" for at in range(videos)]
    (testset / "samples.jsonl").write_text("\n".join(json.dumps({**sample, "id": name}) for name in names))
    video = (testset / sample["reference_video"]).read_bytes()
    with zipfile.ZipFile(folder / "team.zip", "w") as archive:
        for name in names:
            archive.writestr(f"{name}.mp4", video + b"\x00\x00\x00\x0cfree" + name.encode())
    return folder / "team.zip", testset


def score(
    folder: Path, archive: Path, testset: Path, limit: int | None = None, progress: Progress | None = None
) -> Scorecard:
    more: dict[str, Any] = {"limit": limit, "out": folder / "out", "replace": True, "progress": progress}
    return api.score(archive, "talking-head", testset, metrics=METRICS, cache=folder / "cache", workers=1, **more)


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path, Scorecard]:
    folder = tmp_path_factory.mktemp("many")
    archive, testset = copies(folder, 60)
    return folder, archive, testset, score(folder, archive, testset)


class Weighed(Progress):
    """Notes what is held when all videos were read, and nothing was written yet."""

    held = 0

    def start(self, title: str, total: int | None, done: int = 0, unit: str = "") -> None:
        if title == "looking for copies":
            gc.collect()
            self.held = tracemalloc.get_traced_memory()[0]


def test_the_memory_of_a_run_hardly_grows_with_its_videos(scored: Any) -> None:
    folder, archive, testset, _ = scored
    held = []
    for limit in (10, 60):
        score(folder, archive, testset, limit)  # what is loaded once is loaded now
        gc.collect()
        progress = Weighed()
        tracemalloc.start()
        try:
            score(folder, archive, testset, limit, progress)
        finally:
            tracemalloc.stop()
        assert progress.held > 0
        held.append(progress.held)
    assert (held[1] - held[0]) / 50 / KIB < MOST_KIB


def test_a_run_reads_each_feature_of_a_video_and_of_its_reference_once(scored: Any, monkeypatch: Any) -> None:
    folder, archive, testset, card = scored
    loads: Counter[tuple[str, str]] = Counter()
    load = FeatureCache.load

    def counted(self: FeatureCache, name: str, key: str) -> Any:
        loads[name, key] += 1
        return load(self, name, key)

    monkeypatch.setattr(FeatureCache, "load", counted)
    again = score(folder, archive, testset)
    assert again.model_dump(exclude={"timing"}) == card.model_dump(exclude={"timing"})
    features = {one: number for one, number in loads.items() if one[0] in {FACTS.name, FINGERPRINT, *again.features}}
    assert {name for name, _ in features} == {FACTS.name, *again.features}
    assert {number for (name, _), number in features.items() if name != FILMSTRIP} == {1}
    assert sum(number > 1 for number in features.values()) <= 3 * 2 * len(METRICS)  # pictures of the ends, for the page
    # The sixty videos, and the one file that is the reference of all.
    assert sum(number for (name, _), number in features.items() if name == FINGERPRINT) == 61


def test_copies_are_found_among_many_and_few_are_listed(scored: Any, monkeypatch: Any) -> None:
    folder, archive, testset, card = scored

    def words(card: Scorecard, rule: str) -> list[str]:
        return [str(f["found"]) for video in card.videos for f in video.findings if f["rule"] == rule]

    assert all("and 56 more" in found for found in words(card, "gaming.duplicate"))
    assert len(words(card, "gaming.duplicate")) == len(words(card, "gaming.reference-video")) == 60
    monkeypatch.setattr(gaming, "MAX_DUPLICATES", 5)
    few = score(folder, archive, testset)
    assert all("and 2 more" in found for found in words(few, "gaming.duplicate"))
    assert words(few, "gaming.reference-video") == words(card, "gaming.reference-video")


def test_what_is_kept_of_a_file_has_its_facts(scored: Any) -> None:
    folder, archive, testset, _ = scored
    report = api.validate(archive, "talking-head", testset, cache=folder / "cache", workers=1)
    facts = report.files[0].facts
    assert facts is not None
    assert facts.video is not None
    assert (facts.video.width, facts.video.frames) == (64, 60)
    assert report.files[0].packed is not None
    assert len(report.files[0].packed) < len(facts.model_dump_json()) / 2
    from evalkit.challenges.submission_rules import SubmissionRules

    extraction = Extraction("v", "0" * 64, MediaFacts.model_validate(facts.model_dump()))
    assert file_report(extraction, "v.mp4", in_folder=False, rules=SubmissionRules()).facts == facts
    assert extraction.slim().facts is None


def test_a_fingerprint_keeps_what_is_compared() -> None:
    import numpy as np

    bits = np.random.default_rng(0).random((50, 24)) < 0.5
    arrays = {
        "bits": bits, "motion": np.array(3.0), "hash": np.arange(63) % 2 == 0, "ticks": np.array(50),
        "distinct": np.array(40), "warped": np.array(90.0),
    }  # fmt: skip
    moving = VideoFingerprint.of("a", "0", arrays)
    assert np.array_equal(moving.bits, bits)
    assert not moving.is_still
    still = VideoFingerprint.of("a", "0", {**arrays, "motion": np.array(0.01), "distinct": np.array(1)})
    assert still.bits.shape == (0, 24)
    assert still.is_still


@pytest.mark.parametrize(("off", "calls"), [((), 2), (("gaming.duplicate",), 1), (("gaming.reference-video",), 1)])
def test_videos_are_compared_only_for_rules_that_are_on(
    scored: Any, off: tuple[str, ...], calls: int, monkeypatch: Any
) -> None:
    folder, archive, testset, _ = scored
    compared: list[int] = []
    matching = signature.matching_rows

    def counted(first: Any, second: Any, **more: Any) -> Any:
        compared.append(len(second))
        return matching(first, second, **more)

    monkeypatch.setattr(signature, "matching_rows", counted)
    challenge = load_challenge("talking-head")
    rules = challenge.submission
    severities = {**rules.severities, **dict.fromkeys(off, "off")}
    changed = rules.model_copy(update={"severities": severities})
    challenge = challenge.model_copy(update={"submission": changed})
    card = api.score(archive, challenge, testset, metrics=METRICS, cache=folder / "cache", workers=1)
    assert compared == [60] * calls
    found = {str(finding["rule"]) for video in card.videos for finding in video.findings}
    assert {"gaming.duplicate", "gaming.reference-video"} - set(off) <= found
    assert not found & set(off)
