"""The files that a studio serves: of the submissions that were scored, made apart, whole or in parts."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from builders.studies import BuiltStudy, build_study
from builders.studio_server import Served, served

from evalkit.board import Board
from evalkit.challenges.parts import Window
from evalkit.cli.studio.serve import _warn
from evalkit.errors import EvalkitError, MachineError
from evalkit.progress import Progress
from evalkit.ratings.model import Answer
from evalkit.studio import preparing
from evalkit.studio.boarding import about_window
from evalkit.studio.library import ServedFile
from evalkit.studio.ranges import CHUNK, MOST_PARTS, FileParts, merged, wanted_range
from evalkit.studio.serving import ServeOptions, is_loopback, listen, open_studio


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> BuiltStudy:
    study = build_study(tmp_path_factory.mktemp("study"), raters=1)
    assert opened(study) == []
    return study


@pytest.fixture
def study(made: BuiltStudy, tmp_path: Path) -> BuiltStudy:
    shutil.copytree(made.folder, tmp_path / "study")
    return BuiltStudy(tmp_path / "study", made.plan)


def opened(study: BuiltStudy, **options: Any) -> list[str]:
    """Get a studio ready; return its notes."""
    asked = ServeOptions(study.plan_path, study.submissions, options.pop("testset", study.testset), port=0, **options)
    with Board.open(study.board) as board, open_studio(board, asked, Progress()) as running:
        return running.notes


def refusal(study: BuiltStudy, **options: Any) -> str:
    with pytest.raises(EvalkitError) as error:
        opened(study, **options)
    return str(error.value)


def forget(study: BuiltStudy, team: str) -> None:
    """Remove the prepared files of a team's videos."""
    for name, medium in study.plan.media.items():
        if medium.team == team:
            (study.folder / "plan-studio" / "media" / f"1-{name}.mp4").unlink()


def with_videos(study: BuiltStudy) -> Path:
    """Return a new folder of a studio that has the videos already, and knows of no plan."""
    folder = study.folder / "other"
    (folder / "media").mkdir(parents=True)
    for path in (study.folder / "plan-studio" / "media").glob("*.mp4"):
        shutil.copy(path, folder / "media")
    return folder


def rewrite(study: BuiltStudy, change: Any) -> None:
    """Change the plan's file."""
    document = json.loads(study.plan_path.read_text())
    change(document)
    study.plan_path.write_text(json.dumps(document))


def test_another_submission_than_was_scored_is_refused(study: BuiltStudy) -> None:
    forget(study, "Nebula Lab")
    place = study.submissions / "Nebula Lab.zip"
    with zipfile.ZipFile(place, "a") as archive:
        archive.writestr("more.txt", "x")
    told = refusal(study)
    assert "2 videos of the plan can't be shown" in told
    assert "Nebula Lab.zip is not the submission that was scored" in told
    assert "--leave-out" in told


def test_another_video_than_the_plan_was_made_with_is_refused(study: BuiltStudy) -> None:
    def change(document: Any) -> None:
        next(iter(document["media"].values()))["sha256"] = "0" * 64

    rewrite(study, change)
    data = with_videos(study)
    (data / "media" / f"1-{next(iter(study.plan.media))}.mp4").unlink()
    assert "1 video of the plan can't be shown" in (told := refusal(study, data=data))
    assert "not the file that the plan was made with" in told


def test_videos_that_can_not_be_shown_are_left_out_when_the_organizer_says_so(study: BuiltStudy) -> None:
    forget(study, "Quasar Group")
    (study.submissions / "Quasar Group.zip").unlink()
    assert "does not exist" in refusal(study)
    with served(study, leave_out=True) as studio:
        assert len(studio.running.notes) == 2
        person = studio.person(1)
        assert person.agree()["total"] == 5, "two of seven items are of the missing videos"
        while person.state()["item"] is not None:
            person.next()
        teams = {study.plan.media[study.plan.items[one.item].media[0]].team for one in studio.board.snapshot().answers}
        assert teams == {"Nebula Lab"}


def test_reference_pictures_need_the_test_set(study: BuiltStudy) -> None:
    for path in (study.folder / "plan-studio" / "media").glob("*.png"):
        path.unlink()
    assert "--testset" in refusal(study, testset=None)
    (study.testset / "s1.jpg").write_bytes(b"no picture")
    assert "The picture of the sample 's1' can't be shown" in refusal(study)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"challenge": {"id": "other", "sha256": "0" * 64}}, "not of the board's challenge"),
        ({"questions": [{"id": "beauty", "title": "Beauty", "scale": [1, 5]}]}, "'beauty', which the challenge"),
        ({"questions": [{"id": "sync", "title": "Sync", "scale": [0, 5]}]}, "scale of 'sync' is not the challenge's"),
        ({"format": 2}, "not a plan that this version reads"),
    ],
)
def test_a_plan_that_does_not_fit_the_board_is_refused(study: BuiltStudy, change: dict[str, Any], why: str) -> None:
    before = study.board.read_bytes()

    def apply(document: Any) -> None:
        document.update(change)
        for item in document["items"].values():
            item["expected"] = {}
            item["kind"] = "rating" if item["kind"] == "gold" else item["kind"]

    rewrite(study, apply)
    assert why in refusal(study, data=with_videos(study))
    assert study.board.read_bytes() == before


def test_a_folder_is_of_one_plan(study: BuiltStudy) -> None:
    assert opened(study) == []
    rewrite(study, lambda document: document.update(seed=2))
    assert "belongs to another plan" in refusal(study)
    assert opened(study, data=with_videos(study)) == []


def test_a_plan_is_served_once_at_a_time(made: BuiltStudy) -> None:
    with served(made) as studio:
        assert "another 'evalkit studio serve' runs with this plan" in refusal(made)
        port = studio.running.socket.getsockname()[1]
        with pytest.raises(MachineError, match=f"can't listen on 127.0.0.1, port {port}"):
            listen("127.0.0.1", port)


def test_a_folder_that_has_forgotten_the_answers_is_refused(study: BuiltStudy) -> None:
    with served(study) as studio:
        person = studio.person(1)
        person.agree()
        person.next()  # training, of which the board knows nothing
        person.next()
    data = with_videos(study)
    assert "import 1, 2 new" in (told := refusal(study, data=data))
    assert "The board has answers of this plan" in told
    with Board.open(study.board) as board:
        board.undo_import(1, by="olga", why="a trial")
    assert opened(study, data=data) == []


def test_a_damaged_file_of_the_studio_is_told(study: BuiltStudy) -> None:
    (study.folder / "plan-studio" / "studio.sqlite").write_bytes(b"no database at all" * 100)
    assert "can't be used as the studio's file. Found file is not a database." in refusal(study)


def test_without_the_web_server_the_extra_is_named(study: BuiltStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert "pip install 'evalkit-video[studio]'" in refusal(study)


def test_who_listens_for_everybody_is_warned(made: BuiltStudy, capsys: pytest.CaptureFixture[str]) -> None:
    with served(made) as studio:
        _warn(studio.running, "127.0.0.1", None)
        _warn(studio.running, "127.0.0.1", "https://rate.example.org")
        assert capsys.readouterr().err == ""
        _warn(studio.running, "0.0.0.0", None)
        assert "put a proxy with TLS before it" in capsys.readouterr().err
        _warn(studio.running, "127.0.0.1", "http://rate.example.org")
        assert "without TLS" in capsys.readouterr().err


def test_who_listens_on_all_addresses_is_told_that_links_need_a_name(
    made: BuiltStudy, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(made) as studio:
        for host in ("0.0.0.0", "::", ""):
            _warn(studio.running, host, None)
            assert "say --public-url" in capsys.readouterr().err.splitlines()[-1]
        _warn(studio.running, "192.0.2.7", None)
        _warn(studio.running, "0.0.0.0", "https://rate.example.org")
        assert "Nobody can open" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("window", "why"),
    [
        (
            Window(opens="2999-01-01T00:00:00+00:00"),
            ["By the challenge's rules, answers count from 2999-01-01T00:00:00"],
        ),
        (
            Window(closes="2020-01-01T00:00:00+00:00"),
            ["By the challenge's rules, answers counted until 2020-01-01T00:00:00"],
        ),
        (
            Window(closes="2026-02-27 AoE"),
            ["By the challenge's rules, answers counted until 2026-02-27 AoE: new ones don't."],
        ),
        (Window(opens="2020-01-01T00:00:00+00:00", closes="2999-01-01T00:00:00+00:00"), []),
        (None, []),
    ],
)
def test_answers_outside_of_the_window_are_told_before_anybody_gives_them(
    window: Window | None, why: list[str]
) -> None:
    found = about_window(window, datetime(2026, 3, 1, tzinfo=UTC))
    assert [one.split("+")[0] for one in found] == why


def test_raters_of_another_study_with_the_same_names_are_told(study: BuiltStudy) -> None:
    assert opened(study, data=with_videos(study)) == []
    one = Answer("rater-1", "elsewhere", "sync", 3.0, datetime(2026, 3, 1, tzinfo=UTC), 4.0, 2)
    with Board.open(study.board) as board:
        board.import_answers([one], source="first.csv", sha256="1" * 64, form="long", by="olga")
    (note,) = opened(study, data=study.folder / "other")
    assert "1 rater with the same name from elsewhere (rater-1)" in note


def test_changed_rules_are_said(study: BuiltStudy) -> None:
    rewrite(study, lambda document: document["challenge"].update(sha256="1" * 64))
    assert opened(study, data=with_videos(study)) == ["The board's rules have changed since the plan was made."]


def test_files_are_prepared_once_and_no_process_sees_two_submissions(
    study: BuiltStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[tuple[set[str], Path]] = []

    class Watched(preparing.Workers):
        def run(self, jobs: Any, after: Any = None) -> Any:
            (place,) = self.start[2].writable  # type: ignore[union-attr]
            assert list(place.iterdir()) == [], "of a folder that nobody else wrote to"
            archives = {str(getattr(job.source, "archive", "test set")) for job in jobs}
            assert all(job.target.parent == place for job in jobs)
            batches.append((archives, place))
            return super().run(jobs, after)

    monkeypatch.setattr(preparing, "Workers", Watched)
    (study.folder / "plan-studio" / "media" / "work-left").mkdir()
    for path in (study.folder / "plan-studio" / "media").glob("*.*"):
        path.unlink()
    opened(study)
    assert [len(archives) for archives, _ in batches] == [1, 1, 1]
    assert len({place for _, place in batches}) == 3
    media = study.folder / "plan-studio" / "media"
    assert len(list(media.iterdir())) == 8, "four videos, two pictures, two sounds, and nothing else"
    opened(study)
    assert len(batches) == 3


def test_what_a_worker_leaves_in_place_of_a_file_is_not_taken(tmp_path: Path) -> None:
    secret, link, target = tmp_path / "secret", tmp_path / "link.mp4", tmp_path / "1-a.mp4"
    secret.write_text("key")
    link.symlink_to(secret)
    assert preparing._taken(link, target) == "the worker wrote something that is no file"
    assert preparing._taken(tmp_path / "none.mp4", target) == "No such file or directory"
    assert not target.exists()


# --- parts of files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("bytes=0-", (0, 100)),
        ("bytes=0-0", (0, 1)),
        ("bytes=10-19", (10, 20)),
        ("bytes=10-1000", (10, 100)),
        ("bytes=-5", (95, 100)),
        ("bytes=-500", (0, 100)),
        ("bytes=-0", (100, 100)),
        ("bytes=100-", (100, 100)),
        ("bytes=200-300", (200, 100)),
        ("bytes=5-2", None),
        ("bytes=-", None),
        ("bytes=0-1,5-6", None),
        ("lines=0-1", None),
        ("bytes=a-b", None),
        ("", None),
    ],
)
def test_what_a_range_asks_for(text: str, wanted: tuple[int, int] | None) -> None:
    assert wanted_range(text, 100) == wanted


def test_parts_are_joined() -> None:
    assert merged([], (5, 9)) == [(5, 9)]
    assert merged([(0, 3), (8, 9)], (3, 5)) == [(0, 5), (8, 9)]
    assert merged([(0, 3), (8, 9)], (2, 8)) == [(0, 9)]


def test_parts_of_a_video_are_those_of_the_whole(made: BuiltStudy) -> None:
    with served(made) as studio:
        (path,) = studio.person(1).agree()["item"]["videos"]
        whole = studio.client.get(path)
        size, tag = len(whole.body), whole.headers["etag"]
        assert (whole.headers["content-type"], whole.headers["accept-ranges"]) == ("video/mp4", "bytes")
        head = studio.client.ask("HEAD", path)
        assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(size))
        part = studio.client.get(path, Range="bytes=100-299")
        assert (part.status, part.body) == (206, whole.body[100:300])
        assert part.headers["content-range"] == f"bytes 100-299/{size}"
        assert studio.client.get(path, Range="bytes=-7").body == whole.body[-7:]
        beyond = studio.client.get(path, Range=f"bytes={size}-")
        assert (beyond.status, beyond.body, beyond.headers["content-range"]) == (416, b"", f"bytes */{size}")
        assert studio.client.get(path, Range="bytes=0-9", If_Range=tag).status == 206
        assert studio.client.get(path, Range="bytes=0-9", If_Range='"other"').body == whole.body
        assert studio.client.get(path, If_None_Match=tag).status == 304
        showings, base = studio.running.study.showings, path.rpartition("/")[0]
        for item in made.plan.items:
            assert studio.client.get(f"{base}/{showings.names(item)[0]}").status == 200, "asked later"
        assert [one for one in made.plan.media if studio.client.get(f"{base}/{one}.mp4").status != 404] == []


def test_a_repeat_has_an_address_of_its_own_and_another_one_in_another_studio(study: BuiltStudy) -> None:
    medium = next(item.media[0] for item in study.plan.items.values() if item.kind == "repeat")
    alike = [name for name, item in study.plan.items.items() if item.media == (medium,)]
    assert {study.plan.items[name].kind for name in alike} == {"rating", "training", "gold", "repeat"}
    names: list[str] = []
    for folder in ("plan-studio", "other"):
        with served(study, data=study.folder / folder) as studio:
            base = f"/m/{studio.person(1).token}/"
            studio.person(1).agree()
            mine = [studio.running.study.showings.names(name)[0] for name in alike]
            replies = [studio.client.get(base + name) for name in mine]
            assert {reply.status for reply in replies} == {200}
            assert len({reply.body for reply in replies}) == 1
            assert len({reply.headers["etag"] for reply in replies}) == len(alike)
            assert [one for one in study.plan.media if one.encode() in b"".join(studio.client.seen)] == []
            names += mine
    assert len(set(names)) == 2 * len(alike), "what a browser has of the first studio is no file of the second"


def test_a_rater_gets_no_video_that_is_not_in_the_own_list(study: BuiltStudy) -> None:
    other = str(study.plan.raters["rater-1"].items[2])
    hidden = study.plan.items[other].media[0]
    shown = [item for item in study.plan.raters["rater-1"].items if hidden not in study.plan.items[item].media]
    rewrite(study, lambda document: document["raters"]["rater-1"].update(items=shown))
    with served(study, data=with_videos(study)) as studio:
        path = studio.person(1).agree()["item"]["videos"][0]
        (name,) = studio.running.study.showings.names(other)
        assert studio.client.get(path.replace(path.rpartition("/")[2], name)).status == 404


def test_addresses_of_this_machine() -> None:
    found = [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "192.168.1.4", "example.org")]
    assert found == [True, True, True, False, False, False]


@pytest.mark.parametrize(
    "url", ["rate.example.org", "ftp://x", "https://x/path", "https://x?y", "https://u:p@x", "https://x:99999"]
)
def test_a_public_address_is_a_host(study: BuiltStudy, url: str) -> None:
    assert "public address" in refusal(study, public_url=url)


def test_links_begin_with_the_public_address(made: BuiltStudy) -> None:
    with served(made, public_url="https://rate.example.org/") as studio:
        reply = Served.person(studio).client.get(f"/o/{made.plan.organizer}")
        assert f"https://rate.example.org/join/{made.plan.join}".encode() in reply.body
        assert studio.running.organizer_link.startswith("https://rate.example.org/o/")


def test_what_nobody_took_is_not_counted_as_sent(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(bytes(4 * CHUNK))
    sent: list[tuple[int, int]] = []
    taken = 0

    async def story() -> None:
        left = asyncio.Event()

        async def receive() -> dict[str, Any]:
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            nonlocal taken
            taken += len(message.get("body", b""))
            if taken > CHUNK:  # the browser goes away; as servers do, this one goes on taking
                left.set()
                await asyncio.sleep(0)
                await asyncio.sleep(0)

        async def note(start: int, end: int) -> None:
            sent.append((start, end))

        served = FileParts(ServedFile(path, 4 * CHUNK, "video/mp4"), '"tag"', note)
        await served({"type": "http", "method": "GET", "headers": []}, receive, send)

    asyncio.run(story())
    assert sent == [(0, CHUNK)]
    assert taken == 2 * CHUNK, "and nothing more is read"


def test_a_file_in_a_thousand_pieces_takes_no_room() -> None:
    parts: list[tuple[int, int]] = []
    for at in range(1000):
        parts = merged(parts, (2 * at, 2 * at + 1))
    assert len(parts) == MOST_PARTS
    assert merged(parts, (0, 2000)) == [(0, 2000)]
