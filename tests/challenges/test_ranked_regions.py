"""Two regions of one metric never rank together; numbers of setups need a challenge that asks for them."""

from __future__ import annotations

import pytest
from builders.challenges import challenge

from evalkit.challenge_check import challenge_faults


def faults(*entries: str, ranking: str = "rank-sum") -> list[str]:
    lines = "".join(f"  - {entry}\n" for entry in entries)
    return challenge_faults(challenge(f"metrics:\n{lines}ranking: {ranking}\n"))


@pytest.mark.parametrize(
    ("first", "second"),
    [("psnr.rgb", "psnr.face"), ("psnr.face", "psnr.mouth"), ("ssim.rgb", "ssim.mouth"), ("lpips.vgg", "lpips.face")],
)
def test_two_regions_are_refused(first: str, second: str) -> None:
    (fault,) = faults(f"{{id: {first}}}", f"{{id: {second}}}")
    assert fault.startswith(f"'metrics' rank {first} and {second}: ")
    assert fault.endswith("Rank one, and write 'rank: false' at the others.")


@pytest.mark.parametrize(
    "entries",
    [
        ("{id: psnr.face}", "{id: psnr.rgb, rank: false, group: diagnostic}"),
        ("{id: psnr.face}", "{id: ssim.gray}"),
        ("{id: ssim.gray}", "{id: ssim.rgb}"),
    ],
)
def test_one_region_and_other_metrics_are_not(entries: tuple[str, ...]) -> None:
    assert faults(*entries) == []


def test_without_a_ranking_nothing_is_ranked_together() -> None:
    assert faults("{id: psnr.rgb}", "{id: psnr.face}", ranking="none") == []


def test_a_metric_of_setups_needs_a_challenge_that_asks_for_them() -> None:
    (fault,) = faults("{id: leak.silent_conf}", ranking="none")
    assert fault == (
        "'metrics' has leak.silent_conf, which compares the setups silent, and 'submission.setups' names none."
    )


def test_one_submission_has_one_rule_for_the_identitys_picture() -> None:
    lines = "metrics: [{id: leak.lsd_ar}, {id: leak.lsd_cr}]\nsubmission: {setups: [silent, own, other]}\n"
    (fault,) = challenge_faults(challenge(lines))
    assert fault.startswith("'metrics' has leak.lsd_ar and leak.lsd_cr: ")
