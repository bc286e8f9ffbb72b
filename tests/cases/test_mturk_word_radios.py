"""Radio buttons of MTurk that words name give the numbers in the mapping's ``values``."""

from __future__ import annotations

import pytest

from evalkit.ratings import read_ratings
from evalkit.ratings.mapping import load_mapping

pytestmark = pytest.mark.shared
CASE = "mturk-word-radios"


def test_the_pressed_word_is_the_value(case):
    file = read_ratings(case.folder / "mt_task_words.csv", mapping=load_mapping(case.folder / "m1.yaml"))
    ratings = list(file)
    assert len(ratings) == 18
    assert {(rating.dimension, rating.value) for rating in ratings} == {("lip_sync", 5), ("video_quality", 1)}
    assert not file.faults
