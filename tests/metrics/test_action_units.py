"""AUE: check values, pandas beside it, and tables that are not what they should be.

The check values are those of docs/definitions/action-units.md.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders.openface import check_values, table, write_table
from numpy.testing import assert_allclose

from evalkit.metrics.action_units.aue import METRICS, unit_error
from evalkit.metrics.action_units.table import LOWER, UNITS, UPPER, read_table
from evalkit.metrics.features.base import FeatureUnavailableError
from evalkit.metrics.features.imported import bounded_file

EXPECTED = {"aue.total": 1.316678974, "aue.lower": 0.655033571, "aue.upper": 0.661645403}


def arrays(intensity, success=None):
    frames = len(intensity)
    there = np.ones(frames, bool) if success is None else success
    return {"intensity": intensity, "success": there, "confidence": np.ones(frames)}


def outcome(name, ours, theirs):
    one = next(metric for metric in METRICS if metric.record.id == name)
    return one.compute({"openface": ours, "openface_reference": theirs})


def refusal(tmp_path, text):
    file = tmp_path / "s1.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(FeatureUnavailableError) as caught:
        read_table(bounded_file(file, 1 << 20))
    assert caught.value.reason == "import_unusable"
    assert "\n" not in caught.value.detail
    return caught.value.detail


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_check_values(name):
    reference, video = check_values()
    found = outcome(name, arrays(video), arrays(reference))
    assert_allclose(found.value, EXPECTED[name], rtol=1e-9)
    assert found.events == ()


def test_the_parts_of_the_face_are_17_units():
    assert (len(LOWER), len(UPPER), len(UNITS)) == (9, 8, 17)


def with_pandas(ours, theirs, units):
    """As the papers' script: rows aligned by their number, rows without a number left out."""
    columns = [f" {unit}_r" for unit in units]
    tables = [pd.read_csv(path)[columns] for path in (ours, theirs)]
    return float(((tables[0] - tables[1]) ** 2).mean().sum())


@pytest.mark.parametrize("frames", [50, 48])
def test_the_number_is_that_of_pandas_on_the_same_tables(tmp_path, frames):
    reference, video = check_values()
    video[7, 3] = np.nan
    ours, theirs = write_table(tmp_path / "a.csv", video[:frames]), write_table(tmp_path / "b.csv", reference)
    read = [arrays(read_table(path).intensity) for path in (ours, theirs)]
    for name, units in (("aue.total", UNITS), ("aue.lower", LOWER), ("aue.upper", UPPER)):
        found = outcome(name, *read)
        assert_allclose(found.value, with_pandas(ours, theirs, units), rtol=1e-12)
        lacking = UNITS[3] in units
        assert [event.kind for event in found.events] == [
            *(["numbers_missing"] if lacking else []),
            *(["shorter_than_reference"] if frames < 49 else []),
        ]
        if lacking:
            assert found.events[0].detail.startswith(f"1 of {len(units) * frames} intensities of the video")


def test_what_is_read_of_a_table(tmp_path):
    reference, _ = check_values()
    success = np.arange(50) % 10 > 0
    found = read_table(write_table(tmp_path / "s1.csv", reference, success))
    assert (found.intensity == reference).all()
    assert (found.success == success).all()
    assert (found.confidence[success] == 0.98).all()


def test_frames_without_a_face_fail_a_video_above_a_twentieth():
    reference, video = check_values()
    few, many = np.ones(50, bool), np.ones(50, bool)
    few[:2], many[:3] = False, False
    assert outcome("aue.lower", arrays(video, few), arrays(reference)).value is not None
    for ours, theirs, side in ((many, None, "video"), (None, many, "reference")):
        found = outcome("aue.lower", arrays(video, ours), arrays(reference, theirs))
        assert (found.value, found.reason) == (None, "no_face")
        assert f"6% of the frames of the {side}" in found.events[0].detail


def test_a_beginning_is_not_the_video():
    reference, video = check_values()
    found = outcome("aue.total", arrays(video[:39]), arrays(reference))
    assert found.reason == "too_little_compared"
    assert outcome("aue.total", arrays(video[:40]), arrays(reference)).value is not None


def test_a_unit_without_a_number_in_common_has_no_sum():
    reference, video = check_values()
    video[:, 0] = np.nan
    assert np.isnan(unit_error(video, reference, UPPER))
    assert outcome("aue.upper", arrays(video), arrays(reference)).reason == "not_finite"
    assert outcome("aue.lower", arrays(video), arrays(reference)).value is not None


def rows(text):
    return text.splitlines(keepends=True)


GOOD = table(np.full((3, 17), 0.5))
HOSTILE = {
    "empty": ("", "has no column frame, confidence, success and 17 more"),
    "only its head": (rows(GOOD)[0], "has no frame"),
    "another program's": ("frame,AU01,AU02\n1,0,0\n", "OpenFace 2.2's FeatureExtraction"),
    "a column twice": (GOOD.replace(" AU01_c", " AU01_r"), "has the column AU01_r twice"),
    "a word": (GOOD.replace("0.5", "wide", 1), "has 'wide' for AU01_r in row 2"),
    "above 5": (GOOD.replace("0.5", "5.01", 1), "has 5.01 for AU01_r in row 2; OpenFace's are from 0 to 5"),
    "below 0": (GOOD.replace("0.5", "-1e-9", 1), "has -1e-09 for AU01_r in row 2"),
    "a confidence of 2": (GOOD.replace("0.98", "2", 1), "has 2 for confidence in row 2"),
    "another face": (GOOD.replace("\n2, 0,", "\n2, 1,"), "face_id 1 in row 3.*several faces.*FeatureExtraction"),
    "face_id twice": (GOOD.replace(" gaze_0_x", " face_id"), "has the column face_id twice"),
    "infinite": (GOOD.replace("0.5", "1e999", 1), "has '1e999' for AU01_r"),
    "underscores": (GOOD.replace("0.5", "1_0", 1), "has '1_0' for AU01_r"),
    "a short row": (GOOD.replace(", 0.00\n", "\n", 1).replace("AU28_c, ", "AU28_c"), "cells in row 2"),
    "two faces": ("".join([*rows(GOOD)[:3], *rows(GOOD)[2:]]), "has frame 2 after frame 2 in row 4"),
    "a gap": ("".join([*rows(GOOD)[:2], *rows(GOOD)[3:]]), "has frame 3 after frame 1"),
    "no frame number": (GOOD.replace("\n2, ", "\nnan, "), "has 'nan' for frame in row 3"),
    "not UTF-8": (GOOD.encode() + b"\xff\n", "is no UTF-8 text"),
    "NUL": (GOOD.replace("0.98", "\0"), "no CSV|for confidence"),
    "an open quote": (GOOD + '"', "is no CSV"),
    "many columns": (",".join(f"c{number}" for number in range(5000)), "has 5,000 columns"),
    "too large": (GOOD + " " * (1 << 20), "at most 1,048,576 are read"),
}


@pytest.mark.parametrize("case", sorted(HOSTILE))
def test_a_table_that_is_none_is_said_in_a_sentence(tmp_path, case):
    text, expected = HOSTILE[case]
    detail = refusal(tmp_path, text)
    assert detail.startswith("s1.csv ")
    assert re.search(expected, detail), detail


def test_what_is_no_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "s1.csv")
    for place, expected in ((tmp_path / "s1.csv", "no ordinary file"), (Path(tmp_path / "none.csv"), "can't be read")):
        with pytest.raises(FeatureUnavailableError) as caught:
            bounded_file(place, 100)
        assert expected in caught.value.detail
