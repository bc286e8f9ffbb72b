"""The appearance of a puppet: face, clothes and background, drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

Colour = tuple[float, float, float]

# Ten skin tones from light to dark, sRGB: the Monk Skin Tone scale, https://skintone.google
SKIN_TONES: tuple[Colour, ...] = (
    (246, 237, 228), (243, 231, 219), (247, 234, 208), (234, 218, 186), (215, 189, 150),
    (160, 126, 86), (130, 92, 67), (96, 65, 52), (58, 49, 42), (41, 36, 32),
)  # fmt: skip
TONE_WORDS = ("very light", "very light", "light", "light", "tan", "tan", "brown", "brown", "dark", "dark")
HAIR_COLOURS: dict[str, Colour] = {
    "black": (28, 24, 24), "dark brown": (58, 38, 28), "brown": (102, 68, 42), "blond": (198, 160, 92),
    "red": (152, 70, 34), "grey": (140, 138, 136), "white": (222, 220, 216),
}  # fmt: skip
HAIR_STYLES = ("bald", "short", "curly", "long", "bun", "bob")
EYE_COLOURS: dict[str, Colour] = {
    "brown": (78, 48, 28), "dark brown": (44, 28, 20), "blue": (82, 122, 168), "green": (86, 120, 78),
    "grey": (120, 128, 136), "hazel": (124, 92, 48),
}  # fmt: skip
CLOTHES: dict[str, Colour] = {
    "red": (170, 44, 44), "blue": (44, 76, 150), "green": (48, 116, 70), "black": (36, 36, 40),
    "white": (226, 224, 218), "grey": (120, 122, 126), "yellow": (212, 172, 50), "purple": (104, 58, 130),
    "orange": (212, 112, 44), "teal": (34, 122, 126),
}  # fmt: skip
COLLARS = ("t-shirt", "v-neck", "shirt", "turtleneck")
BEARDS = ("none", "stubble", "moustache", "goatee", "full beard")
GLASSES = ("none", "round", "square")
BACKGROUNDS: dict[str, Colour] = {
    "grey": (132, 134, 138), "white": (222, 222, 218), "blue": (70, 104, 152), "green": (84, 128, 92),
    "beige": (196, 178, 148), "dark": (44, 46, 54), "pink": (206, 150, 160),
}  # fmt: skip
ROOMS = ("plain", "gradient", "blobs", "stripes")


@dataclass(frozen=True)
class Look:
    """The appearance of a puppet.

    Shapes are factors about 1 or shares of the face's half height; colours are sRGB 0..255.
    """

    seed: int
    tone: float
    warmth: float
    width: float
    jaw: float
    chin: float
    eye_distance: float
    eye_size: float
    eye_tilt: float
    eye_height: float
    eye_colour: str
    brow_thickness: float
    brow_height: float
    brow_tilt: float
    nose_width: float
    nose_length: float
    mouth_width: float
    upper_lip: float
    lower_lip: float
    mouth_height: float
    ears: float
    hair: str
    hair_colour: str
    hairline: float
    beard: str
    age: float
    glasses: str
    lipstick: float
    freckles: float
    clothes: str
    collar: str
    background: str
    room: str
    light_x: float
    light_y: float
    light_strength: float
    light_warmth: float

    @property
    def skin(self) -> Colour:
        """The skin's colour."""
        low = int(min(self.tone, 8.999))
        share = self.tone - low
        warm = (6 * self.warmth, 0.0, -8 * self.warmth)
        mixed = (a + share * (b - a) + w for a, b, w in zip(SKIN_TONES[low], SKIN_TONES[low + 1], warm, strict=True))
        # Under the lamp the lightest tones would become white and the darkest black: the scale is compressed a little.
        red, green, blue = (
            min(255.0, max(0.0, 14 + 0.88 * value + blush)) for value, blush in zip(mixed, (6, -6, -10), strict=True)
        )
        return red, green, blue


def make_look(seed: int, **fixed: Any) -> Look:
    """Return the appearance of puppet ``seed``, every attribute drawn independently; ``fixed`` ones as given.

    Only raw uniform numbers are drawn: NumPy guarantees that their stream is the same in every version.
    """
    rng = np.random.Generator(np.random.PCG64([seed, 0x10CF]))
    draws = {field.name: float(rng.random()) for field in fields(Look) if field.name != "seed"}

    def span(name: str, low: float, high: float) -> float:
        return low + (high - low) * draws[name]

    def pick(name: str, choices: Any) -> str:
        names = list(choices)
        return str(names[min(int(draws[name] * len(names)), len(names) - 1)])

    age = draws["age"]
    hair_colour = pick("hair_colour", list(HAIR_COLOURS)[:5] if age < 0.6 else list(HAIR_COLOURS))
    values: dict[str, Any] = {
        "tone": span("tone", 0.0, 9.0),
        "warmth": span("warmth", -1.0, 1.0),
        "width": span("width", 0.88, 1.1),
        "jaw": span("jaw", 0.82, 1.12),
        "chin": span("chin", 0.92, 1.08),
        "eye_distance": span("eye_distance", 0.30, 0.37),
        "eye_size": span("eye_size", 0.85, 1.2),
        "eye_tilt": span("eye_tilt", -0.16, 0.2),
        "eye_height": span("eye_height", -0.16, -0.04),
        "eye_colour": pick("eye_colour", EYE_COLOURS),
        "brow_thickness": span("brow_thickness", 0.6, 1.5),
        "brow_height": span("brow_height", 0.17, 0.26),
        "brow_tilt": span("brow_tilt", -0.3, 0.3),
        "nose_width": span("nose_width", 0.78, 1.35),
        "nose_length": span("nose_length", 0.85, 1.15),
        "mouth_width": span("mouth_width", 0.85, 1.2),
        "upper_lip": span("upper_lip", 0.6, 1.5),
        "lower_lip": span("lower_lip", 0.7, 1.6),
        "mouth_height": span("mouth_height", 0.54, 0.62),
        "ears": span("ears", 0.8, 1.25),
        "hair": pick("hair", HAIR_STYLES),
        "hair_colour": hair_colour,
        "hairline": span("hairline", -0.72, -0.5),
        "beard": pick("beard", ("none",) * 5 + BEARDS[1:]),
        "age": age,
        "glasses": pick("glasses", ("none",) * 4 + GLASSES[1:]),
        "lipstick": max(0.0, span("lipstick", -1.0, 1.0)),
        "freckles": max(0.0, span("freckles", -2.0, 1.0)),
        "clothes": pick("clothes", CLOTHES),
        "collar": pick("collar", COLLARS),
        "background": pick("background", BACKGROUNDS),
        "room": pick("room", ROOMS),
        "light_x": span("light_x", -0.9, 0.9),
        "light_y": span("light_y", -0.8, 0.1),
        "light_strength": span("light_strength", 0.25, 0.6),
        "light_warmth": span("light_warmth", -1.0, 1.0),
    }
    return Look(seed=seed, **{**values, **fixed})
