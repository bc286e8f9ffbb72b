"""``evalkit studio``: collect ratings of people."""

from __future__ import annotations

import click

from evalkit.cli.options import example
from evalkit.cli.studio.planning import plan


@click.group(
    epilog=example(
        "evalkit studio plan --board board.sqlite --submissions zips/ --testset testset/ --raters 24 -o plan.json",
    )
)
def studio() -> None:
    """Collect ratings: plan who sees what."""


for command in (plan,):
    studio.add_command(command)
