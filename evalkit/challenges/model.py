"""The model of a challenge: the form of a submission, the metrics and the ranking, the ratings and the schedule.

A challenge is a YAML file. Presets are the YAML files in ``evalkit/challenges/presets``; no challenge needs code.
"""

from __future__ import annotations

import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from evalkit.challenges.detection_rules import DetectionRules
from evalkit.challenges.fairness_rules import GroupRules
from evalkit.challenges.kinds import KINDS
from evalkit.challenges.parts import ChallengePart, FiniteFloat, Window, reject_duplicate_names
from evalkit.challenges.rating_rules import RatingRules
from evalkit.challenges.speed_rules import SpeedRules
from evalkit.challenges.submission_rules import SubmissionRules
from evalkit.errors import ChallengeError, UsageError, did_you_mean
from evalkit.model_faults import field_names
from evalkit.yamlio import is_there, parse_yaml, read_text, validate_model


def _dotted_key(text: str) -> str:
    """Return ``text`` when it names a key of a challenge, through lists: ``metrics.weight``."""
    where: list[str | int] = []
    for part in text.split("."):
        known = field_names(Challenge, where) or field_names(Challenge, [*where, 0])
        if part not in known:
            raise ValueError(f"'{text}' is not a key of a challenge.{did_you_mean(part, known)}")
        where += [part] if field_names(Challenge, where) else [0, part]
    return text


DottedKey = Annotated[str, AfterValidator(_dotted_key)]


class TestSetSpec(ChallengePart):
    """The format of the test set and its number of samples.

    Args:
        format: how its folder is laid out.
        samples: number of samples that were published.
        identities: number of people.
        prompts: number of prompts for each person.
    """

    __test__ = False

    format: Literal["native", "ipvg2025", "ipvg2026-facial", "ipvg2026-sequential"] = "native"
    samples: int | None = Field(None, ge=1)
    identities: int | None = Field(None, ge=1)
    prompts: int | None = Field(None, ge=1)


class MetricEntry(ChallengePart):
    """A metric of the challenge: its weight, its direction and the range for normalisation.

    Args:
        id: the metric's id, as ``evalkit metrics list`` shows it; not its short name.
        published_as: what the organizers call it, when that differs.
        group: the group whose weight it shares; a ``diagnostic`` never ranks.
        weight: of its column in the ranking.
        direction: which values are better; absent for that of the metric's definition.
        range: values that become 0 and 1 in a weighted sum, as [low, high].
        rank: whether it takes part in the ranking.
    """

    id: str = Field(min_length=1)
    published_as: str | None = None
    group: Literal["objective", "speed", "diagnostic"] = "objective"
    weight: float = Field(1.0, ge=0, allow_inf_nan=False)
    direction: Literal["higher", "lower"] | None = None
    range: tuple[FiniteFloat, FiniteFloat] | None = None
    rank: bool = True

    @field_validator("range")
    @classmethod
    def _ordered(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not value[0] < value[1]:
            raise ValueError("the range must be [low, high] with low < high")
        return value


class GroupWeights(ChallengePart):
    """The weight of each group of metrics as a whole, however many metrics it contains.

    Args:
        objective: weight of the metrics of this group.
        subjective: weight of what people rate.
        speed: weight of the metrics of this group.
    """

    objective: float = Field(1.0, ge=0, allow_inf_nan=False)
    subjective: float = Field(1.0, ge=0, allow_inf_nan=False)
    speed: float = Field(1.0, ge=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _something_counts(self) -> GroupWeights:
        if self.objective + self.subjective + self.speed == 0:
            raise ValueError("at least one group must weigh more than 0")
        return self


class RankingRules(ChallengePart):
    """Parameters of the ranking."""

    group_weights: GroupWeights | None = Field(
        None, description="null: every metric and dimension counts with its own weight, groups have none"
    )
    tie_breaks: tuple[str, ...] = Field(
        (), description="metrics, dimensions or 'pairs' that decide between equal entries, first to last"
    )
    shortlist: Literal["weighted-sum", "rank-sum", "mean-rank", "borda"] = Field(
        "rank-sum", description="the rule of the objective phase of two-phase"
    )

    @field_validator("tie_breaks")
    @classmethod
    def _unique(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        reject_duplicate_names(value, "tie break")
        return value


class Phase(Window):
    """A part of the challenge's schedule.

    Args:
        id: its name.
    """

    id: str = Field(pattern=r"^[a-z][a-z0-9-]*$")


# What no number of a scorecard depends on: how numbers are weighted, ranked and shown, ratings, dates and texts.
_NOT_SCORED: dict[str, Any] = {
    **dict.fromkeys(("title", "url", "coverage", "ranking", "ranking_rules", "ratings", "schedule", "fairness"), True),
    **dict.fromkeys(("evalkit_defaults", "notes"), True),
    "submission": {"runs", "gaming"},
    "speed": set(SpeedRules.model_fields) - {"frame_rate"},
    "detection": {"disjoint", "held_out_generator"},
    "metrics": {"__all__": set(MetricEntry.model_fields) - {"id"}},
}


class Challenge(ChallengePart):
    """A whole challenge. ``evalkit challenges show ID`` prints one, ``evalkit challenges init`` writes a new one.

    Args:
        schema: version of the file's format.
        id: short name of the challenge: small letters, digits and dashes.
        title: its name on pages.
        url: its page.
        submission: what a submission must look like.
        testset: what the test set is like.
        metrics: numbers that are measured, each with its part in the ranking.
        ranking: the rule that makes the order.
        ranking_rules: parameters of that rule.
        ratings: what people rate, and which ratings count.
        speed: which measurements of speed count.
        fairness: whether the ranking looks at groups of people.
        detection: how scores of detectors are read and compared, of the kind ``scores``.
        schedule: phases of the challenge, for the leaderboard's page.
        notes: text for readers of the file.
    """

    schema_: Literal[1] = Field(1, alias="schema")
    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str
    url: str | None = None
    submission: SubmissionRules = SubmissionRules()
    testset: TestSetSpec = TestSetSpec()
    metrics: tuple[MetricEntry, ...] = ()
    coverage: float = Field(
        1.0, ge=0, le=1, allow_inf_nan=False, description="share of the samples an entry needs to be ranked"
    )
    ranking: Literal["weighted-sum", "rank-sum", "mean-rank", "borda", "two-phase", "none"] = "none"
    ranking_rules: RankingRules = RankingRules()
    ratings: RatingRules = RatingRules()
    speed: SpeedRules = SpeedRules()
    detection: DetectionRules = DetectionRules()
    fairness: GroupRules = GroupRules()
    schedule: tuple[Phase, ...] = ()
    evalkit_defaults: tuple[DottedKey, ...] = Field(
        (), description="dotted keys whose values are evalkit's own, because the organizer published none"
    )
    notes: str | None = None

    @field_validator("metrics")
    @classmethod
    def _unique_metrics(cls, value: tuple[MetricEntry, ...]) -> tuple[MetricEntry, ...]:
        reject_duplicate_names((entry.id for entry in value), "metric")
        return value

    @field_validator("schedule")
    @classmethod
    def _unique_phases(cls, value: tuple[Phase, ...]) -> tuple[Phase, ...]:
        reject_duplicate_names((phase.id for phase in value), "phase")
        return value

    @model_validator(mode="after")
    def _tie_breaks_exist(self) -> Challenge:
        known = [entry.id for entry in self.metrics] + [dimension.id for dimension in self.ratings.dimensions]
        known += ["pairs"] if self.ratings.method == "pairs" and not self.ratings.dimensions else []
        for name in self.ranking_rules.tie_breaks:
            if name not in known:
                raise ValueError(
                    f"the tie break '{name}' is not a metric or dimension of this challenge.{did_you_mean(name, known)}"
                )
        return self

    @model_validator(mode="after")
    def _columns_by_group_exist(self) -> Challenge:
        known = [entry.id for entry in self.metrics] + [dimension.id for dimension in self.ratings.dimensions]
        for name in self.fairness.columns or ():
            if name not in known:
                raise ValueError(
                    f"the column '{name}' of 'fairness' is not a metric or dimension of this challenge."
                    f"{did_you_mean(name, known)}"
                )
        return self

    @model_validator(mode="after")
    def _detection_of_scores(self) -> Challenge:
        if self.submission.kind != "scores" and self.detection != DetectionRules():
            raise ValueError(f"'detection' has rules for the kind 'scores', and the kind is '{self.submission.kind}'")
        return self

    @property
    def sha256(self) -> str:
        """Digest of the challenge's content: comments and the order of keys don't change it."""
        return _digest(_without_defaults(self.model_dump(mode="json", by_alias=True)))

    @property
    def scoring_sha256(self) -> str:
        """Digest of what the numbers of a scorecard depend on.

        These are the id, the rules for files, the test set, the ids of the metrics and the frame rate of speed.
        Scorecards stay valid when anything else changes, such as a rating window or a weight.
        """
        content = self.model_dump(mode="json", by_alias=True, exclude=_NOT_SCORED)
        content["metrics"].sort(key=lambda entry: entry["id"])
        return _digest(_without_defaults(content))


def _without_defaults(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content without a part that later versions added, where it says nothing: older digests stay."""
    usual = SpeedRules().model_dump(mode="json")
    said = {key: value for key, value in content["speed"].items() if value != usual[key]}
    rules = SubmissionRules().model_dump(mode="json")
    later = ("kind", "setups", "sound", "motion", "gaming")
    added = {key for key in later if content["submission"].get(key) == rules[key]}
    submission = {key: value for key, value in content["submission"].items() if key not in added}
    rest = {key: value for key, value in content.items() if key != "speed"} | {"submission": submission}
    plain = DetectionRules().model_dump(mode="json")
    detection = {key: value for key, value in rest.pop("detection").items() if value != plain[key]}
    if rest.get("fairness") == GroupRules().model_dump(mode="json"):
        del rest["fairness"]
    return rest | ({"speed": said} if said else {}) | ({"detection": detection} if detection else {})


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def require_videos(challenge: Challenge, what: str) -> None:
    """Make sure that a challenge asks for videos, where ``what`` can do nothing else.

    Raises:
        UsageError: its submissions are of another kind.
    """
    kind = challenge.submission.kind
    if kind != "video":
        layouts = " or ".join(challenge.submission.layouts)
        how = f"Make a ZIP of the files with the names {layouts}; 'evalkit validate' checks it."
        if kind == "scores":
            how = (
                "Write a CSV with the columns video_id and score, a row for each id of the test set, with your "
                "detector; 'evalkit validate' checks it."
            )
        raise UsageError(
            f"{what} is for submissions of videos, and those of {challenge.id} are {KINDS[kind].files}.",
            found=f"submission.kind: {kind}",
            fix=how,
        )


def parse_challenge(text: str, source: str) -> Challenge:
    """Return the challenge that the YAML ``text`` describes.

    Raises:
        ChallengeError: naming ``source``, the line and the key of every fault.
    """
    return validate_model(Challenge, parse_yaml(text, source, kind=ChallengeError), kind=ChallengeError)


def preset_ids() -> list[str]:
    """Return the ids of the built-in challenges, sorted."""
    folder = resources.files("evalkit.challenges") / "presets"
    return sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml"))


def preset_text(preset: str) -> str:
    """Return the YAML text of a built-in challenge, comments and all."""
    return (resources.files("evalkit.challenges") / "presets" / f"{preset}.yaml").read_text(encoding="utf-8")


def load_challenge(name: str | Path) -> Challenge:
    """Return a challenge by preset id or by path of a YAML file.

    Raises:
        UsageError: when it is neither, with the nearest preset id.
        ChallengeError: when the file does not describe a challenge, or its ranking can never rank an entry.
    """
    known = preset_ids()
    if str(name) in known:
        return parse_challenge(preset_text(str(name)), f"preset {name}")
    path = Path(name)
    if is_there(path) or path.suffix in {".yaml", ".yml"}:
        challenge = parse_challenge(read_text(path, kind=ChallengeError, what="The challenge file"), str(path))
        _refuse_unrankable(challenge, str(path))
        return challenge
    raise UsageError(
        f"There is no challenge '{name}'.{did_you_mean(str(name), known)}",
        expected=f"the path of a YAML file, or one of {', '.join(known)}",
        fix="'evalkit challenges list' shows them.",
    )


def _refuse_unrankable(challenge: Challenge, source: str) -> None:
    """Raise for a ranking that can't rank any entry. Boards with such a challenge stay readable."""
    ratings, groups = challenge.ratings, challenge.ranking_rules.group_weights
    if challenge.ranking == "two-phase" and ratings.method == "none":
        raise ChallengeError(
            f"{source}: a two-phase ranking needs human ratings for its second phase.",
            found="ratings.method: none",
            fix="Write 'ratings: {method: pairs}', or choose another ranking.",
        )
    counts = any(one.weight > 0 for one in ratings.dimensions) and (groups is None or groups.subjective > 0)
    if challenge.ranking == "weighted-sum" and ratings.method == "pairs" and counts:
        raise ChallengeError(
            f"{source}: a weighted sum needs a range for every number, and dimensions rated in pairs have none.",
            found="ranking: weighted-sum, ratings.method: pairs with dimensions",
            fix="Rank by rank-sum, mean-rank or borda, compare without dimensions, or rate by 'method: mos'.",
        )
