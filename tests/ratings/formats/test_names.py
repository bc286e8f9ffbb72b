"""Formats by name, and files that fit none."""

from __future__ import annotations

from typing import Any

import pytest
from builders.rating_files import LONG, Write, table

from evalkit.errors import EvalkitError, InputError, UsageError
from evalkit.ratings import RatingMapping, read_ratings
from evalkit.ratings.format_registry import format_names, rating_formats


def test_every_format_is_in_the_list_of_names() -> None:
    assert {*rating_formats(), "prolific"} == set(format_names())


def test_the_form_can_be_told(write: Write) -> None:
    assert read_ratings(write(LONG), "long").format == "long"
    assert read_ratings(write(LONG), mapping=RatingMapping(format="long")).format == "long"
    with pytest.raises(UsageError, match=r"no rating format 'lnog'. Did you mean 'long'"):
        read_ratings(write(LONG), "lnog")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"can't be read as 'jsonl'. Found a table; expected JSON"):
        read_ratings(write(LONG), "jsonl")
    with pytest.raises(InputError, match="Found JSON; expected a table"):
        read_ratings(write("{}\n"), "wide")


@pytest.mark.parametrize("name", [name for name, known in rating_formats().items() if not known.json])
def test_a_form_that_does_not_fit_says_which_column_is_missing(write: Write, name: Any) -> None:
    with pytest.raises(EvalkitError) as error:
        read_ratings(write(table(("a", "b"), ("1", "2"), ("3", "4"))), name)
    assert "a, b" in str(error.value)
    assert error.value.exit_code == 1


def test_a_column_of_the_mapping_that_is_not_there_is_named(write: Write) -> None:
    for name in ("auto", "long"):
        with pytest.raises(InputError, match=r"column 'Scoer' for 'value' is not there. Did you mean 'Score'\?"):
            read_ratings(write(LONG), name, RatingMapping(value="Scoer", rater="Rater ID"))


def test_pairs_are_no_ratings(write: Write) -> None:
    text = table(("rater_id", "sample_id", "left", "right", "winner"), ("r04", "s06", "swapped", "faithful", "right"))
    with pytest.raises(InputError, match="holds comparisons of pairs"):
        read_ratings(write(text))
