"""What evalkit asks of an environment: lowest versions, extras, and the programs that try them."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TRIED = (ROOT / "scripts" / "try_wheel.sh").read_text(encoding="utf-8")


def requirements() -> dict[str, Requirement]:
    return {one.name: one for one in map(Requirement, PROJECT["dependencies"])}


def lowest() -> dict[str, str]:
    """Return what scripts/lowest_versions.py gives to pip."""
    spec = importlib.util.spec_from_file_location("lowest_versions", ROOT / "scripts" / "lowest_versions.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.lowest_versions()


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {name.lower().replace("_", "-"): version for name, version in pins}


def test_every_dependency_has_a_lowest_version_which_the_matrix_installs() -> None:
    found = lowest()
    assert found.keys() == requirements().keys()
    for name, requirement in requirements().items():
        assert requirement.specifier.contains(found[name]), name
        lower = [one for one in requirement.specifier if one.operator == ">="]
        assert [Version(one.version) for one in lower] == [Version(found[name])]


def test_the_pinned_versions_are_allowed() -> None:
    pins = pinned()
    for name, requirement in requirements().items():
        assert requirement.specifier.contains(pins[name.lower().replace("_", "-")]), name


@pytest.mark.parametrize(("package", "version"), [("numpy", "1.26.0"), ("numpy", "2.4.6"), ("torch", "2.6.0")])
def test_what_users_have_is_allowed(package: str, version: str) -> None:
    assert requirements()[package].specifier.contains(version)


def test_the_extras() -> None:
    users = set(PROJECT["optional-dependencies"]) - {"dev", "browser"}
    assert {"landmarks", "cluster", "postgres", "plots", "fast"} <= users
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    assert [extra for extra in users if f"extra `{extra}`" not in page] == []


def test_the_trial_of_a_wheel_runs_the_commands_of_the_readme() -> None:
    section = README.split("## Score a submission", 1)[1].split("```console\n", 1)[1].split("```", 1)[0]
    commands = [shlex.split(line.removeprefix("$ ")) for line in section.splitlines() if line.startswith("$ evalkit")]
    assert len(commands) >= 2
    lines = [line.strip() for line in TRIED.splitlines()]
    tried = [shlex.split(line.removeprefix("quiet ")) for line in lines if line.startswith("quiet ")]
    said = [["evalkit", *words[1:]] for words in tried if words[0].endswith("/evalkit")]
    for command in commands:
        assert any(words[: len(command)] == command for words in said), command


def test_the_matrix_names_the_pythons_of_the_metadata() -> None:
    """Every Python of the classifiers is tried, and no other."""
    versions = {line.rsplit(" ", 1)[1] for line in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", line)}
    script = (ROOT / "scripts" / "install_matrix.sh").read_text(encoding="utf-8")
    assert set(re.findall(r"(?<![\w.-])3\.\d+", script)) == versions


def test_an_unknown_environment_of_the_matrix_is_an_error(tmp_path: Path) -> None:
    for name in ("scripts", "dist"):
        (tmp_path / name).mkdir()
    for name in ("scripts/install_matrix.sh", "constraints.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "dist" / "evalkit_video-0-py3-none-any.whl").write_bytes(b"")
    done = subprocess.run(
        ["bash", tmp_path / "scripts" / "install_matrix.sh", "3.4"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
    )
    assert (done.returncode, "no such environment: 3.4" in done.stderr) == (2, True)
