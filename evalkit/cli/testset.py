"""``evalkit testset``: make a test set with ground truth, and check one before a challenge opens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evalkit.cli.options import (
    RunArguments,
    backbones_option,
    cache_option,
    challenge_option,
    device_option,
    example,
    progress_on,
    quiet_option,
    resume_option,
    run_options,
    sandbox_option,
    say,
    timeout_option,
    workers_option,
)
from evalkit.cli.options import as_json as json_option
from evalkit.cli.testset_truth import from_truth, made_up_scores
from evalkit.text import count, ended, found_and_expected

if TYPE_CHECKING:
    from evalkit.scoring.packs.making import PackReport
    from evalkit.testset_check import TestSetReport
    from evalkit.workers.sandbox import Level

INCOMPLETE = 3
MOST_SAMPLES = 6  # named in a line; --json has them all
_VERDICT_STYLE = {"error": "red", "warning": "yellow", "info": "dim"}


@click.group(
    epilog=example(
        "evalkit testset make puppets/ --seed 1 --identities 12",
        "evalkit testset check testset/ --challenge challenge.yaml --backbones bundled",
        "evalkit testset prepare testset/ --challenge challenge.yaml -o testset.refpack",
    )
)
def testset() -> None:
    """Make and check test sets, and compute their references once for everybody."""


testset.add_command(from_truth)
testset.add_command(made_up_scores)


@testset.command(
    "make",
    epilog=example(
        "evalkit testset make puppets/ --seed 1 --identities 40 --seconds 4 --workers 2",
        "evalkit testset make acting/ --kind timeline --identities 30",
        "evalkit testset make talks/ --kind dialogue --identities 10",
        "evalkit testset make talks/ --kind conversation --identities 6",
    ),
)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--kind",
    type=click.Choice(["talking", "timeline", "dialogue", "conversation"]),
    default="talking",
    show_default=True,
    help="What the people do: speak; also 2 to 4 actions at given times (IPVG 2026, track 2); speak in twos and "
    "threes in one picture, in turns and at once (MultiTalk); conversation: motion coefficients of two who take turns, "
    "without videos (DualTalk).",
)
@click.option("--seed", "-s", type=int, default=0, show_default=True, help="Another seed gives other people.")
@click.option("--identities", "-n", type=int, default=12, show_default=True, help="How many people, or groups of them.")
@click.option("--takes", type=int, default=1, show_default=True, help="Clips of each person.")
@click.option(
    "--seconds",
    type=float,
    help="Length of a clip (default: 4; of a timeline 6; of a dialogue 9; of a conversation 12).",
)
@click.option(
    "--size", type=int, default=256, show_default=True, help="Width and height in pixels; of a dialogue the height."
)
@click.option(
    "--actions",
    type=int,
    default=0,
    show_default=True,
    help="Actions requested in each clip, with times; 0 with --kind timeline: 2, 3 and 4 in turn.",
)
@click.option("--force", is_flag=True, help="Overwrite a test set that was made here with other options.")
@workers_option
@quiet_option
@json_option
def make(
    folder: Path,
    kind: str,
    seed: int,
    identities: int,
    takes: int,
    seconds: float | None,
    size: int,
    actions: int,
    force: bool,
    workers: int | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Write talking puppets to FOLDER: reference image, speech, caption, groups and the real video of each.

    With --kind timeline they also act, and each sample has a timeline: what happens from when to when. With --kind
    dialogue two or three of them share a picture, and each has a file with their voice alone (speakers). Lips and
    speech are in sync by construction. The same options give the same bytes; an interrupted run can be continued with
    the same command. With --kind conversation nobody is drawn: each sample has motion coefficients of both speakers.
    """
    from evalkit.reference_models.puppet.testset import PuppetTestSet, write_puppet_testset
    from evalkit.workers.pool import default_workers

    if seconds is None:
        seconds = {"timeline": 6.0, "dialogue": 9.0, "conversation": 12.0}.get(kind, 4.0)
    if kind == "conversation":
        if takes != 1 or size != 256 or actions:
            raise click.UsageError("--takes, --size and --actions are for videos; a conversation has none.")
        _make_conversations(folder, seed, identities, seconds, force=force, as_json=as_json)
        return
    puppets = PuppetTestSet(folder, seed, identities, takes, seconds, size, actions, kind)
    count = len(puppets.names())
    with progress_on(quiet or as_json).stage("making", count) as progress:
        write_puppet_testset(puppets, workers or default_workers(), lambda _: progress.advance(), force=force)
    _say_made(folder, count, seconds, as_json=as_json)


def _make_conversations(folder: Path, seed: int, count: int, seconds: float, *, force: bool, as_json: bool) -> None:
    from evalkit.reference_models.conversation import Conversations, write_conversations

    _say_made(
        folder, write_conversations(Conversations(folder, seed, count, seconds), force=force), seconds, as_json=as_json
    )


def _say_made(folder: Path, samples: int, seconds: float, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"schema": 1, "ok": True, "testset": str(folder), "samples": samples}, indent=1))
    else:
        say(f"{samples} samples of {seconds:g} s in {folder}.")


@testset.command(
    "check",
    epilog=example(
        "evalkit testset check testset/ --challenge challenge.yaml",
        "evalkit testset check testset/ -c talking-head --backbones bundled --json",
        "evalkit testset check testset/ -c talkingheadbench-p3 --train train.csv",
    ),
)
@click.argument("folder", metavar="TESTSET", type=click.Path(path_type=Path))
@challenge_option
@backbones_option
@click.option("--metrics", "-m", metavar="A,B", help="Metrics to try (default: the challenge's).")
@click.option("--media-only", is_flag=True, help="Check the files only; score nothing.")
@click.option(
    "--train",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="CSV",
    help="Of a challenge for detectors: the list of the training, to find what leaks (default: TESTSET/train.csv).",
)
@click.option("--limit", type=click.IntRange(min=1), help="Check the first samples only.")
@run_options
@json_option
def check(
    folder: Path,
    challenge: str,
    backbones: str,
    metrics: str | None,
    media_only: bool,
    train: Path | None,
    limit: int | None,
    run: RunArguments,
    as_json: bool,
) -> None:
    """Check TESTSET before a challenge opens.

    Reads every image, speech and reference video; applies the challenge's rules for submissions to the reference
    videos; and scores the real videos as if a team had submitted them, to find samples and metrics that can't be
    scored. Metrics whose weights are missing are left out. Of a challenge for detectors it checks what is said of the
    videos, and names the people, generators and videos that training and test share and must not. Exit code 0 when
    nothing of severity error was found, else 1.
    """
    from evalkit import api

    names = [name.strip() for name in metrics.split(",") if name.strip()] if metrics is not None else None
    report = api.check_testset(
        folder,
        challenge,
        metrics=[] if media_only else names,
        backbones=backbones,
        train=train,
        limit=limit,
        **run,
    )
    if as_json:
        click.echo(json.dumps(report.to_json(), indent=1))
    else:
        _print_check(report)
    if report.verdict == "error":
        raise click.exceptions.Exit(1)


@testset.command(
    "prepare",
    epilog=example(
        "evalkit testset prepare testset/ --challenge challenge.yaml",
        "evalkit testset prepare testset/ -c talking-head -b bundled --metrics fid,kvd -o testset.refpack",
    ),
)
@click.argument("folder", metavar="TESTSET", type=click.Path(path_type=Path))
@challenge_option
@backbones_option
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="The pack (default: NAME.refpack)."
)
@click.option("--metrics", "-m", metavar="A,B", help="Metrics whose references are packed (default: the challenge's).")
@device_option
@click.option("--allow-missing", is_flag=True, help="Leave out metrics whose weights are missing.")
@run_options
@json_option
def prepare(
    folder: Path,
    challenge: str,
    backbones: str,
    output: Path | None,
    metrics: str | None,
    device: str,
    allow_missing: bool,
    run: RunArguments,
    as_json: bool,
) -> None:
    """Compute what scoring needs of TESTSET's references once, and write it to one file: a reference pack.

    Whoever scores with --reference-pack reads it from there: features of reference images, reference videos and texts,
    fingerprints of reference videos, and the lengths that videos should have. Participants don't need the reference
    videos for these numbers. The same test set, weights and version give the same bytes.
    """
    from evalkit import api

    names = [name.strip() for name in metrics.split(",") if name.strip()] if metrics is not None else None
    if names == []:
        raise click.UsageError("--metrics is empty: name at least one metric.")
    report = api.prepare_references(
        folder,
        challenge,
        output or Path(f"{folder.resolve().name}.refpack"),
        metrics=names,
        backbones=backbones,
        device=device,
        allow_missing=allow_missing,
        **run,
    )
    if as_json:
        click.echo(json.dumps(report.to_json(), indent=1))
    else:
        _print_pack(report)


@testset.command(
    "from-folder",
    epilog=example(
        "evalkit testset from-folder real/ -o testset/ --license CC-BY-4.0 --source 'our recordings of May 2026'",
    ),
)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--output", "-o", required=True, type=click.Path(path_type=Path), help="Folder of the new test set; empty or new."
)
@click.option("--license", "terms", required=True, metavar="TEXT", help="Terms under which the videos may be used.")
@click.option("--source", required=True, metavar="TEXT", help="Where the videos are from.")
@click.option("--force", is_flag=True, help="Replace a test set that this command made.")
@workers_option
@cache_option
@resume_option
@timeout_option
@sandbox_option
@quiet_option
@json_option
def from_folder(
    folder: Path,
    output: Path,
    terms: str,
    source: str,
    force: bool,
    workers: int | None,
    cache: Path | str | None,
    resume: bool,
    timeout: float | None,
    sandbox: Level | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Make a test set of the real videos in FOLDER.

    Reference image, speech and prompt are files of the same name beside a video (NAME.png, NAME.wav, NAME.txt). Where
    there is none, the image is the video's first frame and the speech its own sound. Says what was guessed. Exit code 0
    when every video is a sample, 3 when some can't be.
    """
    from evalkit import api
    from evalkit.folders.testset_making import guess_lines

    made = api.testset_from_folder(
        folder,
        output,
        license=terms,
        source=source,
        replace=force,
        workers=workers,
        cache=cache,
        fresh=not resume,
        progress=progress_on(quiet),
        timeout=timeout,
        sandbox=sandbox,
    )
    if as_json:
        click.echo(json.dumps(made.to_json(), indent=1))
    else:
        say(f"{count(len(made.samples), 'sample')} in {made.path}.")
        for line in guess_lines(made):
            say(f"  {line}")
        if made.equal:
            say(f"  {count(len(made.equal), 'video')} with the bytes of another one, such as {made.equal[0]}")
        if made.others:
            say(f"  {count(made.others, 'other file')} ignored")
        for path, reason in list(made.left_out.items())[:MOST_SAMPLES]:
            say(f"  left out {path}: {reason}")
        if len(made.left_out) > MOST_SAMPLES:
            say(f"  ... and {len(made.left_out) - MOST_SAMPLES} more, which --json names")
    if made.left_out:
        raise click.exceptions.Exit(INCOMPLETE)


@testset.command(
    "setups",
    epilog=example(
        "evalkit testset setups puppets/",
        "evalkit testset setups testset/ --silence noise --force",
    ),
)
@click.argument("folder", metavar="TESTSET", type=click.Path(path_type=Path))
@click.option(
    "--silence",
    type=click.Choice(["zeros", "noise"]),
    default="zeros",
    show_default=True,
    help="What drives the setup 'silent': digital zeros, or noise at -60 dBFS.",
)
@click.option("--force", is_flag=True, help="Replace what this command made.")
@quiet_option
@json_option
def setups(folder: Path, silence: str, force: bool, quiet: bool, as_json: bool) -> None:
    """Ask for three videos of each sample of TESTSET: dubbed with silence, with its own and with other speech.

    Writes the sounds and setups.jsonl beside the samples; give that file as the test set to the commands that make and
    score videos. All sounds of a sample are cut to one length. Exit code 0 when every sample has setups, 3 when some
    can't have them.
    """
    from evalkit import api

    made = api.testset_setups(folder, silence=silence, replace=force, progress=progress_on(quiet or as_json))
    if as_json:
        click.echo(json.dumps(made.to_json(), indent=1))
    else:
        say(f"{count(len(made.seconds), 'sample')} with 3 setups each in {made.path}.")
        if made.cut:
            say(f"  {count(len(made.cut), 'sample')} cut to the other speech's length, such as {made.cut[0]}")
        for name, reason in list(made.left_out.items())[:MOST_SAMPLES]:
            say(f"  left out {name}: {reason}")
        if len(made.left_out) > MOST_SAMPLES:
            say(f"  ... and {len(made.left_out) - MOST_SAMPLES} more, which --json names")
    if made.left_out:
        raise click.exceptions.Exit(INCOMPLETE)


def _print_pack(report: PackReport) -> None:
    """Print what was packed of each feature, and the file in one line."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.filesize import decimal
    from rich.markup import escape
    from rich.table import Table

    from evalkit.text import escape_for_display

    table = Table(header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for title in ("feature", "version", "references", "size", "computed in", "unavailable"):
        first = title == "feature"
        table.add_column(title, justify="left" if first else "right", no_wrap=first, overflow="fold")
    for name, one in report.features.items():
        reasons = sorted(set(one.unavailable.values()))
        lacking = f"{len(one.unavailable)}: {', '.join(reasons)}" if reasons else "0"
        seconds = f"{one.seconds:.1f} s" if one.seconds else "cached"
        cells = (name, str(one.version), str(one.entries), decimal(one.bytes), seconds, lacking)
        table.add_row(*(escape(escape_for_display(cell)) for cell in cells))
    console = Console(highlight=False, emoji=False)
    if report.features:
        console.print(table)
    else:
        console.print("No metric reads a feature of the references alone: there are fingerprints and lengths only.")
    say(
        f"{report.path}: {decimal(report.bytes)}, {count(report.samples, 'sample')}, "
        f"{count(report.fingerprints, 'fingerprint')}, {count(report.lengths, 'length')}, {report.seconds:.1f} s."
    )
    say(f"SHA-256 {report.sha256}")


def _print_check(report: TestSetReport) -> None:
    """Print a paragraph for each rule, the metrics' values of the real videos, and a summary in one line."""
    from rich.console import Console
    from rich.markup import escape
    from rich.padding import Padding
    from rich.table import Table

    from evalkit.testset_check import samples_by_rule
    from evalkit.text import escape_for_display

    console = Console(highlight=False, emoji=False)

    def plain(text: str) -> str:
        return escape(escape_for_display(text, limit=2000))

    for (severity, rule), findings in samples_by_rule(report.findings).items():
        samples = list(dict.fromkeys(one.sample for one in findings if one.sample))
        named = ", ".join(samples[:MOST_SAMPLES])
        more = f" and {len(samples) - MOST_SAMPLES} more" if len(samples) > MOST_SAMPLES else ""
        first = findings[0]
        found = " ".join(filter(None, (ended(first.message), found_and_expected(first.found, first.expected))))
        place = f" ({named}{more})" if named else ""
        console.print(plain(f"{severity} {rule}{place}"), style=_VERDICT_STYLE[severity])
        console.print(Padding(plain(found), (0, 0, 0, 2), expand=False))
        if first.fix:
            console.print(plain(f"  fix: {first.fix}"), soft_wrap=True)  # a command stays in one line, to be copied
    if report.metrics:
        table = Table(header_style="bold", title="the real videos, scored as a submission", title_justify="left")
        for title in ("metric", "value", "samples scored"):
            table.add_column(title)
        for name, entry in report.metrics.items():
            value = entry["reason"] if entry["value"] is None else f"{entry['value']:.4g}"
            table.add_row(plain(name), plain(value), f"{entry['n']} of {report.samples}")
        console.print(table)
    counts = [count(sum(one.severity == word for one in report.findings), word) for word in ("error", "warning")]
    say(f"{count(report.samples, 'sample')}: {', '.join(counts)}.")
