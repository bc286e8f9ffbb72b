"""A repaired submission is valid, or the report says honestly why it is not."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile

import pytest
from click.testing import CliRunner
from clip_tools import ffmpeg

import evalkit
from evalkit.challenges.model import parse_challenge
from evalkit.cli import cli
from evalkit.media.inspect import inspect_media

pytestmark = pytest.mark.ffmpeg
BEYOND_REPAIR = {
    "audio_only": "encoding.no-video",
    "corrupt_mdat_bits": "content.decode-errors",
    "jpeg_renamed": "encoding.container",
    "one_frame": "content.too-few-frames",
    "random_bytes": "encoding.not-media",
    "truncated_moov_ok": "content.truncated",
    "truncated_no_moov": "encoding.not-media",
    "zero_bytes": "encoding.not-media",
}
SPEECH = ["-f", "lavfi", "-i", "sine=440:d=2:sample_rate=16000"]


def write_testset(folder, names):
    (folder / "audio").mkdir(parents=True)
    ffmpeg(*SPEECH, folder / "audio" / "speech.wav")
    lines = [json.dumps({"id": name, "audio": "audio/speech.wav"}) + "\n" for name in names]
    (folder / "samples.jsonl").write_text("".join(lines))
    return folder


def clip(path, *options, size="64x64", rate=25, sound=True, codec="libx264"):
    path.parent.mkdir(parents=True, exist_ok=True)
    source = ["-f", "lavfi", "-i", f"testsrc=s={size}:r={rate}:d=2", *(SPEECH if sound else [])]
    ffmpeg(*source, "-pix_fmt", "yuv420p", "-c:v", codec, "-c:a", "aac", *options, path)


def challenge(**video):
    limits = ", ".join(f"{name}: {value}" for name, value in video.items())
    return parse_challenge(f"id: own\ntitle: Own\nsubmission: {{video: {{{limits}}}}}\n", "own")


def repaired(tmp_path, rules, names):
    testset = write_testset(tmp_path / "testset", names)
    report = evalkit.repair(tmp_path / "team", rules, tmp_path / "new.zip", testset, workers=2)
    again = evalkit.validate(tmp_path / "new.zip", rules, testset, workers=1)
    assert report.valid == again.ok
    return {file.sample: file for file in report.files}, again


def frames_of(archive, name, tmp_path):
    with zipfile.ZipFile(archive) as opened:
        return inspect_media(opened.extract(name, tmp_path / "out")).facts


@pytest.mark.shared
def test_real_broken_files(shared, tmp_path):
    """Each is valid afterwards, by the rules and by ffprobe's reading, or is named with the rule that it breaks."""
    source = shared / "data" / "nasty"
    names = sorted(path.stem for path in source.glob("*.mp4"))
    assert len(names) >= 30
    shutil.copytree(source, tmp_path / "team", ignore=shutil.ignore_patterns("*.csv"))
    rules = evalkit.load_challenge("talking-head")
    video = rules.submission.video.model_copy(update={"match_reference_seconds": None})  # the speech here is any
    rules = rules.model_copy(update={"submission": rules.submission.model_copy(update={"video": video})})
    files, again = repaired(tmp_path, rules, names)
    failed = {sample: file.reason.split(":")[0] for sample, file in files.items() if file.outcome == "failed"}
    assert failed == BEYOND_REPAIR
    assert {file.sample for file in again.files if file.verdict == "error"} == set(BEYOND_REPAIR)
    assert files["audio_8k_mono"].outcome == "repaired"  # a warning is corrected too
    assert files["frozen_frame_with_speech"].outcome == "unchanged"  # no command makes a frozen video move


def test_several_faults_of_one_file_at_once(tmp_path):
    """Codec, pixel format, rate, odd size, shape of pixels, audio codec and sample rate: one new file, all right."""
    clip(
        tmp_path / "team" / "a.mp4",
        *["-vf", "scale=101:99,setsar=4/3", "-pix_fmt", "yuv444p", "-ar", "8000", "-c:a", "alac"],
        rate=12,
        codec="libx265",
    )
    files, again = repaired(tmp_path, challenge(), ["a"])
    assert files["a"].outcome == "repaired"
    # Twelve frames a second stay twelve: the file says honestly that every frame is shown twice.
    assert [one.rule for one in again.all_findings()] == ["content.duplicate-frames"]


def test_a_video_of_a_wrong_size_that_is_damaged_further_on_is_not_repaired(tmp_path):
    """A new file would hide the damage; validation alone ends at the first frame."""
    path = tmp_path / "team" / "a.mp4"
    clip(path, size="96x64")
    data = path.read_bytes()
    middle = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2
    path.write_bytes(data[:middle] + bytes(200) + data[middle + 200 :])
    rules = challenge(max_width=64)
    assert "content.decode-errors" not in {one.rule for one in evalkit.validate(path.parent, rules).all_findings()}
    files, _ = repaired(tmp_path, rules, ["a"])
    assert files["a"].outcome == "failed"


def test_the_rate_is_the_challenges(tmp_path):
    clip(tmp_path / "team" / "a.mp4", rate=25)
    _, again = repaired(tmp_path, challenge(min_fps=30, max_fps=30), ["a"])
    assert again.ok
    assert again.files[0].facts.video.fps == pytest.approx(30)
    assert again.files[0].facts.video.duration_seconds == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize(
    ("size", "limits", "expected"),
    [
        ("64x64", {"min_width": 128, "min_height": 128}, (128, 128)),
        ("320x180", {"max_width": 160}, (160, 90)),
        ("320x180", {"min_width": 256, "max_width": 256, "min_height": 256, "max_height": 256}, (256, 256)),
        ("1000x30", {"max_width": 101}, (100, 4)),
    ],
)
def test_sizes(tmp_path, size, limits, expected):
    clip(tmp_path / "team" / "a.mp4", size=size)
    _, again = repaired(tmp_path, challenge(**limits), ["a"])
    assert again.ok
    assert (again.files[0].facts.video.width, again.files[0].facts.video.height) == expected


@pytest.mark.parametrize(
    ("size", "rule", "expected"),
    [
        ("128x128", {"max_reference_scale": 1.25}, (64, 64)),
        ("256x128", {"max_reference_scale": 1}, (64, 32)),
        ("32x32", {"max_reference_scale": 1.25}, (32, 32)),
        ("72x72", {"max_reference_scale": 1.25}, (72, 72)),
        ("128x128", {"match_reference_size": "true"}, (64, 64)),
        ("32x32", {"match_reference_size": "true"}, (64, 64)),
        ("128x96", {"match_reference_size": "true"}, (64, 64)),
        ("128x128", {"max_reference_scale": 1.25, "min_width": 96}, (96, 64)),  # what no video satisfies
    ],
)
def test_the_size_of_the_reference_video(tmp_path, size, rule, expected):
    """``repair`` scales to it where the challenge asks for it, and so does the command that ``validate`` prints."""
    clip(tmp_path / "team" / "a.mp4", size=size)
    clip(tmp_path / "testset" / "a.mp4", size="64x64")
    (tmp_path / "testset" / "samples.jsonl").write_text('{"id": "a", "reference_video": "a.mp4"}\n')
    rules, testset = challenge(**rule), tmp_path / "testset"
    (before,) = evalkit.validate(tmp_path / "team", rules, testset, workers=1).files
    report = evalkit.repair(tmp_path / "team", rules, tmp_path / "new.zip", testset, workers=1)
    (after,) = evalkit.validate(tmp_path / "new.zip", rules, testset, workers=1).files
    assert (after.facts.video.width, after.facts.video.height) == expected
    assert report.valid == ("min_width" not in rule)
    if before.fix is not None:
        command = before.fix.replace("ffmpeg ", "ffmpeg -v error ", 1)
        subprocess.run(["sh", "-c", command], cwd=tmp_path / "team", check=True)
        video = inspect_media(tmp_path / "team" / "fixed" / "a.mp4").facts.video
        assert (video.width, video.height) == expected


def test_a_wrong_pixel_shape_does_not_cost_the_required_size(tmp_path):
    """Frames of 256 x 256 with a shape of 4:3 would be 340 wide; where 256 is asked for, the tag is the mistake."""
    clip(tmp_path / "team" / "a.mp4", "-vf", "setsar=4/3", size="256x256")
    rules = challenge(min_width=256, max_width=256, min_height=256, max_height=256)
    _, again = repaired(tmp_path, rules, ["a"])
    video = again.files[0].facts.video
    assert (video.width, video.height, video.non_square_pixels) == (256, 256, None)
    assert not again.all_findings()


def test_one_pixel_stays_a_picture(tmp_path):
    clip(tmp_path / "team" / "a.mp4", "-pix_fmt", "yuv444p", size="1x1")
    files, again = repaired(tmp_path, challenge(), ["a"])
    assert again.files[0].facts.video.width == 2, files


def test_names_are_corrected(tmp_path):
    team = tmp_path / "team"
    names = [f"p{number:03}" for number in range(1, 7)]
    for name in ("p001 (1).mp4", "P002.MP4", "p003 - Copy.mp4", "sub/p004.mp4", "p5.mp4"):
        clip(team / name)
    clip(team / "p006.avi", codec="mpeg4")
    files, again = repaired(tmp_path, challenge(), names)
    assert again.ok
    assert [files[name].outcome for name in names] == ["renamed"] * 5 + ["repaired"]
    assert files["p001"].source == "p001 (1).mp4"


def test_all_named_wrong_in_one_way(tmp_path):
    names = [f"p{number:03}" for number in range(1, 6)]
    for name in names:
        clip(tmp_path / "team" / f"result_{name}_final.mp4")
    testset = write_testset(tmp_path / "testset", names)
    (finding,) = [one for one in evalkit.validate(tmp_path / "team", challenge(), testset).findings if one.fix]
    assert finding.fix == (
        "Rename result_p001_final.mp4 to p001.mp4, result_p002_final.mp4 to p002.mp4, result_p003_final.mp4 to p003.mp4"
        " and 2 more in the same way; 'evalkit repair' does it."
    )
    report = evalkit.repair(tmp_path / "team", challenge(), tmp_path / "new.zip", testset)
    assert report.valid
    assert {file.outcome for file in report.files} == {"renamed"}


def test_what_is_missing_or_left_out_is_said(tmp_path):
    clip(tmp_path / "team" / "a.mp4")
    (tmp_path / "team" / "notes.txt").write_text("hello")
    (tmp_path / "team" / "link.mp4").symlink_to("/etc/passwd")
    testset = write_testset(tmp_path / "testset", ["a", "b"])
    report = evalkit.repair(tmp_path / "team", challenge(), tmp_path / "new.zip", testset)
    assert not report.valid
    assert {file.sample: file.outcome for file in report.files} == {"a": "unchanged", "b": "missing"}
    assert report.ignored == {"link.mp4": "a symlink, not a file", "notes.txt": "belongs to no sample"}
    assert zipfile.ZipFile(tmp_path / "new.zip").namelist() == ["a.mp4"]


def test_files_that_cannot_be_read_are_not_called_no_file(tmp_path):
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "a.mp4").symlink_to("/etc/passwd")
    testset = write_testset(tmp_path / "testset", ["a"])
    with pytest.raises(evalkit.EvalkitError) as failure:
        evalkit.repair(tmp_path / "team", challenge(), tmp_path / "new.zip", testset)
    assert "No file of the submission can be read" in str(failure.value)
    assert "a.mp4: a symlink, not a file" in str(failure.value)
    assert "Name the files" not in str(failure.value)
    assert not (tmp_path / "new.zip").exists()


def test_no_audio_and_no_speech_is_an_honest_failure(tmp_path):
    clip(tmp_path / "team" / "a.mp4", sound=False)
    (tmp_path / "samples.jsonl").write_text('{"id": "a"}\n')
    report = evalkit.repair(tmp_path / "team", challenge(), tmp_path / "new.zip", tmp_path / "samples.jsonl")
    assert [file.outcome for file in report.files] == ["failed"]
    assert report.files[0].reason == "it has no audio, and the test set has no speech for the sample"


def test_a_codec_that_evalkit_cannot_encode(tmp_path):
    clip(tmp_path / "team" / "a.mp4")
    rules = parse_challenge("id: own\ntitle: Own\nsubmission: {video: {codecs: [prores]}}\n", "own")
    report = evalkit.repair(tmp_path / "team", rules, tmp_path / "new.zip")
    assert report.files[0].reason == "the challenge asks for prores, which evalkit can't encode"


def test_the_submission_is_never_replaced(tmp_path):
    clip(tmp_path / "a.mp4")
    with zipfile.ZipFile(tmp_path / "team.zip", "w") as archive:
        archive.write(tmp_path / "a.mp4", "a.mp4")
    with pytest.raises(evalkit.EvalkitError, match="would replace the submission"):
        evalkit.repair(tmp_path / "team.zip", challenge(), tmp_path / "team.zip")


def test_from_the_command_line(tmp_path):
    clip(tmp_path / "team" / "a.mp4", rate=12)
    rules = tmp_path / "own.yaml"
    rules.write_text("id: own\ntitle: Own\n")
    words = ["repair", str(tmp_path / "team"), "-c", str(rules), "-o", str(tmp_path / "new.zip")]
    done = CliRunner().invoke(cli, [*words, "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert (document["ok"], document["errors_before"], document["errors_after"]) == (True, 1, 0)
    assert document["files"][0]["outcome"] == "repaired"
    done = CliRunner().invoke(cli, [*words, "-q"])
    assert "Errors: 1 before, 0 now." in done.stdout


@pytest.mark.parametrize("fps", [12, 25])
def test_one_command_is_printed_for_a_file(tmp_path, fps):
    clip(tmp_path / "team" / "a.mp4", "-c:a", "ac3", rate=fps)
    report = evalkit.validate(tmp_path / "team", challenge())
    (file,) = report.files
    assert file.fix.startswith("mkdir -p fixed && ffmpeg -nostdin -y -i a.mp4 ")
    assert ("-r 24" in file.fix) == (fps == 12)
    assert "-c:a aac" in file.fix


def test_the_archive_is_read_with_the_challenges_limits(tmp_path):
    clip(tmp_path / "team" / "a.mp4")
    rules = parse_challenge("id: own\ntitle: Own\nsubmission: {archive: {max_file_bytes: 1000}}\n", "own")
    report = evalkit.repair(tmp_path / "team", rules, tmp_path / "new.zip")
    assert report.files[0].outcome == "failed"
