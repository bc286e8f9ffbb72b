"""Rating files that are not UTF-8 text are refused with what to do, and nothing is stored."""

from __future__ import annotations

import pytest

from evalkit.errors import InputError
from evalkit.ratings.reader import read_ratings

pytestmark = pytest.mark.shared


@pytest.mark.parametrize("case", ["gbk-csv"], indirect=True)
@pytest.mark.parametrize("name", ["gbk_dims.csv", "gbk_header.csv"])
@pytest.mark.parametrize("mapping", [False, True])
def test_a_table_in_gbk(case, name, mapping):
    with pytest.raises(InputError, match="is not encoded in UTF-8") as caught:
        read_ratings(case.folder / name, mapping=case.folder / "map.yaml" if mapping else None)
    assert "GBK (Chinese)" in caught.value.found
    assert caught.value.fix == "Save it in the spreadsheet as 'CSV UTF-8'."


@pytest.mark.parametrize("case", ["xlsx-message"], indirect=True)
def test_a_workbook(case):
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
