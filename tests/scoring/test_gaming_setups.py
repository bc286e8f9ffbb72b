"""A video that was driven by silence, as the challenge asks, may show one picture; the other setups may not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from builders.media_facts import RULES
from builders.media_facts import facts as facts_of_a_file

from evalkit.scoring.cache import FeatureCache
from evalkit.scoring.gaming import OF_STILLNESS, GamingCheck, VideoFingerprint
from evalkit.scoring.intake import OF_REST, file_report
from evalkit.scoring.jobs import Extraction
from evalkit.scoring.records import VideoScore
from evalkit.testsets.model import Sample, TestSet
from evalkit.validators.gaming_case import GamingCase
from evalkit.validators.registry import file_findings, rule_registry


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


def test_findings_of_both_kinds_say_what_the_challenge_declares(tmp_path: Path) -> None:
    sample = Sample(id="p1")
    effects = {"content.frozen": "refuse", "gaming.nearly-frozen": "zero", "gaming.reference-image": "tell"}
    check = GamingCheck(TestSet(tmp_path, (sample,), "evalkit"), FeatureCache(tmp_path / "cache"), {}, effects)
    check._seen["p1"] = VideoFingerprint("p1", "0" * 64, 0.0, "", np.zeros(63, bool), True)
    check._cases["p1"] = GamingCase("p1", ticks=30, distinct=30, warped=0.1, reference_picture=0.2)
    found = ({"rule": "content.frozen", "severity": "warning"}, {"rule": "content.black", "severity": "warning"})
    (row,) = check.findings([VideoScore(sample="p1", path="p1.mp4", verdict="warning", values={}, findings=found)], {})
    told = {one["rule"]: one.get("consequence") for one in row.findings}
    assert {rule: told.get(rule) for rule in (*effects, "content.black")} == {
        "content.frozen": "refuse",
        "gaming.nearly-frozen": "zero",
        "gaming.reference-image": None,
        "content.black": None,
    }


def test_the_rules_exist() -> None:
    assert {*OF_STILLNESS, *OF_REST} <= set(rule_registry())


def test_a_frozen_video_is_right_under_silence_alone() -> None:
    facts = facts_of_a_file({"duplicate_share": 1.0})
    found = file_findings(facts, RULES, "v.mp4")
    assert [one.rule for one in found if one.rule in OF_REST] == ["content.frozen"]
    refused = replace(next(one for one in found if one.rule == "content.frozen"), severity="error")
    for setup, expected in (("silent", set()), ("own", {"content.frozen"}), (None, {"content.frozen"})):
        extraction = Extraction("v", "0" * 64, facts, findings=tuple(found))
        report = file_report(extraction, "v.mp4", in_folder=False, rules=RULES, setup=setup)
        assert {one.rule for one in report.findings} & set(OF_REST) == expected
        others = {one.rule for one in found} - set(OF_REST)
        assert {one.rule for one in report.findings} - set(OF_REST) == others
    # What the challenge itself makes an error has left the video without values, so it is said.
    extraction = Extraction("v", "0" * 64, facts, findings=(refused,))
    assert file_report(extraction, "v.mp4", in_folder=False, rules=RULES, setup="silent").findings == (refused,)
