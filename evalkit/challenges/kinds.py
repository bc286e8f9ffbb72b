"""The kinds of submission: what one file of a submission is, how it is called, and where it lies by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Kind = Literal["video", "audio", "motion", "scores"]


@dataclass(frozen=True)
class KindWords:
    """How a kind is called in messages, and how its files are named.

    Args:
        file: one of its files, as in "3 videos": plural by an s.
        files: what is submitted, in the plural.
        layouts: where the files are, unless the challenge says it.
        suffixes: endings of such files besides those of the challenge's layouts, without the dot.
    """

    file: str
    files: str
    layouts: tuple[str, ...]
    suffixes: tuple[str, ...] = ()


KINDS: Mapping[Kind, KindWords] = MappingProxyType(
    {
        "video": KindWords("video", "videos", ("{id}.mp4",)),
        "audio": KindWords(
            "audio file", "audio files", ("{id}.wav", "{id}.flac"), ("wav", "flac", "mp3", "m4a", "ogg")
        ),
        "motion": KindWords("motion file", "files of motion coefficients", ("{id}.npy", "{id}.npz"), ("npy", "npz")),
        "scores": KindWords("score", "tables of scores", ("{id}.csv",), ("csv", "tsv")),
    }
)
