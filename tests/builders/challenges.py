"""Challenges for tests."""

from __future__ import annotations

from evalkit.challenges.model import Challenge, parse_challenge

PRESETS = [
    "celebdfpp-gf",
    "celebdfpp-gfd",
    "celebdfpp-gfq",
    "dualtalk",
    "dub-hdtf",
    "dub-lrs2",
    "facevid1k-i2v",
    "facevid1k-t2v",
    "facevid1k-uncond",
    "ipvg2025-facial",
    "ipvg2025-fullbody",
    "ipvg2026-facial",
    "ipvg2026-sequential",
    "leakage",
    "lip-to-speech",
    "lip-to-speech-video",
    "mmasia2025-talking-head",
    "multitalk",
    "synctalkpp",
    "talking-head",
    "talkingheadbench-p1",
    "talkingheadbench-p2",
    "talkingheadbench-p3",
    "theval",
]


def challenge(text: str = "") -> Challenge:
    return parse_challenge("id: mine\ntitle: Mine\n" + text, "mine.yaml")
