"""Which faces the bundled lip-sync network can judge: drawn puppets in every form, and no real person."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from evalkit.media.stills import read_still
from evalkit.metrics.networks.small.models import NETWORKS
from evalkit.metrics.networks.small.runners import SmallBoxes, SmallSync
from evalkit.metrics.sync.networks import LimitedNetwork
from evalkit.metrics.sync.syncnet import SyncNet
from evalkit.metrics.sync.tracks import crop
from evalkit.reference_models.puppet.scene import draw_scene
from evalkit.weights.manifest import load_backbones
from evalkit.weights.store import find_weights


@pytest.fixture(scope="module")
def networks() -> tuple[SmallBoxes, SmallSync]:
    detector, sync = (find_weights(load_backbones("bundled"), role) for role in ("sync_detector", "syncnet"))
    return SmallBoxes(detector.path, detector.sha256), SmallSync(sync.path, sync.sha256)


def ood_score(networks: tuple[SmallBoxes, SmallSync], frames: list[np.ndarray]) -> float | None:
    detector, sync = networks
    sizes = [(rgb.shape[1], rgb.shape[0]) for rgb in frames]
    crops = []
    for rgb, found in zip(frames, detector.detect([detector.small(rgb) for rgb in frames], sizes), strict=True):
        for x1, y1, x2, y2, _ in found[:1]:
            half = max(x2 - x1, y2 - y1) / 2
            crops.append(crop(np.ascontiguousarray(rgb[:, :, ::-1]), (x1 + x2) / 2, (y1 + y2) / 2, half))
    return float(np.median(sync.ood_score(np.stack(crops)))) if crops else None


def compressed(rgb: np.ndarray, quality: int) -> np.ndarray:
    _, code = cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(code, cv2.IMREAD_COLOR)


FORMS = {
    "as rendered": lambda rgb: rgb,
    "blurred": lambda rgb: cv2.GaussianBlur(rgb, (0, 0), 2.5),
    "compressed": lambda rgb: compressed(rgb, 30),
    "half size": lambda rgb: cv2.resize(rgb, (128, 128), interpolation=cv2.INTER_AREA),
    "twice the size": lambda rgb: cv2.resize(rgb, (512, 512)),
}


@pytest.mark.parametrize("form", FORMS)
def test_puppets_are_inside(networks: tuple[SmallBoxes, SmallSync], form: str) -> None:
    for seed, number in ((11, 1), (11, 2), (12, 1), (404, 3)):
        frames = [FORMS[form](rgb) for rgb in list(draw_scene(seed, number).frames())[:40:13]]
        found = ood_score(networks, frames)
        assert found is not None
        assert found < 0.97, (form, seed, number)


@pytest.mark.shared
@pytest.mark.parametrize("form", ["as rendered", "blurred", "compressed"])
def test_no_real_person_is_inside(networks: tuple[SmallBoxes, SmallSync], shared: Path, form: str) -> None:
    pictures = sorted((shared / "data" / "talking-heads" / "testset" / "images").iterdir())
    found = {path.name: ood_score(networks, [FORMS[form](np.asarray(read_still(path)))]) for path in pictures}
    assert len(found) == 20
    assert min(value for value in found.values() if value is not None) > 1.03


def test_other_weights_have_no_limits() -> None:
    assert issubclass(SmallSync, LimitedNetwork)
    assert not issubclass(SyncNet, LimitedNetwork)


def test_a_network_without_limits_takes_every_face() -> None:
    import torch

    known = NETWORKS["sync"]().known_faces
    assert known(torch.rand(3, 256), torch.rand(3, 432)).tolist() == [0.0] * 3
