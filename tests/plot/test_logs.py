"""Logs of training runs are other people's files: what is wrong with one is an error that names the line."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evalkit.errors import InputError, UsageError
from evalkit.plot.logs import Point, series_of
from evalkit.plot.steps import metric_over_steps


def written(tmp_path, text, name="log.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_csv_has_a_column_for_each_metric(tmp_path):
    path = written(
        tmp_path, "\ufeffstep,psnr.rgb,psnr.rgb.low,psnr.rgb.high,fid,run\n200,31,30,32,,b\n100,30,29,31,9.5,a\n\n"
    )
    found = series_of(path)
    assert found["psnr.rgb"] == [Point(100, 30, (29, 31)), Point(200, 31, (30, 32))]
    assert found["fid"] == [Point(100, 9.5)]  # not measured at 200
    assert set(found) == {"psnr.rgb", "fid"}  # words are no numbers


def test_a_value_that_a_csv_says_is_missing_is_a_gap(tmp_path):
    assert series_of(written(tmp_path, "step,fid\n1,9.5\n2,nan\n3,N/A\n"))["fid"] == [
        Point(1, 9.5),
        Point(2, None),
        Point(3, None),
    ]


def test_json_lines_have_metrics_at_the_top_or_in_their_own_place(tmp_path):
    lines = [
        '{"step": 2, "psnr": 31.5, "note": "x", "fid": null}',
        "",
        '{"step": 1, "metrics": {"psnr": {"value": null, "reason": "no_face"}, '
        '"fid": {"value": 9.0, "ci95": [8, 10]}}}',
    ]
    found = series_of(str(written(tmp_path, "\n".join(lines), "log.jsonl")))
    assert found == {
        "psnr": [Point(1, None, None, "no_face"), Point(2, 31.5)],
        "fid": [Point(1, 9.0, (8, 10)), Point(2, None)],
    }


def test_numbers_of_numpy_and_torch_are_numbers_and_infinity_is_none():
    torch = pytest.importorskip("torch")
    found = series_of(
        [(np.int64(3), {"a": np.float32(1.5), "b": torch.tensor(2.0), "c": math.inf, "d": True, "e": "x"})]
    )
    assert found == {"a": [Point(3, 1.5)], "b": [Point(3, 2.0)], "c": [Point(3, None, None, "not_finite")]}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no column 'step'"),
        ("epoch,psnr\n1,2\n", "no column 'step'.*epoch"),
        ("step,psnr\n1\n", "line 2 has another number of cells"),
        ("step,psnr\nx,2\n", "step at .*line 2 is no number"),
        ("step,psnr\nnan,2\n", "step at .*line 2 is no number"),
        ('{"step": 1, "a": 2}\n{"a": 2}\n', "line 2 has no step"),
        ('{"step": 1, "a": 2}\n{"step"\n', "line 2 is not JSON"),
        ('{"step": true, "a": 2}\n', "step at .*line 1 is no number"),
        ('{"step": 1e999, "a": 2}\n', "line 1"),
        ("{" * 5000, "line 1 is not JSON"),
        ('step,psnr\n1,"2\n' + "x" * 200_000, "is no CSV"),
    ],
)
def test_a_broken_log_is_refused_with_its_line(tmp_path, text, words):
    with pytest.raises(InputError, match=words):
        series_of(written(tmp_path, text))


def test_a_log_that_is_not_there_or_not_text_is_refused(tmp_path):
    with pytest.raises(InputError, match="can't be read"):
        series_of(tmp_path / "none.csv")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00step")
    with pytest.raises(InputError, match="can't be read"):
        series_of(tmp_path / "bytes.csv")


@pytest.mark.parametrize("log", [[1, 2], [(1, 2, 3)], [(1, 30.0)], [("a", {"psnr": 1.0})]])
def test_entries_of_another_form_are_refused(log):
    with pytest.raises(InputError):
        series_of(log)


def test_a_log_without_the_metric_or_without_a_value_is_refused(tmp_path):
    path = written(tmp_path, "step,psnr\n1,30\n2,\n")
    with pytest.raises(UsageError, match="no metric 'fid' here"):
        metric_over_steps(path, "fid")
    with pytest.raises(InputError, match="No step has a value of psnr"):
        metric_over_steps([(1, {"psnr": None})], "psnr")
    with pytest.raises(UsageError, match="no metric at all"):
        metric_over_steps([], "psnr")


def test_a_log_may_be_consumed_once():
    pytest.importorskip("matplotlib")
    ax = metric_over_steps(((step, {"fid": step * 2.0}) for step in range(3)), "fid")
    assert list(ax.lines[0].get_ydata()) == [0.0, 2.0, 4.0]
