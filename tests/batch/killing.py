"""Kill score-all with -9 at random moments, start it again each time, and count what was decoded."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

GUARD = 600.0  # seconds until a run counts as hanging


@dataclass
class Kills:
    """What came of a night with kills.

    Args:
        killed: how many runs were killed while they ran.
        decodes: (submission, sample) -> decodes that all logs together tell.
        finished: for each run, the submissions that it found finished.
        code: exit code of the last run.
    """

    killed: int = 0
    decodes: Counter[tuple[str, str]] = field(default_factory=Counter)
    finished: list[list[str]] = field(default_factory=list)
    code: int | None = None


def run_with_kills(
    words: Sequence[str], place: Path, out: Path, videos: int, kills: int, seconds: float, seed: int
) -> Kills:
    """Run ``evalkit WORDS`` in ``place`` until it ends by itself after ``kills`` kills.

    Args:
        words: of the command.
        place: folder to run it in.
        out: folder of the results.
        videos: how many it decodes; the kills are spread over them.
        kills: how many at most: a run that ends before is not killed.
        seconds: a kill comes up to as many after a video that was drawn is in a log.
        seed: of what is drawn.
    """
    rng = random.Random(seed)
    found = Kills()
    lines: set[tuple[str, str]] = set()
    while found.code is None:
        process = subprocess.Popen(
            [sys.executable, "-m", "evalkit", *words],
            cwd=place,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        try:
            if found.killed < kills:
                goal = max(1, round(videos * (found.killed + rng.random()) / kills))
                _wait(lambda goal=goal: len(_decoded(out) | set(found.decodes)) >= goal, process)
                time.sleep(rng.uniform(0, seconds))
                process.send_signal(signal.SIGKILL)
            code = process.wait(GUARD)
        finally:
            process.kill()
            process.wait()
        found.killed += code == -signal.SIGKILL
        found.code = None if code == -signal.SIGKILL else code
        found.finished.append(_finished(out))
        for log in out.glob("*/log.jsonl"):
            for line in _lines(log):  # each counts once: a log that no later run wrote to is still there
                if (log.parent.name, line) not in lines:
                    lines.add((log.parent.name, line))
                    found.decodes += _decodes_of(log.parent.name, line)
    return found


def _wait(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + GUARD
    while not condition() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)


def _lines(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.is_file() else []


def _event(line: str) -> dict[str, Any]:
    try:
        return json.loads(line)
    except ValueError:  # the kill came in the middle of it
        return {"event": None}


def _decodes_of(submission: str, line: str) -> Counter[tuple[str, str]]:
    """Return (submission, sample) -> decodes, as a line of a log tells."""
    event = _event(line)
    return Counter({(submission, event["sample"]): event["decodes"]} if event["event"] == "video" else {})


def _decoded(out: Path) -> set[tuple[str, str]]:
    """Return the videos that the logs in ``out`` tell of now."""
    logs = [(log.parent.name, line) for log in out.glob("*/log.jsonl") for line in _lines(log)]
    return {key for name, line in logs for key in _decodes_of(name, line)}


def _finished(out: Path) -> list[str]:
    """Return the submissions that the last run took from an earlier one."""
    events = [_event(line) for line in _lines(out / "log.jsonl")]
    return [event["submission"] for event in events if event["event"] == "end" and event["earlier"]]
