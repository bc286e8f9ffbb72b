"""A reference video of high dynamic range makes no number: the organizer is told, before and while scoring."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.shared
CASE = "hdr-reference"


def test_nothing_is_compared_with_it(case):
    card = case.score("sub", code=3)
    assert {score.reason for score in card.metrics.values()} == {"reference_hdr"}
    events = [event for video in card.videos for event in video.events]
    assert any("HLG" in event.detail for event in events)


def test_the_same_reference_in_standard_range_scores(case):
    card = case.score("sub", testset="ts_sdr")
    assert card.metrics["psnr.rgb"].value == pytest.approx(44.73, abs=0.01)


def test_the_check_of_the_test_set_names_it(case):
    report = json.loads(case.run("testset", "check", "ts", "-c", "ch.yaml", "-b", "bundled", "-q", "--json", code=1))
    rules = {finding["rule"] for finding in report["findings"] if finding["severity"] == "error"}
    assert rules == {"encoding.hdr", "testset.unscorable"}
    report = json.loads(case.run("testset", "check", "ts_sdr", "-c", "ch.yaml", "-b", "bundled", "-q", "--json"))
    assert report["ok"]
