"""Phonemes: their acoustics, their mouth shapes, and random utterances of them.

Vowel formants are the means of adult men of Peterson and Barney, "Control Methods Used in a Study of the Vowels", JASA
24, 1952; the other figures are round numbers in the usual ranges.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["vowel", "nasal", "glide", "fricative", "stop", "silence"]


@dataclass(frozen=True)
class Phoneme:
    """One speech sound.

    Args:
        kind: manner of articulation.
        seconds: usual length.
        formants: the first three resonances in Hz; of a consonant, what those of neighbouring vowels move
            towards.
        voiced: whether the vocal folds vibrate.
        hiss: centre of its noise in Hz, 0 for none.
        gap, jaw, wide, pucker, press, tongue: the mouth, as in `Pose`.
        hold: weight of its mouth shape relative to its neighbours in coarticulation.
    """

    kind: Kind
    seconds: float
    formants: tuple[float, float, float]
    voiced: bool
    hiss: float
    gap: float
    jaw: float
    wide: float = 0.0
    pucker: float = 0.0
    press: float = 0.0
    tongue: float = 0.0
    hold: float = 1.0


def _vowel(formants: tuple[float, float, float], gap: float, jaw: float, wide: float, pucker: float) -> Phoneme:
    return Phoneme("vowel", 0.13, formants, True, 0.0, gap, jaw, wide, pucker, hold=1.0 + pucker)


PHONEMES: dict[str, Phoneme] = {
    "sil": Phoneme("silence", 0.25, (500, 1500, 2500), False, 0.0, 0.0, 0.0, hold=0.8),
    "aa": _vowel((730, 1090, 2440), 0.90, 0.95, 0.10, 0.0),
    "ae": _vowel((660, 1720, 2410), 0.72, 0.75, 0.50, 0.0),
    "ah": _vowel((640, 1190, 2390), 0.52, 0.55, 0.05, 0.0),
    "ao": _vowel((570, 840, 2410), 0.65, 0.65, 0.0, 0.50),
    "eh": _vowel((530, 1840, 2480), 0.50, 0.48, 0.40, 0.0),
    "er": _vowel((490, 1350, 1690), 0.32, 0.30, 0.0, 0.35),
    "ih": _vowel((390, 1990, 2550), 0.32, 0.25, 0.40, 0.0),
    "iy": _vowel((270, 2290, 3010), 0.22, 0.15, 0.80, 0.0),
    "uh": _vowel((440, 1020, 2240), 0.34, 0.32, 0.0, 0.50),
    "uw": _vowel((300, 870, 2240), 0.20, 0.18, 0.0, 1.0),
    "m": Phoneme("nasal", 0.08, (280, 1000, 2100), True, 0.0, 0.0, 0.08, press=0.5, hold=8.0),
    "n": Phoneme("nasal", 0.07, (280, 1700, 2600), True, 0.0, 0.18, 0.15, tongue=0.7, hold=1.2),
    "w": Phoneme("glide", 0.07, (300, 610, 2200), True, 0.0, 0.10, 0.12, pucker=1.0, hold=3.0),
    "r": Phoneme("glide", 0.07, (310, 1060, 1380), True, 0.0, 0.20, 0.20, pucker=0.5, hold=1.3),
    "l": Phoneme("glide", 0.07, (360, 1300, 2700), True, 0.0, 0.30, 0.25, tongue=1.0, hold=1.2),
    "y": Phoneme("glide", 0.06, (260, 2200, 3000), True, 0.0, 0.20, 0.12, wide=0.6, hold=1.3),
    "f": Phoneme("fricative", 0.10, (340, 1100, 2080), False, 5500, 0.07, 0.10, press=0.25, hold=5.0),
    "v": Phoneme("fricative", 0.07, (280, 1100, 2080), True, 5000, 0.07, 0.10, press=0.25, hold=5.0),
    "s": Phoneme("fricative", 0.11, (320, 1390, 2530), False, 6300, 0.14, 0.06, wide=0.45, hold=2.0),
    "z": Phoneme("fricative", 0.08, (280, 1390, 2530), True, 6000, 0.14, 0.06, wide=0.45, hold=2.0),
    "sh": Phoneme("fricative", 0.11, (300, 1840, 2750), False, 3300, 0.24, 0.08, pucker=0.75, hold=2.5),
    "th": Phoneme("fricative", 0.09, (320, 1290, 2540), False, 5000, 0.20, 0.15, tongue=0.9, hold=1.8),
    "p": Phoneme("stop", 0.09, (400, 800, 2100), False, 1200, 0.0, 0.08, press=0.6, hold=8.0),
    "b": Phoneme("stop", 0.07, (250, 800, 2100), True, 900, 0.0, 0.08, press=0.6, hold=8.0),
    "t": Phoneme("stop", 0.08, (350, 1800, 2600), False, 4500, 0.16, 0.10, tongue=0.7, hold=1.3),
    "d": Phoneme("stop", 0.06, (250, 1700, 2600), True, 4000, 0.16, 0.12, tongue=0.7, hold=1.3),
    "k": Phoneme("stop", 0.08, (350, 1900, 2500), False, 2200, 0.24, 0.22),
    "g": Phoneme("stop", 0.06, (250, 1900, 2500), True, 2000, 0.24, 0.22),
}
VOWELS = tuple(name for name, sound in PHONEMES.items() if sound.kind == "vowel")
CONSONANTS = tuple(name for name, sound in PHONEMES.items() if sound.kind not in {"vowel", "silence"})
ENDINGS = ("", "", "", "n", "m", "s", "l", "t", "k")


@dataclass(frozen=True)
class SpokenPhoneme:
    """A phoneme in an utterance: from ``start`` to ``end`` seconds; ``stress`` about 1."""

    name: str
    start: float
    end: float
    stress: float = 1.0

    @property
    def phoneme(self) -> Phoneme:
        """What it is."""
        return PHONEMES[self.name]


def utterance(seed: int, seconds: float, rate: float = 1.0) -> list[SpokenPhoneme]:
    """Return made-up words that fill ``seconds``: silence at both ends, pauses between groups of words.

    Args:
        seed: of the words.
        seconds: length; the last sound ends there exactly.
        rate: of speech, 1 being about five syllables a second.
    """
    rng = np.random.Generator(np.random.PCG64([seed, 0x5EEC]))
    spoken: list[SpokenPhoneme] = []
    clock = 0.0
    last = seconds - 0.12

    def say(name: str, length: float, stress: float = 1.0) -> None:
        nonlocal clock
        end = min(clock + length, last)
        if end > clock:
            spoken.append(SpokenPhoneme(name, clock, end, stress))
        clock = end

    def draw(names: tuple[str, ...]) -> str:
        return names[min(int(rng.random() * len(names)), len(names) - 1)]

    say("sil", 0.06 + 0.14 * rng.random())
    while clock < last:
        for _ in range(1 + int(3 * rng.random())):
            for syllable in range(1 + int(3 * rng.random())):
                stress = 1.25 if syllable == 0 else 0.85
                length = (0.8 + 0.45 * rng.random()) / rate
                names = (draw(CONSONANTS), draw(VOWELS), draw(ENDINGS))
                for name in names:
                    if name and clock < last:
                        say(name, PHONEMES[name].seconds * length * (stress if name in VOWELS else 1.0), stress)
        if rng.random() < 0.6:
            say("sil", min(0.10 + 0.25 * rng.random(), max(0.0, last - clock)))
    spoken.append(SpokenPhoneme("sil", clock, seconds))
    return spoken
