"""Runs: whole ZIPs that the challenge accepts, the same bytes however they are made, and what a failure costs."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evalkit import api
from evalkit.challenges.model import Challenge
from evalkit.challenges.submission_rules import SubmissionRules
from evalkit.errors import InputError, UsageError
from evalkit.media.audio import read_audio
from evalkit.media.decode import iter_frames
from evalkit.reference_models.generation.requests import allowed_size
from evalkit.reference_models.generation.speed import GenerationTiming, Stopwatch, speed_document
from evalkit.reference_models.generation.submission import make_submission
from evalkit.speed.document import read_report
from evalkit.testsets.model import Sample, TestSet


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("name", ["truth", "still", "jitter", "shuffle", "warp"])
def test_the_videos_are_the_same_bytes_with_any_number_of_workers(puppets: TestSet, tmp_path: Path, name: str) -> None:
    few = TestSet(puppets.root, puppets.samples[:3])
    for workers in (1, 2):
        make_submission(name, few, tmp_path / f"{workers}.zip", workers=workers, with_speed=False)
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()
    made = make_submission(name, few, tmp_path / "speed.zip")
    left, right = members(tmp_path / "1.zip"), members(made.path)
    assert json.loads(right.pop("speed.json")) == made.speed
    assert left == right
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.zip", "2.zip", "speed.zip"]


def test_seeds_and_samples_differ_in_chance(puppets: TestSet, tmp_path: Path) -> None:
    few = TestSet(puppets.root, (puppets.samples[0], puppets.samples[0].model_copy(update={"id": "again"})))
    one = members(make_submission("jitter", few, tmp_path / "1.zip", with_speed=False).path)
    two = members(make_submission("jitter", few, tmp_path / "2.zip", seed=1, with_speed=False).path)
    assert len({*one.values(), *two.values()}) == 4


def test_the_zip_is_what_the_challenge_asks_for(puppets: TestSet, tmp_path: Path) -> None:
    seen: list[str] = []
    made = make_submission("truth", puppets, tmp_path / "t.zip", challenge="talking-head", progress=seen.append)
    ids = [sample.id for sample in puppets]
    assert made.made == tuple(ids)
    assert sorted(seen) == sorted(ids)
    assert list(members(made.path)) == [*(f"{name}.mp4" for name in ids), "speed.json"]
    report = api.validate(made.path, "talking-head", puppets.root, workers=1)
    assert report.ok
    assert {finding.rule for finding in report.all_findings()} <= {"content.duplicate-frames", "content.frozen"}
    with zipfile.ZipFile(made.path) as archive:
        assert {info.date_time for info in archive.infolist()} == {(2026, 1, 1, 0, 0, 0)}
        (tmp_path / "v.mp4").write_bytes(archive.read("p001t0.mp4"))
    original = list(iter_frames(puppets.path(puppets.samples[0].reference_video or "")))
    encoded = list(iter_frames(tmp_path / "v.mp4"))
    assert len(encoded) == len(original)
    assert np.mean([np.abs(a.astype(int) - b).mean() for a, b in zip(encoded, original, strict=True)]) < 2.5
    heard = read_audio(tmp_path / "v.mp4", 16_000)
    speech = read_audio(puppets.path(puppets.samples[0].audio or ""), 16_000)
    assert np.corrcoef(heard[: len(speech)], speech)[0, 1] > 0.9


def test_another_layout_and_its_rules(puppets: TestSet, tmp_path: Path) -> None:
    rules = Challenge.model_validate(
        {
            "id": "mine",
            "title": "Mine",
            "submission": {"layouts": ["v/{index}.mp4"], "video": {"max_width": 128, "min_fps": 30, "max_fps": 30}},
        }
    )
    made = make_submission("still", puppets.limited(2), tmp_path / "s.zip", challenge=rules)
    assert list(members(made.path)) == ["v/1.mp4", "v/2.mp4", "speed.json"]
    assert [row["width"] for row in made.speed["samples"]] == [128, 128]
    assert [row["frames"] for row in made.speed["samples"]] == [36, 36]


def test_a_sample_that_fails_costs_itself_only(puppets: TestSet, tmp_path: Path) -> None:
    Image.fromarray(np.full((64, 64, 3), 200, np.uint8)).save(tmp_path / "wall.png")
    good = puppets.samples[0]
    root = puppets.root
    samples = (
        Sample(id="bare"),
        good,
        Sample(id="gone", reference_images=("no/such.png",), audio=good.audio),
        Sample(id="torn", reference_images=("samples.jsonl",)),
    )
    made = make_submission("warp", TestSet(root, samples), tmp_path / "w.zip")
    assert made.made == (good.id,)
    assert set(members(made.path)) == {f"{good.id}.mp4", "speed.json"}
    assert list(made.failures) == ["bare", "gone", "torn"]
    assert "no reference_images" in made.failures["bare"]
    assert all("can't be read" in made.failures[name] for name in ("gone", "torn"))
    assert [row["sample"] for row in made.speed["samples"]] == [good.id]
    wall = TestSet(tmp_path, (Sample(id="w", reference_images=("wall.png",)),))
    with pytest.raises(InputError, match=r"none of the 1 samples.*No face was found"):
        make_submission("warp", wall, tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()


def test_a_control_without_reference_videos_names_the_way_out(puppets: TestSet, tmp_path: Path) -> None:
    bare = TestSet(puppets.root, (puppets.samples[0].model_copy(update={"reference_video": None}),))
    with pytest.raises(InputError, match="--set base=warp"):
        make_submission("late", bare, tmp_path / "l.zip")
    assert make_submission("late", bare, tmp_path / "l.zip", options={"base": "warp"}).made == (bare.samples[0].id,)


def test_an_output_that_is_a_folder_is_told(puppets: TestSet, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder"):
        make_submission("still", puppets, tmp_path)


def test_the_stopwatch_counts_the_generator_and_nothing_else() -> None:
    now = [0.0]

    def frames() -> Iterator[np.ndarray]:
        for cost in (3.0, 0.5, 0.25):
            now[0] += cost
            yield np.zeros((2, 2, 3), np.uint8)

    def generate() -> Iterator[np.ndarray]:
        now[0] += 1.0
        return frames()

    watch = Stopwatch(lambda: now[0])
    for _ in watch.watch(watch.call(generate)):
        now[0] += 100.0  # encoding
    assert watch.seconds == 4.75
    assert watch.first_frame == 4.0


def test_the_speed_document_by_hand() -> None:
    timing = GenerationTiming(frames=50, width=4, height=2, clip_seconds=2.0, seconds=0.5, first_frame=0.1)
    rows = {"a": timing, "b": replace(timing, seconds=1.0, first_frame=0.3), "c": replace(timing, seconds=4.0)}
    speed = speed_document({"name": "x"}, rows, [0.2, 0.7], 2)
    assert [row["fps"] for row in speed["samples"]] == [100, 50, 12.5]
    assert [row["rtf"] for row in speed["samples"]] == [0.25, 0.5, 2]
    assert speed["summary"]["fps"] == {"median": 50, "q25": 31.25, "q75": 75}
    assert speed["summary"]["rtf"]["median"] == 0.5
    assert speed["summary"]["time_to_first_frame"]["median"] == 0.1
    assert (speed["summary"]["frames"], speed["summary"]["setup_seconds"], speed["workers"]) == (150, 0.7, 2)
    assert "encoding the video" in speed["protocol"]["excluded"]
    report = read_report(json.dumps(speed).encode())  # as a scorecard takes it
    assert {name: (one.frames, one.seconds) for name, one in report.samples.items()} == {
        name: (row.frames, row.seconds) for name, row in rows.items()
    }


@pytest.mark.parametrize(
    ("size", "video", "allowed"),
    [
        ((256, 256), {}, (256, 256)),
        ((257, 101), {}, (256, 100)),
        ((1, 1), {}, (2, 2)),
        ((1000, 500), {"max_width": 500}, (500, 250)),
        ((1000, 500), {"max_width": 333}, (332, 166)),
        ((100, 50), {"min_height": 101}, (202, 102)),
    ],
)
def test_sizes_are_even_and_within_the_rules(
    size: tuple[int, int], video: dict[str, int], allowed: tuple[int, int]
) -> None:
    assert allowed_size(*size, SubmissionRules.model_validate({"video": video})) == allowed
