"""A set of backbones as YAML: role -> file, digest, input convention, licence, citation, URLs."""

from __future__ import annotations

import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from evalkit.errors import InputError, UsageError, did_you_mean
from evalkit.yamlio import is_there, parse_yaml, read_text, validate_model

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WeightEntry(_Part):
    """One weights file.

    Args:
        file: its name in the weights folder.
        sha256: its pinned digest.
        bytes: its size, for messages.
        options: what the extractor must know of it (input size, thresholds); changes the result.
        licence: under which it may be used.
        noncommercial: whether the licence forbids commercial use.
        citation: whom to cite.
        urls: where it can be had, in the order to try.
    """

    file: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    sha256: Sha256
    bytes: int | None = Field(None, ge=1)
    options: dict[str, Any] = Field(default_factory=dict)
    licence: str
    noncommercial: bool = False
    citation: str = ""
    urls: tuple[str, ...] = ()


class Backbones(_Part):
    """A named set of backbones; scorecards of different sets never meet on one leaderboard."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str
    roles: dict[str, WeightEntry]

    @field_validator("roles")
    @classmethod
    def _one_digest_per_file(cls, value: dict[str, WeightEntry]) -> dict[str, WeightEntry]:
        digests: dict[str, str] = {}
        for entry in value.values():
            if digests.setdefault(entry.file, entry.sha256) != entry.sha256:
                raise ValueError(f"the file '{entry.file}' is pinned to two digests")
        return value

    @property
    def sha256(self) -> str:
        """Digest of what decides the numbers: each role's file digest and options."""
        content = {role: [entry.sha256, entry.options] for role, entry in self.roles.items()}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def builtin_names() -> list[str]:
    """Return the names of the built-in sets, sorted."""
    folder = resources.files("evalkit") / "weights"
    return sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml"))


def load_backbones(name: str | Path) -> Backbones:
    """Return a built-in set by name, or one from a YAML file.

    Raises:
        UsageError: when there is no such set.
        InputError: when the file does not describe one, or takes the name of a built-in one.
    """
    known = builtin_names()
    if str(name) in known:
        text = (resources.files("evalkit") / "weights" / f"{name}.yaml").read_text(encoding="utf-8")
        return validate_model(Backbones, parse_yaml(text, f"backbones {name}"))
    path = Path(name)
    if is_there(path) or path.suffix in {".yaml", ".yml"}:
        text = read_text(path, kind=UsageError, what="The backbones file")
        backbones = validate_model(Backbones, parse_yaml(text, str(path)))
        if backbones.name in known:
            raise InputError(
                f"{path} calls itself '{backbones.name}', which is a built-in set.", fix="Give it a name of its own."
            )
        return backbones
    raise UsageError(
        f"There is no set of backbones '{name}'.{did_you_mean(str(name), known)}",
        expected=f"the path of a YAML file, or one of {', '.join(known)}",
    )
