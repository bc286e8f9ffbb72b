"""``evalkit weights``: list, download, import and verify the networks."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.options import as_json as json_option
from evalkit.cli.options import backbones_option, example, progress_on, quiet_option, say
from evalkit.text import count

if TYPE_CHECKING:
    from evalkit.weights.manifest import Backbones, WeightEntry

MACHINE = 4
INPUT = 1

for_option = click.option("--for", "metrics", metavar="A,B", help="Only what these metrics need (ids or aliases).")
challenge_option = click.option("--challenge", "-c", metavar="ID|FILE", help="Only what this challenge's metrics need.")


@click.group(
    epilog=example(
        "evalkit weights list",
        "evalkit weights pull --for identity,fid",
        "evalkit weights import /media/stick",
        "evalkit weights verify",
    )
)
def weights() -> None:
    """List, fetch, import and verify the networks that metrics need.

    They are stored in EVALKIT_WEIGHTS, else in the user's cache folder.
    """


@weights.command("list", epilog=example("evalkit weights list --json"))
@backbones_option
@json_option
def list_(backbones: str, as_json: bool) -> None:
    """List the files of a set: size, licence, how the digest is known, state, and the features that use them."""
    from evalkit.weights.manifest import load_backbones
    from evalkit.weights.store import folder_of

    loaded = load_backbones(backbones)
    folder = folder_of(loaded)
    rows = _rows(loaded, loaded.roles)
    if as_json:
        document = {"schema": 1, "backbones": loaded.name, "folder": str(folder), "files": rows}
        click.echo(json.dumps(document, indent=1))
        return
    _print_rows(rows)
    there = sum(row["state"] == "there" for row in rows)
    others = "" if there == len(rows) else " 'evalkit weights pull' fetches the others."
    say(f"{there} of {len(rows)} there, in {folder}.{others}")


@weights.command(
    "pull",
    epilog=example(
        "evalkit weights pull --for identity",
        "evalkit weights pull inception syncnet --accept-licence",
    ),
)
@click.argument("names", nargs=-1, metavar="[ROLE|FILE]...")
@backbones_option
@for_option
@challenge_option
@click.option("--accept-licence", is_flag=True, help="Accept the licences without being asked.")
@quiet_option
@json_option
def pull(
    names: tuple[str, ...],
    backbones: str,
    metrics: str | None,
    challenge: str | None,
    accept_licence: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Fetch weights from their addresses: all of the set, or the ones named by role or file.

    An interrupted download continues where it stopped. A file gets its name only after its digest was checked. Exit
    code 4 when a file could not be fetched or a licence was not accepted.
    """
    from evalkit.weights import pull as pulling
    from evalkit.weights.manifest import load_backbones
    from evalkit.weights.store import file_state, weights_folder

    loaded = _fetched(load_backbones(backbones))
    chosen = _chosen(loaded, names, metrics, challenge)
    folder = weights_folder()
    absent = [entry for entry in chosen.values() if file_state(entry, folder).state != "there"]
    siblings = pulling.with_siblings(loaded, absent)
    to_fetch = {file: entry for file, entry in siblings.items() if file_state(entry, folder).state != "there"}
    _settle_licences(folder, list(to_fetch.values()), accept_licence)
    results = pulling.pull(loaded, [*to_fetch.values(), *chosen.values()], folder, progress_on(quiet))
    failed = [result for result in results if result.result == "failed"]
    if as_json:
        files = [
            {"file": result.file, "result": result.result, "source": result.source, "error": result.error}
            for result in results
        ]
        click.echo(json.dumps({"schema": 1, "ok": not failed, "folder": str(folder), "files": files}, indent=1))
    else:
        for result in results:
            detail = result.error or (f"from {result.source}" if result.source else "")
            say(f"{result.result:8} {result.file}  {detail}".rstrip())
        say(f"{len(results) - len(failed)} of {count(len(results), 'file is', 'files are')} in {folder}.")
    if failed:
        raise click.exceptions.Exit(MACHINE)


@weights.command(
    "import", epilog=example("evalkit weights import /media/stick", "evalkit weights import buffalo_l.zip")
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@backbones_option
@quiet_option
@json_option
def import_(paths: tuple[Path, ...], backbones: str, quiet: bool, as_json: bool) -> None:
    """Copy weights from PATHS (folders, ZIPs, .tar.gz or files), recognised by their digests, whatever their names.

    For machines without a network. Exit code 1 when a file has a known name and other content, or when nothing of the
    set was found.
    """
    from evalkit.text import escape_for_display
    from evalkit.weights.imports import import_weights
    from evalkit.weights.licences import licence_lines
    from evalkit.weights.manifest import load_backbones
    from evalkit.weights.store import weights_folder

    loaded = _fetched(load_backbones(backbones))
    folder = weights_folder()
    report = import_weights(loaded, paths, folder, progress_on(quiet))
    wrong = report.of("wrong")
    ok = not wrong and bool(report.of("imported") or report.of("there"))
    new = {file for seen in report.of("imported") for file in seen.files}
    if as_json:
        seen = [
            {"path": seen.path, "verdict": seen.verdict, "files": list(seen.files), "detail": seen.detail}
            for seen in report.seen
        ]
        document = {"schema": 1, "ok": ok, "folder": str(folder), "seen": seen, "missing": report.missing}
        click.echo(json.dumps(document, indent=1))
    else:
        for item in report.seen:
            if item.verdict != "extra":
                detail = f": {escape_for_display(item.detail, 500)}" if item.detail else ""
                say(f"{item.verdict:8} {', '.join(item.files)}  from {escape_for_display(item.path, 500)}{detail}")
        extra = len(report.of("extra"))
        say(f"{len(new)} imported, {len(wrong)} wrong, {extra} others ignored; folder {folder}.")
        if report.missing:
            say(f"Still missing: {', '.join(report.missing)}.")
        questions: dict[str, list[WeightEntry]] = {}
        for entry in {entry.file: entry for entry in loaded.roles.values() if entry.file in new}.values():
            questions.setdefault(entry.licence_text, []).append(entry)
        for line in licence_lines(questions):
            say(line, err=True)
    if not ok:
        raise click.exceptions.Exit(INPUT)


@weights.command("verify", epilog=example("evalkit weights verify", "evalkit weights verify --for fid --json"))
@click.argument("names", nargs=-1, metavar="[ROLE|FILE]...")
@backbones_option
@for_option
@challenge_option
@json_option
def verify(names: tuple[str, ...], backbones: str, metrics: str | None, challenge: str | None, as_json: bool) -> None:
    """Hash the files of a set, or the ones named, and compare. Exit code 4 when one is wrong or missing."""
    from evalkit.errors import StorageError
    from evalkit.weights.manifest import load_backbones
    from evalkit.weights.store import folder_of
    from evalkit.weights.trust import trust

    loaded = load_backbones(backbones)
    files = _chosen(loaded, names, metrics, challenge)
    rows = _rows(loaded, {role: entry for role, entry in loaded.roles.items() if entry.file in files})
    ok = all(row["state"] == "there" for row in rows)
    folder = folder_of(loaded)
    for row in rows:
        if row["state"] == "there":
            try:
                notice = trust(folder, files[row["file"]], row["sha256"], "found in the weights folder")
            except StorageError as error:
                notice = str(error)
            if notice:
                say(f"warning: {notice}", err=True)
    if as_json:
        click.echo(json.dumps({"schema": 1, "ok": ok, "backbones": loaded.name, "files": rows}, indent=1))
    else:
        for row in rows:
            detail = row["sha256"] or row["error"] or ""
            expected = (
                f" and not {row['expected'] or row['expected_prefix'] + '...'}" if row["state"] == "wrong" else ""
            )
            say(f"{row['state']:10} {row['role']}: {row['file']}  {detail}{expected}".rstrip())
        right = sum(row["state"] == "there" for row in rows)
        say(f"{right} of {len(rows)} right, in {folder}.")
    if not ok:
        raise click.exceptions.Exit(MACHINE)


def _fetched(loaded: Backbones) -> Backbones:
    """Return the set, unless its files are part of evalkit: then there is nothing to fetch or import."""
    from evalkit.errors import UsageError

    if loaded.packaged:
        raise UsageError(
            f"The backbones '{loaded.name}' come with evalkit: there is nothing to fetch.",
            fix="'evalkit weights verify --backbones bundled' checks them.",
        )
    return loaded


def _chosen(
    loaded: Backbones, names: Sequence[str], metrics: str | None, challenge: str | None
) -> dict[str, WeightEntry]:
    """Return file -> entry for everything that the arguments and options name together."""
    from evalkit.weights.pull import select

    roles: list[str] = []
    if metrics is not None:
        roles += roles_for_metrics([name.strip() for name in metrics.split(",") if name.strip()])
    if challenge is not None:
        found, unknown = roles_for_challenge(challenge)
        roles += found
        if unknown:
            say(f"not installed, so not counted: {', '.join(unknown)}", err=True)
    absent = sorted({role for role in roles if role not in loaded.roles and role in _required()})
    if absent:
        say(f"the backbones '{loaded.name}' have no {', '.join(absent)}", err=True)
    words = [*names, *(role for role in roles if role in loaded.roles)]
    if not words and (metrics is not None or challenge is not None):
        return {}
    return select(loaded, words)


def _rows(loaded: Backbones, roles: dict[str, WeightEntry]) -> list[dict[str, Any]]:
    from evalkit.weights.manifest import DIGEST_WORDS
    from evalkit.weights.store import file_state, folder_of
    from evalkit.weights.trust import trusted_digest

    folder = folder_of(loaded)
    users = features_by_role()
    rows = []
    for role, entry in roles.items():
        found = file_state(entry, folder)
        trusted = trusted_digest(folder, entry.file) if entry.first_use else None
        rows.append(
            {
                "role": role,
                "file": entry.file,
                "bytes": entry.bytes,
                "licence": entry.licence,
                "noncommercial": entry.noncommercial,
                "citation": entry.citation,
                "digest": entry.digest,
                "digest_is": DIGEST_WORDS[entry.digest],
                "expected": entry.sha256 or trusted,
                "expected_prefix": entry.sha256_prefix or "",
                "trusted_on_first_use": trusted is not None,
                "state": found.state,
                "sha256": found.sha256,
                "error": found.error,
                "features": users.get(role, []),
                "urls": [*(loaded.archives[entry.archive].urls if entry.archive else ()), *entry.urls],
            }
        )
    return rows


def _print_rows(rows: Sequence[dict[str, Any]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from evalkit.text import escape_for_display

    table = Table(header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for title in ("role", "file", "size", "state", "licence", "digest", "features"):
        table.add_column(title, justify="right" if title == "size" else "left", overflow="fold")
    for row in rows:
        mark = " (NON-COMMERCIAL)" if row["noncommercial"] else ""
        trusted = f", trusted {row['expected'][:8]}" if row["trusted_on_first_use"] else ""
        cells = (
            row["role"],
            row["file"],
            f"{row['bytes']:,}" if row["bytes"] else "?",
            row["state"],
            row["licence"] + mark,
            row["digest"] + trusted,
            ", ".join(row["features"]) or "none yet",
        )
        table.add_row(*(escape(escape_for_display(str(cell))) for cell in cells))
    console = Console(highlight=False, emoji=False)
    if not console.is_terminal:
        console = Console(highlight=False, emoji=False, width=200)
    console.print(table)


def _settle_licences(folder: Path, entries: Sequence[WeightEntry], accepted: bool) -> None:
    """Show the licences that are new to this folder, and ask.

    Raises:
        MachineError: when they were not accepted.
    """
    from evalkit.errors import MachineError
    from evalkit.weights.licences import accept, licence_lines, unaccepted_licences

    questions = unaccepted_licences(folder, entries)
    if not questions:
        return
    click.echo("These files have licences of their own:", err=True)
    for line in licence_lines(questions):
        say(f"  {line}", err=True)
    if not accepted and sys.stdin.isatty() and sys.stderr.isatty():
        accepted = click.confirm("Do you accept them?", default=False, err=True)
    elif not accepted:
        raise MachineError(
            f"{len(questions)} licences were not accepted, and there is no terminal to ask for it.",
            found=", ".join(f"'{licence}'" for licence in sorted(questions)),
            fix="Read them, then run the same command with --accept-licence.",
        )
    if not accepted:
        raise MachineError("The licences were not accepted, so nothing was fetched.")
    accept(folder, questions)


def features_by_role() -> dict[str, list[str]]:
    """Return role -> the names of the installed features that read it, sorted."""
    from evalkit.metrics.features.base import feature_registry

    users: dict[str, list[str]] = {}
    for name, extractor in sorted(feature_registry().items()):
        for role in (*extractor.record.weights, *extractor.record.optional_weights):
            users.setdefault(role, []).append(name)
    return users


def roles_for_metrics(names: Sequence[str]) -> list[str]:
    """Return the roles that metrics (ids or aliases) need, sorted.

    Raises:
        UsageError: when there is no such metric.
    """
    from evalkit.metrics.base import metric_registry, resolve_metric

    registry = metric_registry()
    return _roles(registry[resolve_metric(name, registry)].record.features for name in names)


def roles_for_challenge(challenge: str) -> tuple[list[str], list[str]]:
    """Return the roles that a challenge's metrics need, and its metrics that are not installed.

    Raises:
        ChallengeError, UsageError: when there is no such challenge, or its file is at fault.
    """
    from evalkit.challenges.model import load_challenge
    from evalkit.metrics.base import metric_registry

    registry = metric_registry()
    by_name = {alias: metric for metric in registry.values() for alias in metric.record.aliases} | dict(registry)
    asked = [entry.id for entry in load_challenge(challenge).metrics] or sorted(registry)
    unknown = [name for name in asked if name not in by_name]
    return _roles(by_name[name].record.features for name in asked if name in by_name), unknown


def _required() -> set[str]:
    """Return the roles without which some feature can't be computed; the others may be absent from a set."""
    from evalkit.metrics.features.base import feature_registry

    return {role for extractor in feature_registry().values() for role in extractor.record.weights}


def _roles(features: Iterable[Iterable[str]]) -> list[str]:
    from evalkit.metrics.features.base import feature_registry, in_order

    registry = feature_registry()
    names = {name for group in features for name in group if name in registry}
    records = [registry[name].record for name in in_order(names, registry)]
    return sorted({role for record in records for role in (*record.weights, *record.optional_weights)})
