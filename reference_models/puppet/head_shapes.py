"""The rigid parts of a head: outline, ears, nose, hair, glasses, beard, wrinkles. Computed once per puppet."""

from __future__ import annotations

import numpy as np

from evalkit.reference_models.puppet.geometry import ARC, Points, Shapes, flat, on_face, ring
from evalkit.reference_models.puppet.look import Look

_EDGE_Y = np.array([-1.0, -0.93, -0.75, -0.45, -0.1, 0.2, 0.45, 0.68, 0.86, 0.96, 1.0])
_EDGE_X = np.array([0.0, 0.34, 0.61, 0.76, 0.79, 0.77, 0.70, 0.56, 0.36, 0.18, 0.0])
STRANDS = 9
FRECKLES = 60
COVERS_EARS = frozenset({"long", "bob"})


def outline(look: Look) -> Points:
    """Return the head's edge in face coordinates, clockwise from the crown: (56, 2)."""
    y = np.sin(np.linspace(-np.pi / 2, np.pi / 2, 29))
    x = np.interp(y, _EDGE_Y, _EDGE_X) * look.width
    below = np.clip((y - 0.1) / 0.9, 0, 1)
    x *= 1 + (look.jaw - 1) * np.sin(below * np.pi * 0.8)
    right = np.stack([x, np.where(y > 0, y * look.chin, y)], 1)
    return np.concatenate([right, right[::-1][1:-1] * (-1, 1)])


def head_shapes(look: Look) -> Shapes:
    """Return every outline that doesn't depend on the mouth, the eyes or the brows."""
    shapes = Shapes()
    edge = outline(look)
    shapes.add("head", flat(edge, 0.02), lowered=True)
    _shadows(shapes, look)
    _ears(shapes, look)
    _nose(shapes, look)
    _age(shapes, look)
    _beard(shapes, look, edge)
    _hair(shapes, look)
    _glasses(shapes, look)
    return shapes


def _shadows(shapes: Shapes, look: Look) -> None:
    """Add the areas of highlights and shadows; `lighting.SHADOWS` has their strengths."""
    width, tip = look.nose_width, look.nose_length
    for side in (-1, 1):
        shapes.add(f"socket{side}", on_face(ring(look.eye_distance * side, look.eye_height - 0.02, 0.22, 0.13)))
        hollow = np.array([[0.5, 0.28], [0.66, 0.1], [0.6, 0.5], [0.46, 0.6]])
        shapes.add(f"hollow{side}", on_face(hollow * (side, 1)))
        shapes.add(f"cheek{side}", on_face(ring(0.38 * side, 0.22, 0.15, 0.11)))
    dark = 1 if look.light_x < 0 else -1
    flank = np.array([[0.03, -0.12], [0.09, 0.05], [0.19 * width, 0.33], [0.06, 0.36]])
    bridge = np.array([[-0.02, -0.15], [-0.05, 0.2], [0.02, 0.28], [0.03, -0.1]])
    shapes.add("flank", on_face(flank * (dark, 1)))
    shapes.add("bridge", on_face(bridge * (dark, 1)))
    shapes.add("under_nose", on_face(ring(0, 0.385 * tip, 0.14 * width, 0.035)))
    shapes.add("under_lip", on_face(ring(0, look.mouth_height + 0.17, 0.17, 0.035)), lowered=True)
    shapes.add("forehead", on_face(ring(0, -0.45, 0.3, 0.12)))


def _ears(shapes: Shapes, look: Look) -> None:
    if look.hair in COVERS_EARS:
        return
    for side in (-1, 1):
        size = look.ears
        shapes.add(f"ear{side}", flat(ring(0.80 * look.width * side, 0.05, 0.11 * size, 0.21 * size), -0.05))
        shapes.add(f"inner_ear{side}", flat(ring(0.82 * look.width * side, 0.05, 0.05 * size, 0.13 * size), -0.05))


def _nose(shapes: Shapes, look: Look) -> None:
    w, tip = 0.15 * look.nose_width, 0.33 * look.nose_length
    for side in (-1, 1):
        wing = np.array([[0.75, -0.09], [1.0, -0.03], [1.02, 0.02], [0.8, 0.055]]) * (w * side, 1) + (0, tip)
        shapes.add(f"wing{side}", on_face(wing, 0.05))
        shapes.add(f"nostril{side}", on_face(ring(0.45 * w * side, tip + 0.035, 0.30 * w, 0.022), 0.12))
    base = np.array([[-0.5 * w, tip + 0.06], [0, tip + 0.075], [0.5 * w, tip + 0.06]])
    shapes.add("nose_base", on_face(base, 0.12))
    shapes.add("nose_shine", on_face(ring(0.01, tip - 0.06, 0.03, 0.03), 0.2))


def _age(shapes: Shapes, look: Look) -> None:
    for side in (-1, 1):
        bag = np.stack([look.eye_distance * side + 0.13 * ARC, look.eye_height + 0.10 + 0.03 * (1 - ARC**2)], 1)
        shapes.add(f"bag{side}", on_face(bag))
    for number, row in enumerate((-0.42, -0.5)):
        shapes.add(f"forehead_line{number}", on_face(np.stack([0.33 * ARC, row - 0.02 * (1 - ARC**2)], 1)))
    rng = np.random.Generator(np.random.PCG64([look.seed, 0xF4EC]))
    spots = np.stack([rng.random(FRECKLES) * 1.1 - 0.55, rng.random(FRECKLES) * 0.5], 1)
    shapes.add("freckles", on_face(spots))


def _beard(shapes: Shapes, look: Look, edge: Points) -> None:
    m = look.mouth_height
    if look.beard in {"moustache", "goatee"}:
        lip = [[-0.3, m - 0.02], [-0.22, m - 0.13], [0, m - 0.15], [0.22, m - 0.13], [0.3, m - 0.02], [0, m - 0.07]]
        shapes.add("moustache", on_face(np.array(lip)), lowered=True)
    if look.beard == "goatee":
        chin = [[-0.2, m + 0.15], [-0.2, 0.9], [0, 1.0], [0.2, 0.9], [0.2, m + 0.15], [0, m + 0.2]]
        shapes.add("goatee", on_face(np.array(chin)), lowered=True)
    if look.beard in {"stubble", "full beard"}:
        low = edge[edge[:, 1] > 0.15] * 0.985
        right, left = low[low[:, 0] >= 0], low[low[:, 0] < 0]
        inner = [[-0.4, m - 0.02], [-0.28, m - 0.12], [0.28, m - 0.12], [0.4, m - 0.02]]
        parts = [right[np.argsort(right[:, 1])], left[np.argsort(-left[:, 1])], np.array(inner)]
        shapes.add("beard", flat(np.concatenate(parts), 0.05), lowered=True)


def _hair(shapes: Shapes, look: Look) -> None:
    if look.hair == "bald":
        return
    rng = np.random.Generator(np.random.PCG64([look.seed, 0x4A14]))
    w = look.width
    puff = {"short": 0.08, "curly": 0.2, "long": 0.12, "bun": 0.06, "bob": 0.12}[look.hair]
    end = {"short": -0.1, "curly": 0.05, "long": 0.55, "bun": -0.15, "bob": 0.5}[look.hair]
    angle = np.linspace(np.pi, 2 * np.pi, 25)
    top = np.stack([(0.82 * w + 0.8 * puff) * np.cos(angle), -0.12 + (0.90 + puff) * np.sin(angle)], 1)
    if look.hair == "curly":
        top *= (1 + 0.05 * np.sin(angle * 22))[:, None]
    side = 0.80 * w + 0.3 * puff
    outer = flat(np.concatenate([[[-side, end]], top, [[side, end]]]), 0.0)
    across = np.linspace(1, -1, 13)
    wave = 0.08 * np.sin(3 * across + 6 * rng.random()) * (1 - across**2)
    line = on_face(np.stack([0.70 * w * across, look.hairline + 0.34 * np.abs(across) ** 2.6 + wave], 1))
    corners = np.array([[0.74 * w, end, 0.1]]), np.array([[-0.74 * w, end, 0.1]])
    shapes.add("hair", np.concatenate([outer, corners[0], line, corners[1]]))
    for number in range(STRANDS):
        a = np.pi * (1.05 + 0.9 * (number + 0.5) / STRANDS)
        tip = np.array([0.78 * w * np.cos(a), -0.12 + (0.88 + puff) * np.sin(a)])
        root = np.array([0.62 * w * np.cos(a), look.hairline + 0.3 * abs(np.cos(a)) ** 2.6 - 0.04])
        strand = np.array([tip, (tip + root) / 2 + (0.03, 0.0), root])
        shapes.add(f"strand{number}", np.column_stack([strand, [0.05, 0.3, 0.5]]))
    if look.hair == "bun":
        shapes.add("bun", flat(ring(0, -1.12, 0.3, 0.24), -0.2))
    if look.hair in COVERS_EARS:
        low = 1.5 if look.hair == "long" else 0.72
        down = [[0.4, low * 1.02], [0.88 * w, low], [1.0 * w, 0.5 * low]]
        half = np.array([*down, [1.02 * w, 0.0], [0.95 * w, -0.6], [0.6, -1.05]])
        shapes.add("back_hair", flat(np.concatenate([half[::-1], half * (-1, 1)]), -0.25))


def _glasses(shapes: Shapes, look: Look) -> None:
    if look.glasses == "none":
        return
    e, y = look.eye_distance, look.eye_height
    power, tall = (1.0, 0.185) if look.glasses == "round" else (0.45, 0.165)
    for side in (-1, 1):
        shapes.add(f"rim{side}", on_face(ring(e * side, y + 0.02, 0.225, tall, power), 0.06))
        shapes.add(f"arm{side}", np.array([[(e + 0.22) * side, y, 0.5], [0.8 * look.width * side, y - 0.02, 0.0]]))
    gap = e - 0.22
    shapes.add("bridge_of_glasses", on_face(np.array([[-gap, y], [0, y - 0.03], [gap, y]]), 0.1))
