"""The commands of `evalkit challenges`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from builders.challenges import PRESETS

from evalkit.challenges.full_text import full_text
from evalkit.challenges.model import Challenge, load_challenge, parse_challenge, preset_text
from evalkit.cli import main
from evalkit.errors import ChallengeError
from evalkit.leaderboard.columns import read_columns
from evalkit.leaderboard.ranking import rank_board
from evalkit.leaderboard.runs import Runs
from evalkit.leaderboard.table import Row
from evalkit.model_faults import field_names
from evalkit.reports.leaderboard.rules import rule_rows
from evalkit.scoring.plan import make_plan
from evalkit.weights.manifest import load_backbones

# The command line

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(["challenges", *words])
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err

    return call


@pytest.mark.parametrize("preset", PRESETS)
def test_what_init_writes_passes_check(preset: str, tmp_path: Path, run: Run) -> None:
    file = tmp_path / "My Challenge (2026).yaml"
    assert run("init", str(file), "--from", preset)[0] == 0
    code, out, _ = run("check", str(file), "-b", "bundled")
    # Every metric is installed, and the bundled set has what they need, but for voices, opinions of sound and LPIPS.
    speech = ["speech.secs", "speech.dnsmos"]
    without = {"lip-to-speech": speech, "lip-to-speech-video": speech, "synctalkpp": ["lpips.alex"]}.get(preset, [])
    assert "is not installed here" not in out
    assert code == 0, out
    assert re.findall(r"(\S+) would be unscored: the backbones 'bundled' have no file for", out) == without
    assert out.startswith(f"{file}: a valid challenge, id my-challenge-2026, ")
    own, source = load_challenge(file), load_challenge(preset)
    assert own.id == "my-challenge-2026"
    title = source.title.removesuffix(" (evalkit's own)")
    assert own.model_copy(update={"id": preset}) == source.model_copy(update={"title": title})


@pytest.mark.parametrize(
    ("name", "id_"),
    [
        ("2025", "2025"),
        ("007", "007"),
        ("no", "no"),
        ("null", "my-challenge"),
        ("---", "my-challenge"),
        ("\u8996", "my-challenge"),
    ],
)
def test_init_makes_an_id_from_any_name(name: str, id_: str, tmp_path: Path, run: Run) -> None:
    file = tmp_path / f"{name}.yaml"
    assert run("init", str(file))[0] == 0
    assert load_challenge(file).id == id_


@pytest.mark.parametrize("full", [[], ["--full"]])
def test_init_leaves_out_what_a_preset_says_of_itself(full: list[str], tmp_path: Path, run: Run) -> None:
    file = tmp_path / "mine.yaml"
    assert run("init", str(file), "--from", "talking-head", *full)[0] == 0
    text = file.read_text()
    assert text.lstrip("#").startswith(" Made from evalkit's preset 'talking-head'.\nschema: 1\n")
    assert load_challenge(file).title == "Talking heads against the real video"


def test_init_can_start_from_a_file(tmp_path: Path, run: Run) -> None:
    source = tmp_path / "source.yaml"
    # The id of a preset, but another content: the file's is what counts.
    source.write_text("# mine\nid: talking-head   # a comment\ntitle: My own\nnotes: |\n  id: not this one\n")
    assert run("init", str(tmp_path / "new.yaml"), "--from", str(source))[0] == 0
    text = (tmp_path / "new.yaml").read_text()
    assert text == "# mine\nid: new\ntitle: My own\nnotes: |\n  id: not this one\n"


def commented_keys(text: str) -> list[int]:
    """Return the positions of the lines that are keys commented out."""
    return [at for at, line in enumerate(text.splitlines()) if line.lstrip().startswith("# ")]


@pytest.mark.parametrize("preset", PRESETS)
def test_init_full_writes_every_key_and_the_same_challenge(preset: str, tmp_path: Path, run: Run) -> None:
    plain, full = tmp_path / "plain" / "c.yaml", tmp_path / "c.yaml"
    plain.parent.mkdir()
    assert run("init", str(plain), "--from", preset)[0] == 0
    assert run("init", str(full), "--from", preset, "--full")[0] == 0
    asked = load_challenge(plain)
    assert load_challenge(full) == asked
    assert load_challenge(full).sha256 == asked.sha256
    text = full.read_text()
    lines = text.splitlines()
    assert all(any(line.lstrip("# ").startswith(f"{key}:") for line in lines) for key in known_keys(asked))
    # The keys that are not set are not declared by the challenge either.
    assert [name for name, _, default in rule_rows(load_challenge(full)) if not default] == [
        name for name, _, default in rule_rows(asked) if not default
    ]
    assert len(commented_keys(text)) > 10
    for at in commented_keys(text):
        switched_on = [line.replace("# ", "", 1) if number == at else line for number, line in enumerate(lines)]
        loaded = parse_challenge("\n".join(switched_on), "switched.yaml")
        assert loaded.sha256 == asked.sha256, lines[at]


def known_keys(challenge: Challenge) -> list[str]:
    """Return the keys of the upper levels."""
    found = [*field_names(Challenge, [])]
    for part in ("submission", "ratings"):
        if part in challenge.model_fields_set:
            found += field_names(Challenge, [part])
    return found


def test_every_example_in_the_full_file_loads(tmp_path: Path, run: Run) -> None:
    source, full = tmp_path / "source.yaml", tmp_path / "full.yaml"
    source.write_text(
        "id: a\ntitle: A\nsubmission: {layouts: ['{id}.mp4'], video: {max_fps: 60}, audio: {required: true}}\n"
        "testset: {format: native}\nmetrics: [{id: psnr.rgb}]\nranking: borda\n"
        "ratings: {method: mos, window: {opens: 2026-02-01 AoE}, dimensions: [{id: lip_sync, title: L}]}\n"
    )
    assert run("init", str(full), "--from", str(source), "--full")[0] == 0
    lines = full.read_text().splitlines()
    examples = [at for at, line in enumerate(lines) if "# such as " in line]
    assert len(examples) > 15
    for at in examples:
        key, example = lines[at].split(": ")[0].replace("# ", "", 1), lines[at].split("# such as ")[1]
        changed = [f"{key}: {example}" if number == at else line for number, line in enumerate(lines)]
        assert parse_challenge("\n".join(changed), lines[at]) != load_challenge(full)


@pytest.mark.parametrize(
    "title",
    [
        "null",
        "1.50",
        "true",
        "a: b",
        "# x",
        "'",
        '"',
        "- x",
        "{a}",
        "line\nline",
        "caf\u00e9",
        " x ",
        "",
        "\x85",
        "a,b]",
    ],
)
def test_texts_survive_the_full_file(title: str) -> None:
    challenge = Challenge(id="a", title=title, notes=title)
    assert parse_challenge(full_text(challenge), "f") == challenge


def test_init_does_not_overwrite(tmp_path: Path, run: Run) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("precious")
    code, out, err = run("init", str(file))
    assert (code, out) == (2, "")
    assert "exists already" in err
    assert "--force" in err
    assert file.read_text() == "precious"
    assert run("init", str(file), "--force")[0] == 0
    assert load_challenge(file).id == "mine"


def test_init_from_nothing_known(tmp_path: Path, run: Run) -> None:
    code, _, err = run("init", str(tmp_path / "mine.yaml"), "--from", "talkinghead")
    assert code == 2
    assert "Did you mean 'talking-head'?" in err
    assert not (tmp_path / "mine.yaml").exists()


def test_check_names_a_rule_that_does_not_exist(tmp_path: Path, run: Run) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("id: mine\ntitle: Mine\nsubmission: {severities: {layout.extras: off}}\n")
    code, out, _ = run("check", str(file))
    assert code == 2
    assert "names a rule that does not exist: 'layout.extras'. Did you mean 'layout.extra'?" in out
    file.write_text("id: mine\ntitle: Mine\nsubmission: {severities: {layout.extra: off}}\n")
    assert "fault: " not in run("check", str(file))[1]


def test_check_names_metrics_that_are_not_installed(tmp_path: Path, run: Run) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("id: mine\ntitle: Mine\nmetrics: [{id: psnr.rgbb}, {id: ssim.gray}]\nranking: rank-sum\n")
    code, out, _ = run("check", str(file), "--json")
    document = json.loads(out)
    assert code == 4
    assert document["ok"] is False
    assert document["faults"] == []
    (line,) = document["missing"]
    assert line.startswith(
        "The metric 'psnr.rgbb' is not installed here; it ranks, so that no entry would have a value in it. "
        "Did you mean 'psnr.rgb"
    )


GOOD = "metrics: [{id: psnr.rgb, range: [10, 50]}]\nranking: weighted-sum"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("metrics: [{id: psnr.rgb}]\nranking: weighted-sum", "A weighted sum needs a range for every number in it."),
        ("metrics: [{id: psnr}]\nranking: rank-sum", "'metrics.0.id': 'psnr' is a short name. Write 'psnr.rgb'."),
        ("metrics: [{id: fvd, rank: false}]", "'metrics.0.id': 'fvd' is a short name. Write 'fvd."),
        ("metrics: [{id: psnr.rgb}, {id: psnr}]\nranking: borda", "it is listed too, so remove 'psnr'."),
        ("metrics: [{id: identity}, {id: face_arc}]", "'metrics.1.id': 'face_arc' is a short name."),
        ("ranking: rank-sum", "There is nothing to rank by."),
        ("metrics: [{id: psnr.rgb, rank: false}]\nranking: borda", "There is nothing to rank by."),
        ("metrics: [{id: psnr.rgb, weight: 0}]\nranking: mean-rank", "There is nothing to rank by."),
        ("metrics: [{id: video.duration}]\nranking: rank-sum", "nothing says which side is better"),
        ("metrics: [{id: psnr.rgb}]\nranking: two-phase\nratings: {method: mos}", "asked for nothing"),
        (f"{GOOD}\nratings: {{dimensions: [{{id: a, title: A}}]}}", "'ratings.dimensions' are never rated"),
        (
            f"{GOOD}\nratings: {{method: mos, estimator: mos.zscore, dimensions: [{{id: a, title: A}}]}}",
            "A weighted sum can't be made of standardised opinion scores",
        ),
        (GOOD.replace("[10, 50]", "[-9, 0]"), "no value of psnr.rgb lies inside"),
        (f"{GOOD}\nsubmission: {{video: {{codecs: [h.264]}}}}", "no file has the video codec 'h.264'. Write 'h264'."),
        (f"{GOOD}\nsubmission: {{video: {{codecs: [H264]}}}}", "no file has the video codec 'H264'. Write 'h264'."),
        (f"{GOOD}\nsubmission: {{video: {{codecs: [x265]}}}}", "no file has the video codec 'x265'. Write 'hevc'."),
        (f"{GOOD}\nsubmission: {{video: {{codecs: [aac]}}}}", "no file has the video codec 'aac'."),
        (f"{GOOD}\nsubmission: {{video: {{codecs: []}}}}", "'submission.video.codecs' is an empty list"),
        (f"{GOOD}\nsubmission: {{video: {{containers: [mkv]}}}}", "the container 'mkv'. Write 'matroska'."),
        (f"{GOOD}\nsubmission: {{video: {{containers: [.mp4]}}}}", "the container '.mp4'. Write 'mp4'."),
        (f"{GOOD}\nsubmission: {{video: {{pixel_formats: [yuv420]}}}}", "'yuv420'. Write 'yuv420p'."),
        (f"{GOOD}\nsubmission: {{audio: {{codecs: [AAC-LC]}}}}", "the audio codec 'AAC-LC'. Write 'aac'."),
        (f"{GOOD}\nsubmission: {{archive: {{max_files: 9}}}}\ntestset: {{samples: 10}}", "less than the 10 samples"),
        (f"{GOOD}\nsubmission: {{video: {{max_seconds: 1, min_frames: 61}}}}", "has more than 60 frames"),
        (f"{GOOD}\ntestset: {{samples: 11, identities: 2, prompts: 5}}", "'testset.samples' is 11"),
    ],
)
def test_check_refuses_what_can_never_be_ranked(text: str, fault: str, tmp_path: Path, run: Run) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"id: mine\ntitle: Mine\n{text}\n")
    code, out, _ = run("check", str(file), "-b", "bundled", "--json")
    document = json.loads(out)
    assert (code, document["ok"]) == (2, False)
    assert any(fault in line for line in document["faults"]), document["faults"]
    shown = run("check", str(file), "-b", "bundled")
    assert shown[0] == 2
    assert "can't work as it is" in shown[1]
    assert all(line in shown[1] for line in document["faults"])


def test_check_passes_what_can_be_scored_and_ranked(tmp_path: Path, run: Run) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"id: mine\ntitle: Mine\n{GOOD}\n")
    assert run("check", str(file))[:2] == (
        0,
        f"{file}: a valid challenge, id mine, 1 metric. It can be scored and ranked here.\n",
    )


def test_check_names_the_weights_that_are_missing(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(tmp_path / "none"))
    file = tmp_path / "mine.yaml"
    file.write_text("id: mine\ntitle: Mine\nmetrics: [{id: fid.pytorch}]\nranking: rank-sum\n")
    code, out, _ = run("check", str(file))
    assert code == 4
    assert "Weights are missing for fid.pytorch." in out
    assert "evalkit weights pull inception" in out
    assert "take the metrics out of the file, or check with '--backbones bundled'" in out
    assert not any(option in out for option in ("--metrics", "--allow-missing"))  # check has neither
    file.write_text(
        "id: mine\ntitle: Mine\nmetrics: [{id: fid.pytorch}, {id: identity.strict.arc}]\nranking: rank-sum\n"
    )
    out = run("check", str(file))[1]
    assert "take the metrics out of the file" in out
    assert "--allow-missing" not in out
    assert run("check", str(file), "-b", "bundled")[0] == 0


def test_a_board_and_a_run_refuse_short_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, board = tmp_path / "mine.yaml", tmp_path / "board.sqlite"
    file.write_text("id: mine\ntitle: Mine\nmetrics: [{id: psnr}]\nranking: rank-sum\n")
    with pytest.raises(SystemExit) as stop:
        main(["board", "init", "-B", str(board), "-c", str(file)])
    assert stop.value.code == 2
    assert "Write 'psnr.rgb'." in capsys.readouterr().err
    assert not board.exists()
    with pytest.raises(ChallengeError, match=r"'psnr' is a short name. Write 'psnr.rgb'."):
        make_plan(load_challenge(file), load_backbones("bundled"))


def test_a_board_that_has_a_short_name_says_why_nobody_is_ranked() -> None:
    challenge = parse_challenge("id: mine\ntitle: Mine\nmetrics: [{id: psnr}]\nranking: rank-sum\n", "f")
    ranking = rank_board(challenge, [Row("a", "main", {})], read_columns(challenge, Runs(())))
    assert "'psnr' is a short name: write 'psnr.rgb' in the challenge." in (ranking.problem or "")


def test_show_as_json_names_the_values_that_the_file_does_not_set(tmp_path: Path, run: Run) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "id: mine\ntitle: Mine\nmetrics: [{id: a.b, weight: 2}, {id: c.d}]\ncoverage: 1.0\n"
        "submission: {video: {max_fps: 60, min_fps: 25}}\nevalkit_defaults: [submission.video.min_fps]\n"
    )
    own = json.loads(run("show", str(file), "--json")[1])["evalkit_defaults"]
    assert {"submission.video.min_fps", "submission.video.max_seconds", "ranking", "metrics[c.d].weight"} <= set(own)
    assert not {"coverage", "submission.video.max_fps", "metrics[a.b].weight", "id", "title"} & set(own)


def test_check_as_json_of_a_fault_is_one_document(tmp_path: Path, run: Run) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("id: mine\n")
    code, out, err = run("check", str(file), "--json")
    assert code == 2
    assert json.loads(out)["error"]["message"] == f"{file}, line 1: the key 'title' is missing."
    assert "Traceback" not in err


def test_list_and_show(tmp_path: Path, run: Run) -> None:
    code, out, _ = run("list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == PRESETS
    assert [row["id"] for row in json.loads(run("list", "--json")[1])["challenges"]] == PRESETS
    assert run("show", "talking-head")[1] == preset_text("talking-head")
    shown = json.loads(run("show", "talking-head", "--json")[1])
    assert shown["sha256"] == load_challenge("talking-head").sha256
    file = tmp_path / "mine.yaml"
    file.write_text("# caf\u00e9\nid: mine\ntitle: Mine\n", encoding="utf-8-sig")
    assert run("show", str(file))[1] == "# caf\u00e9\nid: mine\ntitle: Mine\n"
