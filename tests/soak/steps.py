"""The commands that are killed: each with the folder that it starts from, and what it leaves when undisturbed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import shapes
from board_tools import YAML, card
from weights_server import Behaviour, Server, manifest, noise, role, serving, sha256

from soak.processes import Environment

COMMANDS = ("score", "ratings import", "board", "weights pull", "leaderboard")
VIDEOS, WORKERS, RATINGS = 6, 2, 3000
PAUSE = 0.15  # seconds that the server waits in the middle of a file


@dataclass(frozen=True)
class Step:
    """One call of evalkit.

    Args:
        command: which of `COMMANDS` it counts for.
        words: what stands after ``evalkit``; paths are relative to the folder that it works in.
        before: the folder that it starts from.
        after: the folder that an undisturbed run of it leaves.
        seconds: how long the undisturbed run took.
        watched: patterns of names whose first appearance is a moment to kill at.
        twice: what a second run may say with its exit code when the first had come to its end.
    """

    command: str
    words: tuple[str, ...]
    before: Path
    after: Path
    seconds: float = 0.0
    watched: tuple[str, ...] = ("**/.*.part", "**/.*.part-file")
    twice: tuple[int, ...] = (0,)


@dataclass
class World:
    """All steps, and the server that weights come from."""

    root: Path
    environment: Environment
    server: Server
    steps: list[Step] = field(default_factory=list)


@contextmanager
def world(root: Path, commands: Sequence[str] = COMMANDS) -> Iterator[World]:
    """Make the inputs, run every step undisturbed, and yield them; steps of one board follow each other."""
    root.mkdir(parents=True, exist_ok=True)
    with serving() as server:
        made = World(root, Environment(root / "temporary"), server)
        if "score" in commands:
            _score(made)
        if "weights pull" in commands:
            _pull(made)
        if {"board", "ratings import", "leaderboard"} & set(commands):
            _board(made)
        made.steps = [step for step in made.steps if step.command in commands]
        yield made


def _add(made: World, step: Step) -> Path:
    """Run a step undisturbed, note what it left, and return that folder."""
    place = made.root / "undisturbed" / str(len(made.steps))
    shutil.copytree(step.before, place)
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "evalkit", *step.words],
        cwd=place, env=made.environment.variables("undisturbed"), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"undisturbed, {' '.join(step.words)} ends with {done.returncode}: {done.stderr}")
    made.steps.append(replace(step, after=place, seconds=time.monotonic() - started))
    return place


def _score(made: World) -> None:
    start = made.root / "score"
    shapes.write_testset(start / "testset", VIDEOS, 0.4, size=64)
    shapes.write_submission(start / "team.zip", VIDEOS, 0.4, shapes.unchanged, size=64)
    words = (
        "score",
        "team.zip",
        "-c",
        "talking-head",
        "--testset",
        "testset",
        "-m",
        "psnr,ssim",
        "-o",
        "out",
        "--quiet",
    )
    watched = ("**/.*.part", "out/*.csv", "out/report.html", "cache/**/*.npz")
    _add(made, Step("score", (*words, "--workers", str(WORKERS)), start, start, watched=watched))


def _pull(made: World) -> None:
    start = made.root / "pull"
    start.mkdir()
    bodies = {f"{name}.bin": noise(200_000, at) for at, name in enumerate("abcde")}
    packed = start / "packed.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("d.bin", "e.bin"):
            archive.writestr(zipfile.ZipInfo(f"models/{name}"), bodies[name])
    served = {
        "a.bin": bodies["a.bin"],
        "b.bin": bodies["b.bin"],
        "c.bin": bodies["c.bin"],
        "p.zip": packed.read_bytes(),
    }
    packed.unlink()
    for name, body in served.items():
        made.server.paths[name] = Behaviour(body, etag=f'"{name}"', gate=lambda: time.sleep(PAUSE))
    url = made.server.url
    roles = {
        "one": role("a.bin", bodies["a.bin"], url("a.bin")),
        "two": role("b.bin", bodies["b.bin"], url("b.bin")),
        "three": role("c.bin", bodies["c.bin"], url("c.bin"), sha256=None, sha256_prefix=sha256(bodies["c.bin"])[:8]),
        "four": role("d.bin", bodies["d.bin"], archive="p.zip"),
        "five": role("e.bin", bodies["e.bin"], archive="p.zip"),
    }
    whole = {"p.zip": {"urls": [url("p.zip")], "sha256": sha256(served["p.zip"]), "bytes": len(served["p.zip"])}}
    manifest(start, roles, archives=whole)
    words = ("weights", "pull", "--backbones", "mine.yaml", "--accept-licence")
    _add(made, Step("weights pull", words, start, start, watched=("weights/.parts/*", "weights/*.bin", "**/.*.part")))


def _board(made: World) -> None:
    start = made.root / "board"
    start.mkdir()
    (start / "rules.yaml").write_text(YAML)
    (start / "mended.yaml").write_text(YAML.replace("The challenge", "The challenge, mended"))
    shapes.write_testset(start / "testset", 3, 0.2, size=64)
    for name, value in (("alpha", 0.5), ("beta", 0.6)):
        (start / f"{name}.json").write_text(card(name, value).to_json())
    lines = [
        f"r{at % 40:02d},i{at // 40},overall,{at % 5 + 1},2026-03-01T12:00:{at % 60:02d}Z" for at in range(RATINGS)
    ]
    (start / "ratings.csv").write_text("\n".join(("rater_id,item_id,dimension,value,submitted_at", *lines)) + "\n")
    keys = [f"i{at},{'alpha' if at % 2 else 'beta'},s{at // 2}" for at in range(RATINGS // 40)]
    (start / "key.csv").write_text("\n".join(("item_id,team,sample", *keys)) + "\n")
    (start / "gold.csv").write_text("item_id,dimension,low,high\ni1,overall,2,4\n")
    at = ("--board", "b.sqlite")
    watched = ("*.sqlite", "*.sqlite-wal", ".*.part", ".*.part-file")
    twice = (0, 1)  # "there is a board already", "the team is on the board already"
    place = start
    for words in (
        ("board", "init", *at, "-c", "rules.yaml", "--testset", "testset"),
        ("board", "team", "alpha", *at, "--member", "p1", "--member", "p2", "--member", "p3"),
        ("board", "add", "alpha", "alpha.json", *at),
        ("board", "add", "beta", "beta.json", *at, "--new-team"),
        ("board", "member", "alpha", "p2", "p3", "--remove", *at),
        ("board", "gold", "gold.csv", *at),
        ("board", "rater", "r01", "--team", "alpha", *at),
        ("ratings", "import", "ratings.csv", *at, "--key", "key.csv", "--allow-unknown"),
        ("board", "exclude", "rater", "r02", "r03", *at, "--why", "too quick"),
        ("board", "include", "1", *at, "--why", "a slow clock"),
        ("board", "rules", *at, "-c", "mended.yaml"),
        ("leaderboard", *at, "-o", "l.html", "--also", "csv", "--also", "json", "--also", "latex", "--draws", "200"),
    ):
        command = " ".join(words[:2]) if words[0] == "ratings" else words[0]
        extra = ("l.*",) if command == "leaderboard" else ()
        place = _add(made, Step(command, words, place, place, watched=(*watched, *extra), twice=twice))
