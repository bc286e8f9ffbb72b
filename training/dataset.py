"""The training dataset: rendered puppets, in every form that a network needs. All of it follows from a seed.

A worker renders a batch of people and writes it to a file, so that nothing large is passed between processes and an
interrupted run can continue.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from evalkit.errors import MachineError
from evalkit.files import atomic_write
from evalkit.metrics.faces.align import norm_crop
from evalkit.metrics.networks.clip import middle_square
from evalkit.metrics.networks.small.inputs import mouth, shrunk
from evalkit.metrics.networks.small.models import ACTION_SIDE, CLIP_FRAMES, CLIP_SIDE, FACE_SIDE, FRAME_SIDE
from evalkit.metrics.sync.mfcc import mfcc
from evalkit.metrics.sync.tracks import crop
from evalkit.reference_models.puppet import captions
from evalkit.reference_models.puppet.landmarks import landmarks, landmarks68
from evalkit.reference_models.puppet.look import BACKGROUNDS, CLOTHES, COLLARS, ROOMS, Look, make_look
from evalkit.reference_models.puppet.motion import ACTIONS, FPS, MOODS, Action, performance
from evalkit.reference_models.puppet.phonemes import utterance
from evalkit.reference_models.puppet.renderer import PuppetRenderer
from evalkit.reference_models.puppet.scene import Scene
from evalkit.reference_models.puppet.voice import make_voice, synthesize
from evalkit.workers.pool import Workers
from training.degrade import TEMPORAL_FAULTS, ImageFaults, degrade, draw_faults, frame_order

HANDLER = "training.dataset:BatchRenderer"
SIZE = 256
WHOLE_SIDE = 160
BATCH = 20  # people per file
LOOKS = 4  # changes of clothes, room and light per person, two images each
CLIPS = 3  # of 16 frames from each take
CROP_SIDE, CROPS = 112, 4  # face crops of each person, for the limits of the lip-sync network
CROP_SIZES = (128, 192, 256, 256, 384)  # pixels of the images that they are cut from
BATCH_SECONDS = 1800.0
# Above the puppets of every test set: those are seed * 1e6 + number, with a seed of at most a million.
_FIRST_PUPPET = 2_000_000_000_000
_FIRST_OF_CROPS = 5_000_000  # other people than those of the images and clips
_FIRST_OF_ACTIONS = 6_000_000
FORMS = ("images", "clips", "crops", "actions")
# The images and clips were drawn when puppets had no hands: another list would change every network.
ACTIONS_IN_IMAGES = tuple(name for name in ACTIONS if name != "raise_hand")
SENTENCES = ("the person speaks", *map(captions.event_text, ACTIONS))  # the first: no action
ACTION_SECONDS, EDGE_SECONDS = 1.6, 0.15  # of an action, and left out at both ends of it


@dataclass(frozen=True)
class PeopleBatch:
    """``people`` of the training seed from number ``first`` on, to be rendered in one of `FORMS`."""

    seed: int
    first: int
    people: int
    form: str
    seconds: float = 2.4


def puppet_number(seed: int, number: int) -> int:
    """Return the number of a puppet of the training seed; no test set has it."""
    return _FIRST_PUPPET + seed * 10_000_000 + number


class BatchRenderer:
    """Renders one batch of people in a worker process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, batch: PeopleBatch) -> str:
        """Write the batch's file and return its name."""
        cv2.setNumThreads(1)
        path = self.folder / f"{batch.form}-{batch.first:05}.npz"
        if not path.exists():
            render = {
                "images": render_images,
                "clips": render_clips,
                "crops": render_crops,
                "actions": render_actions,
            }[batch.form]
            parts = [
                render(puppet_number(batch.seed, number), number, batch)
                for number in range(batch.first, batch.first + batch.people)
            ]
            with atomic_write(path) as stream:
                arrays: dict[str, Any] = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
                np.savez(stream, **arrays)
        return path.name


def render_images(puppet: int, number: int, batch: PeopleBatch) -> dict[str, NDArray[Any]]:
    """Return eight images of a person: clean, degraded, as aligned faces; with captions, boxes and landmarks."""
    rng = np.random.Generator(np.random.PCG64([puppet, 0xB1]))
    names = ("whole", "frame", "faults", "appearance", "face", "box", "points", "points68", "caption",
             "person")  # fmt: skip
    rows: dict[str, list[Any]] = {name: [] for name in names}
    for _ in range(LOOKS):
        look = draw_look(puppet, rng)
        renderer = PuppetRenderer(look, SIZE)
        mood = _pick(rng, list(MOODS))
        actions = (Action(0.0, 1.0, _pick(rng, list(ACTIONS_IN_IMAGES))),) if rng.random() < 0.4 else ()
        take = int(rng.random() * 1e9)
        poses = performance(take, utterance(take, 1.2), 1.2, mood, actions)
        for pose in (poses[int(rng.random() * 12)], poses[12 + int(rng.random() * 14)]):
            rgb = renderer.render(pose)
            box, points = landmarks(look, pose, SIZE)
            faults = draw_faults(rng)
            rows["whole"].append(shrunk(rgb, WHOLE_SIDE))
            rows["frame"].append(shrunk(degrade(rgb, faults, rng), FRAME_SIDE))
            rows["faults"].append(faults.vector())
            rows["appearance"].append(appearance(look, pose))
            rows["face"].append(_aligned_face(rgb, points, rng))
            rows["box"].append(box * WHOLE_SIDE / SIZE)
            rows["points"].append(points * WHOLE_SIDE / SIZE)
            # In pixels whose middles have whole numbers, unlike the points of the detector.
            ratio = WHOLE_SIDE / SIZE
            rows["points68"].append(landmarks68(look, pose, SIZE) * ratio + (ratio - 1) / 2)
            rows["caption"].append(captions.caption(look, mood))
            rows["person"].append(number)
    return {name: np.array(values) for name, values in rows.items()}


def render_clips(puppet: int, number: int, batch: PeopleBatch) -> dict[str, NDArray[Any]]:
    """Return one take of a person: mouth crops, MFCCs of the speech, and degraded clips of 16 frames."""
    rng = np.random.Generator(np.random.PCG64([puppet, 0xC1]))
    mood = _pick(rng, list(MOODS))
    scene = Scene(puppet, puppet + number, batch.seconds, SIZE, mood)
    look = draw_look(puppet, rng)
    renderer = PuppetRenderer(look, SIZE)
    frames = [renderer.render(pose) for pose in scene.poses]
    boxes = np.array([landmarks(look, pose, SIZE).box for pose in scene.poses])
    coefficients = mfcc((synthesize(scene.spoken, make_voice(puppet), puppet) * 32767).astype(np.int16))
    drawn = [_degraded_clip(frames, rng) for _ in range(CLIPS)]
    return {
        "mouths": _mouth_crops(frames, boxes, rng)[None],
        "audio": coefficients[: 4 * len(frames)].astype(np.float32)[None],
        "clip": np.array([clip for clip, _, _ in drawn]),
        "temporal_fault": np.array([fault for _, fault, _ in drawn]),
        "clip_faults": np.array([strengths for _, _, strengths in drawn]),
        "clip_appearance": np.repeat(appearance(look, scene.poses[0])[None], CLIPS, axis=0),
    }


def render_crops(puppet: int, number: int, batch: PeopleBatch) -> dict[str, NDArray[Any]]:
    """Return face crops of a person (1, 4, 112, 112, 3) BGR, about as a face track has them; all but one degraded."""
    puppet += _FIRST_OF_CROPS
    rng = np.random.Generator(np.random.PCG64([puppet, 0xD1]))
    look = draw_look(puppet, rng)
    mood = _pick(rng, list(MOODS))
    size = CROP_SIZES[int(rng.random() * len(CROP_SIZES))]
    scene = Scene(puppet, puppet + number, batch.seconds, SIZE, mood)
    renderer = PuppetRenderer(look, size)
    crops = []
    for row in range(CROPS):
        pose = scene.poses[int(rng.random() * len(scene.poses))]
        rgb, (box, _) = renderer.render(pose), landmarks(look, pose, size)
        if row:
            strength, share = rng.random(4), rng.random(4)
            faults = ImageFaults(
                blur=4 * strength[0] ** 2 * size / SIZE if share[0] < 0.5 else 0.0,
                noise=12 * strength[1] if share[1] < 0.25 else 0.0,
                blocks=90 * strength[2] if share[2] < 0.6 else 0.0,
                grey=strength[3] if share[3] < 0.15 else 0.0,
            )
            rgb = degrade(rgb, faults, rng)
        half = max(box[2] - box[0], box[3] - box[1]) / 2 * np.exp(0.06 * rng.standard_normal())
        x, y = (box[:2] + box[2:]) / 2 + 0.06 * half * rng.standard_normal(2)
        cut = crop(np.ascontiguousarray(rgb[:, :, ::-1]), x, y, half)
        crops.append(cv2.resize(cut, (CROP_SIDE, CROP_SIDE), interpolation=cv2.INTER_AREA))
    return {"crops": np.array(crops)[None]}


def render_actions(puppet: int, number: int, batch: PeopleBatch) -> dict[str, NDArray[Any]]:
    """Return a person in two looks, a frame of each sentence: ``acting`` (24, 128, 128, 3) RGB, ``sentence`` (24,).

    A frame is any one of the action, not its best: in half of a nod the head is nearly at rest.
    """
    puppet += _FIRST_OF_ACTIONS
    rng = np.random.Generator(np.random.PCG64([puppet, 0xE1]))
    frames, sentences = [], []
    for _ in range(2):
        renderer = PuppetRenderer(draw_look(puppet, rng), SIZE)
        for sentence in range(len(SENTENCES)):
            names = list(ACTIONS)[sentence - 1 : sentence] if sentence else []
            actions = [Action(0.0, ACTION_SECONDS, name) for name in names]
            take = int(rng.random() * 1e9)
            poses = performance(take, utterance(take, ACTION_SECONDS), ACTION_SECONDS, "neutral", actions)
            at = EDGE_SECONDS + rng.random() * (ACTION_SECONDS - 2 * EDGE_SECONDS)
            frames.append(middle_square(renderer.render(poses[int(at * FPS)]), ACTION_SIDE, "openai"))
            sentences.append(sentence)
    return {"acting": np.array(frames), "sentence": np.array(sentences)}


def draw_look(puppet: int, rng: np.random.Generator) -> Look:
    """Return the person with random clothes, background and light."""
    other = make_look(int(rng.random() * 1e12))
    lights = ("light_x", "light_y", "light_strength", "light_warmth")
    rooms = {"clothes": CLOTHES, "collar": COLLARS, "background": BACKGROUNDS, "room": ROOMS}
    chosen: dict[str, Any] = {name: getattr(other, name) for name in lights}
    chosen |= {name: _pick(rng, list(names)) for name, names in rooms.items()}
    return replace(make_look(puppet), **chosen)


def appearance(look: Look, pose: Any) -> NDArray[np.float32]:
    """Return what the image networks predict of person and pose (D,), each number within about -1..1."""
    clothes, hair = list(CLOTHES), ("bald", "short", "curly", "long", "bun", "bob")
    one_hot = [float(look.hair == name) for name in hair] + [float(look.clothes == name) for name in clothes]
    return np.array(
        [look.tone / 4.5 - 1, 2 * look.age - 1, float(look.glasses != "none"), float(look.beard != "none"),
         pose.yaw / 0.3, pose.pitch / 0.2, pose.roll / 0.2, pose.jaw, pose.gap, pose.smile, pose.brows, pose.blink,
         *one_hot],
        dtype=np.float32,
    )  # fmt: skip


def make_dataset(
    folder: Path,
    seed: int,
    people: int,
    takes: int,
    *,
    workers: int,
    forms: Collection[str] = FORMS,
    progress: Callable[[str], None] | None = None,
) -> None:
    """Render ``people`` people as images, ``takes`` people as clips, and as many others each as crops and in action.

    Args:
        folder: where to write; what is there already is kept.
        seed: of everything.
        people, takes: how many people.
        workers: processes.
        forms: only these.
        progress: called with the name of each file.

    Raises:
        MachineError: a worker failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    batches = []
    for form in FORMS:
        total = people if form == "images" else takes
        firsts = range(0, total, BATCH) if form in forms else ()
        batches += [PeopleBatch(seed, first, min(BATCH, total - first), form) for first in firsts]
    for result in Workers(HANDLER, folder, workers, BATCH_SECONDS).run(batches):
        if result.failure is not None:
            raise MachineError(
                "The training dataset could not be rendered.", found=f"{result.failure}: {result.detail}"
            )
        if progress:
            progress(str(result.value))


def load_arrays(folder: Path, form: str, *names: str) -> list[NDArray[Any]]:
    """Return the named arrays of all files of a form (one of `FORMS`), in order of the people."""
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in names}
    for path in sorted(folder.glob(f"{form}-*.npz")):
        with np.load(path) as content:
            for name in names:
                parts[name].append(content[name])
    return [np.concatenate(parts[name]) for name in names]


def _pick(rng: np.random.Generator, names: list[str]) -> str:
    return names[min(int(rng.random() * len(names)), len(names) - 1)]


def _aligned_face(rgb: NDArray[np.uint8], points: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the aligned face (64, 64, 3); its points have the error of a detector's."""
    eye_distance = float(np.linalg.norm(points[1] - points[0]))
    found = points + 0.04 * eye_distance * rng.standard_normal((5, 2))
    cut = norm_crop(rgb, found.astype(np.float32), 112)
    return shrunk(cut, FACE_SIDE) if cut is not None else np.zeros((FACE_SIDE, FACE_SIDE, 3), np.uint8)


def _mouth_crops(
    frames: list[NDArray[np.uint8]], boxes: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return mouth crops (N, 40, 40, 3) BGR; they follow the head about as closely as a face track does."""
    half = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]) / 2
    middle = np.stack([boxes[:, 0] + boxes[:, 2], boxes[:, 1] + boxes[:, 3]], axis=1) / 2
    kernel = np.ones(9) / 9
    smooth = [np.convolve(np.pad(track, 4, "edge"), kernel, "valid") for track in (*middle.T, half)]
    offset = half.mean() * 0.06 * rng.standard_normal(2)
    scale = float(np.exp(0.06 * rng.standard_normal()))
    wander = 0.6 * rng.standard_normal((len(frames), 2))
    return np.stack(
        [
            mouth(crop(np.ascontiguousarray(rgb[:, :, ::-1]), x + offset[0] + w[0], y + offset[1] + w[1], scale * h))
            for rgb, x, y, h, w in zip(frames, *smooth, wander, strict=True)
        ]
    )


def _degraded_clip(
    frames: list[NDArray[np.uint8]], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], int, NDArray[np.float32]]:
    """Return a clip (16, 64, 64, 3), the index of its temporal fault, and the strengths of blur, noise and jitter."""
    fault = int(rng.random() * len(TEMPORAL_FAULTS)) if rng.random() < 0.75 else 0
    start = int(rng.random() * (len(frames) - CLIP_FRAMES))
    blur = 4 * rng.random() if rng.random() < 0.3 else 0.0
    noise = 20 * rng.random() if rng.random() < 0.15 else 0.0
    jitter = 4 * rng.random() ** 2 + 0.2 if TEMPORAL_FAULTS[fault] == "jitter" else 0.0
    shown = []
    for index in frame_order(TEMPORAL_FAULTS[fault], CLIP_FRAMES, start, len(frames), rng):
        moved = jitter * rng.standard_normal(2)
        faults = ImageFaults(blur=blur, noise=noise, shift_x=float(moved[0]), shift_y=float(moved[1]))
        shown.append(shrunk(degrade(frames[int(index)], faults, rng), CLIP_SIDE))
    return np.array(shown), fault, np.array([blur / 4, noise / 20, jitter / 4], dtype=np.float32)
