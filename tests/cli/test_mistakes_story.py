"""A whole story on a board: a wrong key and wrong files, each undone, and the leaderboard of a board without them."""

from __future__ import annotations

import json
from typing import Any

from builders.board_shell import RULES, Shell, add_teams, filled, key, rating_rows

LOG_ONLY = {"board", "page"}
WRONG_DAY = "2026-03-02T10:00:00+00:00"


def leaderboard(shell: Shell, *words: str) -> tuple[dict[str, Any], bytes]:
    """Return the leaderboard and the page."""
    page = shell.folder / "page.html"
    document: dict[str, Any] = json.loads(shell("leaderboard", "-o", page, "--json", "--draws", "100", *words))
    return document, page.read_bytes()


def standing(document: dict[str, Any]) -> dict[str, Any]:
    """Return all that does not come from the log itself."""
    return {name: value for name, value in document.items() if name not in LOG_ONLY}


def test_mistakes_are_undone_and_the_leaderboard_is_that_of_a_board_without_them(
    shell: Shell, monkeypatch: Any
) -> None:
    filled(shell)
    untroubled = standing(leaderboard(shell)[0])

    shell.board = shell.folder / "second.sqlite"
    monkeypatch.setenv("EVALKIT_BOARD", str(shell.board))
    shell("board", "init", "--challenge", shell.write("c.yaml", RULES))
    add_teams(shell)
    states: list[tuple[str, bytes]] = []

    def keep() -> None:
        at = str(shell.state()["at"])
        states.append((at, leaderboard(shell, "--as-of", at)[1]))

    keep()
    # The wrong file: the raters' scores of another survey, a day earlier, so that the right ones become duplicates.
    low = rating_rows(day=WRONG_DAY).replace(",lip_sync,5,", ",lip_sync,1,")
    swapped = key().replace(",alpha,", ",x,").replace(",beta,", ",alpha,").replace(",x,", ",beta,")
    out = shell("ratings", "import", shell.write("wrong.csv", low), "--key", shell.write("wrong-key.csv", swapped))
    assert "Import 1; 'evalkit ratings undo 1 --why TEXT' takes it back." in out
    keep()
    right, right_key = shell.folder / "long.csv", shell.folder / "key.csv"
    shell("ratings", "import", right, "--key", right_key, code=1)
    assert "ratings key FILE --why" in shell.err
    shell("ratings", "import", right, code=3)
    assert "Nothing of long.csv counts. The answer in row 2" in shell.err
    keep()
    assert standing(leaderboard(shell)[0]) != untroubled
    assert "36 answers removed" in shell("ratings", "undo", "1", "--why", "of the pilot")
    keep()
    told = json.loads(shell("ratings", "key", right_key, "--why", "two teams were swapped", "--json"))
    assert (told["new"], told["known"], told["replaced"]) == (0, 3, 6)
    assert standing(leaderboard(shell)[0]) == untroubled
    keep()
    # Comparisons, which the challenge does not ask for.
    pairs = "rater_id,sample_id,left,right,winner,submitted_at\nr01,s1,alpha,beta,left,2026-03-03T10:00:00+00:00\n"
    out = shell("ratings", "import", shell.write("pairs.csv", pairs), "--pairs", code=3)
    assert "0 of 1 comparisons count" in out
    assert "(not-asked-for)" in out
    assert "the challenge asks for ratings" in shell.err
    keep()
    shell("ratings", "undo", "3", "--why", "not asked for")
    # One rater's slip, excluded, and taken back.
    shell("board", "exclude", "rater", "r01", "--why", "another r01")
    keep()
    shell("board", "include", "1", "--why", "the same r01")
    final = standing(leaderboard(shell)[0])
    assert {**final, "decisions": 0} == {**untroubled, "decisions": 0}
    for at, page in states:
        assert leaderboard(shell, "--as-of", at)[1] == page, at
    actions = [entry["action"] for entry in json.loads(shell("board", "log", "--all", "--json"))["log"]]
    assert [action for action in actions if action not in {"create", "add-team", "add-run"}][-8:] == [
        "import", "import", "undo-import", "set-key", "import", "undo-import", "exclude", "include",
    ]  # fmt: skip
    lines = shell("board", "log").splitlines()
    assert lines[-2].endswith("exclude  rater r01, decision 1")
    assert lines[-1].endswith("include  decision 1  (the same r01)")
    assert any(line.endswith("(not asked for)") for line in lines)
    assert "Everything is as it was written" in shell("board", "verify")


def test_what_undo_and_key_refuse(shell: Shell) -> None:
    filled(shell)
    shell("ratings", "undo", "7", "--why", "wrong", code=1)
    assert "no import 7" in shell.err
    shell("ratings", "undo", "1", code=2)
    shell("ratings", "undo", "99999999999999999999", "--why", "wrong", code=2)
    odd = shell.write("odd.csv", "item_id,team,sample_id\nnew,alpha,s77\n")
    shell("ratings", "key", odd, code=1)
    assert "s77" in shell.err
    assert "1 new item" in shell("ratings", "key", odd, "--allow-unknown")
