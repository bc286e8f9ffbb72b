"""Scorecards that nobody scored: each is refused, and the board stays as it was."""

from __future__ import annotations

from typing import Any

import pytest
from board_tools import card
from builders.boards import as_installed, make_card
from scorecards import small_card

from evalkit.board import Board
from evalkit.errors import InputError
from evalkit.scoring.scorecard import Scorecard


def changed(held: Scorecard, *path: str | int, to: Any) -> Scorecard:
    """Return the scorecard with another value at ``path``."""
    document = held.model_dump(mode="json", by_alias=True)
    place: Any = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return Scorecard.model_validate(document)


METRIC = ("metrics", "identity.strict")
FORGED = {
    "a better mean": (*METRIC, "value", 0.9, "not the mean"),
    "more videos": (*METRIC, "n", 3, "does not count"),
    "more coverage": (*METRIC, "coverage", 0.25, "coverage"),
    "a value too high": (*METRIC, "range", (0.0, 0.4), "outside its range"),
    "a value too low": (*METRIC, "range", (0.6, None), "outside its range"),
    "a huge mean": (*METRIC, "value", 1.7e308, "no possible number"),
    "a huge interval": (*METRIC, "ci95", (0.0, 1.7e308), "no possible number"),
    "a huge detail": (*METRIC, "details", {"frames": -1e300}, "no possible number"),
    "a huge value of a video": ("videos", 0, "values", "identity.strict", 1e300, "no possible number"),
    "a sample twice": ("videos", 1, "sample", "s1", "more than once"),
    "an interval that ends before it begins": (*METRIC, "ci95", (0.9, 0.1), "ends before it begins"),
    "sizes of sets for a metric of videos": (*METRIC, "details", {"n_reference": 3.0}, "details of a set"),
    "a sample without a name": ("videos", 0, "sample", "", "no name"),
    "a sample that no database keeps": ("videos", 0, "sample", "a\0b", "can't be kept"),
    "a sample of a million characters": ("videos", 0, "sample", "x" * 10**6, "can't be kept"),
    "a metric of videos alone": ("videos", 0, "values", "other", 1.0, "does not list"),
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED.keys())
def test_a_scorecard_that_contradicts_itself_is_refused(board: Board, forged: tuple[Any, ...]) -> None:
    *path, to, message = forged
    board.add_team("alpha", by="olga")
    before = board.snapshot()
    with pytest.raises(InputError, match=message):
        board.add_run("alpha", "main", changed(card(), *path, to=to), by="olga")
    assert board.snapshot() == before


@pytest.mark.parametrize(("what", "to"), [("unit", "<b>"), ("range", (0.0, 9.0)), ("higher_is_better", False)])
def test_a_metric_declared_otherwise_is_refused_and_costs_nobody_a_number(board: Board, what: str, to: Any) -> None:
    for team in ("alpha", "beta"):
        board.add_team(team, by="olga")
    board.add_run("alpha", "main", card(), by="olga")
    before = board.snapshot()
    with pytest.raises(InputError, match=r"declares another .* of identity\.strict"):
        board.add_run("beta", "main", changed(card("beta"), *METRIC, what, to=to), by="olga")
    assert board.snapshot() == before


def test_numbers_that_videos_cannot_prove_are_named_in_the_log(board: Board) -> None:
    board.add_team("alpha", by="olga")
    held = card()
    whole = {"value": 24.5, "higher_is_better": False, "n": 2, "coverage": 1.0, "protocol": 1}
    board.add_run("alpha", "main", as_installed(changed(held, "metrics", "fid.pytorch", to=whole)), by="olga")
    assert board.log()[-1].details["not_recomputed"] == ["fid.pytorch"]


def test_a_metric_of_videos_without_their_values_is_refused(board: Board) -> None:
    board.add_team("alpha", by="olga")
    alone = {"value": 45.0, "higher_is_better": True, "n": 2, "coverage": 1.0, "protocol": 1}
    with pytest.raises(InputError, match="no video has one"):
        board.add_run("alpha", "main", changed(card(), "metrics", "psnr.rgb", to=alone), by="olga")


def of_psnr(name: str = "alpha") -> Scorecard:
    """Return a scorecard of an installed metric."""
    made = make_card(name, {"psnr.rgb": [30.0, 31.0]})
    return as_installed(made.model_copy(update={"challenge": card().challenge}))


@pytest.mark.parametrize(
    ("what", "to", "message"),
    [
        ("range", (0.0, 40.0), "another range"),
        ("range", (None, 1e6), "another range"),
        ("unit", "points", "another unit"),
        ("unit", "d\u200bB", "another unit"),
        ("higher_is_better", False, "another higher is better"),
        ("higher_is_better", None, "another higher is better"),
        ("protocol", 99, "another protocol"),
        ("protocol", -1, "another protocol"),
    ],
)
def test_the_first_scorecard_does_not_decide_what_a_metric_means(
    board: Board, what: str, to: Any, message: str
) -> None:
    for team in ("alpha", "beta"):
        board.add_team(team, by="olga")
    before = board.snapshot()
    with pytest.raises(InputError, match=rf"{message} of psnr\.rgb than evalkit"):
        board.add_run("alpha", "main", changed(of_psnr(), "metrics", "psnr.rgb", what, to=to), by="olga")
    assert board.snapshot() == before
    assert board.add_run("beta", "main", of_psnr("beta"), by="olga") == "added"


def test_the_role_of_a_metric_is_the_challenges(board: Board) -> None:
    board.add_team("alpha", by="olga")
    for role in ("ranked", "secondary", "diagnostic"):
        given = changed(of_psnr(role), "metrics", "psnr.rgb", "role", to=role)
        assert board.add_run("alpha", role, given, by="olga") == "added"


OFFSET = "sync.own.offset"


def with_offsets(held: Scorecard, value: float, share: float, **declared: Any) -> Scorecard:
    """Return the scorecard with offsets of -12 and 7 frames, 2 of the others, and the number that it claims."""
    document = held.model_dump(mode="json", by_alias=True)
    offsets = [-12.0, 7.0, *[2.0] * (len(document["videos"]) - 2)]
    for video, offset in zip(document["videos"], offsets, strict=True):
        video["values"][OFFSET] = offset
    document["metrics"][OFFSET] = {
        "value": value, "higher_is_better": None, "n": len(offsets), "coverage": 1.0, "protocol": 2,
        "range": [-15.0, 15.0], "unit": "frames at 25/s", "role": "diagnostic", "aggregate": "median",
        "details": {"mode": 2.0, "share_at_mode": share}, **declared,
    }  # fmt: skip
    return Scorecard.model_validate(document)


def test_offsets_are_checked_by_their_median_and_mode(board: Board) -> None:
    challenge = card().challenge.model_dump()
    held = small_card("alpha", {"identity.strict": [0.5] * 6}, challenge=challenge)
    mean = (-12 + 7 + 4 * 2) / 6
    board.add_team("alpha", by="olga")
    for wrong, message in (
        (with_offsets(held, mean, 4 / 6), "not the median"),
        (with_offsets(held, mean, 4 / 6, aggregate="mean"), "not the median"),
        (with_offsets(held, 2.0, 4 / 6, aggregate="mean"), "another aggregate"),
        (with_offsets(held, 2.0, 1.0), "share at mode"),
        (with_offsets(held, 2.0, 4 / 6, details={}), "mode"),
    ):
        with pytest.raises(InputError, match=message):
            board.add_run("alpha", "main", wrong, by="olga")
    board.add_run("alpha", "main", with_offsets(held, 2.0, 4 / 6), by="olga")


def test_a_median_is_no_way_to_leave_out_the_worst_videos(board: Board) -> None:
    """A metric that is not installed here is checked by what the scorecard declares, and all declare the same."""
    for team in ("alpha", "beta"):
        board.add_team(team, by="olga")
    board.add_run("alpha", "main", card(), by="olga")
    detailed = changed(card("beta"), *METRIC, "details", to={"mode": 0.5, "share_at_mode": 1.0})
    with pytest.raises(InputError, match="declares another aggregate of identity"):
        board.add_run("beta", "main", changed(detailed, *METRIC, "aggregate", to="median"), by="olga")


def two_teams(board: Board) -> None:
    for team in ("alpha", "beta"):
        board.add_team(team, by="olga")
    board.add_run("alpha", "main", card(), by="olga")


@pytest.mark.parametrize("digest", [True, False], ids=["with", "without"])
def test_other_samples_than_those_of_the_board_are_refused(board: Board, digest: bool) -> None:
    two_teams(board)
    before = board.snapshot()
    other = changed(card("beta"), "videos", 1, "sample", to="s9")
    more = small_card("beta", {"identity.strict": [0.5] * 3}, challenge=card().challenge.model_dump())
    for held in (other, more):
        given = held if digest else changed(held, "provenance", "testset", to={})
        with pytest.raises(InputError, match="other samples"):
            board.add_run("beta", "main", given, by="olga")
    assert board.snapshot() == before


@pytest.mark.parametrize("detail", ["n", "n_reference"])
@pytest.mark.parametrize("size", [0.0, -0.0, -4.0, 2.5])
def test_sizes_of_sets_are_counts(board: Board, detail: str, size: float) -> None:
    board.add_team("alpha", by="olga")
    whole = {
        "value": 24.5,
        "higher_is_better": False,
        "n": 2,
        "coverage": 1.0,
        "protocol": 1,
        "details": {detail: size},
    }
    with pytest.raises(InputError, match=f"The size {detail} of fid.pytorch"):
        board.add_run("alpha", "main", as_installed(changed(card(), "metrics", "fid.pytorch", to=whole)), by="olga")
