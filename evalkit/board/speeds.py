"""Measurements of speed on a board: imported as a file, undone like any import, and joined to runs for a ranking.

The newest import of the most trusted source counts for a run, as a whole; without any, what the team reported in its
scorecard does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import func, select

from evalkit.board.audit import names
from evalkit.board.imports import ImportSource
from evalkit.board.model import MeasuredSpeed, Run, RunSpeed, Snapshot
from evalkit.board.names import check_ids, folded
from evalkit.board.tables import imports, is_active, runs, speeds, teams
from evalkit.board.writing import Write
from evalkit.challenges.speed_rules import SpeedRules
from evalkit.errors import InputError, did_you_mean
from evalkit.metrics.base import VideoValue, metric_registry, unscored
from evalkit.scoring.aggregate import score_of_videos
from evalkit.scoring.plan import challenge_roles
from evalkit.scoring.scorecard import MetricScore, Scorecard, ScoreEvent, VideoScore
from evalkit.scoring.speed_values import speed_values
from evalkit.speed.model import FAMILY, SOURCES, TIMED, SampleSpeed, Source
from evalkit.speed.table import TeamSpeed

NOT_MEASURED, NOT_COUNTED = "not_measured", "reported_by_the_team_only"
_LENGTH = "video.duration"  # the metric that has a video's length
_SAMPLE = 400


@dataclass(frozen=True)
class ImportedSpeed:
    """What an import of measurements did.

    Args:
        new: samples that were added.
        known: samples of a file that the board holds already, to the byte.
        number: of the import, to undo it; ``None`` when nothing changed.
    """

    new: int
    known: int
    number: int | None = None


def import_speed(write: Write, measured: Sequence[TeamSpeed], source: ImportSource, trusted: Source) -> ImportedSpeed:
    """Add measurements; see `evalkit.board.Board.import_speed`."""
    rows = [row for one in measured for row in _rows(one, *_find_run(write, one), trusted)]
    same = select(imports).where(is_active(imports), imports.c.sha256 == source.sha256, imports.c.form == source.form)
    held = [row.id for row in write.connection.execute(same)]
    for number in held:
        query = select(speeds.c.team, speeds.c.run, speeds.c.sample).where(
            is_active(speeds), speeds.c.import_id == number
        )
        if {tuple(row) for row in write.connection.execute(query)} == {
            (row["team"], row["run"], row["sample"]) for row in rows
        }:
            return ImportedSpeed(0, len(rows))
    number = (write.connection.execute(select(func.max(imports.c.id))).scalar() or 0) + 1
    write.add(speeds, [{"import_id": number, **row} for row in rows])
    counts = {"new": len(rows), "known": 0}
    write.add(imports, [{"file": source.file, "sha256": source.sha256, "form": source.form, **counts}])
    about = list(dict.fromkeys(one.team for one in measured))
    details = {"sha256": source.sha256, "form": source.form, "teams": names(about, 20), **counts}
    write.log("import-speed", source.file, details)
    return ImportedSpeed(len(rows), 0, number)


def _find_run(write: Write, one: TeamSpeed) -> tuple[str, str | None]:
    """Return the names of the team and the run as the board has them."""
    query = select(teams.c.id, teams.c.name, teams.c.folded).where(is_active(teams))
    known = {row.folded: row for row in write.connection.execute(query)}
    team = known.get(folded(one.team))
    if team is None:
        hint = did_you_mean(one.team, [row.name for row in known.values()])
        raise InputError(f"The board has no team '{one.team}'.{hint}", fix="Add the team first, or correct its name.")
    query = select(runs.c.name, runs.c.folded).where(is_active(runs), runs.c.team_id == team.id)
    of_team = {row.folded: row.name for row in write.connection.execute(query)}
    if one.run is None:
        if len(of_team) > 1:
            raise InputError(
                f"The team '{team.name}' has {len(of_team)} runs, and nothing says which one was measured.",
                expected=f"a run: {names(sorted(of_team.values()), 10)}",
                fix="Name it with --run, or in a column 'run'.",
            )
        return team.name, next(iter(of_team.values()), None)
    run = of_team.get(folded(one.run))
    if run is None:
        hint = did_you_mean(one.run, of_team.values())
        raise InputError(f"The team '{team.name}' has no run '{one.run}'.{hint}", fix="Add the run first.")
    return team.name, run


def _rows(one: TeamSpeed, team: str, run: str | None, trusted: Source) -> list[dict[str, Any]]:
    check_ids(one.report.samples, "A sample", limit=_SAMPLE)
    check_ids((one.who, one.report.hardware), "A measurement")
    return [
        {
            "source": trusted,
            "team": team,
            "run": run,
            "sample": sample.sample,
            "seconds": float(sample.seconds),
            "frames": sample.frames or 0,
            "clip_seconds": sample.clip_seconds,
            "first_frame": sample.first_frame,
            "end_to_end": sample.end_to_end,
            "peak_bytes": None if sample.peak_bytes is None else float(sample.peak_bytes),
            "timed_runs": sample.runs,
            "hardware": one.report.hardware,
            "timed": one.report.timed,
            "who": one.who,
        }
        for sample in one.report.samples.values()
    ]


def counting_speed(snapshot: Snapshot, run: Run) -> MeasuredSpeed | None:
    """Return the measurement by the organizer that counts for a run; ``None`` without one."""
    primary = [one.name for one in snapshot.runs if one.team == run.team and one.primary]
    alone = run.primary and len(primary) == 1
    order = list(SOURCES)
    allowed = snapshot.challenge.speed.sources
    found = [
        one
        for one in snapshot.speeds
        if one.team == run.team and one.source in allowed and (one.run == run.name or (one.run is None and alone))
    ]
    return min(found, key=lambda one: (order.index(one.source), -one.number), default=None)


def with_measured_speed(snapshot: Snapshot) -> Snapshot:
    """Return the board with the measurements that count as values of its runs; without any, the same values.

    Scorecards of the result are for rankings and pages, and are on no board.
    """
    listed = [entry.id for entry in snapshot.challenge.metrics if entry.id.startswith(FAMILY)]
    installed = metric_registry()
    wanted = [name for name in listed if name in installed]
    if not wanted:
        return snapshot
    return replace(snapshot, runs=tuple(_joined(snapshot, run, wanted) for run in snapshot.runs))


def _joined(snapshot: Snapshot, run: Run, wanted: Sequence[str]) -> Run:
    rules = snapshot.challenge.speed
    measured = counting_speed(snapshot, run)
    if measured is None:
        if "reported" in rules.sources:
            return replace(run, speed=_reported(run.card))
        if not any(name in run.card.metrics for name in wanted):
            return run
        gaps = {video.sample: dict.fromkeys(wanted, unscored(NOT_COUNTED)) for video in run.card.videos}
        return replace(run, card=_with_values(snapshot, run.card, wanted, gaps, ()))
    outcomes = {video.sample: _outcomes(measured, video, wanted, rules) for video in run.card.videos}
    detail = (
        f"{SOURCES[measured.source].capitalize()} on {measured.hardware}; timed is {TIMED[measured.timed]}; "
        f"import {measured.number}."
    )
    note = ScoreEvent(kind=f"speed_{measured.source}", detail=detail)
    card = _with_values(snapshot, run.card, wanted, outcomes, (note,))
    about = RunSpeed(measured.source, measured.hardware, measured.timed, measured.number, measured.who)
    return replace(run, card=card, speed=about)


def _outcomes(
    measured: MeasuredSpeed, video: VideoScore, wanted: Sequence[str], rules: SpeedRules
) -> Mapping[str, VideoValue]:
    one: SampleSpeed | None = measured.samples.get(video.sample)
    if one is None or one.frames is None:
        return dict.fromkeys(wanted, unscored(NOT_MEASURED))
    # Without a length, the frames are taken to be of the rate that counts, unless the scorecard knows better.
    length = one.clip_seconds or video.values.get(_LENGTH) or one.frames / rules.frame_rate
    found = speed_values(one, rules.frame_rate, one.frames, length)
    return {name: found.get(name, unscored(NOT_MEASURED)) for name in wanted}


def _with_values(
    snapshot: Snapshot,
    card: Scorecard,
    wanted: Sequence[str],
    outcomes: Mapping[str, Mapping[str, VideoValue]],
    notes: tuple[ScoreEvent, ...],
) -> Scorecard:
    """Return the scorecard with other values of the metrics of speed, and the numbers that follow from them."""
    roles = challenge_roles(snapshot.challenge)
    metrics: dict[str, MetricScore] = dict(card.metrics)
    for name in wanted:
        score = score_of_videos(metric_registry()[name], {sample: row[name] for sample, row in outcomes.items()})
        metrics[name] = score.model_copy(update={"role": roles.get(name, score.role), "notes": notes})
    videos = []
    for video in card.videos:
        row = outcomes[video.sample]
        values = {**video.values, **{name: row[name].value for name in wanted}}
        reasons = {name: why for name, why in video.reasons.items() if name not in wanted}
        reasons |= {name: str(row[name].reason) for name in wanted if row[name].value is None}
        videos.append(video.model_copy(update={"values": values, "reasons": reasons}))
    return card.model_copy(update={"metrics": metrics, "videos": tuple(videos)})


def _reported(card: Scorecard) -> RunSpeed | None:
    """Return what the scorecard says of the team's own measurement; ``None`` where it has no number of speed."""
    if not any(name.startswith(FAMILY) and score.value is not None for name, score in card.metrics.items()):
        return None
    said = card.provenance.get("speed")
    said = said if isinstance(said, Mapping) else {}
    hardware, timed = said.get("hardware"), said.get("timed")
    return RunSpeed(
        "reported",
        " ".join(hardware.split())[:300] if isinstance(hardware, str) else "",
        "frames" if timed == "frames" else "call",
    )
