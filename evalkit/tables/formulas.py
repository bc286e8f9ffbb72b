"""Numbers that follow from several columns: weighted sums, and the mean closeness to a reference row.

The published ones have names: OpenS2V-Eval's totals (Yuan et al., arXiv 2505.20292: merge_result.py of version 1.1 and
of its v1.0_backup) and THEval's final score (Quignon et al., arXiv 2511.04520, eq. 12: theval/scoring.py).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

Rule = Literal["weighted", "closeness"]
SMALLEST_REFERENCE: Final = 1e-9  # THEval's code refuses smaller ones: the quotient says nothing


@dataclass(frozen=True)
class Term:
    """One column of a formula.

    Args:
        name: as the paper's table has it.
        weight: of its sum; the weights of a formula add up to 1.
        names: what else it is called: ids of metrics, headers of other tables.
    """

    name: str
    weight: float
    names: tuple[str, ...] = ()

    def is_called(self, name: str) -> bool:
        """Return whether ``name`` means this term: letters and digits count, and an id as it is."""
        return plain_name(name) in {plain_name(one) for one in (self.name, *self.names)}


@dataclass(frozen=True)
class Formula:
    """A number made of others.

    Args:
        id: its name in files.
        title: header of its column.
        rule: ``weighted`` for the weighted sum of the terms; ``closeness`` for that of ``1 - |x - r| / |r|``, where r
            is the term of the reference row.
        terms: what it is made of; a row that lacks one has no number.
        citation: where it is from.
    """

    id: str
    title: str
    rule: Rule
    terms: tuple[Term, ...]
    citation: str


@dataclass(frozen=True)
class Combined:
    """What a formula gives for a row.

    Args:
        value: the number; ``None`` with a reason.
        parts: term -> what was added up, before the weight; of a closeness 1 is the reference itself.
        reason: why there is no number, as a sentence.
    """

    value: float | None
    parts: Mapping[str, float]
    reason: str | None = None


def plain_name(name: str) -> str:
    """Return the letters and digits of a header, small, and the dots of an id: ``Lip-Sync ↑`` is ``lipsync``."""
    return re.sub(r"[^a-z0-9.]", "", name.lower())


def combine(
    formula: Formula, values: Mapping[str, float | None], reference: Mapping[str, float | None] | None = None
) -> Combined:
    """Return the formula's number.

    A missing term is no number: neither 0 nor left out of the mean.

    Args:
        formula: what to compute.
        values: name of a term -> its number in the row.
        reference: the same for the reference row; needed for a closeness.
    """
    given, missing = _numbers(formula, values)
    if missing:
        return Combined(None, {}, f"No number for {listed(missing)}.")
    parts = given
    if formula.rule == "closeness":
        if reference is None:
            return Combined(None, {}, "There is no reference row.")
        real, missing = _numbers(formula, reference)
        if missing:
            return Combined(None, {}, f"The reference row has no number for {listed(missing)}.")
        small = [name for name, value in real.items() if abs(value) <= SMALLEST_REFERENCE]
        if small:
            return Combined(None, {}, f"The reference row is 0 in {listed(small)}: nothing is close to 0 by a share.")
        parts = {name: closeness(value, real[name]) for name, value in given.items()}
    value = math.fsum(term.weight * parts[term.name] for term in formula.terms)
    if not math.isfinite(value):
        return Combined(None, {}, "The sum is larger than any number.")
    return Combined(value, parts)


def _numbers(formula: Formula, values: Mapping[str, float | None]) -> tuple[dict[str, float], list[str]]:
    """Return the terms' numbers, and the terms that have none."""
    given = {term.name: values.get(term.name) for term in formula.terms}
    found = {name: float(value) for name, value in given.items() if value is not None and math.isfinite(value)}
    return found, [name for name in given if name not in found]


def closeness(value: float, reference: float) -> float:
    """Return ``1 - |value - reference| / |reference|``: at most 1, negative beyond twice the reference.

    A value that is better than the reference's loses as much as one that is worse by the same share.
    """
    return 1.0 - abs(value - reference) / abs(reference)


def listed(names: Iterable[str]) -> str:
    """Return names in quotes, with commas."""
    return ", ".join(f"'{name}'" for name in names)


def mean_of(*terms: tuple[str, tuple[str, ...]]) -> tuple[Term, ...]:
    """Return the terms with equal weights."""
    return tuple(Term(name, 1 / len(terms), names) for name, names in terms)


_OPENS2V_NAMES: Final = {
    "Aesthetics": ("opens2v.aesthetics", "aes_score"),
    "MotionSmoothness": ("opens2v.motion_smoothness", "motion_smoothness"),
    "MotionAmplitude": ("opens2v.motion_amplitude", "motion_amplitude", "Motion", "motion_score"),
    "FaceSim": ("opens2v.facesim", "facesim_cur", "FaceSim-Cur"),
    "GmeScore": ("opens2v.gme", "gme_score"),
    "NexusScore": ("opens2v.nexus", "nexus_score"),
    "NaturalScore": ("opens2v.natural", "natural_score"),
}


def _opens2v(id: str, title: str, where: str, weights: Mapping[str, float]) -> Formula:
    terms = tuple(Term(name, weight, _OPENS2V_NAMES[name]) for name, weight in weights.items())
    citation = f"Yuan et al., OpenS2V-Nexus, arXiv 2505.20292: {where}"
    return Formula(id, title, "weighted", terms, citation)


_V11, _V10 = "eval/merge_result.py (v1.1)", "eval/v1.0_backup/merge_result.py"
_THEVAL: Final = (
    ("Global aesthetic", ("theval.global_aesthetic", "Global aesthetics")),
    ("Mouth quality", ("theval.mouth_quality",)),
    ("Face quality", ("theval.face_quality",)),
    ("Lip dynamics", ("theval.lip_dynamics",)),
    ("Head motion dynamics", ("theval.head_motion", "Head motion")),
    ("Eyebrow dynamics", ("theval.eyebrow_dynamics",)),
    ("Silent lip stability", ("theval.silent_lip_stability",)),
    ("Lip sync", ("theval.lip_sync",)),
)
_THEVAL_CITATION: Final = "Quignon et al., THEval, CVPR Findings 2026 (arXiv 2511.04520), eq. 12: theval/scoring.py"

FORMULAS: Final[Mapping[str, Formula]] = {
    one.id: one
    for one in (
        _opens2v(
            "opens2v-v1.1",
            "Total (OpenS2V 1.1)",
            f"{_V11}, open and single domain",
            {
                "Aesthetics": 0.16,
                "MotionSmoothness": 0.06,
                "MotionAmplitude": 0.02,
                "FaceSim": 0.20,
                "GmeScore": 0.12,
                "NexusScore": 0.20,
                "NaturalScore": 0.24,
            },
        ),
        _opens2v(
            "opens2v-v1.1-human",
            "Total (OpenS2V 1.1, human domain)",
            f"{_V11}, human domain",
            {
                "Aesthetics": 0.18,
                "MotionSmoothness": 0.09,
                "MotionAmplitude": 0.03,
                "FaceSim": 0.25,
                "GmeScore": 0.15,
                "NaturalScore": 0.30,
            },
        ),
        _opens2v(
            "opens2v-v1.0",
            "Total (OpenS2V 1.0)",
            f"{_V10}, open and single domain",
            {
                "Aesthetics": 0.12,
                "MotionAmplitude": 0.12,
                "FaceSim": 0.20,
                "GmeScore": 0.12,
                "NexusScore": 0.20,
                "NaturalScore": 0.24,
            },
        ),
        _opens2v(
            "opens2v-v1.0-human",
            "Total (OpenS2V 1.0, human domain)",
            f"{_V10}, human domain",
            {
                "Aesthetics": 0.15,
                "MotionAmplitude": 0.15,
                "FaceSim": 0.25,
                "GmeScore": 0.15,
                "NaturalScore": 0.30,
            },
        ),
        Formula("theval", "Final score (THEval)", "closeness", mean_of(*_THEVAL), _THEVAL_CITATION),
        # The leaderboard prints the eight parts of the closeness, not the numbers of the metrics.
        Formula("theval-normalized", "Final score (THEval)", "weighted", mean_of(*_THEVAL), _THEVAL_CITATION),
        Formula(
            "theval-p68",
            "Closeness to the real videos (evalkit)",
            "closeness",
            mean_of(
                *(
                    (name, (f"{names[0]}.p68",))
                    for name, names in _THEVAL
                    if name not in {"Global aesthetic", "Mouth quality", "Face quality"}
                )
            ),
            "evalkit's choice: THEval's rule over the five of its metrics that need landmarks and sound alone, on 68 "
            "points; not comparable with THEval's final score",
        ),
    )
}
