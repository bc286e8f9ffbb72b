from __future__ import annotations

import hashlib
from typing import Any

import pytest
from board_tools import YAML, Database, card, rules
from scorecards import jpeg

from evalkit.board import Board
from evalkit.errors import InputError
from evalkit.scoring.scorecard import Scorecard


@pytest.fixture
def board(board: Board) -> Board:
    board.add_team("alpha", by="olga")
    board.add_team("beta", by="olga")
    return board


def primaries(board: Board) -> list[str]:
    return [f"{run.team}/{run.name}" for run in board.snapshot().runs if run.primary]


def test_a_run_comes_back_as_it_was_given(board: Board) -> None:
    given = card(value=1 / 3)
    strips = {"s2": [jpeg(3), jpeg(1)], "s1": [jpeg(2)], "none": []}
    assert board.add_run("alpha", "main", given, by="olga", strips=strips) == "added"
    (run,) = board.snapshot().runs
    assert (run.team, run.name, run.primary, run.card) == ("alpha", "main", True, given)
    assert run.card_sha256 == hashlib.sha256(given.to_json().encode()).hexdigest()
    assert run.strips == {"s1": (jpeg(2),), "s2": (jpeg(3), jpeg(1))}
    entry = board.log()[-1]
    assert (entry.action, entry.subject) == ("add-run", "alpha/main")
    assert entry.details["scorecard"] == run.card_sha256


def test_the_same_run_again_changes_nothing(board: Board) -> None:
    board.add_run("alpha", "main", card(), by="olga", strips={"s1": [jpeg(1)]})
    before = board.snapshot()
    assert board.add_run("ALPHA", "Main", card(), by="other", strips={"s1": [jpeg(1)]}) == "unchanged"
    assert board.add_run("alpha", "main", card(), by="other", primary=True) == "unchanged"
    assert board.snapshot() == before


def test_a_newer_scorecard_takes_the_place_of_the_old_one(board: Board) -> None:
    board.add_run("alpha", "main", card(value=0.25), by="olga", strips={"s1": [jpeg(1)]})
    before = board.snapshot()
    assert board.add_run("alpha", "main", card(value=0.75), by="olga", why="scored anew") == "updated"
    (run,) = board.snapshot().runs
    assert run.card.metrics["identity.strict"].value == 0.75
    assert run.strips == {"s1": (jpeg(1),)}  # the same submission: the pictures are still of it
    assert board.add_run("alpha", "main", card("another ZIP"), by="olga", why="scored anew") == "updated"
    assert board.snapshot().runs[0].strips == {}
    assert board.snapshot(before.at).runs == before.runs


def test_pictures_change_alone(board: Board) -> None:
    board.add_run("alpha", "main", card(), by="olga", strips={"s1": [jpeg(1), jpeg(2)], "s2": [jpeg(5)]})
    assert board.add_run("alpha", "main", card(), by="olga", strips={"s1": [jpeg(1), jpeg(3)]}) == "updated"
    assert board.snapshot().runs[0].strips == {"s1": (jpeg(1), jpeg(3))}
    changed = board.log()[-1].details["facts"]["strips"]
    assert (changed["added"], changed["ended"]) == (1, 2)
    with pytest.raises(InputError, match="not a JPEG"):
        board.add_run("alpha", "main", card(), by="olga", strips={"s1": [b"<svg onload=alert(1)>"]})


def test_the_first_run_competes_and_choosing_another_unchooses_it(board: Board) -> None:
    board.add_run("alpha", "one", card(value=0.1), by="olga")
    board.add_run("alpha", "two", card(value=0.2), by="olga")
    assert primaries(board) == ["alpha/one"]
    assert board.add_run("alpha", "two", card(value=0.2), by="olga", primary=True) == "updated"
    assert primaries(board) == ["alpha/two"]
    board.add_run("alpha", "three", card(value=0.3), by="olga", primary=True)
    assert primaries(board) == ["alpha/three"]
    board.set_primary("alpha", ["one"], by="olga")
    number = board.snapshot().number
    board.set_primary("alpha", ["ONE"], by="olga")
    assert primaries(board) == ["alpha/one"]
    assert board.snapshot().number == number
    board.add_run("alpha", "one", card(value=0.1), by="olga", primary=False)
    assert primaries(board) == []
    board.add_run("beta", "first", card("beta", 0.4), by="olga", primary=False)
    assert primaries(board) == []


def test_several_runs_compete_where_the_challenge_says_so(database: Database) -> None:
    with database.make(YAML.replace("primary: 1", "primary: 2")) as board:
        text = YAML.replace("primary: 1", "primary: 2")
        board.add_team("alpha", by="olga")
        for name in ("one", "two", "three"):
            board.add_run("alpha", name, card(name, text=text), by="olga", primary=None if name == "three" else True)
        assert primaries(board) == ["alpha/one", "alpha/two"]
        with pytest.raises(InputError, match="2 runs that compete already"):
            board.add_run("alpha", "three", card("three", text=text), by="olga", primary=True)
        board.set_primary("alpha", ["three", "two"], by="olga")
        assert primaries(board) == ["alpha/three", "alpha/two"]
        for wrong in ([], ["one", "two", "three"]):
            with pytest.raises(InputError, match="1 to 2"):
                board.set_primary("alpha", wrong, by="olga")


def test_a_team_has_no_more_runs_than_the_challenge_allows(board: Board) -> None:
    for name in ("one", "two", "three"):
        board.add_run("alpha", name, card(name), by="olga")
    with pytest.raises(InputError, match=r"has 3 runs already.*at most 3"):
        board.add_run("alpha", "four", card(), by="olga")
    assert board.add_run("alpha", "three", card("newer"), by="olga", why="scored anew") == "updated"
    board.add_run("beta", "four", card("beta"), by="olga")
    board.remove_run("alpha", "two", by="olga", why="wrong file")
    assert board.add_run("alpha", "four", card(), by="olga") == "added"
    assert [run.name for run in board.snapshot().runs if run.team == "alpha"] == ["four", "one", "three"]


def test_removing_a_run(board: Board) -> None:
    board.add_run("alpha", "one", card(), by="olga", strips={"s1": [jpeg(1)]})
    before = board.snapshot()
    with pytest.raises(InputError, match="Did you mean 'one'"):
        board.remove_run("alpha", "on", by="olga", why="w")
    with pytest.raises(InputError, match="reason"):
        board.remove_run("alpha", "one", by="olga", why=" ")
    board.remove_run("alpha", "one", by="olga", why="withdrawn")
    assert board.snapshot().runs == ()
    assert board.snapshot(before.at).runs == before.runs
    board.add_run("alpha", "one", card("newer"), by="olga")
    assert primaries(board) == ["alpha/one"]


def test_runs_go_with_their_team(board: Board) -> None:
    board.add_run("alpha", "one", card(), by="olga", strips={"s1": [jpeg(1)]})
    board.remove_team("alpha", by="olga", why="withdrew")
    assert board.snapshot().runs == ()
    assert board.verify() == []


def test_scorecards_of_another_challenge_are_refused(board: Board) -> None:
    other = card(challenge={"id": "other", "sha256": rules().scoring_sha256})
    with pytest.raises(InputError, match=r"another challenge.*other.*c"):
        board.add_run("alpha", "one", other, by="olga")
    with pytest.raises(InputError, match="no team 'gamma'"):
        board.add_run("gamma", "one", card(), by="olga")
    with pytest.raises(InputError, match="slash"):
        board.add_run("alpha", "a/b", card(), by="olga")
    assert board.snapshot().runs == ()


def test_scorecards_of_rules_that_the_board_never_had_are_refused(board: Board) -> None:
    text = YAML.replace("runs:", "video: {min_width: 256}, runs:")
    newer = card(text=text)
    with pytest.raises(InputError, match=r"never had.*Score the submission again.*evalkit board rules"):
        board.add_run("alpha", "one", newer, by="olga")
    assert board.set_challenge(rules(text), text, by="olga")
    assert board.add_run("alpha", "one", newer, by="olga") == "added"
    assert board.add_run("beta", "one", card("beta"), by="olga") == "added"  # of the version before


def test_scorecards_outlast_a_change_of_what_scoring_does_not_depend_on(board: Board) -> None:
    later = YAML.replace("{method: mos,", "{method: mos, window: {closes: 2026-04-01 AoE},") + "coverage: 0.5\n"
    assert rules(later).sha256 != rules().sha256
    assert board.add_run("alpha", "one", card(text=later), by="olga") == "added"  # before the board has the new rules
    assert board.set_challenge(rules(later), later, by="olga")
    assert board.add_run("beta", "one", card("beta"), by="olga") == "added"
    assert board.add_run("alpha", "one", card(text=later), by="olga") == "unchanged"
    assert board.verify() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"backbones": "bundled"},
        {"provenance": {"backbones": {"sha256": "ef" * 32}}},
        {"provenance": {}},
    ],
)
def test_scorecards_of_different_backbones_never_meet(board: Board, changes: dict[str, Any]) -> None:
    board.add_run("alpha", "one", card(), by="olga")
    with pytest.raises(InputError, match=r"other backbones.*different sets never meet"):
        board.add_run("beta", "one", card(**changes), by="olga")
    with pytest.raises(InputError, match="other backbones"):
        board.add_run("alpha", "two", card(**changes), by="olga")
    # The only run may be scored anew with others: then nothing is left of the old ones.
    assert board.add_run("alpha", "one", card(**changes), by="olga", why="scored anew") == "updated"
    assert board.add_run("beta", "one", card("beta", **changes), by="olga") == "added"


def test_a_new_team_is_added_with_its_run_or_not_at_all(board: Board) -> None:
    before, log = board.snapshot(), board.log()
    wrong = card(challenge={"id": "other", "sha256": rules().scoring_sha256})
    with pytest.raises(InputError, match="another challenge"):
        board.add_run("delta", "one", wrong, by="olga", new_team=True)
    assert board.snapshot() == before and board.log() == log
    assert board.add_run("delta", "one", card("delta"), by="olga", new_team=True) == "added"
    assert board.add_run("DELTA", "one", card("delta"), by="olga", new_team=True) == "unchanged"
    (entry,) = board.log()[len(log) :]
    assert (entry.action, entry.subject, entry.details["new_team"]) == ("add-run", "delta/one", True)
    assert board.verify() == []


def test_reference_pictures(board: Board) -> None:
    board.set_reference({"s1": [jpeg(1)], "s2": [jpeg(2), jpeg(3)]}, by="olga")
    before = board.snapshot()
    board.set_reference({"s2": [jpeg(2), jpeg(3)], "s1": [jpeg(1)]}, by="olga")
    assert board.snapshot() == before
    board.set_reference({"s2": [jpeg(2)]}, by="olga")
    assert before.reference == {"s1": (jpeg(1),), "s2": (jpeg(2), jpeg(3))}
    assert board.snapshot().reference == {"s2": (jpeg(2),)}
    assert board.snapshot(before.at) == before


def test_scorecards_of_different_test_sets_never_meet(board: Board) -> None:
    def on(testset: str, name: str) -> Scorecard:
        return card(name, provenance={"testset": {"sha256": testset * 32}})

    board.add_run("alpha", "one", on("aa", "one"), by="olga")
    with pytest.raises(InputError, match=r"another test set.*aaaaaaaaaaaa") as refused:
        board.add_run("beta", "one", on("bb", "two"), by="olga")
    assert "alpha/one" in str(refused.value) and "--limit" in str(refused.value)
    assert board.add_run("beta", "one", on("aa", "two"), by="olga") == "added"
    board.remove_run("beta", "one", by="olga", why="made again")
    assert (
        board.add_run("alpha", "one", on("bb", "one"), by="olga", why="scored anew") == "updated"
    )  # nobody else is there
