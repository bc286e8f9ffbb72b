"""The sync metrics over made-up distances: several tracks, none, too short ones, two audio tracks."""

import numpy as np
import pytest
from numpy.typing import NDArray

from evalkit.metrics.base import FeatureData, VideoInputs, VideoValue, metric_registry
from evalkit.metrics.sync.arithmetic import Sync, sync_core
from evalkit.metrics.sync.distances import shift_distances, silent_distances
from evalkit.metrics.sync.track_scores import TrackChoice, track_syncs

BY_ID = {name: metric for name, metric in metric_registry().items() if name.startswith("sync.")}
Arrays = dict[str, NDArray]


def curve(best: float, offset: int, rest: float = 10.0) -> NDArray[np.float32]:
    row = np.full(31, rest, dtype=np.float32)
    row[15 - offset] = best
    return row


def arrays(*tracks: tuple[int, float, int], own: tuple[float, int] | None = None, frames: int = 200) -> Arrays:
    """Tracks of (windows, distance, offset) one after the other from frame 0 on; ``own`` is that of every track."""
    lengths = [windows + 5 for windows, _, _ in tracks]
    first = np.concatenate([[0], np.cumsum(lengths)])[: len(tracks)].astype(np.int64)
    official = [np.tile(curve(best, offset), (windows, 1)) for windows, best, offset in tracks]
    count = sum(windows for windows, _, _ in tracks)
    empty = np.full((count, 31), np.nan, dtype=np.float32)
    return {
        "faces": np.ones(frames, dtype=np.int64),
        "scene_start": np.zeros(1, dtype=np.int64),
        "track_first": first,
        "track_last": first + np.array(lengths, dtype=np.int64) - 1,
        "track_detections": np.array(lengths, dtype=np.int64),
        "track_box": np.ones((len(tracks), 4), dtype=np.float32),
        "others_latentsync": np.empty((0, 4), np.float32),
        "others_mocha": np.empty((0, 4), np.float32),
        "window_track": np.repeat(np.arange(len(tracks)), [windows for windows, _, _ in tracks]),
        "official": np.concatenate([*official, np.empty((0, 31), np.float32)]),
        "own": empty if own is None else np.tile(curve(*own), (count, 1)),
        "silent": np.full(count, 7.0, dtype=np.float32),
        "has_official": np.array(True),
        "has_own": np.array(own is not None),
    }


def score(name: str, made: Arrays) -> VideoValue:
    feature = BY_ID[name].record.features[0]
    return BY_ID[name].score_video(VideoInputs("s01", {feature: FeatureData(made)}))


@pytest.mark.parametrize(("energy", "said"), [(0.0, True), (0.49, True), (0.5, False), (2.0, False), (np.nan, False)])
def test_audio_whose_channels_cancel_is_an_event_of_the_metrics_that_hear_it(energy: float, said: bool) -> None:
    made = arrays((95, 6.5, -5), own=(8.0, 2))
    for audio, hears, deaf in (
        ("own", "sync.own.conf", "sync.latentsync.conf"),
        ("official", "sync.latentsync.conf", "sync.own.conf"),
    ):
        outcome = score(hears, {**made, f"mix_{audio}": np.array(energy)})
        assert [event.kind for event in outcome.events] == ([f"{audio}_audio_cancels"] if said else [])
        assert score(deaf, {**made, f"mix_{audio}": np.array(energy)}).events == ()


def test_one_track() -> None:
    made = arrays((95, 6.5, -5), own=(8.0, 2))
    assert score("sync.latentsync.conf", made) == VideoValue(3.5)
    assert score("sync.latentsync.dist", made) == VideoValue(6.5)
    assert score("sync.latentsync.offset", made) == VideoValue(-5.0)
    assert score("sync.strict.conf", made) == VideoValue(3.5)
    assert score("sync.own.conf", made) == VideoValue(2.0)
    assert score("sync.own.dist", made) == VideoValue(8.0)
    assert score("sync.own.offset", made) == VideoValue(2.0)
    assert score("sync.coverage", made) == VideoValue(0.5)  # 100 of 200 frames


def test_mean_of_tracks_whatever_their_length() -> None:
    """Offsets 1 and -4 have the mean -1.5, which is cut to -1."""
    made = arrays((140, 6.0, 1), (46, 8.0, -4))
    assert score("sync.latentsync.conf", made).value == 3.0
    assert score("sync.latentsync.dist", made).value == 7.0
    outcome = score("sync.latentsync.offset", made)
    assert outcome.value == -1.0
    (event,) = outcome.events
    assert event.kind == "several_tracks"
    assert event.detail == ("2 tracks against the official audio: C 4.000 D 6.000 offset 1; C 2.000 D 8.000 offset -4")
    assert score("sync.coverage", made).value == pytest.approx((145 + 51) / 200)


def test_no_track() -> None:
    made = arrays()
    for name in ("sync.latentsync.conf", "sync.latentsync.dist", "sync.latentsync.offset", "sync.common.conf"):
        outcome = score(name, made)
        assert (outcome.value, outcome.reason) == (None, "no_track:face_lost")
        assert outcome.events[0].detail.startswith("a face in 200 of 200 frames")
    strict = score("sync.strict.conf", made)
    assert strict.value == 0.0
    assert [event.kind for event in strict.events] == ["no_track"]
    assert score("sync.coverage", made).value == 0.0


FOLLOWED = {
    # why there is no track: frames with a face, scenes, faces that are followed (first, last, detections, pixels)
    "short_video": ([1] * 50, [0], [(0, 49, 50, 140)]),
    "few_faces": ([1] * 50 + [0] * 75, [0], [(0, 49, 50, 140)]),
    "small_face": ([1] * 125, [0], [(0, 124, 125, 99.6)]),
    "scene_cuts": ([1] * 125, [0, 45, 85], [(0, 44, 45, 140), (45, 84, 40, 140), (85, 124, 40, 140)]),
    "face_lost": ([1] * 125, [0], [(0, 40, 41, 140), (41, 90, 50, 140), (91, 124, 34, 140)]),
}


@pytest.mark.parametrize("why", FOLLOWED)
def test_the_reason_says_why_there_is_no_track(why: str) -> None:
    faces, scenes, followed = FOLLOWED[why]
    made = arrays(frames=len(faces)) | {
        "faces": np.array(faces),
        "scene_start": np.array(scenes),
        "others_latentsync": np.array(followed, np.float32),
    }
    outcome = score("sync.latentsync.dist", made)
    assert outcome.reason == f"no_track:{why}"
    (event,) = outcome.events
    longest = max(followed, key=lambda face: face[2])
    assert event.kind == "no_track"
    assert f"a face in {sum(faces)} of {len(faces)} frames" in event.detail
    assert f"{longest[2]} detections, {longest[3]:.0f} pixels" in event.detail
    assert event.detail.endswith("a track needs more than 50 detections in one scene and 100 pixels")


def test_a_long_scene_without_the_face_does_not_hide_that_cuts_end_the_track() -> None:
    """60 frames of a landscape between two scenes of 45 frames with the face."""
    made = arrays(frames=150) | {
        "faces": np.array([1] * 45 + [0] * 60 + [1] * 45),
        "scene_start": np.array([0, 45, 105]),
        "others_latentsync": np.array([(0, 44, 45, 140), (105, 149, 45, 140)], np.float32),
    }
    outcome = score("sync.latentsync.dist", made)
    assert outcome.reason == "no_track:scene_cuts"
    assert "3 scenes, the longest of 60 frames" in outcome.events[0].detail


def test_mocha_says_why_it_has_none() -> None:
    made = arrays(frames=125) | {"scene_start_mocha": np.array([0, 40, 80])}
    made["others_mocha"] = np.array([(0, 39, 40, 140)], np.float32)
    assert score("sync.mocha.dist", made).reason == "no_track:scene_cuts"
    assert score("sync.latentsync.dist", made).reason == "no_track:face_lost"


def test_track_that_the_audio_does_not_reach() -> None:
    made = arrays((60, 6.0, 0))
    made["official"][:] = np.nan
    assert score("sync.latentsync.conf", made).reason == "too_short"
    assert score("sync.strict.conf", made).value == 0.0
    half = arrays((60, 6.0, 0), (60, 8.0, 0))
    half["official"][60:] = np.nan
    assert score("sync.latentsync.dist", half).value == 6.0


def test_no_audio() -> None:
    made = arrays((60, 6.0, 0))
    assert score("sync.own.conf", made).reason == "no_own_audio"
    made["has_official"] = np.array(False)
    for name in ("sync.latentsync.conf", "sync.strict.conf", "sync.wav2lip_lrs.conf"):
        assert score(name, made).reason == "no_official_audio"


def test_broken_network_is_not_scored() -> None:
    made = arrays((60, 6.0, 0))
    made["official"][3, 4] = np.nan
    assert score("sync.latentsync.conf", made).reason == "distance_not_finite"


def test_common_length_leaves_short_tracks_out() -> None:
    made = arrays((100, 6.0, 0), (94, 1.0, 0), frames=300)
    assert score("sync.common.dist", made).value == 6.0
    assert score("sync.common.dist", arrays((95, 1.0, 0))).value == 1.0
    alone = score("sync.common.dist", arrays((94, 1.0, 0)))
    assert (alone.reason, alone.events[0].detail) == (
        "track_too_short",
        "the longest has 94 windows; at least 95 are needed",
    )


def test_common_length_is_that_of_a_cut_track() -> None:
    """Of 95 windows, k = 15 + j compares the last j with silence, 7 away: its mean falls from 10 to 10 - 3 j / 95.

    Sorted: 6 at k = 15, then j = 15, 14, ... 1, then fifteen times 10. The 16th of the 31 is j = 1.
    """
    made = arrays((200, 6.0, 0), frames=300)
    assert score("sync.latentsync.conf", made).value == 4.0
    assert score("sync.common.conf", made).value == pytest.approx(4 - 3 / 95)
    assert score("sync.common.dist", made).value == pytest.approx(6.0)


def test_joonson_wants_more_than_100_detections() -> None:
    made = arrays((96, 6.0, 0), (95, 1.0, 0), frames=300)
    assert list(made["track_detections"]) == [101, 100]
    assert score("sync.joonson.dist", made).value == 6.0
    assert score("sync.joonson.dist", arrays((95, 1.0, 0))).reason == "track_too_short"


def test_whole_frames_are_one_track() -> None:
    made = arrays((60, 6.0, 3))
    whole = {name: made[name] for name in ("window_track", "official", "own", "silent", "has_official", "has_own")}
    whole["faces"] = np.full(65, -1)
    assert score("sync.wav2lip_lrs.conf", whole).value == 4.0
    assert score("sync.wav2lip_lrs.offset", whole).value == 3.0
    whole["official"][:] = np.nan
    assert score("sync.wav2lip_lrs.dist", whole).reason == "too_short"


@pytest.mark.parametrize("shift", range(-10, 11))
def test_sound_that_is_k_frames_late_moves_every_offset_by_minus_k(shift: int) -> None:
    """Planted embeddings; a track of 150 windows and its first 95, in every family that reads tracks."""
    base = np.random.RandomState(7).randn(200, 64)
    lips, sound = base[25:175], base[25 - shift : 175 - shift]
    made = arrays((150, 1.0, 0), own=(1.0, 0), frames=200)
    made["official"] = made["own"] = shift_distances(lips, sound)
    made["silent"] = silent_distances(lips)
    for family in ("latentsync", "mocha", "own"):
        assert score(f"sync.{family}.offset", made).value == -shift
    files = {name: array for name, array in made.items() if "official" not in name}
    assert score("sync.replicate.offset", files).value == -shift
    (common,) = track_syncs(made, TrackChoice(windows=95))
    assert (common.offset, common.windows) == (-shift, 95)
    alone = sync_core(lips[:95], sound[:95])
    assert isinstance(alone, Sync)
    assert score("sync.common.conf", made).value == pytest.approx(alone.confidence, rel=1e-6)
    assert score("sync.common.dist", made).value == pytest.approx(alone.distance, rel=1e-6)


def test_common_length_is_the_same_for_clips_of_different_length() -> None:
    """The same lips and sound, 120 and 240 windows long: confidence of the whole grows, that of 4 s does not."""
    base = np.random.RandomState(1).randn(240, 1024).astype(np.float32) * np.float32(0.25)
    sound = base + np.float32(0.05) * np.random.RandomState(2).randn(240, 1024).astype(np.float32)
    values = {}
    for windows in (120, 240):
        made = arrays((windows, 1.0, 0), frames=300)
        made["official"] = shift_distances(base[:windows], sound[:windows])
        made["silent"] = silent_distances(base[:windows])
        values[windows] = [score(f"sync.{family}.conf", made).value for family in ("latentsync", "common")]
    assert values[240][0] > values[120][0] + 0.1
    assert values[240][1] == pytest.approx(values[120][1], rel=1e-6)


def test_mocha_takes_the_best_of_its_own_tracks() -> None:
    """C 4 D 6 offset 3; C 7 D 9 offset -2 (its other distances are 16); and one that only LatentSync has, better."""
    made = arrays((60, 6.0, 3), (60, 9.0, -2), (60, 1.0, 9), frames=300)
    made["official"][60:120] = curve(9.0, -2, rest=16.0)
    made["track_latentsync"] = np.array([True, False, True])
    made["track_mocha"] = np.array([True, True, False])
    assert score("sync.mocha.conf", made).value == 7.0
    assert score("sync.mocha.dist", made).value == 6.0
    assert score("sync.mocha.offset", made).value == -2.0
    (event,) = score("sync.mocha.conf", made).events
    assert event.detail.startswith("2 tracks against the official audio: C 4.000 D 6.000 offset 3; C 7.000")
    assert score("sync.latentsync.conf", made).value == pytest.approx((4 + 9) / 2)
    assert score("sync.latentsync.offset", made).value == 6.0
    assert score("sync.coverage", made).value == pytest.approx(2 * 65 / 300)


def test_no_track_of_its_own_is_no_track() -> None:
    made = arrays((60, 6.0, 0))
    made["track_latentsync"], made["track_mocha"] = np.array([False]), np.array([True])
    assert score("sync.latentsync.dist", made).reason == "no_track:face_lost"
    assert score("sync.strict.conf", made).value == 0.0
    assert score("sync.coverage", made).value == 0.0
    assert score("sync.mocha.dist", made).value == 6.0


def test_replicate_reads_the_audio_of_the_file() -> None:
    made = arrays((60, 6.0, 0), (60, 6.0, 0), own=(8.0, 2), frames=300)
    files = {name: array for name, array in made.items() if "official" not in name}
    assert score("sync.replicate.conf", files).value == 2.0
    assert score("sync.replicate.dist", files).value == 8.0
    assert score("sync.replicate.offset", files).value == 2.0


def test_joonson_says_what_it_does_not_reproduce() -> None:
    notes = BY_ID["sync.joonson.conf"].record.notes
    assert all(word in notes for word in ("threshold is 30", "27", "MP3"))


def test_aliases_and_directions() -> None:
    assert BY_ID["sync.latentsync.conf"].record.aliases == ("lse_c",)
    assert BY_ID["sync.latentsync.dist"].record.aliases == ("lse_d",)
    assert {name for name, metric in BY_ID.items() if metric.record.role == "ranked"} == {
        "sync.latentsync.dist",
        "sync.strict.conf",
    }
    for name, metric in BY_ID.items():
        better = {"conf": True, "dist": False}.get(name.rsplit(".", 1)[1])
        assert metric.record.higher_is_better is better


@pytest.mark.parametrize("name", ["sync.latentsync.conf", "sync.latentsync.dist", "sync.latentsync.offset",
                                  "sync.strict.conf", "sync.own.offset", "sync.common.conf"])  # fmt: skip
def test_tracks_that_the_network_cannot_judge_do_not_count(name: str) -> None:
    made = arrays((140, 6.0, 1), (130, 8.0, -4), own=(5.0, 2))
    alone = score(name, arrays((140, 6.0, 1), own=(5.0, 2)))
    made["ood_score"] = np.repeat(np.array([0.4, 2.5], dtype=np.float32), [140, 130])
    outcome = score(name, made)
    assert outcome.value == alone.value
    (event,) = outcome.events
    assert event.kind == "outside_bundled_domain"
    assert "1 of 2 tracks" in event.detail
    assert "out-of-distribution score 2.50" in event.detail
    made["ood_score"][:] = 1.2
    outcome = score(name, made)
    assert (outcome.value, outcome.reason) == (None, "outside_bundled_domain")
    assert "Real people need published weights" in outcome.events[0].detail


@pytest.mark.parametrize("name", ["sync.latentsync.conf", "sync.latentsync.dist", "sync.own.dist", "sync.common.dist",
                                  "sync.mocha.dist", "sync.joonson.dist"])  # fmt: skip
def test_a_mouth_that_does_not_move_is_an_event(name: str) -> None:
    made = arrays((140, 6.0, 1), own=(5.0, 2))
    made["motion"] = np.full(140, 0.03, dtype=np.float32)
    made["motion"][::20] = 5.0  # a key frame now and then
    assert [event.kind for event in score(name, made).events] == ["still_mouth"]
    made["motion"][::5] = 5.0
    assert score(name, made).events == ()
