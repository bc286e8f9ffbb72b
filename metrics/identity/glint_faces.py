"""Vectors of the subject's face by a larger network, trained on Glint360K, which other papers take for CSIM."""

from __future__ import annotations

from dataclasses import replace

from evalkit.metrics.faces.features import DETECTOR
from evalkit.metrics.identity.frame_pairs import PairedFacesExtractor

GLINT = "arcface_r100_glint"


class GlintFacesExtractor(PairedFacesExtractor):
    """As ``arcface_paired``, with another network."""

    role = GLINT
    record = replace(
        PairedFacesExtractor.record,
        name="glint_paired",
        title="ResNet-100 (Glint360K) embeddings of the subject in 16 frames of the video and of its reference video",
        weights=(GLINT, DETECTOR),
    )


FEATURES = (GlintFacesExtractor,)
