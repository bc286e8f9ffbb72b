"""The commands of `evalkit challenges`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from builders.challenges import PRESETS

from evalkit.challenges.model import load_challenge, preset_text
from evalkit.cli import main

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
    code, out, _ = run("check", str(file))
    assert code == 0
    assert out.startswith(f"{file}: a valid challenge, id my-challenge-2026, ")
    own, source = load_challenge(file), load_challenge(preset)
    assert own.id == "my-challenge-2026"
    assert own.model_copy(update={"id": preset}) == source


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
    assert run("check", str(file))[0] == 0
    assert load_challenge(file).id == id_


def test_init_can_start_from_a_file(tmp_path: Path, run: Run) -> None:
    source = tmp_path / "source.yaml"
    # The id of a preset, but another content: the file's is what counts.
    source.write_text("# mine\nid: talking-head   # a comment\ntitle: My own\nnotes: |\n  id: not this one\n")
    assert run("init", str(tmp_path / "new.yaml"), "--from", str(source))[0] == 0
    text = (tmp_path / "new.yaml").read_text()
    assert text == "# mine\nid: new\ntitle: My own\nnotes: |\n  id: not this one\n"


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
    code, _, err = run("check", str(file))
    assert code == 2
    assert "names a rule that does not exist: 'layout.extras'. Did you mean 'layout.extra'?" in err
    file.write_text("id: mine\ntitle: Mine\nsubmission: {severities: {layout.extra: off}}\n")
    assert run("check", str(file))[0] == 0


def test_check_notes_a_metric_that_is_not_installed(tmp_path: Path, run: Run) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("id: mine\ntitle: Mine\nmetrics: [{id: psnr.rgbb}]\n")
    code, out, _ = run("check", str(file), "--json")
    document = json.loads(out)
    assert code == 0
    assert document["ok"] is True
    (note,) = document["notes"]
    assert note.startswith(
        "the metric 'psnr.rgbb' is not installed here and would be unscored. Did you mean 'psnr.rgb'"
    )


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
