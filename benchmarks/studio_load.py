"""Many raters at once: how long an answer takes to be saved, and whether memory stays flat.

``python -m benchmarks.studio_load --raters 50 --seconds 60`` makes a study in a temporary folder, serves it with
``evalkit studio serve`` on this machine, and lets simulated raters answer as fast as ``--pause`` allows, each over a
connection of its own: they fetch the state, then the videos, then send the answer, and now and then send one twice.
At the end every answer that was said to be saved must be on the board, once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from builders.studies import BuiltStudy, build_study  # noqa: E402

from evalkit.board import Board  # noqa: E402
from evalkit.studio.plan_model import Plan, new_id, plan_from_json, write_plan  # noqa: E402

ITEMS = 400  # of each rater: more than anybody answers in the time


@dataclass
class Load:
    """What was measured."""

    answering: list[float] = field(default_factory=list)  # seconds
    states: list[float] = field(default_factory=list)
    saved: set[str] = field(default_factory=set)
    items: set[tuple[str, str]] = field(default_factory=set)
    faults: Counter[str] = field(default_factory=Counter)
    memory: list[tuple[float, int, int]] = field(default_factory=list)  # seconds, bytes, answers saved until then


def many_items(study: BuiltStudy) -> Plan:
    """Return the study's plan with many items for many raters."""
    document: dict[str, Any] = study.plan.model_dump(mode="json")
    media = list(document["media"].items())
    document["items"] = {
        new_id(): {"media": [name], "sample": about["sample"], "kind": "rating"}
        for number in range(ITEMS)
        for name, about in [media[number % len(media)]]
    }
    items = list(document["items"])
    for number, rater in enumerate(document["raters"].values()):
        rater["items"] = items[number:] + items[:number]
    return plan_from_json(json.dumps(document))


class Connection:
    """One HTTP/1.1 connection that stays open."""

    def __init__(self, host: str, port: int) -> None:
        self._place = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._place)
        reader, writer = self._streams
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(data)}\r\n\r\n"
        writer.write(head.encode() + data)
        await writer.drain()
        status = int((await reader.readline()).split()[1])
        length = 0
        while (line := await reader.readline()) not in {b"\r\n", b""}:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return status, await reader.readexactly(length)


async def rate(load: Load, place: tuple[str, int], name: str, token: str, *, end: float, pause: float) -> None:
    """Be one rater until the time is up."""
    connection, seen = Connection(*place), set()
    chance = random.Random(name)  # noqa: S311 - not a secret
    await connection.ask("POST", f"/r/{token}/consent", {"agree": True})
    while time.monotonic() < end:
        await asyncio.sleep(chance.uniform(0.5, 1.5) * pause)
        began = time.monotonic()
        status, text = await connection.ask("GET", f"/r/{token}/state")
        load.states.append(time.monotonic() - began)
        if status != 200:
            load.faults[f"state {status}"] += 1
            continue
        state = json.loads(text)
        for address in state["item"]["videos"]:
            if address not in seen or chance.random() < 0.1:
                await connection.ask("GET", address)
                seen.add(address)
        answer = {
            "id": str(uuid.uuid4()),
            "item": state["item"]["id"],
            "values": {question["id"]: chance.randint(1, 5) for question in state["questions"]},
            "page_seconds": 6.5,
            "watched": [1.0] * len(state["item"]["videos"]),
        }
        for _ in range(2 if chance.random() < 0.05 else 1):
            began = time.monotonic()
            status, text = await connection.ask("POST", f"/r/{token}/answers", {"answers": [answer]})
            load.answering.append(time.monotonic() - began)
            reply = json.loads(text)
            if status != 200 or reply["saved"] != [answer["id"]]:
                load.faults[f"answer {status} {reply.get('refused')}"] += 1
            else:
                load.saved.add(answer["id"])
                load.items.add((name, answer["item"]))


async def organize(place: tuple[str, int], token: str, end: float) -> None:
    """Be the organizer, whose page refreshes all the time."""
    connection = Connection(*place)
    while time.monotonic() < end:
        await connection.ask("GET", f"/o/{token}")
        await asyncio.sleep(10)


async def watch(load: Load, process: int, end: float) -> None:
    """Note the server's memory each second."""
    began, page = time.monotonic(), os.sysconf("SC_PAGE_SIZE")
    while time.monotonic() < end:
        pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
        load.memory.append((time.monotonic() - began, pages * page, len(load.saved)))
        await asyncio.sleep(1)


async def run(load: Load, plan: Plan, place: tuple[str, int], process: int, asked: argparse.Namespace) -> None:
    """Let all raters and the organizer work for the time that was asked for."""
    end = time.monotonic() + asked.seconds
    await asyncio.gather(
        watch(load, process, end),
        organize(place, plan.organizer, end),
        *(rate(load, place, name, rater.token, end=end, pause=asked.pause) for name, rater in plan.raters.items()),
    )


def slope(memory: list[tuple[float, int, int]]) -> str:
    """Return by how much the server grows with each answer: the least-squares line after the first third."""
    after = memory[len(memory) // 3 :]
    answers, sizes = [saved for _, _, saved in after], [size for _, size, _ in after]
    if len(set(answers)) < 2:
        return "memory per answer: too few answers to say"
    line = statistics.linear_regression(answers, sizes)
    span = answers[-1] - answers[0]
    return f"memory per answer after a third of the time: {line.slope:.0f} bytes, over {span} answers"


def report(load: Load, board: Board, seconds: float, cpu: float) -> bool:
    """Print what was measured; return whether no answer is lost or doubled."""
    held = Counter((one.rater, one.item) for one in board.snapshot().answers)
    lost = load.items - held.keys()
    doubled = [place for place, count in held.items() if count != 2]  # two questions
    quarter = max(1, len(load.memory) // 4)
    first = statistics.median(size for _, size, _ in load.memory[:quarter]) / 2**20
    last = statistics.median(size for _, size, _ in load.memory[-quarter:]) / 2**20
    ordered = sorted(load.answering)
    print(
        f"answers saved: {len(load.saved)} in {seconds:.0f} s ({len(load.saved) / seconds:.0f}/s), log entries:", end=""
    )
    print(f" {len(board.log())}; lost: {len(lost)}, doubled: {len(doubled)}, refused or failed: {dict(load.faults)}")
    for title, values in (("answering", ordered), ("state", sorted(load.states))):
        at = [values[int(share * (len(values) - 1))] * 1000 for share in (0.5, 0.95, 0.99, 1)]
        print(f"{title}: median {at[0]:.0f} ms, p95 {at[1]:.0f} ms, p99 {at[2]:.0f} ms, longest {at[3]:.0f} ms")
    print(f"server's memory: first quarter {first:.1f} MiB, last quarter {last:.1f} MiB; CPU {cpu:.1f} s")
    curve = load.memory[:: max(1, len(load.memory) // 12)]
    print("memory curve (s: MiB): " + ", ".join(f"{at:.0f}: {size / 2**20:.1f}" for at, size, _ in curve))
    print(slope(load.memory))
    return not lost and not doubled


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raters", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--pause", type=float, default=1.0, help="mean seconds between a rater's answers")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        study = build_study(Path(folder), raters=asked.raters, repeats=False)
        plan = many_items(study)
        write_plan(plan, study.plan_path)
        words = [sys.executable, "-m", "evalkit", "studio", "serve", str(study.plan_path), "-B", str(study.board)]
        words += ["--submissions", str(study.submissions), "-t", str(study.testset), "--port", "0", "--json", "-q"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
            line = process.stdout.readline() if process.stdout is not None else ""
            host, port = json.loads(line)["url"].removeprefix("http://").split(":")
            load = Load()
            asyncio.run(run(load, plan, (host, int(port)), process.pid, asked))
            times = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
            cpu = (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")
            process.send_signal(signal.SIGTERM)
            process.wait()
        with Board.open(study.board) as board:
            whole = report(load, board, asked.seconds, cpu)
    sys.exit(0 if whole and not load.faults else 1)


if __name__ == "__main__":
    main()
