"""Which numbers go to a platform's leaderboard, and that no missing value can rank first there."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import pytest
from builders.boards import make_card, make_snapshot
from builders.hosting import RULES

from evalkit.challenges.model import Challenge, load_challenge, parse_challenge, preset_ids
from evalkit.errors import ChallengeError
from evalkit.hosting.columns import HostColumn, host_columns
from evalkit.hosting.runs import HostedRun, hosted_run
from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.scoring.scorecard import Scorecard


def rules(text: str = RULES) -> Challenge:
    return parse_challenge(text, "test")


def card(psnr: object, ssim: object = (0.5, 0.5), fps: object = (25.0, 25.0), name: str = "lumen") -> Scorecard:
    values = {"psnr.rgb": psnr, "ssim.gray": ssim, "video.fps": fps}
    return make_card(name, {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}, challenge="faces")


def test_the_columns_are_those_of_the_challenge_ranking_ones_first() -> None:
    columns = host_columns(rules())
    assert [(one.metric, one.title, one.higher_is_better, one.precision, one.counts) for one in columns] == [
        (None, "Complete", True, 4, False),
        (None, "Score", True, 4, True),
        ("psnr.rgb", "PSNR", True, 2, True),
        ("ssim.gray", "Structure", True, 4, True),
        ("video.fps", "Frame rate", True, 4, False),
    ]


@pytest.mark.parametrize("preset", preset_ids())
def test_every_preset_has_columns_that_both_platforms_can_hold(preset: str) -> None:
    challenge = load_challenge(preset)
    columns = host_columns(challenge)
    assert {one.metric for one in columns if one.metric} == {entry.id for entry in challenge.metrics}
    for names in ([one.key for one in columns], [one.title for one in columns]):
        assert len(set(names)) == len(names)
        assert all(0 < len(name) <= 36 for name in names)
    for entry in challenge.metrics:
        if entry.direction is not None:
            column = next(one for one in columns if one.metric == entry.id)
            assert column.higher_is_better is (entry.direction == "higher"), entry.id


def test_a_complete_run_has_its_score_by_hand() -> None:
    run = hosted_run(card((20.0, 30.0)), rules())
    # (25 - 10) / 40 = 0.375 with weight 3, 0.5 with weight 1.
    assert run.numbers == {
        "complete": 1.0,
        "score": (3 * 0.375 + 0.5) / 4,
        "psnr_rgb": 25.0,
        "ssim_gray": 0.5,
        "video_fps": 25.0,
    }
    assert run.ranked
    assert not run.missing


def test_a_missing_value_is_left_out_with_its_reason() -> None:
    run = hosted_run(card((20.0, 30.0), ssim=None), rules())
    assert run.numbers == {"complete": 0.0, "psnr_rgb": 25.0, "video_fps": 25.0}
    assert run.missing == {"score": "the run is not ranked", "ssim_gray": "unscored: no_face"}
    assert run.not_ranked == ("ssim.gray has no value: unscored: no_face.",)


def test_too_few_samples_say_how_many_and_never_round_up_to_complete() -> None:
    half = hosted_run(card((20.0, None)), rules(RULES + "coverage: 0.8\n"))
    assert half.numbers["complete"] == 0.625  # 0.5 of 0.8
    assert half.not_ranked == ("psnr.rgb rests on 50 % of the samples, 80 % are needed.",)
    many = [20.0] * 29_999 + [None]
    nearly = hosted_run(card(tuple(many), ssim=tuple([0.5] * 30_000), fps=tuple([25.0] * 30_000)), rules())
    assert nearly.numbers["complete"] == 0.9999
    assert not nearly.ranked
    assert hosted_run(card((20.0, None)), rules(RULES + "coverage: 0.5\n")).ranked


def test_a_number_that_codabench_can_not_store_is_missing() -> None:
    run = hosted_run(card(1e10), rules())
    assert "psnr_rgb" not in run.numbers
    assert run.missing["psnr_rgb"] == "1e+10 does not fit into the leaderboard"
    assert not run.ranked


def test_a_column_that_applies_to_no_sample_counts_for_nobody() -> None:
    document = card((20.0, 30.0), ssim=None).model_dump(mode="json", by_alias=True)
    document["metrics"]["ssim.gray"]["reason"] = "not_applicable:no_person"
    run = hosted_run(Scorecard.model_validate(document), rules())
    assert run.ranked
    assert run.missing["ssim_gray"] == "not applicable: no_person"


def test_speed_that_the_organizers_measure_later_keeps_nobody_from_being_ranked() -> None:
    text = RULES.replace("ranking:", "  - {id: speed.fps, group: speed, range: [0, 60]}\nranking:")
    assert not hosted_run(card((20.0, 30.0)), rules(text)).ranked
    later = rules(text + "speed: {sources: [measured]}\n")
    run = hosted_run(card((20.0, 30.0)), later)
    assert run.ranked
    assert run.missing["speed_fps"] == "the organizers measure it"


@pytest.mark.parametrize("coverage", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(
    ("psnr", "ssim", "fps"),
    [
        ((20.0, 30.0), (0.5, 0.5), (25.0, 25.0)),
        ((20.0, None), (0.5, 0.5), (25.0, 25.0)),
        ((20.0, 30.0), (None, None), (25.0, 25.0)),
        ((20.0, 30.0), (0.5, 0.5), None),
        (None, (0.5, None), (25.0, 25.0)),
    ],
)
def test_a_run_is_ranked_where_the_leaderboard_ranks_it_with_the_same_score(
    psnr: object, ssim: object, fps: object, coverage: float
) -> None:
    challenge = rules(RULES + f"coverage: {coverage}\n")
    asked = card(psnr, ssim, fps)
    other = card((11.0, 12.0), name="atlas")  # complete, so that no column is without values
    board = compute_leaderboard(make_snapshot(challenge, {"lumen": asked, "atlas": other}), draws=0)
    row = next(row for row in board.rows if row.team == "lumen")
    run = hosted_run(asked, challenge)
    assert run.ranked is (row.rank is not None)
    assert run.numbers.get("score") == (pytest.approx(row.score, abs=1e-9) if row.rank is not None else None)


def in_the_order_of_codabench(runs: dict[str, HostedRun], columns: Sequence[HostColumn]) -> list[str]:
    """Return the names as the platform's query orders them; PostgreSQL has nulls first where the order descends."""
    database = sqlite3.connect(":memory:")
    names = ", ".join(column.key for column in columns)
    database.execute(f"CREATE TABLE runs (name, {names})")
    for name, run in runs.items():
        values = [run.numbers.get(column.key) for column in columns]
        database.execute(f"INSERT INTO runs VALUES ({', '.join('?' * (len(values) + 1))})", (name, *values))
    order = ", ".join(
        f"{column.key} {'DESC NULLS FIRST' if column.higher_is_better else 'ASC NULLS LAST'}" for column in columns
    )
    return [row[0] for row in database.execute(f"SELECT name FROM runs ORDER BY {order}")]


def test_on_codabench_no_missing_value_comes_before_a_ranked_run() -> None:
    challenge = rules()
    runs = {
        "no psnr": hosted_run(card(None), challenge),
        "worst": hosted_run(card((10.0, 10.0), ssim=(0.0, 0.0)), challenge),
        "half": hosted_run(card((49.0, None)), challenge),
        "best": hosted_run(card((40.0, 40.0)), challenge),
        "no ssim": hosted_run(card((50.0, 50.0), ssim=None), challenge),
    }
    order = in_the_order_of_codabench(runs, host_columns(challenge))
    assert order[:3] == ["best", "worst", "half"]
    # Without the first column the missing score comes first: this is what the column is for.
    assert in_the_order_of_codabench(runs, host_columns(challenge)[1:])[0] not in {"best", "worst"}


def test_without_metrics_or_a_side_there_is_no_leaderboard() -> None:
    with pytest.raises(ChallengeError, match="measures nothing"):
        host_columns(rules("id: c\ntitle: C\n"))
    with pytest.raises(ChallengeError, match=r"blink.rate ranks.*direction"):
        host_columns(rules("id: c\ntitle: C\nmetrics: [{id: blink.rate}]\n"))


def test_titles_and_keys_of_strange_metrics_are_short_plain_and_different() -> None:
    long = "x" * 60
    text = f'''id: c
title: C
metrics:
  - {{id: "{long}.a", direction: higher, published_as: "<b>{{{{x}}}}</b> {long}"}}
  - {{id: "{long}.b", direction: lower, published_as: "<b>{{{{x}}}}</b> {long}"}}
  - {{id: "Ü&", direction: lower}}
'''
    columns = host_columns(rules(text))[1:]
    for column in columns:
        assert not set("<>&{}`") & set(column.title + column.about)
        assert len(column.title) <= 36
        assert column.key.isascii()
        assert len(column.key) <= 36
    assert len({column.title for column in columns}) == len({column.key for column in columns}) == 3
