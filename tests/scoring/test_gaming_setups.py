"""A video that was driven by silence, as the challenge asks, may show one picture; the other setups may not."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evalkit.scoring.cache import FeatureCache
from evalkit.scoring.gaming import OF_STILLNESS, GamingCheck, VideoFingerprint
from evalkit.scoring.records import VideoScore
from evalkit.testsets.model import Sample, TestSet
from evalkit.validators.gaming_case import GamingCase
from evalkit.validators.registry import rule_registry


def test_stillness_is_no_sign_under_silence(tmp_path: Path) -> None:
    samples = tuple(Sample(id=f"p1/{setup}", item="p1", setup=setup) for setup in ("silent", "own", "other"))
    check = GamingCheck(TestSet(tmp_path, samples, "evalkit"), FeatureCache(tmp_path / "cache"), {})
    for number, sample in enumerate(samples):
        check._seen[sample.id] = VideoFingerprint(sample.id, f"{number:064d}", 0.0, "", np.zeros(63, bool), True)
        check._cases[sample.id] = GamingCase(sample.id, ticks=30, distinct=30, warped=0.1, reference_picture=0.2)
    rows = [VideoScore(sample=sample.id, path=f"{sample.id}.mp4", verdict="ok", values={}) for sample in samples]
    found = {
        row.sample: {one["rule"] for one in row.findings if one["rule"] in OF_STILLNESS}
        for row in check.findings(rows, {})
    }
    both = {"gaming.nearly-frozen", "gaming.reference-image"}
    assert found == {"p1/silent": set(), "p1/own": both, "p1/other": both}


def test_the_rules_exist() -> None:
    assert set(OF_STILLNESS) <= set(rule_registry())
