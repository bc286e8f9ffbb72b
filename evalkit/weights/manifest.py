"""A set of backbones as YAML: role -> file, digest, input convention, licence, citation, where to get it."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator

from evalkit.errors import InputError, UsageError, did_you_mean
from evalkit.yamlio import is_there, parse_yaml, read_text, validate_model

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Url = Annotated[str, Field(pattern=r"^https?://[^\s]+$")]

# How a digest is known (docs/definitions/weights.md#how-a-digest-is-known).
DigestClass = Literal["computed", "published", "single", "prefix", "none"]
DIGEST_WORDS: Mapping[str, str] = {
    "computed": "computed from the file",
    "published": "published by two sources",
    "single": "published by one source",
    "prefix": "first digits only, from the file's name",
    "none": "not known",
}


class _ManifestPart(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ArchiveEntry(_ManifestPart):
    """A ZIP that holds weights files.

    Args:
        sha256: its pinned digest.
        bytes: its size.
        urls: where it can be had, in the order to try.
    """

    sha256: Sha256
    bytes: int = Field(ge=1)
    urls: tuple[Url, ...] = ()


class WeightEntry(_ManifestPart):
    """One weights file.

    Args:
        file: its name in the weights folder.
        sha256: its pinned digest; absent for the digest classes ``prefix`` and ``none``.
        sha256_prefix: the first digits of its digest, when no more is known.
        digest: how the digest is known. Where it is not said: ``computed`` with a digest, ``prefix``
            with its first digits, else ``none``.
        bytes: its size.
        options: what the extractor must know of it (input size, thresholds); changes the result.
        licence: under which it may be used.
        noncommercial: whether the licence forbids commercial use.
        citation: the work to cite.
        archive: the ZIP of the set's ``archives`` that holds it under its name, in any folder; tried before ``urls``.
        urls: where it can be had, in the order to try.
    """

    file: FileName
    sha256: Sha256 | None = None
    sha256_prefix: str | None = Field(None, pattern=r"^[0-9a-f]{4,63}$")
    digest: DigestClass = "computed"
    bytes: int | None = Field(None, ge=1)
    options: dict[str, Any] = Field(default_factory=dict)
    licence: str
    noncommercial: bool = False
    citation: str = ""
    archive: FileName | None = None
    urls: tuple[Url, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _class_of_a_silent_entry(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "digest" in value:
            return value
        known = "computed" if value.get("sha256") else "prefix" if value.get("sha256_prefix") else "none"
        return {**value, "digest": known}

    @model_validator(mode="after")
    def _digest_fits_its_class(self) -> WeightEntry:
        rules = {
            "prefix": ((False, True), "'sha256_prefix' and no 'sha256'"),
            "none": ((False, False), "neither 'sha256' nor 'sha256_prefix'"),
        }
        fits, wanted = rules.get(self.digest, ((True, False), "'sha256' and no 'sha256_prefix'"))
        if (self.sha256 is not None, self.sha256_prefix is not None) != fits:
            raise ValueError(f"the digest class '{self.digest}' goes with {wanted}")
        return self

    @model_validator(mode="after")
    def _programs_are_pinned(self) -> WeightEntry:
        if self.options.get("format") == "torchscript" and self.sha256 is None:
            raise ValueError("a TorchScript file is a program: it needs its 'sha256'")
        return self

    @property
    def first_use(self) -> bool:
        """Whether the first file seen is trusted, because the digest is not known in full."""
        return self.digest in {"prefix", "none"}

    @property
    def digest_text(self) -> str:
        """What is known of the digest, for messages."""
        if self.sha256:
            return f"SHA-256 {self.sha256}"
        return f"SHA-256 {self.sha256_prefix}..." if self.sha256_prefix else "a SHA-256 that is not known"

    @property
    def licence_text(self) -> str:
        """The licence, and plainly whether commercial use is forbidden."""
        if not self.noncommercial or "non-commercial" in self.licence.lower():
            return self.licence
        return f"{self.licence} (non-commercial use only)"


class Backbones(_ManifestPart):
    """A named set of backbones; scorecards of different sets never meet on one leaderboard.

    Args:
        name, title: of the set.
        packaged: whether its files come with evalkit itself; of built-in sets only.
        archives: ZIPs that hold several of the files.
        roles: role -> file.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str
    packaged: bool = False
    archives: dict[FileName, ArchiveEntry] = Field(default_factory=dict)
    roles: dict[str, WeightEntry]

    _place: str | None = PrivateAttr(None)

    @field_validator("roles")
    @classmethod
    def _one_digest_per_file(cls, value: dict[str, WeightEntry]) -> dict[str, WeightEntry]:
        digests: dict[str, tuple[str | None, str | None]] = {}
        for entry in value.values():
            digest = (entry.sha256, entry.sha256_prefix)
            if digests.setdefault(entry.file, digest) != digest:
                raise ValueError(f"the file '{entry.file}' is pinned to two digests")
        return value

    @model_validator(mode="after")
    def _archives_are_there(self) -> Backbones:
        for role, entry in self.roles.items():
            if entry.archive is not None and entry.archive not in self.archives:
                raise ValueError(f"'{role}' comes out of '{entry.archive}', which is not among the archives")
            if entry.file in self.archives:
                raise ValueError(f"'{entry.file}' is both a file and an archive")
        return self

    @property
    def sha256(self) -> str:
        """Digest of what decides the numbers: each role's file digest and options.

        A file whose digest is not known in full counts with what is known of it; see `pinned`.
        """
        content = {
            role: [entry.sha256 or f"first-use:{entry.sha256_prefix or ''}", entry.options]
            for role, entry in self.roles.items()
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def place(self) -> str:
        """What to give to ``--backbones`` for this set: its name, or its file."""
        return self._place or self.name

    def pinned(self, digests: Mapping[str, str]) -> Backbones:
        """Return this set with the digests (role -> SHA-256) of files that were trusted on first use.

        The entries keep their digest class, and `sha256` counts the digests, so that two machines that trusted
        different files never share a cache entry or a leaderboard.
        """
        late = {role: entry for role, entry in self.roles.items() if entry.first_use and role in digests}
        if not late:
            return self
        known = {role: entry.model_copy(update={"sha256": digests[role]}) for role, entry in late.items()}
        return self.model_copy(update={"roles": {**self.roles, **known}})

    def command(self, verb: str, words: str) -> str:
        """Return the command line ``evalkit weights VERB WORDS`` for this set."""
        chosen = "" if self.place == "published" else f" --backbones {shlex.quote(self.place)}"
        return f"evalkit weights {verb} {words}".rstrip() + chosen


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
        if backbones.packaged:
            raise InputError(f"{path} says 'packaged', which is for sets that come with evalkit.", fix="Leave it out.")
        if backbones.name in known:
            raise InputError(
                f"{path} calls itself '{backbones.name}', which is a built-in set.", fix="Give it a name of its own."
            )
        backbones._place = str(path)
        return backbones
    raise UsageError(
        f"There is no set of backbones '{name}'.{did_you_mean(str(name), known)}",
        expected=f"the path of a YAML file, or one of {', '.join(known)}",
    )
