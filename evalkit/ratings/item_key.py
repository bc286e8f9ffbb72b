"""Read the key of a blind test: which team's video of which sample an anonymous item is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from evalkit.errors import InputError
from evalkit.jsonio import parse_json
from evalkit.ratings.cell_reader import Context, normalised
from evalkit.ratings.jsonfile import first_sign
from evalkit.ratings.model import Key, KeyEntry
from evalkit.ratings.read_errors import Faults, shown
from evalkit.ratings.table import read_table
from evalkit.yamlio import read_text

MAX_BYTES = 64 * 1024 * 1024
_WORDS = {
    "item": ("item_id", "item", "blind_id", "anonymous_id"),
    "team": ("team", "team_id", "entrant"),
    "sample": ("sample_id", "sample"),
    "run": ("run", "run_id"),
}
_NEEDED = ("item", "team", "sample")


def read_key(path: Path) -> Key:
    """Return the key in a CSV file (columns item_id, team, sample_id and, where teams have several, run) or JSON.

    JSON is an object ``{"item001": {"team": ..., "sample": ..., "run": ...}}`` or an array of objects with ``item``.

    Raises:
        InputError: with every fault of the first 20: a cell that is empty, an item that appears twice. Nothing is
            returned from a key with a fault.
    """
    faults = Faults(path.name)
    context = Context(path.name, faults=faults)
    records = _json(path, faults) if first_sign(path) in {"[", "{"} else _csv(path, faults)
    entries: dict[str, KeyEntry] = {}
    places: dict[str, int] = {}
    for row, record in records:
        before = faults.count
        item, team, sample = (context.name(row, word, record.get(word), word) for word in _NEEDED)
        run = context.name(row, "run", record["run"], "run") if not context.is_missing(record.get("run")) else None
        if item is None or team is None or sample is None or faults.count != before:
            continue
        if item in entries:
            faults.add(row, "item", f"the item {shown(item)} is already in row {places[item]}.")
            continue
        entries[item], places[item] = KeyEntry(team, sample, run), row
    if faults.count:
        raise faults.error()
    if not entries:
        raise InputError(f"The key {path} names no item.")
    return Key(entries, path.name)


def _csv(path: Path, faults: Faults) -> Iterator[tuple[int, Mapping[str, Any]]]:
    (header,), rows = read_table(path, faults, what="The key")
    columns = _columns(path, header)
    for row in rows:
        yield row.number, {word: row.cells[name] for word, name in columns.items()}


def _columns(path: Path, header: Iterable[str]) -> dict[str, str]:
    names = [name for name in header if name]
    by_word: dict[str, str] = {}
    for name in names:
        if normalised(name) in by_word:
            raise InputError(f"{path.name}: two columns are called {shown(name)}.")
        by_word[normalised(name)] = name
    found = {}
    for word, usual in _WORDS.items():
        hit = next((by_word[other] for other in usual if other in by_word), None)
        if hit is not None:
            found[word] = hit
        elif word in _NEEDED:
            raise InputError(
                f"{path.name}: the key has no column '{usual[0]}'.",
                found=f"the columns {', '.join(names)}",
                expected="the columns item_id, team and sample_id",
            )
    return found


def _json(path: Path, faults: Faults) -> Iterator[tuple[int, Mapping[str, Any]]]:
    text = read_text(path, kind=InputError, what="The key", limit=MAX_BYTES)
    try:
        content = parse_json(text)
    except ValueError as error:
        raise InputError(f"The key {path} can't be read as JSON.", found=str(error)) from None
    if isinstance(content, dict):
        content = [{"item": item, **entry} if isinstance(entry, dict) else entry for item, entry in content.items()]
    for row, record in enumerate(content, start=1):
        if isinstance(record, dict):
            plain = {normalised(name): cell for name, cell in record.items()}
            hits = {word: [plain[other] for other in usual if other in plain] for word, usual in _WORDS.items()}
            yield row, {word: cells[0] for word, cells in hits.items() if cells}
        else:
            faults.add(row, None, "not an object with team and sample.")
