"""Opinion scores of real ratings by group: the report's means are those of a few lines of plain arithmetic."""

from __future__ import annotations

import csv
import statistics
from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from builders.boards import talking_heads_board

from evalkit.groups.model import FairnessRules
from evalkit.leaderboard.compute import board_fairness, rank_snapshot

GROUPS = {f"s{number:02d}": "f" if number <= 12 else "m" for number in range(1, 21)}


def plain_means(folder: Path) -> dict[tuple[str, str, str], float]:
    """Return (team, dimension, group) -> the mean over videos of the mean of a video's ratings that count."""
    anywhere = timezone(timedelta(hours=-12))
    opens, closes = (datetime(2026, 3, day, tzinfo=anywhere) for day in (1, 6))
    key = {row["item_id"]: row for row in csv.DictReader((folder / "key.csv").read_text().splitlines())}
    videos: dict[tuple[str, str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in csv.DictReader((folder / "long.csv").read_text().splitlines()):
        start, end = (datetime.fromisoformat(row[name]) for name in ("started_at", "submitted_at"))
        if opens <= end < closes and (end - start).total_seconds() >= 4:
            item = key[row["item_id"]]
            place = (item["team"], row["dimension"], GROUPS[item["sample_id"]])
            videos[place][item["sample_id"]].append(float(row["score"]))
    return {place: statistics.mean(map(statistics.mean, of.values())) for place, of in videos.items()}


@pytest.mark.shared
def test_opinion_scores_by_group_are_those_of_the_ratings(shared: Path) -> None:
    snapshot = talking_heads_board(shared)
    runs = []
    for run in snapshot.runs:
        videos = tuple(
            video.model_copy(update={"groups": {"gender": GROUPS[video.sample]}, "identity": video.sample})
            for video in run.card.videos
        )
        runs.append(replace(run, card=run.card.model_copy(update={"videos": videos})))
    snapshot = replace(snapshot, runs=tuple(runs))
    rules = FairnessRules(min_videos=8, min_identities=8, permutations=99, draws=100)
    report = board_fairness(snapshot, rank_snapshot(snapshot, draws=100), rules)
    assert report is not None
    expected = plain_means(shared / "data" / "talking-heads" / "ratings")
    tables = [table for table in report.tables if table.measure.kind == "dimension"]
    found = {(table.entry, table.measure.id, line.value): line.mean for table in tables for line in table.lines}
    assert found == pytest.approx(expected)
    assert len(found) == 5 * 4 * 2
    for table in tables:
        means = {group: expected[table.entry, table.measure.id, group] for group in "fm"}
        assert table.gap == pytest.approx(abs(means["f"] - means["m"]))
        assert table.worst == min(means, key=lambda group: means[group])
