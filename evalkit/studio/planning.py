"""From a board, the submissions and a test set to a plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from evalkit.board.model import Snapshot
from evalkit.board.names import check_ids, folded
from evalkit.challenges.model import require_videos
from evalkit.errors import InputError, did_you_mean
from evalkit.progress import Progress
from evalkit.ratings.read_errors import shown as shown_word
from evalkit.ratings.sides import REFERENCE
from evalkit.studio.gold_pairs import read_gold_pair_videos
from evalkit.studio.inputs import read_gold_videos
from evalkit.studio.making import make_plan, questions_of
from evalkit.studio.plan_model import Medium, Plan, PlanSample
from evalkit.studio.request import PlanRequest
from evalkit.studio.videos import RatedRun, common_samples, competing_runs, find_videos, own_video
from evalkit.testsets.model import Sample, TestSet
from evalkit.text import count


@dataclass(frozen=True)
class Sources:
    """What a plan is made from.

    Args:
        snapshot: the board.
        submissions: folder or list of 'evalkit score-all'.
        testset: the test set.
        teams: only these; all that compete by default.
        samples: how many, drawn by the seed; all by default.
        gold: CSV of videos, or of comparisons, with known answers.
        references: hidden real videos that each rater sees, of comparisons each beside a team's video.
    """

    snapshot: Snapshot
    submissions: Path
    testset: TestSet
    teams: Sequence[str] = ()
    samples: int | None = None
    gold: Path | None = None
    references: int = 0


def plan_study(sources: Sources, request: PlanRequest, progress: Progress) -> Plan:
    """Return the plan; see `evalkit.studio.making.make_plan`.

    Raises:
        InputError: something is missing or is not what was scored, or there is no such plan.
    """
    snapshot, challenge = sources.snapshot, sources.snapshot.challenge
    require_videos(challenge, "A rating study")
    questions = questions_of(challenge)
    pairs = challenge.ratings.method == "pairs"
    runs = competing_runs(snapshot, sources.teams)
    by_id = {sample.id: sample for sample in sources.testset.whole.samples}
    there = common_samples(runs, list(by_id), snapshot.excluded("sample"))
    if not there:
        raise InputError(
            "The runs have no video of a sample of this test set.",
            found=count(len(by_id), "sample") + " in the test set",
            fix="Give the test set that they were scored with.",
        )
    chosen = _some(there, sources.samples, request.seed)
    rated = find_videos(runs, frozenset(chosen), sources.submissions, snapshot, progress)
    root = sources.testset.root
    own = _own(root, by_id)
    request = replace(request, references=_references(sources, by_id, chosen), references_per_rater=sources.references)
    if sources.gold is not None and pairs:
        find = partial(_named_video, rated, by_id, own)
        request = replace(request, gold_pairs=read_gold_pair_videos(sources.gold, challenge.ratings.dimensions, find))
    elif sources.gold is not None:
        request = replace(request, gold=read_gold_videos(sources.gold, questions, partial(_team_video, rated), own))
    known = [*(one.medium for one in request.gold), *(one.first for one in request.gold_pairs)]
    shown = [*chosen, *(one.sample for one in (*known, *request.references))]
    samples = {name: _plan_sample(by_id[name]) for name in by_id if name in set(shown)}
    return make_plan(challenge, rated, samples, request)


def _some(there: Sequence[str], wanted: int | None, seed: int) -> list[str]:
    if wanted is None or wanted == len(there):
        return list(there)
    if wanted > len(there):
        raise InputError(
            f"There are no {wanted} samples to rate.",
            found=count(len(there), "sample") + " with videos",
            expected=f"at most {len(there)}",
        )
    drawn = np.random.default_rng([seed, 1]).choice(len(there), wanted, replace=False)
    return [there[at] for at in sorted(drawn)]


def _plan_sample(sample: Sample) -> PlanSample:
    return PlanSample(image=sample.reference_images[0] if sample.reference_images else None, audio=sample.audio)


def _team_video(rated: Sequence[RatedRun], team: str, sample: str) -> Medium | None:
    found = [one.videos[sample] for one in rated if folded(one.team) == folded(team) and sample in one.videos]
    return found[0] if len(found) == 1 else None


def _named_video(
    rated: Sequence[RatedRun], by_id: Mapping[str, Sample], own: Callable[[str, str], Medium], word: str, sample: str
) -> Medium:
    """Return the video that a file of comparisons calls ``word``: a team's, the real one, or one of the test set.

    Raises:
        InputError: there is none, or the word can mean two.
    """
    named = any(folded(one.team) == folded(word) for one in rated)
    real = word == REFERENCE or folded(word) == REFERENCE.strip("()")
    if named and real:
        raise InputError(f"a team is called so, too: write {REFERENCE} for the real video.")
    if named:
        found = _team_video(rated, word, sample)
        if found is None:
            raise InputError(f"the study has no video of {shown_word(word)} and {shown_word(sample)}.")
        return found
    known = by_id.get(sample)
    if not real:
        try:
            medium = own(word, sample)
        except InputError as error:
            near = did_you_mean(word, [one.team for one in rated])
            raise InputError(f"{error.what.removesuffix('.')}, and the study no team of that name.{near}") from None
        return medium
    if known is None or known.reference_video is None:
        raise InputError(f"the test set has no reference video of {shown_word(sample)}.")
    return own(known.reference_video, sample)


def _real(medium: Medium) -> Medium:
    return medium.model_copy(update={"real": True})


def _own(root: Path, by_id: dict[str, Sample]) -> Callable[[str, str], Medium]:
    def find(file: str, sample: str) -> Medium:
        if sample not in by_id:
            raise InputError(f"the test set has no sample '{sample}'.")
        medium = own_video(root, file, sample)
        check_ids([medium.side], "The video with a known answer")
        return _real(medium) if file == by_id[sample].reference_video else medium

    return find


def _references(sources: Sources, by_id: dict[str, Sample], chosen: Sequence[str]) -> tuple[Medium, ...]:
    """Return the real videos that can be hidden among the others.

    Raises:
        InputError: there are too few.
    """
    if not sources.references:
        return ()
    videos = [(name, by_id[name].reference_video) for name in chosen]
    found = tuple(_real(own_video(sources.testset.root, file, name)) for name, file in videos if file is not None)
    if len(found) < (1 if sources.snapshot.challenge.ratings.method == "pairs" else sources.references):
        raise InputError(
            f"There are no {sources.references} real videos to hide among the others.",
            found=count(len(found), "reference video") + " in the test set",
        )
    return found
