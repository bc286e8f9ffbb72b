"""The command line. One module per command; each imports what it needs only when it runs."""

from __future__ import annotations

import io
import json
import sys
import traceback
from typing import TYPE_CHECKING, NoReturn

import click

from evalkit._version import __version__
from evalkit.cli.baseline import baseline
from evalkit.cli.board import board
from evalkit.cli.challenges import challenges
from evalkit.cli.compare import compare
from evalkit.cli.crosscheck import crosscheck
from evalkit.cli.demo import demo
from evalkit.cli.doctor import doctor
from evalkit.cli.leaderboard import leaderboard
from evalkit.cli.metrics import metrics
from evalkit.cli.ratings import ratings
from evalkit.cli.score import score
from evalkit.cli.stopping import heard, words_for
from evalkit.cli.testset import testset
from evalkit.cli.validate import validate
from evalkit.cli.weights import weights

if TYPE_CHECKING:
    from evalkit.errors import EvalkitError

INTERRUPTED = 130


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Example:
  evalkit validate team.zip --challenge talking-head --testset testset/
  evalkit score team.zip --challenge talking-head --testset testset/ -o team/
  evalkit leaderboard --board board.sqlite -o leaderboard.html

\b
Exit codes: 0 done and clean; 1 the submission or input is at fault; 2 usage;
3 done but incomplete; 4 the environment is at fault; 130 interrupted.""",
)
@click.version_option(__version__, prog_name="evalkit")
@click.option("--debug", is_flag=True, help="Show a traceback with every error.")
def cli(debug: bool) -> None:
    """Score submissions to video-generation challenges, import human ratings, publish the leaderboard."""
    del debug  # read from the arguments by `main`, which also sees errors raised before this runs


COMMANDS = (
    validate,
    score,
    compare,
    board,
    ratings,
    leaderboard,
    challenges,
    metrics,
    testset,
    baseline,
    demo,
    doctor,
    weights,
    crosscheck,
)
for command in COMMANDS:
    cli.add_command(command)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code."""
    from evalkit.errors import EvalkitError
    from evalkit.text import neutralise

    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    try:
        with heard():
            # Without standalone mode click hands the code of an Exit back as the result.
            code = cli.main(args=arguments, prog_name="evalkit", standalone_mode=False)
    except click.ClickException as error:
        _show_usage(error)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo(words_for(arguments), err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.exit(0)
    except EvalkitError as error:
        _show(error, as_json="--json" in arguments, debug=debug)
        sys.exit(error.exit_code)
    except Exception as error:
        if debug:
            raise
        click.echo(f"error: evalkit itself failed: {type(error).__name__}: {neutralise(str(error), 2000)}", err=True)
        click.echo("This is a bug. Run again with --debug and report what it prints.", err=True)
        sys.exit(4)
    sys.exit(code if isinstance(code, int) else 0)


def _show_usage(error: click.ClickException) -> None:
    """Show what click says; it quotes the words of the call, and those may be file names that strangers chose."""
    from evalkit.text import neutralise

    shown = io.StringIO()
    error.show(file=shown)
    for line in shown.getvalue().rstrip().split("\n"):
        click.echo(neutralise(line, limit=2000), err=True)


def _show(error: EvalkitError, *, as_json: bool, debug: bool) -> None:
    from evalkit.text import neutralise

    if debug:
        for line in traceback.format_exc().splitlines():
            click.echo(neutralise(line, limit=2000), err=True)
    for line in str(error).splitlines():
        click.echo(f"error: {neutralise(line, limit=2000)}", err=True)
    if as_json:
        document = {
            "schema": 1,
            "ok": False,
            "error": {
                "kind": type(error).__name__,
                "message": error.what,
                "found": error.found,
                "expected": error.expected,
                "fix": error.fix,
                "exit_code": error.exit_code,
            },
        }
        click.echo(json.dumps(document, indent=1))
