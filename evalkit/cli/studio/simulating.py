"""``evalkit studio simulate``: what choosing pairs by the answers saves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from evalkit.cli.options import as_json as json_option
from evalkit.cli.options import example, progress_on, quiet_option, say

if TYPE_CHECKING:
    from evalkit.studio.simulation import SimulationResult

SHOWN_ROWS = 10


@click.command(
    epilog=example(
        "evalkit studio simulate --teams 8 --comparisons 300",
        "evalkit studio simulate --teams 12 --spread 1 --comparisons 600 --raters 10 --json",
    )
)
@click.option("--teams", type=click.IntRange(3, 40), default=8, show_default=True, help="How many teams.")
@click.option(
    "--spread",
    type=click.FloatRange(0, 10, min_open=True),
    default=2.0,
    show_default=True,
    help="Standard deviation of the teams' log strengths.",
)
@click.option(
    "--comparisons", type=click.IntRange(3, 20_000), default=300, show_default=True, help="Comparisons of each study."
)
@click.option("--seeds", type=click.IntRange(1, 100), default=5, show_default=True, help="Sets of teams.")
@click.option("--studies", type=click.IntRange(1, 1000), default=10, show_default=True, help="Studies of each set.")
@click.option("--raters", type=click.IntRange(1, 200), default=1, show_default=True, help="Who compare at once.")
@click.option("--seed", "-s", type=click.IntRange(0, 2**31), default=0, show_default=True, help="Another draw.")
@quiet_option
@json_option
def simulate(
    teams: int,
    spread: float,
    comparisons: int,
    seeds: int,
    studies: int,
    raters: int,
    seed: int,
    quiet: bool,
    as_json: bool,
) -> None:
    """Simulate studies of pairs: random, balanced, and chosen by the answers so far (plan --adaptive).

    The error is the share of pairs of teams in the wrong order. Says how many comparisons the others need for the error
    that random pairs have at the end.
    """
    from evalkit.studio.simulation import SimulationSetting
    from evalkit.studio.simulation import simulate as run

    setting = SimulationSetting(teams, spread, comparisons, seeds, studies, raters, seed)
    result = run(setting, progress_on(quiet))
    if as_json:
        click.echo(json.dumps({"schema": 1, **result.as_dict()}, indent=1))
    else:
        print_simulation(result)


def print_simulation(result: SimulationResult) -> None:
    """Print the errors as a table, and what each strategy needs."""
    from rich.console import Console
    from rich.table import Table

    from evalkit.text import count

    table = Table(header_style="bold", title="share of pairs in the wrong order", title_justify="left")
    table.add_column("comparisons", justify="right")
    for name in result.errors:
        table.add_column(name, justify="right")
    step = max(1, len(result.counts) // SHOWN_ROWS)
    for at in range(step - 1, len(result.counts), step):
        table.add_row(str(result.counts[at]), *(f"{errors[at]:.3f}" for errors in result.errors.values()))
    Console(highlight=False, emoji=False).print(table)
    end = result.errors["random"][-1]
    for name in ("balanced", "adaptive"):
        number, share = result.needed[name], result.shares[name]
        if number is None or share is None:
            say(f"{name}: does not reach the error of random pairs ({end:.3f}) within {result.counts[-1]} comparisons.")
        else:
            random = f"the error of {result.counts[-1]} random ones ({end:.3f})"
            say(f"{name}: {number} comparisons for {random}: {share:.0%}.")
    seeds = [("more" if one is None else f"{one:.0%}") for one in result.by_seed]
    say(f"adaptive, by seed ({count(result.setting.studies, 'study', 'studies')} each): {', '.join(seeds)}.")
