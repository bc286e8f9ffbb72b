"""What importing evalkit costs and shows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import evalkit

ROOT = Path(__file__).parents[1]
HEAVY = (
    "torch",
    "numpy",
    "pandas",
    "scipy",
    "cv2",
    "av",
    "onnxruntime",
    "PIL",
    "pyarrow",
    "pydantic",
    "jinja2",
    "rich",
)


def loaded_by(code: str) -> set[str]:
    """Return the heavy packages that a fresh interpreter has loaded after ``code``."""
    program = f"{code}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(json.loads(done.stdout.splitlines()[-1])) & set(HEAVY)


INVOKE = "from click.testing import CliRunner; from evalkit.cli import cli; CliRunner().invoke(cli, {words})"


@pytest.mark.parametrize(
    "code",
    [
        "import evalkit",
        "import evalkit.cli",
        INVOKE.format(words=["--help"]),
        INVOKE.format(words=["score", "--help"]),
    ],
)
def test_start_up_loads_nothing_heavy(code: str) -> None:
    assert loaded_by(code) == set()


def test_the_probe_sees_heavy_packages() -> None:
    assert loaded_by("import numpy") == {"numpy"}


def test_public_names_exist_and_are_documented() -> None:
    for name in evalkit.__all__:
        value = getattr(evalkit, name)
        assert name == "__version__" or value.__doc__, f"{name} has no docstring"
    assert set(evalkit.__all__) <= set(dir(evalkit))
    with pytest.raises(AttributeError, match="nonsense"):
        evalkit.nonsense  # noqa: B018


@pytest.mark.parametrize("name", ["functional", "plot"])
def test_modules_for_users_are_there_after_importing_the_package(name: str) -> None:
    code = f"import evalkit; print(evalkit.{name}.__name__)"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == f"evalkit.{name}"


def test_scoring_loads_no_torch() -> None:
    assert "torch" not in loaded_by("import evalkit.api, evalkit.scoring.extract, evalkit.metrics.faces.features")


@pytest.mark.parametrize(
    "code",
    [
        INVOKE.format(words=["metrics", "list"]),
        "from evalkit.metrics.base import metric_registry; metric_registry()",
        "from evalkit.metrics.features.base import feature_registry; feature_registry()",
    ],
)
def test_listing_metrics_and_features_loads_numpy_alone(code: str) -> None:
    assert loaded_by(code) <= {"numpy"}


def test_python_m_evalkit_works_from_the_root() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "evalkit", "--version"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == f"evalkit, version {evalkit.__version__}"


def test_definitions_of_metrics_are_in_the_wheel() -> None:
    """A metric reads the Markdown file beside it when it is imported."""
    import tomllib

    data = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"]
    files = list((ROOT / "metrics").rglob("*.md"))
    packages = {"evalkit." + file.parent.relative_to(ROOT).as_posix().replace("/", ".") for file in files}
    assert len(packages) > 10
    assert {name for name in packages if "*.md" not in data.get(name, [])} == set()


def test_every_installed_package_is_pinned() -> None:
    """constraints.txt names everything in this environment, at its version."""
    import sysconfig
    from importlib.metadata import distributions

    pins = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, version = line.split("==")
            pins[name.lower().replace("_", "-")] = version
    ours = {"evalkit-video", "pip", "setuptools", "wheel"}
    # Not all of sys.path: Ray adds a folder of its own copies of packages to it when it is imported.
    folders = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    installed = {
        item.name.lower().replace("_", "-"): item.version.split("+")[0] for item in distributions(path=folders)
    }
    wrong = {name: version for name, version in installed.items() if name not in ours and pins.get(name) != version}
    if os.environ.get("EVALKIT_REQUIRE") != "all" and wrong:
        pytest.skip(f"this environment was not installed with constraints.txt: {sorted(wrong)[:3]}")
    assert wrong == {}
