"""Every preset has a value in each of its columns with what is part of evalkit alone."""

from __future__ import annotations

import math

import pytest
from builders.challenges import PRESETS

from benchmarks.presets import MADE_OF_PUPPETS, ScoredPreset, make_world, score_presets
from evalkit.challenges.model import load_challenge
from evalkit.metrics.base import is_not_applicable

# SyncNet on whole frames wants face crops; the bundled network says of whole puppets that it can't judge them.
_NO_CROPS = dict.fromkeys(("sync.wav2lip_lrs.conf", "sync.wav2lip_lrs.dist"), "outside_bundled_domain")
# Of speech: what another program must hear, and networks that evalkit has no small one for.
_NO_NETWORKS = {
    **dict.fromkeys(("asr.wer.aligndit", "asr.cer.aligndit"), "not_imported"),
    "speech.vad_ratio": "no_voice_network",
    "speech.secs": "weights_missing:speaker_encoder",
    "speech.dnsmos": "weights_missing:dnsmos",
}
# Two seconds of speech have no pause of 0.3 s, in which lips could rest.
_NO_PAUSE = {"theval.silent_lip_stability.p68": "not_applicable:no_silence"}
NO_VALUE: dict[str, dict[str, str]] = {
    "dub-lrs2": _NO_CROPS,
    "synctalkpp": {"lpips.alex": "weights_missing:alexnet"},  # no network is bundled for it
    "theval": _NO_PAUSE,
    "lip-to-speech": _NO_NETWORKS,
    "lip-to-speech-video": _NO_NETWORKS,
}
INCOMPLETE = 3
PEOPLE, SECONDS = 2, 2.12  # the shortest clip with a track for lip sync: more than 50 frames


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ScoredPreset]:
    folder = tmp_path_factory.mktemp("presets")
    return {found.preset: found for found in score_presets(make_world(folder, PEOPLE, SECONDS), folder)}


@pytest.mark.parametrize("preset", [one for one in PRESETS if load_challenge(one).submission.kind in MADE_OF_PUPPETS])
def test_every_column_of_a_preset_has_a_value_with_the_bundled_networks(
    scored: dict[str, ScoredPreset], preset: str
) -> None:
    found = scored[preset]
    without = NO_VALUE.get(preset, {})
    assert {name: one.reason for name, one in found.columns.items() if one.value is None} == without
    missing = [reason for reason in without.values() if not is_not_applicable(reason)]
    assert found.exit_code == (INCOMPLETE if missing else 0), found.output
    assert set(found.columns) == {entry.id for entry in load_challenge(preset).metrics}
    for name, one in found.columns.items():
        if name in without:
            continue
        assert one.value is not None, name
        assert math.isfinite(one.value), name
        assert one.coverage == 1.0, name


def test_what_does_not_move_has_no_part_in_the_ranking() -> None:
    """Steadiness and consistency are perfect in a frozen video (docs/gaming.md)."""
    for preset in PRESETS:
        ranked = [entry.id for entry in load_challenge(preset).metrics if entry.rank and entry.group != "diagnostic"]
        assert not [name for name in ranked if name.startswith(("vbench.", "temporal.", "motion.", "landmark.jitter"))]
