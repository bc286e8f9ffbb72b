"""``evalkit cache``: shows what the feature cache holds, and removes what is too old or too much."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evalkit.cli.options import as_json as json_option
from evalkit.cli.options import cache_option, example, progress_on, quiet_option, say

if TYPE_CHECKING:
    from evalkit.scoring.pruning import CacheContents


@click.group(
    epilog=example("evalkit cache list", "evalkit cache prune --obsolete", "evalkit cache prune --keep 20G --dry-run")
)
def cache() -> None:
    """Show what the feature cache holds, and remove what is too old or too much.

    The cache is in EVALKIT_CACHE, else in the user's cache folder. What is removed is computed again when a run needs
    it.
    """


@cache.command("list", epilog=example("evalkit cache list", "evalkit cache list --json"))
@cache_option
@quiet_option
@json_option
def list_(cache: Path | str | None, quiet: bool, as_json: bool) -> None:
    """List the features in the cache: entries, size, version, age, and whether anything still reads them.

    "obsolete" entries are of a version of the feature that this evalkit doesn't compute any more; "not installed"
    ones of a feature that no package registers here; of "unknown" ones the version was not recorded.
    """
    from evalkit.api.caches import list_cache

    contents = list_cache(cache, progress=progress_on(quiet))
    if as_json:
        click.echo(json.dumps(contents.to_json(), indent=1))
        return
    for line in _table(contents):
        say(line)


@cache.command(
    "prune",
    epilog=example(
        "evalkit cache prune --obsolete --older-than 30d", "evalkit cache prune --keep 20G --dry-run --json"
    ),
)
@click.option("--keep", metavar="SIZE", help="Keep at most this much, such as 20G; what was used last stays.")
@click.option("--older-than", metavar="AGE", help="Remove what was not used for so long, such as 30d, 12h or 2w.")
@click.option("--obsolete", is_flag=True, help="Remove entries of feature versions that nothing reads any more.")
@click.option("--dry-run", is_flag=True, help="Remove nothing; say what would be removed.")
@click.option("--wait", is_flag=True, help="Wait for runs that use the cache (default: stop with exit code 4).")
@cache_option
@quiet_option
@json_option
def prune(
    keep: str | None,
    older_than: str | None,
    obsolete: bool,
    dry_run: bool,
    wait: bool,
    cache: Path | str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Remove entries of the cache by size, by age, or of versions that nothing reads any more.

    Nothing is removed while a run uses the cache, and a run that starts meanwhile waits for the end. Files that evalkit
    didn't write are never touched. Of a cache at an address the local copy is pruned.
    """
    from evalkit.api.caches import prune_cache

    report = prune_cache(
        cache,
        keep=keep,
        older_than=older_than,
        obsolete=obsolete,
        dry_run=dry_run,
        wait=wait,
        progress=progress_on(quiet),
    )
    if as_json:
        click.echo(json.dumps(report.to_json(), indent=1))
        return
    removed = f"{_entries(len(report.removed))} of {_size(report.removed_bytes)}"
    kept = f"{_entries(len(report.kept))} of {_size(report.kept_bytes)}"
    said = f"would be removed, {kept} would stay" if dry_run else f"removed, {kept} stay"
    say(f"{removed} {said}, in {report.folder}.")


def _table(contents: CacheContents) -> list[str]:
    now = time.time()
    rows = [("feature", "version", "entries", "size", "written", "last used", "state")]
    for group in contents.groups:
        version = "-" if group.version is None else str(group.version)
        size, written = _size(group.bytes), _ages(now - group.newest, now - group.oldest)
        last = _ages(now - group.last_used, now - group.last_used)
        rows.append((group.feature, version, f"{group.entries:,}", size, written, last, group.state))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    right = {1, 2, 3}
    lines = []
    if len(rows) > 1:
        for row in rows:
            cells = [
                cell.rjust(width) if column in right else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            lines.append("  ".join(cells).rstrip())
    obsolete = [entry for entry in contents.entries if entry.state == "obsolete"]
    lines.append(f"{_entries(len(contents.entries))} of {_size(contents.bytes)} in {contents.folder}.")
    if obsolete:
        size = _size(sum(entry.bytes for entry in obsolete))
        which = f"{_entries(len(obsolete))} of {size} {'is' if len(obsolete) == 1 else 'are'} obsolete"
        lines.append(f"{which}; 'evalkit cache prune --obsolete' removes {'it' if len(obsolete) == 1 else 'them'}.")
    return lines


def _entries(number: int) -> str:
    from evalkit.text import count

    return count(number, "entry", "entries")


def _size(size: int) -> str:
    for unit, one in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= one:
            return f"{size / one:.1f} {unit}"
    return f"{size} B"


def _ages(least: float, most: float) -> str:
    """Return two ages in seconds as days: ``today``, ``1 day ago``, ``0-12 days ago``."""
    first, last = (int(max(0.0, seconds) // 86400) for seconds in (least, most))
    if last == 0:
        return "today"
    return f"{last} day{'s' if last > 1 else ''} ago" if first == last else f"{first}-{last} days ago"
