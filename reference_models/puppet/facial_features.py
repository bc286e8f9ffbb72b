"""The moving parts of a puppet's face: outlines of eyes, brows and mouth in a pose."""

from __future__ import annotations

import numpy as np

from evalkit.reference_models.puppet.geometry import ARC, Points, band, on_face, ring
from evalkit.reference_models.puppet.look import Look
from evalkit.reference_models.puppet.pose import Pose

SHUT = 0.92  # share of a blink from which on the eyeball is hidden
PARTED = 0.012  # face units between the lips from which on the mouth counts as open
IRIS = 0.074  # face units


def facial_shapes(look: Look, pose: Pose) -> dict[str, Points]:
    """Return the outlines (N, 3) that depend on the pose."""
    shapes: dict[str, Points] = {}
    for side in (-1, 1):
        shapes |= _eye(look, pose, side)
        shapes[f"brow{side}"] = _brow(look, pose, side)
        smile = max(0.0, pose.smile)
        fold = np.array([[0.17, 0.34], [0.25 + 0.03 * smile, 0.44], [0.29 + 0.05 * smile, 0.56]]) * (side, 1)
        shapes[f"fold{side}"] = on_face(fold)
    return shapes | _mouth(look, pose)


def _eye(look: Look, pose: Pose, side: int) -> dict[str, Points]:
    cx, cy, size = look.eye_distance * side, look.eye_height, look.eye_size
    lens = 1 - ARC**2
    tilt = -look.eye_tilt * 0.16 * ARC * side
    narrow = 1 - 0.45 * pose.squint + 0.18 * max(0.0, pose.brows)
    low = 0.046 * size * lens**0.8 * (1 - 0.25 * pose.squint - 0.2 * max(0.0, pose.smile))
    high = -0.082 * size * narrow * lens**0.62 + 0.018 * pose.gaze_y
    high = high + (low - high) * min(1.0, pose.blink)
    x = cx + 0.155 * size * ARC
    fold = cy - 0.118 * size * lens**0.7 + 0.01 + tilt + 0.03 * pose.blink
    iris = np.array([[cx + 0.062 * pose.gaze_x, cy - 0.014 + 0.03 * pose.gaze_y]])
    return {
        f"eye{side}": on_face(band(x, cy + high + tilt, cy + low + tilt)),
        f"upper_lid{side}": on_face(np.stack([x, cy + high + tilt], 1)),
        f"lower_lid{side}": on_face(np.stack([x, cy + low + tilt], 1)),
        f"lid_fold{side}": on_face(np.stack([cx + 0.163 * size * ARC, fold], 1)),
        f"iris{side}": on_face(iris, 0.01),
    }


def _brow(look: Look, pose: Pose, side: int) -> Points:
    along = (ARC + 1) / 2
    x = look.eye_distance - 0.19 - 0.03 * pose.frown + 0.40 * along
    arch = 0.05 * np.sin(along * np.pi * 0.8) + look.brow_tilt * 0.10 * (along - 0.5)
    y = look.eye_height - look.brow_height - 0.07 * pose.brows - arch + 0.07 * pose.frown * (1 - along)
    thick = 0.030 * look.brow_thickness * (1.1 - 0.75 * along)
    return on_face(band(x, y - thick, y + thick) * (side, 1))


def mouth_gap(pose: Pose) -> float:
    """Return the distance between the lips in face units."""
    return 0.27 * pose.gap * (1 - 0.9 * pose.press)


def _mouth(look: Look, pose: Pose) -> dict[str, Points]:
    half = 0.285 * look.mouth_width * (1 + 0.20 * pose.wide - 0.34 * pose.pucker + 0.10 * max(0.0, pose.smile))
    gap = mouth_gap(pose)
    plump = 1 + 0.35 * pose.pucker - 0.55 * pose.press - 0.12 * pose.wide
    middle = look.mouth_height + 0.012 * pose.pucker
    swell = np.sqrt(np.clip(1 - ARC**2, 0, 1))
    bow = 1 - 0.22 * np.exp(-((ARC / 0.16) ** 2)) + 0.10 * np.exp(-(((np.abs(ARC) - 0.3) / 0.2) ** 2))
    corner = -0.085 * pose.smile * ARC**2
    x = half * ARC
    inner_top = middle - 0.28 * gap * swell + corner
    inner_low = middle + 0.72 * gap * swell + corner
    outer_top = inner_top - 0.060 * look.upper_lip * plump * swell**0.8 * bow
    outer_low = inner_low + 0.078 * look.lower_lip * plump * swell**0.75
    lift = 0.05 + 0.06 * pose.pucker
    teeth = np.full(len(x), middle - 0.28 * gap + min(0.062, 0.6 * gap)) + corner
    tongue = ring(0, middle + 0.72 * gap - 0.02 - 0.13 * pose.tongue, 0.62 * half, 0.05 + 0.05 * pose.tongue)
    shine = ring(0.03, float(inner_low[5]) + 0.035 * look.lower_lip * plump, 0.4 * half, 0.014)
    return {
        "lips": on_face(band(x, outer_top, outer_low), lift),
        "upper_lip": on_face(band(x, outer_top, inner_top), lift),
        "seam": on_face(np.stack([x, (inner_top + inner_low) / 2], 1), lift),
        "inside": on_face(band(x * 0.94, inner_top, inner_low), lift - 0.03),
        "teeth": on_face(band(x * 0.82, inner_top - 0.02, teeth), lift - 0.05),
        "tongue": on_face(tongue, lift - 0.08),
        "lip_shine": on_face(shine, lift + 0.02),
    }
