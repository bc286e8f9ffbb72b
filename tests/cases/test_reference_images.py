"""A reference photo gives the same scores whatever way its file stores it."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.shared


@pytest.mark.parametrize("case", ["exif-reference-image", "gray16-reference"], indirect=True)
def test_two_files_of_the_same_picture_score_the_same(case):
    card = case.score("sub")
    first, second = card.videos
    assert first.values.keys() == second.values.keys()
    assert "identity.strict.arc" in first.values
    for metric, value in first.values.items():
        assert value == pytest.approx(second.values[metric], abs=2e-3), metric
