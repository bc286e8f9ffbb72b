"""Somebody else's model: a command or a function, what it is told, and what becomes of its faults."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from evalkit.errors import InputError, UsageError
from evalkit.reference_models.generation.submission import GenerationRun, make_submission
from evalkit.reference_models.generators.base import find_generator
from evalkit.testsets.model import TestSet

PROGRAM = """
import argparse, json, sys
from pathlib import Path
import numpy as np
from evalkit.media.encode import write_video
parser = argparse.ArgumentParser()
for name in ("image", "audio", "text", "output", "seed", "frames"):
    parser.add_argument("--" + name)
a = parser.parse_args()
assert Path(a.image).is_file() and Path(a.audio).is_file()
level = len(a.text) % 200
print("loading a model")
if "{fault}" == "code": sys.exit("CUDA out of memory")
if "{fault}" == "hang":
    sys.stderr.write("step 3 of 9"); sys.stderr.flush()
    import time; time.sleep(600)
if "{fault}" == "silent": sys.exit(0)
if "{fault}" == "text": Path(a.output).write_text("no video"); sys.exit(0)
write_video(Path(a.output), [np.full((64, 64, 3), level, np.uint8)] * int(a.frames), 25)
"""
FIELDS = "--image {image} --audio {audio} --text {text} --output {output} --seed {seed} --frames {frames}"


def program(folder: Path, fault: str = "none") -> str:
    path = folder / f"my {fault}.py"
    path.write_text(PROGRAM.replace("{fault}", fault))
    return f"{shlex.quote(sys.executable)} {shlex.quote(str(path))} {FIELDS}"


def run(testset: TestSet, folder: Path, fault: str, seconds: float = 60) -> GenerationRun:
    options = {"line": program(folder, fault)}
    return make_submission("command", testset, folder / "c.zip", options=options, sample_seconds=seconds)


def test_a_command_writes_its_own_files(puppets: TestSet, tmp_path: Path) -> None:
    made = run(puppets.limited(2), tmp_path, "none")
    assert made.made == ("p001t0", "p001t1")
    row = made.speed["samples"][0]
    assert (row["frames"], row["width"], row["clip_seconds"]) == (30, 64, 1.2)
    assert row["time_to_first_frame"] is None  # nobody saw it
    assert made.speed["protocol"]["excluded"] == []
    with zipfile.ZipFile(made.path) as archive:
        assert archive.namelist() == ["p001t0.mp4", "p001t1.mp4", "speed.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.zip", "my none.py"]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("code", "ended with code 1.*loading a model | CUDA out of memory"),
        ("silent", "wrote no file"),
        ("text", "is not a video"),
    ],
)
def test_a_commands_fault_is_shown_with_its_last_words(
    puppets: TestSet, tmp_path: Path, fault: str, words: str
) -> None:
    with pytest.raises(InputError, match=words.replace("|", r"\|")):
        run(puppets.limited(1), tmp_path, fault)


def test_a_command_that_hangs_is_ended(puppets: TestSet, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"more than 6 s.*step 3 of 9"):
        run(puppets.limited(1), tmp_path, "hang", seconds=6)


def test_no_shell_reads_the_command(puppets: TestSet, tmp_path: Path) -> None:
    text = f'$(touch {tmp_path / "pwned"}); "quoted" ; `x`'
    hostile = TestSet(puppets.root, (puppets.samples[0].model_copy(update={"text": text}),))
    assert run(hostile, tmp_path, "none").made == ("p001t0",)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "has no {output}"),
        ("python my.py --image {image}", "has no {output}"),
        ("python my.py {output} {imag}", "Did you mean 'image'"),
        ("python 'my.py {output}", "can't be parsed"),
    ],
)
def test_a_command_that_can_not_work_is_refused_at_once(line: str, words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        find_generator("command")({"line": line})


MODULE = """
import numpy as np
from evalkit.reference_models.generators.base import GeneratedClip
from evalkit.media.encode import write_video

def frames(request):
    grey = np.full((request.target.height, request.target.width, 3), 90, np.uint8)
    return GeneratedClip((grey for _ in range(request.target.frames)), request.target.fps)

def file(request):
    write_video(request.output, [np.zeros((32, 32, 3), np.uint8)] * 3, 25)

def sometimes(request):
    if request.sample.endswith("t1"):
        raise ValueError("I don't like this one")
    return frames(request)

def lazy(request):
    return GeneratedClip(late_frames(request), 25)

def late_frames(request):
    yield np.zeros((64, 64, 3), np.uint8)
    import json
    json.loads("{" * 50)  # raised in a library, called from here

def deep(request, depth=40):
    return deep(request, depth - 1) if depth else {}["no such key"]

def odd(request):
    return GeneratedClip(iter([np.zeros((4, 4), np.uint8)]), 25)

def dies(request):
    import os
    os._exit(7)

number = 3
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"model_of_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    return name


def call(testset: TestSet, folder: Path, function: str) -> GenerationRun:
    return make_submission("callable", testset, folder / "f.zip", options={"function": function})


def test_a_function_gives_frames_or_writes_a_file(puppets: TestSet, tmp_path: Path, module: str) -> None:
    frames = call(puppets.limited(1), tmp_path, f"{module}:frames").speed["samples"][0]
    assert (frames["frames"], frames["width"]) == (30, 256)
    assert frames["time_to_first_frame"] > 0
    file = call(puppets.limited(1), tmp_path, f"{module}:file").speed["samples"][0]
    assert (file["frames"], file["width"], file["time_to_first_frame"]) == (3, 32, None)


def test_a_functions_fault_costs_its_sample(puppets: TestSet, tmp_path: Path, module: str) -> None:
    made = call(puppets.limited(2), tmp_path, f"{module}:sometimes")
    assert made.made == ("p001t0",)
    line = next(at for at, text in enumerate(MODULE.splitlines(), 1) if "I don't like" in text)
    place = f"{module}.py, line {line}, in sometimes"
    assert made.failures["p001t1"] == f"'callable' raised ValueError: I don't like this one ({place})"
    assert "I don't like this one" in made.tracebacks["p001t1"]
    assert f'{module}.py", line {line}, in sometimes' in made.tracebacks["p001t1"]


def debug(testset: TestSet, folder: Path, function: str, *words: str) -> tuple[int, str]:
    """Return the exit code of the command, and what it printed on standard error."""
    call = "import sys; from evalkit.cli import main; main(sys.argv[1:])"
    command = ["baseline", "run", "--callable", function, "--testset", str(testset.root), "-w", "1", "-q"]
    done = subprocess.run(
        [sys.executable, "-c", call, *words, *command, "-o", str(folder / "d.zip")],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("function", "place", "named"),
    [
        ("lazy", "in late_frames", "JSONDecodeError"),
        ("deep", "in deep", "KeyError: 'no such key'"),
    ],
)
def test_debug_shows_the_traceback_of_the_users_code(
    puppets: TestSet, tmp_path: Path, module: str, function: str, place: str, named: str
) -> None:
    code, told = debug(puppets, tmp_path, f"{module}:{function}", "--debug")
    assert code == 1
    assert f'{module}.py", line' in told
    assert place in told
    assert named in told
    code, told = debug(puppets, tmp_path, f"{module}:{function}")
    assert code == 1
    assert "Traceback" not in told
    assert "Run again with --debug" in told
    assert place in told


def test_debug_shows_the_tracebacks_of_samples_that_failed(puppets: TestSet, tmp_path: Path, module: str) -> None:
    code, told = debug(puppets, tmp_path, f"{module}:sometimes", "--debug")
    assert code == 3
    assert "traceback of p001t1:" in told
    assert told.count("Traceback (most recent call last)") == 3
    code, told = debug(puppets, tmp_path, f"{module}:sometimes")
    assert "--debug shows the tracebacks." in told
    assert "Traceback" not in told


def test_debug_shows_why_a_module_can_not_be_imported(puppets: TestSet, tmp_path: Path) -> None:
    (tmp_path / "halfway.py").write_text("import numpy as np\n\nweights = np.load('no-such-file.npy')\n")
    code, told = debug(puppets, tmp_path, "halfway:generate", "--debug")
    assert code == 2
    assert 'halfway.py", line 3' in told
    code, told = debug(puppets, tmp_path, "halfway:generate")
    assert "(halfway.py, line 3, in <module>)" in told
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        ("odd", InputError, "A frame has a wrong type or shape"),
        ("dies", InputError, "ended with code 7"),
        ("absent", UsageError, "can't be imported"),
        ("number", UsageError, "is not callable"),
    ],
)
def test_a_function_that_can_not_work_is_told(
    puppets: TestSet, tmp_path: Path, module: str, function: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        call(puppets.limited(1), tmp_path, f"{module}:{function}")


def test_what_names_no_function_is_told(puppets: TestSet, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not name a function"):
        call(puppets.limited(1), tmp_path, "os.path")
