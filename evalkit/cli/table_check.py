"""``evalkit table-check``: whether published figures agree with each other and with what is said of them."""

from __future__ import annotations

import json
from pathlib import Path

import click

from evalkit.cli.options import as_json as json_option
from evalkit.cli.options import example, say

AT_FAULT, INCOMPLETE = 1, 3
_ORDER = ("fails", "suspicious", "open", "note", "holds")


@click.command(
    "table-check",
    epilog=example(
        "evalkit table-check figures.yaml",
        "evalkit table-check results.csv",
        "evalkit table-check figures.yaml --json",
    ),
)
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@json_option
@click.pass_context
def table_check(context: click.Context, file: Path, as_json: bool) -> None:
    """Check the figures that a paper or a leaderboard publishes.

    FILE is YAML (docs/yaml-files.md) with the tables as they are printed and what is said of them: sums, rows that are
    one run, best rows, totals that follow from other columns; or the CSV file of one table. Rows and cells that agree
    digit by digit with others are found without being told, as are columns that rank the rows alike.

    Exit code 1: something doesn't agree, or rows look copied; 3: numbers are missing to judge something.
    """
    from dataclasses import asdict

    from evalkit import api
    from evalkit.text import count

    found = api.table_check(file)
    if as_json:
        document = {"schema": 1, "kind": "table-check", "clean": found.clean, "complete": found.complete}
        click.echo(json.dumps({**document, **asdict(found)}, ensure_ascii=True, allow_nan=False, indent=1))
    else:
        say(f"{found.title or file.name}: {count(found.tables, 'table')}, {count(found.cells, 'number')}")
        for one in sorted(found.findings, key=lambda one: _ORDER.index(one.verdict)):
            line = f" (line {one.line})" if one.line is not None else ""
            say(f"{one.verdict:<10}  {one.text}{line}")
            if one.said and one.verdict != "holds":
                say(f"{'':<10}  said: {one.said}")
    if not found.clean:
        context.exit(AT_FAULT)
    if not found.complete:
        context.exit(INCOMPLETE)
