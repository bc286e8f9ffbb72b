"""Every metric that the bundled networks have a role for gives a number or a reason, never an error."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.shared
CASE = "facefid-bundled-crash"


@pytest.mark.parametrize("metric", ["facefid.consisid", "facefid.strict"])
def test_the_fid_of_faces(case, metric):
    card = case.score("sub", "-m", metric, code=None)
    score = card.metrics[metric]
    assert score.reason is None or score.reason == "too_few_frames", score
    assert not [event for video in card.videos for event in video.events if event.kind == "extractor_error"]
