"""The image of an organizer's own machine: its files, its script, and its entry point without a container engine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from itertools import pairwise
from pathlib import Path

import pytest
from builders.hosting import RULES, choices

from evalkit import __version__
from evalkit.errors import UsageError
from evalkit.hosting.codabench.writing import write_codabench
from evalkit.hosting.docker import write_docker
from evalkit.hosting.image import requirements_text
from evalkit.scoring.scorecard import Scorecard

NOBODY = "65534"


def instructions(file: Path) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile: word, and the rest with its continuation lines."""
    text = re.sub(r"(?m)^#.*\n", "", file.read_text())
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in lines if line.strip()]


@pytest.fixture(scope="module")
def scorer(tmp_path_factory) -> Path:
    """Return the folder for the bundled networks."""
    root = tmp_path_factory.mktemp("docker")
    write_docker(choices(root), root / "scorer")
    return root / "scorer"


def published(root: Path) -> Path:
    file = root / "challenge.yaml"
    file.write_text(RULES)
    from evalkit.hosting.bundle import read_choices

    write_docker(read_choices(str(file)), root / "scorer")
    return root / "scorer"


def test_the_image_has_fixed_versions_and_an_ordinary_user(scorer: Path) -> None:
    found = instructions(scorer / "Dockerfile")
    words = [word for word, _ in found]
    assert set(words) <= {"ARG", "FROM", "RUN", "COPY", "ENV", "USER", "WORKDIR", "ENTRYPOINT", "CMD"}
    assert "ADD" not in words
    assert (words.count("FROM"), words.count("USER"), words.count("ENTRYPOINT")) == (1, 1, 1)
    by_word = dict(found)
    assert by_word["USER"] == f"{NOBODY}:{NOBODY}"
    assert words.index("USER") > max(at for at, word in enumerate(words) if word in {"RUN", "COPY"})
    assert json.loads(by_word["ENTRYPOINT"])[:3] == ["python", "-m", "evalkit.hosting.container"]
    runs = [rest for word, rest in found if word == "RUN"]
    assert any(f"evalkit-video=={__version__}" in run for run in runs)
    for run in runs:
        assert not re.search(r"curl|wget|sudo|latest", run)
        assert "apt-get install" not in run or ("--no-install-recommends" in run and "rm -rf /var/lib/apt" in run)
        assert "pip install" not in run or ("--no-cache-dir" in run and "--no-deps" in run)
    for word, rest in found:
        if word == "COPY":
            assert (scorer / rest.split()[0]).exists(), rest
    ignored = (scorer / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    copied = {rest.split()[0].rstrip("/") for word, rest in found if word == "COPY"}
    assert copied <= {line.removeprefix("!") for line in ignored if line.startswith("!")}


def test_weights_are_fetched_by_digest_once_their_licences_are_accepted(scorer: Path, tmp_path: Path) -> None:
    assert "weights" not in {rest.split()[0] for word, rest in instructions(scorer / "Dockerfile") if word == "COPY"}
    found = instructions(published(tmp_path) / "Dockerfile")
    (fetch,) = [rest for word, rest in found if word == "RUN" and "weights pull" in rest]
    script = fetch.replace("evalkit", "echo evalkit").replace("rm -rf", "echo rm")
    refused = subprocess.run(["sh", "-c", f"ACCEPT_LICENCES=no; {script}"], capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "licences" in refused.stderr
    taken = subprocess.run(["sh", "-c", f"ACCEPT_LICENCES=yes; {script}"], capture_output=True, text=True, check=True)
    steps = [line.split()[1:3] for line in taken.stdout.splitlines()]
    assert steps[:3] == [["weights", "import"], ["weights", "pull"], ["weights", "verify"]]


def test_codabench_chooses_the_user_of_its_image_itself(tmp_path: Path) -> None:
    write_codabench(choices(tmp_path), tmp_path / "bundle")
    words = {word for word, _ in instructions(tmp_path / "bundle" / "image" / "Dockerfile")}
    # The worker mounts /app/output with root as its owner and drops the right to write elsewhere.
    assert not words & {"USER", "ENTRYPOINT", "CMD"}


def test_the_requirements_are_what_is_installed_here() -> None:
    lines = dict(line.split("==") for line in requirements_text().splitlines() if not line.startswith("#"))
    assert {"av", "numpy", "torch", "pydantic", "bcrypt", "pyyaml"} <= set(lines)
    assert not {"pytest", "ruff", "mypy", "evalkit-video"} & set(lines)
    for name, version in lines.items():
        assert metadata.version(name).partition("+")[0] == version


def test_the_script_confines_the_container(scorer: Path, world, tmp_path: Path) -> None:
    engine = tmp_path / "docker"
    engine.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > "$RECORD"\nexit 3\n')
    engine.chmod(0o755)
    environment = {**os.environ, "ENGINE": str(engine), "RECORD": str(tmp_path / "words"), "MEMORY": "8g"}
    out = tmp_path / "results of team"
    done = subprocess.run(
        [scorer / "run.sh", world.zip, world.testset, out], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3, done.stderr  # that of the program
    words = (tmp_path / "words").read_text().splitlines()
    pairs = dict(pairwise(words))
    assert {"--rm", "--init", "--read-only"} <= set(words)
    assert pairs["--network"] == "none"
    assert pairs["--cap-drop"] == "ALL"
    assert pairs["--security-opt"] == "no-new-privileges"
    assert (pairs["--memory"], pairs["--memory-swap"], pairs["--pids-limit"]) == ("8g", "8g", "4096")
    owner = NOBODY if os.geteuid() == 0 else str(os.getuid())
    assert pairs["--user"].split(":")[0] == owner
    mounts = [words[at + 1] for at, word in enumerate(words) if word == "--mount"]
    assert mounts[0] == f"type=bind,src={world.zip.resolve()},dst=/in/submission.zip,readonly"
    assert mounts[1] == f"type=bind,src={world.testset.resolve()},dst=/testset,readonly"
    assert mounts[2] == f"type=bind,src={out.resolve()},dst=/out"
    assert [one for one in mounts if "readonly" not in one] == mounts[2:]
    assert words[-1] == f"localhost/evalkit-faces:{__version__}"
    assert list(out.iterdir()) == []  # the folder for its work is gone
    wrong = subprocess.run([scorer / "run.sh", "none.zip", world.testset, out], env=environment, check=False)
    assert wrong.returncode == 2


def test_the_entry_point_scores_in_a_read_only_tree_without_network(scorer: Path, world, tmp_path: Path) -> None:
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed (Debian: bubblewrap)")
    base = ["bwrap", "--unshare-all", "--uid", NOBODY, "--gid", NOBODY, "--ro-bind", "/", "/"]
    can = subprocess.run([*base, "true"], capture_output=True, text=True, check=False)
    if can.returncode:
        pytest.skip(f"this system has no namespaces for us: {can.stderr.strip()}")
    out = tmp_path / "out"
    out.mkdir()
    places = ["--dev", "/dev", "--proc", "/proc", "--tmpfs", "/mnt", "--dir", "/mnt/work", "--bind"]
    places += [str(out), "/mnt/out"]
    for source, target in (
        (world.zip, "in/submission.zip"),
        (world.testset, "testset"),
        (scorer / "program", "program"),
    ):
        places += ["--ro-bind", str(source), f"/mnt/{target}"]
    sets = ["--setenv", "TMPDIR", "/mnt/work", "--setenv", "HOME", "/mnt/work"]
    command = [sys.executable, "-m", "evalkit.hosting.container", "/mnt/program"]
    done = subprocess.run(
        [*base, *places, *sets, *command, "/mnt/in/submission.zip", "/mnt/testset", "/mnt/out"],
        capture_output=True, text=True, check=False, cwd="/",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    names = {"scorecard.json", "report.html", "per_video.csv", "per_video.parquet", "log.jsonl", "scores.json"}
    assert {one.name for one in out.iterdir()} == names
    assert Scorecard.load(out).scored_videos == 3
    assert json.loads((out / "scores.json").read_text())["complete"] == 1


def test_a_folder_that_can_not_be_written_ends_with_a_word(scorer: Path, world, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "evalkit.hosting.container", str(scorer / "program"), str(world.zip)]
    done = subprocess.run(
        [*command, str(world.testset), str(tmp_path / "none")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, "not because of the submission" in done.stdout) == (4, True)
    assert "Traceback" not in done.stdout + done.stderr


def test_a_name_that_can_not_be_one_of_an_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be one of an image"):
        write_docker(choices(tmp_path), tmp_path / "scorer", image="x'; rm -rf /")
