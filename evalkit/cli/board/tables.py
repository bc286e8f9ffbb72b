"""What ``evalkit board list`` and ``evalkit board log`` print."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from evalkit.clock import exact_time
from evalkit.text import count, escape_for_display

if TYPE_CHECKING:
    from evalkit.board.model import AuditEntry, Snapshot
    from evalkit.ratings import AnswerKind


def board_document(snapshot: Snapshot) -> dict[str, Any]:
    """Return the state of a board as plain data."""
    runs: dict[str, list[dict[str, Any]]] = {}
    for run in snapshot.runs:
        row = {"run": run.name, "primary": run.primary, "scorecard": run.card_sha256, "origin": run.origin}
        row |= {"signer": run.signer}
        runs.setdefault(run.team, []).append(row | {"submission": run.card.submission.name})
    return {
        "schema": 1,
        "challenge": {"id": snapshot.challenge.id, "sha256": snapshot.challenge.sha256},
        "entry": snapshot.number,
        "at": snapshot.at.isoformat(),
        "seal": snapshot.digest,
        "teams": [
            {"team": team.name, "members": list(team.members), "runs": runs.get(team.name, [])}
            for team in snapshot.teams
        ],
        "trusted_keys": [{"key": one.fingerprint, "comment": one.comment} for one in snapshot.signers],
        "items_in_key": len(snapshot.key) if snapshot.key is not None else 0,
        "ratings": _count(snapshot, "rating"),
        "pairs": _count(snapshot, "comparison"),
        "imports": len(snapshot.imports),
        "decisions": len(snapshot.decisions),
        "excluded": [
            {"number": one.number, "target": one.target, "subject": one.subject, "code": one.code, "reason": one.reason}
            for one in snapshot.decisions
            if one.holds
        ],
    }


def print_board(snapshot: Snapshot) -> None:
    """Print teams and runs as a table, and how many answers there are."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from evalkit.board.model import ORIGINS

    console = Console(highlight=False, emoji=False)
    table = Table(header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for title in ("team", "run", "", "submission", "scorecard", "from"):
        table.add_column(title, overflow="fold")
    runs: dict[str, list[tuple[str, str, str, str, str]]] = {}
    for run in snapshot.runs:
        mark = "primary" if run.primary else ""
        cells = (run.name, mark, run.card.submission.name, run.card_sha256[:12], ORIGINS[run.origin])
        runs.setdefault(run.team, []).append(cells)
    for team in snapshot.teams:
        for at, cells in enumerate(runs.get(team.name, [("no run", "", "", "", "")])):
            table.add_row(*(escape(escape_for_display(cell)) for cell in ("" if at else team.name, *cells)))
    console.print(table)
    rules = f"{snapshot.challenge.id} ({snapshot.challenge.sha256[:12]})"
    console.print(escape(f"Challenge {rules}; log entry {snapshot.number} of {exact_time(snapshot.at)}."))
    for signer in snapshot.signers:
        console.print(escape(escape_for_display(f"Trusted key {signer.fingerprint} {signer.comment}".rstrip(), 300)))
    items = len(snapshot.key) if snapshot.key is not None else 0
    ratings, pairs = _count(snapshot, "rating"), _count(snapshot, "comparison")
    console.print(f"{count(ratings, 'rating')}, {count(pairs, 'comparison')}, {count(items, 'item')} in the key.")
    for made in snapshot.imports:
        words = f"Import {made.number}: {made.file} ({made.form}), {made.new} new, {made.known} known."
        console.print(escape(escape_for_display(words, 400)), soft_wrap=True)
    for one in snapshot.decisions:
        if one.holds:
            words = f"Decision {one.number}: {one.target} {one.subject} does not count ({one.code}): {one.reason}"
            console.print(escape(escape_for_display(words, 400)), soft_wrap=True)


def _count(snapshot: Snapshot, kind: AnswerKind) -> int:
    return sum(answer.kind == kind for answer in snapshot.answers)


def log_document(entries: Sequence[AuditEntry]) -> list[dict[str, Any]]:
    """Return log entries as plain data."""
    return [
        {
            "entry": entry.number,
            "at": entry.at.isoformat(),
            "by": entry.by,
            "action": entry.action,
            "subject": entry.subject,
            "details": dict(entry.details),
            "digest": entry.digest,
        }
        for entry in entries
    ]


def print_log(entries: Sequence[AuditEntry]) -> None:
    """Print log entries, a line each."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False, emoji=False)
    earlier = entries[0].number - 1 if entries else 0
    if earlier:
        console.print(f"{count(earlier, 'earlier entry', 'earlier entries')}: --all shows them.")
    for entry in entries:
        words = f"{entry.number:>5}  {exact_time(entry.at)}  {entry.by}  {entry.action}  {_subject(entry)}"
        why = entry.details.get("why")
        words += f"  ({why})" if isinstance(why, str) and why else ""
        console.print(escape(escape_for_display(words, 500)), soft_wrap=True)


def _subject(entry: AuditEntry) -> str:
    """Return what an entry is about: of an exclusion, also of which kind it is and which decision was made."""
    target, numbers = entry.details.get("target"), entry.details.get("numbers")
    if entry.action != "exclude" or not isinstance(target, str) or not isinstance(numbers, list):
        return entry.subject
    return f"{target} {entry.subject}, decision {', '.join(map(str, numbers))}"
