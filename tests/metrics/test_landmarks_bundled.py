"""The bundled landmarks on puppets that they were not trained on, and which files they need."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from evalkit.errors import WeightsError
from evalkit.metrics.base import FeatureData, VideoInputs, metric_registry
from evalkit.metrics.features.base import Item, PairCoverage, WeightFile
from evalkit.metrics.landmarks.arithmetic import eye_distances
from evalkit.metrics.landmarks.bundled import BundledLandmarks
from evalkit.metrics.landmarks.features import DETECTOR, ROLE, LandmarksExtractor, VideoLandmarksExtractor
from evalkit.reference_models.puppet.landmarks import landmarks68
from evalkit.reference_models.puppet.renderer import PuppetRenderer
from evalkit.reference_models.puppet.scene import draw_scene
from evalkit.weights.manifest import load_backbones
from evalkit.weights.store import find_weights

PEOPLE, FRAMES, LATE = (11, 12, 13), 18, 4
Picture = NDArray[np.uint8]
Points = NDArray[np.float64]


@pytest.fixture(scope="module")
def weights() -> dict[str, WeightFile]:
    backbones = load_backbones("bundled")
    found = {}
    for role in (ROLE, DETECTOR):
        file = find_weights(backbones, role)
        found[role] = WeightFile(role, file.path, file.sha256, backbones.roles[role].options)
    return found


@pytest.fixture(scope="module")
def finder(weights: dict[str, WeightFile]) -> BundledLandmarks:
    return BundledLandmarks(weights, ROLE, DETECTOR, "cpu")


@pytest.fixture(scope="module")
def clips() -> list[tuple[list[Picture], Points]]:
    """Return the first frames of unseen people with the truth."""
    found = []
    for seed in PEOPLE:
        scene = draw_scene(seed, 1)
        renderer = PuppetRenderer(scene.look)
        poses = scene.poses[: FRAMES + LATE]
        found.append(
            (
                [renderer.render(pose) for pose in poses],
                np.stack([landmarks68(scene.look, pose, 256) for pose in poses]),
            )
        )
    return found


def located(finder: BundledLandmarks, frames: list[Picture]) -> Points:
    rows = [finder.find(rgb) for rgb in frames]
    assert [faces for _, faces in rows] == [1] * len(rows)
    return np.stack([points for points, _ in rows]).astype(np.float64)


def test_the_points_are_near_the_truth(finder: BundledLandmarks, clips: list[tuple[list[Picture], Points]]) -> None:
    """Mean distance by the distance between the eyes; sharp, blurred, and in other sizes."""
    forms = {
        "as rendered": (lambda rgb: rgb, 1.0, 0.03),
        "blurred": (lambda rgb: cv2.GaussianBlur(rgb, (0, 0), 2.0), 1.0, 0.035),
        "half": (lambda rgb: cv2.resize(rgb, (128, 128), interpolation=cv2.INTER_AREA), 0.5, 0.035),
        "twice": (lambda rgb: cv2.resize(rgb, (512, 512)), 2.0, 0.035),
    }
    for name, (form, ratio, most) in forms.items():
        for frames, truth in clips:
            found = (located(finder, [form(rgb) for rgb in frames[::7]]) + 0.5) / ratio - 0.5
            apart = np.linalg.norm(found - truth[::7], axis=2) / eye_distances(truth[::7])[:, None]
            assert apart.mean() < most, name
            assert apart[:, 48:].mean() < most, name


def test_faults_are_told_from_the_truth(finder: BundledLandmarks, clips: list[tuple[list[Picture], Points]]) -> None:
    """Truth (seen through JPEG), late and still, in every clip; the landmarks of late frames are the reference's."""

    def value(metric: str, candidate: Points, reference: Points) -> float:
        count = len(reference)
        arrays = {"candidate": candidate, "reference": reference, "compared": np.array([count, count, 0.0])}
        inputs = VideoInputs("s", {"landmarks68": FeatureData(arrays)})
        found = metric_registry()[metric].score_video(inputs).value
        assert found is not None
        return found

    for frames, _ in clips:
        clean = located(finder, frames)
        reference, late = clean[LATE:], clean[:-LATE]
        coded = [cv2.imdecode(cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, 80])[1], 1) for rgb in frames[LATE:]]
        truth = located(finder, coded)
        still = np.repeat(reference[:1], len(reference), axis=0)
        for metric in ("landmark.m_lmd", "landmark.akd", "landmark.organiser_akd"):
            least, *others = (value(metric, one, reference) for one in (truth, late, still))
            assert least < 0.7 * min(others), metric


def test_a_frame_without_a_face_has_no_points(finder: BundledLandmarks) -> None:
    points, faces = finder.find(np.full((120, 160, 3), 90, np.uint8))
    assert faces == 0
    assert np.isnan(points).all()
    assert points.shape == (68, 2)
    assert points.dtype == np.float32


@pytest.mark.parametrize("extractor", [LandmarksExtractor, VideoLandmarksExtractor])
def test_they_need_no_dlib(
    extractor: type[LandmarksExtractor | VideoLandmarksExtractor],
    weights: dict[str, WeightFile],
    clips: list[tuple[list[Picture], Points]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "dlib", None)
    opened = extractor(weights)
    assert opened.record.options.dlib is None
    frames, truth = clips[0]
    item = Item("s", Path("v.mp4"), reference_video=Path("r.mp4"))
    session = opened.open(item, {})
    if isinstance(opened, LandmarksExtractor):
        session.begin(PairCoverage(1, 1, 0.0))  # type: ignore[union-attr]
        session.pair(0, frames[3], frames[3])  # type: ignore[union-attr]
        arrays = session.finish()
        assert np.array_equal(arrays["candidate"], arrays["reference"])
        assert arrays["candidate_faces"].tolist() == [1]
        found = arrays["reference"][0]
    else:
        session.plan(np.arange(3) / 25)  # type: ignore[union-attr]
        for index in range(3):
            session.frame(index, index / 25, frames[3])  # type: ignore[union-attr]
        found = session.finish()["points"][2]
    assert np.linalg.norm(found - truth[3], axis=1).mean() < 3


def test_without_their_detector_they_are_refused(weights: dict[str, WeightFile]) -> None:
    with pytest.raises(WeightsError, match=r"needs the face detector(?s:.)*Add the role 'landmarks68_detector'"):
        LandmarksExtractor({ROLE: weights[ROLE]})
    other = WeightFile(DETECTOR, weights[DETECTOR].path, weights[DETECTOR].sha256, {"family": "scrfd"})
    with pytest.raises(WeightsError, match="format: bundled"):
        LandmarksExtractor({ROLE: weights[ROLE], DETECTOR: other})
    with pytest.raises(WeightsError, match="doesn't fit the network"):
        LandmarksExtractor({ROLE: weights[DETECTOR], DETECTOR: weights[DETECTOR]})
