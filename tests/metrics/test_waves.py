"""Waves that run through a picture: found over stills and over faces that move, and in nothing that moves otherwise."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from evalkit.metrics.gaming.waves import LEAST_PAIRS, WAVING, wave_share

ROW, COLUMN = np.mgrid[:64, :64].astype(np.float32)


def photo(seed: int = 0) -> np.ndarray:
    """Return a picture (64, 64) with soft structure everywhere."""
    noise = np.random.default_rng(seed).normal(0, 1, (64, 64)).astype(np.float32)
    return 128 + 90 * (cv2.GaussianBlur(noise, (0, 0), 2) / cv2.GaussianBlur(noise, (0, 0), 2).std() / 3)


def waving(picture: np.ndarray, time: float, size: float, along: float = 90.0, to: float = 0.0, periods: float = 3):
    """Return the picture bent by up to ``size`` points towards ``to`` by two waves that run towards ``along``."""
    run, bend = np.radians(along), np.radians(to)
    place = periods * (COLUMN * np.cos(run) + ROW * np.sin(run)) / 64
    moved = size * (np.sin(2 * np.pi * (place + time)) + np.sin(2 * np.pi * (place - time / 1.7))) / 2
    x, y = (np.float32(axis + moved * part) for axis, part in ((COLUMN, np.cos(bend)), (ROW, np.sin(bend))))
    return cv2.remap(picture.astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def film(picture: np.ndarray, size: float, seconds: float = 4, **more: float) -> np.ndarray:
    return np.stack([waving(picture, at / 10, size, **more) for at in range(round(10 * seconds))])


def head(at: int) -> np.ndarray:
    """Return a wall before which a textured disc sways and turns, with a mouth that opens."""
    centre = 32 + 5 * np.sin(at / 4), 34 + 2 * np.sin(at / 5)
    matrix = cv2.getRotationMatrix2D((32, 32), 8 * float(np.sin(at / 6)), 1)
    matrix[:, 2] += centre[0] - 32, centre[1] - 32
    face = cv2.warpAffine(photo(7), matrix, (64, 64), borderMode=cv2.BORDER_REFLECT_101)
    cv2.ellipse(face, (round(centre[0]), round(centre[1]) + 10), (6, 1 + int(3 + 3 * np.sin(at))), 0, 0, 360, 30, -1)
    inside = np.hypot((COLUMN - centre[0]) / 18, (ROW - centre[1]) / 24) < 1
    return np.where(inside, face, photo(8))


@pytest.mark.parametrize("size", [0.3, 1.0, 2.0])
@pytest.mark.parametrize(("along", "to"), [(90, 0), (90, 90), (0, 90), (45, 0), (135, 45)])
def test_waves_over_a_still(size, along, to):
    assert wave_share(film(photo(), size, along=along, to=to)) > WAVING


def test_waves_with_a_mouth_that_moves():
    frames = film(photo(), 1.0)
    for at, frame in enumerate(frames):
        cv2.ellipse(frame, (32, 44), (5, 2 + int(2 * np.sin(at / 3))), 0, 0, 360, 60, -1)
    assert wave_share(frames) > WAVING


def test_what_moves_otherwise():
    heads = np.stack([head(at) for at in range(40)])
    noise = photo() + np.random.default_rng(1).normal(0, 8, (40, 64, 64))
    shifted = np.stack([np.roll(photo(), (at % 5, at % 3), axis=(0, 1)) for at in range(40)])
    lit = np.stack([photo() + 10 * np.sin(at / 3) for at in range(40)])
    zoom = np.stack(
        [cv2.warpAffine(photo(), cv2.getRotationMatrix2D((32, 32), at, 1 + at / 80), (64, 64)) for at in range(40)]
    )
    for frames in (heads, noise, shifted, lit, zoom):
        assert wave_share(frames) < WAVING / 2


def test_what_says_nothing():
    assert wave_share(film(photo(), 1.0)[:LEAST_PAIRS]) == 0.0  # too short
    assert wave_share(film(photo(), 1.0)[: LEAST_PAIRS + 1]) > WAVING
    assert wave_share(np.repeat(photo()[None], 40, axis=0)) == 0.0  # still
    assert wave_share(np.zeros((40, 64, 64))) == wave_share(np.empty((0, 64, 64))) == 0.0
