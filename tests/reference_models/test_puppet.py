"""Puppets: the same everywhere for a seed, with lips that fit the sound and faces that a detector finds."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from evalkit.metrics.faces.yunet import YuNet
from evalkit.metrics.sync.mfcc import mfcc
from evalkit.reference_models.puppet import captions
from evalkit.reference_models.puppet.facial_features import IRIS, facial_shapes
from evalkit.reference_models.puppet.geometry import Camera, jaw_share, on_face, ring
from evalkit.reference_models.puppet.landmarks import landmarks
from evalkit.reference_models.puppet.look import EYE_COLOURS, SKIN_TONES, make_look
from evalkit.reference_models.puppet.motion import ACTIONS, FPS, MOODS, Action, performance
from evalkit.reference_models.puppet.phonemes import PHONEMES, VOWELS, SpokenPhoneme, utterance
from evalkit.reference_models.puppet.pose import Pose
from evalkit.reference_models.puppet.renderer import FACE, PuppetRenderer
from evalkit.reference_models.puppet.scene import Scene, draw_scene
from evalkit.reference_models.puppet.visemes import CHANNELS, mouth_track
from evalkit.reference_models.puppet.voice import RATE, make_voice, synthesize

GAP = CHANNELS.index("gap")


# --- who ---------------------------------------------------------------------------------------------------------


def test_a_seed_is_a_person() -> None:
    assert make_look(5) == make_look(5)
    assert make_look(5) != make_look(6)
    assert replace(make_look(5), hair="bald") == make_look(5, hair="bald")


def test_the_first_person_is_who_it_always_was() -> None:
    """Trained networks and published test sets hang on the stream of numbers."""
    look = make_look(0)
    assert (look.hair, look.glasses, look.clothes, look.background) == ("long", "none", "grey", "white")
    assert look.tone == pytest.approx(5.720015, abs=1e-6)


def test_people_differ_over_the_whole_range() -> None:
    looks = [make_look(seed) for seed in range(400)]
    tones = np.array([look.tone for look in looks])
    assert np.histogram(tones, bins=9, range=(0, 9))[0].min() > 20
    for part in ("hair", "hair_colour", "beard", "glasses", "clothes", "collar", "background", "room", "eye_colour"):
        values = [getattr(look, part) for look in looks]
        assert min(values.count(value) for value in set(values)) >= 10, part
    assert {look.eye_colour for look in looks} == set(EYE_COLOURS)


def test_skin_goes_from_light_to_dark() -> None:
    luma = [sum(make_look(1, tone=float(tone), warmth=0.0).skin) for tone in range(len(SKIN_TONES))]
    assert luma[0] > 640
    assert luma[-1] < 150
    assert all(dark < light + 12 for light, dark in itertools.pairwise(luma))  # the scale's first are alike


# --- speech ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0.4, 2.0, 7.3])
@pytest.mark.parametrize("seed", range(5))
def test_an_utterance_fills_its_time(seed: int, seconds: float) -> None:
    spoken = utterance(seed, seconds)
    assert spoken[0].start == 0
    assert spoken[-1].end == pytest.approx(seconds, abs=1e-9)
    assert spoken[0].name == spoken[-1].name == "sil"
    for before, after in itertools.pairwise(spoken):
        assert before.end == after.start
        assert after.end > after.start


def test_sound_is_that_of_the_seed() -> None:
    spoken = utterance(3, 1.5)
    sound = synthesize(spoken, make_voice(3), 3)
    assert sound.dtype == np.float32
    assert len(sound) == 1.5 * RATE
    assert np.abs(sound).max() == pytest.approx(0.5, abs=1e-6)
    assert np.array_equal(sound, synthesize(spoken, make_voice(3), 3))
    assert not np.array_equal(sound, synthesize(spoken, make_voice(4), 3))


def spectrum_peak(sound: np.ndarray, low: float, high: float) -> float:
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    smooth = np.convolve(power, np.ones(61) / 61, "same")
    frequency = np.fft.rfftfreq(len(sound), 1 / RATE)
    band = (frequency > low) & (frequency < high)
    return float(frequency[band][smooth[band].argmax()])


@pytest.mark.parametrize(("name", "low", "high"), [("iy", 1500, 3500), ("aa", 600, 1500), ("uw", 700, 1400)])
def test_vowels_sound_where_their_formants_are(name: str, low: float, high: float) -> None:
    """A long vowel: the strongest band above the pitch lies near the second formant of this vocal tract."""
    voice = make_voice(2)
    sound = synthesize([SpokenPhoneme(name, 0.0, 0.8)], voice, 1)[4000:9000]
    formants = [value * voice.tract for value in PHONEMES[name].formants]
    found = spectrum_peak(sound, low, high)
    assert min(abs(found - formant) / formant for formant in formants) < 0.15


def test_silence_is_silent_and_a_hiss_is_high() -> None:
    spoken = [
        SpokenPhoneme("sil", 0, 0.3),
        SpokenPhoneme("s", 0.3, 0.6),
        SpokenPhoneme("aa", 0.6, 0.9),
        SpokenPhoneme("sil", 0.9, 1.2),
    ]
    sound = synthesize(spoken, make_voice(1), 1)
    part = {part.name: sound[int(part.start * RATE) + 800 : int(part.end * RATE) - 800] for part in spoken}
    assert np.abs(part["sil"]).max() < 0.02 * np.abs(part["aa"]).max()
    assert spectrum_peak(part["s"], 200, 7900) > 4500
    assert np.std(part["s"]) < 0.3 * np.std(part["aa"])


# --- lips --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("consonant", ["m", "b", "p"])
@pytest.mark.parametrize("vowel", VOWELS)
def test_lips_close_for_bilabials_and_open_for_vowels(consonant: str, vowel: str) -> None:
    spoken = [SpokenPhoneme(vowel, 0, 0.15), SpokenPhoneme(consonant, 0.15, 0.23), SpokenPhoneme(vowel, 0.23, 0.4)]
    track = mouth_track(spoken, np.array([0.06, 0.18, 0.32]))[:, GAP]
    target = PHONEMES[vowel].gap
    assert track[1] < 0.35 * target
    assert track[0] > 0.7 * target
    assert track[2] > 0.7 * target


def test_rounding_begins_before_the_sound() -> None:
    """Coarticulation: the lips round for a coming vowel already in the consonant before it."""
    times = np.array([0.13])
    rounded = mouth_track([SpokenPhoneme("t", 0.1, 0.16), SpokenPhoneme("uw", 0.16, 0.3)], times)
    spread = mouth_track([SpokenPhoneme("t", 0.1, 0.16), SpokenPhoneme("iy", 0.16, 0.3)], times)
    pucker = CHANNELS.index("pucker")
    assert rounded[0, pucker] > 0.15 > spread[0, pucker]


def test_lips_and_sound_agree_to_the_frame() -> None:
    """Over 30 clips, loudness of a frame's 40 ms and the lips' gap go together best without a shift."""
    found = np.zeros(11)
    for seed in range(30):
        scene = Scene(seed, seed, 4.0)
        gap = np.array([pose.gap for pose in scene.poses])
        loud = np.sqrt((scene.audio.reshape(-1, RATE // FPS) ** 2).mean(axis=1))
        for shift in range(-5, 6):
            a, b = gap[5:-5], loud[5 + shift : len(loud) - 5 + shift]
            found[shift + 5] += np.corrcoef(a, b)[0, 1] / 30
    assert found.argmax() == 5
    assert found[5] > 0.35
    assert found[5] > found[[3, 7]].max() + 0.05


def test_the_sound_tells_vowels_apart() -> None:
    """The 13 coefficients that SyncNet hears differ more between vowels than between two utterances of one."""
    heard = {name: [] for name in VOWELS}
    for name in VOWELS:
        for seed in (1, 2):
            sound = synthesize([SpokenPhoneme(name, 0.0, 0.5)], make_voice(7), seed)
            heard[name].append(mfcc((sound * 32767).astype(np.int16))[15:35, 1:].mean(axis=0))
    same = max(np.linalg.norm(a - b) for a, b in heard.values())
    other = min(np.linalg.norm(heard[a][0] - heard[b][0]) for a in VOWELS for b in VOWELS if a < b)
    assert other > 2 * same


# --- movement ----------------------------------------------------------------------------------------------------


def poses(*actions: Action, mood: str = "neutral", seed: int = 1) -> list[Pose]:
    return performance(seed, utterance(seed, 4.0), 4.0, mood, actions)


def channel(made: list[Pose], name: str) -> np.ndarray:
    return np.array([getattr(pose, name) for pose in made])


def test_a_pose_per_frame_and_all_within_limits() -> None:
    for seed in range(10):
        made = poses(seed=seed, mood=list(MOODS)[seed % len(MOODS)])
        assert len(made) == 100
        for name in ("gap", "jaw", "blink", "pucker", "frown"):
            assert channel(made, name).min() >= 0
            assert channel(made, name).max() <= 1
        assert np.abs(channel(made, "yaw")).max() < 0.35
        assert channel(made, "blink").max() > 0.9, "somebody who doesn't blink in four seconds"


@pytest.mark.parametrize("name", ACTIONS)
def test_an_action_shows_in_its_time_and_nowhere_else(name: str) -> None:
    still, moved = poses(), poses(Action(1.0, 2.0, name))
    changed = np.array([a != b for a, b in zip(still, moved, strict=True)])
    assert not changed[:25].any()
    assert not changed[50:].any()
    assert changed[27:48].mean() > 0.9


def test_a_nod_is_up_and_down_and_a_turn_goes_where_it_says() -> None:
    nod = channel(poses(Action(1.0, 3.0, "nod")), "pitch") - channel(poses(), "pitch")
    assert nod.max() > 0.15
    assert nod.min() < -0.15
    assert np.median(channel(poses(Action(0, 4, "look_left")), "yaw")) < -0.25
    assert np.median(channel(poses(Action(0, 4, "look_right")), "yaw")) > 0.25


# --- pictures ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [128, 256, 512])
def test_a_frame(size: int) -> None:
    picture = PuppetRenderer(make_look(1), size).render(Pose())
    assert picture.shape == (size, size, 3)
    assert picture.dtype == np.uint8
    assert np.array_equal(picture, PuppetRenderer(make_look(1), size).render(Pose()))


def test_painting_leaves_nothing_behind() -> None:
    """A frame depends on its pose alone, not on what was painted before."""
    renderer = PuppetRenderer(make_look(2))
    first = renderer.render(Pose())
    renderer.render(Pose(yaw=0.3, gap=0.8, jaw=0.7, blink=1.0, smile=1.0))
    assert np.array_equal(renderer.render(Pose()), first)


def test_a_raised_hand_is_beside_the_head_in_colours_of_the_person() -> None:
    for seed in range(4):
        look = make_look(seed)
        renderer = PuppetRenderer(look, 256)
        plain, raised = renderer.render(Pose()).astype(int), renderer.render(Pose(hand=1.0)).astype(int)
        rows, columns = np.nonzero(np.abs(raised - plain).sum(axis=2))
        assert columns.max() < 80, "on the viewer's left"
        assert rows.min() > 120
        assert rows.max() == 255, "the sleeve reaches the edge"
        assert raised[185, 34].astype(float) == pytest.approx(np.array(look.skin) * 0.9, abs=1.5), "the palm"
        half = renderer.render(Pose(hand=0.5)).astype(int)
        assert np.nonzero(np.abs(half - plain).sum(axis=2))[0].min() > rows.min() + 20
        turned, waving = renderer.render(Pose(yaw=0.3)), renderer.render(Pose(yaw=0.3, hand=1.0))
        assert np.array_equal(waving[:, 90:], turned[:, 90:]), "the head turns as without it"


CHANGES = [
    ("gap", {"gap": 0.8}, 0.0, 0.60, 0.4),
    ("blink", {"blink": 1.0}, 0.34, -0.1, 0.2),
    ("brows", {"brows": -1.0}, 0.34, -0.35, 0.2),
    ("gaze", {"gaze_x": 1.0}, 0.34, -0.1, 0.2),
]


@pytest.mark.parametrize(("changes", "x", "y", "reach"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES])
def test_what_moves_is_seen_where_it_is(changes: dict[str, float], x: float, y: float, reach: float) -> None:
    for seed in range(4):
        renderer = PuppetRenderer(make_look(seed, glasses="none", beard="none"))
        moved = np.abs(renderer.render(Pose(**changes)).astype(int) - renderer.render(Pose())).sum(axis=2)
        spot = Camera(FACE * 256, (128, 0.47 * 256), Pose()).project(on_face(ring(x, y, reach, reach)))
        (x0, y0), (x1, y1) = spot.min(axis=0).astype(int), spot.max(axis=0).astype(int)
        inside = moved[y0:y1, x0:x1].copy()
        assert inside.max() > 60
        if x:  # one of two
            mirrored = moved[y0:y1, 256 - x1 : 256 - x0]
            assert mirrored.max() > 60
            moved[y0:y1, 256 - x1 : 256 - x0] = 0
        moved[y0:y1, x0:x1] = 0
        assert (moved > 60).sum() < 0.35 * (inside > 60).sum() + 20


def test_the_head_turns_to_its_side() -> None:
    """Positive yaw is to the viewer's right, positive pitch down, positive roll clockwise."""
    look = make_look(1)
    rest, right = (facial_shapes(look, Pose())["iris1"], Pose(yaw=0.3))
    straight = Camera(70, (128, 120), Pose()).project(rest)[0]
    assert Camera(70, (128, 120), right).project(rest)[0, 0] > straight[0] + 5
    assert Camera(70, (128, 120), Pose(pitch=0.2)).project(rest)[0, 1] > straight[1] + 5
    assert Camera(70, (128, 120), Pose(roll=0.2)).project(rest)[0, 1] > straight[1] + 3


def test_the_jaw_takes_the_chin_along() -> None:
    assert jaw_share(np.array([[0.0, -0.5], [0.0, 0.3], [0.0, 0.6], [0.0, 1.0]])).tolist() == [0, 0, 0.5, 1]


@pytest.mark.shared
def test_a_detector_finds_faces_and_features(shared: Path) -> None:
    """YuNet, which never saw a puppet: in at least 99 % of 400 frames of 80 people, key points on the features."""
    detector = YuNet(shared / "weights" / "yunet_n_640_640.onnx")
    rng = np.random.default_rng(0)
    found, distances = 0, []
    for seed in range(80):
        scene = draw_scene(99, seed, actions=seed % 3)
        renderer = PuppetRenderer(scene.look)
        for frame in rng.integers(0, 100, 5):
            pose = scene.poses[frame]
            faces = detector.detect(renderer.render(pose))
            found += bool(faces)
            if faces:
                truth = landmarks(scene.look, pose, 256).keypoints
                apart = np.linalg.norm(truth[1] - truth[0])
                points = np.asarray(faces[0].keypoints)
                distances.append(np.linalg.norm(points - truth, axis=1) / apart)
    assert found >= 0.99 * 400
    assert np.median(distances, axis=0).max() < 0.15
    assert (np.array(distances).max(axis=1) < 0.45).mean() > 0.95


# --- words -------------------------------------------------------------------------------------------------------


def test_a_caption_says_what_is_seen() -> None:
    look = make_look(
        1, tone=6.5, age=0.2, hair="curly", hair_colour="red", beard="goatee", glasses="round", clothes="orange",
        collar="shirt", background="blue",
    )  # fmt: skip
    assert captions.caption(look, "happy") == (
        "A young person with brown skin, curly red hair, a goatee and round glasses, in an orange shirt, in front of a "
        "blue wall, speaks and looks happy."
    )
    told = captions.caption(
        replace(look, beard="none", glasses="none"), actions=[Action(0, 2, "nod"), Action(2, 4, "tilt")]
    )
    assert "with brown skin and curly red hair, in" in told
    assert told.endswith("looks calm. The person nods, then tilts the head.")


def test_a_scene_is_told_by_its_numbers() -> None:
    scene = draw_scene(3, 7, take=2, actions=2)
    assert draw_scene(3, 7, take=2, actions=2) == scene
    assert draw_scene(3, 7, take=1).puppet == scene.puppet
    assert draw_scene(4, 7, take=2, actions=2).puppet != scene.puppet
    assert [(action.start, action.end) for action in scene.actions] == [(0, 2), (2, 4)]
    assert len(list(scene.frames())) == 100
    assert len(scene.audio) == 4 * RATE


def test_iris_is_smaller_than_the_eye() -> None:
    eye = facial_shapes(make_look(1), Pose())["eye1"]
    assert np.ptp(eye[:, 0]) > 2 * IRIS
    assert cv2.contourArea(eye[:, :2].astype(np.float32)) > 0
