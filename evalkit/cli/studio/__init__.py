"""``evalkit studio``: collect ratings of people."""

from __future__ import annotations

import click

from evalkit.cli.options import example
from evalkit.cli.studio.exporting import export, returned
from evalkit.cli.studio.planning import plan
from evalkit.cli.studio.serve import serve
from evalkit.cli.studio.simulating import simulate


@click.group(
    epilog=example(
        "evalkit studio plan --board board.sqlite --submissions zips/ --testset testset/ --raters 24 -o plan.json",
        "evalkit studio serve plan.json --board board.sqlite --submissions zips/ --testset testset/",
    )
)
def studio() -> None:
    """Collect ratings: plan who sees what, and serve the pages on which people answer."""


for command in (plan, serve, export, returned, simulate):
    studio.add_command(command)
