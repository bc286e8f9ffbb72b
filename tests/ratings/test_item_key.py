from __future__ import annotations

import json
from pathlib import Path

import pytest

from evalkit.errors import InputError
from evalkit.ratings import Key, KeyEntry, read_key

ENTRIES = {"item001": KeyEntry("blurred", "s20"), "item002": KeyEntry("late", "s08", "2")}


def read(tmp_path: Path, text: str) -> Key:
    path = tmp_path / "key.txt"
    path.write_text(text, encoding="utf-8")
    return read_key(path)


@pytest.mark.parametrize(
    "text",
    [
        "item_id,team,sample_id,run\nitem001,blurred,s20,\nitem002,late,s08,2\n",
        "\ufeffTeam;Sample;Item;Run ID;note\r\nblurred;s20;item001;;x\r\n\r\nlate;s08;item002;2;y\r\n",
        json.dumps(
            {
                "item001": {"team": "blurred", "sample": "s20"},
                "item002": {"team": "late", "sample_id": "s08", "run": 2},
            }
        ),
        json.dumps(
            [
                {"item": "item001", "team": "blurred", "sample": "s20", "run": None},
                {"item_id": "item002", "team": "late", "sample": "s08", "run": "2"},
            ]
        ),
    ],
)
def test_forms_of_keys(tmp_path: Path, text: str) -> None:
    key = read(tmp_path, text)
    assert dict(key.entries) == ENTRIES
    assert key.source == "key.txt"


def test_two_items_may_show_the_same_video(tmp_path: Path) -> None:
    key = read(tmp_path, "item_id,team,sample_id\na,t,s1\nb,t,s1\n")
    assert key.get("a") == key.get("b") == KeyEntry("t", "s1")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("item_id,team,sample_id\na,t,s1\na,u,s1\n", "row 3, column 'item': the item 'a' is already in row 2"),
        ("item_id,team,sample_id\na,,s1\n", "row 2, column 'team': the team is missing"),
        ("item_id,team,sample_id\na,t\n", "row 2: the row has 2 cells, the header 3"),
        ("item_id,team,sample_id\na,\u202et,s1\n", "characters that nobody sees"),
        ("item_id,team\na,t\n", "no column 'sample_id'"),
        ("item_id,Item ID,team,sample_id\na,b,t,s\n", "two columns are called 'Item ID'"),
        ("item_id,team,sample_id\n", "names no item"),
        ("", "is empty"),
        ('{"a": {"team": "t", "sample": "s"}, "a": {"team": "u", "sample": "s"}}', "'a' appears twice"),
        ('{"a": 5}', "row 1: not an object"),
        ("[[1]]", "row 1: not an object"),
        ('{"a": {"team": {}, "sample": "s"}}', "row 1, column 'team'"),
        ("[", "can't be read as JSON"),
        ("[" * 100_000, "can't be read as JSON"),
        ("[]", "names no item"),
    ],
)
def test_a_key_is_whole_or_none(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError) as error:
        read(tmp_path, text)
    assert words in str(error.value)


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        read(tmp_path, "item_id,team,sample_id\n" + ",t,s\n" * 25)
    assert str(error.value).count("the item is missing") == 20
    assert "and 5 more faults" in str(error.value)
    with pytest.raises(InputError, match="does not exist"):
        read_key(tmp_path / "no.csv")
