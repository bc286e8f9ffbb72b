"""``evalkit studio serve``: the pages on which raters answer, and the organizer's page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evalkit.cli.options import as_json as json_option
from evalkit.cli.options import board_option, example, progress_on, quiet_option, say, workers_option

if TYPE_CHECKING:
    from evalkit.studio.serving import Running

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_BY = "studio"


@click.command(
    epilog=example(
        "evalkit studio serve plan.json --board board.sqlite --submissions zips/ --testset testset/",
        "evalkit studio serve plan.json -B board.sqlite --submissions zips/ --public-url https://rate.example.org",
    )
)
@click.argument("plan", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="PLAN")
@board_option
@click.option(
    "--submissions",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    metavar="FOLDER|LIST",
    help="The teams' ZIPs or folders, or the list of them that the plan was made with.",
)
@click.option("--testset", "-t", type=_FOLDER, help="The test set, for reference pictures and speech.")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8080,
    show_default=True,
    help="Port to listen on; 0 for any that is free.",
)
@click.option("--public-url", metavar="URL", help="How raters reach the studio, where a proxy stands before it.")
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="The studio's own folder (default: PLAN-studio beside the plan).",
)
@click.option("--leave-out", is_flag=True, help="Go on without videos that can't be shown.")
@click.option("--by", default=_BY, show_default=True, metavar="NAME", help="Name for the board's log.")
@workers_option
@quiet_option
@json_option
def serve(
    plan: Path,
    board: str,
    submissions: Path,
    testset: Path | None,
    host: str,
    port: int,
    public_url: str | None,
    data: Path | None,
    leave_out: bool,
    by: str,
    workers: int | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Serve the pages of the study PLAN until Ctrl-C or SIGTERM.

    Answers go into the studio's file, and from there into the board as soon as it can be written. After a crash, start
    the same command again: nothing is lost or doubled.
    """
    from evalkit.board import Board
    from evalkit.studio.serving import ServeOptions, open_studio
    from evalkit.studio.serving import serve as run
    from evalkit.workers.pool import default_workers

    options = ServeOptions(
        plan=plan,
        submissions=submissions if submissions.is_dir() else submissions.parent,
        testset=testset,
        data=data,
        host=host,
        port=port,
        public_url=public_url,
        leave_out=leave_out,
        by=by,
        workers=workers or default_workers(),
    )
    with Board.open(board) as opened, open_studio(opened, options, progress_on(quiet)) as running:
        _warn(running, host, public_url)
        _tell(running, as_json=as_json)
        run(running)
    say("Stopped. All answers are on the board.", err=True)


def _warn(running: Running, host: str, public_url: str | None) -> None:
    from evalkit.studio.serving import is_loopback, is_unspecified

    for note in running.notes:
        say(f"warning: {note}", err=True)
    if not is_loopback(host):
        say(
            f"warning: Everybody who reaches {host} can open the studio, and without TLS everybody on the way can read "
            "the links and answers. Let it listen on 127.0.0.1, put a proxy with TLS before it, such as 'caddy "
            "reverse-proxy --from rate.example.org --to 127.0.0.1:8080', and say --public-url https://rate.example.org.",
            err=True,
        )
    if is_unspecified(host) and public_url is None:
        say(f"warning: Nobody can open the links, which begin with {running.url}: say --public-url.", err=True)
    if is_loopback(host) and public_url is not None and public_url.startswith("http:"):
        say("warning: The public address is without TLS: everybody on the way can read links and answers.", err=True)


def _tell(running: Running, *, as_json: bool) -> None:
    if as_json:
        document = {
            "schema": 1,
            "url": running.url,
            "organizer": running.organizer_link,
            "join": running.join_link,
            "raters": len(running.study.raters),
            "answers": len(running.study.taken),
        }
        click.echo(json.dumps(document))
        return
    raters, answers = len(running.study.raters), len(running.study.taken)
    say(f"Serving {raters} raters' links at {running.url}; {answers} answers so far.")
    say(f"Organizer's page (keep the address to yourself): {running.organizer_link}")
    say(f"Join link, for platforms and for people without a link of their own: {running.join_link}")
