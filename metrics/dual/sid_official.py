"""How many different motions the truth has, by clusters of the generated sequence (SID of the authors' script)."""

from __future__ import annotations

from evalkit.metrics.base import VideoValue
from evalkit.metrics.dual.parts import Part
from evalkit.metrics.dual.sequences import Sequences
from evalkit.metrics.dual.sid import declare, spread_or_reason


def of_truth(sequences: Sequences, part: Part) -> VideoValue | float:
    """Entropy in bits of how the true frames spread over the clusters of the generated frames of the same file.

    As `dual.sid` with the two sides exchanged: DualTalk's script passes the prediction where its function takes the
    truth. TIMAR computes both, and calls this one `reverse_sid`.
    """
    return spread_or_reason(sequences.truth, sequences.prediction, part)


METRICS = declare(
    of_truth,
    id="dual.sid_official",
    title="SID (official script)",
    notes="Clusters of the prediction, entropy of the truth. Needs the extra motion (scikit-learn).",
)
