"""Kill, look, run again, compare."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from soak import processes, states
from soak.processes import Target
from soak.steps import Step, World

ORPHAN_SECONDS = 10.0  # a worker that is asked to exit in the middle of a job has five
STUCK_SECONDS = 120.0
TARGETS: dict[str, tuple[Target, ...]] = {
    "score": ("parent", "worker", "everything", "group", "everything"),
    "others": ("parent", "everything", "parent", "group"),
}
AFTER = 0.3  # seconds after an event in which the kill comes, at most


@dataclass
class Figures:
    """What came of the kills of one command.

    Args:
        kills: how many were tried.
        running: how many of them hit while the command ran.
        differing: reruns that left other results than the undisturbed run, or another exit code.
        half: files under a final name that were not whole, or not those of the undisturbed run, after the kill.
        stuck: reruns that did not end.
        orphans: processes that lived on.
        leftovers: temporary files that the rerun left behind.
        folders: temporary folders that the rerun left behind.
        redone: the most work that one kill made be done twice: videos decoded, or bytes fetched.
        failures: what went wrong, in words.
    """

    kills: int = 0
    running: int = 0
    differing: int = 0
    half: int = 0
    stuck: int = 0
    orphans: int = 0
    leftovers: int = 0
    folders: int = 0
    redone: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not self.failures

    def add(self, other: Figures) -> None:
        for one in fields(self):
            mine, theirs = getattr(self, one.name), getattr(other, one.name)
            setattr(self, one.name, max(mine, theirs) if one.name == "redone" else mine + theirs)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Kill:
    """One kill: of what, and when: so many seconds after the start, or after a file of that pattern appeared."""

    step: Step
    target: Target
    seconds: float
    event: str | None = None

    def __str__(self) -> str:
        when = f"{self.seconds:.3f} s after {self.event or 'the start'}"
        return f"{' '.join(self.step.words[:3])}: {self.target} killed {when}"


def plan(steps: list[Step], count: int, rng: random.Random) -> Iterator[Kill]:
    """Yield kills of one command: half at any time of the undisturbed run, half just after something appeared."""
    for at in range(count):
        step = steps[at % len(steps)]
        targets = TARGETS["score"] if step.command == "score" else TARGETS["others"]
        target = targets[at % len(targets)]
        if rng.random() < 0.5:
            yield Kill(step, target, rng.uniform(0, step.seconds))
        else:
            yield Kill(step, target, rng.uniform(0, AFTER) ** 2, rng.choice(step.watched))


def run_kill(world: World, kill: Kill, mark: str) -> Figures:
    """Do one kill and return its figures."""
    figures = Figures(kills=1)
    step = kill.step
    place = world.root / "at work"
    for folder in (place, world.environment.temporary):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(step.before, place)
    world.server.requests.clear()
    figures.running = int(_disturb(world, kill, place, mark))
    videos = len(list(world.environment.temporary.glob("evalkit-*/evalkit-*/video")))

    if not processes.wait_until(lambda: not processes.alive(mark), ORPHAN_SECONDS, 0.02):
        figures.orphans = len(processes.alive(mark))
        figures.failures.append(f"{kill}: {figures.orphans} processes lived on")
        processes._end(processes.alive(mark))
    before, after = states.finals(step.before), states.finals(step.after)
    for name in _strange(place, before, after) if kill.target != "worker" else ():
        figures.half += 1
        figures.failures.append(f"{kill}: after it, {name}")
    first = states.decoded(place / "out" / states.LOG)
    kept = {path.name: path.stat().st_size for path in place.glob("weights/.parts/*") if path.suffix != ".json"}
    world.server.requests.clear()
    try:
        code, error = _again(world, step, place, mark)
    except TimeoutError:
        figures.stuck = 1
        figures.failures.append(f"{kill}: the rerun did not end")
        return figures
    figures.redone = _redone(world, step, place, first, videos if figures.running else 0, kept)
    wrong = _compare(place, after)
    if code not in step.twice and (code or wrong):
        wrong.insert(0, f"exit code {code}: {error[-300:]}")
    figures.differing = int(bool(wrong))
    figures.failures += [f"{kill}: after the rerun, {line}" for line in wrong]
    left = states.leftovers(place)
    folders = sorted(path.name for path in world.environment.temporary.iterdir())
    figures.leftovers, figures.folders = len(left), len(folders)
    figures.failures += [f"{kill}: the rerun left {name}" for name in (*left, *folders)]
    return figures


def _disturb(world: World, kill: Kill, place: Path, mark: str) -> bool:
    """Start the command and kill it at its moment; return whether it still ran."""
    known = {path for pattern in kill.step.watched for path in place.glob(pattern)}
    process = processes.start(kill.step.words, place, world.environment, mark)
    try:
        if kill.event is not None:
            pattern = kill.event
            processes.wait_until(
                lambda: process.poll() is not None or any(path not in known for path in place.glob(pattern)), 60
            )
        processes.wait_until(lambda: process.poll() is not None, kill.seconds)
        if kill.target == "worker":
            processes.wait_until(lambda: process.poll() is not None or len(processes.alive(mark)) > 1, 60)
        hit = processes.kill(process, kill.target, mark)
    except BaseException:
        processes.kill(process, "everything", mark)
        raise
    finally:
        process.communicate(timeout=STUCK_SECONDS)
    return hit


def _again(world: World, step: Step, place: Path, mark: str) -> tuple[int, str]:
    process = processes.start(step.words, place, world.environment, mark)
    try:
        _, error = process.communicate(timeout=STUCK_SECONDS)
    except subprocess.TimeoutExpired:
        processes.kill(process, "everything", mark)
        process.communicate()
        raise TimeoutError from None
    return process.returncode, error


def _strange(place: Path, before: dict[str, str], after: dict[str, str]) -> Iterator[str]:
    """Yield what is wrong with the files under final names: each is as before the command, as after it, or absent."""
    try:
        found = states.finals(place)
    except Exception as error:  # noqa: BLE001 - whatever a half file makes a reader raise
        yield f"a file can't be read: {type(error).__name__}: {error}"
        return
    for name, content in found.items():
        if content not in {before.get(name), after.get(name)}:
            yield f"{name} is neither the old nor the new one"
    for name in before.keys() - found.keys():
        yield f"{name} is gone"


def _compare(place: Path, after: dict[str, str]) -> list[str]:
    try:
        found = states.finals(place)
    except Exception as error:  # noqa: BLE001 - as above
        return [f"a file can't be read: {type(error).__name__}: {error}"]
    return [f"{name} differs" for name in sorted(found.keys() | after.keys()) if found.get(name) != after.get(name)]


def _redone(world: World, step: Step, place: Path, first: dict[str, int], in_work: int, kept: dict[str, int]) -> int:
    """Return how much was done twice: videos decoded now that were decoded or begun before, or bytes fetched."""
    if step.command == "weights pull":
        asked = ((one.path, int((one.range or "bytes=0-")[6:-1])) for one in world.server.requests)
        return sum(max(0, kept.get(path, 0) - begin) for path, begin in asked)
    if step.command != "score":
        return 0
    again = states.decoded(place / "out" / states.LOG)
    twice = sum(1 for sample, count in again.items() if count and first.get(sample))
    return twice + min(in_work, sum(1 for count in again.values() if count) - twice)


def run_campaign(
    world: World, command: str, count: int, seed: int, tell: Callable[[str], object] = lambda line: None
) -> Figures:
    """Kill a command ``count`` times and ``tell`` a line about each; equal seeds plan equal kills."""
    rng = random.Random(f"{seed} {command}")
    total = Figures()
    steps = [step for step in world.steps if step.command == command]
    for number, kill in enumerate(plan(steps, count, rng)):
        figures = run_kill(world, kill, f"{command}-{seed}-{number}")
        tell(f"{number + 1}/{count} {kill}: {'hit' if figures.running else 'too late'}")
        for line in figures.failures:
            tell(f"WRONG: {line}")
        total.add(figures)
    return total
