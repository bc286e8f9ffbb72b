"""Which person of the sample a face track shows: by identity and place, one person for each at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.features.base import FeatureOptions
from evalkit.metrics.sync.tracks import FaceTrack

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class AttachOptions(FeatureOptions):
    """How tracks are attached to persons.

    Args:
        every: frames from one look at a track's face to the next.
        least_identity: cosine from which a face may be a person's.
        least_place: place from which it may, where the cosine is lower or unknown.
        place_weight: of place beside a cosine that is known: faces decide, and place between equals.
        near: place falls from 1 to 0 over this share of the frame's diagonal.
        start: frames from the video's start in which a track counts as there from the start.
        change: looks in a row that must be nearer to another person for a track to be cut there.
        lead: by how much their cosine must be larger.
    """

    every: int = 12
    least_identity: float = 0.2
    least_place: float = 0.5
    place_weight: float = 0.25
    near: float = 0.25
    start: int = 25
    change: int = 2
    lead: float = 0.1


ATTACH = AttachOptions()


@dataclass(frozen=True)
class Person:
    """What is known of a person: unit vector (D,) of the face; box (4,) in pixels, where they are at the start."""

    face: Vector | None = None
    box: Vector | None = None


@dataclass(frozen=True)
class Piece:
    """A track, or the part of one, that shows one person.

    Args:
        track: row of the track.
        face: the boxes of these frames.
        looks: frame -> unit vector (D,) of the face there.
    """

    track: int
    face: FaceTrack
    looks: dict[int, Vector]

    def cut(self, first: int, last: int) -> Piece:
        """Return the part from frame ``first`` to ``last``."""
        start = first - self.face.first
        boxes = self.face.boxes[start : last - self.face.first + 1]
        looks = {frame: look for frame, look in self.looks.items() if first <= frame <= last}
        return replace(self, face=replace(self.face, first=first, boxes=boxes), looks=looks)


def split_by_identity(piece: Piece, persons: Sequence[Person], options: AttachOptions = ATTACH) -> list[Piece]:
    """Return the parts of a track that show one person each: a tracker follows a place, and people exchange places.

    A track is cut midway between two looks where the nearest person changes for ``options.change`` looks or more.
    """
    faces = [person.face for person in persons]
    if any(face is None for face in faces) or len(piece.looks) < 2 * options.change:
        return [piece]
    frames = sorted(piece.looks)
    cosines = np.array([[float(piece.looks[frame] @ face) for face in faces if face is not None] for frame in frames])
    runs: list[tuple[int, list[int]]] = []  # nearest person, looks
    for look, row in enumerate(cosines):
        nearest = int(row.argmax())
        if runs and row[runs[-1][0]] > row[nearest] - options.lead:
            nearest = runs[-1][0]
        if not runs or runs[-1][0] != nearest:
            runs.append((nearest, []))
        runs[-1][1].append(look)
    kept: list[tuple[int, list[int]]] = []
    for nearest, looks in runs:
        if kept and (len(looks) < options.change or kept[-1][0] == nearest):
            kept[-1][1].extend(looks)
        else:
            kept.append((nearest, looks))
    cuts = [(frames[one[-1]] + frames[other[0]]) // 2 for (_, one), (_, other) in pairwise(kept)]
    edges = [piece.face.first, *(cut + 1 for cut in cuts), piece.face.last + 1]
    return [piece.cut(first, after - 1) for first, after in pairwise(edges)]


def attach(
    pieces: Sequence[Piece], persons: Sequence[Person], size: tuple[int, int], options: AttachOptions = ATTACH
) -> list[int]:
    """Return the person of every piece, -1 for none.

    Each round assigns at most one piece to a person so that the sum of cosines and places is largest (Hungarian
    method). Rounds go on with the pieces that are left, as long as they don't overlap in time with what the person has
    already.

    Args:
        pieces: with boxes in pixels.
        persons: those of the sample.
        size: width and height of the frame.
        options: limits.
    """
    from scipy.optimize import linear_sum_assignment

    owner = [-1] * len(pieces)
    while left := [number for number, person in enumerate(owner) if person < 0]:
        weight = np.full((len(persons), len(left)), -1.0)
        for row, person in enumerate(persons):
            mine = [pieces[number] for number, one in enumerate(owner) if one == row]
            for column, number in enumerate(left):
                fit = _fit(pieces[number], person, mine, size, options)
                if fit is not None:
                    weight[row, column] = fit
        # A pair that may not be is worth nothing, so that it never keeps out one that may.
        rows, columns = linear_sum_assignment(np.where(weight < 0, 0.0, weight + 1e-6), maximize=True)
        found = [
            (int(row), left[column]) for row, column in zip(rows, columns, strict=True) if weight[row, column] >= 0
        ]
        if not found:
            break
        for row, number in found:
            owner[number] = row
    return owner


def _fit(
    piece: Piece, person: Person, mine: Sequence[Piece], size: tuple[int, int], options: AttachOptions
) -> float | None:
    """Return cosine plus weighted place, at least 0, or ``None`` where the piece can't show the person."""
    face = piece.face
    if any(face.first <= other.face.last and other.face.first <= face.last for other in mine):
        return None
    identity = _cosine(piece, person)
    place = _place(face, person, mine, size, options)
    if (identity is None or identity < options.least_identity) and place < options.least_place:
        return None
    return place if identity is None else max(0.0, identity + options.place_weight * place)


def _cosine(piece: Piece, person: Person) -> float | None:
    if person.face is None or not piece.looks:
        return None
    return float(np.mean([look @ person.face for look in piece.looks.values()]))


def _place(
    face: FaceTrack, person: Person, mine: Sequence[Piece], size: tuple[int, int], options: AttachOptions
) -> float:
    """Return 1 where a track starts inside the person's box, or where the person was seen last, 0 far from there."""
    centre = _centre(face.boxes[0])
    if mine:
        nearest = min(mine, key=lambda other: abs(other.face.first - face.first))
        before = nearest.face.last < face.first
        goal = np.tile(_centre(nearest.face.boxes[-1 if before else 0]), 2)
        centre = centre if before else _centre(face.boxes[-1])
    elif person.box is not None and face.first <= options.start:
        goal = person.box
    else:
        return 0.0
    outside = np.maximum(np.maximum(goal[:2] - centre, centre - goal[2:]), 0.0)
    return max(0.0, 1.0 - float(np.hypot(*outside) / np.hypot(*size)) / options.near)


def _centre(box: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((box[:2] + box[2:]) / 2)
