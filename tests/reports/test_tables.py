from __future__ import annotations

import csv
import math

import pandas as pd
import pytest
from scorecards import HOSTILE, make_scorecard

from evalkit.errors import StorageError
from evalkit.reports.tables import flatten, group_tables, summary_rows, video_metrics, write_per_video
from evalkit.text import csv_cell, format_value, natural_key


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.81234, "", "0.8123"),
        (0.8, "", "0.8000"),
        (-12.345, "dB", "-12.35 dB"),
        (1234.5, "", "1234"),
        (9999.7, "", "10000"),
        (12345.6, "ms", "12346 ms"),
        (0.0000123, "", "1.230e-05"),
        (1e20, "", "1.000e+20"),
        (0.0, "", "0"),
        (-0.0, "", "0"),
        (0.99999, "", "1.000"),
        (None, "dB", "\u2013"),
    ],
)
def test_four_significant_digits(value, unit, text):
    assert format_value(value, unit) == text


def test_natural_order():
    assert sorted(["id10", "id2", "id", "2", "a"], key=natural_key) == ["2", "a", "id", "id2", "id10"]


def test_flatten_names_every_leaf():
    nested = {"a": {"b": 1.23456, "c": [1, "x"], "d": {}, "e": None}, "f": True, "g": []}
    assert list(flatten(nested)) == [
        ("a.b", "1.235"),
        ("a.c", "1, x"),
        ("a.d", "{}"),
        ("a.e", "null"),
        ("f", "true"),
        ("g", "none"),
    ]
    assert list(flatten({})) == []
    assert list(flatten({"a": {"b": {"c": {"d": {"e": 1}}}}})) == [("a.b.c.d", '{"e": 1}')]


def test_summary_rows_hold_every_metric_and_the_reason():
    card = make_scorecard(20, 1)
    rows = {row["metric"]: row for row in summary_rows(card)}
    assert list(rows) == list(card.metrics)
    assert rows["ssim.gray"]["text"] == "unscored: no_reference_video"
    assert rows["ssim.gray"]["value"] is None
    assert rows["psnr.rgb"]["better"] == "higher"
    assert rows["landmark.f_lmd"]["better"] == "lower"
    assert rows["blink.rate"]["better"] is None


def test_video_metrics_leave_out_numbers_of_the_whole_set():
    names = video_metrics(make_scorecard(20, 1))
    assert "fid.pytorch" not in names
    assert names == [name for name in make_scorecard(20, 1).metrics if name in names]


def test_group_means_by_hand():
    card = make_scorecard(12, 3)
    # Three values in turn: positions 0, 3, 6, 9 are "studio"; position 9 is missing, position 6 has no LSE-C.
    (table,) = group_tables(card)
    studio = next(row for row in table.rows if row.value == "studio")
    at = video_metrics(card).index("sync.joonson.lse_c")
    mean, n = studio.means[at]
    values = [card.videos[index].values["sync.joonson.lse_c"] for index in (0, 3)]
    assert (studio.videos, n) == (4, 2)
    assert mean == pytest.approx(sum(values) / 2, rel=1e-15)


def test_a_group_without_values_has_no_mean():
    card = make_scorecard(1, 1)
    video = card.videos[0].model_copy(
        update={"values": {"psnr.rgb": None}, "reasons": {"psnr.rgb": "no_face"}, "groups": {"place": "far"}}
    )
    (table,) = group_tables(card.model_copy(update={"videos": (video,)}))
    assert table.rows[0].means == ((None, 0),)


def test_per_video_files_hold_all_digits(tmp_path):
    card = make_scorecard(20, 1)
    write_per_video(card, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["per_video.csv", "per_video.parquet"]
    parquet = pd.read_parquet(tmp_path / "per_video.parquet")
    with (tmp_path / "per_video.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(parquet) == len(rows) == 20
    for video, row, stored in zip(card.videos, rows, parquet.to_dict("records"), strict=True):
        assert row["sample"] == video.sample
        for name, value in video.values.items():
            if value is None:
                assert row[name] == ""
                assert math.isnan(stored[name])
                assert row[f"reason.{name}"] == video.reasons[name]
            else:
                assert float(row[name]) == stored[name] == value


@pytest.mark.parametrize("hostile", [False, True])
def test_per_video_files_hold_what_pandas_would_write(tmp_path, hostile):
    card = make_scorecard(20, 1, hostile=hostile)
    write_per_video(card, tmp_path)
    frame = card.to_pandas()
    stored = pd.read_parquet(tmp_path / "per_video.parquet")
    assert list(stored.columns) == list(frame.columns)
    for name in frame.columns:
        assert stored[name].isna().tolist() == frame[name].isna().tolist()
        assert stored[name].dropna().tolist() == frame[name].dropna().tolist()
    safe = frame.rename(columns=csv_cell)
    for column in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[column]):
            safe[column] = safe[column].map(csv_cell, na_action="ignore")
    assert (tmp_path / "per_video.csv").read_bytes() == safe.to_csv(index=False, lineterminator="\n").encode()


def test_no_cell_is_a_formula(tmp_path):
    card = make_scorecard(20, 1, hostile=True)
    write_per_video(card, tmp_path)
    text = (tmp_path / "per_video.csv").read_bytes().decode()
    assert not set(text) & {"\u202e", "\x1b", "\x07", "\u200b"}
    with (tmp_path / "per_video.csv").open(newline="", encoding="utf-8") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert any(cell.startswith("'=HYPERLINK") for cell in cells)
    for cell in cells:
        if cell[:1] in set("=+-@\t\r\n"):
            float(cell)  # only a number may begin like that
    stored = pd.read_parquet(tmp_path / "per_video.parquet")
    assert list(stored["sample"]) == [video.sample for video in card.videos]
    assert any(HOSTILE[0] in sample for sample in stored["sample"])


def test_same_scorecard_same_bytes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_per_video(make_scorecard(20, 1), tmp_path / name)
    for name in ("per_video.csv", "per_video.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_no_video_at_all(tmp_path):
    write_per_video(make_scorecard(0, 1), tmp_path)
    assert len(pd.read_parquet(tmp_path / "per_video.parquet")) == 0


def test_a_folder_that_can_not_be_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="can't be written"):
        write_per_video(make_scorecard(2, 1), tmp_path / "file" / "nowhere")
