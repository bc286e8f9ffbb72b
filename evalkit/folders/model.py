"""What `evalkit distance` found, as a typed record with a versioned JSON form. Everything but ``timing`` is a function
of the files, the metrics, the backbones and the machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evalkit.errors import InputError
from evalkit.jsonio import parse_json
from evalkit.model_faults import first_fault
from evalkit.scoring.scorecard import FeatureUse, MetricScore, ScoreEvent, metric_lines
from evalkit.text import count
from evalkit.yamlio import read_text

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1
MAX_BYTES = 1 << 30


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)


class UnreadFile(_Part):
    """A file without numbers: the rule that refused it, and what was found."""

    name: str
    path: str
    rule: str
    detail: str = ""


class SideSummary(_Part):
    """One side: what was given, what could be read, and what the files are like.

    Args:
        source: folder, pattern or list, as it was given.
        files: number of videos and images.
        read: number of them that could be read to their end.
        videos, images: of those that were read.
        others: files of other kinds, which are not looked at.
        sizes: width and height as ``256x256`` -> number of files.
        frame_rates: frames per second as text -> number of videos.
        frames: least, median and largest number of frames of a video; ``None`` without one.
        seconds: length of all videos together.
        equal_files: files whose bytes are those of another one of this side.
        unread: the others.
        sha256: of the digests of all files that were read, sorted: equal for equal files under any names.
        saved: SHA-256 of the saved reference that stands for the files.
    """

    source: str
    files: int = Field(ge=0)
    read: int = Field(ge=0)
    videos: int = Field(0, ge=0)
    images: int = Field(0, ge=0)
    others: int = Field(0, ge=0)
    sizes: dict[str, int] = Field(default_factory=dict)
    frame_rates: dict[str, int] = Field(default_factory=dict)
    frames: tuple[int, float, int] | None = None
    seconds: float = 0.0
    equal_files: int = Field(0, ge=0)
    unread: tuple[UnreadFile, ...] = ()
    sha256: str | None = None
    saved: str | None = None


class PairSummary(_Part):
    """How many files have a partner of the same name, and which have none."""

    pairs: int = Field(ge=0)
    by_stem: int = Field(0, ge=0)
    only_real: tuple[str, ...] = ()
    only_generated: tuple[str, ...] = ()
    kinds_differ: tuple[str, ...] = ()


class FileScore(_Part):
    """Values of one generated file, and for each missing value the reason; metrics of the whole set are not there."""

    name: str
    path: str
    reference: str | None = None
    values: dict[str, float | None]
    reasons: dict[str, str] = Field(default_factory=dict)


class DistanceResult(_Part):
    """The result of one run.

    Args:
        real, generated: the sides.
        pairing: what the names say.
        backbones: name of the set.
        metrics: id -> number of the whole side, as scorecards have it.
        files: values per generated file, for metrics that have them.
        features: name -> version, weights, options.
        warnings: what a reader should know before using a number.
        provenance: versions and digests.
        timing: seconds; differs between runs.
    """

    schema_: Literal[1] = Field(1, alias="schema")
    kind: Literal["distance"] = "distance"
    real: SideSummary
    generated: SideSummary
    pairing: PairSummary
    backbones: str
    metrics: dict[str, MetricScore]
    files: tuple[FileScore, ...] = ()
    features: dict[str, FeatureUse] = Field(default_factory=dict)
    warnings: tuple[ScoreEvent, ...] = ()
    provenance: dict[str, Any] = Field(default_factory=dict)
    timing: dict[str, Any] = Field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every file was read and every metric has a value of everything that it was asked for."""
        full = all(score.value is not None and score.coverage >= 1 for score in self.metrics.values())
        return full and not self.real.unread and not self.generated.unread

    def __getitem__(self, name: str) -> float | None:
        """Return the value of a metric, by its id or as it was asked for."""
        asked = self.provenance.get("asked", {})
        return self.metrics[asked.get(name, name)].value

    def __repr__(self) -> str:
        values = ", ".join(f"{name} {score.value}" for name, score in self.metrics.items())
        return f"<DistanceResult: {self.generated.read} generated, {self.real.read} real files; {values}>"

    def __str__(self) -> str:
        lines = [f"{self.generated.read} generated against {self.real.read} real files, backbones {self.backbones}"]
        return "\n".join([*lines, *metric_lines(self.metrics)])

    def _repr_html_(self) -> str:
        """Show in a notebook what was compared, and the numbers."""
        from evalkit.folders.notebook import distance_fragment

        sides = (("generated", self.generated), ("real", self.real))
        said = [f"{name}: {side.source}, {side.read} of {count(side.files, 'file')} read" for name, side in sides]
        title = f"Generated against real files, backbones {self.backbones}"
        return distance_fragment(title, said, self.metrics, self.files, self.warnings)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain data for JSON."""
        return self.model_dump(mode="json", by_alias=True)

    def to_json(self) -> str:
        """Return the JSON document with its end of line."""
        return json.dumps(self.to_dict(), indent=1, sort_keys=False, allow_nan=False) + "\n"

    def to_pandas(self) -> pd.DataFrame:
        """Return a row per metric: value, interval, number of files, reason."""
        import pandas as pd

        rows = []
        for name, score in self.metrics.items():
            low, high = score.ci95 or (None, None)
            row = {"metric": name, "value": score.value, "ci95_low": low, "ci95_high": high, "n": score.n}
            rows.append({**row, "n_real": self.real.read, "reason": score.reason})
        return pd.DataFrame(rows)

    @classmethod
    def from_json(cls, text: str, source: str = "the distance result") -> DistanceResult:
        """Return the result that ``text`` contains.

        Raises:
            InputError: it is none, or has a value that can't be.
        """
        try:
            return cls.model_validate(parse_json(text, finite=True))
        except ValidationError as error:
            raise InputError(f"{source} is not a result of evalkit distance: {first_fault(cls, error)}") from None
        except ValueError as error:
            raise InputError(f"{source} is not JSON.", found=str(error)) from None

    @classmethod
    def load(cls, path: str | Path) -> DistanceResult:
        """Return the result in a file.

        Raises:
            InputError: it can't be read, or is none.
        """
        text = read_text(Path(path), kind=InputError, what="The result", limit=MAX_BYTES)
        return cls.from_json(text, str(path))
