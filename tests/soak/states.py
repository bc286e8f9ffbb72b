"""What a command has left in its folder, in a form in which two runs of it are equal.

These differ between two runs, and nothing else may: how long things took and when they ended (``timing`` of a scorecard
and its rows on the page), when an entry of a board's log was written (and so the digests that seal the entries), when a
licence was accepted or a digest first seen.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

SQLITE = b"SQLite format 3\0"
LOG = "log.jsonl"
# Names that a process which was killed may leave: no reader takes them for a result.
DECLARED = re.compile(
    r"(.*/)?\.[^/]+\.[0-9a-f]{8}\.part(-file(-wal|-shm|-journal)?)?"  # being written
    r"|[^/]+\.sqlite-(wal|shm|journal)"  # of SQLite, which takes it up or removes it
    r"|(.*/)?\.parts/.*|(.*/)?\.locks/.*",  # of 'weights pull': what came so far, and empty lock files
    re.DOTALL,
)
# What may stay when the command has come to its end.
STAYS = re.compile(r"(.*/)?\.locks/.*\.lock")
# In the cache: how long it took to compute what lies there.
TIMES = re.compile(r"(.*/)?timings/[0-9a-f]{2}/[0-9a-f]{64}\.npz")
_TIMING = re.compile(
    r'<tr><th scope="row"><bdi>((extracting_)?seconds|videos_decoded|finished_at'
    r"|(extractors|networks|from_cache)(\.[^<]*)?)</bdi></th><td><bdi>[^<]*</bdi></td></tr>\n?"
)
_TIMES = {"licences.json": ("accepted",), "trusted.json": ("files",)}


def finals(place: Path) -> dict[str, str]:
    """Return path -> what it holds, in the comparable form, of every file that bears a final name; logs apart."""
    found = {}
    for path in sorted(place.rglob("*")):
        name = str(path.relative_to(place))
        if path.is_file() and not DECLARED.fullmatch(name) and path.name != LOG and not TIMES.fullmatch(name):
            found[name] = content(path)
    return found


def leftovers(place: Path) -> list[str]:
    """Return the names of declared temporary files that are there."""
    names = (str(path.relative_to(place)) for path in sorted(place.rglob("*")) if path.is_file())
    return [name for name in names if DECLARED.fullmatch(name) and not STAYS.fullmatch(name)]


def content(path: Path) -> str:
    """Return what a file holds; a digest for what must be equal to the last byte.

    Raises:
        ValueError: when it is half a file.
    """
    data = path.read_bytes()
    if path.suffix == ".sqlite":
        return board_content(path)
    if path.name == "scorecard.json":
        card = json.loads(data)
        card.pop("timing")
        return json.dumps(card)
    if path.name == "report.html":
        text = data.decode()
        if not text.rstrip().endswith("</html>"):
            raise ValueError(f"{path.name} is half a page")
        return _digest(_TIMING.sub("", text).encode())
    if path.name in _TIMES:
        document = json.loads(data)
        for entry in document["files"].values() if path.name == "trusted.json" else ():
            entry.pop("first_seen")
        if path.name == "licences.json":
            document["accepted"] = sorted(document["accepted"])
        return json.dumps(document)
    return _digest(data)


def board_content(path: Path) -> str:
    """Return all rows of a board as text, without times and without the digests that seal them; looks at a copy.

    Raises:
        ValueError: when it is no board, or its log does not fit what it holds.
    """
    from evalkit.board import Board

    with tempfile.TemporaryDirectory(prefix="soak-look-") as name:
        copy = Path(name) / path.name
        for part in path.parent.glob(f"{path.name}*"):
            if part.suffix != ".sqlite-shm":
                shutil.copy(part, copy.with_name(part.name))
        with Board.open(copy) as board:
            problems = board.verify()
        if problems:
            raise ValueError(f"{path.name}: {problems[0]}")
        raw = sqlite3.connect(copy)
        try:
            tables = [name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")]
            return json.dumps({table: _rows(raw, table) for table in tables if not table.startswith("sqlite_")})
        finally:
            raw.close()


def _rows(raw: sqlite3.Connection, table: str) -> list[dict[str, Any]]:
    cursor = raw.execute(f'SELECT * FROM "{table}" ORDER BY 1')
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor]
    for row in rows:
        if table == "audit":
            del row["at"], row["digest"]
        row.update({name: _digest(value) for name, value in row.items() if isinstance(value, bytes)})
    return rows


def whole_lines(path: Path) -> list[dict[str, Any]]:
    """Return the events of a log; the last line of a killed run may be cut, no other."""
    if not path.exists():
        return []
    *lines, _ = path.read_text().split("\n")
    return [json.loads(line) for line in lines]


def decoded(path: Path) -> dict[str, int]:
    """Return sample -> how often a run's log says that it was decoded."""
    return {line["sample"]: line["decodes"] for line in whole_lines(path) if line["event"] == "video"}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
