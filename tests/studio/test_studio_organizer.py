"""The organizer's page and the shared link: who sees what, pause, invitations, the export, the screening."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders.studies import RULES, TEAMS, BuiltStudy, build_study, prepared_study
from builders.studio_server import Person, Served, answer_to, served
from pages import Page

from evalkit.board import Board
from evalkit.challenges.model import parse_challenge
from evalkit.cli import main
from evalkit.errors import StorageError
from evalkit.studio.journal import Journal
from evalkit.studio.overview import Screening
from evalkit.studio.page_model import LANGUAGES
from evalkit.studio.pages.organizer import join_words


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> BuiltStudy:
    return prepared_study(tmp_path_factory.mktemp("study"), raters=5)


@pytest.fixture
def studio(study: BuiltStudy) -> Iterator[Served]:
    with served(study) as running:
        yield running


def base(studio: Served) -> str:
    return f"/o/{studio.study.plan.organizer}"


def test_only_the_organizer_opens_the_page(studio: Served) -> None:
    for path in ("", "/progress", "/export", "/links"):
        assert studio.client.get(base(studio) + path).status == 200
        assert studio.client.get(f"/o/{'A' * 32}{path}").status == 404
    for path in ("/pause", "/resume", "/invite"):
        assert studio.client.post(f"/o/{studio.person(1).token}{path}", b"").status == 404
        assert studio.client.get(base(studio) + path).status == 405, "a link that is followed changes nothing"
    assert studio.client.get(base(studio) + "/progress").json["paused"] is False


def test_who_guesses_links_keeps_nobody_out(studio: Served) -> None:
    for path, own in (("/o/", studio.study.plan.organizer), ("/join/", studio.study.plan.join)):
        codes = [studio.client.get(path + "A" * 32).status]
        while codes[-1] != 429 and len(codes) < 2000:
            codes.append(studio.client.get(path + "A" * 32).status)
        assert (set(codes[:-1]), codes[-1]) == ({404}, 429)
        assert studio.client.get(path + own).status == 200


def test_progress_pace_and_balance_are_those_of_the_answers(studio: Served) -> None:
    person = studio.person(1)
    person.agree()
    for _ in range(4):  # training, and three videos
        person.next()
    found = studio.client.get(base(studio) + "/progress").json
    assert (found["answers"], found["total"], found["started"], found["finished"]) == (4, 35, 1, 0)
    assert found["rules"] == []
    first = next(one for one in found["raters"] if one["rater"] == "rater-1")
    assert (first["done"], first["total"], first["median_seconds"], first["flags"]) == (4, 7, 6.5, [])
    assert found["answers_per_hour"] == pytest.approx(240, rel=0.2), "four in the first minute"
    assert found["expected_end"] is not None
    assert sorted(row["answers"] for row in found["balance"]) == [1, 2], "training ranks nobody"
    assert sorted(row["planned"] for row in found["balance"]) == [10, 15], "an item with a known answer counts"
    assert [row["teams"] for row in found["balance"]] == [["team 1"], ["team 2"]]


def test_rules_that_change_meanwhile_are_told(tmp_path: Path) -> None:
    study = prepared_study(tmp_path, raters=1)
    with served(study) as studio:
        text = RULES.replace("METHOD", "mos") + "  window: {closes: '2020-01-01T00:00:00+00:00'}\n"
        studio.board.set_challenge(parse_challenge(text, "test"), text, by="olga")
        told = studio.client.get(base(studio) + "/progress").json["rules"]
        assert told[0] == "The board's rules have changed since the plan was made."
        assert told[1].startswith("By the challenge's rules, answers counted until 2020-01-01")
        page = studio.client.get(base(studio)).body.decode()
        assert "answers counted until 2020-01-01" in page


def test_teams_have_names_only_where_the_organizer_asks_for_them(studio: Served) -> None:
    plain = studio.client.get(base(studio))
    assert [word for word in TEAMS if word.encode() in plain.body] == []
    named = studio.client.get(base(studio) + "?teams=1")
    assert all(word.encode() in named.body for word in TEAMS)
    assert [row["teams"] for row in studio.client.get(base(studio) + "/progress?teams=1").json["balance"]] == [
        [team] for team in sorted(TEAMS)
    ]


def test_a_pause_stops_the_collection_and_loses_nothing(studio: Served) -> None:
    person = studio.person(2)
    state = person.agree()
    person.watch(state["item"])
    answer = answer_to(state)
    assert studio.client.post(base(studio) + "/pause", b"").json == {"paused": True}
    reply = person.send(answer)
    assert (reply["saved"], reply["refused"]) == ([], []), "the page keeps it and sends it again"
    assert reply["waiting"] == [{"id": answer["id"], "why": "The study is paused."}]
    assert reply["state"]["paused"] is True
    assert reply["state"]["item"] is None
    assert b"Paused" in studio.client.get(base(studio)).body
    assert studio.client.post(base(studio) + "/resume", b"").json == {"paused": False}
    assert person.send(answer)["saved"] == [answer["id"]]


def test_buttons_lead_back_to_the_page(studio: Served) -> None:
    reply = studio.client.post(base(studio) + "/pause", b"", Accept="text/html")
    assert (reply.status, reply.headers["location"]) == (303, base(studio))
    reply = studio.client.post(base(studio) + "/resume", b"", Accept="text/html")
    page = Page(studio.client.get(base(studio)).body.decode())
    actions = [form["attrs"]["action"] for form in page.find("form")]
    assert actions == [base(studio) + "/pause", base(studio) + "/invite"]
    assert all("onclick" not in element["attrs"] for element in page.elements)


def test_the_links_are_those_of_the_raters(studio: Served) -> None:
    rows = list(csv.reader(io.StringIO(studio.client.get(base(studio) + "/links").body.decode())))
    assert rows[0] == ["rater", "link"]
    for name, link in rows[1:]:
        assert link == f"{studio.client.url}/r/{studio.study.plan.raters[name].token}"
    assert len(rows) == 6


def test_an_invitation_gives_away_an_unused_place_and_then_new_ones(studio: Served) -> None:
    links = [studio.client.post(base(studio) + "/invite", b"").json for _ in range(5)]
    tokens = [link["link"].rpartition("/")[2] for link in links]
    known = {rater.token: name for name, rater in studio.study.plan.raters.items()}
    assert [known.get(token) for token in tokens[:3]] == ["rater-5", "rater-4", "rater-3"]
    assert [link["rater"] for link in links[3:]] == ["extra-1", "extra-2"]
    person = Person(studio.client, tokens[3])
    assert person.agree()["total"] == 7
    answer, reply = person.next()
    assert reply["saved"] == [answer["id"]]
    page = studio.client.post(base(studio) + "/invite", b"", Accept="text/html")
    shown = studio.client.get(page.headers["location"]).body.decode()
    assert f"{studio.client.url}/r/" in shown


def test_invited_raters_are_there_after_a_restart(study: BuiltStudy, studio: Served) -> None:
    found = {one["rater"]: one for one in studio.client.get(base(studio) + "/progress").json["raters"]}
    assert found["extra-1"]["done"] == 1
    assert found["rater-5"]["came_by"] == "invite"
    assert found["rater-1"]["done"] == 4


def test_a_worker_has_the_same_place_each_time(tmp_path: Path) -> None:
    study = prepared_study(tmp_path, raters=3)
    join = f"/join/{study.plan.join}"
    with served(study) as studio:
        client = studio.client
        first = client.get(f"{join}?PROLIFIC_PID=5f1a-of-prolific&STUDY_ID=x&SESSION_ID=y")
        assert (first.status, client.get(f"{join}?PROLIFIC_PID=5f1a-of-prolific").headers["location"]) == (
            303,
            first.headers["location"],
        )
        other = client.get(f"{join}?workerId=A1B2-of-mturk&assignmentId=3XYZ")
        assert other.headers["location"] != first.headers["location"]
        by_form = client.post(join, b"worker=me%40home")
        assert by_form.status == 303
        assert client.get(f"{join}?workerId=LATE").status == 409, "all places are taken"
        assert client.get(f"{join}?workerId=A1B2-of-mturk&assignmentId=ASSIGNMENT_ID_NOT_AVAILABLE").status == 200
        assert client.get(f"{join}?workerId=a%20b").status == 400
        assert client.get(join).status == 200
        assert client.get(f"/join/{'A' * 32}?workerId=A1B2-of-mturk").status == 404
        person = Person(client, first.headers["location"].rpartition("/")[2])
        person.agree()
        while (state := person.state())["item"] is not None:
            person.next()
        assert state["completion_url"] == "https://app.prolific.com/submissions/complete?cc=CODE-1234"
    with served(study) as again:
        assert again.client.get(f"{join}?workerId=A1B2-of-mturk").headers["location"] == other.headers["location"]
    stored = b"".join(path.read_bytes() for path in (tmp_path / "plan-studio").glob("studio.sqlite*"))
    assert [word for word in (b"5f1a-of-prolific", b"A1B2-of-mturk", b"me@home") if word in stored] == [], (
        "only keyed digests are kept"
    )


def test_a_plan_may_keep_the_worker_ids(tmp_path: Path) -> None:
    study = prepared_study(tmp_path, raters=1, keep=["worker"])
    with served(study) as studio:
        assert studio.client.get(f"/join/{study.plan.join}?workerId=A1B2C3").status == 303
    stored = b"".join(path.read_bytes() for path in (tmp_path / "plan-studio").glob("studio.sqlite*"))
    assert b"A1B2C3" in stored


@pytest.mark.parametrize("method", ["mos", "pairs"])
def test_the_export_says_what_the_board_has(tmp_path: Path, method: str, capsys: pytest.CaptureFixture[str]) -> None:
    study = prepared_study(tmp_path, raters=1, method=method)
    with served(study) as studio:
        person = studio.person(1)
        person.agree()
        while person.state()["item"] is not None:
            person.next(1 if method == "pairs" else 4)
        blind = studio.client.get(base(studio) + "/export").body
        reply = studio.client.get(base(studio) + "/export?teams=1")
        shown = [studio.client.get(base(studio) + query).body for query in ("", "?teams=1")]
        held = studio.board.snapshot().answers
    assert not any(team.encode() in blind for team in TEAMS), "teams are numbers until they are asked for"
    assert [b"/export?teams=1" in page for page in shown] == [False, True]
    assert (blind == reply.body) == (method == "mos")
    if method == "pairs":
        sides = [(row["left_video"], row["right_video"]) for row in csv.DictReader(io.StringIO(blind.decode()))]
        named = [(row["left"], row["right"]) for row in csv.DictReader(io.StringIO(reply.body.decode()))]
        assert [tuple(study.plan.media[medium].team for medium in row) for row in sides] == named
    rows = list(csv.DictReader(io.StringIO(reply.body.decode())))
    assert len(rows) == len(held) == (12 if method == "mos" else 4)
    assert {row["kind"] for row in rows} == ({"rating", "gold", "repeat"} if method == "mos" else {"rating"})
    file = tmp_path / "export.csv"
    file.write_bytes(reply.body)
    words = ["ratings", "import", str(file), "--board", str(study.board), *(["--pairs"] if method == "pairs" else [])]
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 0, capsys.readouterr().err
    assert f"Imported 0 new rows of export.csv ({'pairs' if method == 'pairs' else 'long'}); {len(held)} were" in (
        capsys.readouterr().out
    )


def test_answers_of_an_import_that_was_undone_are_in_no_export_and_stay_undone(tmp_path: Path) -> None:
    study = prepared_study(tmp_path, raters=1)

    def exported() -> list[str]:
        rows = csv.DictReader(io.StringIO(studio.client.get(base(studio) + "/export").body.decode()))
        return list(dict.fromkeys(row["id"] for row in rows))

    with served(study) as studio:
        person = studio.person(1)
        person.agree()
        person.next()  # training
        first = [person.next()[0]["id"] for _ in range(2)]
        assert exported() == first
        studio.board.undo_import(1, by="olga", why="the videos were of another year")
        assert exported() == []
        later = person.next()[0]["id"]
        assert exported() == [later]
        assert [(one.number, one.new) for one in studio.board.snapshot().imports] == [(2, 2)]
    journal = Journal.open(tmp_path / "plan-studio" / "studio.sqlite", study.plan.sha256)
    journal.apply([("UPDATE answers SET on_board = 0", ())])  # as if it was killed before it noted what the board has
    journal.close()
    with served(study) as studio:
        assert exported() == [later]
        assert studio.running.feeder.waiting().answers == 0


def test_an_export_without_answers_that_wait_says_so_in_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(self: Board, *args: object, **options: object) -> None:
        raise StorageError("The board is <locked>.")

    study = prepared_study(tmp_path, raters=1)
    with served(study) as studio:
        person = studio.person(1)
        person.agree()
        person.next()  # training
        there, _ = person.next()
        assert studio.running.feeder.flush(60)
        with monkeypatch.context() as patch:
            patch.setattr(Board, "import_answers", locked)
            person.next()
            reply = studio.client.get(base(studio) + "/export")
            assert reply.headers["content-disposition"] == 'attachment; filename="ratings-without-1-waiting.csv"'
            assert {row["id"] for row in csv.DictReader(io.StringIO(reply.body.decode()))} == {there["id"]}
            told = studio.client.get(base(studio) + "/progress").json["waiting"]
            assert (told["answers"], told["why"]) == (1, "The board is <locked>.")
            page = studio.client.get(base(studio)).body.decode()
            assert "1 answer waits for the board since 2" in page
            assert "The board is &lt;locked&gt;." in page
        reply = studio.client.get(base(studio) + "/export")
        assert reply.headers["content-disposition"] == 'attachment; filename="ratings.csv"'
        assert len(reply.body.splitlines()) == 5
        assert studio.client.get(base(studio) + "/progress").json["waiting"] == {
            "answers": 0,
            "since": None,
            "why": None,
        }
        assert b"for the board since" not in studio.client.get(base(studio)).body


def test_a_video_that_could_not_be_played_is_told_and_in_no_export(tmp_path: Path) -> None:
    study = prepared_study(tmp_path, raters=1)
    with served(study) as studio:
        person = studio.person(1)
        person.agree()
        person.next()  # training
        report = answer_to(person.state(), values={}, watched=[0.0], unplayable=True)
        assert person.send(report)["saved"] == [report["id"]]
        person.next()
        found = studio.client.get(base(studio) + "/progress").json
        assert [one["unplayable"] for one in found["raters"]] == [1]
        assert sum(row["answers"] for row in found["balance"]) == 1
        assert b"1 could not be played" in studio.client.get(base(studio)).body
        rows = studio.client.get(base(studio) + "/export").body.decode().splitlines()
        assert len(rows) == 3, "a head, and two questions of the one answer"


def test_comparisons_are_of_the_teams_that_were_shown(tmp_path: Path) -> None:
    study = prepared_study(tmp_path, raters=1, method="pairs")
    with served(study) as studio:
        person = studio.person(1)
        state = person.agree()
        assert "0.5" in person.next(0.25)[1]["refused"][0]["why"]
        shown = [study.plan.media[medium].team for medium in study.plan.items[state["item"]["id"]].media]
        assert [address.rpartition("/")[2] for address in state["item"]["videos"]] == [
            *studio.running.study.showings.names(state["item"]["id"])
        ]
        person.next(0)
        first = studio.board.snapshot().answers
        assert {(one.teams, one.value, one.item) for one in first} == {((shown[0], shown[1]), 0.0, "s1")}


def test_pairs_that_are_chosen_stay_chosen_when_the_server_starts_again(tmp_path: Path) -> None:
    study = build_study(tmp_path, raters=2, method="pairs")
    document = json.loads(study.plan_path.read_text())
    for rater in document["raters"].values():
        rater["items"] = [None, None]
    study.plan_path.write_text(json.dumps(document))
    with served(study) as studio:
        state = studio.person(1).agree()
        assert (state["total"], state["next"]) == (2, None)
        assert len(state["item"]["videos"]) == 2
    with served(study) as studio:
        person = studio.person(1)
        assert person.state()["item"] == state["item"]
        first, reply = person.next(0.5)
        assert reply["saved"] == [first["id"]]
        second, reply = person.next(1)
        assert reply["state"]["finished"]
        assert second["item"] != first["item"]
        assert len(studio.board.snapshot().answers) == 4


def test_a_board_that_takes_long_to_screen_is_screened_less_often(study: BuiltStudy) -> None:
    times = iter([0.0, 3.0, 62.0, 64.0, 64.5, 84.0, 85.0, 85.5])  # it takes 3 s, half a second, half a second
    with Board.open(study.board) as board:
        screening = Screening(board, study.plan, lambda: next(times))
        first = screening.flags()
        assert screening.flags() is first, "after 59 s"
        second = screening.flags()
        assert second is not first, "after 61 s"
        assert screening.flags() is second
        assert screening.flags() is not second, "after 20.5 s"


def test_who_always_says_the_same_is_flagged(tmp_path: Path) -> None:
    study = prepared_study(tmp_path, raters=4)
    with served(study) as studio:
        for number in range(1, 5):
            person = studio.person(number)
            person.agree()
            at = 0
            while person.state()["item"] is not None:
                person.next(1 if number == 4 else 4 + at % 2)
                at += 1
        assert studio.running.feeder.flush(60)
        found = studio.client.get(base(studio) + "/progress").json
        flags = {one["rater"]: one["flags"] for one in found["raters"]}
        assert [name for name, sentences in flags.items() if sentences] == ["rater-4"]
        assert "gold" in " ".join(flags["rater-4"])
        page = studio.client.get(base(studio)).body.decode()
        assert flags["rater-4"][0].split(":")[0] in page


def test_the_words_of_the_shared_link_are_there_in_all_languages() -> None:
    words = join_words()
    assert set(words) == set(LANGUAGES)
    assert {frozenset(one) for one in words.values()} == {frozenset(words["en"])}
    assert all(text.strip() for one in words.values() for text in one.values())
