"""Simulated raters: the same seed, the same people; what is planted can be found."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from evalkit.ratings import check_answers, read_key, read_ratings
from evalkit.reference_models.demo_challenge import DAMAGED, DIMENSIONS, TEAMS, DemoChallenge
from evalkit.reference_models.raters import RaterPanel, simulate_ratings

OPENS = datetime(2026, 3, 1, 12, tzinfo=UTC)
PANEL = RaterPanel(OPENS, OPENS + timedelta(days=4), raters=14, items=12, seed=3)
QUALITY = {"alpha": {"lips": 4.2, "look": 2.0}, "beta": {"lips": 2.5, "look": 4.0}, "gamma": {"lips": 1.5, "look": 3.0}}
VIDEOS = [(team, f"s{sample:02d}") for sample in range(10) for team in QUALITY]


def test_the_same_seed_gives_the_same_sheet_and_another_one_does_not() -> None:
    sheet = simulate_ratings(VIDEOS, QUALITY, PANEL)
    again = simulate_ratings(VIDEOS, QUALITY, PANEL)
    assert (sheet.ratings_csv(), sheet.key_csv()) == (again.ratings_csv(), again.key_csv())
    assert (
        sheet.ratings_csv()
        != simulate_ratings(VIDEOS, QUALITY, RaterPanel(PANEL.opens, PANEL.closes, 14, 12, 4)).ratings_csv()
    )


def test_every_rater_judges_all_teams_of_the_samples_that_are_theirs() -> None:
    sheet = simulate_ratings(VIDEOS, QUALITY, PANEL)
    seen: dict[str, Counter[str]] = {}
    for rater, item, dimension, *_ in sheet.rows:
        if dimension == "lips":
            seen.setdefault(rater, Counter())[sheet.key[item][0]] += 1
    assert set(seen) == set(PANEL.names)
    assert all(counts == Counter(dict.fromkeys(QUALITY, 4)) for counts in seen.values())
    assert not any(word in item for item, (team, _) in sheet.key.items() for word in (team, "s0"))


def test_no_team_is_a_formula_in_the_key_and_all_come_back(tmp_path: Path) -> None:
    names = {"alpha": "=alpha", "beta": "@beta", "gamma": "-2+3"}
    quality = {names[team]: scores for team, scores in QUALITY.items()}
    sheet = simulate_ratings([(names[team], sample) for team, sample in VIDEOS], quality, PANEL)
    (tmp_path / "key.csv").write_text(sheet.key_csv())
    assert not any(f",{name}" in sheet.key_csv() for name in names.values())
    assert {entry.team for entry in read_key(tmp_path / "key.csv").entries.values()} == set(names.values())


def test_the_honest_ones_find_what_is_true() -> None:
    sheet = simulate_ratings(VIDEOS, QUALITY, RaterPanel(PANEL.opens, PANEL.closes, raters=40, items=30, seed=0))
    honest = set(sheet.panel.names) - {sheet.panel.speeder, sheet.panel.straight_liner}
    for team, dimensions in QUALITY.items():
        for dimension, quality in dimensions.items():
            scores = [
                row[3]
                for row in sheet.rows
                if row[0] in honest and row[2] == dimension and sheet.key[row[1]][0] == team
            ]
            # rounding and the ends of the scale move a mean by up to a quarter of a point
            assert np.mean(scores) == pytest.approx(quality, abs=0.35)


def test_the_bad_ones_are_what_the_panel_says() -> None:
    sheet = simulate_ratings(VIDEOS, QUALITY, PANEL)
    seconds: dict[str, list[float]] = {}
    given: dict[str, set[int]] = {}
    late = Counter[str]()
    for rater, _, _, score, start, end in sheet.rows:
        seconds.setdefault(rater, []).append((end - start).total_seconds())
        given.setdefault(rater, set()).add(score)
        late[rater] += end > PANEL.closes
    medians = {rater: float(np.median(times)) for rater, times in seconds.items()}
    assert min(medians, key=lambda rater: medians[rater]) == PANEL.speeder
    assert medians[PANEL.speeder] < 2 < min(value for rater, value in medians.items() if rater != PANEL.speeder)
    assert [rater for rater, scores in given.items() if len(scores) == 1] == [PANEL.straight_liner]
    assert {rater: number for rater, number in late.items() if number} == {PANEL.latecomer: 8}


def test_the_demos_files_are_read_and_judged(tmp_path: Path) -> None:
    show = DemoChallenge(tmp_path)
    names = [team.name for team in (*TEAMS, DAMAGED)]
    sheet = show.ratings([(name, f"p{sample:02d}") for name in names for sample in range(12)])
    challenge = show.challenge()
    file = read_ratings(show.ratings_file, dimensions=challenge.ratings.dimensions)
    judgement = check_answers(file, challenge.ratings, key=read_key(show.key_file))
    assert file.fault_count == 0
    assert len(judgement) == 14 * 50 * len(DIMENSIONS)
    assert {verdict.codes for verdict in judgement if not verdict.counted} == {("late",)}
    assert {verdict.answer.rater for verdict in judgement if not verdict.counted} == {sheet.panel.latecomer}
    assert len([v for v in judgement if not v.counted]) == 50 // 3 * len(DIMENSIONS)


def test_an_impossible_panel_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 6"):
        RaterPanel(OPENS, OPENS, raters=14)
