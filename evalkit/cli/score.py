"""``evalkit score``: from a submission to a scorecard and a page."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evalkit.cli.options import (
    RunArguments,
    backbones_option,
    challenge_option,
    device_option,
    example,
    memory_option,
    reference_pack_option,
    run_options,
    say,
)
from evalkit.cli.options import as_json as json_option
from evalkit.text import count

if TYPE_CHECKING:
    from evalkit.cluster.shard_run import PartWritten
    from evalkit.scoring.scorecard import Scorecard
    from evalkit.signing import SigningKey

INCOMPLETE = 3
MOST_KINDS = 20  # rules and kinds of events that are named
MOST_SAMPLES = 4  # of one of them


@click.command(
    epilog=example(
        "evalkit score team.zip --challenge talking-head --testset testset/ -o team/",
        "evalkit score team.zip -c talking-head --testset testset/ --metrics psnr,ssim --limit 10",
        "evalkit score team.zip -c mine.yaml --testset testset/ --reference-pack testset.refpack",
        "evalkit score team.zip -c mine.yaml --testset testset/ --features openface=features/team/",
        "evalkit score team.zip -c mine.yaml --testset testset/ --sign ~/.ssh/organizers",
        "evalkit score team.zip -c mine.yaml --testset testset/ --shard 2/8 -o parts/2.part",
    )
)
@click.argument("submission", type=click.Path(path_type=Path))
@challenge_option
@click.option("--testset", "-t", required=True, type=click.Path(path_type=Path), help="The test set.")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    help="Folder for the results (default: NAME-scorecard, never inside the submission); with --shard the part.",
)
@click.option("--metrics", "-m", metavar="A,B", help="Metric ids or aliases (default: the challenge's).")
@backbones_option
@reference_pack_option
@click.option(
    "--features",
    "imported",
    multiple=True,
    metavar="NAME=DIR",
    help="Folder of files that another program made of the videos (openface, deep3d); may be repeated.",
)
@device_option
@click.option("--limit", type=click.IntRange(min=1), help="Score only the first samples.")
@click.option("--allow-missing", is_flag=True, help="Leave out metrics whose weights are missing.")
@click.option("--force", is_flag=True, help="Replace the results of another submission in the output folder.")
@click.option(
    "--sign",
    "key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="KEY",
    help="Sign scorecard.json with this Ed25519 key of OpenSSH: the signature lies beside it.",
)
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Where videos are read: on this machine or on the nodes of a Ray cluster.",
)
@click.option("--address", metavar="HOST:PORT", help="The Ray cluster (default: RAY_ADDRESS, or that of this machine).")
@click.option("--shard", metavar="I/N", help="Compute one of N shares only, for 'evalkit merge'.")
@memory_option
@run_options
@json_option
def score(
    submission: Path,
    challenge: str,
    testset: Path,
    output: Path | None,
    metrics: str | None,
    backbones: str,
    reference_pack: Path | None,
    imported: tuple[str, ...],
    device: str,
    limit: int | None,
    allow_missing: bool,
    force: bool,
    key: Path | None,
    engine: str,
    address: str | None,
    shard: str | None,
    memory: str | None,
    run: RunArguments,
    as_json: bool,
) -> None:
    """Score SUBMISSION, a ZIP or a folder, against a test set.

    Writes scorecard.json, per_video.parquet, per_video.csv, report.html and log.jsonl. A run that was
    interrupted continues where it stopped. Exit code 0 when everything was scored, 3 when something could not be.
    """
    from evalkit import api

    names = metric_names(metrics)
    if shard is not None:
        if force or key is not None:
            raise click.UsageError("--force and --sign are for 'evalkit merge', not for a shard.")
        if engine != "local" or address is not None:
            raise click.UsageError("A shard is computed on this machine: leave out --engine and --address.")
        if imported:
            raise click.UsageError("A shard reads no imported features: leave out --features.")
        if reference_pack is not None:
            raise click.UsageError("A shard computes the features of references itself: leave out --reference-pack.")
        written = api.score_shard(
            submission,
            challenge,
            testset,
            shard,
            output or default_part(submission, shard),
            metrics=names,
            backbones=backbones,
            device=device,
            limit=limit,
            allow_missing=allow_missing,
            memory=memory,
            **run,
        )
        report_part(written, as_json=as_json)
        return
    if output is not None and output.is_file():
        raise click.BadParameter(f"Directory '{output}' is a file.", param_hint="'--output' / '-o'")
    signing = signing_key(key) if key is not None else None  # first: a wrong passphrase costs no run
    out = output or default_output(submission)
    card = api.score(
        submission,
        challenge,
        testset,
        out=out,
        metrics=names,
        backbones=backbones,
        reference_pack=reference_pack,
        features=folders_of(imported),
        device=device,
        limit=limit,
        allow_missing=allow_missing,
        replace=force,
        memory=memory,
        engine=engine,
        address=address,
        **run,
    )
    report_scorecard(card, out, signing, as_json=as_json)


def metric_names(metrics: str | None) -> list[str] | None:
    """Return the names of ``--metrics``; ``None`` when it is not given."""
    names = [name.strip() for name in metrics.split(",") if name.strip()] if metrics is not None else None
    if names == []:
        raise click.UsageError("--metrics is empty: name at least one metric.")
    return names


def folders_of(imported: Sequence[str]) -> dict[str, str] | None:
    """Return source -> folder of every ``--features``; ``None`` without any."""
    folders: dict[str, str] = {}
    for one in imported:
        source, equals, folder = one.partition("=")
        if not (source and equals and folder):
            raise click.BadParameter(
                f"'{one}' is not NAME=DIR, as in openface=features/openface.", param_hint="--features"
            )
        if source in folders:
            raise click.BadParameter(f"'{source}' is given twice.", param_hint="--features")
        folders[source] = folder
    return folders or None


def default_part(submission: Path, shard: str) -> Path:
    """Return NAME-I-of-N.part.evalkit beside where the results would go."""
    from evalkit.cluster.part_file import SUFFIX
    from evalkit.cluster.shares import Shard

    which, folder = Shard.parse(shard), default_output(submission)
    return folder.with_name(f"{folder.name.removesuffix('-scorecard')}-{which.index}-of-{which.count}{SUFFIX}")


def report_part(written: PartWritten, *, as_json: bool) -> None:
    """Say what a shard did; leave with the code for incomplete results when videos failed."""
    from evalkit.text import escape_for_display

    if as_json:
        document = {
            "schema": 1,
            "ok": not written.failures,
            "part": str(written.path),
            "bytes": written.size,
            "shard": str(written.shard),
            "samples": written.samples,
            "videos": written.videos,
            "failures": dict(written.failures),
        }
        click.echo(json.dumps(document, indent=1))
    else:
        share = f"shard {written.shard}: {count(written.samples, 'sample')}, {count(written.videos, 'video')}"
        say(f"{share}. Part: {written.path} ({written.size / 1e6:.1f} MB)")
        for sample, failure in list(written.failures.items())[:MOST_KINDS]:
            say(f"  failed {escape_for_display(sample)}: {failure}")
        if len(written.failures) > MOST_KINDS:
            say(f"  ... and {len(written.failures) - MOST_KINDS} more")
    if written.failures:
        raise click.exceptions.Exit(INCOMPLETE)


def report_scorecard(card: Scorecard, out: Path, signing: SigningKey | None, *, as_json: bool) -> None:
    """Sign and print a scorecard that was written; leave with the code for incomplete results where it is."""
    if signing is not None:
        sign_scorecard(signing, out, err=as_json)
    warn_of_trust(card)
    if as_json:
        click.echo(card.to_json(), nl=False)
    else:
        print_scorecard(card)
        say(f"Page: {out / 'report.html'}")
    if not card.complete:
        raise click.exceptions.Exit(INCOMPLETE)


def signing_key(file: Path) -> SigningKey:
    """Read a private key; ask for its passphrase on a terminal."""
    from evalkit.signing import load_signing_key

    def ask() -> str | None:
        if not sys.stdin.isatty():
            return None
        return str(
            click.prompt(f"Passphrase of {file.name}", hide_input=True, err=True, default="", show_default=False)
        )

    return load_signing_key(file, ask)


def sign_scorecard(key: SigningKey, out: Path, *, err: bool) -> None:
    """Sign the scorecard in ``out``, and say so."""
    from evalkit.files import write_text
    from evalkit.signing import SUFFIX

    card = out / "scorecard.json"
    write_text(card.with_name(card.name + SUFFIX), key.sign(card.read_bytes()))
    say(f"Signed by {key.public.fingerprint}: {card.with_name(card.name + SUFFIX)}", err=err)


def finding_lines(card: Scorecard) -> list[str]:
    """Return a line for each rule with findings and each kind of event: how often, where, and what the first says.

    Two submissions with different faults can have the same numbers; here they differ.
    """
    from evalkit.reports.tables import SEVERITIES, findings_by_rule
    from evalkit.scoring.consequences import EFFECTS

    lines = []
    for rule, severities, findings in findings_by_rule(card):
        severity = min(severities, key=lambda word: SEVERITIES.index(word) if word in SEVERITIES else len(SEVERITIES))
        samples = list(dict.fromkeys(one["sample"] for one in findings if one["sample"]))
        effects = sorted({one["consequence"] for one in findings} & set(EFFECTS))
        follows = f", {' and '.join(effects)} where runs are ranked" if effects else ""
        lines.append(_kind_line(severity, rule or "no rule", len(findings), samples, findings[0]["message"], follows))
    kinds: dict[str, list[tuple[str, str]]] = {}
    for video in card.videos:
        for event in video.events:
            kinds.setdefault(event.kind, []).append((video.sample, event.detail))
    for kind, seen in sorted(kinds.items(), key=lambda one: (-len(one[1]), one[0])):
        lines.append(_kind_line("event", kind, len(seen), list(dict.fromkeys(name for name, _ in seen)), seen[0][1]))
    more = len(lines) - MOST_KINDS
    rest = [f"  ... and {count(more, 'more kind')} in report.html"] if more > 0 else []
    return [*lines[:MOST_KINDS], *rest]


def _kind_line(severity: str, kind: str, number: int, samples: list[str], first: str, follows: str = "") -> str:
    from evalkit.reports.page import listed
    from evalkit.text import escape_for_display

    where = f" ({listed([escape_for_display(name, 40) for name in samples], MOST_SAMPLES)})" if samples else ""
    line = f"{escape_for_display(severity, 20)} {escape_for_display(kind, 60)} x {number}{where}{follows}"
    return f"  {line}: {escape_for_display(first, 300)}" if first else f"  {line}"


def warn_of_trust(card: Scorecard) -> None:
    """Warn on standard error of weights that are only trusted on first use."""
    from evalkit.text import escape_for_display

    for role, use in sorted(card.provenance.get("weights", {}).items()):
        if use.get("trusted_on_first_use"):
            line = (
                f"warning: {role}: '{use['file']}' is trusted on first use (its digest is {use['digest']}), with "
                f"SHA-256 {use['sha256']}. Compare it before you publish numbers."
            )
            click.echo(escape_for_display(line, limit=500), err=True)


def default_output(submission: Path) -> Path:
    """Return NAME-scorecard in the current folder, or beside the submission when that folder is within it."""
    whole = submission.resolve()
    name = f"{whole.stem}-scorecard"
    return whole.parent / name if Path.cwd().resolve().is_relative_to(whole) else Path(name)


def _first_of(names: Sequence[str]) -> str:
    more = len(names) - 3
    return ", ".join(names[:3]) + (f" and {more} more" if more > 0 else "")


def not_applicable_lines(card: Scorecard) -> list[str]:
    """Return a line for each reason why metrics are not applicable to samples: how many, and which metrics."""
    from evalkit.challenges.kinds import KINDS
    from evalkit.metrics.base import NO_PERSON, NOT_APPLICABLE, OTHER_SETUP, is_not_applicable
    from evalkit.scoring.plan import OTHER_KIND

    by_reason: dict[tuple[str, int], list[str]] = {}
    for name, entry in card.metrics.items():
        if not entry.not_applicable:
            continue
        reasons = Counter(one for video in card.videos if is_not_applicable(one := video.reasons.get(name)))
        if not reasons:  # a number of the set, which has no reasons by video
            own = entry.reason if is_not_applicable(entry.reason) else _why_not_of_all(name)
            reasons = Counter({own: entry.not_applicable})
        for reason, times in reasons.items():
            by_reason.setdefault((str(reason), times), []).append(name)
    words = {
        NO_PERSON: "without a person",
        OTHER_SETUP: "of other setups",
        OTHER_KIND: f"of {KINDS[card.submission.kind].file}s",
        NOT_APPLICABLE: "that they are not about",
    }
    return [
        f"  Not applicable to {count(times, 'sample')} "
        f"{words.get(reason, '(' + reason.partition(':')[2] + ')')}, and not counted there: {_first_of(names)}."
        for (reason, times), names in by_reason.items()
    ]


def _why_not_of_all(name: str) -> str:
    """Return why a metric is not about all samples, by what it is about."""
    from evalkit.metrics.base import NO_PERSON, NOT_APPLICABLE, OTHER_SETUP, metric_registry

    known = metric_registry().get(name)
    if known is None:
        return NOT_APPLICABLE
    return OTHER_SETUP if known.record.setups else NO_PERSON if known.record.people_only else NOT_APPLICABLE


def print_scorecard(card: Scorecard) -> None:
    """Print the summary table."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from evalkit.challenges.kinds import KINDS
    from evalkit.metrics.base import is_not_applicable
    from evalkit.scoring.scorecard import gap_text
    from evalkit.text import escape_for_display, format_value

    table = Table(header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for title in ("metric", "value", "95 % interval", "n", "coverage"):
        first = title == "metric"
        table.add_column(title, justify="left" if first else "right", no_wrap=first, overflow="fold")
    for name, entry in card.metrics.items():
        value = gap_text(entry.reason) if entry.value is None else format_value(entry.value, entry.unit)
        interval = (
            f"{format_value(entry.ci95[0], '')} .. {format_value(entry.ci95[1], '')}" if entry.ci95 is not None else ""
        )
        arrow = {True: " ↑", False: " ↓", None: ""}[entry.higher_is_better]
        coverage = "" if is_not_applicable(entry.reason) else f"{entry.coverage:.0%}"
        cells = (name + arrow, value, interval, str(entry.n), coverage)
        table.add_row(*(escape(escape_for_display(cell)) for cell in cells))
    console = Console(highlight=False, emoji=False)
    console.print(table)
    for name, entry in card.metrics.items():
        # Of seconds that were measured no two are equal: there is no commonest one.
        shared = entry.details.get("share_at_mode", 0.0) * entry.n if "mode" in entry.details else 0.0
        if entry.aggregate == "median" and shared > 1.5:
            mode, share = format_value(entry.details["mode"], entry.unit), entry.details["share_at_mode"]
            line = f"  {name}: the value is the median over videos; {share:.0%} of them have the commonest one, {mode}"
            console.print(escape(escape_for_display(line, 400)))
        for note in entry.notes:
            console.print(
                escape(f"  {escape_for_display(name)}: {escape_for_display(note.detail or note.kind, 400)}"),
                style="yellow",
            )
    for line in not_applicable_lines(card):
        console.print(escape(escape_for_display(line, 400)))
    for line in finding_lines(card):
        console.print(escape(line), soft_wrap=True)
    unread = [video for video in card.videos if video.verdict in {"error", "missing"}]
    for video in unread[:20]:
        reason = next((reason for reason in video.reasons.values() if not is_not_applicable(reason)), "missing")
        console.print(escape(f"  unscored {escape_for_display(video.sample)}: {escape_for_display(reason)}"))
    if len(unread) > 20:
        console.print(f"  ... and {len(unread) - 20} more")
    networks = any(use.weights for use in card.features.values())
    backbones = f" with backbones '{escape(escape_for_display(card.backbones))}'" if networks else ""
    decoded = card.timing.get("videos_decoded", 0)
    empty = card.scored_videos and all(score.value is None for score in card.metrics.values())
    done = "read, but no metric has a value" if empty else "scored"
    console.print(
        f"{card.scored_videos} of {count(len(card.videos), KINDS[card.submission.kind].file)} {done}{backbones}, "
        f"{decoded} {'decoded' if card.submission.kind == 'video' else 'read'} now."
    )
    if networks and card.backbones != "published":
        console.print("These numbers are not comparable with published ones.", style="yellow")
