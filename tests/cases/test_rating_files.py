"""Rating files that are not UTF-8 text are refused with what to do, and nothing is stored."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from evalkit.errors import InputError
from evalkit.ratings import read_pairs
from evalkit.ratings.mapping import PairMapping, RatingMapping
from evalkit.ratings.reader import read_ratings
from evalkit.ratings.table import text_encoding

pytestmark = pytest.mark.shared


@pytest.mark.parametrize("case", ["gbk-csv"], indirect=True)
@pytest.mark.parametrize("name", ["gbk_dims.csv", "gbk_header.csv"])
@pytest.mark.parametrize("mapping", [False, True])
def test_a_table_in_gbk(case, name, mapping):
    with pytest.raises(InputError, match="is not encoded in UTF-8") as caught:
        read_ratings(case.folder / name, mapping=case.folder / "map.yaml" if mapping else None)
    assert "GBK (Chinese)" in caught.value.found
    assert caught.value.fix.startswith("Save it in the spreadsheet as 'CSV UTF-8'")
    assert "'encoding: gbk'" in caught.value.fix


@pytest.mark.parametrize("case", ["gbk-csv"], indirect=True)
@pytest.mark.parametrize("name", ["gbk_dims.csv", "gbk_header.csv"])
def test_a_mapping_names_the_encoding(case, name):
    text = (case.folder / "map.yaml").read_text(encoding="utf-8")
    (case.folder / "map.yaml").write_text(text + "encoding: gbk\n", encoding="utf-8")
    file = read_ratings(case.folder / name, mapping=case.folder / "map.yaml")
    answers = list(file)
    assert file.fault_sentences == []
    assert len(answers) == 18
    if name == "gbk_dims.csv":
        assert {answer.dimension for answer in answers} == {"lip_sync", "video_quality"}
        # 15:04:05 with the words for after noon, in UTC+8
        assert {answer.at for answer in answers} == {datetime(2026, 3, 2, 7, 4, 5, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("encoding", "question"),
    [
        ("gbk", "口型同步"),
        ("GB2312", "画质①"),  # more than the standard has, as spreadsheets write it
        ("shift_jis", "口の動き①"),
        ("big5", "嘴型同步"),
        ("euc-kr", "입모양"),
        ("cp949", "입모양"),
        ("cp1252", "Ähnlichkeit œuvre"),
        ("iso-8859-2", "Jakość łączna"),
        ("windows-1251", "качество"),
        ("utf-16-le", "качество"),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_encodings_that_a_mapping_names(tmp_path, encoding, question, kind):
    path = tmp_path / "ratings.txt"
    rows = {
        "csv": f"rater,item,dimension,value\nr1,i1,{question},4\n",
        "jsonl": f'{{"rater": "r1", "item": "i1", "dimension": "{question}", "value": 4}}\n',
    }
    written = text_encoding(encoding)
    path.write_bytes(rows[kind].encode(written))
    file = read_ratings(path, mapping=RatingMapping(encoding=encoding))
    assert [(answer.dimension, answer.value) for answer in file] == [(question, 4)]
    assert file.fault_sentences == []
    if written != "utf-16-le":
        undecoded = read_ratings(path)  # the header is plain; the cell isn't, and is not stored
        assert list(undecoded) == []
        assert "name the encoding that the file is in" in undecoded.fault_sentences[0]


def test_a_wrong_encoding_is_said_and_a_byte_order_mark_goes_before_the_name(tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_bytes("Évaluateur,item,dimension,value\nr1,i1,a,4\n".encode("cp1252"))
    with pytest.raises(InputError, match="is not encoded in ascii"):
        read_ratings(path, mapping=RatingMapping(rater="Évaluateur", encoding="ascii"))
    path.write_bytes("Évaluateur,item,dimension,value\nr1,i1,a,4\n".encode("utf-8-sig"))
    file = read_ratings(path, mapping=RatingMapping(rater="Évaluateur", encoding="cp1252"))
    assert [answer.rater for answer in file] == ["r1"]


@pytest.mark.parametrize("name", ["klingon", "rot13", "hex", "zlib", "idna", "unicode_escape", "utf-7", "a\x00", ""])
def test_what_is_no_encoding(name):
    with pytest.raises(ValueError, match="no known encoding"):
        RatingMapping(encoding=name)


@pytest.mark.parametrize("encoding", ["gbk", "cp1252"])
def test_comparisons_in_another_encoding(tmp_path, encoding):
    path = tmp_path / "pairs.csv"
    rater = {"gbk": "评分者", "cp1252": "évaluateur"}[encoding]
    path.write_bytes(f"rater,sample,left,right,winner\n{rater},s1,A,B,left\n".encode(encoding))
    assert [answer.rater for answer in read_pairs(path, PairMapping(encoding=encoding))] == [rater]


@pytest.mark.parametrize("case", ["xlsx-message"], indirect=True)
def test_a_broken_workbook(case):
    with pytest.raises(InputError, match="workbook") as caught:
        read_ratings(case.folder / "y.xlsx")
    assert "CSV UTF-8" in caught.value.fix
    assert "PK" not in str(caught.value)


@pytest.mark.parametrize(
    ("encoding", "header"),
    [("gb18030", "评分者"), ("cp932", "評価者"), ("cp949", "평가자"), ("cp1252", "évaluateur")],
)
def test_other_encodings_of_spreadsheets(tmp_path, encoding, header):
    path = tmp_path / "ratings.csv"
    path.write_bytes(f"{header},item,dimension,value\nr1,i1,lip_sync,4\n".encode(encoding))
    with pytest.raises(InputError, match="is not encoded in UTF-8"):
        read_ratings(path)
    path.write_bytes(f"{header},item,dimension,value\nr1,i1,lip_sync,4\n".encode())
    assert "\ufffd" not in str(_problem(path))


def _problem(path):
    """What is wrong with the same file in UTF-8: its column for the rater has a name that needs a mapping."""
    with pytest.raises(InputError) as caught:
        read_ratings(path)
    return caught.value


def test_an_old_workbook(tmp_path):
    path = tmp_path / "ratings.xls"
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512))
    with pytest.raises(InputError, match=r"old Excel workbook \(\.xls\)"):
        read_ratings(path)
