"""Challenge files: faults with their lines, values, severities."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders.challenges import challenge
from hypothesis import given
from hypothesis import strategies as st

from evalkit.challenges.model import load_challenge, parse_challenge
from evalkit.errors import ChallengeError, EvalkitError, UsageError
from evalkit.validators.findings import Rule, Violation, run_rules, verdict_of


def faults(text: str) -> list[str]:
    with pytest.raises(ChallengeError) as caught:
        challenge(text)
    return str(caught.value).splitlines()


# Names and paths of challenges


def test_an_unknown_preset_gets_the_nearest_one() -> None:
    with pytest.raises(UsageError, match=r"no challenge 'talkinghead'\. Did you mean 'talking-head'\?") as caught:
        load_challenge("talkinghead")
    assert caught.value.exit_code == 2
    assert "ipvg2025-facial" in str(caught.value)


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b", "../none", "x\ud800y"])
def test_words_that_are_no_path_are_no_challenge(name: str) -> None:
    with pytest.raises(UsageError, match="There is no challenge"):
        load_challenge(name)


def test_a_path_must_lead_to_a_file(tmp_path: Path) -> None:
    with pytest.raises(ChallengeError, match=r"none\.yaml does not exist"):
        load_challenge(tmp_path / "none.yaml")
    with pytest.raises(ChallengeError, match="is a folder"):
        load_challenge(tmp_path)
    with pytest.raises(ChallengeError, match=r"a+\.yaml can't be read"):
        load_challenge("a" * 5000 + ".yaml")


def test_a_file_is_named_in_its_faults(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("id: mine\ntitle: Mine\ncovrage: 1\n")
    with pytest.raises(ChallengeError) as caught:
        load_challenge(file)
    assert str(caught.value).startswith(
        f"{file}, line 3: unknown key 'covrage'. Did you mean 'coverage'? Known keys: schema, id, title, url, "
    )
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("submision: {}", "line 3: unknown key 'submision'. Did you mean 'submission'?"),
        ("shema: 1", "line 3: unknown key 'shema'. Did you mean 'schema'?"),
        (
            "submission:\n  video:\n    max_fsp: 30",
            "line 5: unknown key 'submission.video.max_fsp'. Did you mean 'max_fps'?",
        ),
        (
            "metrics:\n  - {id: a.b}\n  - {id: c.d, wieght: 2}",
            "line 5: unknown key 'metrics.1.wieght'. Did you mean 'weight'?",
        ),
        ("metrics:\n  - {weight: 2}", "line 4: the key 'metrics.0.id' is missing."),
        ("ratings:\n  dimensions:\n    - {id: a}", "line 5: the key 'ratings.dimensions.0.title' is missing."),
        ("schema: 2", "line 3: 'schema': must be 1. Found 2."),
        ("metrics: {id: a.b}", "line 3: 'metrics': must be a list."),
        ("submission: flat", "line 3: 'submission': must be a set of keys with values. Found 'flat'."),
        ("evalkit_defaults:\n  - coverage\n  - metrics.wait", "line 5: 'evalkit_defaults.1': 'metrics.wait' is not"),
    ],
)
def test_typing_errors_are_named_with_their_line(text: str, fault: str) -> None:
    assert any(line.startswith(f"mine.yaml, {fault}") for line in faults(text)), faults(text)


def test_a_challenge_needs_an_id_and_a_title() -> None:
    with pytest.raises(ChallengeError) as caught:
        parse_challenge("schema: 1", "f")
    assert str(caught.value).splitlines() == [
        "f, line 1: the key 'id' is missing.",
        "f, line 1: the key 'title' is missing.",
    ]


def test_an_id_of_digits_is_taken_as_written() -> None:
    for text in ("2025", "012", "no", "1e3", "0x1f"):
        assert parse_challenge(f"id: {text}\ntitle: {text}", "f").id == text


@pytest.mark.parametrize("text", ["My Challenge", "../x", "a/b", "-a", "'a\n\nb'", "caf\u00e9"])
def test_an_id_is_made_of_small_letters_digits_and_dashes(text: str) -> None:
    with pytest.raises(ChallengeError, match=r"line 1: 'id': must be of the form"):
        parse_challenge(f"id: {text}\ntitle: x", "f")


# Values


@pytest.mark.parametrize("template", ["{id}.mp4", "videos/{id}.mp4", "{identity}/{prompt}.mp4", "{index}.mp4", "{id}"])
def test_layouts_that_are_right(template: str) -> None:
    assert challenge(f"submission: {{layouts: ['{template}']}}").submission.layouts == (template,)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{name}.mp4", "unknown field {name}; known: id, identity, prompt, index, setup."),
        ("{ID}.mp4", "unknown field {ID}; known: id, identity, prompt, index, setup. Did you mean 'id'?"),
        ("{promt}.mp4", "Did you mean 'prompt'?"),
        ("{id!r}.mp4", "unknown field {id!r}"),
        ("{}.mp4", "unknown field {}"),
        ("video.mp4", "a layout needs at least one field such as {id}"),
        ("", "a layout needs at least one field such as {id}"),
        ("{{id}}.mp4", "a layout is a relative path"),
        ("{id}}.mp4", "a layout is a relative path"),
        ("/{id}.mp4", "a layout is a relative path"),
        ("../{id}.mp4", "a layout is a relative path"),
        ("a/../{id}.mp4", "a layout is a relative path"),
        ("./{id}.mp4", "a layout is a relative path"),
        ("a//{id}.mp4", "a layout is a relative path"),
        ("{id}.mp4/", "a layout is a relative path"),
        ("a\\{id}.mp4", "a layout is a relative path"),
    ],
)
def test_layouts_that_are_wrong(template: str, words: str) -> None:
    (fault,) = faults(f"submission:\n  layouts:\n    - '{template}'")
    assert fault.startswith("mine.yaml, line 5: 'submission.layouts.0': ")
    assert words in fault


def test_a_challenge_has_at_least_one_layout() -> None:
    (fault,) = faults("submission: {layouts: []}")
    assert "'submission.layouts': has too few entries; at least 1." in fault


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("coverage: 1.01", "'coverage': must be at most 1"),
        ("coverage: -0.1", "'coverage': must be at least 0"),
        ("coverage: nan", "'coverage'"),
        ("coverage: yes", "'coverage': must be a number"),
        ("coverage: true", "'coverage': must be a number. Found true."),
        ("metrics: [{id: a.b, weight: -1}]", "'metrics.0.weight'"),
        ("metrics: [{id: a.b, weight: .inf}]", "'metrics.0.weight'"),
        ("metrics: [{id: a.b, weight: nan}]", "'metrics.0.weight'"),
        ("metrics: [{id: a.b, weight: false}]", "'metrics.0.weight': must be a number. Found false."),
        ("metrics: [{id: a.b, range: [1, 0]}]", "the range must be [low, high] with low < high"),
        ("metrics: [{id: a.b, range: [1, 1]}]", "the range must be [low, high] with low < high"),
        ("metrics: [{id: a.b, range: [0, inf]}]", "'metrics.0.range.1': must be a finite number"),
        ("metrics: [{id: a.b, range: [nan, 1]}]", "'metrics.0.range.0': must be a finite number"),
        ("metrics: [{id: a.b, range: [0]}]", "'metrics.0.range.1' is missing"),
        ("metrics: [{id: a.b, direction: up}]", "must be 'higher' or 'lower'. Found 'up'"),
        ("metrics: [{id: a.b}, {id: c.d}, {id: a.b}]", "'metrics': the metric 'a.b' appears twice."),
        ("metrics: [{id: ''}]", "'metrics.0.id'"),
        ("submission: {video: {max_fps: 0}}", "'submission.video.max_fps'"),
        ("submission: {video: {min_fps: 30, max_fps: 25}}", "no video can have min_fps 30.0 and max_fps 25.0"),
        ("submission: {video: {min_seconds: 601}}", "no video can have min_seconds 601.0 and max_seconds 600.0"),
        ("submission: {video: {min_width: 2, max_width: 1}}", "no video can have min_width 2 and max_width 1"),
        ("submission: {video: {min_height: 5000}}", "no video can have min_height 5000 and max_height 4096"),
        ("submission: {video: {min_frames: 1.5}}", "'submission.video.min_frames'"),
        ("submission: {archive: {max_files: 0}}", "'submission.archive.max_files'"),
        ("submission: {runs: {max: 2, primary: 3}}", "3 primary runs can't be chosen from 2"),
        ("submission: {severities: {layout.extra: fatal}}", "'submission.severities.layout.extra'"),
        ("submission: {severities: {layout.extra: false}}", "'submission.severities.layout.extra'"),
        ("testset: {samples: 0}", "'testset.samples'"),
        ("testset: {samples: true}", "'testset.samples': must be a number. Found true."),
        ("testset: {format: ipvg}", "'testset.format'"),
        ("ratings: {dimensions: [{id: a, title: A, scale: [5, 1]}]}", "the scale must be [lowest, highest]"),
        ("ratings: {dimensions: [{id: A b, title: A}]}", "'ratings.dimensions.0.id'"),
        ("ratings: {dimensions: [{id: a, title: A}, {id: a, title: B}]}", "the dimension 'a' appears twice"),
        ("ratings: {finalists: 0}", "'ratings.finalists'"),
        ("schedule: [{id: a}, {id: a}]", "the phase 'a' appears twice"),
        ("schedule: [{id: a, closes: 2026-03-01}]", "'schedule.0.closes': '2026-03-01' has no time zone"),
        ("schedule: [{id: a, closes: 2026}]", "'schedule.0.closes': '2026' is not a date or time"),
        (
            "schedule: [{id: a, opens: 2026-03-02 AoE, closes: 2026-03-01 AoE}]",
            "'schedule.0': a phase must close after it opens.",
        ),
    ],
)
def test_values_that_are_wrong(text: str, words: str) -> None:
    (fault,) = faults(text)
    assert fault.startswith("mine.yaml, line 3: ")
    assert words in fault


def test_equal_limits_are_possible() -> None:
    video = challenge(
        "submission: {video: {min_fps: 25, max_fps: 25, min_width: 512, max_width: 512}}"
    ).submission.video
    assert (video.min_fps, video.max_fps, video.min_width, video.max_width) == (25.0, 25.0, 512, 512)


def test_null_means_not_checked() -> None:
    video = challenge("submission: {video: {min_fps: null, max_fps: ~, max_width: }}").submission.video
    assert (video.min_fps, video.max_fps, video.max_width) == (None, None, None)


def test_a_phase_of_one_day_lasts_that_day_anywhere_on_earth() -> None:
    (phase,) = challenge("schedule: [{id: final, opens: 2026-03-01 AoE, closes: 2026-03-01 AoE}]").schedule
    opens, closes = phase.opens_at(), phase.closes_at()
    assert opens is not None
    assert closes is not None
    assert closes - opens == timedelta(hours=24) - timedelta(microseconds=1)
    (open_end,) = challenge("schedule: [{id: final}]").schedule
    assert open_end.opens_at() is open_end.closes_at() is None


@pytest.mark.parametrize(
    "key",
    [
        *("id", "schema", "submission", "submission.video.max_fps", "submission.runs.max", "metrics.weight"),
        *("metrics.range", "ratings.dimensions.scale", "schedule.closes", "testset.samples", "submission.severities"),
    ],
)
def test_defaults_may_name_every_key_through_lists(key: str) -> None:
    assert challenge(f"evalkit_defaults: [{key}]").evalkit_defaults == (key,)


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("submission.video.max_fsp", " Did you mean 'max_fps'?"),
        ("metrics.wieght", " Did you mean 'weight'?"),
        ("schema_", " Did you mean 'schema'?"),
        ("submission.severities.layout", ""),
        ("coverage.x", ""),
        ("submission.", ""),
        (".", ""),
        ("metrics.0.weight", ""),
        ("model_config", ""),
    ],
)
def test_defaults_may_name_nothing_else(key: str, hint: str) -> None:
    assert faults(f"evalkit_defaults: ['{key}']") == [
        f"mine.yaml, line 3: 'evalkit_defaults.0': '{key}' is not a key of a challenge.{hint} Found '{key}'."
    ]


def test_a_challenge_does_not_change() -> None:
    loaded = challenge()
    with pytest.raises(ValueError, match="frozen"):
        loaded.title = "other"


leaves = st.sampled_from(
    [None, True, False, 0, 1, -1, 3.5, 1e300, 10**30, "", "a", "x.y", "{id}.mp4", "off", "a\nb", "\u8996"]
)


nested = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["id", "layouts", "video", "max_fps", "severities", "range"]), inner, max_size=2
        )
    ),
    max_leaves=4,
)


@given(
    st.dictionaries(
        st.sampled_from(["id", "submission", "metrics", "coverage", "ratings", "schedule", "evalkit_defaults", "x"]),
        nested,
        max_size=4,
    )
)
def test_any_data_is_a_challenge_or_a_challenge_error(data: dict[str, Any]) -> None:
    text = yaml.safe_dump({"id": "a", "title": "b", **data}, allow_unicode=True)
    try:
        loaded = parse_challenge(text, "f")
    except EvalkitError as error:
        assert isinstance(error, ChallengeError)
        assert all(line.startswith("f") for line in str(error).splitlines())
    else:
        assert parse_challenge(json.dumps(loaded.model_dump(mode="json", by_alias=True)), "g").sha256 == loaded.sha256


# Severities


def _rule(name: str, severity: Any) -> Rule[None]:
    return Rule(name, "set", severity, name, lambda facts: [Violation("It is wrong.")])


def test_a_challenge_may_replace_a_severity_or_switch_a_rule_off() -> None:
    severities = challenge(
        "submission: {severities: {a.one: warning, a.two: off, a.three: info}}"
    ).submission.severities
    assert severities == {"a.one": "warning", "a.two": "off", "a.three": "info"}
    rules = [_rule(f"a.{name}", "error") for name in ("one", "two", "three", "four")]
    found = run_rules(rules, None, severities)
    assert [(finding.rule, finding.severity) for finding in found] == [
        ("a.one", "warning"),
        ("a.three", "info"),
        ("a.four", "error"),
    ]
    assert verdict_of(found) == "error"
    assert verdict_of(found[:2]) == "warning"
    assert verdict_of(found[1:2]) == verdict_of([]) == "ok"


TWO = "[{id: q, title: Quality}, {id: m, title: Motion}]"


METRIC_LINE = "metrics: [{id: fid.pytorch, direction: lower, range: [0, 100]}]\n"


@pytest.mark.parametrize(
    ("rules", "fault"),
    [
        ("ranking: two-phase\nratings: {method: none}\n", "needs human ratings for its second phase"),
        (f"ranking: weighted-sum\nratings: {{method: pairs, dimensions: {TWO}}}\n", "rated in pairs have none"),
        ("ranking: weighted-sum\nratings: {method: pairs, dimensions: [{id: q, title: Q}]}\n", "rated in pairs"),
        (f"ranking: two-phase\nratings: {{method: pairs, dimensions: {TWO}}}\n", None),
        ("ranking: weighted-sum\nratings: {method: pairs}\n", None),
        (f"ranking: rank-sum\nratings: {{method: pairs, dimensions: {TWO}}}\n", None),
        (f"ranking: weighted-sum\nratings: {{method: mos, dimensions: {TWO}}}\n", None),
    ],
)
def test_a_rule_that_can_never_rank_is_refused(tmp_path: Path, rules: str, fault: str | None) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"schema: 1\nid: c\ntitle: C\n{METRIC_LINE}{rules}", encoding="utf-8")
    if fault is None:
        assert load_challenge(path).id == "c"
        return
    with pytest.raises(ChallengeError, match=fault) as caught:
        load_challenge(path)
    assert str(path) in str(caught.value)
    # A board that was opened with such rules can still be read.
    assert parse_challenge(path.read_text(encoding="utf-8"), "board").id == "c"
