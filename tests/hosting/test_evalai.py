"""The configuration for EvalAI, and its evaluation scripts as the platform's workers and a remote one call them."""

from __future__ import annotations

import ast
import importlib
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from builders.hosting import RULES, choices, hostable_presets, unzip
from builders.leaderboards import NASTY

from evalkit.errors import ChallengeError
from evalkit.hosting.bundle import read_choices, template
from evalkit.hosting.checking import check_bundle
from evalkit.hosting.evalai.writing import write_evalai

PLACES = ("__init__.py", "scoring.py", "settings.json", "challenge.yaml")


@pytest.fixture(scope="module")
def hosted(world, tmp_path_factory) -> Path:
    """Return the folder of a configuration with which EvalAI's workers score."""
    root = tmp_path_factory.mktemp("evalai")
    write_evalai(choices(root, testset=world.testset), root / "bundle", hosted=True)
    return root / "bundle"


@pytest.fixture
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path, str], ModuleType]]:
    """Return what imports a script as a worker does: unpacked into a package of its own, then by its name."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("EVALKIT_PYTHON", sys.executable)
    names = []

    def load(source: Path, module: str = "") -> ModuleType:
        package = tmp_path / f"challenge_{len(names)}"
        package.mkdir()
        (package / "__init__.py").touch()
        if source.is_dir():
            for file in source.iterdir():
                (package / file.name).write_bytes(file.read_bytes())
        else:
            unzip(source, package)
        importlib.invalidate_caches()
        names.append(package.name)
        return importlib.import_module(f"{package.name}{module}")

    yield load
    for name in [one for one in sys.modules if one.partition(".")[0] in names]:
        del sys.modules[name]


def document(bundle: Path) -> dict[str, Any]:
    """Return challenge_config.yaml as the platform loads it."""
    with zipfile.ZipFile(bundle / "challenge_config.zip") as archive:
        return dict(yaml.safe_load(archive.read("challenge_config.yaml")))


def test_every_file_that_the_yaml_names_is_there(hosted: Path) -> None:
    found = document(hosted)
    named = [found[key] for key in ("description", "evaluation_details", "terms_and_conditions", "image")]
    named += [found["submission_guidelines"], found["evaluation_script"]]
    named += [phase[key] for phase in found["challenge_phases"] for key in ("description", "test_annotation_file")]
    with zipfile.ZipFile(hosted / "challenge_config.zip") as archive:
        assert sorted(archive.namelist()) == sorted({*named, "challenge_config.yaml"})
        with zipfile.ZipFile(io.BytesIO(archive.read("evaluation_script.zip"))) as script:
            assert sorted(script.namelist()) == sorted(PLACES)
            assert script.read("challenge.yaml").decode() == RULES
        with zipfile.ZipFile(io.BytesIO(archive.read("annotations/testset.zip"))) as testset:
            assert "samples.jsonl" in testset.namelist()
    assert check_bundle(hosted / "challenge_config.zip").ok


def test_phases_and_columns_are_those_of_the_challenge(hosted: Path) -> None:
    found = document(hosted)
    assert [(one["codename"], one["start_date"], one["end_date"]) for one in found["challenge_phases"]] == [
        ("development", "2026-03-01 00:00:00", "2026-03-10 23:59:59"),
        ("final", "2026-03-11 00:00:00", "2026-03-21 11:59:59"),
    ]
    assert (found["start_date"], found["end_date"]) == ("2026-03-01 00:00:00", "2026-03-21 11:59:59")
    schema = found["leaderboard"][0]["schema"]
    assert schema["labels"] == ["Score", "PSNR", "Structure", "Frame rate"]
    assert schema["default_order_by"] == "Score"
    assert {label: about["sort_ascending"] for label, about in schema["metadata"].items()} == dict.fromkeys(
        schema["labels"], False
    )
    assert [one["leaderboard_decimal_precision"] for one in found["challenge_phase_splits"]] == [4, 4]
    assert [one["is_leaderboard_order_descending"] for one in found["challenge_phase_splits"]] == [True, True]


def test_lower_is_better_is_said_in_both_places(tmp_path: Path) -> None:
    rules = "id: c\ntitle: C\nmetrics: [{id: fid.pytorch}, {id: psnr.rgb}]\n"
    write_evalai(choices(tmp_path, rules, opens="2026-03-01 UTC", closes="2026-03-02 UTC"), tmp_path / "bundle")
    found = document(tmp_path / "bundle")
    schema = found["leaderboard"][0]["schema"]
    assert schema["default_order_by"] == "FID"
    assert {label: about["sort_ascending"] for label, about in schema["metadata"].items()} == {
        "FID": True,
        "PSNR": False,
    }
    assert found["challenge_phase_splits"][0]["is_leaderboard_order_descending"] is False


def test_a_remote_bundle_uploads_nothing_of_the_test_set(world, tmp_path: Path) -> None:
    write_evalai(choices(tmp_path, testset=world.testset), tmp_path / "bundle")
    found = document(tmp_path / "bundle")
    assert found["remote_evaluation"] is True
    with zipfile.ZipFile(tmp_path / "bundle" / "challenge_config.zip") as archive:
        assert not [name for name in archive.namelist() if name.endswith((".mp4", ".wav"))]
        assert set(json.loads(archive.read("annotations/testset.json"))) == {"testset", "samples"}
        assert archive.read("annotations/testset.json").count(b"d01") == 0
    report = check_bundle(tmp_path / "bundle" / "challenge_config.zip")
    assert report.ok
    assert not report.notes


@pytest.mark.parametrize("preset", hostable_presets())
def test_every_preset_fits_the_rules(preset: str, tmp_path: Path) -> None:
    made = read_choices(preset, "bundled", opens="2026-03-01 AoE", closes="2026-03-31 AoE")
    write_evalai(made, tmp_path / "bundle")
    report = check_bundle(tmp_path / "bundle" / "challenge_config.zip")
    assert report.ok, report.problems
    assert check_bundle(tmp_path / "bundle") == report


def test_a_phase_without_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ChallengeError, match="EvalAI needs an end"):
        write_evalai(choices(tmp_path, RULES.replace(", closes: 2026-03-20 AoE", "")), tmp_path / "bundle")


@pytest.mark.parametrize("text", [text for text in NASTY if "\x1b" not in text])
def test_hostile_text_of_the_challenge_stays_text(text: str, tmp_path: Path) -> None:
    rules = RULES.replace("title: Clear Faces 2026", f"title: {json.dumps(text)}\nnotes: {json.dumps(text)}")
    write_evalai(choices(tmp_path, rules), tmp_path / "bundle")
    assert check_bundle(tmp_path / "bundle" / "challenge_config.zip").ok
    for page in (tmp_path / "bundle" / "challenge" / "templates").iterdir():
        tags: list[str] = []
        reader = HTMLParser()
        reader.handle_starttag = lambda tag, attrs, tags=tags: tags.append(tag)  # type: ignore[method-assign]
        reader.feed(page.read_text())
        assert set(tags) <= {"h2", "p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td"}
        assert "{{" not in page.read_text()


def test_the_scripts_need_nothing_newer_than_the_python_of_the_platform() -> None:
    for name in ("evalai_evaluate.txt", "evalai_hosted.txt", "evalai_remote.txt"):
        tree = ast.parse(template(name), feature_version=(3, 7))
        modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        assert modules <= {"json", "os", "shutil", "subprocess", "sys", "tempfile"}


def test_a_hosted_worker_gets_the_result_of_its_split(hosted: Path, world, imported, tmp_path: Path, capsys) -> None:
    script = imported(hosted / "challenge" / "evaluation_script.zip")
    annotations = hosted / "challenge" / "annotations" / "testset.zip"
    output = script.evaluate(str(annotations), str(world.zip), "final", submission_metadata={"id": 1})
    found = document(hosted)
    (entry,) = output["result"]
    assert list(entry) == [found["dataset_splits"][0]["codename"]]
    numbers = entry[found["dataset_splits"][0]["codename"]]
    assert list(numbers) == found["leaderboard"][0]["schema"]["labels"]
    assert all(isinstance(value, float) for value in numbers.values())
    assert output["submission_result"]["ranked"] is True
    json.dumps(output, allow_nan=False)
    assert "3 of 3 videos scored." in capsys.readouterr().out  # the worker keeps what goes through sys.stdout


def test_an_incomplete_run_is_not_on_the_leaderboard(hosted: Path, world, imported, tmp_path: Path) -> None:
    with zipfile.ZipFile(world.zip) as archive, zipfile.ZipFile(tmp_path / "less.zip", "w") as other:
        for name in sorted(archive.namelist())[1:]:
            other.writestr(name, archive.read(name))
    script = imported(hosted / "challenge" / "evaluation_script.zip")
    output = script.evaluate(str(world.testset), str(tmp_path / "less.zip"), "final")
    assert output["result"] == []
    told = output["submission_result"]
    assert (told["ranked"], told["complete"]) == (False, 0.6666)
    assert "PSNR" in told["values"]
    assert told["missing"] == {"Score": "the run is not ranked"}
    assert "psnr.rgb rests on 66.7 % of the samples" in told["not_ranked"][0]


def test_a_remote_worker_has_its_own_order_of_arguments_and_form_of_results(
    world, imported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_evalai(choices(tmp_path), tmp_path / "bundle")
    script = imported(tmp_path / "bundle" / "remote_evaluation", ".evaluate")
    with pytest.raises(Exception, match="EVALKIT_TESTSET"):
        script.evaluate(str(world.zip), "final")
    monkeypatch.setenv("EVALKIT_TESTSET", str(world.testset))
    output = script.evaluate(str(world.zip), "final", submission_metadata={})
    (entry,) = script.for_api(output)
    assert (entry["split"], entry["show_to_participant"]) == ("test", True)
    labels = document(tmp_path / "bundle")["leaderboard"][0]["schema"]["labels"]
    assert list(entry["accuracies"]) == labels
    assert script.for_api({"result": []}) == []


def test_a_submission_that_can_not_be_scored_raises_what_its_team_can_do(hosted, world, imported, tmp_path) -> None:
    script = imported(hosted / "challenge" / "evaluation_script.zip")
    (tmp_path / "text.zip").write_text("this is no ZIP")
    with pytest.raises(Exception, match=r"error: .*text\.zip"):
        script.evaluate(str(world.testset), str(tmp_path / "text.zip"), "final")
    with pytest.raises(Exception, match="not because of the submission") as caught:
        script.evaluate(str(tmp_path / "no-such-testset"), str(world.zip), "final")
    assert "no-such-testset" not in str(caught.value)


def test_without_evalkit_the_organizers_are_named(hosted, world, imported, tmp_path, monkeypatch) -> None:
    fake = tmp_path / "python"
    fake.write_text("#!/bin/sh\nexit 7\n")
    fake.chmod(0o755)
    monkeypatch.setenv("EVALKIT_PYTHON", str(fake))
    script = imported(hosted / "challenge" / "evaluation_script.zip")
    with pytest.raises(Exception, match=r"could not be started.*organizers"):
        script.evaluate(str(world.testset), str(world.zip), "final")


def test_a_test_set_that_leaves_its_folder_is_refused(hosted, world, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../outside.txt", "x")
    script = unzip(hosted / "challenge" / "evaluation_script.zip", tmp_path / "script")
    command = [sys.executable, "-m", "evalkit.hosting.evalai.program", str(script), str(world.zip)]
    done = subprocess.run(
        [*command, str(tmp_path / "evil.zip"), str(tmp_path / "answer.json")],
        capture_output=True, text=True, check=False, env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 4
    assert not (tmp_path / "answer.json").exists()
    assert not list(tmp_path.rglob("outside.txt"))


Change = Callable[[dict[str, Any]], object]
BREAKS: dict[str, Change] = {
    "title must be": lambda d: d.update(title="t" * 101),
    "description must name": lambda d: d.update(description="templates/none.html"),
    "image must name": lambda d: d.update(image="logo.gif"),
    "evaluation_script must name": lambda d: d.update(evaluation_script="evaluation_script/"),
    "At most 4 tags": lambda d: d.update(tags=list("abcde")),
    "The challenge needs a start_date": lambda d: d.pop("end_date"),
    "The challenge ends before": lambda d: d.update(start_date="2027-01-01 00:00:00"),
    "no leaderboard": lambda d: d.pop("leaderboard"),
    "needs an id and a schema": lambda d: d["leaderboard"][0]["schema"].pop("labels"),
    "none of its labels": lambda d: d["leaderboard"][0]["schema"].update(default_order_by="Total"),
    "contradict each other": lambda d: d["challenge_phase_splits"][0].update(is_leaderboard_order_descending=False),
    "no challenge_phases": lambda d: d.pop("challenge_phases"),
    "codename of its own": lambda d: d["challenge_phases"][1].update(codename="development"),
    "needs a start_date": lambda d: d["challenge_phases"][0].update(end_date=None),
    "description must name a file": lambda d: d["challenge_phases"][0].update(description=""),
    "names the annotations": lambda d: d["challenge_phases"][0].update(test_annotation_file="none.zip"),
    "exclude each other": lambda d: d["challenge_phases"][0].update(is_restricted_to_select_one_submission=True),
    "no dataset_splits": lambda d: d.pop("dataset_splits"),
    "no challenge_phase_splits": lambda d: d.pop("challenge_phase_splits"),
    "lacks visibility": lambda d: d["challenge_phase_splits"][0].pop("visibility"),
    "does not exist": lambda d: d["challenge_phase_splits"][0].update(dataset_split_id=9),
    "repeats phase": lambda d: d["challenge_phase_splits"][1].update(challenge_phase_id=1),
    "visibility must be": lambda d: d["challenge_phase_splits"][0].update(visibility=4),
}


@pytest.mark.parametrize("words", BREAKS)
def test_the_check_finds_each_fault(words: str, hosted: Path, tmp_path: Path) -> None:
    folder = unzip(hosted / "challenge_config.zip", tmp_path / "bundle")
    found = document(hosted)
    BREAKS[words](found)
    (folder / "challenge_config.yaml").write_text(yaml.safe_dump(found, sort_keys=False))
    report = check_bundle(folder)
    assert any(words in problem for problem in report.problems), report.problems


def test_a_script_without_evaluate_is_found(hosted: Path, tmp_path: Path) -> None:
    folder = unzip(hosted / "challenge_config.zip", tmp_path / "bundle")
    with zipfile.ZipFile(folder / "evaluation_script.zip", "w") as archive:
        archive.writestr("main.py", "def evaluate(): ...")
    assert any("finds no evaluate()" in problem for problem in check_bundle(folder).problems)
