"""A page per team, beside the leaderboard: its videos, numbers, findings and groups, and what would change its rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.board.consequences import with_consequences
from evalkit.board.excluded_samples import without_excluded_samples
from evalkit.board.model import Run, Snapshot
from evalkit.board.speeds import with_measured_speed
from evalkit.clock import exact_time
from evalkit.groups.model import GroupLine, GroupTable
from evalkit.groups.words import format_p
from evalkit.leaderboard.model import Leaderboard
from evalkit.leaderboard.table import NO_CELL, Column, Row
from evalkit.leaderboard.turning_points import TurningPoint
from evalkit.reports.audience import Audience, leaderboard_for
from evalkit.reports.filmstrips import Filmstrips, make_strips
from evalkit.reports.leaderboard.beside import Beside
from evalkit.reports.leaderboard.page import TeamSection, team_sections
from evalkit.reports.leaderboard.ranked_table import RankedTable, better, column_title
from evalkit.reports.leaderboard.why import HEADS, Why, explain
from evalkit.reports.leaderboard.words import unchecked_lines
from evalkit.reports.page import render_page
from evalkit.reports.tables import extremes, video_metrics
from evalkit.text import NO_VALUE, format_signed, format_value, natural_key

VIDEOS = 12  # shown with their frames
EXTREMES = 5  # best and worst videos of a metric
FINDINGS = 100
GROUPS = 20  # columns of a table
MEASURES = {"metric", "dimension"}  # of the report on groups; what detectors find is no property of a team


@dataclass(frozen=True)
class Rival:
    """The nearest rival on one side: the contrast with it, and per column the value at which the order turns."""

    label: str
    behind: bool
    why: Why | None
    rows: tuple[tuple[str, str, str, str], ...]


@dataclass(frozen=True)
class GroupRow:
    """One measure by the groups of people: its table, a line per group (``None`` where it has none), and p in words."""

    table: GroupTable
    cells: tuple[GroupLine | None, ...]
    p: str


@dataclass(frozen=True)
class TeamVideo:
    """One video: sample, key of its filmstrip, address (``None`` where it isn't beside the page), values by column."""

    sample: str
    key: str
    address: str | None
    values: tuple[tuple[Column, float | None], ...]
    effect: str | None = None


def render_team_pages(
    snapshot: Snapshot, leaderboard: Leaderboard, beside: Beside, board_page: str, audience: Audience = "public"
) -> dict[str, str]:
    """Return file name without ending -> page, for every team that ``beside`` has a page of.

    Args:
        snapshot, leaderboard: as for `evalkit.reports.leaderboard.page.render_leaderboard`.
        beside: names of the pages, and where the videos lie.
        board_page: file name of the leaderboard, which lies in the folder above.
        audience: who may see them.
    """
    measured = with_measured_speed(snapshot)
    counted, measured = (without_excluded_samples(one) for one in (with_consequences(measured), measured))
    runs = leaderboard_for(audience, measured, leaderboard)[0].runs
    snapshot, leaderboard = leaderboard_for(audience, counted, leaderboard)
    table = RankedTable(snapshot, leaderboard)
    sections = team_sections(snapshot, leaderboard, table)
    maker = _Maker(snapshot, leaderboard, beside, table, runs)
    made = {}
    for at, section in enumerate(sections):
        if section.name in beside.pages:
            around = [
                (sections[place].name, beside.pages.get(sections[place].name)) if 0 <= place < len(sections) else None
                for place in (at - 1, at + 1)
            ]
            made[beside.pages[section.name]] = render_page(
                "team",
                kind=snapshot.challenge.submission.kind,
                parts=["leaderboard", "player"],
                audience=audience,
                board_page=board_page,
                around=around,
                moment=exact_time(snapshot.as_of or snapshot.at),
                **maker.page(section),
            )
    return made


class _Maker:
    """What all pages share; single videos have the values that were measured (``runs``), whatever findings lead to."""

    def __init__(
        self, snapshot: Snapshot, leaderboard: Leaderboard, beside: Beside, table: RankedTable, runs: Sequence[Run]
    ) -> None:
        self._snapshot, self._leaderboard, self._beside, self._table = snapshot, leaderboard, beside, table
        self._measured = runs
        self._columns = {column.id: column for column in leaderboard.columns}

    def page(self, section: TeamSection) -> dict[str, Any]:
        """Return what the template reads of one team."""
        row = section.rows[0] if section.rows and section.rows[0].primary else None
        runs = [run for run in self._measured if run.team == section.name and run.primary]
        run = next((one for one in runs if row is not None and one.name == row.run), None)
        videos, strips = self._videos(run, len(runs) > 1) if run is not None else ([], make_strips([]))
        return {
            "snapshot": self._snapshot,
            "challenge": self._snapshot.challenge,
            "leaderboard": self._leaderboard,
            "ranked_table": self._table,
            "no_cell": NO_CELL,
            "title_of": column_title,
            "better_of": better,
            "rules_per_run": FINDINGS,
            "team": section,
            "whole_page": True,
            "row": row,
            "anchor": self._table.anchors[section.name],
            "filmstrips": strips,
            "videos": videos,
            "with_media": any(video.address for video in videos),
            "extremes": self._extremes(run, len(runs) > 1) if run is not None else [],
            "findings": _findings(run)[:FINDINGS] if run is not None else [],
            "more_findings": max(0, len(_findings(run)) - FINDINGS) if run is not None else 0,
            "unchecked_lines": unchecked_lines(
                one for one in self._leaderboard.unchecked if row is not None and (one.team, one.run) == row.key
            ),
            "consequences": [
                one for one in self._leaderboard.consequences if row is not None and (one.team, one.run) == row.key
            ],
            "groups": self._groups(row) if row is not None else [],
            "fairness": self._fairness(row) if row is not None else [],
            "rivals": self._rivals(row) if row is not None and row.rank is not None else [],
            "without": self._without(row) if row is not None and row.rank is not None else [],
            "rated": [column for column in self._leaderboard.columns if column.group == "subjective"],
            "why_heads": HEADS,
        }

    def _videos(self, run: Run, several: bool) -> tuple[list[TeamVideo], Filmstrips]:
        """Return the videos that are shown, and their filmstrips: those with frames, then those that can be played."""
        known = {video.sample: video for video in run.card.videos}
        playable = {sample: self._beside.video(run, sample, several=several) for sample in known}
        chosen = [sample for sample in sorted(known, key=natural_key) if sample in run.strips]
        chosen += [sample for sample in sorted(known, key=natural_key) if playable[sample] and sample not in chosen]
        columns = [self._columns[name] for name in video_metrics(run.card) if name in self._columns]
        effects = self._effects(run)
        shown = []
        given: list[tuple[str, Sequence[bytes] | None]] = []
        for at, sample in enumerate(chosen[:VIDEOS]):
            address = playable[sample]
            values = tuple((column, known[sample].values.get(column.id)) for column in columns)
            shown.append(TeamVideo(sample, f"{at}", f"../{address}" if address else None, values, effects.get(sample)))
            given += [(f"{at}", run.strips.get(sample)), (f"{at}-ref", self._snapshot.reference.get(sample))]
        return shown, make_strips(given)

    def _effects(self, run: Run) -> dict[str, str]:
        """Return sample -> what its findings do; of two effects on one video, ``refuse``."""
        own = [one for one in self._leaderboard.consequences if (one.team, one.run) == (run.team, run.name)]
        holding = sorted((one.effect, one.sample) for one in own if not one.overruled)
        return {sample: effect for effect, sample in reversed(holding)}

    def _extremes(self, run: Run, several: bool) -> list[tuple[Column, list[Any], list[Any]]]:
        found = []
        for name in video_metrics(run.card):
            column = self._columns.get(name)
            if column is None or column.higher_is_better is None:
                continue
            ends = extremes(run.card, name)
            ends = ends if ends[1] else (ends[0], ends[0][::-1])  # few videos are all in the first list
            worst, best = (
                [self._linked(run, run.card.videos[at].sample, name, several) for at in places[:EXTREMES]]
                for places in ends
            )
            if worst or best:
                found.append((column, worst, best))
        return found

    def _linked(self, run: Run, sample: str, metric: str, several: bool) -> tuple[str, float | None, str | None]:
        value = next(video.values.get(metric) for video in run.card.videos if video.sample == sample)
        address = self._beside.video(run, sample, several=several)
        return sample, value, f"../{address}" if address else None

    def _groups(self, row: Row) -> list[tuple[str, list[str], list[Any]]]:
        """Return (group, its values, a line per column) of the team's own numbers."""
        own = [one for one in self._leaderboard.breakdowns if one.team in {row.label, row.team}]
        found = []
        for group in dict.fromkeys(one.group for one in own):
            here = [one for one in own if one.group == group]
            values = sorted({value.value for one in here for value in one.values}, key=natural_key)
            lines = []
            for one in here:
                means = {value.value: (value.mean, value.n) for value in one.values}
                title = column_title(self._columns[one.column]) if one.column in self._columns else one.column
                lines.append((title, [means.get(value, (None, 0)) for value in values], one.worst, one.gap))
            found.append((group, values, lines))
        return found

    def _fairness(self, row: Row) -> list[tuple[str, list[str], list[GroupRow]]]:
        """Return (attribute, its groups, a line per measure) of the report on groups of people, where there is one."""
        report = self._leaderboard.fairness
        own = [table for table in report.tables if table.entry == row.label] if report is not None else []
        found = []
        for attribute in dict.fromkeys(table.attribute for table in own):
            here = [table for table in own if table.attribute == attribute and table.measure.kind in MEASURES]
            names = list(dict.fromkeys(line.value for table in here for line in table.lines))[:GROUPS]
            lines = []
            for table in here:
                cells = {line.value: line for line in table.lines}
                p = format_p(table.adjusted) if table.adjusted is not None else NO_VALUE
                lines.append(GroupRow(table, tuple(cells.get(name) for name in names), p))
            if lines and names:
                found.append((attribute, names, lines))
        return found

    def _rivals(self, row: Row) -> list[Rival]:
        phase = self._leaderboard.deciding_phase(row)
        turning = [one for one in self._leaderboard.turning_points if one.run == row.label]
        turning = [one for one in turning if phase is not None and one.phase == phase.name]
        found = []
        for label in dict.fromkeys(one.rival for one in turning):
            own = [one for one in turning if one.rival == label]
            pair = self._leaderboard.contrast(row.label, label)
            why = explain(self._leaderboard, pair) if pair is not None else None
            found.append(Rival(label, own[0].behind, why, tuple(self._turning_row(one) for one in own)))
        return found

    def _turning_row(self, one: TurningPoint) -> tuple[str, str, str, str]:
        column = self._columns.get(one.column)
        title = column_title(column) if column is not None else one.column
        if one.to is None:
            return title, format_value(one.value), NO_VALUE, "not by this column alone"
        way = "beyond " if one.beyond else ""
        return title, format_value(one.value), f"{way}{format_value(one.to)}", format_signed(one.to - one.value)

    def _without(self, row: Row) -> list[tuple[str, int]]:
        """Return the rank of the run when a column doesn't count, per column."""
        sensitivity = self._leaderboard.sensitivity
        if sensitivity is None:
            return []
        return [
            (column_title(self._columns[name]) if name in self._columns else name, ranks[row.label])
            for name, ranks in sensitivity.without.items()
            if row.label in ranks
        ]


def _findings(run: Run) -> list[dict[str, str]]:
    """Return the findings about the run and its videos, errors first."""
    found = [_finding("", one) for one in run.card.findings]
    found += [_finding(video.sample, one) for video in run.card.videos for one in video.findings]
    order = {"error": 0, "warning": 1}
    return sorted(found, key=lambda one: order.get(one["severity"], 2))


def _finding(sample: str, given: Mapping[str, Any]) -> dict[str, str]:
    parts = ("rule", "severity", "message", "found", "expected", "fix")
    return {"sample": sample} | {name: str(given.get(name) or "") for name in parts}
