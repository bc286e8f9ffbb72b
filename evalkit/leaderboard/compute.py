"""From a board to its leaderboard, as one pure function: the same snapshot gives the same standings, bit by bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evalkit.board.filtering import filter_ratings
from evalkit.board.model import Snapshot
from evalkit.errors import InputError
from evalkit.leaderboard.answers import People
from evalkit.leaderboard.breakdown import breakdowns
from evalkit.leaderboard.columns import Columns, ranked_columns, read_columns
from evalkit.leaderboard.duplicates import shared_videos
from evalkit.leaderboard.entries import Ranked, Table, entry_of, make_table, rank_runs
from evalkit.leaderboard.human_columns import people_info, read_people
from evalkit.leaderboard.metric_agreement import distributions, metric_points, sample_values
from evalkit.leaderboard.model import ColumnInfo, Leaderboard, Row, Sensitivity
from evalkit.leaderboard.ranking import split_equals
from evalkit.leaderboard.runs import RunKey, read_runs
from evalkit.leaderboard.scoring_rules import Plan
from evalkit.leaderboard.sensitivity import leave_one_out, random_weights, weight_intervals
from evalkit.leaderboard.uncertainty import Options, RankCertainty, rank_certainty


def compute_leaderboard(
    snapshot: Snapshot, *, draws: int = 2000, seed: int = 0, confidence: float = 0.95, podium: int = 3
) -> Leaderboard:
    """Return everything that a leaderboard says of ``snapshot``.

    Who can't be ranked is shown with the reason. Where the challenge's rule can't be applied, the standings say so as
    their ``problem`` and rank nobody; the values are there all the same.

    A two-phase challenge that is decided in pairs is ranked twice: without people for the finalists, then by what these
    did against each other.

    Args:
        snapshot: the board.
        draws: resampled challenges behind every interval, at least 100.
        seed: of all that is random.
        confidence: that no two teams are told apart wrongly, between 0.5 and 1.
        podium: how many first places the sensitivity to the weights is about.
    """
    challenge = snapshot.challenge
    options = Options(draws, seed, confidence)
    field = read_runs(snapshot)
    columns = read_columns(challenge, field)
    judged = filter_ratings(snapshot)
    finalists = None
    if challenge.ranking == "two-phase" and challenge.ratings.method == "pairs":
        finalists = _finalists(rank_runs(columns, make_table(field, columns, People())))
    people = read_people(snapshot, field, judged, finalists, draws=draws, seed=seed)
    table = make_table(field, columns, people)
    ranked = rank_runs(columns, table)
    certainty, shortlist = _certainty(ranked, table, options)
    told = {**(shortlist.notes if shortlist else {}), **certainty.notes}
    units = {column.id: column.unit for column in people.columns if column.unit}
    infos = ranked_columns(columns, ranked.ranking, ranked.plans, units=units, told=told)
    values = sample_values(infos, field, people.by_id)
    return Leaderboard(
        rule=challenge.ranking,
        lower_wins=ranked.ranking.lower_wins if ranked.ranking is not None else False,
        columns=infos,
        rows=_rows(infos, ranked, table, (certainty, shortlist)),
        provisional=ranked.ranking.provisional if ranked.ranking is not None else None,
        problem=ranked.problem,
        certainty=certainty.certainty,
        no_certainty=certainty.why_not,
        shortlist=shortlist.certainty if shortlist is not None else None,
        sensitivity=_sensitivity(columns, ranked, table, seed=seed, podium=podium),
        people=people_info(snapshot, judged, people),
        points=metric_points(infos, field, values, seed=seed),
        distributions=distributions(infos, field, values),
        breakdowns=breakdowns(infos, field, values),
        strengths=people.strengths,
        shared=shared_videos(snapshot),
    )


def _finalists(ranked: Ranked) -> frozenset[RunKey] | None:
    if ranked.ranking is None:
        return None
    return frozenset(key for key, placing in ranked.placings.items() if placing.finalist)


def _certainty(ranked: Ranked, table: Table, options: Options) -> tuple[RankCertainty, RankCertainty | None]:
    """Return the certainty of the final order, and of the shortlist where there is one."""
    if ranked.ranking is None or not ranked.plans:
        return RankCertainty(why_not="Nobody is ranked."), None
    order = [(placing.team, placing.run) for placing in ranked.ranked]
    if len(ranked.plans) == 1:
        return rank_certainty(order, ranked.plans[0], table, options), None
    complete = sorted(
        (placing for placing in ranked.placings.values() if placing.shortlist_rank is not None),
        key=lambda placing: (placing.shortlist_rank, placing.team, placing.run),
    )
    listed = [(placing.team, placing.run) for placing in complete]
    shortlist = rank_certainty(listed, ranked.plans[0], table, options)
    waiting = _waiting(ranked)
    if waiting is not None:
        return RankCertainty(why_not=waiting), shortlist
    decided = [key for key in order if ranked.placings[key].finalist]
    final = rank_certainty(decided, ranked.plans[1], table, options, scope="finalists")
    return final, shortlist


def _waiting(ranked: Ranked) -> str | None:
    """Return why there is no final phase yet, of a ranking in two."""
    why = ranked.ranking.provisional if ranked.ranking is not None else None
    return why.sentence if why is not None and why.code == "no_final_phase" else None


def _rows(
    infos: Sequence[ColumnInfo],
    ranked: Ranked,
    table: Table,
    certain: tuple[RankCertainty, RankCertainty | None],
) -> tuple[Row, ...]:
    certainty, shortlist = certain
    field, cells = table.field, table.cells
    best = _best(infos, ranked, table)
    # A finalist without results yet has no rank, and those behind the finalists keep theirs.
    last = max([len(ranked.ranked), *(placing.rank for placing in ranked.ranked if placing.rank is not None)])
    rows = []
    for key in ranked.order:
        placing = ranked.placings[key]
        points = ranked.points.get(key, {})
        # What the shortlist allowed says nothing of an order that the final phase has made.
        judged = placing.finalist and _waiting(ranked) is None
        source = certainty if judged or shortlist is None else shortlist
        listed = placing.rank is not None
        probability = source.probability.get(key, ()) if listed else ()
        # Finalists' probabilities end with the last finalist; nobody of them comes behind.
        places = last if probability else 0
        rows.append(
            Row(
                team=placing.team,
                run=placing.run,
                primary=field.entrants[field.position[key]].run.primary,
                cells={
                    name: replace(cell, points=points.get(name), best=cell.value is not None and (key, name) in best)
                    for name, cell in cells[key].items()
                },
                rank=placing.rank,
                score=placing.score,
                interval=source.intervals.get(key) if listed else None,
                probability=(*probability, *[0.0] * (places - len(probability))),
                reasons=placing.reasons,
                tie_break=placing.tie_break,
                finalist=placing.finalist,
                shortlist_rank=placing.shortlist_rank,
                shortlist_score=placing.shortlist_score,
                label=field.entrants[field.position[key]].label,
            )
        )
    return tuple(rows)


def _best(infos: Sequence[ColumnInfo], ranked: Ranked, table: Table) -> set[tuple[RunKey, str]]:
    """Return who holds the best value of each column among the ranked; equals share it, a refused column has none."""
    found: set[tuple[RunKey, str]] = set()
    keys = [(placing.team, placing.run) for placing in ranked.ranked]
    for info in infos:
        values = {key: value for key in keys if (value := table.cells[key][info.id].value) is not None}
        if not values or info.higher_is_better is None or info.refused is not None:
            continue
        top = max(values.values()) if info.higher_is_better else min(values.values())
        found |= {(key, info.id) for key, value in values.items() if value == top}
    return found


def _sensitivity(columns: Columns, ranked: Ranked, table: Table, *, seed: int, podium: int) -> Sensitivity | None:
    """Return what other weights would do; ``None`` for fewer than two teams or a rule with nothing to weigh.

    In a two-phase ranking it is about the finalists, where several dimensions decide among them.
    """
    if ranked.ranking is None or not ranked.plans or _waiting(ranked) is not None:
        return None
    plan: Plan = ranked.plans[-1]
    keys = [(placing.team, placing.run) for placing in ranked.ranked if len(ranked.plans) == 1 or placing.finalist]
    if len(keys) < 2 or len(plan.columns) < 2:
        return None
    teams, values, order = table.labels(keys), table.values(keys, plan), range(len(keys))
    try:
        intervals = weight_intervals(teams, values, plan, order, podium=podium)
        random = random_weights(teams, values, plan, order, seed=seed, podium=podium)
    except InputError:  # equal but for rounding: no weight can be said to keep that order
        return None
    entries = [entry_of(table.field.entrants[table.field.position[key]], table.cells[key]) for key in keys]

    def split(equal: Sequence[int]) -> list[list[int]]:
        return split_equals(columns.challenge, entries, equal, columns.directions)

    return Sensitivity(podium, intervals, random, leave_one_out(teams, values, plan, split))
