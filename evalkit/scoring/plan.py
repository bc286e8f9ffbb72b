"""Decide which metrics, features and weights a run uses, before anything is decoded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from evalkit.challenges.kinds import KINDS, Kind
from evalkit.challenges.model import Challenge
from evalkit.challenges.submission_rules import SubmissionRules
from evalkit.errors import ChallengeError, MissingWeightsError, PluginError, TestSetError, UsageError, WeightsError
from evalkit.metrics.base import NOT_APPLICABLE, Metric, Role, metric_registry, resolve_metric
from evalkit.metrics.features.base import VIDEOS, Extractor, FeatureRecord, WeightFile, feature_registry, in_order
from evalkit.metrics.features.runner import with_runners
from evalkit.metrics.gaming.face_motion import FACE_STILLNESS, FACES
from evalkit.metrics.gaming.fingerprint import FINGERPRINT
from evalkit.scoring.kinds import FACT_FEATURES
from evalkit.testsets.model import TestSet
from evalkit.text import count
from evalkit.validators.gaming import all_off
from evalkit.weights.manifest import Backbones
from evalkit.weights.store import find_weights, several_missing

SPEED = "speed"  # measured seconds, of the submission's speed.json; no extractor makes them
DETECTION = "detection"  # a detector's scores and the truth, of a submission of scores; no extractor makes them
PSEUDO = frozenset({*FACT_FEATURES, SPEED, DETECTION})  # every file has its facts; no extractor makes them
OTHER_KIND = f"{NOT_APPLICABLE}:other_kind"
FILMSTRIP = "filmstrip"  # for the report only; no metric needs it


@dataclass(frozen=True)
class RunPlan:
    """What a run will do.

    Args:
        metrics: id -> metric, in the order asked for.
        unavailable: ids asked for that can't be computed, with the reason.
        features: names, each after what it needs, without ``facts``.
        records: feature -> its record.
        weights: role -> checked file.
        backbones: the set they come from, with the digests of the files that are trusted on first use.
        device: ``cpu`` or ``cuda``.
        roles: id -> what the challenge lets the metric do, where the challenge names it.
        people_features: features that only metrics about people read.
        submission: the challenge's rules for files.
    """

    metrics: Mapping[str, Metric]
    unavailable: Mapping[str, str]
    features: tuple[str, ...]
    records: Mapping[str, FeatureRecord]
    weights: Mapping[str, WeightFile]
    backbones: Backbones
    device: str = "cpu"
    roles: Mapping[str, Role] = field(default_factory=dict)
    people_features: frozenset[str] = frozenset()
    submission: SubmissionRules = field(default_factory=SubmissionRules)


def make_plan(
    challenge: Challenge,
    backbones: Backbones,
    *,
    names: Sequence[str | Metric] | None = None,
    allow_missing: bool = False,
    may_start_programs: bool = True,
    device: str = "cpu",
) -> RunPlan:
    """Resolve metric names to features and weights.

    Args:
        names: ids or aliases, or metrics that no package registers; ``None`` for all of the challenge.
        may_start_programs: whether the processes that read the videos may start programs such as ffmpeg.
        allow_missing: leave out metrics whose weights are missing. Metrics whose role the set does not have are
            always left out when the set is part of evalkit.

    Raises:
        ChallengeError: the challenge calls a metric by its short name, or none of its metrics reads its kind of
            submission.
        UsageError: a name in ``names`` is not a metric, a given metric has the name of an installed one, none of them
            reads the challenge's kind of submission, a metric starts a program where none may be started, or
            ``EVALKIT_RUNNER`` is not a choice.
        WeightsError: weights are missing and ``allow_missing`` is not set; all of them are named.
        PluginError: a metric needs a feature that no package registers, or features need each other in a circle.
    """
    metrics, names = _with_given(metric_registry(), names)
    extractors = feature_registry()
    refuse_short_names(challenge)
    asked, unavailable = _asked(challenge, names, metrics)
    asked = _of_the_kind(asked, unavailable, challenge, metrics, extractors, named=names is not None)
    weights: dict[str, WeightFile] = {}
    problems: dict[str, WeightsError] = {}
    chosen: dict[str, Metric] = {}
    for name in asked:
        try:
            needed = _closure(metrics[name], extractors)
        except KeyError as error:
            raise PluginError(
                f"The metric '{name}' needs the feature {error}, which no installed package registers.",
                fix="Install the package that has it.",
            ) from None
        except ValueError as error:
            raise PluginError(
                f"The metric '{name}' can't be computed.",
                found=str(error),
                fix="Fix or uninstall the package that registers the first of them.",
            ) from None
        programs = sorted({program for feature in needed for program in extractors[feature].record.programs})
        if programs and not may_start_programs:
            if not allow_missing:
                raise _forbidden(name, programs)
            unavailable[name] = "sandbox_forbids_programs"
            continue
        faults = _resolve_weights(needed, extractors, backbones, weights, problems)
        if faults:
            unavailable[name] = f"weights_missing:{faults[0]}"
        else:
            chosen[name] = metrics[name]
    # A set that comes with evalkit has no file for some roles, and nothing can be done about it: that stops no run.
    stopping = {role: error for role, error in problems.items() if not backbones.packaged or role in backbones.roles}
    if stopping and not allow_missing:
        raise _all_problems(backbones, stopping)
    features = _features_of(chosen.values(), extractors)
    others = _features_of((metric for metric in chosen.values() if not metric.record.people_only), extractors)
    people_features = frozenset(features) - set(others) - {FILMSTRIP, FINGERPRINT}
    of_videos = challenge.submission.kind == "video"
    if of_videos and FILMSTRIP in extractors and FILMSTRIP not in features:
        features.append(FILMSTRIP)
    checks = of_videos and not all_off(challenge.submission.severities)
    if checks and FINGERPRINT in extractors and FINGERPRINT not in features:
        features.append(FINGERPRINT)
    if checks and FACE_STILLNESS in extractors and FACES in features and FACE_STILLNESS not in features:
        features.append(FACE_STILLNESS)  # no network runs for it: faces are looked for already
        people_features |= {FACE_STILLNESS} if FACES in people_features else set()
    used = {role for name in features for role in _roles(extractors[name].record)}
    weights = with_runners({role: file for role, file in weights.items() if role in used}, device)
    return RunPlan(
        metrics=chosen,
        unavailable=unavailable,
        features=tuple(features),
        records={name: extractors[name].resolved_record(weights) for name in features},
        weights=weights,
        backbones=backbones.pinned({role: file.sha256 for role, file in weights.items()}),
        device=device,
        roles=challenge_roles(challenge),
        people_features=people_features,
        submission=challenge.submission,
    )


def kinds_read(metric: Metric, extractors: Mapping[str, type[Extractor]]) -> frozenset[Kind]:
    """Return the kinds of submission that a metric can be computed of: those that all of its features read."""
    kinds: frozenset[Kind] = frozenset(KINDS)
    for name in metric.record.features:
        if name in FACT_FEATURES:
            kinds &= {FACT_FEATURES[name]}
        elif name == SPEED:
            kinds &= VIDEOS  # its numbers are for each frame of a video
        elif name == DETECTION:
            kinds &= {"scores"}
    try:
        needed = _closure(metric, extractors)
    except (KeyError, ValueError):
        return kinds  # reported where the features are resolved
    for name in needed:
        record = extractors[name].record
        if "video" in record.inputs:
            kinds &= record.reads
    return kinds


def _of_the_kind(
    asked: list[str],
    unavailable: dict[str, str],
    challenge: Challenge,
    metrics: Mapping[str, Metric],
    extractors: Mapping[str, type[Extractor]],
    *,
    named: bool,
) -> list[str]:
    """Return the metrics of ``asked`` that read the challenge's kind; the others are not applicable.

    Raises:
        ChallengeError, UsageError: none does, of the challenge's or of those that were named.
    """
    kind = challenge.submission.kind
    read = {name: kinds_read(metrics[name], extractors) for name in asked}
    fitting = [name for name in asked if kind in read[name]]
    others = [name for name in asked if name not in fitting]
    if not named and not challenge.metrics:
        return fitting  # all that there are for this kind
    if others and not fitting:
        theirs = (
            " or ".join(f"{KINDS[one].file}s" for one in KINDS if one in read[others[0]]) or "nothing that there is"
        )
        raise (UsageError if named else ChallengeError)(
            f"The metric '{others[0]}' reads {theirs}, and the submissions of {challenge.id} are {KINDS[kind].file}s.",
            found=f"submission.kind: {kind}, and {count(len(others), 'metric')} of another kind",
            fix=f"'evalkit metrics list --kind {kind}' shows the metrics of this kind.",
        )
    unavailable |= dict.fromkeys(others, OTHER_KIND)
    return fitting


def _forbidden(metric: str, programs: Sequence[str]) -> UsageError:
    return UsageError(
        f"The metric '{metric}' starts {' and '.join(programs)}, and the sandbox forbids programs.",
        found="--sandbox full",
        expected="--sandbox limits, or off",
        fix="Run again with --sandbox limits, or go on without the metric with --allow-missing.",
    )


def _all_problems(backbones: Backbones, problems: Mapping[str, WeightsError]) -> WeightsError:
    """Return one error that names every file: the missing ones together, the others each with its own message."""
    missing = [role for role, error in problems.items() if isinstance(error, MissingWeightsError)]
    errors = [error for role, error in problems.items() if len(missing) < 2 or role not in missing]
    if len(missing) > 1:
        errors.append(several_missing(backbones, missing))
    if len(errors) == 1:
        return errors[0]
    return WeightsError([line for error in errors for line in str(error).split("\n")])


def _with_given(
    installed: Mapping[str, Metric], names: Sequence[str | Metric] | None
) -> tuple[dict[str, Metric], list[str] | None]:
    """Return the installed metrics and those that were given as objects, and the names of all that is asked for."""
    if names is None:
        return dict(installed), None
    metrics = dict(installed)
    aliases = {alias for metric in installed.values() for alias in metric.record.aliases}
    for one in names:
        if isinstance(one, str):
            continue
        name = one.record.id
        if name in aliases or metrics.setdefault(name, one) is not one:
            raise UsageError(
                f"There is a metric '{name}' already.", fix="Give the one that is new another id in its record."
            )
    return metrics, [one if isinstance(one, str) else one.record.id for one in names]


def _asked(
    challenge: Challenge, names: Sequence[str] | None, metrics: Mapping[str, Metric]
) -> tuple[list[str], dict[str, str]]:
    """Return the ids to compute, and the challenge's metrics that this installation does not have."""
    if names is not None:
        return list(dict.fromkeys(resolve_metric(name, metrics) for name in names)), {}
    if not challenge.metrics:
        return sorted(metrics), {}
    asked: list[str] = []
    unavailable: dict[str, str] = {}
    for entry in challenge.metrics:
        if entry.id in metrics:
            asked.append(entry.id)
        else:
            unavailable[entry.id] = "metric_not_installed"
    return asked, unavailable


def short_name_faults(challenge: Challenge) -> list[str]:
    """Return a sentence for every short name among the challenge's metrics and tie breaks, with the id to write.

    Scorecards and leaderboards know a metric by its id alone.
    """
    ids = [entry.id for entry in challenge.metrics]
    meant = [id_of_short_name(name) for name in ids]
    faults = []
    for at, (name, other) in enumerate(zip(ids, meant, strict=True)):
        if other is not None:
            twin = f"; it is listed too, so remove '{name}'" if other in ids else ""
            faults.append(f"'metrics.{at}.id': '{name}' is a short name. Write '{other}'{twin}.")
    for name in sorted({name for name in meant if name is not None and meant.count(name) > 1}):
        faults.append(f"'metrics': two short names stand for {name}. Keep one.")
    return faults


def id_of_short_name(name: str) -> str | None:
    """Return the id of the metric that has the short name ``name``; ``None`` for an id and for a name unknown here."""
    metrics = metric_registry()
    if name in metrics:
        return None
    return next((found for found, metric in metrics.items() if name in metric.record.aliases), None)


def refuse_short_names(challenge: Challenge) -> None:
    """Make sure that the challenge names its metrics by their ids.

    Raises:
        ChallengeError: with the id to write for each.
    """
    faults = short_name_faults(challenge)
    if faults:
        raise ChallengeError([f"The challenge {challenge.id} calls metrics by short names.", *faults])


def challenge_roles(challenge: Challenge) -> dict[str, Role]:
    """Return metric -> what the challenge lets it do."""
    roles: dict[str, Role] = {}
    for entry in challenge.metrics:
        unranked: Role = "diagnostic" if entry.group == "diagnostic" else "secondary"
        roles[entry.id] = "ranked" if entry.rank and challenge.ranking != "none" else unranked
    return roles


def _closure(metric: Metric, extractors: Mapping[str, type[Extractor]]) -> list[str]:
    return _features_of((metric,), extractors)


def _features_of(metrics: Iterable[Metric], extractors: Mapping[str, type[Extractor]]) -> list[str]:
    """Return what ``metrics`` read, each feature after those that it needs."""
    return in_order((name for one in metrics for name in one.record.features if name not in PSEUDO), extractors)


def _roles(record: FeatureRecord) -> tuple[str, ...]:
    return (*record.weights, *record.optional_weights)


def _resolve_weights(
    features: Iterable[str],
    extractors: Mapping[str, type[Extractor]],
    backbones: Backbones,
    weights: dict[str, WeightFile],
    problems: dict[str, WeightsError],
) -> list[str]:
    """Add the files of ``features`` to ``weights``; return the roles that can't be filled."""
    faults = []
    for feature in features:
        record = extractors[feature].record
        for role in _roles(record):
            optional = role in record.optional_weights
            if role in weights or (optional and role not in backbones.roles):
                continue
            if role not in problems:
                try:
                    found = find_weights(backbones, role)
                except WeightsError as error:
                    problems[role] = error
                else:
                    entry = backbones.roles[role]
                    pinned = entry.sha256 is not None
                    weights[role] = WeightFile(role, found.path, found.sha256, entry.options, pinned)
                    continue
            faults.append(role)
    return faults


def require_references(testset: TestSet, plan: RunPlan, *, videos: bool = True) -> None:
    """Make sure that every reference file that the plan reads is there; without ``videos`` reference videos may lack.

    Raises:
        TestSetError: naming the sample and the file.
    """
    # The fingerprint looks for nothing in what is not there.
    inputs = {part for name, record in plan.records.items() if name != FINGERPRINT for part in record.inputs}
    if plan.submission.kind == "motion" and plan.submission.motion.partner:
        lacking = next((sample.id for sample in testset if sample.partner_motion is None), None)
        if lacking is not None:
            raise TestSetError(
                f"The test set's sample '{lacking}' has no motion of the person who is spoken to.",
                expected="'partner_motion' in every sample, as the challenge asks for it",
                fix="Complete the test set, or set submission.motion.partner to false in the challenge.",
            )
    for sample in testset:
        needed: list[str] = []
        if "reference_images" in inputs:
            needed += sample.reference_images
        if videos and "reference_video" in inputs and sample.reference_video:
            needed.append(sample.reference_video)
        for part in ("audio", "motion", "partner_motion", "occluders"):
            if part in inputs and (name := getattr(sample, part)):
                needed.append(name)
        if "speakers" in inputs:
            needed += sample.speaker_files
        for relative in needed:
            if not testset.path(relative).is_file():
                raise TestSetError(
                    f"The test set's sample '{sample.id}' names a file that is not there.",
                    found=f"no {testset.path(relative)}",
                    fix="Complete the test set, or choose metrics that don't need the file (--metrics).",
                )
