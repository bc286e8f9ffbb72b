"""The features ``syncnet`` and ``syncnet_whole`` from file to arrays, with planted networks, in every shape of file."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from clip_tools import ffmpeg
from numpy.typing import NDArray
from sync_networks import (
    BOX,
    PlantedDetector,
    PlantedSyncNet,
    beeps,
    random_s3fd,
    random_syncnet,
    write_video,
    write_wav,
)

from evalkit.errors import WeightsError
from evalkit.media.inspect import inspect_media
from evalkit.metrics.base import FeatureData, VideoInputs, metric_registry
from evalkit.metrics.features.audio import Sound, own_audio
from evalkit.metrics.features.base import FeatureUnavailableError, Item, WeightFile
from evalkit.metrics.sync.features import SyncExtractor, SyncSession
from evalkit.metrics.sync.frame_store import FrameStore, _SecondPass
from evalkit.metrics.sync.whole_frame import WholeFrameExtractor, WholeFrameOptions, WholeFrameSession
from evalkit.metrics.sync.windows import Comparison, LipStream

BY_ID = metric_registry()
FRAMES = 80


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("sync") / "clip.mp4", list(range(FRAMES)))


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wav(tmp_path_factory.mktemp("speech") / "speech.wav", beeps(FRAMES))


def run(item: Item, box: tuple[float, float, float, float] | None = BOX, **options: int) -> dict[str, NDArray]:
    session = SyncSession(PlantedDetector(box), PlantedSyncNet(), item, **options)  # type: ignore[arg-type]
    inspect_media(item.video, [session])
    return session.finish()


def value(name: str, made: dict[str, NDArray]) -> float:
    outcome = BY_ID[name].score_video(VideoInputs("s", {BY_ID[name].record.features[0]: FeatureData(made)}))
    assert outcome.value is not None, outcome
    return outcome.value


def test_planted_video_and_sound_are_in_sync(clip: Path, speech: Path) -> None:
    made = run(Item("s", clip, audio=speech))
    assert made["faces"].tolist() == [1] * FRAMES
    assert made["scene_start"].tolist() == [0]
    assert (made["track_first"].tolist(), made["track_last"].tolist()) == ([0], [FRAMES - 1])
    assert (made["track_latentsync"].tolist(), made["track_mocha"].tolist()) == ([True], [True])
    np.testing.assert_allclose(made["track_box"], [BOX])
    assert made["official"].shape == (FRAMES - 5, 31)
    assert made["official"].dtype == np.float32
    assert np.isnan(made["own"]).all()
    assert (bool(made["has_official"]), bool(made["has_own"])) == (True, False)
    assert made["official"][20:50, 15].max() < 1e-3  # the same vectors
    assert value("sync.latentsync.offset", made) == 0
    assert value("sync.latentsync.dist", made) < 1e-3
    assert value("sync.latentsync.conf", made) > 5
    assert value("sync.coverage", made) == 1


@pytest.mark.parametrize(
    ("frames", "box", "why", "followed"),
    [
        (FRAMES, (10.0, 10.0, 109.0, 105.0), "small_face", [[0, FRAMES - 1, FRAMES, 99]]),
        (50, (10.0, 10.0, 160.0, 160.0), "short_video", [[0, 49, 50, 150]]),
        (FRAMES, None, "few_faces", []),
    ],
)
def test_faces_that_make_no_track_tell_why(
    frames: int, box: tuple[float, float, float, float] | None, why: str, followed: list[list[int]],
    speech: Path, tmp_path: Path,
) -> None:  # fmt: skip
    made = run(Item("s", write_video(tmp_path / "clip.mp4", list(range(frames))), audio=speech), box)
    assert made["others_latentsync"].tolist() == made["others_mocha"].tolist() == followed
    for name in ("sync.latentsync.dist", "sync.mocha.dist"):
        outcome = BY_ID[name].score_video(VideoInputs("s", {"syncnet": FeatureData(made)}))
        assert outcome.reason == f"no_track:{why}"


class CountingSyncNet(PlantedSyncNet):
    """Counts the crops that it embeds."""

    crops = 0

    def lips(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.crops += len(crops) - 4
        return super().lips(crops)


def test_a_track_of_two_protocols_is_embedded_once(clip: Path, speech: Path) -> None:
    network = CountingSyncNet()
    session = SyncSession(PlantedDetector(BOX), network, Item("s", clip, audio=speech))  # type: ignore[arg-type]
    inspect_media(clip, [session])
    made = session.finish()
    assert network.crops == FRAMES - 5
    assert value("sync.mocha.conf", made) == value("sync.latentsync.conf", made) > 5


class SwappingDetector(PlantedDetector):
    """One face in the first frame; later another one stands before it in the list."""

    def __init__(self) -> None:
        super().__init__(BOX)
        self._seen = 0

    def detect(self, smalls: list, frame_sizes: list) -> list[NDArray[np.float64]]:
        found = []
        for (face,) in super().detect(smalls, frame_sizes):
            other = face + np.array([300, 0, 300, 0, 0])
            found.append(np.stack([other, face] if self._seen else [face]))
            self._seen += 1
        return found


def test_tracks_of_one_protocol_only(clip: Path, speech: Path) -> None:
    session = SyncSession(SwappingDetector(), PlantedSyncNet(), Item("s", clip, audio=speech))  # type: ignore[arg-type]
    inspect_media(clip, [session])
    made = session.finish()
    assert made["track_first"].tolist() == [0, 1, 1]
    assert made["track_latentsync"].tolist() == [True, True, False]
    assert made["track_mocha"].tolist() == [False, True, True]
    assert value("sync.mocha.dist", made) < 1e-3


@pytest.mark.parametrize("shift", [*range(-10, 11), -12, 12])
def test_moved_sound_moves_the_offset(clip: Path, tmp_path: Path, shift: int) -> None:
    """Sound that is ``shift`` frames late gives the offset -``shift``."""
    sound = beeps(FRAMES + 20)
    moved = np.concatenate([np.zeros(640 * shift, np.int16), sound]) if shift > 0 else sound[-640 * shift :]
    made = run(Item("s", clip, audio=write_wav(tmp_path / "moved.wav", moved)))
    assert value("sync.latentsync.offset", made) == -shift
    assert value("sync.latentsync.conf", made) > 4


def test_frames_that_don_t_fit_are_decoded_again(clip: Path, speech: Path) -> None:
    item = Item("s", clip, audio=speech)
    sessions, results = [], []
    for options in ({}, {"memory": 1}):
        session = SyncSession(PlantedDetector(BOX), PlantedSyncNet(), item, **options)  # type: ignore[arg-type]
        inspect_media(clip, [session])
        results.append(session.finish())
        sessions.append(session)
    assert [session.decodes for session in sessions] == [0, 1]
    kept, again = results
    assert kept.keys() == again.keys()
    for name, array in kept.items():
        np.testing.assert_array_equal(array, again[name])


def test_second_pass_must_show_the_same_frames(clip: Path, speech: Path, tmp_path: Path) -> None:
    other = tmp_path / "video.mp4"
    shutil.copy(clip, other)
    session = SyncSession(PlantedDetector(BOX), PlantedSyncNet(), Item("s", other, audio=speech), memory=1)  # type: ignore[arg-type]
    inspect_media(other, [session])
    write_video(other, list(range(FRAMES - 9)))
    with pytest.raises(FeatureUnavailableError, match="not_decoded_twice"):
        session.finish()


@pytest.mark.parametrize(
    ("rate", "numbers"), [(50, [i // 2 for i in range(2 * FRAMES)]), (5, list(range(0, FRAMES, 5)))]
)
def test_other_rates(tmp_path: Path, speech: Path, rate: int, numbers: list[int]) -> None:
    """Of 50 frames a second every second one counts; of 5 each is shown five times, and looked at once."""
    made = run(Item("s", write_video(tmp_path / "v.mp4", numbers, rate), audio=speech))
    assert len(made["faces"]) == FRAMES
    assert made["track_detections"].tolist() == [FRAMES]
    if rate == 50:
        assert value("sync.latentsync.offset", made) == 0
        assert value("sync.latentsync.dist", made) < 1e-3


def test_no_face(clip: Path, speech: Path) -> None:
    made = run(Item("s", clip, audio=speech), box=None)
    assert made["track_box"].shape == (0, 4)
    assert made["official"].shape == (0, 31)
    assert value("sync.strict.conf", made) == 0
    assert value("sync.coverage", made) == 0


def test_small_face(clip: Path, speech: Path) -> None:
    made = run(Item("s", clip, audio=speech), box=(20.0, 20.0, 110.0, 110.0))
    assert made["faces"].sum() == FRAMES
    assert len(made["track_first"]) == 0


def test_scenes_are_tracked_apart(tmp_path: Path, speech: Path) -> None:
    """60 dark frames, then 60 bright ones: a cut, and a track in each scene."""
    numbers = [0] * 60 + [31] * 60
    assert (PlantedSyncNet.grey(31) - PlantedSyncNet.grey(0)) / 3 >= 27
    made = run(Item("s", write_video(tmp_path / "v.mp4", numbers), audio=speech))
    assert made["scene_start"].tolist() == [0, 60]
    assert made["track_first"].tolist() == [0, 60]
    # 80 frames of sound: the second track hears the first 20 of its 60 frames.
    heard = ~np.isnan(made["official"][:, 0])
    assert [int(heard[made["window_track"] == track].sum()) for track in (0, 1)] == [55, 15]


def test_sound_that_is_too_short(clip: Path, tmp_path: Path) -> None:
    made = run(Item("s", clip, audio=write_wav(tmp_path / "short.wav", beeps(5))))
    assert made["official"].shape == (0, 31)  # no window hears anything: none is computed
    metric = BY_ID["sync.latentsync.conf"]
    assert metric.score_video(VideoInputs("s", {"syncnet": FeatureData(made)})).reason == "too_short"


def test_unreadable_official_sound(clip: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF")
    with pytest.raises(FeatureUnavailableError, match="official_audio_unreadable"):
        run(Item("s", clip, audio=broken))


def test_speech_that_cancels_itself_is_named(clip: Path, tmp_path: Path) -> None:
    voice = beeps(FRAMES)
    for name, channels, energy in (("inverted", [voice, -voice], 0.0), ("stereo", [voice, voice], 2.0)):
        made = run(Item("s", clip, audio=write_wav(tmp_path / f"{name}.wav", np.stack(channels, axis=1))))
        assert float(made["mix_official"]) == pytest.approx(energy, abs=1e-6)
        assert np.isnan(made["mix_own"])
        metric = BY_ID["sync.latentsync.conf"]
        outcome = metric.score_video(VideoInputs("s", {"syncnet": FeatureData(made)}))
        assert [event.kind for event in outcome.events] == (["official_audio_cancels"] if energy < 1 else [])
        assert outcome.value is not None and (outcome.value > 5) == (energy > 1)


def test_whole_frames(clip: Path, speech: Path) -> None:
    item = Item("s", clip, audio=speech)
    session = WholeFrameSession(PlantedSyncNet(), item, WholeFrameOptions())  # type: ignore[arg-type]
    inspect_media(clip, [session])
    made = session.finish()
    assert value("sync.wav2lip_lrs.offset", made) == 0
    assert value("sync.wav2lip_lrs.dist", made) < 1e-3
    tracked = run(item)
    np.testing.assert_allclose(made["official"], tracked["official"])  # the pictures are plain grey


@pytest.mark.ffmpeg
@pytest.mark.parametrize(("delay", "offset"), [("0", 0), ("0.2", -5), ("-0.2", 5)])
def test_own_sound_as_it_plays(clip: Path, tmp_path: Path, delay: str, offset: int) -> None:
    """Sound muxed with a later start, or an earlier one, is heard where a player plays it."""
    wav = write_wav(tmp_path / "s.wav", beeps(FRAMES + 10))
    file = tmp_path / "v.mkv"
    ffmpeg("-i", clip, "-itsoffset", delay, "-i", wav, "-map", "0:v", "-map", "1:a", "-c", "copy", file)
    made = run(Item("s", file))
    assert (bool(made["has_official"]), bool(made["has_own"])) == (False, True)
    assert value("sync.own.offset", made) == offset
    assert value("sync.own.conf", made) > 4


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, WeightFile]:
    folder = tmp_path_factory.mktemp("checkpoints")
    files = {
        "sync_detector": random_s3fd(folder / "sfd_face.pth"),
        "syncnet": random_syncnet(folder / "syncnet_v2.model"),
    }
    return {role: WeightFile(role, path, "0" * 64) for role, path in files.items()}


def test_extractors_with_checkpoints_of_the_published_shapes(
    checkpoints: dict[str, WeightFile], tmp_path: Path, speech: Path
) -> None:
    item = Item("s", write_video(tmp_path / "v.mp4", list(range(30))), audio=speech)
    for extractor in (SyncExtractor(checkpoints), WholeFrameExtractor(checkpoints)):
        session = extractor.open(item, {})
        inspect_media(item.video, [session])
        made = session.finish()
        assert made.keys() == extractor.record.arrays.keys()
        assert len(made["faces"]) == 30
    assert made["official"].shape == (25, 31)
    assert np.isfinite(made["official"]).all()


def test_checkpoints_of_another_network_are_refused(checkpoints: dict[str, WeightFile]) -> None:
    crossed = {"sync_detector": checkpoints["syncnet"], "syncnet": checkpoints["sync_detector"]}
    with pytest.raises(WeightsError, match="doesn't fit"):
        SyncExtractor(crossed)
    with pytest.raises(WeightsError, match="doesn't fit"):
        WholeFrameExtractor(crossed)


def test_networks_refuse_other_inputs(checkpoints: dict[str, WeightFile]) -> None:
    network = SyncExtractor(checkpoints)._network
    with pytest.raises(ValueError, match="crops"):
        network.lips(np.zeros((6, 112, 112, 3), np.uint8))
    with pytest.raises(ValueError, match="too few"):
        network.audio(np.zeros((23, 13)), 2)
    assert network.audio(np.zeros((24, 13)), 2).shape == (2, 1024)


def test_tiny_frames_have_no_face(checkpoints: dict[str, WeightFile]) -> None:
    detector = SyncExtractor(checkpoints)._detector
    smalls = [np.zeros((27, 80, 3), np.uint8), np.zeros((28, 80, 3), np.uint8)]
    assert [faces.shape[1] for faces in detector.detect(smalls, [(320, 108), (320, 112)])] == [5, 5]


def test_torch_is_loaded_only_when_it_runs() -> None:
    code = "import sys, evalkit.metrics.sync.lip_sync, evalkit.metrics.sync.features; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_audio_of_different_length_shares_the_video(clip: Path, speech: Path) -> None:
    comparison = Comparison(PlantedSyncNet(), Item("s", clip, audio=speech), 0.0)  # type: ignore[arg-type]
    comparison.audio["own"] = Sound(beeps(40))
    assert comparison.windows(0, FRAMES) == FRAMES - 5
    crops = np.stack([np.full((224, 224, 3), PlantedSyncNet.grey(i), np.uint8) for i in range(FRAMES - 1)])
    stream = LipStream(PlantedSyncNet(), FRAMES - 5)
    for crop in crops:
        stream.add(crop)
    made = comparison.distances([stream], [(0, FRAMES)])
    assert made["ood_score"].tolist() == [0.0] * (FRAMES - 5)
    assert (made["motion"] > 1).all()
    assert int((~np.isnan(made["own"][:, 0])).sum()) == 35
    np.testing.assert_array_equal(made["own"][:20], made["official"][:20])


class WatchingSyncNet(PlantedSyncNet):
    """Remembers the crops."""

    seen: NDArray[np.uint8]

    def lips(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.seen = crops
        return super().lips(crops)


@pytest.mark.parametrize("whole", [False, True])
def test_crops_are_bgr(clip: Path, speech: Path, whole: bool) -> None:
    network, item = WatchingSyncNet(), Item("s", clip, audio=speech)
    session = (
        WholeFrameSession(network, item, WholeFrameOptions())  # type: ignore[arg-type]
        if whole
        else SyncSession(PlantedDetector(BOX), network, item)  # type: ignore[arg-type]
    )
    times = np.arange(60) / 25
    assert session.plan(times).all()
    for index, time in enumerate(times):
        session.frame(index, time, np.full((192, 192, 3), (200, 100, 50), np.uint8))
    session.finish()
    assert network.seen[0, 112, 112].tolist() == [50, 100, 200]


def test_a_frame_that_stays_is_one_cut_and_many_pictures(tmp_path: Path, speech: Path) -> None:
    """Three frames a second apart: the last one is a cut when it appears (after 1.5 s), not 15 frames later again."""
    file = write_video(tmp_path / "v.mp4", [0, 0, 31], rate=1)
    assert run(Item("s", file, audio=speech))["scene_start"].tolist() == [0, 38]
    session = WholeFrameSession(PlantedSyncNet(), Item("s", file, audio=speech), WholeFrameOptions())  # type: ignore[arg-type]
    inspect_media(file, [session])
    assert session.finish()["official"].shape == (70, 31)


def test_missing_frames_are_a_reason(clip: Path, speech: Path) -> None:
    session = SyncSession(PlantedDetector(BOX), PlantedSyncNet(), Item("s", clip, audio=speech))  # type: ignore[arg-type]
    session.plan(np.arange(60) / 25)
    session.frame(0, 0.0, np.zeros((192, 192, 3), np.uint8))
    with pytest.raises(FeatureUnavailableError, match="59 frames"):
        session.finish()
    empty = WholeFrameSession(PlantedSyncNet(), Item("s", clip, audio=speech), WholeFrameOptions())  # type: ignore[arg-type]
    empty.plan(np.empty(0))
    with pytest.raises(FeatureUnavailableError, match="no_frame"):
        empty.finish()


def test_kept_frames_are_copies(clip: Path) -> None:
    store, seen = FrameStore(clip), {}
    picture = np.zeros((4, 4, 3), np.uint8)
    store.add(3, picture)
    picture[:] = 9
    store.visit([3], lambda index, rgb: seen.update({index: int(rgb.max())}))
    assert seen == {3: 0}


def test_second_pass_over_a_file_whose_index_is_wrong() -> None:
    """The first plan knows two frames only; the second one asks for those that are still missing."""
    seen: list[int] = []
    sink = _SecondPass([0, 1, 3], lambda index, rgb: seen.append(index))
    assert sink.plan(np.arange(2.0)).tolist() == [True, True]
    for index in (0, 1):
        sink.frame(index, 0.0, np.zeros((1, 1, 3), np.uint8))
    assert sink.plan(np.arange(5.0)).tolist() == [False, False, False, True, False]


def test_own_sound_of_a_file_without_any(clip: Path) -> None:
    assert own_audio(clip, 0.0) is None
