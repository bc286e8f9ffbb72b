"""``evalkit testset``: make and check test sets, and compute their references once."""

from __future__ import annotations

import click

from evalkit.cli.options import example
from evalkit.cli.testset.checking import check
from evalkit.cli.testset.fingerprinting import fingerprint
from evalkit.cli.testset.from_folder import from_folder
from evalkit.cli.testset.leaking import leaks
from evalkit.cli.testset.making import make
from evalkit.cli.testset.preparing import prepare
from evalkit.cli.testset.setups import setups
from evalkit.cli.testset.truth import from_truth, made_up_scores


@click.group(
    epilog=example(
        "evalkit testset make puppets/ --seed 1 --identities 12",
        "evalkit testset check testset/ --challenge challenge.yaml --backbones bundled",
        "evalkit testset prepare testset/ --challenge challenge.yaml -o testset.refpack",
    )
)
def testset() -> None:
    """Make and check test sets, and compute their references once for everybody."""


for command in (make, check, prepare, from_folder, setups, from_truth, made_up_scores, fingerprint, leaks):
    testset.add_command(command)
