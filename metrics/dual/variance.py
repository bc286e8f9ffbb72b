"""How much the coefficients vary over a sequence: the generated one, and the truth beside it."""

from __future__ import annotations

from functools import partial

from evalkit.metrics.dual.arithmetic import mean_variance
from evalkit.metrics.dual.parts import Part, for_each_part
from evalkit.metrics.dual.sequences import Sequences


def of_prediction(sequences: Sequences, part: Part) -> float:
    """Mean over the numbers of their variance over the generated frames of one file, by T.

    There is no better side: compare it with `dual.variance_reference`, the same of the truth.
    """
    return mean_variance(sequences.prediction)


def of_truth(sequences: Sequences, part: Part) -> float:
    """Mean over the numbers of their variance over the true frames of one file, by T.

    As `dual.variance` of the truth: what that is compared with. It is the same for every submission, but for files that
    are cut to a shorter prediction.
    """
    return mean_variance(sequences.truth)


_declare = partial(
    for_each_part,
    higher_is_better=None,
    role="diagnostic",
    blind_to="How the motion goes: noise has the variance of speech.",
)

METRICS = (
    *_declare(of_prediction, id="dual.variance", title="Variance of motion"),
    *_declare(of_truth, id="dual.variance_reference", title="Variance of the true motion"),
)
