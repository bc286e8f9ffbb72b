"""How many different motions a generated sequence has, by clusters of the truth (SID)."""

from __future__ import annotations

import math
from functools import partial

from evalkit.metrics.base import VideoValue, unscored
from evalkit.metrics.dual.clusters import LIBRARIES, NO_SCIKIT_LEARN, cluster_spread, is_installed
from evalkit.metrics.dual.parts import Part, for_each_part
from evalkit.metrics.dual.sequences import Motion, Sequences

BLIND = "Whether the motions are the right ones: noise that reaches every cluster scores best. Read it beside FD."


def range_of(part: Part) -> tuple[float, float]:
    """Return the range: one cluster alone is slightly below 0, by the 1e-6 in the logarithm."""
    return -1e-5, math.log2(part.clusters)


def spread_or_reason(of: Motion, by: Motion, part: Part) -> VideoValue | float:
    """Return the entropy of the frames ``of`` over the clusters of the frames ``by``, or why there is none."""
    if len(by) < part.clusters:
        return unscored("too_few_frames", f"{part.clusters} clusters need as many frames, found {len(by)}")
    if not is_installed():
        return unscored("no_scikit_learn", NO_SCIKIT_LEARN)
    return cluster_spread(of, by, part.clusters)


def of_prediction(sequences: Sequences, part: Part) -> VideoValue | float:
    """Entropy in bits of how the generated frames spread over the clusters of the true frames of the same file.

    1. The sequences are cut to the shortest; the true frames are clustered by k-means: 40 clusters for the expression,
       10 for jaw and head rotation; scikit-learn, k-means++, one run, `random_state` 0.
    2. Each generated frame goes to the nearest centre; h is the share of each cluster.
    3. `-sum h log2(h + 1e-6)`: at most log2(k), 5.3219 or 3.3219.

    This is the direction in which the paper describes it; the authors' script calls it with the arguments exchanged,
    which is `dual.sid_official`. Which of the two the papers' tables print is not known.
    """
    return spread_or_reason(sequences.prediction, sequences.truth, part)


declare = partial(
    for_each_part, higher_is_better=True, range_of=range_of, blind_to=BLIND, unit="bit", libraries=LIBRARIES
)

METRICS = declare(
    of_prediction,
    id="dual.sid",
    title="SID",
    notes="Clusters of the truth, entropy of the prediction. Needs the extra motion (scikit-learn).",
)
