"""Commands about scorecards: adding them, and whose signatures count."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from evalkit.cli.board.teams import why_option
from evalkit.cli.options import (
    backbones_option,
    board_option,
    by_option,
    cache_option,
    example,
    progress_on,
    quiet_option,
    say,
    who,
    workers_option,
)

if TYPE_CHECKING:
    from evalkit.challenges.model import Challenge
    from evalkit.scoring.scorecard import Scorecard
    from evalkit.signing import PublicKey, Signed


@click.command(
    epilog=example(
        "evalkit board add lumen lumen.zip --board board.sqlite --new-team --testset testset/",
        "evalkit board add lumen lumen-scorecard/ --board board.sqlite --new-team --submission lumen.zip",
        "evalkit board add lumen second/ --board board.sqlite --run second --primary",
        "evalkit board add lumen again/ --board board.sqlite --why 'the reference of s07 was wrong'",
    )
)
@click.argument("team")
@click.argument("scorecard", type=click.Path(exists=True, path_type=Path))
@board_option
@click.option("--run", "-r", default="1", show_default=True, help="What the team calls this submission.")
@click.option("--primary/--no-primary", default=None, help="Let it compete (default: when it is the team's first).")
@click.option("--new-team", is_flag=True, help="Add the team when it is not on the board yet.")
@click.option(
    "--submission",
    type=click.Path(exists=True, path_type=Path),
    help="The ZIP or folder that was scored; frames of it are kept for the leaderboard.",
)
@click.option(
    "--testset",
    "-t",
    type=click.Path(exists=True, path_type=Path),
    help="Score SCORECARD, which is a submission, on this test set.",
)
@backbones_option
@click.option("--why", metavar="TEXT", help="The reason, for the log; needed where a scorecard is replaced.")
@click.option(
    "--allow-shared", is_flag=True, help="Add it though another team has the same videos on the board; with --why."
)
@workers_option
@cache_option
@quiet_option
@by_option
def add(
    team: str,
    scorecard: Path,
    board: str,
    run: str,
    primary: bool | None,
    new_team: bool,
    submission: Path | None,
    testset: Path | None,
    backbones: str,
    why: str | None,
    allow_shared: bool,
    workers: int | None,
    cache: Path | str | None,
    quiet: bool,
    by: str | None,
) -> None:
    """Add a run of TEAM: SCORECARD is a folder that 'evalkit score' wrote, or its scorecard.json.

    With --testset it is a submission, which is scored here. A scorecard that comes as a file counts as scored by the
    organizer only with a signature beside it (scorecard.json.sig) of a key that the board trusts.

    A run that is there already gets the new scorecard, with --why; the old one stays in the board's past.
    """
    from evalkit.board import Board
    from evalkit.cli.board.media import submission_strips
    from evalkit.scoring.shared_cache import open_place
    from evalkit.text import count, escape_for_display

    if allow_shared and why is None:
        raise click.UsageError("--allow-shared needs the reason: --why TEXT.")
    signed: Signed | None = None
    if testset is not None:
        with Board.open(board) as opened:
            rules = opened.challenge()
        card = _scored(scorecard, rules, testset, backbones, workers, cache, quiet=quiet)
        submission = submission or scorecard
    else:
        card, signed = read_signed(scorecard)
    strips = None
    if submission is not None:
        strips = submission_strips(card, submission, open_place(cache), workers, progress_on(quiet))
    with Board.open(board) as opened:
        done = opened.add_run(
            team,
            run,
            card,
            by=who(by),
            primary=primary,
            strips=strips,
            why=why,
            allow_shared=allow_shared,
            scored_here=testset is not None,
            signed=signed,
            new_team=new_team,
        )
        trusted, samples = opened.trusted_keys(), opened.challenge().testset.samples
    click.echo(escape_for_display(f"{team}, run {run}: {done}."))
    if samples is not None and len(card.videos) != samples:
        say(
            f"warning: the scorecard has {count(len(card.videos), 'sample')}, the challenge's test set has {samples} "
            "(testset.samples of its rules): runs of another number of samples will be refused.",
            err=True,
        )
    if signed is not None:
        fingerprint = signed.key.fingerprint
        if fingerprint in trusted:
            say(f"Signed by {fingerprint}: it counts as scored by the organizer.")
        else:
            say(
                f"warning: signed by {fingerprint}, which the board does not trust: it counts as handed in. "
                "'evalkit board trust KEY.pub --why TEXT' changes that.",
                err=True,
            )


def _scored(
    submission: Path,
    rules: Challenge,
    testset: Path,
    backbones: str,
    workers: int | None,
    cache: Path | str | None,
    *,
    quiet: bool,
) -> Scorecard:
    """Return what a submission scores by the board's rules."""
    from evalkit import api

    progress = progress_on(quiet)
    return api.score(submission, rules, testset, backbones=backbones, workers=workers, cache=cache, progress=progress)


def read_signed(place: Path) -> tuple[Scorecard, Signed | None]:
    """Return a scorecard and the signature that lies beside it, which is checked; ``None`` where there is none."""
    import zipfile

    from evalkit.errors import InputError
    from evalkit.scoring.scorecard import Scorecard
    from evalkit.signing import check_signature, read_signature

    if place.is_file() and zipfile.is_zipfile(place):
        raise InputError(
            f"{place} is a ZIP, not a scorecard.", fix="To score it here, give the test set: '--testset FOLDER'."
        )
    card, file, data = Scorecard.read(place)
    text = read_signature(file)
    return card, None if text is None else check_signature(data, text, f"The signature {file.name}.sig")


@click.command(
    epilog=example(
        "evalkit board trust organizers.pub --board board.sqlite --why 'the key of the scoring server'",
        "evalkit board trust organizers.pub --remove --board board.sqlite --why 'the server was broken into'",
        "evalkit board trust SHA256:i2gm54XXc0xJ3S6GqBkFzD0c5sfbvA0p1Y1Q8mRwI4E --remove --why 'the key was lost'",
    )
)
@click.argument("key")
@board_option
@click.option("--remove", "gone", is_flag=True, help="Trust it no longer.")
@why_option
@by_option
def trust(key: str, board: str, gone: bool, why: str, by: str | None) -> None:
    """Let signatures of KEY say that the organizer scored a run. KEY is a .pub file of OpenSSH with an Ed25519 key.

    'evalkit score --sign' makes such signatures. With --remove, KEY may be the fingerprint that 'board list' shows; all
    that it signed counts as handed in from then on.
    """
    from evalkit.board import Board
    from evalkit.signing import is_fingerprint, load_public_key

    given: PublicKey | None = None if gone and is_fingerprint(key) else load_public_key(Path(key))
    fingerprint = key if given is None else given.fingerprint
    with Board.open(board) as opened:
        if gone or given is None:
            opened.distrust(fingerprint, by=who(by), why=why)
            say(f"The board trusts {fingerprint} no longer.")
        elif opened.trust(given, by=who(by), why=why):
            say(f"The board trusts {fingerprint}.")
        else:
            say(f"The board trusts {fingerprint} already.")
