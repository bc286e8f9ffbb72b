"""A challenge that ranks by groups of people is no challenge for a platform."""

from __future__ import annotations

import pytest

from evalkit.challenges.model import parse_challenge
from evalkit.errors import ChallengeError
from evalkit.hosting.columns import measured_columns

TEXT = "schema: 1\nid: a\ntitle: A\nmetrics: [{id: psnr.rgb}]\nranking: rank-sum\n"


def test_a_ranking_by_groups_is_refused() -> None:
    assert [column.id for column in measured_columns(parse_challenge(TEXT, "f"))] == ["psnr.rgb"]
    ruled = parse_challenge(TEXT + "fairness: {rule: worst-group, attribute: age}\n", "f")
    with pytest.raises(ChallengeError, match="ranks by groups of people"):
        measured_columns(ruled)
