"""The digest of a challenge: every value changes it; the form of the YAML does not."""

from __future__ import annotations

import re

import pytest
import yaml
from builders.challenges import PRESETS, challenge

from evalkit.challenges.model import _NOT_SCORED, Challenge, MetricEntry, load_challenge, parse_challenge, preset_text
from evalkit.challenges.speed_rules import SpeedRules
from evalkit.challenges.submission_rules import SubmissionRules


def test_comments_and_the_order_of_keys_do_not_change_the_digest() -> None:
    one = parse_challenge("id: a\ntitle: b\nmetrics: [{id: x.y, weight: 1, rank: true}]\ncoverage: 1", "f")
    other = parse_challenge(
        "# why\ncoverage: 1.0  # all\nmetrics:\n  - rank: true\n    id: 'x.y'\n    weight: 1.0\ntitle: \"b\"\nid: a\n",
        "f",
    )
    assert one.sha256 == other.sha256
    assert re.fullmatch("[0-9a-f]{64}", one.sha256)


def test_the_order_of_severities_does_not_change_the_digest() -> None:
    one, other = (
        challenge(f"submission: {{severities: {{{words}}}}}")
        for words in ("layout.extra: off, layout.count: info", "layout.count: info, layout.extra: off")
    )
    assert one.sha256 == other.sha256


def test_writing_out_a_default_does_not_change_the_digest() -> None:
    assert challenge("ranking: none\nschema: 1\nsubmission: {runs: {max: 1}}").sha256 == challenge().sha256


@pytest.mark.parametrize(
    "text",
    [
        "coverage: 0.99",
        "notes: x",
        "url: x",
        "ranking: borda",
        "submission: {video: {max_fps: 60.5}}",
        "submission: {severities: {layout.extra: off}}",
        "submission: {layouts: ['{index}.mp4']}",
        "metrics: [{id: x.y}]",
        "evalkit_defaults: [coverage]",
        "schedule: [{id: a, closes: 2026-03-01 AoE}]",
        "speed: {frame_rate: 30}",
    ],
)
def test_every_value_changes_the_digest(text: str) -> None:
    assert challenge(text).sha256 != challenge().sha256


def test_presets_have_digests_of_their_own() -> None:
    assert len({load_challenge(preset).sha256 for preset in PRESETS}) == len(PRESETS)


@pytest.mark.parametrize("preset", PRESETS)
def test_the_digest_survives_another_writer_of_yaml(preset: str) -> None:
    loaded = load_challenge(preset)
    again = yaml.safe_dump(loaded.model_dump(mode="json", by_alias=True), sort_keys=False)
    assert parse_challenge(again, "again.yaml").sha256 == loaded.sha256
    backwards = yaml.safe_dump(dict(reversed(yaml.safe_load(preset_text(preset)).items())), sort_keys=False)
    assert parse_challenge(backwards, "backwards.yaml").sha256 == loaded.sha256


SCORED = {"schema_", "id", "submission", "testset", "metrics", "speed"}
SCORED_OF_SUBMISSION = {"kind", "layouts", "setups", "archive", "video", "audio", "sound", "motion", "severities"}


def test_every_key_is_known_to_change_the_scoring_digest_or_not() -> None:
    """A key that is added counts until it is listed: decide, and write it down here."""
    assert set(Challenge.model_fields) - set(_NOT_SCORED) | {"submission", "metrics", "speed"} == SCORED
    assert set(SpeedRules.model_fields) - _NOT_SCORED["speed"] == {"frame_rate"}
    assert set(SubmissionRules.model_fields) - _NOT_SCORED["submission"] == SCORED_OF_SUBMISSION
    assert set(MetricEntry.model_fields) - _NOT_SCORED["metrics"]["__all__"] == {"id"}


@pytest.mark.parametrize(
    "text",
    [
        "submission: {video: {max_fps: 60.5}}",
        "submission: {audio: {required: false}}",
        "submission: {archive: {max_files: 7}}",
        "submission: {severities: {layout.extra: off}}",
        "submission: {layouts: ['{index}.mp4']}",
        "testset: {samples: 3}",
        "metrics: [{id: x.y}]",
    ],
)
def test_what_scoring_depends_on_changes_the_scoring_digest(text: str) -> None:
    assert challenge(text).scoring_sha256 != challenge().scoring_sha256


@pytest.mark.parametrize(
    "text",
    [
        "url: x",
        "notes: x",
        "coverage: 0.99",
        "ranking: borda",
        "ranking_rules: {shortlist: borda}",
        "submission: {runs: {max: 3}}",
        "schedule: [{id: a, closes: 2026-03-01 AoE}]",
        "evalkit_defaults: [coverage]",
        "ratings: {method: pairs, window: {closes: 2026-04-01 AoE}}",
        "speed: {across_hardware: true, sources: [measured], min_samples: 3}",
    ],
)
def test_what_scoring_does_not_depend_on_leaves_the_scoring_digest(text: str) -> None:
    assert challenge(text).scoring_sha256 == challenge().scoring_sha256
    assert challenge(text).sha256 != challenge().sha256


def test_weights_ranges_and_the_order_of_metrics_leave_the_scoring_digest() -> None:
    plain = challenge("metrics: [{id: x.y}, {id: a.b}]")
    other = challenge(
        "metrics: [{id: a.b, weight: 3, group: speed, direction: lower}, {id: x.y, range: [0, 1], rank: false, "
        "published_as: Y}]"
    )
    assert other.scoring_sha256 == plain.scoring_sha256
    assert other.sha256 != plain.sha256
    one, other = (parse_challenge(f"id: {name}\ntitle: t", "f") for name in ("c", "d"))
    assert one.scoring_sha256 != other.scoring_sha256


def test_the_frame_rate_of_speed_is_part_of_what_scorecards_depend_on() -> None:
    assert challenge("speed: {frame_rate: 30}").scoring_sha256 != challenge().scoring_sha256
    assert challenge("speed: {frame_rate: 25}").scoring_sha256 == challenge().scoring_sha256
