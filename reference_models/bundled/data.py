"""Training data: puppets painted once, in every form that some network wants. All of it follows from a seed.

A share of people is a unit of work; a worker paints it and writes it to a file, so that nothing large is passed between
processes and a run that was cut goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from evalkit.errors import MachineError
from evalkit.files import atomic_write
from evalkit.metrics.features.align import norm_crop
from evalkit.metrics.features.mfcc import mfcc
from evalkit.metrics.features.networks.small import CLIP_FRAMES, CLIP_SIDE, FACE_SIDE, FRAME_SIDE
from evalkit.metrics.features.networks.small_inputs import mouth, shrunk
from evalkit.metrics.features.sync_tracks import crop
from evalkit.reference_models.bundled.degrade import KINDS, Faults, draw_faults, order, spoil
from evalkit.reference_models.puppet import captions
from evalkit.reference_models.puppet.landmarks import landmarks
from evalkit.reference_models.puppet.look import BACKGROUNDS, CLOTHES, COLLARS, ROOMS, Look, make_look
from evalkit.reference_models.puppet.motion import ACTIONS, MOODS, Action, performance
from evalkit.reference_models.puppet.painter import Painter
from evalkit.reference_models.puppet.phonemes import utterance
from evalkit.reference_models.puppet.scene import Scene
from evalkit.reference_models.puppet.voice import make_voice, synthesize
from evalkit.workers.pool import Workers

HANDLER = "evalkit.reference_models.bundled.data:Maker"
SIZE = 256
WHOLE_SIDE = 160
SHARE = 20  # people per unit of work
LOOKS, POSES = 4, 2  # pictures of each person: changes of clothes, room and light, times poses
CLIPS = 3  # of 16 frames from each take
SHARE_SECONDS = 1800.0
_PEOPLE = 2_000_000_000_000  # above those of every test set: seed * 1e6 + number, with a seed of at most a million


@dataclass(frozen=True)
class Share:
    """A unit of work: ``people`` of the training seed from number ``first`` on, as pictures or as clips."""

    seed: int
    first: int
    people: int
    form: str
    seconds: float = 2.4


def puppet_number(seed: int, number: int) -> int:
    """Return the puppet of a training seed: one that no test set has."""
    return _PEOPLE + seed * 10_000_000 + number


class Maker:
    """Paints one share in a worker process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, share: Share) -> str:
        """Write the share's file and return its name."""
        cv2.setNumThreads(1)
        path = self.folder / f"{share.form}-{share.first:05}.npz"
        if not path.exists():
            parts = [
                (pictures if share.form == "pictures" else clips)(puppet_number(share.seed, number), number, share)
                for number in range(share.first, share.first + share.people)
            ]
            with atomic_write(path) as stream:
                arrays: dict[str, Any] = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
                np.savez(stream, **arrays)
        return path.name


def pictures(puppet: int, number: int, share: Share) -> dict[str, NDArray[Any]]:
    """Return eight pictures of a person in four rooms: whole, spoiled, as aligned faces; captions, landmarks."""
    rng = np.random.Generator(np.random.PCG64([puppet, 0xB1]))
    rows: dict[str, list[Any]] = {name: [] for name in ("whole", "frame", "faults", "looks", "face", "box", "points",
                                                         "caption", "person")}  # fmt: skip
    for _ in range(LOOKS):
        look = redressed(puppet, rng)
        painter = Painter(look, SIZE)
        mood = _pick(rng, list(MOODS))
        actions = (Action(0.0, 1.0, _pick(rng, list(ACTIONS))),) if rng.random() < 0.4 else ()
        take = int(rng.random() * 1e9)
        poses = performance(take, utterance(take, 1.2), 1.2, mood, actions)
        for pose in (poses[int(rng.random() * 12)], poses[12 + int(rng.random() * 14)]):
            rgb = painter.paint(pose)
            box, points = landmarks(look, pose, SIZE)
            faults = draw_faults(rng)
            rows["whole"].append(shrunk(rgb, WHOLE_SIDE))
            rows["frame"].append(shrunk(spoil(rgb, faults, rng), FRAME_SIDE))
            rows["faults"].append(faults.vector())
            rows["looks"].append(look_vector(look, pose))
            rows["face"].append(_aligned(rgb, points, rng))
            rows["box"].append(box * WHOLE_SIDE / SIZE)
            rows["points"].append(points * WHOLE_SIDE / SIZE)
            rows["caption"].append(captions.caption(look, mood))
            rows["person"].append(number)
    return {name: np.array(values) for name, values in rows.items()}


def clips(puppet: int, number: int, share: Share) -> dict[str, NDArray[Any]]:
    """Return one take of a person: mouth pictures, sound, and spoiled clips of 16 frames."""
    rng = np.random.Generator(np.random.PCG64([puppet, 0xC1]))
    mood = _pick(rng, list(MOODS))
    scene = Scene(puppet, puppet + number, share.seconds, SIZE, mood)
    look = redressed(puppet, rng)
    painter = Painter(look, SIZE)
    frames = [painter.paint(pose) for pose in scene.poses]
    boxes = np.array([landmarks(look, pose, SIZE).box for pose in scene.poses])
    coefficients = mfcc((synthesize(scene.spoken, make_voice(puppet), puppet) * 32767).astype(np.int16))
    spoiled, kinds, faults = [], [], []
    for _ in range(CLIPS):
        clip, kind, fault = _spoiled_clip(frames, rng)
        spoiled.append(clip)
        kinds.append(kind)
        faults.append(fault)
    return {
        "mouths": _mouths(frames, boxes, rng)[None],
        "sound": coefficients[: 4 * len(frames)].astype(np.float32)[None],
        "clip": np.array(spoiled),
        "kind": np.array(kinds),
        "clip_faults": np.array(faults),
        "clip_looks": np.repeat(look_vector(look, scene.poses[0])[None], CLIPS, axis=0),
    }


def redressed(puppet: int, rng: np.random.Generator) -> Look:
    """Return the person in other clothes, another room and another light."""
    other = make_look(int(rng.random() * 1e12))
    lights = ("light_x", "light_y", "light_strength", "light_warmth")
    rooms = {"clothes": CLOTHES, "collar": COLLARS, "background": BACKGROUNDS, "room": ROOMS}
    chosen: dict[str, Any] = {name: getattr(other, name) for name in lights}
    chosen |= {name: _pick(rng, list(names)) for name, names in rooms.items()}
    return replace(make_look(puppet), **chosen)


def look_vector(look: Look, pose: Any) -> NDArray[np.float32]:
    """Return what the image networks learn to tell of a picture, each number within about -1..1."""
    clothes, hair = list(CLOTHES), ("bald", "short", "curly", "long", "bun", "bob")
    one_hot = [float(look.hair == name) for name in hair] + [float(look.clothes == name) for name in clothes]
    return np.array(
        [look.tone / 4.5 - 1, 2 * look.age - 1, float(look.glasses != "none"), float(look.beard != "none"),
         pose.yaw / 0.3, pose.pitch / 0.2, pose.roll / 0.2, pose.jaw, pose.gap, pose.smile, pose.brows, pose.blink,
         *one_hot],
        dtype=np.float32,
    )  # fmt: skip


def make_data(
    folder: Path, seed: int, people: int, takes: int, *, workers: int, progress: Callable[[str], None] | None = None
) -> None:
    """Paint ``people`` in pictures and ``takes`` people in clips into ``folder``.

    Raises:
        MachineError: a worker failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shares = [Share(seed, first, min(SHARE, people - first), "pictures") for first in range(0, people, SHARE)]
    shares += [Share(seed, first, min(SHARE, takes - first), "clips") for first in range(0, takes, SHARE)]
    for result in Workers(HANDLER, folder, workers, SHARE_SECONDS).run(shares):
        if result.failure is not None:
            raise MachineError("Training data could not be made.", found=f"{result.failure}: {result.detail}")
        if progress:
            progress(str(result.value))


def load_data(folder: Path, form: str, *names: str) -> list[NDArray[Any]]:
    """Return arrays of all shares of a form, in order of the people."""
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in names}
    for path in sorted(folder.glob(f"{form}-*.npz")):
        with np.load(path) as content:
            for name in names:
                parts[name].append(content[name])
    return [np.concatenate(parts[name]) for name in names]


def _pick(rng: np.random.Generator, names: list[str]) -> str:
    return names[min(int(rng.random() * len(names)), len(names) - 1)]


def _aligned(rgb: NDArray[np.uint8], points: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the aligned face, its points as inexact as a detector's."""
    apart = float(np.linalg.norm(points[1] - points[0]))
    found = points + 0.04 * apart * rng.standard_normal((5, 2))
    cut = norm_crop(rgb, found.astype(np.float32), 112)
    return shrunk(cut, FACE_SIDE) if cut is not None else np.zeros((FACE_SIDE, FACE_SIDE, 3), np.uint8)


def _mouths(frames: list[NDArray[np.uint8]], boxes: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the mouth pictures (N, 40, 40, 3) BGR of crops that follow the head about as a track does."""
    half = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]) / 2
    middle = np.stack([boxes[:, 0] + boxes[:, 2], boxes[:, 1] + boxes[:, 3]], axis=1) / 2
    kernel = np.ones(9) / 9
    smooth = [np.convolve(np.pad(track, 4, "edge"), kernel, "valid") for track in (*middle.T, half)]
    off = half.mean() * 0.06 * rng.standard_normal(2)
    scale = float(np.exp(0.06 * rng.standard_normal()))
    wander = 0.6 * rng.standard_normal((len(frames), 2))
    return np.stack(
        [
            mouth(crop(np.ascontiguousarray(rgb[:, :, ::-1]), x + off[0] + w[0], y + off[1] + w[1], scale * h))
            for rgb, x, y, h, w in zip(frames, *smooth, wander, strict=True)
        ]
    )


def _spoiled_clip(
    frames: list[NDArray[np.uint8]], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], int, NDArray[np.float32]]:
    """Return 16 frames (16, 64, 64, 3), the number of their fault in time, and strengths: blur, noise, jitter."""
    kind = int(rng.random() * len(KINDS)) if rng.random() < 0.75 else 0
    at = int(rng.random() * (len(frames) - CLIP_FRAMES))
    blur = 4 * rng.random() if rng.random() < 0.3 else 0.0
    noise = 20 * rng.random() if rng.random() < 0.15 else 0.0
    jitter = 4 * rng.random() ** 2 + 0.2 if KINDS[kind] == "jitter" else 0.0
    shown = []
    for index in order(KINDS[kind], CLIP_FRAMES, at, len(frames), rng):
        moved = jitter * rng.standard_normal(2)
        faults = Faults(blur=blur, noise=noise, shift_x=float(moved[0]), shift_y=float(moved[1]))
        shown.append(shrunk(spoil(frames[int(index)], faults, rng), CLIP_SIDE))
    return np.array(shown), kind, np.array([blur / 4, noise / 20, jitter / 4], dtype=np.float32)
