"""``evalkit table``: a paper's table from many runs."""

from __future__ import annotations

from pathlib import Path

import click

from evalkit.cli.options import as_json as json_option
from evalkit.cli.options import example, say

SUFFIXES = (".csv", ".tex", ".md", ".json")


@click.command(
    epilog=example(
        "evalkit table runs.yaml",
        "evalkit table runs.yaml -o table.tex -o table.csv",
        "evalkit table runs.yaml --json",
    )
)
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--output",
    "-o",
    "outputs",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write, by its suffix: .tex (booktabs), .csv, .md or .json; may be given several times.",
)
@click.option(
    "--mixed", is_flag=True, help="Let columns mix numbers that can't be compared; footnotes say which they are."
)
@json_option
def table(file: Path, outputs: tuple[Path, ...], mixed: bool, as_json: bool) -> None:
    """Make a table of the runs that FILE names.

    FILE is YAML (docs/yaml-files.md): rows are models or settings with the results of 'evalkit score' and 'evalkit
    distance' or plain numbers with their source, columns are metrics, by data set. The best number of a column is bold,
    the second underlined; a gap is a dash with a footnote. Numbers of other backbones, protocols, versions or real
    files in one column are an error. Without -o the table is printed as Markdown.
    """
    from evalkit import api
    from evalkit.files import write_text
    from evalkit.reports.paper_table import WRITERS, table_json, table_markdown

    for output in outputs:
        if output.suffix.lower() not in SUFFIXES:
            raise click.BadParameter(
                f"'{output}' has none of the suffixes {', '.join(SUFFIXES)}.", param_hint="'--output' / '-o'"
            )
    made = api.table(file, mixed=mixed)
    for output in outputs:
        write_text(output, WRITERS[output.suffix.lower()](made))
    if as_json:
        click.echo(table_json(made), nl=False)
    elif not outputs:
        click.echo(table_markdown(made), nl=False)  # what is untrusted in it is escaped
    else:
        for output in outputs:
            say(f"The table is in {output}.")
    for warning in made.warnings:
        say(f"warning: {warning}", err=True)
