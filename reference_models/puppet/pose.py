"""The pose of a puppet in one frame."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pose:
    """One frame of a performance. Angles in radians, positive to the viewer's right, down and clockwise.

    Args:
        yaw, pitch, roll: of the head.
        x, y: shift of the head as shares of the face's half height.
        zoom: size factor.
        jaw: how far the jaw is open, 0..1.
        gap: how far the lips are apart, 0..1.
        wide: lips spread, -1..1.
        pucker: lips rounded, 0..1.
        press: lips pressed together, 0..1.
        tongue: how far the tongue is up, 0..1.
        smile: corners of the mouth up, -1..1.
        brows: raised, -1..1.
        frown: brows drawn together, 0..1.
        blink: lids closed, 0..1.
        squint: eyes narrowed, 0..1.
        gaze_x, gaze_y: direction of the eyes, -1..1.
        hand: how far a hand is raised, 0 (out of sight) to 1.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    x: float = 0.0
    y: float = 0.0
    zoom: float = 1.0
    jaw: float = 0.0
    gap: float = 0.0
    wide: float = 0.0
    pucker: float = 0.0
    press: float = 0.0
    tongue: float = 0.0
    smile: float = 0.0
    brows: float = 0.0
    frown: float = 0.0
    blink: float = 0.0
    squint: float = 0.0
    gaze_x: float = 0.0
    gaze_y: float = 0.0
    hand: float = 0.0
