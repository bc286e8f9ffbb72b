"""Two kills of every command, and that a campaign sees what it looks for; ``make soak`` kills two hundred times."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from soak import states
from soak.campaign import Figures, Kill, plan, run_campaign, run_kill
from soak.steps import COMMANDS, Step, World, world


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("soak") / "world") as one:
        yield one


@pytest.mark.parametrize("command", COMMANDS)
def test_a_killed_command_is_run_again_to_the_same_end(made: World, command: str) -> None:
    told: list[str] = []
    figures = run_campaign(made, command, 2, 3, told.append)
    assert figures.clean, figures.failures
    assert len(told) == 2
    assert figures.kills == 2
    assert figures.redone <= 2  # as many videos as workers, and no byte of a download


def test_half_files_and_other_results_are_seen(made: World, tmp_path: Path) -> None:
    """The undisturbed folder is made to hold something else than the command gives."""
    (step,) = [step for step in made.steps if step.command == "leaderboard"]
    after = tmp_path / "after"
    shutil.copytree(step.after, after)
    (after / "l.csv").write_bytes((after / "l.csv").read_bytes()[:-1])
    (after / "more").write_text("x")
    wrong = Step("leaderboard", step.words, step.before, after, step.seconds)
    figures = run_kill(made, Kill(wrong, "parent", 100.0), "late")  # it has ended by then
    assert (figures.running, figures.half, figures.differing) == (0, 1, 1)
    assert [line.rpartition(", ")[2] for line in figures.failures] == [
        "l.csv is neither the old nor the new one", "l.csv differs", "more differs"
    ]  # fmt: skip


def test_names_that_may_stay_and_names_that_may_not(tmp_path: Path) -> None:
    for name in (".a.json.0123abcd.part", "out/.b.html.0123abcd.part-file-wal", "b.sqlite-wal", "w/.parts/a.bin",
                 "w/.locks/a.bin.lock", "a.json", "a.part", "b.sqlite", "log.jsonl"):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    (tmp_path / "b.sqlite").unlink()
    assert sorted(states.finals(tmp_path)) == ["a.json", "a.part"]
    assert sorted(states.leftovers(tmp_path)) == [
        ".a.json.0123abcd.part", "b.sqlite-wal", "out/.b.html.0123abcd.part-file-wal", "w/.parts/a.bin"
    ]  # fmt: skip


def test_what_may_differ_and_what_may_not(tmp_path: Path) -> None:
    card = {"timing": {"seconds": 1}, "metrics": {"psnr": 1.5}}
    texts = []
    for change in ({}, {"timing": {"seconds": 2}}, {"metrics": {"psnr": 1.6}}):
        (tmp_path / "scorecard.json").write_text(json.dumps(card | change))
        texts.append(states.content(tmp_path / "scorecard.json"))
    assert texts[0] == texts[1] != texts[2]
    (tmp_path / "scorecard.json").write_text(json.dumps(card)[:-3])
    with pytest.raises(ValueError, match="delimiter"):
        states.content(tmp_path / "scorecard.json")
    (tmp_path / "report.html").write_text("<html>")
    with pytest.raises(ValueError, match="half a page"):
        states.content(tmp_path / "report.html")


def test_the_same_seed_plans_the_same_kills(tmp_path: Path) -> None:
    import random

    step = Step("score", ("score",), tmp_path, tmp_path, seconds=2.0)
    one, two, other = (list(plan([step], 40, random.Random(seed))) for seed in (1, 1, 2))
    assert one == two != other
    assert {kill.target for kill in one} == {"parent", "worker", "everything", "group"}
    assert 10 < sum(kill.event is None for kill in one) < 30
    assert all(0 <= kill.seconds <= 2 for kill in one)


def test_figures_add_up() -> None:
    total = Figures(kills=1, redone=2)
    total.add(Figures(kills=2, redone=1, failures=["x"]))
    assert (total.kills, total.redone, total.clean) == (3, 2, False)
