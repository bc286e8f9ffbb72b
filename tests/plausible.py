"""Made-up feature arrays that obey their records: random plausible ones, and those of a perfect video.

`FEATURES` knows the features whose arrays belong together; a feature that it doesn't know is made from what its record
declares of each array, as in ``(K, 2) float32 in 0..1: ...``.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import plausible_binding
import plausible_clip
import plausible_dubbing
import plausible_speech
import plausible_sync
from numpy.typing import NDArray

from evalkit.metrics.features.base import FeatureRecord, feature_registry

Arrays = dict[str, NDArray]
Rng = np.random.Generator
DIMENSIONS = 24
_DECLARED = re.compile(
    r"\((?P<shape>[^)]*)\) (?P<dtype>bool|str|u?int\d+|float\d+)(?: in (?P<low>-?[\d.]+)\.\.(?P<high>-?[\d.]+))?"
)


def declared(record: FeatureRecord, rng: Rng) -> Arrays:
    """Return arrays of the shapes, types and ranges that ``record`` declares; equal letters are equal sizes.

    D, the width of a network's vectors, is the same in all features and videos, as it is with one set of backbones.
    """
    sizes = {"D": DIMENSIONS}
    arrays = {}
    for name, text in record.arrays.items():
        found = _DECLARED.match(text)
        if found is None:
            raise ValueError(f"{record.name}.{name}: '{text}' declares no shape and type, as '(K, 2) float32 ...' does")
        shape = []
        for part in filter(None, re.split(r"[,\s]+", found["shape"])):
            shape.append(int(part) if part.isdigit() else sizes.setdefault(part, int(rng.integers(2, 9))))
        dtype = np.dtype(found["dtype"])
        if dtype.kind == "f":
            low, high = float(found["low"] or 0), float(found["high"] or 1)
            arrays[name] = rng.uniform(low, high, shape).astype(dtype)
        elif dtype.kind == "U":
            arrays[name] = np.full(shape, "a word")
        else:
            arrays[name] = rng.integers(0, 2, shape).astype(dtype)
    return arrays


def faces(rng: Rng) -> Arrays:
    """16 of 40 frames; one to three people, each missing now and then."""
    frames = np.linspace(0, 39, 16).astype(np.int64)
    people = int(rng.integers(1, 4))
    seen = [(row, person) for row in range(16) for person in range(people) if rng.random() < 0.8]
    corner = rng.uniform(0, 150, (len(seen), 2))
    box = np.hstack([corner, corner + rng.uniform(20, 90, (len(seen), 2))])
    rows = np.array([row for row, _ in seen], dtype=np.int64)
    attempt = np.where(np.isin(np.arange(16), rows), rng.integers(0, 4, 16), -1)
    return {
        "sampled": np.arange(16, dtype=np.int64),
        "frame_index": frames,
        "frame_time": frames / 25.0,
        "attempt": attempt.astype(np.int8),
        "margin": np.zeros((16, 2), dtype=np.int32),
        "face_frame": rows,
        "box": box.astype(np.float32),
        "score": rng.uniform(0.5, 1, len(seen)).astype(np.float32),
        "keypoints": rng.uniform(0, 250, (len(seen), 5, 2)).astype(np.float32),
        "track": np.array([person for _, person in seen], dtype=np.int64),
        "subject": np.array(0 if seen else -1, dtype=np.int64),
        "frame_size": np.array([256, 256], dtype=np.int64),
    }


FACE_VECTORS = ("arcface", "curricularface", "face_inception")  # a vector for each face of the feature faces


def face_vectors(rng: Rng, faces: Arrays) -> Arrays:
    """A vector for nearly every face."""
    rows = np.flatnonzero(rng.random(len(faces["face_frame"])) < 0.95).astype(np.int64)
    return {"embedding": rng.normal(size=(len(rows), DIMENSIONS)).astype(np.float32), "face": rows}


def reference_vectors(rng: Rng) -> Arrays:
    """One to three reference images, the first with a face."""
    count = int(rng.integers(1, 4))
    found = np.array([True] + [bool(rng.random() < 0.7) for _ in range(count - 1)])
    embedding = rng.normal(size=(count, DIMENSIONS)) * found[:, None]
    attempt = np.where(found, rng.integers(0, 2, count), -1).astype(np.int8)
    return {"embedding": embedding.astype(np.float32), "found": found, "attempt": attempt}


def paired_pixels(rng: Rng) -> Arrays:
    """30 pairs of frames, some videos good and some bad throughout, a few frames identical."""
    psnr = np.clip(rng.uniform(0, 60) + rng.normal(0, 2, 30), 0, None)
    psnr[rng.random(30) < 0.1] = np.inf
    compared = np.array([30.0, rng.integers(30, 42), rng.choice([0.0, 1.5])])
    return {"compared": compared, "psnr": psnr, "scale": np.full(len(psnr), rng.choice([0.5, 1.0, 2.0]))}


def paired_ssim(name: str) -> Callable[[Rng], Arrays]:
    """30 pairs of frames, some videos good and some bad throughout."""

    def made(rng: Rng) -> Arrays:
        value = np.clip(rng.uniform(-1, 1.1) + rng.normal(0, 0.05, 30), -1, 1)
        compared = np.array([30.0, rng.integers(30, 42), rng.choice([0.0, 1.5])])
        return {"compared": compared, name: value, "scale": np.full(30, rng.choice([0.5, 1.0, 2.0]))}

    return made


def ms_ssim(rng: Rng) -> Arrays:
    """30 pairs of frames, some videos good and some bad throughout."""
    value = np.clip(rng.uniform(0, 1.1) + rng.normal(0, 0.05, 30), 0, 1)
    compared = np.array([30.0, rng.integers(30, 42), rng.choice([0.0, 1.5])])
    return {"compared": compared, "ms_ssim": value, "scale": np.full(30, rng.choice([0.5, 1.0, 2.0]))}


def lpips(rng: Rng) -> Arrays:
    """30 pairs of frames, some videos good and some bad throughout."""
    compared = np.array([30.0, rng.integers(30, 39), rng.choice([0.0, 1.5])])
    value = np.clip(rng.uniform(0, 1) + rng.normal(0, 0.02, 30), 0, None)
    return {"compared": compared, "lpips": value, "scale": np.full(30, rng.choice([0.5, 1.0, 2.0]))}


def frame_difference(rng: Rng) -> Arrays:
    """29 steps, between black and white frames in the worst case."""
    return {"seconds": np.full(29, 0.04), "difference": np.clip(rng.uniform(-10, 265) + rng.normal(0, 5, 29), 0, 255)}


def dis_flow(rng: Rng) -> Arrays:
    """20 steps, a few of them between frames of the same time."""
    mean = np.abs(rng.normal(0, 0.1, 20))
    return {"seconds": rng.choice([0.0, 0.08], 20, p=[0.1, 0.9]), "mean": mean, "p95": 2 * mean}


def farneback_flow(rng: Rng) -> Arrays:
    """20 steps at 16 columns."""
    return {"seconds": np.full(20, 0.04), "flow": rng.normal(0, 2, (20, 9, 16, 2)).astype(np.float32)}


def largest_flow(rng: Rng) -> Arrays:
    """Up to 40 sampled frames of a video that moves little or much, rarely a single one."""
    frames = int(rng.choice([1, 2, 3, 12, 40], p=[0.05, 0.05, 0.1, 0.4, 0.4]))
    largest = np.abs(rng.normal(rng.uniform(0, 12), 2, frames - 1))
    return {"largest": largest, "frames": np.array(frames), "frame_size": np.array([256, 320])}


def amt_interpolation(rng: Rng) -> Arrays:
    """Up to 60 interpolated frames; sometimes none."""
    return {"difference": np.abs(rng.normal(rng.uniform(0, 20), 1, int(rng.choice([0, 1, 2, 30, 60]))))}


def facts(rng: Rng) -> Arrays:
    """Plain facts of a video."""
    frames = int(rng.integers(2, 500))
    fps = float(rng.choice([20, 23.976, 25, 30, 60]))
    return {
        "duration_seconds": np.asarray(frames / fps),
        "fps": np.asarray(fps),
        "duplicate_share": np.asarray(rng.random()),
        "frames": np.asarray(frames),
        "width": np.asarray(int(rng.choice([256, 480]))),
        "height": np.asarray(256),
    }


def sound_facts(rng: Rng) -> Arrays:
    """Plain facts of an audio file."""
    return {"duration_seconds": np.asarray(rng.uniform(0.1, 20)), "rms_dbfs": np.asarray(rng.uniform(-60, 0))}


def motion_facts(rng: Rng) -> Arrays:
    """Plain facts of a file of motion coefficients."""
    return {"frames": np.asarray(float(rng.integers(1, 500)))}


def speed(rng: Rng) -> Arrays:
    """Measured seconds of a sample; what is rarely measured is missing now and then."""
    seconds = rng.uniform(0.1, 100)
    given = {
        "counted_frames": rng.integers(1, 500),
        "clip_seconds": rng.uniform(0.1, 20),
        "seconds": seconds,
        "first_frame": seconds * rng.random(),
        "end_to_end": seconds * rng.uniform(1, 2),
        "peak_bytes": rng.uniform(1e6, 1e11),
    }
    kept = [*list(given)[:3], *(name for name in list(given)[3:] if rng.random() < 0.8)]
    return {name: np.asarray(float(given[name])) for name in kept}


def brisque(rng: Rng) -> Arrays:
    """20 frames, a few without structure."""
    score = rng.uniform(-10, 110, 20)
    score[rng.random(20) < 0.1] = np.nan
    reach = np.where(np.isnan(score), np.nan, rng.uniform(0.5, 1.1, 20))
    return {"frame_index": np.arange(20), "score": score, "flat_fraction": rng.random(20), "reach": reach}


def niqe(rng: Rng) -> Arrays:
    """20 frames of one size, a few without structure."""
    score = rng.uniform(2, 30, 20)
    score[rng.random(20) < 0.1] = np.nan
    return {
        "frame_index": np.arange(20),
        "score": score,
        "flat_fraction": rng.random(20),
        "blocks": np.full(20, rng.integers(2, 80)),
        "furthest": np.where(np.isnan(score), np.nan, rng.uniform(0.5, 6, 20)),
    }


def landmarks68(rng: Rng) -> Arrays:
    """30 pairs of frames of a face that moves, a frame without landmarks now and then."""
    face = 128 + rng.normal(0, 40, (68, 2)) + rng.normal(0, 3, (30, 1, 2))
    points = {name: (face + rng.normal(0, 1, face.shape)).astype(np.float32) for name in ("candidate", "reference")}
    faces = {f"{name}_faces": np.ones(30, np.int16) for name in points}
    for name, share in (("candidate", 0.01), ("reference", 0.05)):
        gone = rng.random(30) < share
        points[name][gone], faces[f"{name}_faces"][gone] = np.nan, 0
    compared = np.array([30.0, rng.integers(30, 37), rng.choice([0.0, 1.5])])
    return {**points, **faces, "compared": compared, "scale": np.full(30, rng.choice([0.5, 1.0, 2.0]))}


def landmarks68_video(rng: Rng) -> Arrays:
    """75 frames of a face that moves and blinks, one without landmarks now and then."""
    points = 128 + rng.normal(0, 40, (68, 2)) + rng.normal(0, 3, (75, 1, 2)) + rng.normal(0, 1, (75, 68, 2))
    gone = rng.random(75) < 0.05
    points[gone] = np.nan
    return {
        "frame_index": np.arange(75),
        "points": points.astype(np.float32),
        "faces": np.where(gone, 0, 1).astype(np.int16),
        "frame_size": np.array([256, 256], dtype=np.int64),
    }


def speech_onsets(rng: Rng) -> Arrays:
    """Up to twenty onsets in four seconds."""
    return {"onsets": np.sort(rng.uniform(0, 4, int(rng.integers(1, 21))))}


def speech_level(rng: Rng) -> Arrays:
    """Three seconds, loud and still in turn, now and then all loud."""
    loud = np.repeat(rng.random(7) < rng.uniform(0.3, 1.0), 10)[:61]
    return {"rms": np.where(loud, rng.uniform(0.05, 0.3, 61), 1e-5)}


def facemesh(rng: Rng) -> Arrays:
    """300 frames of 478 points, some without a face now and then."""
    points = 0.5 + rng.normal(0, 0.1, (478, 2)) + rng.normal(0, 0.01, (300, 478, 2))
    points[rng.random(300) < 0.02] = np.nan
    return {"points": points.astype(np.float32)}


def musiq(rng: Rng) -> Arrays:
    """16 frames."""
    return {"frame_index": np.arange(16), "score": rng.uniform(20, 80) + rng.normal(0, 2, 16)}


def openface(rng: Rng) -> Arrays:
    """50 frames, one or two without a face now and then."""
    return {
        "intensity": rng.uniform(0, 5, (50, 17)),
        "success": rng.random(50) > 0.02,
        "confidence": rng.uniform(0.8, 1, 50),
    }


def dual_motion(rng: Rng) -> Arrays:
    """60 frames or a few fewer of expression, jaw and head rotation."""
    frames = int(rng.integers(55, 61))
    return {name: rng.normal(size=(frames, numbers)) for name, numbers in (("exp", 50), ("jaw", 3), ("pose", 3))}


def detection(rng: Rng) -> Arrays:
    """One video of a test set with two generators, now and then without a score."""
    fake, lost = bool(rng.random() < 0.6), bool(rng.random() < 0.1)
    texts = {
        "state": "detector_failed" if lost else "",
        "generator": f"maker{rng.integers(1, 3)}" if fake else "",
        "identity": f"p{rng.integers(1, 9)}",
        "driver": f"p{rng.integers(1, 9)}" if fake else "",
        "run": "",
        "within": "",
        "base": "",
    }
    score = np.nan if lost else rng.normal() + fake
    numbers = {
        "score": np.array(score),
        "probability": 1 / (1 + np.exp(-np.array(score))),
        "label": np.array(int(fake)),
    }
    return numbers | {name: np.array(text) for name, text in texts.items()}


FEATURES: dict[str, Callable[[Rng], Arrays]] = {
    "detection": detection,
    "faces": faces,
    **{f"{name}_reference": reference_vectors for name in FACE_VECTORS},
    "paired_pixels": paired_pixels,
    **{f"paired_{name}": paired_ssim(name) for name in ("ssim_gray", "ssim_rgb")},
    "ms_ssim": ms_ssim,
    "lpips_alex": lpips,
    "lpips_vgg": lpips,
    "landmarks68": landmarks68,
    "landmarks68_video": landmarks68_video,
    "speech_onsets": speech_onsets,
    "frame_difference": frame_difference,
    "dis_flow": dis_flow,
    "farneback_flow": farneback_flow,
    "raft_largest_flow": largest_flow,
    "dis_largest_flow": largest_flow,
    "amt_interpolation": amt_interpolation,
    "facts": facts,
    "speed": speed,
    "sound_facts": sound_facts,
    "motion_facts": motion_facts,
    "brisque": brisque,
    "niqe": niqe,
    "musiq_spaq": musiq,
    **dict.fromkeys(("dual_motion", "dual_motion_reference", "dual_motion_partner"), dual_motion),
    "facemesh": facemesh,
    "speech_level": speech_level,
    "openface": openface,
    "openface_reference": openface,
    "clip_frames": plausible_clip.frames,
    "clip_frames_consisid": plausible_clip.frames,
    "clip_frames_l14": plausible_clip.frames,
    "aesthetic_linear": plausible_clip.aesthetic,
    "aesthetic_mlp": plausible_clip.aesthetic,
    "clip_frames_vbench": plausible_clip.frames,
    "dino_frames": plausible_clip.dino_frames,
    "dino_frames_uniform": plausible_clip.dino_frames,
    "dino_reference": plausible_clip.dino_reference,
    "clip_reference": plausible_clip.reference,
    "timeline_frames": plausible_clip.timeline_frames,
    "timeline_events": plausible_clip.timeline_events,
    "clip_text": plausible_clip.text,
    "clip_text_l14": plausible_clip.text_large,
    "binding": plausible_binding.binding,
    "syncnet": plausible_sync.syncnet,
    "syncnet_replicate": plausible_sync.syncnet_replicate,
    "syncnet_whole": plausible_sync.syncnet_whole,
    **plausible_dubbing.FEATURES,
    **plausible_speech.FEATURES,
}
REGIONS = ("face", "mouth")
OF_REGIONS = ("paired_pixels", "paired_ssim_gray", "lpips_alex")  # features that exist for regions of the frame too
FEATURES |= {f"{name}_{region}": FEATURES[name] for name in OF_REGIONS for region in REGIONS}
FEATURES["landmarks68_last"] = landmarks68


def plausible(names: tuple[str, ...], seed: int) -> dict[str, Arrays]:
    """Return arrays for the features ``names``, and for those that they belong to."""
    rng = np.random.default_rng(seed)
    registry = feature_registry()
    made: dict[str, Arrays] = {}
    needed = {*names, "faces"} if set(FACE_VECTORS) & set(names) else names
    if "binding_mouths" in names:
        needed = {*names, "binding"}
    for name in sorted(needed, key=lambda name: name not in {"faces", "binding"}):
        if name == "binding_mouths":
            made[name] = plausible_binding.binding_mouths(rng, made["binding"])
        elif name in FACE_VECTORS:
            made[name] = face_vectors(rng, made["faces"])
        elif name in FEATURES:
            made[name] = FEATURES[name](rng)
        else:
            made[name] = declared(registry[name].record, rng)
    return {name: made[name] for name in names}


def perfect(names: tuple[str, ...], seed: int) -> dict[str, Arrays]:
    """Return the arrays of a video that is its own reference, for the features that compare with one."""
    rng = np.random.default_rng(seed)
    one = rng.normal(size=DIMENSIONS).astype(np.float32)
    alone = faces(rng)
    alone.update(
        attempt=np.zeros(16, np.int8),
        face_frame=np.arange(16),
        track=np.zeros(16, np.int64),
        subject=np.array(0),
        box=np.tile(np.array([60, 60, 200, 200], np.float32), (16, 1)),
        score=np.ones(16, np.float32),
        keypoints=np.ones((16, 5, 2), np.float32),
    )
    points = (128 + rng.normal(0, 40, (30, 68, 2))).astype(np.float32)
    one_face = {"intensity": rng.uniform(0, 5, (30, 17)), "success": np.ones(30, bool), "confidence": np.ones(30)}
    known = {
        **plausible_clip.perfect(rng),
        "faces": alone,
        **{name: {"embedding": np.tile(one, (16, 1)), "face": np.arange(16)} for name in FACE_VECTORS},
        **{
            f"{name}_reference": {"embedding": one[None], "found": np.array([True]), "attempt": np.zeros(1, np.int8)}
            for name in FACE_VECTORS
        },
        "paired_pixels": {
            "compared": np.array([30.0, 30.0, 0.0]),
            "psnr": np.full(30, np.inf),
            "scale": np.ones(30),
        },
        **{
            f"paired_{name}": {"compared": np.array([30.0, 30.0, 0.0]), name: np.ones(30), "scale": np.ones(30)}
            for name in ("ssim_gray", "ssim_rgb")
        },
        **dict.fromkeys(("openface", "openface_reference"), one_face),
        "landmarks68": {
            "compared": np.array([30.0, 30.0, 0.0]),
            "candidate": points,
            "reference": points,
            "candidate_faces": np.ones(30, np.int16),
            "reference_faces": np.ones(30, np.int16),
            "scale": np.ones(30),
        },
        "ms_ssim": {"compared": np.array([30.0, 30.0, 0.0]), "ms_ssim": np.ones(30), "scale": np.ones(30)},
        **{
            name: {"compared": np.array([30.0, 30.0, 0.0]), "lpips": np.zeros(30), "scale": np.ones(30)}
            for name in ("lpips_alex", "lpips_vgg")
        },
        **plausible_dubbing.perfect(rng),
    }
    known |= {f"{name}_{region}": known[name] for name in OF_REGIONS for region in REGIONS}
    known["landmarks68_last"] = known["landmarks68"]
    return {name: known[name] for name in names}
