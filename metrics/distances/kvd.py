"""KVD: a kernel distance between the motion of a submission and that of the reference videos.

See docs/definitions/fvd-kvd.md.
"""

from __future__ import annotations

from dataclasses import replace

from evalkit.metrics.base import definition_beside
from evalkit.metrics.distances.fid import UNPAIRED, UNPAIRED_MISSING
from evalkit.metrics.distances.fvd import FVD
from evalkit.metrics.distances.set_distance import KernelDistance

KVD = replace(
    FVD,
    id="kvd.styleganv",
    title="KVD",
    summary="Kernel distance (cubic, unbiased) between the I3D logits of fvd.styleganv, over all pairs of clips.",
    range=(None, None),
    blind_to="Which sample a video belongs to, and audio: exchanged videos score the same.",
    citation="Unterthiner et al., arXiv:1812.01717, 2018; kernel of Binkowski et al., ICLR 2018, over all pairs as "
    "TATS (Ge et al., ECCV 2022)",
    definition=definition_beside(__file__, "kvd.md"),
    aliases=("kvd",),
    notes="Unbiased, so the number to look at with few videos; slightly negative for equal distributions. "
    "The kernel is (x.y / 400 + 1)^3.",
)

METRICS = (
    KernelDistance(KVD, pairing="frames", subsets=False, unit="clips"),
    KernelDistance(
        replace(
            KVD,
            id="kvd.styleganv.unpaired",
            title="KVD, unpaired sets",
            summary="As kvd.styleganv, over all videos and all references.",
            missing_policy=UNPAIRED_MISSING,
            aliases=(),
            notes=f"{UNPAIRED}{KVD.notes}",
        ),
        pairing="none",
        subsets=False,
        unit="clips",
    ),
)
