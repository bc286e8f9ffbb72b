"""What `evalkit pack` does with a folder besides converting: choosing files, refusing, writing, saying what it did."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from clip_tools import ffmpeg

import evalkit
from evalkit.challenges.model import parse_challenge
from evalkit.cli import cli

pytestmark = pytest.mark.ffmpeg
RULES = "id: own\ntitle: Own\n"
SPEECH = ["-f", "lavfi", "-i", "sine=440:d=1:sample_rate=16000"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Return a valid file of one second."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=64x64:r=25:d=1", *SPEECH, "-pix_fmt", "yuv420p", "-c:a", "aac", path)
    return path


@pytest.fixture
def results(clip, tmp_path):
    """Return a function that puts the clip into a folder under these names, and returns the folder."""

    def put(*names):
        folder = tmp_path / "results"
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(clip.read_bytes())
        return folder

    return put


@pytest.fixture
def testset(tmp_path):
    """Return a test set of two samples, a and b."""
    (tmp_path / "testset").mkdir()
    (tmp_path / "testset" / "samples.jsonl").write_text('{"id": "a"}\n{"id": "b"}\n')
    return tmp_path / "testset"


def challenge(text=""):
    return parse_challenge(RULES + text, "own")


def pack(folder, testset, tmp_path, text="", **options):
    return evalkit.pack(folder, challenge(text), testset, tmp_path / "team.zip", workers=1, **options)


def refusal(*arguments, **options):
    with pytest.raises(evalkit.EvalkitError) as caught:
        pack(*arguments, **options)
    return str(caught.value)


def test_the_zip_and_the_report(results, testset, tmp_path, clip):
    folder = results("b_final.mp4", "take 2/A.mp4", "a_notes.txt", "frames/1.png", "frames/2.png", ".cache/a.mp4")
    report = pack(folder, testset, tmp_path)
    assert report.valid
    assert [(file.sample, file.source, file.target, file.outcome) for file in report.files] == [
        ("a", "take 2/A.mp4", "a.mp4", "renamed"),
        ("b", "b_final.mp4", "b.mp4", "renamed"),
    ]
    assert report.how == {"a": "letters", "b": "part"}
    assert report.ignored == {".cache/a.mp4": "hidden: its name or that of its folder begins with a dot"}
    assert report.other_files == {".png": 2, ".txt": 1}
    data = (tmp_path / "team.zip").read_bytes()
    assert (report.size, report.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    with zipfile.ZipFile(tmp_path / "team.zip") as archive:
        assert {info.filename: archive.read(info) for info in archive.infolist()} == dict.fromkeys(
            ("a.mp4", "b.mp4"), clip.read_bytes()
        )


def test_the_same_folder_makes_the_same_bytes(results, testset, tmp_path):
    """Whatever the names, the order and the times of the files."""
    first = pack(results("b.mp4", "a.mp4"), testset, tmp_path).sha256
    for path in (tmp_path / "results").iterdir():
        path.rename(path.with_name(f"{path.stem}_x.mp4"))
        os.utime(path.with_name(f"{path.stem}_x.mp4"), (1e9, 1e9))
    assert pack(tmp_path / "results", testset, tmp_path).sha256 == first


def test_several_files_of_a_sample_are_refused_and_listed(results, testset, tmp_path):
    folder = results("a.mp4", "a_result.mp4", "b.mp4", "old/b.mov")
    said = refusal(folder, testset, tmp_path)
    assert "a: a.mp4 or a_result.mp4; b: b.mp4 or old/b.mov" in said
    assert "--only" in said
    assert not (tmp_path / "team.zip").exists()
    with pytest.raises(evalkit.EvalkitError, match="in 2 cases"):
        pack(folder, testset, tmp_path, dry_run=True)


@pytest.mark.parametrize(
    ("options", "sources"),
    [
        ({"only": "*_result.mp4"}, ["a_result.mp4", "b_result.mp4"]),
        ({"exclude": ["*_result.mp4"]}, ["a.mp4", "old/b.mp4"]),
        ({"exclude": ["old/*", "a.mp4"]}, ["a_result.mp4", "b_result.mp4"]),
    ],
)
def test_patterns_choose(options, sources, results, testset, tmp_path):
    report = pack(results("a.mp4", "a_result.mp4", "b_result.mp4", "old/b.mp4"), testset, tmp_path, **options)
    assert [file.source for file in report.files] == sources
    left_out = {"a.mp4", "a_result.mp4", "b_result.mp4", "old/b.mp4"} - set(sources)
    assert {path: why.split()[0] for path, why in report.ignored.items()} == dict.fromkeys(left_out, "left")


@pytest.mark.parametrize("lines", ["sample,file\na,x 1.mp4\n", "\ufefffile;sample\r\n./x 1.mp4;a\r\n\r\n"])
def test_a_mapping(lines, results, testset, tmp_path):
    (tmp_path / "names.csv").write_text(lines, encoding="utf-8")
    report = pack(results("x 1.mp4", "a.mp4", "b.mp4"), testset, tmp_path, mapping=tmp_path / "names.csv")
    assert [(file.source, report.how[file.sample]) for file in report.files] == [
        ("x 1.mp4", "mapping"),
        ("b.mp4", "name"),
    ]
    assert report.ignored == {"a.mp4": "'a' has another file by the mapping"}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("sample,path\na,x.mp4\n", "no column 'file'"),
        ("", "no column 'sample'"),
        ("sample,file\nc,x.mp4\n", "row 2: the test set has no sample 'c'"),
        ("sample,file\na,X.mp4\n", "Did you mean 'x.mp4'?"),
        ("sample,file\na,../secret.mp4\n", "no video that can be packed"),
        ("sample,file\na,/etc/passwd\n", "no video that can be packed"),
        ("sample,file\na,link.mp4\n", "links are not followed"),
        ("sample,file\na,x.mp4\na,b.mp4\n", "row 3: the sample 'a' is there twice"),
        ("sample,file\na,x.mp4\nb,x.mp4\n", "row 3: the file x.mp4 is there twice"),
        ("sample,file\na\n", "a wrong number of cells"),
        ('sample,file\na,"x.mp4\n', "no CSV"),
    ],
)
def test_a_mapping_that_cannot_be_used(lines, said, results, testset, tmp_path):
    folder = results("x.mp4", "b.mp4")
    (folder / "link.mp4").symlink_to("x.mp4")
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    (tmp_path / "names.csv").write_text(lines)
    assert said in refusal(folder, testset, tmp_path, mapping=tmp_path / "names.csv")


def test_a_missing_sample_is_refused_before_anything_is_decoded(results, testset, tmp_path):
    folder = results("b.mp4", "intro.mp4")
    (folder / "a.mp4").symlink_to("b.mp4")
    said = refusal(folder, testset, tmp_path)
    assert "1 sample of the test set has no video. Found none for a; not used: intro.mp4; a.mp4" in said
    assert "links are not followed" in said


def test_incomplete_writes_what_there_is(results, testset, tmp_path):
    report = pack(results("b.mp4"), testset, tmp_path, incomplete=True)
    assert (report.valid, report.written) == (False, True)
    assert [file.outcome for file in report.files] == ["missing", "unchanged"]
    assert zipfile.ZipFile(tmp_path / "team.zip").namelist() == ["b.mp4"]
    allowed = "submission: {severities: {layout.missing: warning}}\n"
    assert pack(results("b.mp4"), testset, tmp_path, allowed).valid


def test_a_video_beyond_repair_leaves_the_old_zip_as_it_was(results, testset, tmp_path):
    folder = results("a.mp4", "b.mp4")
    (folder / "a.mp4").write_bytes(b"no video")
    (tmp_path / "team.zip").write_bytes(b"old")
    report = pack(folder, testset, tmp_path)
    assert (report.valid, report.written) == (False, False)
    assert report.files[0].reason.startswith("encoding.not-media: The file can't be opened as a video")
    assert (tmp_path / "team.zip").read_bytes() == b"old"
    assert pack(folder, testset, tmp_path, incomplete=True).written
    assert zipfile.ZipFile(tmp_path / "team.zip").namelist() == ["a.mp4", "b.mp4"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results", "team.zip", "testset"]


def test_a_zip_that_is_too_large_is_not_written(results, testset, tmp_path):
    """A rule about the archive, which the folder of converted files can't break."""
    report = pack(results("a.mp4", "b.mp4"), testset, tmp_path, "submission: {archive: {max_files: 1}}\n")
    assert (report.valid, report.written) == (False, False)
    assert "archive.too-many-files" in {one.rule for one in report.findings}
    assert not (tmp_path / "team.zip").exists()


def test_links_pipes_and_odd_names(results, testset, tmp_path):
    folder = results("b.mp4", "a\n\x1b[31m.mp4")
    os.mkfifo(folder / "pipe.mp4")
    (folder / "loop").symlink_to(folder)
    (folder / "passwd.mp4").symlink_to("/etc/passwd")
    (folder / "b.mp4").rename(os.fsdecode(os.fsencode(folder) + b"/b_\xff\xfe.mp4"))
    report = pack(folder, testset, tmp_path)
    assert report.valid
    assert {file.sample: report.how[file.sample] for file in report.files} == {"a": "part", "b": "part"}
    assert report.ignored == {
        "loop": "a symlink, not a file",
        "passwd.mp4": "a symlink, not a file",
        "pipe.mp4": "a device, not a file",
    }
    done = CliRunner().invoke(cli, words(folder, testset, tmp_path))
    assert done.exit_code == 0, done.output
    assert "\x1b[31m" not in done.output


SPEED = {
    "schema": 1,
    "timed": "frames",
    "machine": {"processor": "one"},
    "samples": [{"sample": "a", "generation_seconds": 2.0, "frames": 25, "clip_seconds": 1.0}],
}


def test_speed_goes_into_the_zip(results, testset, tmp_path):
    (tmp_path / "mine.json").write_text(json.dumps(SPEED))
    report = pack(results("a.mp4", "b.mp4", "speed.json"), testset, tmp_path, speed=tmp_path / "mine.json")
    assert report.valid
    assert report.notes == ("mine.json has no measurement of 1 sample.",)
    with zipfile.ZipFile(tmp_path / "team.zip") as archive:
        assert archive.namelist() == ["a.mp4", "b.mp4", "speed.json"]
        assert json.loads(archive.read("speed.json")) == SPEED
    card = evalkit.score(tmp_path / "team.zip", challenge(), testset, metrics=["speed.fps"], workers=1)
    assert card.videos[0].values["speed.fps"] == pytest.approx(25 / 2)  # 25 frames in 2 s


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "can't be used"),
        (json.dumps({**SPEED, "samples": [{**SPEED["samples"][0], "sample": "zz"}]}), "measures no sample"),
        (None, "can't be read"),
    ],
)
def test_a_wrong_speed_file_is_refused(content, said, results, testset, tmp_path):
    if content is not None:
        (tmp_path / "mine.json").write_text(content)
    assert said in refusal(results("a.mp4", "b.mp4"), testset, tmp_path, speed=tmp_path / "mine.json")


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(results, testset, tmp_path):
    folder = results("a.mp4", "b.mp4")
    ffmpeg("-i", folder / "a.mp4", "-c:v", "mpeg4", folder / "a.avi")
    (folder / "a.mp4").unlink()
    (folder / "b.mp4").write_bytes(b"no video")
    report = evalkit.pack(folder, challenge(), testset, dry_run=True, workers=1)
    assert (report.valid, report.written) == (False, False)
    assert [file.outcome for file in report.files] == ["repaired", "failed"]
    assert "video encoded" in report.files[0].steps
    results("b.mp4")
    assert evalkit.pack(folder, challenge(), testset, dry_run=True, workers=1).valid
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results", "testset"]


def words(folder, testset, tmp_path, *more, rules=RULES):
    (tmp_path / "own.yaml").write_text(rules)
    out = [] if "--dry-run" in more else ["-o", str(tmp_path / "team.zip")]
    return ["pack", str(folder), "-c", str(tmp_path / "own.yaml"), "-t", str(testset), *out, "-q", *more]


def test_from_the_command_line(results, testset, tmp_path):
    folder = results("a_1.mp4", "b.mp4")
    done = CliRunner().invoke(cli, words(folder, testset, tmp_path))
    assert done.exit_code == 0, done.output
    assert "by a part of its" in done.stdout
    assert f"SHA-256 {hashlib.sha256((tmp_path / 'team.zip').read_bytes()).hexdigest()}" in done.stdout
    done = CliRunner().invoke(cli, words(folder, testset, tmp_path, "--json"))
    document = json.loads(done.stdout)
    assert (document["ok"], document["written"], document["files"][0]["found_by"]) == (True, True, "part")


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [((), 1, "was not written"), (("--incomplete",), 3, "is NOT valid"), (("--dry-run",), 1, "would be NOT valid")],
)
def test_exit_codes_of_what_is_not_valid(more, code, said, results, testset, tmp_path):
    folder = results("a.mp4", "b.mp4")
    (folder / "b.mp4").write_bytes(b"no video")
    done = CliRunner().invoke(cli, words(folder, testset, tmp_path, *more))
    assert (done.exit_code, said in done.stdout) == (code, True), done.output
    assert (tmp_path / "team.zip").exists() == (code == 3)


def test_wrong_use(results, testset, tmp_path):
    folder = results("a.mp4", "b.mp4")
    bare = ["pack", str(folder), "-c", "talking-head", "-t", str(testset)]
    assert "Give the name of the ZIP with -o" in CliRunner().invoke(cli, bare).output
    with pytest.raises(evalkit.EvalkitError, match="is a folder"):
        evalkit.pack(folder, challenge(), testset, folder)
    pack(folder, testset, tmp_path)
    with pytest.raises(evalkit.EvalkitError, match="evalkit repair"):
        evalkit.pack(tmp_path / "team.zip", challenge(), testset, tmp_path / "new.zip")
    (tmp_path / "empty").mkdir()
    with pytest.raises(evalkit.EvalkitError, match="Found an empty folder"):
        pack(tmp_path / "empty", testset, tmp_path)
    with pytest.raises(evalkit.EvalkitError, match="does not exist"):
        pack(Path("nowhere"), testset, tmp_path)
    with pytest.raises(evalkit.EvalkitError, match="name of the ZIP is missing"):
        evalkit.pack(folder, challenge(), testset)
    with pytest.raises(evalkit.EvalkitError, match="wrong type"):
        evalkit.pack(3, challenge(), testset, tmp_path / "new.zip")


def test_the_folder_may_hold_more_files_than_the_challenge_allows_in_a_zip(results, testset, tmp_path):
    folder = results("a.mp4", "b.mp4")
    for number in range(50):
        (folder / f"{number}.png").write_bytes(b"")
    report = pack(folder, testset, tmp_path, "submission: {archive: {max_files: 2}}\n")
    assert report.valid
    assert report.other_files == {".png": 50}
