"""The command line. One module per command; each imports what it needs only when it runs."""

from __future__ import annotations

import io
import json
import sys
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

import click

from evalkit._version import __version__
from evalkit.cli import output
from evalkit.cli.baseline import baseline
from evalkit.cli.board import board
from evalkit.cli.cache import cache
from evalkit.cli.challenges import challenges
from evalkit.cli.compare import compare
from evalkit.cli.crosscheck import crosscheck
from evalkit.cli.demo import demo
from evalkit.cli.distance import distance
from evalkit.cli.doctor import doctor
from evalkit.cli.fairness import fairness
from evalkit.cli.features import features
from evalkit.cli.host import host
from evalkit.cli.leaderboard import leaderboard
from evalkit.cli.merge import merge
from evalkit.cli.metrics import metrics
from evalkit.cli.options import DEBUG
from evalkit.cli.pack import pack
from evalkit.cli.ratings import ratings
from evalkit.cli.repair import repair
from evalkit.cli.score import score
from evalkit.cli.score_all import score_all
from evalkit.cli.signals import handle_termination_signals, interruption_message
from evalkit.cli.speed import speed
from evalkit.cli.studio import studio
from evalkit.cli.table import table
from evalkit.cli.table_check import table_check
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
    repair,
    pack,
    score,
    score_all,
    distance,
    table,
    table_check,
    merge,
    compare,
    fairness,
    board,
    ratings,
    studio,
    leaderboard,
    challenges,
    metrics,
    features,
    testset,
    baseline,
    speed,
    host,
    demo,
    doctor,
    weights,
    cache,
    crosscheck,
)
for command in COMMANDS:
    cli.add_command(command)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    debug = "--debug" in options
    rest = arguments[len(options) :]
    output.prepare()
    code = _run([word for word in options if word != "--debug"] + rest, as_json="--json" in options, debug=debug)
    problem = output.failure()
    if problem is not None:
        code = code or _unwritable(problem)
        output.abandon()
    sys.exit(code)


def _run(arguments: list[str], *, as_json: bool, debug: bool) -> int:
    """Return the exit code; what is still in standard output's memory is `main`'s business."""
    from evalkit.errors import EvalkitError

    try:
        with handle_termination_signals():
            # Without standalone mode click returns the code of an Exit as the result.
            code = cli.main(args=arguments, prog_name="evalkit", standalone_mode=False, obj={DEBUG: debug})
    except click.ClickException as error:
        _show_usage(error, as_json=as_json)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        from evalkit.files import abandon_parts

        abandon_parts()
        click.echo(interruption_message(arguments), err=True)
        return INTERRUPTED
    except SystemExit as stop:
        if not isinstance(stop.__context__, BrokenPipeError):
            raise
        output.abandon()  # click's way to say that the reader of the output is gone
        return 0
    except EvalkitError as error:
        _show(error, as_json=as_json, debug=debug)
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - reported as a bug, or raised again with --debug
        return _failed(error, debug=debug)
    return code if isinstance(code, int) else 0


def _failed(error: Exception, *, debug: bool) -> int:
    """Report an unexpected error; return the exit code."""
    from evalkit.text import escape_for_display

    if isinstance(error, OSError) and error.filename is None and output.failure(probe=True) is not None:
        return _unwritable(error)
    if debug:
        raise error
    click.echo(
        f"error: evalkit itself failed: {type(error).__name__}: {escape_for_display(str(error), 5000)}", err=True
    )
    click.echo("This is a bug. Run again with --debug and report what it prints.", err=True)
    return 4


def _unwritable(problem: OSError) -> int:
    """Give up standard output and return the exit code; a reader that closed the pipe is not an error."""
    output.abandon()
    if isinstance(problem, BrokenPipeError):
        return 0
    click.echo(f"error: The output can't be written. Found: {problem.strerror}.", err=True)
    return 4


def _show_usage(error: click.ClickException, *, as_json: bool) -> None:
    """Show click's message; it quotes the arguments, which may be untrusted file names."""
    from evalkit.text import escape_for_display

    shown = io.StringIO()
    error.show(file=shown)
    for line in shown.getvalue().rstrip().split("\n"):
        click.echo(escape_for_display(line, limit=5000), err=True)
    if as_json:
        _print_error({"kind": "UsageError", "message": error.format_message()}, error.exit_code)


def _show(error: EvalkitError, *, as_json: bool, debug: bool) -> None:
    from evalkit.text import escape_for_display

    if debug:
        for line in traceback.format_exc().splitlines():
            click.echo(escape_for_display(line, limit=5000), err=True)
    for line in str(error).splitlines():
        click.echo(f"error: {escape_for_display(line, limit=5000)}", err=True)
    if as_json:
        fields = {"kind": type(error).__name__, "message": error.what, "found": error.found, "expected": error.expected}
        _print_error({**fields, "fix": error.fix}, error.exit_code)


def _print_error(fields: dict[str, str | None], exit_code: int) -> None:
    """Print the document that replaces the result."""
    whole = {"kind": None, "message": None, "found": None, "expected": None, "fix": None, **fields}
    document = {"schema": 1, "ok": False, "error": {**whole, "exit_code": exit_code}}
    with suppress(OSError):  # `main` reports an output that can't be written
        click.echo(json.dumps(document, indent=1))
