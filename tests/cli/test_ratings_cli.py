"""``evalkit ratings``: import, dry run, list, screening, report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from builders.board_shell import RULES, SAMPLES, TEAMS, Shell, add_teams, filled, key, rating_rows


def test_the_same_file_again_changes_nothing_and_an_overlapping_one_adds_the_rest(shell: Shell) -> None:
    filled(shell)
    before = shell.state()
    out = shell("ratings", "import", shell.folder / "long.csv", "--key", shell.folder / "key.csv")
    assert "Imported 0 new rows of long.csv (long); 36 were on the board before." in out
    after = shell.state()
    assert {**after, "entry": 0, "at": 0, "seal": 0, "imports": 0} == {
        **before,
        "entry": 0,
        "at": 0,
        "seal": 0,
        "imports": 0,
    }
    overlapping = shell.write("more.csv", rating_rows(("r01", "r05")))
    told = "import 9 new rows of more.csv (long); 9 were on the board before."
    assert f"Would {told}" in shell("ratings", "import", overlapping, "--dry-run")
    assert shell.state()["ratings"] == 36
    assert told.replace("import", "Imported", 1) in shell("ratings", "import", overlapping)
    assert shell.state()["ratings"] == 45


def test_a_dry_run_says_what_would_count_and_changes_nothing(shell: Shell) -> None:
    add_teams(shell)
    before = shell.state()
    rows = rating_rows().splitlines()
    rows.append("r01,as1,lip_sync,5,2026-03-06T12:00:00+00:00")  # one second after 2026-03-05 23:59:59 AoE
    rows.append("r09,as1,lip_sync,5,2026-03-06T11:59:59+00:00")  # the window's last second
    rows.append("r09,as2,lip_sync,7,2026-03-03T10:00:00+00:00")  # off the scale
    rows.append("r09,unknown,lip_sync,3,2026-03-03T10:00:00+00:00")
    path = shell.write("long.csv", "\n".join(rows) + "\n")
    out = json.loads(shell("ratings", "import", path, "--key", shell.write("key.csv", key()), "--dry-run", "--json"))
    assert (out["dry_run"], out["new"], out["known"]) == (True, 40, 0)
    assert out["on_the_board"]["counted"] == 37
    assert out["on_the_board"]["reasons"] == {"late": 1, "off-scale": 1, "unknown-item": 1}
    assert shell.state() == before


def test_a_file_with_a_bad_row_is_refused_whole_or_imported_without_it(shell: Shell) -> None:
    add_teams(shell)
    key_file = shell.write("key.csv", key())
    path = shell.write("long.csv", rating_rows() + "r05,as1,lip_sync,five,2026-03-03T10:00:00+00:00\n")
    shell("ratings", "import", path, "--key", key_file, code=1)
    assert "row 38" in shell.err
    assert "nothing was imported" in shell.err
    assert shell.state()["ratings"] == 0
    out = json.loads(shell("ratings", "import", path, "--key", key_file, "--skip-bad-rows", "--json", code=3))
    assert (out["new"], len(out["faults"])) == (36, 1)
    assert shell.state()["ratings"] == 36


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("rater,thing,answer\nr01,x,3\n", "no format that evalkit knows"),
        ("rater_id,item_id,dimension,score,submitted_at\nr01,as1,lip_sync,3,2026-03-03 10:00 Mars\n", "row 2"),
        ("rater_id,item_id,dimension,score,submitted_at\nr01,as1,lip_sync,3,2026-03-03T10:00:00\n", "time zone"),
        ("rater_id,sample_id,left,right,winner\nr01,s1,alpha,beta,left\n", "pairs"),
        ("", "empty"),
    ],
)
def test_bad_files_are_told(shell: Shell, text: str, told: str) -> None:
    shell("ratings", "import", shell.write("bad.csv", text), code=1)
    assert told in shell.err
    assert shell.state()["ratings"] == 0


def test_screening_excludes_with_a_reason_and_can_be_taken_back(shell: Shell) -> None:
    filled(shell)
    same = "".join(
        f"r07,{team[0]}{sample},lip_sync,4,2026-03-03T11:00:00+00:00\n" for team in TEAMS for sample in SAMPLES
    )
    extra = "".join(f"r07,{team[0]}x,lip_sync,4,2026-03-03T11:00:00+00:00\n" for team in TEAMS)
    shell("ratings", "import", shell.write("r07.csv", rating_rows(()) + same + extra))
    shell("board", "exclude", "rater", "r07", "--why", "gives everything a 4", "--code", "straight-liner")
    state = shell.state()
    assert [(one["subject"], one["code"]) for one in state["excluded"]] == [("r07", "straight-liner")]  # type: ignore[index, union-attr]
    shell("board", "include", "1", "--why", "asked, and means it")
    assert shell.state()["excluded"] == []
    actions = [entry["action"] for entry in json.loads(shell("board", "log", "--all", "--json"))["log"]]
    assert actions[-2:] == ["exclude", "include"]
    assert "Everything is as it was written" in shell("board", "verify")


def test_the_report_on_the_ratings(shell: Shell) -> None:
    filled(shell)
    page = shell.folder / "ratings.html"
    document = json.loads(shell("ratings", "report", "-o", page, "--json"))
    assert document["audience"] == "public"
    assert "r01" not in page.read_text(encoding="utf-8") + json.dumps(document)
    document = json.loads(shell("ratings", "report", "-o", page, "--json", "--for", "organizers"))
    assert document["schema"] == 1
    text = page.read_text(encoding="utf-8")
    assert "r01" in text
    assert "not for publication" in text.lower()
    assert "http" not in text.replace("http-equiv", "").replace("http://www.w3.org", "")


@pytest.mark.shared
def test_the_real_ratings_in_parts_and_whole(shell: Shell, shared: Path) -> None:
    folder = (
        shared / "talking-heads" / "ratings"
        if (shared / "talking-heads").is_dir()
        else shared / "data/talking-heads/ratings"
    )
    rules = json.loads((folder / "rules.json").read_text())
    dimensions = ", ".join(f"{{id: {name}, title: {name}}}" for name in rules["dimensions"])
    window = rules["window"]
    text = RULES.split("ratings:", maxsplit=1)[0] + (
        f"ratings:\n  method: mos\n  blind: true\n  min_seconds_per_item: {rules['min_seconds_per_item']}\n"
        f"  window: {{opens: {window['opens']}, closes: {window['closes']}}}\n  dimensions: [{dimensions}]\n"
    )
    board = shell.folder / "real.sqlite"
    shell("board", "init", "--board", board, "--challenge", shell.write("real.yaml", text))
    for team in ("faithful", "late", "blurred", "swapped", "frozen"):
        shell("board", "team", team, "--board", board)
    words = ("--board", board, "--key", folder / "key.csv", "--json")
    parts = [json.loads(shell("ratings", "import", folder / name, *words)) for name in
             ("long_first_part.csv", "long_overlapping_part.csv", "long.csv")]  # fmt: skip
    assert parts[1]["known"] == 800
    assert parts[2]["new"] == 0
    assert parts[0]["new"] + parts[1]["new"] == parts[2]["known"]
    assert parts[2]["on_the_board"]["reasons"]["late"] == 52
    found = json.loads(
        shell(
            "ratings",
            "screen",
            "--board",
            board,
            "--rule",
            "speeders",
            "--rule",
            "straight-liners",
            "--apply",
            "--json",
        )
    )
    assert {row["rater"] for row in found["found"]} == {"r13", "r14"}
    pairs = json.loads(shell("ratings", "import", folder / "pairs.csv", "--board", board, "--pairs", "--json", code=3))
    assert pairs["new"] > 0
    assert pairs["on_the_board"]["counted"] == 0
    assert "asks for ratings" in pairs["nothing_counts"]
    assert pairs["faults"] == []


def test_an_answer_that_the_platform_rejects_later_counts_no_longer(shell: Shell) -> None:
    add_teams(shell)
    key_file = shell.write("key.csv", key())
    head, *rows = rating_rows().splitlines()
    path = shell.write("long.csv", "\n".join([f"{head},status", *(f"{row},Submitted" for row in rows)]) + "\n")
    shell("ratings", "import", path, "--key", key_file)
    path.write_text(path.read_text().replace("Submitted", "Rejected", 9))
    out = json.loads(shell("ratings", "import", path, "--dry-run", "--json"))
    assert (out["new"], out["changed"], out["known"], out["on_the_board"]["counted"]) == (0, 9, 27, 27)
    assert "changed: 9 (the platform's status is another one; the earlier one would be replaced)" in shell(
        "ratings", "import", path, "--dry-run"
    )
    assert json.loads(shell("ratings", "import", path, "--json"))["changed"] == 9
    out = json.loads(shell("ratings", "import", path, "--json"))
    assert (out["new"], out["changed"], out["known"], out["on_the_board"]["counted"]) == (0, 0, 36, 27)
    path.write_text(path.read_text().replace("Rejected", "Approved"))
    assert json.loads(shell("ratings", "import", path, "--json"))["on_the_board"]["counted"] == 36
    assert shell("board", "verify").startswith("Everything")


def test_a_dry_run_refuses_what_the_import_refuses(shell: Shell) -> None:
    add_teams(shell)
    key_file = shell.write("key.csv", key())
    path = shell.write("long.csv", rating_rows())
    bad = shell.write("bad.csv", rating_rows() + "r05,as1,lip_sync,five,2026-03-03T10:00:00+00:00\n")
    shell("ratings", "import", bad, "--key", key_file, "--dry-run", code=1)
    assert "would be refused" in shell.err
    assert "row 38" in shell.err
    shell("ratings", "import", bad, "--key", key_file, "--dry-run", "--skip-bad-rows", code=3)
    shell("ratings", "import", path, "--key", key_file)
    first, second, *others = key().splitlines()[1:]
    swapped = [f"{first.split(',')[0]},{second.partition(',')[2]}", f"{second.split(',')[0]},{first.partition(',')[2]}"]
    other = shell.write("other.csv", "\n".join([key().splitlines()[0], *swapped, *others]) + "\n")
    shell("ratings", "import", path, "--key", other, code=1)
    assert "another meaning" in shell.err
    shell("ratings", "import", path, "--key", other, "--dry-run", code=1)
    assert "would be refused" in shell.err
    assert "another meaning" in shell.err


def test_a_dry_run_names_the_rows_that_would_not_count(shell: Shell) -> None:
    add_teams(shell)
    late = rating_rows(day="2026-03-07T10:00:00+00:00")
    path = shell.write("long.csv", late + "r09,as1,lip_sync,9,2026-03-03T10:00:00+00:00\n")
    key_file = shell.write("key.csv", key())
    out = json.loads(shell("ratings", "import", path, "--key", key_file, "--dry-run", "--json", code=3))
    assert "the window closes" in out["nothing_counts"]
    rows = out["not_counted_rows"]
    assert [row["row"] for row in rows] == list(range(2, 39))
    assert (rows[-1]["file"], rows[-1]["rater"], rows[-1]["item"]) == ("long.csv", "r09", "as1")
    assert (rows[-1]["dimension"], rows[-1]["codes"]) == ("lip_sync", ["off-scale"])
    assert rows[-1]["sentence"] == "9 is not on the scale from 1 to 5."
    assert len(rows[-1]["identity"]) == 64
    text = shell("ratings", "import", path, "--key", key_file, "--dry-run", code=3)
    assert "warning: Nothing of long.csv would count. Rated at 2026-03-07" in shell.err
    assert "... and 27 more with --json." in text
    assert "long.csv, row 11:" in text
    assert "long.csv, row 12:" not in text


def test_a_rating_is_listed_and_excluded_by_the_first_digits_of_its_identity(shell: Shell) -> None:
    filled(shell)
    rows = json.loads(shell("ratings", "list", "--rater", "r02", "--json"))["rows"]
    assert len(rows) == 9
    assert {row["rater"] for row in rows} == {"r02"}
    assert shell("ratings", "list", "--not-counted") == "None.\n"
    line = shell("ratings", "list", "--rater", "r02").splitlines()[0]
    begin = line.split()[0]
    assert (len(begin), begin) == (12, rows[0]["identity"][:12])
    assert "long.csv, row 11: r02, as1, lip_sync, 4" in line
    shell("board", "exclude", "answer", begin, "--why", "the page froze")
    (out,) = json.loads(shell("ratings", "list", "--not-counted", "--json"))["rows"]
    assert (out["identity"], out["codes"], out["sentence"]) == (rows[0]["identity"], ["excluded"], "the page froze")
    assert "(excluded) the page froze" in shell("ratings", "list", "--not-counted")
    assert "already" in shell("board", "exclude", "answer", out["identity"], "--why", "again")
    shell("board", "exclude", "answer", "0000000", "--why", "nothing begins so", code=1)
    assert "no answer '0000000'" in shell.err


def test_comparisons_are_listed_too(shell: Shell) -> None:
    add_teams(shell)
    text = "rater_id,sample_id,left,right,winner,submitted_at\nr01,s1,alpha,beta,left,2026-03-03T10:00:00+00:00\n"
    shell("ratings", "import", shell.write("pairs.csv", text), "--pairs", code=3)
    (row,) = json.loads(shell("ratings", "list", "--pairs", "--json"))["rows"]
    assert (row["item"], row["value"], row["file"], row["row"]) == ("s1: alpha / beta", 1.0, "pairs.csv", 2)
    shell("board", "exclude", "answer", row["identity"][:12], "--why", "the page froze")
    (row,) = json.loads(shell("ratings", "list", "--pairs", "--not-counted", "--json"))["rows"]
    assert "excluded" in row["codes"]
