"""What a challenge declares about its ranking, and every preset."""

from __future__ import annotations

import pytest
from builders.rankings import columns_of, scores, why

from evalkit.challenges.model import Challenge, load_challenge, parse_challenge, preset_ids
from evalkit.errors import ChallengeError
from evalkit.leaderboard.ranking import rank_challenge, ranking_columns
from evalkit.leaderboard.table import Cell, Row

OWN = """
schema: 1
id: own
title: Own
submission: {runs: {max: 3, primary: 1}}
metrics:
  - {id: psnr.rgb, weight: 2, range: [10, 50]}
  - {id: fid.pytorch, direction: lower, range: [0, 100], group: objective}
  - {id: speed.fps, direction: higher, range: [0, 50], group: speed}
  - {id: iqa.brisque, direction: lower, rank: false, group: diagnostic}
  - {id: video.fps, rank: false, group: diagnostic}
coverage: 0.9
ranking: weighted-sum
ranking_rules:
  group_weights: {objective: 2, subjective: 1, speed: 1}
  tie_breaks: [iqa.brisque, sync]
ratings: {method: mos, dimensions: [{id: sync, title: Sync, weight: 3, scale: [0, 10]}]}
"""


def own() -> Challenge:
    return parse_challenge(OWN, "own.yaml")


def test_columns_of_a_challenge():
    breaks = own().ranking_rules.tie_breaks
    found = ranking_columns(columns_of(own(), {"psnr.rgb": True, "fid.pytorch": True}), breaks)
    assert [(one.id, one.higher_is_better, one.group, one.weight, one.range, one.ranks) for one in found] == [
        ("psnr.rgb", True, "objective", 2, (10, 50), True),
        ("fid.pytorch", False, "objective", 1, (0, 100), True),
        ("speed.fps", True, "speed", 1, (0, 50), True),
        ("iqa.brisque", False, "diagnostic", 0, None, False),
        ("sync", True, "subjective", 3, (0, 10), True),
    ]
    with pytest.raises(ChallengeError, match=r"psnr\.rgb can't rank: nothing says which side is better"):
        ranking_columns(columns_of(own(), {"psnr.rgb": None}), breaks)


def test_a_challenge_ranks():
    """Objective 2 x (2 * psnr + fid) / 3, speed 1, people 1, of 4.

    a: psnr 30 -> .5, fid 40 -> .6, fps 25 -> .5, sync 5 -> .5: 2 * (1.6 / 3) + 1 = 2.0666.. / 4
    b: psnr 40 -> .75, fid 70 -> .3, fps 10 -> .2, sync 8 -> .8: 2 * (1.8 / 3) + 1 = 2.2 / 4
    """
    made = {
        "a": {"psnr.rgb": 30.0, "fid.pytorch": 40.0, "speed.fps": 25.0, "sync": 5.0},
        "b": {"psnr.rgb": 40.0, "fid.pytorch": 70.0, "speed.fps": 10.0, "sync": 8.0},
    }
    entries = [Row(team, "1", {name: Cell(value) for name, value in cells.items()}) for team, cells in made.items()]
    thin = Row("c", "1", {**entries[0].cells, "psnr.rgb": Cell(50.0, coverage=0.89)})
    ranking = rank_challenge(own(), [*entries, thin], columns_of(own(), {"psnr.rgb": True}))
    assert scores(ranking) == pytest.approx({"b": 0.55, "a": (3.2 / 3 + 1) / 4, "c": None}, abs=1e-12)
    assert why(ranking, "c") == ["coverage"]


def test_the_pairs_of_a_challenge_are_a_column_unless_dimensions_are_judged():
    text = "schema: 1\nid: x\ntitle: X\nratings: {method: pairs%s}"
    (column,) = columns_of(parse_challenge(text % "", "x"))
    assert (column.id, column.group, column.weight, column.range) == ("pairs", "subjective", 1.0, (0, 1))
    (column,) = columns_of(parse_challenge(text % ", dimensions: [{id: sync, title: Sync}]", "x"))
    assert (column.id, column.group, column.weight, column.range) == ("sync", "subjective", 1.0, None)
    none = parse_challenge((text % ", dimensions: [{id: sync, title: Sync}]").replace("pairs", "none"), "x")
    assert columns_of(none) == ()


def test_ranking_rules_written_out_as_their_defaults_do_not_change_the_digest():
    plain = "schema: 1\nid: x\ntitle: X\n"
    said = [plain, plain + "ranking_rules: {}", plain + "ranking_rules: {shortlist: rank-sum, tie_breaks: []}"]
    assert len({parse_challenge(text, "x").sha256 for text in said}) == 1
    assert (
        parse_challenge(plain + "ranking_rules: {shortlist: borda}", "x").sha256 != parse_challenge(plain, "x").sha256
    )


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ("{tie_breaks: [psnr.rbg]}", "'psnr.rbg' is not a metric or dimension of this challenge. Did you"),
        ("{tie_breaks: [psnr.rgb, psnr.rgb]}", "the tie break 'psnr.rgb' appears twice"),
        ("{tie_breaks: [pairs]}", "is not a metric or dimension"),
        ("{group_weights: {objective: 0, subjective: 0, speed: 0}}", "at least one group must weigh more than 0"),
        ("{group_weights: {speed: -1}}", "must be at least 0"),
        ("{group_weights: {diagnostic: 1}}", "unknown key"),
        ("{shortlist: two-phase}", "shortlist"),
    ],
)
def test_ranking_rules_with_faults(rules, words):
    text = "schema: 1\nid: x\ntitle: X\nmetrics: [{id: psnr.rgb}]\nranking_rules: " + rules
    with pytest.raises(ChallengeError) as caught:
        parse_challenge(text, "x.yaml")
    assert words in str(caught.value)


@pytest.mark.parametrize("preset", preset_ids())
def test_every_preset_ranks_or_says_what_is_missing(preset):
    challenge = load_challenge(preset)
    known = {metric.id: True for metric in challenge.metrics}
    everything = columns_of(challenge, known)
    columns = ranking_columns(everything, challenge.ranking_rules.tie_breaks)
    entries = [Row(team, "1", {c.id: Cell(value) for c in columns}) for team, value in (("a", 0.25), ("b", 0.75))]
    lacking = [c.id for c in columns if c.range is None]
    if challenge.ranking == "weighted-sum" and lacking:
        with pytest.raises(ChallengeError, match="needs a range"):
            rank_challenge(challenge, entries, everything)
        return
    ranking = rank_challenge(challenge, entries, everything)
    assert {row.team for row in ranking.rows} == {"a", "b"}
    assert len(ranking.ranked) == (0 if challenge.ranking == "none" else 2)
