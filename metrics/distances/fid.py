"""FID: how far the frames of a submission lie from those of the reference videos.

See docs/definitions/fid-kid.md.
"""

from __future__ import annotations

from dataclasses import replace

from evalkit.metrics.base import MetricRecord, definition_beside
from evalkit.metrics.distances.set_distance import FrechetDistance

FID = MetricRecord(
    id="fid.pytorch",
    title="FID",
    summary="Fréchet distance between the Inception activations of the frames of the videos and of their references.",
    higher_is_better=False,
    range=(0.0, None),
    features=("inception", "inception_reference"),
    blind_to="Which sample a video belongs to, the order of frames, and audio: exchanged videos score the same.",
    citation="Heusel et al., NeurIPS 2017; network, resize and covariance as pytorch-fid 0.3.0",
    missing_policy="a video without a reference video, or that can't be read, is left out of both sides",
    definition=definition_beside(__file__, "fid.md"),
    aliases=("fid",),
    notes="Every frame at 25 frames/s, each video and its reference up to the end of the shorter one. Biased upwards "
    "with few frames: compare only numbers of equally many, and rank only with well over 2048. Resize is bilinear to "
    "299x299 without antialiasing; numbers of clean-fid, torch-fidelity and torchmetrics differ by their resize.",
)
UNPAIRED = (
    "For sets whose videos have nothing to do with one another: all of both count, also when one set is larger, and it "
    "has no effect which reference a sample names. "
)
UNPAIRED_MISSING = (
    "a sample without a reference video counts on the videos' side alone. A video that is missing or can't be read is "
    "left out, and its sample's reference with it"
)
UNIFORM = "16 frames spread over each video, for sets whose videos differ in length."

CLEAN = replace(
    FID,
    id="fid.clean",
    title="FID (clean-fid)",
    summary="As fid.pytorch, with the resize of clean-fid, which low-pass filters and doesn't round.",
    features=("inception_clean", "inception_clean_reference"),
    blind_to="Which sample a video belongs to, the order of frames, and audio: exchanged videos score the same.",
    citation="Parmar et al., CVPR 2022; resize, network and covariance as clean-fid 0.1.35, mode clean",
    definition=definition_beside(__file__, "fid_clean.md"),
    aliases=(),
    notes="The network's file is NVIDIA's, for non-commercial use. Frames, pairing and bias as in fid.pytorch; "
    "on pictures larger or smaller than 299x299 the two numbers differ by several points.",
)

METRICS = (
    FrechetDistance(FID, pairing="frames"),
    FrechetDistance(CLEAN, pairing="frames"),
    FrechetDistance(
        replace(
            CLEAN,
            id="fid.clean.unpaired",
            title="FID (clean-fid), unpaired sets",
            summary="As fid.clean, over all frames of all videos and all frames of all references.",
            missing_policy=UNPAIRED_MISSING,
            notes=f"{UNPAIRED}The network's file is NVIDIA's, for non-commercial use. Frames and bias as in "
            "fid.pytorch.unpaired.",
        ),
        pairing="none",
    ),
    FrechetDistance(
        replace(
            FID,
            id="fid.pytorch.unpaired",
            title="FID, unpaired sets",
            summary="As fid.pytorch, over all frames of all videos and all frames of all references.",
            missing_policy=UNPAIRED_MISSING,
            aliases=(),
            notes=f"{UNPAIRED}Every frame at 25 frames/s, so longer videos weigh more. Biased upwards with few frames: "
            "compare only numbers of equally many, and rank only with well over 2048.",
        ),
        pairing="none",
    ),
    FrechetDistance(
        replace(
            FID,
            id="fid.pytorch.uniform16",
            title="FID, 16 frames a video",
            summary="As fid.pytorch, over 16 frames spread evenly over each video.",
            features=("inception_uniform", "inception_uniform_reference"),
            aliases=(),
            notes=f"{UNIFORM} Biased upwards with few frames: rank only with well over 128 videos of equal number.",
        ),
        pairing="videos",
    ),
)
