"""Check that a challenge can be scored and ranked with what is installed.

`evalkit.challenges.model` refuses a file that is no challenge. Here is what only the installed metrics, rules, weights
and codecs can tell, and what the leaderboard would say about its ranking.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from evalkit.challenge_gaming import gaming_faults, gaming_notes
from evalkit.challenges.model import Challenge, MetricEntry
from evalkit.errors import ChallengeError, PluginError, WeightsError, did_you_mean
from evalkit.groups.inputs import grouped_samples
from evalkit.leaderboard.columns import read_columns
from evalkit.leaderboard.group_rules import too_small
from evalkit.leaderboard.ranking import rank_board
from evalkit.leaderboard.runs import Runs
from evalkit.leaderboard.table import Column
from evalkit.media.names import Kind, known_names, suggest_name
from evalkit.metrics.base import Metric, metric_registry
from evalkit.metrics.features.base import Extractor, feature_registry, in_order
from evalkit.metrics.regions.paired import region_of
from evalkit.scoring.plan import PSEUDO, id_of_short_name, make_plan, short_name_faults
from evalkit.testsets.model import TestSet
from evalkit.validators.registry import rule_registry
from evalkit.weights.manifest import Backbones
from evalkit.weights.store import WITHOUT_WEIGHTS

_WITHOUT_WEIGHTS = "take the metrics out of the file, or check with '--backbones bundled'."


@dataclass(frozen=True)
class ChallengeReport:
    """What the check found, one sentence each.

    Args:
        challenge: what was checked.
        faults: the file has to change, whatever is installed.
        missing: what this machine lacks to score or rank.
        notes: what the organizer should know.
    """

    challenge: Challenge
    faults: tuple[str, ...]
    missing: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether submissions can be scored and ranked here."""
        return not self.faults and not self.missing

    @property
    def exit_code(self) -> int:
        """0, 2 when the file is at fault, 4 when this machine lacks something."""
        return 2 if self.faults else 4 if self.missing else 0

    def to_json(self) -> dict[str, Any]:
        """Return what ``evalkit challenges check --json`` prints."""
        return {
            "schema": 1,
            "ok": self.ok,
            "id": self.challenge.id,
            "sha256": self.challenge.sha256,
            "scoring_sha256": self.challenge.scoring_sha256,
            "faults": list(self.faults),
            "missing": list(self.missing),
            "notes": list(self.notes),
        }


def check_challenge(challenge: Challenge, backbones: Backbones, testset: TestSet | None = None) -> ChallengeReport:
    """Return whether ``challenge`` can be scored with ``backbones`` and ranked.

    Args:
        challenge: what to check.
        backbones: the weights.
        testset: where it is there, whether its groups of people are large enough for a ranking by groups.

    Raises:
        PluginError: when the installed metrics or rules can't be read.
    """
    faults = challenge_faults(challenge)
    meant = _with_ids(challenge)
    missing, notes = _scoring(meant, backbones)
    by_group, about = _groups(meant, testset)
    return ChallengeReport(challenge, (*faults, *by_group), tuple(missing), (*notes, *_notes(meant), *about))


def _groups(challenge: Challenge, testset: TestSet | None) -> tuple[list[str], list[str]]:
    """Return what is wrong with a ranking by groups of people, and what the organizer should know."""
    rules = challenge.fairness
    if rules.rule == "none":
        return [], []
    if testset is None:
        return [], [
            f"'fairness' ranks by groups of {rules.attribute}: check with --testset whether they are large enough."
        ]
    small = too_small(rules, grouped_samples([], testset))
    return ([f"'fairness': {small}"] if small is not None else []), []


def refuse_faults(challenge: Challenge) -> None:
    """Make sure that nothing in ``challenge`` keeps it from being ranked, wherever it is scored.

    Raises:
        ChallengeError: with every fault.
    """
    faults = challenge_faults(challenge)
    if faults:
        raise ChallengeError([f"The challenge {challenge.id} can't be used.", *faults])


def challenge_faults(challenge: Challenge) -> list[str]:
    """Return why ``challenge`` can't work: names that mean nothing, limits that nothing meets, no possible ranking."""
    meant = _with_ids(challenge)
    return [
        *_names(challenge),
        *short_name_faults(challenge),
        *_limits(challenge),
        *_ranking(meant),
        *gaming_faults(meant),
    ]


def _with_ids(challenge: Challenge) -> Challenge:
    """Return the challenge with short names of metrics replaced by ids, so that the rest of it can be checked too."""
    ids = {entry.id: id_of_short_name(entry.id) or entry.id for entry in challenge.metrics}
    entries = {ids[entry.id]: entry for entry in reversed(challenge.metrics)}  # the first of twins
    rules = challenge.ranking_rules
    breaks = tuple(dict.fromkeys(ids.get(name, name) for name in rules.tie_breaks))
    named = challenge.fairness.columns
    by_group = None if named is None else tuple(dict.fromkeys(ids.get(name, name) for name in named))
    return challenge.model_copy(
        update={
            "metrics": tuple(entry.model_copy(update={"id": name}) for name, entry in reversed(entries.items())),
            "ranking_rules": rules.model_copy(update={"tie_breaks": breaks}),
            "fairness": challenge.fairness.model_copy(update={"columns": by_group}),
        }
    )


def _names(challenge: Challenge) -> Iterator[str]:
    rules = rule_registry()
    for rule in challenge.submission.severities:
        if rule not in rules:
            yield (
                f"'submission.severities' names a rule that does not exist: '{rule}'.{did_you_mean(rule, rules)}"
                " 'docs/rules.md' lists them."
            )
    video, audio, sound = challenge.submission.video, challenge.submission.audio, challenge.submission.sound
    named: tuple[tuple[str, Kind, tuple[str, ...]], ...] = (
        ("video.containers", "container", video.containers),
        ("video.codecs", "video codec", video.codecs),
        ("video.pixel_formats", "pixel format", video.pixel_formats),
        ("audio.codecs", "audio codec", audio.codecs),
        ("sound.containers", "container", sound.containers),
        ("sound.codecs", "audio codec", sound.codecs),
    )
    for key, kind, names in named:
        for name in names:
            if name not in known_names(kind):
                yield f"'submission.{key}': no file has the {kind} '{name}'.{suggest_name(kind, name)}"
        if not names and (key != "audio.codecs" or audio.required):
            yield f"'submission.{key}' is an empty list: no file would be valid."


def _limits(challenge: Challenge) -> Iterator[str]:
    """Yield limits that contradict each other."""
    submission, testset = challenge.submission, challenge.testset
    video, most = submission.video, submission.archive.max_files
    if testset.samples is not None and most < testset.samples:
        yield f"'submission.archive.max_files' is {most}, less than the {testset.samples} samples of the test set."
    if video.max_seconds is not None and video.max_fps is not None:
        frames = video.max_seconds * video.max_fps
        if frames < video.min_frames:
            yield (
                f"'submission.video.min_frames' is {video.min_frames}, and no video of max_seconds "
                f"{video.max_seconds:g} at max_fps {video.max_fps:g} has more than {frames:g} frames."
            )
    if None not in (testset.identities, testset.prompts, testset.samples):
        product = (testset.identities or 0) * (testset.prompts or 0)
        if product < (testset.samples or 0):
            yield (
                f"'testset.samples' is {testset.samples}, and {testset.identities} identities with {testset.prompts} "
                f"prompts are {product}."
            )


def _ranking(challenge: Challenge) -> Iterator[str]:
    """Yield why the leaderboard would rank nobody."""
    ratings = challenge.ratings
    if ratings.method == "mos" and not ratings.dimensions:
        yield "'ratings.method' is mos without 'ratings.dimensions': raters would be asked for nothing."
    if ratings.method == "none" and ratings.dimensions:
        yield "'ratings.dimensions' are never rated: 'ratings.method' is none. Write 'method: mos' or 'method: pairs'."
    metrics = metric_registry()
    for at, entry in enumerate(challenge.metrics):
        if entry.range is None or entry.id not in metrics or not ranks(entry):
            continue
        low, high = metrics[entry.id].record.range
        if (low is not None and entry.range[1] <= low) or (high is not None and entry.range[0] >= high):
            yield (
                f"'metrics.{at}.range' is {entry.range[0]:g} to {entry.range[1]:g}: no value of {entry.id} lies "
                f"inside, as it can be {_span(low, high)}. Every entry would get the same points."
            )
    yield from _regions(challenge)
    yield from _setups(challenge)
    columns = [_assumed(column) if column.id not in metrics else column for column in read_columns(challenge, Runs(()))]
    problem = rank_board(challenge, (), columns).problem
    if problem is not None:
        yield problem


def _regions(challenge: Challenge) -> Iterator[str]:
    """Yield which metrics rank although they are one number of different regions of the frame."""
    if challenge.ranking == "none":
        return
    ranked: dict[str, dict[str, str]] = {}
    for entry in challenge.metrics:
        found = region_of(entry.id) if ranks(entry) else None
        if found is not None:
            ranked.setdefault(found[0], {}).setdefault(found[1], entry.id)
    for regions in ranked.values():
        if len(regions) > 1:
            names = " and ".join(regions.values())
            yield (
                f"'metrics' rank {names}: one number of different regions of the frame, of which the larger one is "
                "flattered by what is copied from the source. Rank one, and write 'rank: false' at the others."
            )


def _setups(challenge: Challenge) -> Iterator[str]:
    """Yield metrics of setups that the challenge does not ask for, and rules of which one excludes the other."""
    metrics, asked = metric_registry(), challenge.submission.setups
    for entry in challenge.metrics:
        needed = metrics[entry.id].record.setups if entry.id in metrics else ()
        lacking = [name for name in needed if name not in asked]
        if lacking:
            yield (
                f"'metrics' has {entry.id}, which compares the setups {', '.join(needed)}, and 'submission.setups' "
                f"names {', '.join(asked) or 'none'}."
            )
    rules = sorted(entry.id for entry in challenge.metrics if entry.id in {"leak.lsd_ar", "leak.lsd_cr"})
    if len(rules) > 1:
        yield (
            "'metrics' has leak.lsd_ar and leak.lsd_cr: a submission is made by one rule for the identity's picture. "
            "Keep the one whose rule the challenge declares."
        )


def ranks(entry: MetricEntry) -> bool:
    """Return whether the number of ``entry`` is to rank."""
    return entry.rank and entry.group != "diagnostic"


def _assumed(column: Column) -> Column:
    """Return the column of a metric that is not installed here; its better side is known where it is scored."""
    return column if column.higher_is_better is not None else replace(column, higher_is_better=True)


def _span(low: float | None, high: float | None) -> str:
    if low is None:
        return f"at most {high:g}"
    return f"{low:g} or more" if high is None else f"{low:g} to {high:g}"


def _scoring(challenge: Challenge, backbones: Backbones) -> tuple[list[str], list[str]]:
    """Return what keeps a metric of the challenge from being computed here, and what only limits it."""
    metrics, extractors = metric_registry(), feature_registry()
    missing: list[str] = []
    notes: list[str] = []
    try:
        plan = make_plan(challenge, backbones, allow_missing=True, may_start_programs=True)
    except PluginError as error:
        return [str(error)], []
    asked = {entry.id: entry for entry in challenge.metrics}
    deciding = {name for name, entry in asked.items() if challenge.ranking != "none" and ranks(entry)}
    deciding |= set(challenge.ranking_rules.tie_breaks)
    for name in asked:
        if name not in metrics:
            does = "ranks, so that no entry would have a value in it" if name in deciding else "would be unscored"
            missing.append(
                f"The metric '{name}' is not installed here; it {does}.{did_you_mean(name, _metric_names(metrics))}"
                " 'evalkit metrics list' shows those that are."
            )
    without = [name for name in plan.unavailable if plan.unavailable[name].startswith("weights_missing")]
    never = [name for name in without if _not_in_set(metrics[name], extractors, backbones)]
    for name in never:
        roles = ", ".join(_not_in_set(metrics[name], extractors, backbones))
        line = f"{name} would be unscored: the backbones '{backbones.name}' have no file for {roles}."
        (missing if name in deciding else notes).append(line)
    left = [name for name in without if name not in never]
    if left:
        try:
            make_plan(challenge, backbones, names=left)
        except WeightsError as error:
            missing.append(f"Weights are missing for {', '.join(left)}.")
            missing += str(error).replace(WITHOUT_WEIGHTS, _WITHOUT_WEIGHTS).splitlines()
    missing += _programs(plan.metrics, extractors)
    return missing, notes + _sandboxed(plan.metrics, extractors)


def _metric_names(metrics: Mapping[str, Metric]) -> list[str]:
    return [*metrics, *(alias for metric in metrics.values() for alias in metric.record.aliases)]


def _not_in_set(metric: Metric, extractors: Mapping[str, type[Extractor]], backbones: Backbones) -> list[str]:
    """Return the roles of ``metric`` that the set has no entry for."""
    records = [extractors[name].record for name in _features(metric, extractors)]
    return sorted({role for record in records for role in record.weights if role not in backbones.roles})


def _features(metric: Metric, extractors: Mapping[str, type[Extractor]]) -> list[str]:
    return in_order((name for name in metric.record.features if name not in PSEUDO), extractors)


def _programs(metrics: Mapping[str, Metric], extractors: Mapping[str, type[Extractor]]) -> list[str]:
    """Return which programs are not on the PATH, and who starts them."""
    users = _program_users(metrics, extractors)
    return [
        f"The program '{program}' is not installed; {', '.join(names)} would start it."
        for program, names in users.items()
        if shutil.which(program) is None
    ]


def _program_users(metrics: Mapping[str, Metric], extractors: Mapping[str, type[Extractor]]) -> dict[str, list[str]]:
    users: dict[str, list[str]] = {}
    for name, metric in metrics.items():
        for program in sorted({p for one in _features(metric, extractors) for p in extractors[one].record.programs}):
            users.setdefault(program, []).append(name)
    return users


def _sandboxed(metrics: Mapping[str, Metric], extractors: Mapping[str, type[Extractor]]) -> list[str]:
    return [
        f"{', '.join(names)} start {program}, which the sandbox forbids: score with --sandbox limits."
        for program, names in _program_users(metrics, extractors).items()
    ]


def _notes(challenge: Challenge) -> list[str]:
    notes = gaming_notes(challenge)
    metrics = metric_registry()
    if challenge.ranking == "none":
        notes.append("The challenge declares no ranking: entries are listed, not ranked.")
    for entry in challenge.metrics:
        known = metrics[entry.id].record.higher_is_better if entry.id in metrics else None
        if known is not None and entry.direction is not None and known != (entry.direction == "higher"):
            meant = "higher" if known else "lower"
            notes.append(
                f"{entry.id}: {entry.direction} values are better here, in the metric's definition {meant} ones."
            )
        if challenge.ranking != "none" and ranks(entry) and entry.weight == 0:
            notes.append(f"{entry.id} has weight 0: it decides nothing unless it breaks ties.")
    groups = challenge.ranking_rules.group_weights
    if groups is not None:
        there: set[str] = {entry.group for entry in challenge.metrics if ranks(entry)}
        there |= {"subjective"} if challenge.ratings.method != "none" else set()
        for group in sorted(groups.model_fields_set - there):
            if getattr(groups, group) > 0:
                notes.append(f"'ranking_rules.group_weights.{group}': nothing in this group ranks, it decides nothing.")
    called = [entry.published_as for entry in challenge.metrics if entry.published_as]
    for name in sorted({name for name in called if called.count(name) > 1}):
        notes.append(f"Two metrics are published as '{name}'.")
    return notes
