"""A video with exact frames never scores below the same video with errors in these frames."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.shared
CASE = "psnr-exact-frames"


def test_exact_frames_score_higher(case):
    exact, near = case.score("sub_exact"), case.score("sub_near")
    assert exact.metrics["psnr.rgb"].value > near.metrics["psnr.rgb"].value
    assert exact.metrics["ssim.gray"].value > near.metrics["ssim.gray"].value
    assert near.metrics["psnr.rgb"].value == pytest.approx(38.89, abs=0.01)
    # By hand: 30 frames at the cap, and 30 frames of 29.34 dB.
    assert exact.metrics["psnr.rgb"].value == pytest.approx((30 * 100 + 30 * 29.34) / 60, abs=0.02)
    (event,) = exact.videos[0].events
    assert (event.kind, event.detail) == ("identical_frames", "30 of 60 frames count as 100 dB")
