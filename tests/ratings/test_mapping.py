from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from evalkit.errors import InputError
from evalkit.ratings import RatingMapping, load_mapping, read_ratings
from evalkit.ratings.mapping import CommonMapping


def load(tmp_path: Path, text: str) -> RatingMapping:
    path = tmp_path / "map.yaml"
    path.write_text(text)
    return load_mapping(path)


def test_the_example_of_the_docstring_is_a_mapping(tmp_path: Path) -> None:
    import evalkit.ratings.mapping as module

    example = (module.__doc__ or "").split("::\n", 1)[1]
    mapping = load(tmp_path, "\n".join(line.removeprefix("    ") for line in example.splitlines()))
    assert (mapping.format, mapping.rater, mapping.values) == ("wide", "Your code", {"Excellent": 5, "Bad": 1})
    table = tmp_path / "r.csv"
    table.write_text("Timestamp,Your code,Clip 7: Lip sync\n2026-07-01 12:00:00,r01,Excellent\n")
    (rating,) = read_ratings(table, mapping=tmp_path / "map.yaml")
    assert (rating.rater, rating.item, rating.dimension, rating.value) == ("r01", "7", "lip_sync", 5)
    assert rating.at is not None
    assert rating.at.isoformat() == "2026-07-01T10:00:00+00:00"  # Berlin in summer


def test_every_key_is_explained() -> None:
    words = (CommonMapping.__doc__ or "") + (RatingMapping.__doc__ or "")
    assert [name for name in RatingMapping.model_fields if name not in words] == []


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("ratr: who", 1, "unknown key 'ratr'. Did you mean 'rater'?"),
        ("format: xml", 1, "'format'"),
        ("rater: a\nzone: Mars", 2, "'Mars' is not a time zone"),
        ("zone: +25:00", 1, "no place on Earth"),
        ("time_format: '%d.%m.%Y'", 1, "must name year, month, day, hour and minute"),
        ("time_format: '%q'", 1, "no time can be read with it"),
        ("time_format: '%d/%m/%y %I:%M'", 1, "must name year"),  # 5 PM comes back as 5 AM
        ("time_format: '%d/%m/%Y %H:%M %Z'", 1, "Use %z for an offset such as +0100"),
        ("time_format: '%d/%m/%Y %z'", 1, "must name year"),
        ("pattern: '('", 1, "no regular expression"),
        ("pattern: '.*'", 1, "needs the named groups"),
        ("pattern: '(?P<thing>.*)'", 1, "needs the named groups"),
        ("values: {Good: five}", 1, "'values.Good'"),
        ("values: {Good: 1e999}", 1, "values"),
        ("rater: x\nitem: x", 1, "must be different columns"),
        ("rater: x\nconstants: {rater: r01}", 1, "is a column and a constant"),
        ("seconds_cover: hour", 1, "'seconds_cover'"),
        ("- rater", 1, "a list"),
        ("rater: [a", 1, "not valid YAML"),
    ],
)
def test_faults_name_line_and_key(tmp_path: Path, text: str, line: int, words: str) -> None:
    with pytest.raises(InputError) as error:
        load(tmp_path, text)
    assert words in str(error.value)
    assert "map.yaml" in str(error.value)
    if "list" not in words:
        assert f"line {line}" in str(error.value)


@pytest.mark.parametrize("form", ["%d/%m/%Y %H:%M:%S %z", "%d/%m/%Y %H:%M%z", "%d/%m/%Y %H:%M %%Z"])
def test_a_form_of_times_may_read_an_offset(tmp_path: Path, form: str) -> None:
    mapping = load(tmp_path, f"time_format: '{form}'\nzone: Europe/Berlin")
    assert mapping.time_format == form
    if "%z" in form:
        table = tmp_path / "r.csv"
        written = datetime(2026, 3, 2, 14, 26, tzinfo=timezone(timedelta(hours=5.5))).strftime(form)
        table.write_text(f"rater,item,dimension,value,submitted_at\nr01,i,d,3,{written}\n")
        (rating,) = read_ratings(table, mapping=tmp_path / "map.yaml")
        assert rating.at == datetime(2026, 3, 2, 8, 56, tzinfo=UTC)


def test_a_mapping_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"The mapping .* does not exist"):
        load_mapping(tmp_path / "no.yaml")
