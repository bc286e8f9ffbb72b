"""CSIM: the vector of its definition, what is missing, the fixed crop against PyTorch's pool, and whole videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from evalkit.metrics.base import FeatureData, VideoInputs, VideoValue, metric_registry
from evalkit.metrics.features.base import WeightFile
from evalkit.metrics.identity.frame_pairs import FixedCropOptions, PairedFacesExtractor, fixed_crop, pooled, spread
from evalkit.metrics.identity.glint_faces import GLINT, GlintFacesExtractor
from evalkit.weights.manifest import load_backbones
from evalkit.weights.store import file_sha256

METRICS = metric_registry()
Vectors = NDArray[np.float64]


def vector() -> tuple[Vectors, Vectors]:
    """The pair of docs/definitions/dubbing.md#csim."""
    draw = np.random.RandomState(0)
    return draw.randn(8, 16) + 1, draw.randn(8, 16) + 1


def paired(ours: Vectors, theirs: Vectors, missing: tuple[int, ...] = (), unseen: tuple[int, ...] = ()) -> FeatureData:
    count = len(ours)
    found = {"candidate_found": np.ones(count, bool), "reference_found": np.ones(count, bool)}
    found["candidate_found"][list(missing)] = False
    found["reference_found"][list(unseen)] = False
    compared = np.array([float(count), float(count), 0.0])
    return FeatureData({"compared": compared, "candidate": ours, "reference": theirs, **found})


def outcome(name: str, **features: FeatureData) -> VideoValue:
    return METRICS[name].score_video(VideoInputs("s", features))


def faces_of(count: int) -> FeatureData:
    rows = np.arange(count)
    return FeatureData(
        {
            "sampled": rows,
            "frame_index": rows,
            "attempt": np.zeros(count, np.int8),
            "face_frame": rows,
            "track": np.zeros(count, np.int64),
            "subject": np.array(0),
        }
    )


def test_the_vector_frame_by_frame() -> None:
    found = outcome("csim.paired", arcface_paired=paired(*vector()))
    assert found.value == pytest.approx(0.542905525976, abs=1e-12)


def test_the_vector_against_one_picture() -> None:
    ours, theirs = vector()
    reference = FeatureData(
        {"embedding": theirs[:1], "found": np.array([True]), "attempt": np.zeros(1, np.int8)},
    )
    embedded = FeatureData({"embedding": ours, "face": np.arange(8)})
    found = outcome("csim.source", faces=faces_of(8), arcface=embedded, arcface_reference=reference)
    assert found.value == pytest.approx(0.598023048580, abs=1e-12)


def test_the_cosine_of_means_is_another_number() -> None:
    ours, theirs = (side.mean(axis=0) for side in vector())
    cosine = float(ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs))
    assert cosine == pytest.approx(0.941459681896, abs=1e-12)
    assert outcome("csim.paired", arcface_paired=paired(*vector())).value != pytest.approx(cosine, abs=0.1)


def test_nothing_is_clamped() -> None:
    ours, _ = vector()
    assert outcome("csim.paired", arcface_paired=paired(ours, -ours)).value == pytest.approx(-1.0)
    assert outcome("csim.paired.strict", arcface_paired=paired(ours, -ours)).value == pytest.approx(-1.0)


def test_a_missing_face_is_left_out_or_counts_zero() -> None:
    ours, _ = vector()
    part = paired(ours, ours, missing=(0, 3))
    assert outcome("csim.paired", arcface_paired=part).value == pytest.approx(1.0)
    assert outcome("csim.paired.strict", arcface_paired=part).value == pytest.approx(6 / 8)
    events = {event.kind: event.detail for event in outcome("csim.paired", arcface_paired=part).events}
    assert events == {"frames_without_a_face": "2 of 8"}
    none = paired(ours, ours, missing=tuple(range(8)))
    assert outcome("csim.paired", arcface_paired=none).reason == "no_face"
    assert outcome("csim.paired.strict", arcface_paired=none).value == 0.0


def test_frames_in_which_the_reference_has_no_face_are_nobodys_fault() -> None:
    ours, _ = vector()
    part = paired(ours, ours, missing=(1,), unseen=(1, 2))
    assert outcome("csim.paired.strict", arcface_paired=part).value == pytest.approx(1.0)
    none = paired(ours, ours, unseen=tuple(range(8)))
    assert outcome("csim.paired.strict", arcface_paired=none).reason == "reference_video_no_face"


def test_a_video_that_ends_early_has_no_paired_number() -> None:
    part = paired(*vector())
    assert part.arrays is not None
    part.arrays["compared"][1] = 20.0  # type: ignore[index]
    assert outcome("csim.paired", arcface_paired=part).reason == "too_little_compared"


def test_drift_leaves_out_the_frame_that_it_compares_with() -> None:
    ours, _ = vector()
    embedded = FeatureData({"embedding": ours, "face": np.arange(8)})
    unit = ours / np.linalg.norm(ours, axis=1, keepdims=True)
    by_hand = float((unit[1:] @ unit[0]).mean())
    found = outcome("csim.first", faces=faces_of(8), arcface=embedded)
    assert found.value == pytest.approx(by_hand, abs=1e-12)
    lost = FeatureData({"embedding": ours[1:], "face": np.arange(1, 8)})
    assert outcome("csim.first", faces=faces_of(8), arcface=lost).reason == "no_face_in_first_frame"
    gaps = FeatureData({"embedding": ours[:5], "face": np.arange(5)})
    strict = outcome("csim.first.strict", faces=faces_of(8), arcface=gaps)
    assert strict.value == pytest.approx(float((unit[1:5] @ unit[0]).sum()) / 7, abs=1e-12)


@pytest.mark.parametrize(("pairs", "expected"), [(0, []), (1, [0]), (5, [0, 1, 2, 3, 4]), (46, list(range(0, 46, 3)))])
def test_pairs_are_spread_from_the_first_to_the_last(pairs: int, expected: list[int]) -> None:
    assert spread(pairs, 16).tolist() == expected


@pytest.mark.parametrize("length", [112, 113, 188, 224, 301])
def test_the_pool_is_pytorchs(length: int) -> None:
    import torch

    picture = np.random.default_rng(length).integers(0, 256, (length, 188, 3)).astype(np.uint8)
    pool = torch.nn.AdaptiveAvgPool2d((112, 112))
    theirs = pool(torch.from_numpy(picture.transpose(2, 0, 1).astype(np.float64))[None])[0].numpy()
    np.testing.assert_allclose(pooled(picture, 112), theirs.transpose(1, 2, 0), rtol=0, atol=1e-9)


def test_the_fixed_crop_is_rows_35_to_222_and_columns_32_to_219() -> None:
    """A picture that is white in the crop and black around it stays white, to the last row and column."""
    picture = np.zeros((256, 256, 3), np.uint8)
    picture[35:223, 32:220] = 255
    assert (fixed_crop(picture, FixedCropOptions()) == 255).all()
    picture[222] = 0
    assert (fixed_crop(picture, FixedCropOptions())[-1] < 255).all()


def test_the_larger_network_is_read_and_prepared_as_arcface(weights: Path) -> None:
    """No file of the larger network is here: another one in its role gives what ONNX Runtime gives by itself."""
    import onnxruntime

    file = weights / "face_embedder_mobilefacenet.onnx"
    detector = weights / "scrfd_500m_kps.onnx"
    crops = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3), dtype=np.uint8)
    entry = load_backbones("published").roles[GLINT]
    given = {
        GLINT: WeightFile(GLINT, file, file_sha256(file), dict(entry.options)),
        "face_detector": WeightFile("face_detector", detector, file_sha256(detector), {"family": "scrfd"}),
    }
    found = GlintFacesExtractor(given)._network.embed(crops)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    pixels = (crops.transpose(0, 3, 1, 2).astype(np.float32) - 127.5) / 127.5
    alone = np.concatenate([session.run(None, {session.get_inputs()[0].name: one[None]})[0] for one in pixels])
    np.testing.assert_allclose(found, alone, rtol=1e-4, atol=1e-4)
    assert GlintFacesExtractor.record.weights == (GLINT, "face_detector")
    assert GlintFacesExtractor.record.options == PairedFacesExtractor.record.options


def test_the_larger_network_has_an_id_of_its_own() -> None:
    ours, theirs = vector()
    pair = paired(ours, theirs)
    assert outcome("csim.r100_glint", glint_paired=pair).value == pytest.approx(0.542905525976, abs=1e-12)
    assert METRICS["csim.r100_glint"].record.features == ("glint_paired",)
    assert GLINT not in load_backbones("bundled").roles
