"""The presets against docs/definitions/challenges.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from builders.challenges import PRESETS

from evalkit.challenges.model import load_challenge, preset_ids

# The presets, against docs/definitions/challenges.md


def test_the_presets_are_those_of_the_design() -> None:
    assert preset_ids() == PRESETS


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_loads_under_its_own_name(preset: str) -> None:
    loaded = load_challenge(preset)
    assert loaded.id == preset
    assert loaded.title
    assert len({entry.id for entry in loaded.metrics}) == len(loaded.metrics) > 0


@pytest.mark.parametrize(
    ("preset", "layouts"),
    [
        ("mmasia2025-talking-head", ("{id}.mp4",)),
        ("ipvg2025-facial", ("{identity}/{prompt}.mp4",)),
        ("ipvg2025-fullbody", ("{identity}/{prompt}.mp4",)),
        ("ipvg2026-facial", ("{identity}/{prompt}.mp4", "{index}.mp4")),
        ("ipvg2026-sequential", ("{identity}/{prompt}.mp4", "{index}.mp4")),
        ("facevid1k-t2v", ("{id}.mp4",)),
        ("facevid1k-i2v", ("{id}.mp4",)),
        ("facevid1k-uncond", ("{id}.mp4",)),
        ("talking-head", ("{id}.mp4",)),
        ("theval", ("{id}.mp4",)),
        ("dub-hdtf", ("{id}.mp4",)),
        ("dub-lrs2", ("{id}.mp4",)),
        ("dualtalk", ("{id}.npy",)),
        ("leakage", ("{id}/{setup}.mp4",)),
        ("synctalkpp", ("{id}.mp4",)),
        ("lip-to-speech", ("{id}.wav", "{id}.flac")),
        ("lip-to-speech-video", ("{id}.mp4",)),
        ("celebdfpp-gf", ("{id}.csv",)),
        ("talkingheadbench-p1", ("{id}.csv",)),
        ("multitalk", ("{id}.mp4",)),
    ],
)
def test_layouts_are_the_challenges(preset: str, layouts: tuple[str, ...]) -> None:
    assert load_challenge(preset).submission.layouts == layouts


@pytest.mark.parametrize("preset", ["ipvg2025-facial", "ipvg2025-fullbody"])
def test_ipvg_2025_has_200_people_with_5_prompts(preset: str) -> None:
    spec = load_challenge(preset).testset
    assert (spec.format, spec.identities, spec.prompts) == ("ipvg2025", 200, 5)
    assert spec.samples == 200 * 5


def test_ipvg_2026_allows_three_runs_of_which_one_competes() -> None:
    for preset in ("ipvg2026-facial", "ipvg2026-sequential"):
        loaded = load_challenge(preset)
        assert (loaded.submission.runs.max, loaded.submission.runs.primary) == (3, 1)
        assert loaded.testset.format == preset
    assert load_challenge("ipvg2026-sequential").testset.samples == 200  # 1.mp4 ... 200.mp4


@pytest.mark.parametrize("preset", ["ipvg2025-facial", "ipvg2025-fullbody"])
def test_ipvg_2025_ranks_by_four_numbers_then_by_pairs_of_three(preset: str) -> None:
    loaded = load_challenge(preset)
    ranked = {entry.published_as: entry.id for entry in loaded.metrics if entry.rank}
    assert ranked == {
        "Face-Arc": "identity.consisid.arc",
        "Face-Cur": "identity.consisid.cur",
        "FID": "facefid.consisid",
        "ClipScore": "clipscore.logits100",
    }
    assert loaded.ranking == "two-phase"
    assert (loaded.ratings.method, loaded.ratings.finalists) == ("pairs", 3)


def test_mm_asia_publishes_eight_numbers_and_asks_four_questions() -> None:
    loaded = load_challenge("mmasia2025-talking-head")
    published = {entry.published_as: entry.id for entry in loaded.metrics if entry.published_as}
    assert published == {
        "FID": "fid.pytorch",
        "FVD": "fvd.styleganv",
        "Sync-C": "sync.latentsync.conf",
        "Sync-D": "sync.latentsync.dist",
        "AKD": "landmark.organiser_akd",
        "F-LMD": "landmark.organiser_flmd",
        "CLIPScore": "clipscore.logits100",
        "FPS": "speed.fps",
    }
    directions = {entry.id: entry.direction for entry in loaded.metrics}
    assert [directions[name] for name in published.values()] == [
        *("lower", "lower", "higher", "lower", "lower", "lower", "higher", "higher")
    ]
    assert "identity.strict.arc" in directions
    assert [dimension.id for dimension in loaded.ratings.dimensions] == [
        *("identity_consistency", "video_quality", "lip_sync", "style_control")
    ]
    assert {dimension.scale for dimension in loaded.ratings.dimensions} == {(1, 5)}
    assert loaded.submission.audio.required


@pytest.mark.parametrize(
    ("preset", "published"),
    [
        ("facevid1k-t2v", ["FID", "FVD", "CLIPScore", "BRISQUE"]),
        ("facevid1k-i2v", ["FID", "FVD", None, "BRISQUE"]),  # CLIPScore is published for text to video
        ("facevid1k-uncond", ["FID", "FVD", "BRISQUE"]),  # no text to compare with
    ],
)
def test_facevid_is_a_benchmark_without_people_or_ranks(preset: str, published: list[str | None]) -> None:
    loaded = load_challenge(preset)
    assert [entry.published_as for entry in loaded.metrics] == published
    assert loaded.ranking == loaded.ratings.method == "none"
    assert [entry.id for entry in loaded.metrics[:2]] == ["fid.pytorch.unpaired", "fvd.styleganv.unpaired"]


@pytest.mark.parametrize(("preset", "region"), [("dub-lrs2", "rgb"), ("dub-hdtf", "face")])
def test_dubbing_publishes_seven_numbers_of_one_region(preset: str, region: str) -> None:
    loaded = load_challenge(preset)
    published = {entry.published_as: entry.id for entry in loaded.metrics if entry.published_as}
    assert list(published) == ["PSNR", "SSIM", "FID", "LMD", "LSE-C", "LSE-D", "CSIM"]
    assert published["PSNR"] == f"psnr.{region}"
    assert loaded.ranking == "none"


def test_synctalkpp_publishes_ten_numbers() -> None:
    loaded = load_challenge("synctalkpp")
    published = {entry.published_as: entry.id for entry in loaded.metrics if entry.published_as}
    assert list(published) == [*("PSNR", "LPIPS", "MS-SSIM", "FID", "LMD", "NIQE", "BRISQUE", "LSE-C", "LSE-D", "FPS")]
    assert published["LMD"] == "landmark.synctalk_lmd"


def test_lip_to_speech_publishes_its_numbers_of_audio_files_and_adds_lip_sync_for_videos() -> None:
    audio, video = load_challenge("lip-to-speech"), load_challenge("lip-to-speech-video")
    assert (audio.submission.kind, video.submission.kind) == ("audio", "video")
    published = [entry.published_as for entry in audio.metrics if entry.published_as]
    assert published == ["WER", "STOI", "ESTOI", "PESQ", "SECS"]
    assert [entry.published_as for entry in video.metrics if entry.published_as] == [*published, "LSE-C", "LSE-D"]
    assert {entry.id for entry in audio.metrics} < {entry.id for entry in video.metrics}


def test_the_sequential_track_scores_the_timeline() -> None:
    facial = {entry.id for entry in load_challenge("ipvg2026-facial").metrics}
    sequential = {entry.id for entry in load_challenge("ipvg2026-sequential").metrics}
    assert sequential - facial == {"timeline.v1.nacc", "timeline.v1.tiou", "subject.dino", "clip.image_sim"}
    assert facial <= sequential


def test_ipvg_2026_shows_the_numbers_of_2025_and_ranks_every_kind_of_subject() -> None:
    shown = {entry.id: entry.rank for entry in load_challenge("ipvg2026-facial").metrics}
    earlier = {entry.id for entry in load_challenge("ipvg2025-facial").metrics if entry.rank}
    assert earlier <= set(shown)
    assert [name for name in earlier if shown[name]] == ["clipscore.logits100"]  # the strict identity takes their place
    about_all = {entry.id for entry in load_challenge("ipvg2026-sequential").metrics if entry.rank}
    assert "subject.dino" in about_all


def test_the_recommended_default_ranks_identity_lips_landmarks_and_pixels_alike() -> None:
    loaded = load_challenge("talking-head")
    parts: dict[str, float] = {}
    for entry in loaded.metrics:
        if entry.rank:
            family = {"psnr": "pixels", "ssim": "pixels"}.get(entry.id.split(".")[0], entry.id.split(".")[0])
            parts[family] = parts.get(family, 0) + entry.weight
            assert entry.range is not None
    assert parts == {"identity": 1, "sync": 1, "landmark": 1, "pixels": 1}
    page = (Path(__file__).parents[2] / "docs" / "definitions" / "challenges.md").read_text("utf-8")
    reasons = page.split("## talking-head")[1].split("\n## ")[0]
    assert {entry.id for entry in loaded.metrics} <= set(re.findall(r"`([a-z0-9_.]+)`", reasons))


@pytest.mark.parametrize("preset", PRESETS)
def test_metric_ids_are_family_dot_variant(preset: str) -> None:
    for entry in load_challenge(preset).metrics:
        assert re.fullmatch(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+", entry.id), entry.id


@pytest.mark.parametrize("preset", PRESETS)
def test_numbers_that_are_for_information_do_not_rank(preset: str) -> None:
    for entry in load_challenge(preset).metrics:
        assert entry.rank is False or entry.group != "diagnostic", entry.id


# What the organizers left open (docs/definitions/challenges.md); talking-head has no organizer.
UNPUBLISHED = {
    "mmasia2025-talking-head": {"metrics.weight", "metrics.range", "ranking"},
    "ipvg2025-facial": set(),
    "ipvg2025-fullbody": set(),
    "ipvg2026-facial": {"metrics", "ranking", "ratings"},
    "ipvg2026-sequential": {"metrics", "ranking", "ratings"},
    "facevid1k-t2v": {"submission", "ranking"},
    "facevid1k-i2v": {"submission", "ranking"},
    "facevid1k-uncond": {"submission", "ranking"},
    "talking-head": {"submission", "metrics", "ranking", "ratings"},
    "theval": {"submission", "metrics", "ranking"},
    "dub-hdtf": {"submission", "metrics", "ranking"},
    "dub-lrs2": {"submission", "metrics", "ranking"},
    "dualtalk": {"submission", "ranking"},
    "leakage": {"submission", "metrics", "ranking"},
    "synctalkpp": {"submission", "metrics", "ranking"},
    "lip-to-speech": {"submission", "metrics", "ranking"},
    "lip-to-speech-video": {"submission", "metrics", "ranking"},
    **{name: {"detection", "ranking"} for name in PRESETS if name.startswith(("celebdfpp", "talkingheadbench"))},
    "multitalk": {"submission", "metrics", "ranking"},
}


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_marks_what_its_organizer_did_not_publish(preset: str) -> None:
    loaded = load_challenge(preset)
    marked = set(loaded.evalkit_defaults)
    assert marked >= UNPUBLISHED[preset]
    # Nobody published limits of the archive, frame rates, sound or a coverage rule.
    assert "coverage" in marked
    if "submission" not in marked:
        assert marked >= {"submission.archive", "submission.video", "submission.audio"}
    if loaded.submission.runs.max > 1:
        assert "submission" not in marked  # the number of runs is published


@pytest.mark.parametrize("preset", PRESETS)
def test_every_range_and_weight_of_a_published_challenge_is_marked(preset: str) -> None:
    loaded = load_challenge(preset)
    marked = set(loaded.evalkit_defaults)
    for entry in loaded.metrics:
        assert entry.range is None or marked & {"metrics", "metrics.range"}
    weighted = loaded.ranking == "weighted-sum"
    assert not weighted or marked & {"metrics", "metrics.weight"}
