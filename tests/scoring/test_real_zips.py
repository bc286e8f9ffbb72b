"""The real talking heads of EVALKIT_SHARED, each ZIP spoiled in a known way, scored with real networks.

One world for all tests: every ZIP is scored once, with a cache that they share.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

import evalkit
from evalkit.scoring.scorecard import Scorecard

pytestmark = pytest.mark.shared
METRICS = "identity,identity.strict.arc.detection,identity.consisid.arc,psnr,ssim,frozen_share"
FACES, PIXELS = "identity,identity.strict.arc.detection", "psnr,ssim"
# What each ZIP is scored with, and on how many of its twenty samples: what a test looks at, since pixels and faces each
# take seconds per video. Twelve have the three whose face is found on retry.
ZIPS = {
    "faithful": (METRICS, 12),
    "blurred": (f"{FACES},{PIXELS}", 6),
    "late": (f"{FACES},{PIXELS}", 6),
    "swapped": (FACES, 12),
    "frozen": (f"{FACES},frozen_share", 12),
    "broken": (PIXELS, 20),
}


@dataclass
class World:
    """Where things are, and what each ZIP scored."""

    folder: Path
    data: Path
    environment: dict[str, str]
    codes: dict[str, int]

    def score(self, name: str, out: str, *more: str) -> int:
        """Run the command line as a user does, with one worker unless ``more`` says otherwise; return its exit code."""
        words = ["score", str(self.data / "submissions" / f"{name}.zip"), "-c", "talking-head"]
        words += ["--testset", str(self.data / "testset"), "-o", str(self.folder / out), "--metrics", ZIPS[name][0]]
        words += ["-b", str(Path(__file__).parents[1] / "backbones.yaml"), "--quiet", "--workers", "1", *more]
        done = subprocess.run(
            [sys.executable, "-m", "evalkit", *words], env=self.environment, capture_output=True, text=True, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode

    def card(self, name: str) -> Scorecard:
        """Return a scorecard."""
        return Scorecard.load(self.folder / name)

    def table(self, name: str) -> pd.DataFrame:
        """Return the values by sample."""
        return self.card(name).to_pandas().set_index("sample")

    def log(self, name: str) -> list[dict[str, object]]:
        """Return the lines of the run's log."""
        return [json.loads(line) for line in (self.folder / name / "log.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def world(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Score every ZIP once."""
    folder = tmp_path_factory.mktemp("real")
    environment = {
        **os.environ,
        "EVALKIT_WEIGHTS": str(shared / "weights"),
        "EVALKIT_CACHE": str(folder / "cache"),
    }
    made = World(folder, shared / "data" / "talking-heads", environment, {})
    for name in ZIPS:
        made.codes[name] = made.score(name, name, *limit(name))
    yield made


def limit(name: str) -> tuple[str, ...]:
    """Return the option that scores as many samples of a ZIP as its tests look at."""
    samples = ZIPS[name][1]
    return ("--limit", str(samples)) if samples < 20 else ()


def test_exit_codes(world: World) -> None:
    assert world.codes == {name: 3 if name == "broken" else 0 for name in ZIPS}


def test_every_face_is_found(world: World) -> None:
    for name in ("faithful", "blurred", "late", "swapped", "frozen"):
        table = world.table(name)
        assert len(table) == ZIPS[name][1]
        assert (table["identity.strict.arc.detection"] == 1.0).all()
        assert not table["identity.strict.arc"].isna().any()


def test_the_log_of_retries_shows_why_a_policy_is_needed(world: World) -> None:
    """SCRFD alone finds no face in the reference frames of s06, s09 and s11; the frozen ZIP repeats them."""
    retried = {
        video.sample
        for video in world.card("frozen").videos
        if any(event.kind == "face_found_on_retry" for event in video.events)
    }
    assert {"s06", "s09", "s11"} <= retried


def test_identity_separates_swapped_from_faithful_in_every_sample(world: World) -> None:
    faithful, swapped = (world.table(name)["identity.strict.arc"] for name in ("faithful", "swapped"))
    assert (faithful - swapped > 0.2).all()
    assert faithful.min() > swapped.max()


def test_blur_lowers_psnr_and_ssim_in_every_sample_and_identity_a_little(world: World) -> None:
    faithful, blurred = world.table("faithful")[:6], world.table("blurred")
    assert list(faithful.index) == list(blurred.index)
    assert (faithful["psnr.rgb"] - blurred["psnr.rgb"] > 5).all()
    assert (faithful["ssim.gray"] - blurred["ssim.gray"] > 0.05).all()
    assert 0 < faithful["identity.strict.arc"].mean() - blurred["identity.strict.arc"].mean() < 0.2


def test_late_audio_leaves_the_pictures_alone(world: World) -> None:
    faithful, late = world.table("faithful")[:6], world.table("late")
    assert list(faithful.index) == list(late.index)
    assert (faithful["psnr.rgb"] - late["psnr.rgb"]).abs().max() < 1
    assert (faithful["identity.strict.arc"] - late["identity.strict.arc"]).abs().max() < 0.02


def test_frozen_keeps_the_face_and_is_found_out(world: World) -> None:
    card, table = world.card("frozen"), world.table("frozen")
    assert table["identity.strict.arc"].min() > 0.98
    assert (table["video.frozen_share"] > 0.95).all()
    assert all("content.frozen" in {finding["rule"] for finding in video.findings} for video in card.videos)


def test_broken_is_scored_where_it_can_be(world: World) -> None:
    """s01 s09 s17 HEVC; s02 s10 s18 no audio; s03 s11 s19 cut; s04 s12 s20 MPEG-4; s05 missing; s06 noise."""
    expected = dict.fromkeys(["s01", "s09", "s17", "s04", "s12", "s20"], "invalid:encoding.codec")
    expected |= dict.fromkeys(["s02", "s10", "s18"], "invalid:encoding.audio-missing")
    expected |= dict.fromkeys(["s03", "s11", "s19", "s06"], "invalid:encoding.not-media")
    expected |= {"s05": "missing"}
    card = world.card("broken")
    reasons = {video.sample: video.reasons["psnr.rgb"] for video in card.videos if video.values["psnr.rgb"] is None}
    assert reasons == expected
    assert {video.sample for video in card.videos if video.values["psnr.rgb"] is not None} == {
        "s07", "s08", "s13", "s14", "s15", "s16"
    }  # fmt: skip
    assert card.metrics["psnr.rgb"].n == 6
    assert card.metrics["psnr.rgb"].coverage == pytest.approx(6 / 20)


def test_broken_has_fourteen_errors_and_validate_says_1(world: World) -> None:
    report = evalkit.validate(
        world.data / "submissions" / "broken.zip",
        "talking-head",
        testset=world.data / "testset",
        cache=world.folder / "cache",
    )
    errors = [finding for finding in report.all_findings() if finding.severity == "error"]
    assert len(errors) == 14
    assert len({finding.path or finding.sample for finding in errors}) == 14
    assert not report.ok
    assert {file.sample for file in report.files if file.verdict == "ok"} >= {"s07", "s08", "s13", "s14", "s15", "s16"}


def test_a_second_run_decodes_nothing_and_writes_the_same_scorecard(world: World) -> None:
    """Two workers instead of one, too: neither cache nor workers change a byte outside the timing block."""
    assert world.score("faithful", "again", "--workers", "2", *limit("faithful")) == 0
    assert {line["decodes"] for line in world.log("again") if line["event"] == "video"} == {0}
    first, second = (json.loads((world.folder / name / "scorecard.json").read_text()) for name in ("faithful", "again"))
    assert first.pop("timing") != second.pop("timing")
    assert json.dumps(first) == json.dumps(second)


def test_one_worker_and_two_workers_compute_the_same(world: World) -> None:
    """Computed afresh by two, and from the cache what one computed."""
    for workers, more in (("1", ()), ("2", ("--fresh",))):
        assert world.score("faithful", f"w{workers}", "--workers", workers, "--limit", "4", *more) == 0
    one, two = (world.card(f"w{workers}") for workers in ("1", "2"))
    for name in one.metrics:
        assert one.metrics[name].value == pytest.approx(two.metrics[name].value, rel=1e-6)
    assert one.videos == two.videos
    decodes = {name: [line["decodes"] for line in world.log(name) if line["event"] == "video"] for name in ("w1", "w2")}
    assert decodes == {"w1": [0] * 4, "w2": [1] * 4}


def test_each_video_is_decoded_once(world: World) -> None:
    decodes = [line["decodes"] for line in world.log("late") if line["event"] == "video"]
    assert decodes == [1] * ZIPS["late"][1]


def test_generated_videos_have_no_truth_and_say_so(world: World, shared: Path) -> None:
    card = evalkit.score(
        shared / "data" / "generated" / "submission.zip",
        "talking-head",
        shared / "data" / "generated" / "testset",
        metrics=["psnr", "duration"],
        cache=world.folder / "cache",
    )
    assert card.metrics["psnr.rgb"].value is None
    assert card.metrics["psnr.rgb"].reason == "no_reference_video"
    assert card.metrics["video.duration"].n == 7


def test_the_page_shows_every_sample(world: World) -> None:
    page = (world.folder / "broken" / "report.html").read_text()
    for number in range(1, 21):
        assert f"s{number:02}" in page
    assert "encoding.audio-missing" in page
