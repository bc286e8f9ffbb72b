"""A sample turns out to be unusable during the challenge: excluded, shown everywhere, and taken back."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from builders.board_shell import RULES, Shell, key, rating_rows
from builders.boards import as_installed, make_card
from pages import Page

from evalkit.challenges.model import load_challenge

SAMPLES = ("s1", "s2", "s3")
VALUES = {"alpha": (40.0, 4.0, 43.0), "beta": (30.0, 30.0, 30.0), "gamma": (22.0, 23.0, 24.0)}
WHY = "HDR reference, 1000 & more <nits>"
FORMATS = ("csv", "latex", "markdown")


@pytest.fixture
def shell(shell: Shell) -> Shell:
    """Return a board with three teams: alpha is best without s2, which costs it the first place."""
    rules = RULES.replace("ranking:", "  - {id: fid.pytorch, rank: false}\nranking:").replace(
        "s: {group_weights: {objective: 1, subjective: 1}}", "s: {}"
    )
    rules = rules.replace("  - {id: ssim.gray, weight: 1, range: [0, 1]}\n", "")
    rules = rules.replace("title: Lip sync}", "title: Lip sync, weight: 0}")
    shell("board", "rules", "--challenge", shell.write("c.yaml", rules))
    digest = load_challenge(shell.folder / "c.yaml").scoring_sha256
    for team, values in VALUES.items():
        numbers: dict[str, Any] = {"psnr.rgb": list(values), "fid.pytorch": 20.0}
        card = make_card(team, numbers, samples=SAMPLES, better={"fid.pytorch": False})
        card = card.model_copy(update={"challenge": card.challenge.model_copy(update={"sha256": digest})})
        shell("board", "add", team, shell.write(f"{team}.json", as_installed(card).to_json()), "--new-team")
    shell("ratings", "import", shell.write("long.csv", rating_rows()), "--key", shell.write("key.csv", key()))
    return shell


def pages(shell: Shell, *words: str) -> dict[str, str]:
    """Return the leaderboard in every form."""
    page = shell.folder / "page.html"
    also = [word for name in FORMATS for word in ("--also", name)]
    made = {"terminal": shell("leaderboard", "-o", page, "--draws", "100", *also, *words)}
    made["json"] = shell("leaderboard", "-o", page, "--draws", "100", "--json", *words)
    return made | {name: (page.with_suffix(name)).read_text("utf-8") for name in (".html", ".csv", ".tex", ".md")}


def standing(document: str) -> dict[str, Any]:
    """Return all of the JSON that does not come from the log itself."""
    return {name: value for name, value in json.loads(document).items() if name not in {"board", "page"}}


def test_an_unusable_sample_is_excluded_and_taken_back(shell: Shell) -> None:
    untroubled = pages(shell)
    entry = int(str(shell.state()["entry"]))

    rehearsed = json.loads(shell("board", "exclude", "sample", "s2", "--why", WHY, "--dry-run", "--json"))
    assert (rehearsed["dry_run"], rehearsed["decisions"], rehearsed["subjects"]) == (True, [], ["s2"])
    assert "Nothing was changed" in shell("board", "exclude", "sample", "s2", "--why", WHY, "--dry-run")
    assert shell.state()["entry"] == entry

    told = json.loads(shell("board", "exclude", "sample", "s2", "--why", WHY, "--json"))
    assert (told["decisions"], told["effect"]) == ([1], rehearsed["effect"])
    assert told["effect"]["samples"] == {"before": 3, "after": 2}
    assert told["effect"]["ratings"] == {"before": 36, "after": 24}
    teams = {team["team"]: team for team in told["effect"]["teams"]}
    assert {name: (team["rank"]["before"], team["rank"]["after"]) for name, team in teams.items()} == {
        "alpha": (2, 1),
        "beta": (1, 2),
        "gamma": (3, 3),
    }
    psnr = next(number for number in teams["alpha"]["numbers"] if number["id"] == "psnr.rgb")
    assert psnr["value"] == {"before": 29.0, "after": 41.5}
    assert psnr["coverage"] == {"before": 1.0, "after": 1.0}

    shown = pages(shell)
    sentence = "1 sample is excluded: no score, coverage or rating of it counts."
    assert sentence in shown["terminal"]
    assert f"Excluded sample s2: {WHY}" in shown["terminal"]
    assert "FID still includes excluded samples" in shown["terminal"].replace("\n", " ")
    document = json.loads(shown["json"])["leaderboard"]
    assert document["excluded_samples"] == [{"sample": "s2", "reason": WHY, "decision": 1}]
    assert {column["id"]: column["includes_excluded"] for column in document["columns"]}["fid.pytorch"] == ["s2"]
    for line in csv.DictReader(io.StringIO(shown[".csv"])):
        assert (line["excluded_samples"], line["includes_excluded"]) == (f"s2: {WHY}", "fid.pytorch")
        assert line["fid.pytorch"] == "20.0"
    assert r"\par Excluded sample s2: HDR reference, 1000 \& more \textless{}nits\textgreater{}" in shown[".tex"]
    assert "dagger" not in shown[".tex"]  # a column that does not rank is not in the table
    assert "1 sample is excluded" in shown[".md"]
    text = Page(shown[".html"]).find("main")[0]["text"] + Page(shown[".html"]).find("header")[0]["text"]
    assert sentence in text
    assert f"Excluded sample s2: {WHY}" in text
    assert "includes excluded samples" in text
    assert "<nits>" not in shown[".html"]

    assert pages(shell, "--as-of", str(entry)) == untroubled
    assert "Seal" in shell("board", "verify")

    assert "Unchanged: sample s2 is excluded already." in shell("board", "exclude", "sample", "s2", "--why", "again")
    assert shell.state()["entry"] == entry + 1
    out = shell("board", "include", "sample", "s2", "--why", "the reference was mended")
    assert "Sample s2 counts again (decision 1)." in out
    assert "Unchanged" in shell("board", "include", "sample", "s2", "--why", "again")
    assert standing(pages(shell)["json"]) == standing(untroubled["json"])
    assert [one["action"] for one in json.loads(shell("board", "log", "--json"))["log"]][-2:] == ["exclude", "include"]


def test_the_effect_as_a_table(shell: Shell) -> None:
    out = shell("board", "exclude", "sample", "s2", "--why", WHY)
    assert "Sample s2 does not count (decision 1)." in out
    assert "Samples that count: 3 -> 2; ratings: 36 -> 24." in out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "Ranks that change: alpha 2 -> 1; beta 1 -> 2." in out
    assert "alpha rank 2 1" in lines
    assert not any(len(words) == 2 and words[0] == words[1] for words in (line.split()[-2:] for line in lines))
    assert not any(line.startswith("gamma rank") for line in lines)  # it stays the third
    assert "PSNR 29.00 41.50 100 %" in lines
    assert any(
        line.startswith("Samples that count: 2 -> 3")
        for line in shell("board", "include", "1", "--why", "x").splitlines()
    )


@pytest.mark.parametrize("sample", ["s1", "s3"])
def test_the_effect_begins_with_the_ranks_that_change(shell: Shell, sample: str) -> None:
    words = ("board", "exclude", "sample", sample, "--why", WHY, "--dry-run")
    teams = json.loads(shell(*words, "--json"))["effect"]["teams"]
    ranks = [(team["team"], team["rank"]["before"], team["rank"]["after"]) for team in teams]
    moved = [f"{team} {before} -> {after}" for team, before, after in ranks if before != after]
    assert shell(*words).splitlines()[2] == (f"Ranks that change: {'; '.join(moved)}." if moved else "No rank changes.")


def test_a_team_below_the_coverage_is_no_longer_ranked(shell: Shell) -> None:
    rules = (shell.folder / "c.yaml").read_text("utf-8").replace("title: A small", "coverage: 0.6\ntitle: A small")
    shell("board", "rules", "--challenge", shell.write("c.yaml", rules))
    card = json.loads((shell.folder / "gamma.json").read_text("utf-8"))
    card["challenge"]["sha256"] = load_challenge(shell.folder / "c.yaml").scoring_sha256
    card["videos"][0]["values"]["psnr.rgb"] = None
    card["videos"][0]["reasons"]["psnr.rgb"] = "no_face"
    card["metrics"]["psnr.rgb"] |= {"value": 23.5, "n": 2, "coverage": 2 / 3}
    shell("board", "add", "gamma", shell.write("gamma.json", json.dumps(card)), "--why", "a video without a face")
    out = shell("board", "exclude", "sample", "s2", "--why", WHY)
    assert "gamma is no longer ranked: psnr.rgb rests on 50 % of the samples, 60 % are needed." in out
    assert "66.7 % -> 50 %" in out
    shell("board", "include", "1", "--why", "x")
    out = shell("board", "exclude", "sample", "s1", "--why", WHY)
    assert "66.7 % -> 100 %" in out


def test_mistakes(shell: Shell) -> None:
    shell("board", "exclude", "sample", "s4", "--why", WHY, code=1)
    assert "The board has no sample 's4'. Expected a sample of a run, such as s" in shell.err
    shell("board", "exclude", "sample", "s2", code=2)
    assert "--why" in shell.err
    shell("board", "exclude", "sample", *SAMPLES, "--why", WHY, code=1)
    assert "No sample would be left" in shell.err
    shell("board", "include", "sample", "s2", "--why", WHY, code=1)
    assert "No decision excludes the sample 's2'" in shell.err
    for words in (("sample",), ("s2",), ("0",), ("1", "s2"), ("\x1b[31m",)):
        shell("board", "include", *words, "--why", WHY, code=2)
        assert "\x1b" not in shell.err
    shell("board", "include", "1", "--why", WHY, code=1)
    assert "There is no decision 1" in shell.err


def test_other_subjects_are_taken_back_by_name_and_rehearsed(shell: Shell) -> None:
    assert "Rater r01 would not count." in shell("board", "exclude", "rater", "r01", "--why", WHY, "--dry-run")
    assert shell("board", "exclude", "rater", "r01", "--why", WHY).startswith("Decision 1: rater r01 excluded.")
    assert json.loads(shell("board", "exclude", "rater", "r01", "--why", WHY, "--json"))["unchanged"] == ["r01"]
    assert shell("board", "include", "rater", "r01", "--why", WHY) == "Taken back: 1.\n"
