"""Names of teams and reasons are foreign text, also in the summary."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

from evalkit.batch.entries import Entry
from evalkit.batch.outcome import Number, Outcome, outcome_of_error
from evalkit.batch.result import BatchResult
from evalkit.batch.summary import sentence, summary_csv, summary_page
from evalkit.challenges.model import load_challenge
from evalkit.errors import EvalkitError, InputError, StorageError

EVIL = "=1+1<script>alert(1)</script>"


def result(*outcomes: Outcome, stopped: EvalkitError | None = None) -> BatchResult:
    return BatchResult(load_challenge("talking-head"), Path("results"), outcomes, 61.0, stopped)


def scored(team: str, code: int = 0) -> Outcome:
    number = Number(31.5, None, "dB", 1.0, ranked=True)
    state = "partly scored" if code else "scored"
    return Outcome(Entry(team, "1", Path("a.zip"), True), state, code, "ab", 3, 3, {"psnr.rgb": number}, (EVIL,) * code)


def test_names_and_reasons_act_nowhere() -> None:
    refused = outcome_of_error(
        Entry(EVIL, EVIL.replace("/", ""), Path(f"{EVIL}.zip")), InputError(EVIL, found="\x1b[2J")
    )
    made = result(scored(EVIL, 3), refused)
    page = summary_page(made)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert "\x1b" not in page
    rows = list(csv.DictReader(summary_csv(made).splitlines()))
    assert [row["psnr.rgb"] for row in rows] == ["31.5", ""]
    assert not [cell for row in rows for cell in row.values() if cell.startswith("=")]
    assert sentence(made) == "2 submissions: 1 partly scored and 1 refused."


def test_metrics_that_were_asked_for_are_shown_even_if_they_never_rank() -> None:
    numbers = {"psnr.rgb": Number(31.5, None, "dB", 1.0, ranked=True), "fid": Number(4.5, None, "", 1.0, ranked=False)}
    one = replace(scored("a"), metrics=numbers)
    for chosen, shown in ((True, ["psnr.rgb", "fid"]), (False, ["psnr.rgb"])):
        made = replace(result(one), chosen=chosen)
        assert next(csv.reader(summary_csv(made).splitlines()))[-len(shown) - 1 :] == ["reasons", *shown]
        assert ("<code>fid</code>" in summary_page(made)) is chosen
        assert (">fid<" in made._repr_html_()) is chosen


def test_printed_in_python_it_is_short() -> None:
    assert repr(result(scored("a"), scored("b", 3))) == "<BatchResult: talking-head, 1 scored, 1 partly scored>"


def test_the_exit_code_is_the_worst_of_all() -> None:
    refused = outcome_of_error(Entry("b", "1", Path("b.zip")), InputError("No ZIP."))
    failed = outcome_of_error(Entry("c", "1", Path("c.zip")), EvalkitError("evalkit itself failed."))
    unseen = Outcome(Entry("d", "1", Path("d.zip")), "not scored", 0)
    assert (refused.state, refused.exit_code, failed.state, failed.exit_code) == ("refused", 1, "failed", 4)
    assert result(scored("a")).exit_code == 0
    assert result(scored("a"), scored("b", 3)).exit_code == 3
    assert result(scored("a", 3), refused).exit_code == 1
    assert result(scored("a"), refused, failed).exit_code == 4
    full = StorageError("There is no space left.")
    assert result(scored("a"), unseen, stopped=full).exit_code == 4
    assert "There is no space left." in summary_page(result(scored("a"), unseen, stopped=full))
    not_added = Outcome(Entry("a", "1", Path("a.zip")), "scored", 0, board_error=InputError("Another team has it."))
    assert result(not_added).exit_code == 1
