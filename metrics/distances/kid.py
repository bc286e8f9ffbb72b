"""KID: a kernel distance between the frames of a submission and those of the reference videos.

See docs/definitions/fid-kid.md.
"""

from __future__ import annotations

from dataclasses import replace

from evalkit.metrics.base import definition_beside
from evalkit.metrics.distances.fid import FID, UNIFORM, UNPAIRED, UNPAIRED_MISSING
from evalkit.metrics.distances.set_distance import KernelDistance

KID = replace(
    FID,
    id="kid.torchfidelity",
    title="KID",
    summary="Kernel distance (cubic, unbiased) between the activations of fid.pytorch: mean over 100 subsets of 1000.",
    range=(None, None),
    blind_to="Which sample a video belongs to, the order of frames, and audio: exchanged videos score the same.",
    citation="Binkowski et al., ICLR 2018; kernel, subsets and seed as torch-fidelity",
    definition=definition_beside(__file__, "kid.md"),
    aliases=("kid",),
    notes="Unbiased, so the number to look at with few frames; slightly negative for equal sets. Unscored below 1000 "
    "frames a side. torch-fidelity's own command resizes in another way.",
)

METRICS = (
    KernelDistance(KID, pairing="frames"),
    KernelDistance(
        replace(
            KID,
            id="kid.torchfidelity.unpaired",
            title="KID, unpaired sets",
            summary="As kid.torchfidelity, over all frames of all videos and all frames of all references.",
            missing_policy=UNPAIRED_MISSING,
            aliases=(),
            notes=f"{UNPAIRED}Every frame at 25 frames/s, so longer videos weigh more. Unbiased, so the number to look "
            "at with few frames. Unscored below 1000 frames a side.",
        ),
        pairing="none",
    ),
    KernelDistance(
        replace(
            KID,
            id="kid.whole.unpaired",
            title="KID, all pairs, unpaired sets",
            summary="As kid.torchfidelity.unpaired, once over all pairs of frames in place of random subsets.",
            citation="Binkowski et al., ICLR 2018; kernel as torch-fidelity, the unbiased estimate over all pairs",
            missing_policy=UNPAIRED_MISSING,
            aliases=(),
            notes=f"{UNPAIRED}For sets of fewer than 1000 frames, of which kid.torchfidelity says nothing: two frames "
            "a side are enough. Unbiased; no random subsets, so no seed.",
        ),
        pairing="none",
        subsets=False,
    ),
    KernelDistance(
        replace(
            KID,
            id="kid.torchfidelity.uniform16",
            title="KID, 16 frames a video",
            summary="As kid.torchfidelity, over 16 frames spread evenly over each video.",
            features=("inception_uniform", "inception_uniform_reference"),
            aliases=(),
            notes=f"{UNIFORM} Unscored below 63 videos (1000 frames).",
        ),
        pairing="videos",
    ),
)
