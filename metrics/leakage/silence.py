"""Lip leakage under silence: whether lips that were given silence still follow the speech that they should not know."""

from __future__ import annotations

from functools import partial

from evalkit.metrics.base import definition_beside
from evalkit.metrics.sync.lip_sync import CONFIDENCE, DISTANCE
from evalkit.metrics.sync.track_scores import TrackChoice, mean_confidence, mean_distance, score_tracks
from evalkit.testsets.setup_names import SILENT

CITATION = "lip leakage as in arXiv 2511.08613; SyncNet by Chung and Zisserman, ACCV workshops 2016"
_MISSING = "unscored where no face makes a track; the other setups of an item are not part of it"

silent_confidence = CONFIDENCE.variant(
    partial(score_tracks, mean_confidence),
    options=TrackChoice(),
    id="leak.silent_conf",
    title="Leak-C",
    summary="Sync-C of videos that were driven by silence, against the speech of the source video.",
    higher_is_better=False,
    setups=(SILENT,),
    role="secondary",
    aliases=(),
    citation=CITATION,
    blind_to="A mouth that never moves: it leaks nothing. Read it with Sync-C of the setup 'own'.",
    missing_policy=_MISSING,
    definition=definition_beside(__file__, "leakage.md"),
    notes="Never 0: a still face has some confidence too, which leak.frac takes off. Compare equal lengths only.",
)
silent_distance = DISTANCE.variant(
    partial(score_tracks, mean_distance),
    options=TrackChoice(),
    id="leak.silent_dist",
    title="Leak-D",
    summary="Sync-D of videos that were driven by silence, against the speech of the source video.",
    higher_is_better=True,
    setups=(SILENT,),
    role="secondary",
    aliases=(),
    citation=CITATION,
    blind_to="A mouth that never moves: it leaks nothing. Read it with Sync-D of the setup 'own'.",
    missing_policy=_MISSING,
    definition=definition_beside(__file__, "leakage.md"),
    notes="The larger the better: lips far from the hidden speech.",
)

METRICS = (silent_confidence, silent_distance)
