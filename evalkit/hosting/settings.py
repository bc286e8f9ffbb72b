"""What a scoring program knows: ``settings.json`` beside the challenge, written with a bundle, read where it runs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evalkit._version import __version__
from evalkit.challenges.model import Challenge, parse_challenge
from evalkit.errors import ChallengeError, InputError, MachineError
from evalkit.jsonio import parse_json
from evalkit.model_faults import first_fault
from evalkit.weights.manifest import Backbones, load_backbones
from evalkit.yamlio import read_text

SETTINGS_FILE, CHALLENGE_FILE, BACKBONES_FILE = "settings.json", "challenge.yaml", "backbones.yaml"


class Settings(BaseModel):
    """How a bundle scores.

    Args:
        schema: version of the file's format.
        evalkit: the version with which the bundle was made; another one may have other numbers.
        backbones: a set's name, or ``backbones.yaml`` for the file beside the settings.
        seconds: for a submission, from the start of the program to its end.
        details: whether participants get a page with every video.
        split: codename of the dataset split, on EvalAI.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_: int = Field(1, alias="schema", ge=1, le=1)
    evalkit: str
    backbones: str = Field(min_length=1)
    seconds: float = Field(gt=0, allow_inf_nan=False)
    details: bool = True
    split: str = "test"

    def to_bytes(self) -> bytes:
        """Return the file."""
        return (json.dumps(self.model_dump(mode="json", by_alias=True), indent=1) + "\n").encode()


@dataclass(frozen=True)
class Program:
    """A bundle's settings, its challenge and its backbones, as the scoring program has them."""

    settings: Settings
    challenge: Challenge
    backbones: Backbones


def load_program(folder: Path) -> Program:
    """Read what lies beside a scoring program.

    Raises:
        InputError: when the settings are damaged.
        MachineError: when another version of evalkit is installed than the one that the bundle asks for.
        EvalkitError: when the challenge or the set of backbones can't be read.
    """
    place = folder / SETTINGS_FILE
    text = read_text(place, kind=InputError, what="The settings file")
    try:
        settings = Settings.model_validate(parse_json(text, finite=True))
    except ValidationError as error:
        raise InputError(f"{place} is damaged: {first_fault(Settings, error)}") from None
    except ValueError as error:
        raise InputError(f"{place} is not JSON.", found=str(error)) from None
    if settings.evalkit != __version__:
        raise MachineError(
            "Another version of evalkit is installed than the bundle asks for.",
            found=__version__,
            expected=settings.evalkit,
            fix="Build the image of this bundle, or make the bundle again.",
        )
    rules = folder / CHALLENGE_FILE
    challenge = parse_challenge(read_text(rules, kind=ChallengeError, what="The challenge file"), str(rules))
    own = folder / BACKBONES_FILE
    weights = load_backbones(own if settings.backbones == BACKBONES_FILE else settings.backbones)
    return Program(settings, challenge, weights)
