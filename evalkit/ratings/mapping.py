"""A mapping: the small YAML file that says which column of a rating file is what.

No key is required where the format is recognized and the columns have the usual names::

    format: wide
    rater: Your code
    at: Timestamp
    zone: Europe/Berlin
    pattern: 'Clip (?P<item>[0-9]+): (?P<dimension>.+)'
    dimensions: {Lip sync: lip_sync}
    values: {Excellent: 5, Bad: 1}
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from evalkit.errors import InputError
from evalkit.ratings.format_registry import format_names
from evalkit.ratings.table import FileForm, text_encoding
from evalkit.ratings.times import parse_zone
from evalkit.yamlio import parse_yaml, read_text, validate_model

GROUPS = frozenset({"item", "dimension"})


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Constants(_Part):
    """What is the same in every row, for a file that does not say it.

    Args:
        rater, item, dimension: the value of the column that the file lacks.
    """

    rater: str | None = Field(None, min_length=1)
    item: str | None = Field(None, min_length=1)
    dimension: str | None = Field(None, min_length=1)


class CommonMapping(_Part):
    """What the mappings of ratings and of comparisons have in common.

    Args:
        rater, dimension: columns (in JSON: keys, with dots into nested objects).
        at, started_at: columns of times; ``at`` is when the answer was handed in.
        seconds: column of the time spent, in seconds.
        status: column of the platform's word for the answer, such as ``Approved``.
        zone: where the times were, for times that don't say.
        time_format: directives of ``strptime``, for times in another form; ``%z`` reads an offset.
        constants: values for columns that the file lacks.
        dimensions: a name in the file (cell, column, or part of a header) -> the challenge's dimension.
        values: label -> number.
        missing: cells that mean "no answer", besides the empty one.
        ignore: columns that are not ratings.
        encoding: how the text is written, such as ``gbk``, ``shift_jis`` or ``cp1252``, where it is neither UTF-8 nor
            UTF-16; never guessed.
        sheet: the sheet of a workbook; else the first that is visible and not blank.
    """

    rater: str | None = Field(None, min_length=1)
    dimension: str | None = Field(None, min_length=1)
    at: str | None = Field(None, min_length=1)
    started_at: str | None = Field(None, min_length=1)
    seconds: str | None = Field(None, min_length=1)
    status: str | None = Field(None, min_length=1)
    zone: str | None = None
    time_format: str | None = None
    constants: Constants = Constants()
    dimensions: dict[str, str] = Field(default_factory=dict)
    values: dict[str, float] = Field(default_factory=dict)
    missing: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    encoding: str | None = None
    sheet: str | None = Field(None, min_length=1)

    @field_validator("encoding")
    @classmethod
    def _an_encoding(cls, value: str | None) -> str | None:
        if value is not None:
            text_encoding(value)
        return value

    @field_validator("zone")
    @classmethod
    def _a_zone(cls, value: str | None) -> str | None:
        if value is not None:
            parse_zone(value)
        return value

    @field_validator("time_format")
    @classmethod
    def _reads_what_it_writes(cls, value: str | None) -> str | None:
        example = datetime(2026, 11, 23, 17, 48)
        if value is not None:
            if "%Z" in re.findall("%.", value, re.DOTALL):
                raise ValueError(
                    "%Z takes no notice of the zone that it reads. Use %z for an offset such as +0100, or write the "
                    "abbreviation as it stands in the times, and name the 'zone'"
                )
            try:
                back = datetime.strptime(example.replace(tzinfo=UTC).strftime(value), value)  # %z has no word for none
            except (ValueError, re.error) as error:
                raise ValueError(f"no time can be read with it: {error}") from None
            if back.replace(tzinfo=None) != example:
                raise ValueError("it must name year, month, day, hour and minute, such as '%d/%m/%Y %H:%M:%S'")
        return value

    @field_validator("values")
    @classmethod
    def _finite(cls, value: dict[str, float]) -> dict[str, float]:
        for label, number in value.items():
            if not abs(number) < float("inf"):
                raise ValueError(f"the value of '{label}' must be a finite number")
        return value

    @model_validator(mode="after")
    def _column_or_constant(self) -> Self:
        for name in Constants.model_fields:
            if getattr(self, name, None) is not None and getattr(self.constants, name) is not None:
                raise ValueError(f"'{name}' is a column and a constant; keep one of the two")
        return self

    @property
    def form(self) -> FileForm:
        """How the file is written."""
        return FileForm(self.encoding, self.sheet)

    @property
    def tzinfo(self) -> tzinfo | None:
        """The zone of times that don't say theirs."""
        return None if self.zone is None else parse_zone(self.zone)


class RatingMapping(CommonMapping):
    """Which column is what. ``None``: evalkit looks for the usual names.

    Args:
        format: the file's format; ``null`` to recognize it.
        item, value: columns (in JSON: keys, with dots into nested objects).
        seconds_cover: whether that time is one item's or one row's; a row's is shared equally among its items.
        pattern: regular expression that a header of a rating column matches as a whole, with the named groups
            ``item`` and ``dimension`` (one of them is enough where the other is a column or a constant).
    """

    format: str | None = None
    item: str | None = Field(None, min_length=1)
    value: str | None = Field(None, min_length=1)
    seconds_cover: Literal["item", "row"] | None = None
    pattern: str | None = None

    @field_validator("format")
    @classmethod
    def _known_format(cls, value: str | None) -> str | None:
        if value is not None and value not in format_names():
            raise ValueError(f"must be {', '.join(format_names()[:-1])} or {format_names()[-1]}")
        return value

    @field_validator("pattern")
    @classmethod
    def _a_pattern(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                groups = set(re.compile(value).groupindex)
            except re.error as error:
                raise ValueError(f"no regular expression: {error}") from None
            if not groups or not groups <= GROUPS:
                raise ValueError("it needs the named groups (?P<item>...) and (?P<dimension>...), and no others")
        return value

    @model_validator(mode="after")
    def _once(self) -> RatingMapping:
        columns = [getattr(self, name) for name in ("rater", "item", "dimension", "value")]
        named = [column for column in columns if column is not None]
        if len(set(named)) != len(named):
            raise ValueError("rater, item, dimension and value must be different columns")
        return self


class PairMapping(CommonMapping):
    """Which column of a file of comparisons is what.

    Args:
        sample, left, right, winner: columns; ``left`` and ``right`` are the two teams'.
        values: label in the column of the winner -> points of the left side: 1, 0.5 or 0.
    """

    sample: str | None = Field(None, min_length=1)
    left: str | None = Field(None, min_length=1)
    right: str | None = Field(None, min_length=1)
    winner: str | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _possible(self) -> PairMapping:
        named = [column for column in (self.rater, self.sample, self.left, self.right, self.winner) if column]
        if len(set(named)) != len(named):
            raise ValueError("rater, sample, left, right and winner must be different columns")
        for label, points in self.values.items():
            if points not in {0.0, 0.5, 1.0}:
                raise ValueError(f"the value of '{label}' must be the points of the left side: 1, 0.5 or 0")
        if self.constants.item is not None:
            raise ValueError("a comparison has a sample and no item")
        return self

    def of_cells(self) -> RatingMapping:
        """Return how cells are read: zone, format of times, what is missing; the labels are the winner's."""
        return RatingMapping(**{name: getattr(self, name) for name in CommonMapping.model_fields if name != "values"})


def load_mapping(path: Path) -> RatingMapping:
    """Return the mapping in the YAML file ``path``.

    Raises:
        InputError: naming the line and the key of every fault.
    """
    text = read_text(path, kind=InputError, what="The mapping")
    return validate_model(RatingMapping, parse_yaml(text, str(path)))


def load_pair_mapping(path: Path) -> PairMapping:
    """Return the mapping of comparisons in the YAML file ``path``.

    Raises:
        InputError: naming the line and the key of every fault.
    """
    text = read_text(path, kind=InputError, what="The mapping")
    return validate_model(PairMapping, parse_yaml(text, str(path)))
