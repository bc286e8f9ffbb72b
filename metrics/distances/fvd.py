"""FVD: how far the motion of a submission lies from that of the reference videos.

See docs/definitions/fvd-kvd.md.
"""

from __future__ import annotations

from dataclasses import replace

from evalkit.metrics.base import MetricRecord, definition_beside
from evalkit.metrics.distances.fid import UNPAIRED, UNPAIRED_MISSING
from evalkit.metrics.distances.set_distance import FrechetDistance

_BIAS = (
    "Biased upwards with few clips, and mostly bias below 400: compare only numbers of equally many clips, and rank by "
    "kvd.styleganv when there are few. "
)
FVD = MetricRecord(
    id="fvd.styleganv",
    title="FVD",
    summary="Fréchet distance between the I3D logits of the first 16 frames of the videos and of their references.",
    higher_is_better=False,
    range=(0.0, None),
    features=("i3d", "i3d_reference"),
    blind_to="Which sample a video belongs to, and audio: exchanged videos score the same.",
    citation="Unterthiner et al., arXiv:1812.01717, 2018; network, resize and covariance as StyleGAN-V (Skorokhodov et "
    "al., CVPR 2022)",
    missing_policy="a video without a reference video, that can't be read, or of fewer than 16 frames, is left out of "
    "both sides",
    definition=definition_beside(__file__, "fvd.md"),
    aliases=("fvd",),
    notes=_BIAS + "The length of a clip changes the number more than how many there are: only numbers of 16 frames "
    "compare. StyleGAN-V takes real clips at a random offset; here every clip begins with the first frame.",
)
_STATE = replace(
    FVD,
    features=("i3d_state", "i3d_state_reference"),
    definition=definition_beside(__file__, "fvd_state.md"),
    aliases=(),
)
_LOADER = (
    "Clips begin with the first frame and whole frames are resized; the package's own loader takes random clips, crops "
    "the middle and draws videos again until there are 2048. "
)

METRICS = (
    FrechetDistance(FVD, pairing="frames", ddof=0, unit="clips"),
    FrechetDistance(
        replace(
            FVD,
            id="fvd.styleganv.ddof1",
            title="FVD, covariance by n - 1",
            summary="As fvd.styleganv, with the covariance divided by n - 1.",
            aliases=(),
            notes=_BIAS + "For comparison with code that calls numpy.cov.",
        ),
        pairing="frames",
        ddof=1,
        unit="clips",
    ),
    FrechetDistance(
        replace(
            FVD,
            id="fvd.styleganv.unpaired",
            title="FVD, unpaired sets",
            summary="As fvd.styleganv, over all videos and all references.",
            missing_policy=UNPAIRED_MISSING,
            aliases=(),
            notes=f"{UNPAIRED}{_BIAS}",
        ),
        pairing="none",
        ddof=0,
        unit="clips",
    ),
    FrechetDistance(
        replace(
            FVD,
            id="fvd.styleganv.clips",
            title="FVD, all clips",
            summary="As fvd.styleganv, over all clips of 16 frames that don't overlap.",
            features=("i3d_clips", "i3d_clips_reference"),
            definition=definition_beside(__file__, "fvd_clips.md"),
            aliases=(),
            notes=_BIAS + "For sets of few videos; longer videos weigh more.",
        ),
        pairing="frames",
        ddof=0,
        unit="clips",
    ),
    FrechetDistance(
        replace(
            _STATE,
            id="fvd.videogpt",
            title="FVD (VideoGPT)",
            summary="As fvd.styleganv.ddof1, by VideoGPT's I3D.",
            blind_to="Which sample a video belongs to, and audio: exchanged videos score the same.",
            citation="Yan et al., VideoGPT, arXiv:2104.10157, 2021; resize, range and covariance as TATS (Ge et al., "
            "ECCV 2022)",
            notes=_BIAS + "VideoGPT's own script cuts out the middle square and maps it to -0.5..0.5, which is another "
            "number; what is named after it elsewhere is mostly this one.",
        ),
        pairing="frames",
        ddof=1,
        unit="clips",
    ),
    FrechetDistance(
        replace(
            _STATE,
            id="fvd.cd_i3d",
            title="FVD (cd-fvd, I3D)",
            summary="As fvd.styleganv, by VideoGPT's I3D as content-debiased FVD runs it.",
            blind_to="Which sample a video belongs to, and audio: exchanged videos score the same.",
            citation="Ge et al., On the Content Bias in Fréchet Video Distance, CVPR 2024; package cd-fvd",
            notes=_BIAS + _LOADER,
        ),
        pairing="frames",
        ddof=0,
        unit="clips",
    ),
)
