"""Who a page or table is for: everybody, or the organizers alone.

What is published accuses nobody and names no rater: it has no findings about gaming the rules, no videos that teams
share, no reasons of decisions except on samples, no runs and teams that a decision withholds, and raters are numbers,
because their ids may be names. A finding that changes a number by the rules of the challenge is published with what it
does, since a rank can depend on it. What is made for the organizers has all of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, Literal, TypeVar, cast

from evalkit.board.model import AuditEntry, Decision, Import, Run, Snapshot, Team
from evalkit.leaderboard.model import Leaderboard, Points, RaterInfo, RatingsInfo
from evalkit.leaderboard.table import CodedReason, Row
from evalkit.rating_report.model import DimensionReport, EstimatorScores, RatingReport
from evalkit.ratings.rules import AnswerSummary
from evalkit.reports.comparison.model import ScorecardComparison
from evalkit.scoring.scorecard import Scorecard
from evalkit.validators.registry import rules_for

Audience = Literal["public", "organizers"]

ACCUSING = "gaming."  # how the ids of rules begin that look for cheating
NOT_PUBLISHED = "not published"
SENTENCES = {"reason", "sentence", "notes", "no_inconsistency", "no_uncertainty", "problem", "held_fixed"}  # fields
Value = TypeVar("Value")


def leaderboard_for(audience: Audience, snapshot: Snapshot, leaderboard: Leaderboard) -> tuple[Snapshot, Leaderboard]:
    """Return what ``audience`` may see of a board and its leaderboard.

    The public sees no single answer, no subject of a decision about a team or run, and of a decision about a rater or
    an answer the rater's number or the first digits of the answer's id.
    """
    if audience == "organizers":
        return snapshot, leaderboard
    known = [one.rater for one in leaderboard.ratings.raters] if leaderboard.ratings is not None else []
    names = _PublicNames(snapshot, known)
    rows = tuple(names.row(row) for row in leaderboard.rows if names.shows(row.key))
    labels = {row.label for row in rows} | {row.team for row in rows}
    published = replace(
        leaderboard,
        rows=rows,
        ratings=names.ratings(leaderboard.ratings) if leaderboard.ratings is not None else None,
        points=tuple(_points_of(labels, one) for one in leaderboard.points),
        overall_points=tuple(_points_of(labels, one) for one in leaderboard.overall_points),
        team_points=tuple(_points_of(labels, one) for one in leaderboard.team_points),
        distributions=tuple(one for one in leaderboard.distributions if one.team in labels),
        breakdowns=tuple(one for one in leaderboard.breakdowns if one.team in labels),
        strengths=tuple(one for one in leaderboard.strengths if one.team in labels),
        curves=tuple(one for one in leaderboard.curves if one.team in labels),
        contrasts=tuple(one for one in leaderboard.contrasts if {one.first, one.second} <= labels),
        turning_points=tuple(one for one in leaderboard.turning_points if {one.run, one.rival} <= labels),
        duplicates=(),
        consequences=tuple(one for one in leaderboard.consequences if (one.team, one.run) in {row.key for row in rows}),
        unchecked=tuple(one for one in leaderboard.unchecked if (one.team, one.run) in {row.key for row in rows}),
    )
    return names.snapshot(snapshot), names.masked(published)


def ratings_for(audience: Audience, snapshot: Snapshot, report: RatingReport) -> tuple[Snapshot, RatingReport]:
    """Return what ``audience`` may see of a board and the report on its ratings.

    The public sees what counts, scores and agreement; no rater, and no item whose right answer is known.
    """
    if audience == "organizers":
        return snapshot, report
    names = _PublicNames(snapshot, [one.rater for one in report.raters])
    published = replace(
        report,
        summary=names.summary(report.summary),
        comparison_summary=names.summary(report.comparison_summary),
        raters=(),
        gold=(),
        dimensions=tuple(names.dimension(one) for one in report.dimensions),
        comparisons=tuple(
            replace(
                one,
                teams=tuple(team for team in one.teams if names.shows_team(team.team)),
                references=tuple(row for row in one.references if names.shows_team(row.team)),
            )
            for one in report.comparisons
        ),
    )
    return names.snapshot(snapshot), names.masked(published)


def comparison_for(audience: Audience, comparison: ScorecardComparison) -> ScorecardComparison:
    """Return what ``audience`` may see of scorecards side by side."""
    unscored = tuple(replace(one, findings=findings_for(audience, one.findings)) for one in comparison.unscored)
    return replace(comparison, unscored=unscored)


def findings_for(audience: Audience, findings: Iterable[Mapping[str, Any]]) -> tuple[Any, ...]:
    """Return the findings that ``audience`` may see: the public those that accuse nobody."""
    if audience == "organizers":
        return tuple(findings)
    accusing = {str(rule.id) for scope in ("gaming", "board") for rule in rules_for(scope)}
    return tuple(
        one for one in findings if (rule := str(one.get("rule", ""))) not in accusing and not rule.startswith(ACCUSING)
    )


class _PublicNames:
    """What the public calls people and withheld entries.

    Raters are numbers, in the order in which they first appear on the board; members of teams are ``a member``; teams
    and runs that a decision withholds have no name. A team is withheld, too, when all of its runs are.
    """

    def __init__(self, snapshot: Snapshot, raters: Sequence[str] = ()) -> None:
        ids = [answer.rater for answer in snapshot.answers]
        ids += [*raters, *sorted(snapshot.raters)]
        ids += [one.subject for one in snapshot.decisions if one.target == "rater"]
        self._raters = {rater: f"rater {at}" for at, rater in enumerate(dict.fromkeys(ids), start=1)}
        self._withheld_runs = set(snapshot.excluded("run"))  # as TEAM/RUN
        runs: dict[str, list[str]] = {}
        for run in snapshot.runs:
            runs.setdefault(run.team, []).append(f"{run.team}/{run.name}")
        self._withheld_teams = set(snapshot.excluded("team"))
        self._withheld_teams |= {team for team, names in runs.items() if self._withheld_runs.issuperset(names)}
        self._shown = {team.name for team in snapshot.teams if self.shows_team(team.name)}
        self._shown |= {f"{run.team}/{run.name}" for run in snapshot.runs if self.shows((run.team, run.name))}
        people = {person: "a member" for team in snapshot.teams for person in team.members} | self._raters
        self._words = {word: name for word, name in people.items() if _recognisable(word)}
        self._words |= dict.fromkeys(self._withheld_runs, "a withheld run")
        self._words |= dict.fromkeys(self._withheld_teams, "a withheld team")
        self._whole = people | self._words
        known = sorted(self._words, key=lambda word: (-len(word), word))
        self._known = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, known))})(?!\w)") if known else None

    def shows_team(self, team: str) -> bool:
        return team not in self._withheld_teams

    def shows(self, run: tuple[str, str]) -> bool:
        return self.shows_team(run[0]) and "/".join(run) not in self._withheld_runs

    def mask(self, text: str) -> str:
        """Return ``text`` with every name replaced that is not public; a number alone is taken for a number."""
        if text in self._shown:
            return text
        if text in self._whole:
            return self._whole[text]
        if self._known is None:
            return text
        return self._known.sub(lambda found: self._words[found.group()], text)

    def masked(self, value: Value) -> Value:
        """Return a value, such as a report, with the names in all its sentences replaced."""
        return cast("Value", self._masked(value, sentence=False))

    def _masked(self, value: Any, *, sentence: bool) -> Any:
        if isinstance(value, str):
            return self.mask(value) if sentence else value
        if isinstance(value, tuple):
            return tuple(self._masked(inner, sentence=sentence) for inner in value)
        if isinstance(value, dict) and sentence:
            return {key: self._masked(inner, sentence=True) for key, inner in value.items()}
        if not is_dataclass(value) or isinstance(value, type):
            return value
        inner = {part.name: getattr(value, part.name) for part in fields(value) if part.init}
        changed = {name: self._masked(one, sentence=name in SENTENCES) for name, one in inner.items()}
        changed = {name: one for name, one in changed.items() if one is not inner[name] and one != inner[name]}
        return replace(value, **changed) if changed else value

    def row(self, row: Row) -> Row:
        """Return the row; that its team's primary run is left out by a decision is not said."""
        withheld = any(one.startswith(f"{row.team}/") for one in self._withheld_runs)
        reasons = [
            CodedReason(one.code, "Only primary runs compete.") if withheld and one.code == "not_primary" else one
            for one in row.reasons
        ]
        return replace(row, reasons=tuple(reasons))

    def ratings(self, ratings: RatingsInfo) -> RatingsInfo:
        """Return the same with numbers for ids, in the order of the numbers."""
        raters = [
            RaterInfo(
                self._raters[one.rater],
                one.ratings,
                one.counted,
                "a team" if one.own_team is not None else None,
                "by a decision" if one.excluded is not None else None,
            )
            for one in ratings.raters
        ]
        raters.sort(key=lambda one: int(one.rater.rpartition(" ")[2]))
        return replace(ratings, raters=tuple(raters))

    def summary(self, summary: AnswerSummary) -> AnswerSummary:
        return replace(summary, raters={self._raters.get(one, one): how for one, how in summary.raters.items()})

    def dimension(self, dimension: DimensionReport) -> DimensionReport:
        return replace(dimension, estimators=tuple(map(self._estimator, dimension.estimators)))

    def _estimator(self, scores: EstimatorScores) -> EstimatorScores:
        return replace(
            scores,
            teams=tuple(one for one in scores.teams if self.shows((one.team, one.run))),
            items=tuple(one for one in scores.items if self.shows((one.team, one.run))),
        )

    def snapshot(self, snapshot: Snapshot) -> Snapshot:
        return replace(
            snapshot,
            teams=tuple(Team(team.name) for team in snapshot.teams if self.shows_team(team.name)),
            runs=tuple(_without_accusations(run) for run in snapshot.runs if self.shows((run.team, run.name))),
            answers=(),
            key=None,
            raters={},
            gold=(),
            gold_pairs=(),
            speeds=(),
            decisions=tuple(self._decision(one) for one in snapshot.decisions if one.target in {"rater", "answer"}),
            imports=tuple(self._import(one) for one in snapshot.imports),
            log=tuple(self._entry(one) for one in snapshot.log),
        )

    def _decision(self, one: Decision) -> Decision:
        subject = self._raters[one.subject] if one.target == "rater" else f"answer {one.subject[:12]}"
        revoked_by = self.mask(one.revoked_by) if one.revoked_by is not None else None
        why = None if one.revoked_why is None else NOT_PUBLISHED
        return replace(
            one,
            subject=subject,
            code="",
            reason=NOT_PUBLISHED,
            by=self.mask(one.by),
            revoked_by=revoked_by,
            revoked_why=why,
        )

    def _import(self, one: Import) -> Import:
        return replace(one, file=self.mask(one.file), by=self.mask(one.by))

    def _entry(self, one: AuditEntry) -> AuditEntry:
        return replace(one, subject=self.mask(one.subject), by=self.mask(one.by), details={})


def _recognisable(word: str) -> bool:
    """Whether a word in a sentence can only be an id: short numbers are amounts."""
    return bool(word) and not (word.isdecimal() and len(word) < 5)


def _points_of(labels: set[str], points: Points) -> Points:
    """Return the points of these runs; the coefficients are those of all competing runs."""
    kept = [at for at, team in enumerate(points.teams) if team in labels]
    teams, samples, x, y = (
        tuple(values[at] for at in kept) if values else ()
        for values in (points.teams, points.samples, points.x, points.y)
    )
    return replace(points, teams=teams, samples=samples, x=x, y=y)  # type: ignore[arg-type]


def _without_accusations(run: Run) -> Run:
    card: Scorecard = run.card
    videos = tuple(
        video.model_copy(update={"findings": findings_for("public", video.findings)}) if video.findings else video
        for video in card.videos
    )
    findings = findings_for("public", card.findings)
    speed = None if run.speed is None else replace(run.speed, who="")
    return replace(run, card=card.model_copy(update={"videos": videos, "findings": findings}), speed=speed)
