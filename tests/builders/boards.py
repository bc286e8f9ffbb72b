"""Boards made in code: a `Snapshot` from a challenge, values per team, and ratings as short tuples.

``make_snapshot(challenge, {"alpha": {"psnr": [30, 32], "fid": 12.5}}, ratings=[("r1", "alpha", "s1", "sync", 4)])``
is a board with one primary run of one team, scored on the samples ``s1`` and ``s2``, and one rating.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from builders.answers import make_comparison

from evalkit.board.model import AuditEntry, Decision, GoldItem, Run, Snapshot, Target, Team
from evalkit.challenges.model import Challenge, load_challenge, parse_challenge
from evalkit.challenges.rating_rules import RatingRules
from evalkit.metrics.base import metric_registry
from evalkit.ratings import read_key, read_pairs, read_ratings
from evalkit.ratings.model import Answer, Key, KeyEntry
from evalkit.scoring.scorecard import Scorecard

Values = Mapping[str, Any]  # metric -> a number, None, or a list of both
WHEN = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOW = datetime(2026, 3, 9, tzinfo=UTC)


def talking_heads_board(shared: Path) -> Snapshot:
    """Return the board of the talking-heads footage: five teams, their ratings and comparisons, no decision."""
    folder = shared / "data" / "talking-heads" / "ratings"
    stated = json.loads((folder / "rules.json").read_text())
    preset = load_challenge("mmasia2025-talking-head")
    rules = RatingRules(
        method="mos",
        dimensions=preset.ratings.dimensions,
        window=stated["window"],
        min_seconds_per_item=stated["min_seconds_per_item"],
        blind=True,
    )
    samples = [f"s{number:02d}" for number in range(1, 21)]
    teams = ("faithful", "blurred", "late", "frozen", "swapped")
    return make_snapshot(
        preset.model_copy(update={"ratings": rules}),
        {team: {"psnr": [30.0] * 20} for team in teams},
        samples=samples,
        ratings=list(read_ratings(folder / "long.csv", dimensions=rules.dimensions)),
        pairs=list(read_pairs(folder / "pairs.csv")),
        key=read_key(folder / "key.csv"),
    )


def make_card(
    name: str,
    values: Values,
    *,
    challenge: str = "c",
    samples: Sequence[str] | None = None,
    better: Mapping[str, bool | None] | None = None,
    units: Mapping[str, str] | None = None,
    roles: Mapping[str, str] | None = None,
    groups: Mapping[str, Mapping[str, str]] | None = None,
    details: Mapping[str, Mapping[str, float]] | None = None,
    ci95: Mapping[str, tuple[float, float]] | None = None,
    protocols: Mapping[str, int] | None = None,
) -> Scorecard:
    """Return a scorecard.

    Args:
        name: of the submission.
        values: metric -> a value per sample (``None`` where there is none; the number of the set is the mean), or one
            number of the whole set, or ``None`` for a metric that could not be computed.
        challenge: id.
        samples: ids; ``s1``, ``s2``, ... as many as there are values per sample, by default.
        better: metric -> whether higher is better; true where it isn't said.
        units, roles, details, ci95, protocols: of each metric.
        groups: sample -> name of a group -> value.
    """
    columns = {metric: list(value) for metric, value in values.items() if isinstance(value, Sequence)}
    count = max((len(column) for column in columns.values()), default=len(samples or ("s1", "s2")))
    ids = list(samples) if samples is not None else [f"s{at + 1}" for at in range(count)]
    metrics: dict[str, dict[str, Any]] = {}
    for metric, value in values.items():
        known = [one for one in columns.get(metric, ()) if one is not None]
        whole = (sum(known) / len(known) if known else None) if metric in columns else value
        n = len(known) if metric in columns else (0 if value is None else len(ids))
        metrics[metric] = {
            "value": whole,
            "ci95": (ci95 or {}).get(metric, (min(known), max(known)) if len(known) > 1 else None),
            "unit": (units or {}).get(metric, ""),
            "higher_is_better": (better or {}).get(metric, True),
            "n": n,
            "coverage": n / len(ids) if ids else 0.0,
            "reason": "no_face" if whole is None else None,
            "protocol": (protocols or {}).get(metric, 1),
            "title": metric.upper(),
            "role": (roles or {}).get(metric, "ranked"),
            "details": dict((details or {}).get(metric, {})),
        }
    videos = [
        {
            "sample": sample,
            "path": f"{sample}.mp4",
            "values": {metric: column[at] for metric, column in columns.items()},
            "reasons": {metric: "no_face" for metric, column in columns.items() if column[at] is None},
            "groups": dict((groups or {}).get(sample, {})),
        }
        for at, sample in enumerate(ids)
    ]
    return Scorecard.model_validate(
        {
            "schema": 1,
            "submission": {"name": name, "sha256": hashlib.sha256(name.encode()).hexdigest()},
            "challenge": {"id": challenge, "sha256": "01" * 32, "title": "The challenge"},
            "backbones": "published",
            "metrics": metrics,
            "videos": videos,
            "provenance": {"testset": {"sha256": "ab" * 32}, "backbones": {"sha256": "cd" * 32}},
        }
    )


def as_installed(card: Scorecard) -> Scorecard:
    """Return the scorecard with what the installed metrics declare of their numbers, as ``board add`` asks for."""
    document = card.model_dump(mode="json", by_alias=True)
    for name, score in document["metrics"].items():
        metric = metric_registry().get(name)
        if metric is not None:
            declared = ("protocol", "unit", "higher_is_better", "range", "role", "title", "aggregate")
            score |= {what: getattr(metric.record, what) for what in declared}
    return Scorecard.model_validate(document)


def make_run(
    team: str,
    values: Values | Scorecard,
    *,
    name: str = "main",
    primary: bool = True,
    strips: Mapping[str, tuple[bytes, ...]] | None = None,
    **card: Any,
) -> Run:
    """Return a run of ``team``; ``card`` goes to `make_card`."""
    made = values if isinstance(values, Scorecard) else make_card(f"{team}.zip", values, **card)
    digest = hashlib.sha256(made.to_json().encode()).hexdigest()
    return Run(team, name, primary, made, digest, dict(strips or {}))


def item_of(team: str, sample: str, run: str | None = None) -> str:
    """Return the anonymous item that `make_snapshot` gives to a team's video; the team can't be read from it."""
    return "i" + hashlib.sha256(f"{team}\0{sample}\0{run or ''}".encode()).hexdigest()[:10]


def make_rating(
    rater: str,
    team: str,
    sample: str,
    dimension: str,
    value: float,
    at: datetime | None = WHEN,
    seconds: float | None = 10.0,
    *,
    run: str | None = None,
) -> Answer:
    """Return a rating of a team's video."""
    return Answer(rater, item_of(team, sample, run), dimension, value, at, seconds, row=2)


def make_snapshot(
    challenge: Challenge | str,
    teams: Mapping[str, Values | Scorecard | Sequence[Run]],
    *,
    ratings: Sequence[Answer | tuple[Any, ...]] = (),
    pairs: Sequence[Answer | tuple[Any, ...]] = (),
    key: Key | None = None,
    raters: Mapping[str, str] | None = None,
    gold: Sequence[GoldItem] = (),
    decisions: Sequence[Decision | tuple[Target, str, str, str]] = (),
    log: Sequence[AuditEntry] = (),
    as_of: datetime | None = None,
    reference: Mapping[str, tuple[bytes, ...]] | None = None,
    **card: Any,
) -> Snapshot:
    """Return a board.

    Args:
        challenge: itself, the id of a preset, or its YAML text.
        teams: name -> values of its only run (see `make_card`), a scorecard, or runs.
        ratings: ratings, or tuples of the arguments of `make_rating`: rater, team, sample, dimension, value and, if
            need be, when and seconds.
        pairs: comparisons, or tuples rater, sample, left, right, outcome and, if need be, dimension.
        key: of the items; by default `item_of` of every team and sample, and of every run.
        raters: rater -> own team.
        gold: known answers.
        decisions: decisions, or tuples target, subject, code, reason.
        log: the board's log; one entry by default.
        as_of: what was asked for.
        reference: pictures of the samples.
        card: for `make_card`, the same for all teams.
    """
    if isinstance(challenge, str):
        challenge = parse_challenge(challenge, "test") if "\n" in challenge else load_challenge(challenge)
    runs: list[Run] = []
    for team, made in teams.items():
        if isinstance(made, Scorecard | Mapping):
            runs.append(make_run(team, made, challenge=challenge.id, **card))
        else:
            runs += made
    given = [one if isinstance(one, Answer) else make_rating(*one) for one in ratings]
    compared = [one if isinstance(one, Answer) else _comparison(*one) for one in pairs]
    decided = [
        one if isinstance(one, Decision) else Decision(number, *one, by="organizer", at=NOW)
        for number, one in enumerate(decisions, start=1)
    ]
    entry = AuditEntry(1, NOW, "organizer", "create", challenge.id, {}, hashlib.sha256(b"entry 1").hexdigest())
    return Snapshot(
        challenge=challenge,
        number=log[-1].number if log else 1,
        at=log[-1].at if log else NOW,
        log=tuple(log) or (entry,),
        as_of=as_of,
        teams=tuple(Team(name) for name in sorted(teams)),
        runs=tuple(sorted(runs, key=lambda run: (run.team, run.name))),
        answers=(
            *(replace(one, file="ratings.csv") for one in given),
            *(replace(one, file="pairs.csv") for one in compared),
        ),
        key=key if key is not None else _key(runs) if given else None,
        raters=dict(raters or {}),
        gold=tuple(gold),
        decisions=tuple(decided),
        reference=dict(reference or {}),
    )


def _comparison(
    rater: str, sample: str, left: str, right: str, outcome: float, dimension: str = "", at: datetime | None = WHEN
) -> Answer:
    return make_comparison(rater, sample, left, right, outcome, dimension, at, 10.0, row=2)


def _key(runs: Sequence[Run]) -> Key:
    entries = {}
    for run in runs:
        for video in run.card.videos:
            entries[item_of(run.team, video.sample)] = KeyEntry(run.team, video.sample)
            entries[item_of(run.team, video.sample, run.name)] = KeyEntry(run.team, video.sample, run.name)
    return Key(entries, "key.csv")
