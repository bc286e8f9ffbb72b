"""How far the expressions of a submission lie from those of the reference videos (E-FID)."""

from __future__ import annotations

from evalkit.metrics.base import MetricRecord, definition_beside
from evalkit.metrics.distances.set_distance import FrechetDistance

E_FID = MetricRecord(
    id="motion.efid",
    title="E-FID",
    summary="Fréchet distance between the expression coefficients (Deep3DFaceRecon) of the frames of the videos "
    "and of their references.",
    higher_is_better=False,
    range=(0.0, None),
    features=("deep3d", "deep3d_reference"),
    blind_to="The order of frames, lips that are out of step with the sound, and everything that 64 coefficients "
    "of a face model don't describe.",
    citation="Tian et al., EMO, ECCV 2024 (arXiv:2402.17485); coefficients of Deng et al., CVPR Workshops 2019",
    people_only=True,
    missing_policy="a video without imported coefficients (--features deep3d=DIR), without a reference video, or "
    "with more than 5 % of frames without a face on a side, is left out of both sides",
    definition=definition_beside(__file__, "efid.md"),
    aliases=("efid",),
    notes="Rests on coefficients that the organizer made and imported. Biased upwards with few frames: two sides "
    "of one distribution (variance 0.25) are 5.6 apart with 100 frames each, 0.56 with 1000, 0.19 with 3000. "
    "Other reconstructions (MICA, EMOCA, 3DDFA, MediaPipe) give other numbers.",
)

METRICS = (FrechetDistance(E_FID, pairing="videos"),)
