"""Samples without a person under metrics about people: neither scored nor missing, wherever a number is shown."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from builders.boards import make_snapshot
from builders.mixed import make_mixed_card
from builders.rankings import UP, ranks

from evalkit import api
from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.leaderboard.ranking import rank_rows
from evalkit.leaderboard.table import Cell, Column, Row
from evalkit.metrics.base import NO_PERSON, Metric, MetricRecord, SetMetric, SetValue, VideoValue, unscored
from evalkit.reports.comparison.inputs import ComparedEntry
from evalkit.reports.comparison.model import make_comparison
from evalkit.reports.leaderboard.tables import leaderboard_csv
from evalkit.reports.scorecard_page import render_scorecard
from evalkit.reports.tables import missing_reasons, summary_rows
from evalkit.scoring.aggregate import score_again, score_of_videos
from evalkit.scoring.engine import LocalEngine
from evalkit.scoring.journal import Journal
from evalkit.scoring.plan import make_plan
from evalkit.scoring.run import RunOptions
from evalkit.scoring.scorecard import Scorecard, gap_text
from evalkit.submission.model import Submission
from evalkit.weights.manifest import Backbones, load_backbones

NOTHING = Backbones(name="nothing", title="no weights at all", roles={})
ABOUT_PEOPLE = MetricRecord(
    id="people.x",
    title="P",
    summary="Planted.",
    higher_is_better=True,
    range=(0, 10),
    features=("facts",),
    citation="none",
    people_only=True,
)


class Planted(Metric):
    """Counts its calls: nothing is computed for a sample that the metric is not about."""

    record = ABOUT_PEOPLE

    def __init__(self) -> None:
        self.calls = 0

    def compute(self, features: Any) -> VideoValue:
        self.calls += 1
        return VideoValue(4.0)


class PlantedSet(SetMetric):
    record = replace(ABOUT_PEOPLE, id="people.set")

    def __init__(self) -> None:
        self.seen: list[str] = []

    def compute(self, features: Any) -> VideoValue:
        return unscored("of_the_set")

    def score_set(self, videos: Any) -> SetValue:
        self.seen = [video.sample for video in videos]
        return SetValue(1.0, len(self.seen))


def scored(
    world: Any, folder: Path, zip_: Path, subjects: list[tuple[str, ...]]
) -> tuple[Scorecard, Planted, PlantedSet]:
    testset = world.samples()
    samples = [s.model_copy(update={"subjects": kinds}) for s, kinds in zip(testset, subjects, strict=True)]
    plan = make_plan(world.challenge(), NOTHING, names=["psnr", "identity.strict.arc"], allow_missing=True)
    one, whole = Planted(), PlantedSet()
    plan = replace(plan, metrics={"people.x": one, "people.set": whole, **plan.metrics})
    card = api.run_score(
        Submission.open(zip_, world.challenge().submission.archive),
        world.challenge(),
        replace(testset, samples=tuple(samples)),
        plan,
        out=None,
        options=RunOptions(cache=folder / "cache", engine=LocalEngine(1)),
    ).scorecard
    return card, one, whole


def without(zip_: Path, name: str, target: Path) -> Path:
    """Copy a ZIP without one member."""
    with zipfile.ZipFile(zip_) as source, zipfile.ZipFile(target, "w") as out:
        for entry in source.infolist():
            if entry.filename != name:
                out.writestr(entry, source.read(entry))
    return target


def test_nothing_is_computed_that_only_metrics_about_people_read(world, tmp_path):
    subjects: list[tuple[str, ...]] = [("person",), ("animal",), ("object", "person"), ()]
    samples = [s.model_copy(update={"subjects": kinds}) for s, kinds in zip(world.samples(), subjects, strict=True)]
    plan = make_plan(world.challenge(), load_backbones("bundled"), names=["psnr", "identity.strict.arc"])
    log = tmp_path / "log.jsonl"
    card = api.run_score(
        Submission.open(world.zip, world.challenge().submission.archive),
        world.challenge(),
        replace(world.samples(), samples=tuple(samples)),
        plan,
        out=None,
        options=RunOptions(cache=tmp_path / "cache", engine=LocalEngine(1), journal=Journal(log)),
    ).scorecard
    events = [json.loads(line) for line in log.read_text().splitlines()]
    computed = {event["sample"]: set(event["computed"]) for event in events if event["event"] == "video"}
    of_people = {"faces", "face_stillness", "arcface", "faces_reference", "arcface_reference"}
    assert plan.people_features == of_people
    everything = set(plan.features)
    others = everything - plan.people_features
    assert [computed[sample.id] for sample in samples] == [everything, others, everything, everything]
    assert card.metrics["psnr.rgb"].n == 4


def test_samples_without_a_person_are_no_gaps(world, tmp_path):
    ids = [sample.id for sample in world.samples()]
    # The video of the cup is missing: that is a gap of PSNR and none of a metric about people.
    zip_ = without(world.zip, f"{ids[3]}.mp4", tmp_path / "team.zip")
    card, one, whole = scored(world, tmp_path, zip_, [("person",), ("person", "animal"), ("animal",), ("object",)])
    about = card.metrics["people.x"]
    assert (about.value, about.n, about.coverage, about.not_applicable, about.reason) == (4.0, 2, 1.0, 2, None)
    assert one.calls == 2
    of_set = card.metrics["people.set"]
    assert (of_set.value, of_set.n, of_set.coverage, of_set.not_applicable) == (1.0, 2, 1.0, 2)
    assert whole.seen == ids[:2]
    psnr = card.metrics["psnr.rgb"]
    assert (psnr.n, psnr.coverage, psnr.not_applicable) == (3, 0.75, 0)
    rows = {video.sample: video for video in card.videos}
    assert [rows[name].values["people.x"] for name in ids] == [4.0, 4.0, None, None]
    assert [rows[name].reasons.get("people.x") for name in ids] == [None, None, NO_PERSON, NO_PERSON]
    assert rows[ids[3]].reasons["psnr.rgb"] == "missing"
    # What this machine lacks is a gap only where there could be a value.
    lacking = card.metrics["identity.strict.arc"]
    assert (lacking.value, lacking.not_applicable) == (None, 2)
    assert rows[ids[2]].reasons["identity.strict.arc"] == NO_PERSON
    assert rows[ids[0]].reasons["identity.strict.arc"].startswith("weights_missing")
    assert Scorecard.from_json(card.to_json()).to_json() == card.to_json()


def test_a_metric_that_is_about_no_sample_is_no_gap_of_the_run(world, tmp_path):
    card, one, whole = scored(world, tmp_path, world.zip, [("animal",)] * 4)
    for name in ("people.x", "people.set", "identity.strict.arc"):
        score = card.metrics[name]
        assert (score.value, score.reason, score.coverage, score.not_applicable) == (None, NO_PERSON, 0.0, 4), name
    assert (one.calls, whole.seen) == (0, [])
    assert card.complete
    assert "not applicable: no_person" in str(card)
    assert "not applicable: no_person" in card._repr_html_()


def test_nothing_said_of_a_subject_means_a_person(world, tmp_path):
    card, one, _ = scored(world, tmp_path, world.zip, [()] * 4)
    assert (one.calls, card.metrics["people.x"].not_applicable) == (4, 0)


def test_coverage_and_reason_by_hand():
    outcomes = {
        "a": VideoValue(1.0),
        "b": unscored("no_face"),
        "c": unscored(NO_PERSON),
        "d": unscored(NO_PERSON),
        "e": unscored("not_applicable"),
    }
    score = score_of_videos(Planted(), outcomes)
    # Five samples, three of which the metric is not about: one of two has a value.
    assert (score.value, score.n, score.coverage, score.not_applicable) == (1.0, 1, 0.5, 3)
    # The reason is that of the gap, though samples outside are more.
    left = score_of_videos(Planted(), {name: outcomes[name] for name in "bcde"})
    assert (left.value, left.reason, left.coverage, left.not_applicable) == (None, "no_face", 0.0, 3)
    assert gap_text("not_applicable") == "not applicable"
    assert gap_text("no_face") == "unscored: no_face"


def test_an_excluded_sample_may_be_one_of_those_outside() -> None:
    card = make_mixed_card("alpha", [0.5, None, None])
    score = card.metrics["identity.strict"]
    assert (score.coverage, score.not_applicable) == (0.5, 1)
    again = score_again("identity.strict", score, [video for video in card.videos if video.sample != "s3"])
    assert (again.coverage, again.not_applicable) == (0.5, 0)
    again = score_again("identity.strict", score, [video for video in card.videos if video.sample != "s2"])
    assert (again.coverage, again.not_applicable) == (1.0, 1)


YAML = """schema: 1
id: c
title: People, a dog and a cup
metrics:
  - {id: identity.strict, direction: higher, range: [0, 1]}
  - {id: other, direction: higher, range: [0, 1]}
coverage: 1.0
ranking: weighted-sum
"""


def test_they_rank_and_the_tables_say_so() -> None:
    snapshot = make_snapshot(
        YAML.replace("  - {id: other, direction: higher, range: [0, 1]}\n", ""),
        {"alpha": make_mixed_card("alpha", [0.5, 0.7, None]), "beta": make_mixed_card("beta", [0.4, 0.4, None])},
    )
    leaderboard = compute_leaderboard(snapshot, draws=100)
    assert [(row.team, row.rank) for row in leaderboard.rows] == [("alpha", 1), ("beta", 2)]
    assert leaderboard.provisional is None
    assert [row.cells["identity.strict"].coverage for row in leaderboard.rows] == [1.0, 1.0]
    assert "identity.strict.coverage" in leaderboard_csv(snapshot, leaderboard)


def test_a_column_that_is_about_no_sample_ranks_nobody_and_nothing_is_pending() -> None:
    faces = Column("faces", True, "objective", 1.0, (0.0, 1.0))
    outside = Cell(None, reason=NO_PERSON, coverage=0.0)
    rows = [Row(team, "1", {"up": Cell(value), "faces": outside}) for team, value in (("a", 0.3), ("b", 0.6))]
    ranking = rank_rows(rows, [UP, faces], "weighted-sum")
    assert ranks(ranking) == {"b": 1, "a": 2}
    assert ranking.provisional is None
    assert ranking.refused["faces"].sentence == "faces is not applicable to any sample of the test set."
    # A column that nobody has yet is another matter.
    rows = [replace(row, cells={**row.cells, "faces": Cell(None, reason="no_face")}) for row in rows]
    assert rank_rows(rows, [UP, faces], "weighted-sum").provisional is not None


def test_pages_say_not_applicable_and_count_no_problem() -> None:
    card = make_mixed_card("alpha", [0.5, 0.7, None])
    assert missing_reasons(card, "identity.strict") == [("not applicable", 1)]
    (row,) = summary_rows(card)
    assert (row["coverage"], row["n"]) == (1.0, 2)
    page = render_scorecard(card, lambda _sample: [])
    assert "1 of 1 metric cover every sample that they are about" in page
    assert "0 of 3 have a problem" in page
    assert "no_person" not in page
    assert page.count("<small>not applicable</small>") == 1
    comparison = make_comparison(
        [ComparedEntry("alpha", card, ""), ComparedEntry("beta", make_mixed_card("beta", [0.1] * 2 + [None]), "")]
    )
    cell = comparison.cell(comparison.entries[0], comparison.columns[0])
    assert (cell.score.not_applicable, cell.gaps) == (1, (("not applicable", 1),))
