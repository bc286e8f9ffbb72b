"""A metric whose program the sandbox forbids is refused before the run, with the way out."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.shared, pytest.mark.ffmpeg]
CASE = "sync-replicate-sandbox"
SCORE = ("score", "sub", "-c", "ch.yaml", "--testset", "ts", "-o", "out", "-b", "bundled", "-m", "sync.replicate.conf")


def test_it_is_refused_before_the_run(case):
    said = case.run(*SCORE, code=2)
    assert "starts ffmpeg, and the sandbox forbids programs" in said
    assert "--sandbox limits" in said
    assert not (case.folder / "out").exists()


def test_it_is_left_out_with_its_reason_where_that_is_asked_for(case):
    card = case.score("sub", "-m", "sync.replicate.conf,psnr", "--allow-missing", code=3)
    assert card.metrics["sync.replicate.conf"].reason == "sandbox_forbids_programs"
    assert card.metrics["psnr.rgb"].value is not None


def test_it_runs_where_programs_may_be_started(case):
    card = case.score("sub", "-m", "sync.replicate.conf", "--sandbox", "limits")
    assert card.metrics["sync.replicate.conf"].value is not None
