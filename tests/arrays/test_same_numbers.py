"""What `measure` says of arrays is what `score` says of a file without loss of the same frames.

To the last digit where both run with the same settings of MKL: MKL_CBWR in the environment of the workers alone moves
it by up to 4e-7.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from arrays.lossless import CHALLENGE, write_lossless

import evalkit
from evalkit.arrays.session import Measurer
from evalkit.media.decode import iter_frames
from evalkit.metrics.base import VideoInputs
from evalkit.scoring.scorecard import Scorecard

METRICS = (
    "fid", "fid.pytorch.uniform16", "fvd", "kvd", "lse_c", "lse_d", "sync.own.conf", "sync.own.offset", "identity",
    "facefid.strict", "clipscore", "clip.image_sim", "psnr", "ssim", "ms_ssim", "niqe", "motion.flow", "motion.bas",
    "m_lmd", "akd", "frozen_share", "fps", "subject.dino",
)  # fmt: skip

TOLERANCE = 1e-6  # relative


def arguments(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name not in {"root", "testset", "videos"}}


@pytest.fixture(scope="module")
def card(given: dict[str, Any]) -> Scorecard:
    folder = given["root"] / "submission"
    folder.mkdir()
    for name, video, sound in zip(("p001", "p002"), given["videos"], given["audio"], strict=True):
        file = write_lossless(folder / f"{name}.mkv", video, 25, sound)
        assert np.array_equal(np.stack(list(iter_frames(file))), video)
    challenge = given["root"] / "challenge.yaml"
    challenge.write_text(CHALLENGE, encoding="utf-8")
    return evalkit.score(
        folder, challenge, given["testset"], backbones="bundled", metrics=METRICS, workers=1, cache=given["root"] / "c"
    )


@pytest.fixture(scope="module")
def measured(given: dict[str, Any]) -> dict[str, evalkit.Measurement]:
    return evalkit.measure(METRICS, given["videos"], backbones="bundled", **arguments(given))


@pytest.mark.parametrize("name", METRICS)
def test_every_number_is_that_of_the_file(card: Scorecard, measured: dict[str, Any], name: str) -> None:
    found = measured[name]
    score = card.metrics[found.metric]
    assert found.value is not None
    assert found.value == pytest.approx(score.value, rel=TOLERANCE)
    assert found.ci95 == (None if score.ci95 is None else pytest.approx(score.ci95, rel=TOLERANCE))
    assert (found.unit, found.higher_is_better, found.protocol) == (score.unit, score.higher_is_better, score.protocol)
    assert (found.n, found.coverage) == (score.n, score.coverage)
    if found.values:
        assert list(found.values) == pytest.approx([video.values[found.metric] for video in card.videos], rel=TOLERANCE)
    assert found.provenance["features"] == {
        feature: card.features[feature].model_dump(mode="json") for feature in found.provenance["features"]
    }
    assert found.provenance["backbones"]["sha256"] == card.provenance["backbones"]["sha256"]


def test_tensors_give_the_same_as_arrays(given: dict[str, Any], measured: dict[str, Any]) -> None:
    tensors = [torch.from_numpy(video).permute(0, 3, 1, 2) for video in given["videos"]]
    references = [torch.from_numpy(video).permute(0, 3, 1, 2) for video in given["reference"]]
    found = evalkit.measure(["fid", "psnr"], tensors, fps=25, reference=references, backbones="bundled")
    assert found["fid"].value == pytest.approx(measured["fid"].value, rel=TOLERANCE)
    assert found["psnr"].values == pytest.approx(measured["psnr"].values, rel=TOLERANCE)


def test_a_session_video_by_video_gives_the_same(given: dict[str, Any], measured: dict[str, Any]) -> None:
    from evalkit.arrays.checks import items_of

    items = items_of(given["videos"], **arguments(given))
    with Measurer("bundled") as measurer:
        plan = measurer.plan("fid, psnr, clipscore, identity")
        known = [measurer.reference_features(plan, item) for item in items]
        assert {"inception_reference", "clip_text", "arcface_reference"} <= set(known[0])
        rows = [
            VideoInputs(item.sample, measurer.features(plan, item, known=one))
            for item, one in zip(items, known, strict=True)
        ]
        found = measurer.combine(plan, rows)
    for name in ("fid", "psnr", "clipscore", "identity"):
        ours = measured[name]
        assert found[ours.metric].value == pytest.approx(ours.value, rel=TOLERANCE), name
        assert list(found[ours.metric].values) == pytest.approx(list(ours.values), rel=TOLERANCE), name


def test_the_sound_stands_for_the_speech_and_for_the_files_own(measured: dict[str, Any]) -> None:
    assert measured["sync.own.conf"].values == pytest.approx(measured["lse_c"].values, rel=TOLERANCE)


def test_one_video_alone_has_the_value_that_it_has_among_others(
    given: dict[str, Any], measured: dict[str, Any]
) -> None:
    alone = evalkit.measure(
        "lse_c", given["videos"][1], fps=25, audio=given["audio"][1], audio_rate=16000, backbones="bundled"
    )
    assert alone.value == pytest.approx(measured["lse_c"].values[1], rel=TOLERANCE)
    assert alone.direction == "higher"
    assert f"{alone:.2f}" == f"{alone.value:.2f}"
