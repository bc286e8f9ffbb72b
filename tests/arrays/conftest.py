"""Puppets as arrays: two people who speak, with all that `measure` takes of them."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from evalkit.media.decode import iter_frames
from evalkit.media.stills import read_still
from evalkit.reference_models.puppet.testset import PuppetTestSet, write_puppet_testset
from evalkit.testsets.loading import load_testset


@pytest.fixture(scope="session")
def given(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return a test set of puppets, and its videos, blurred, with all else as arguments of `measure`."""
    root = tmp_path_factory.mktemp("arrays")
    testset = write_puppet_testset(PuppetTestSet(root / "testset", 4711, 2, seconds=2.12), 1)
    samples = load_testset(testset)
    found: dict[str, list[Any]] = {"reference": [], "reference_image": [], "audio": [], "prompt": []}
    for sample in samples:
        assert sample.reference_video
        assert sample.audio
        found["reference"].append(np.stack(list(iter_frames(samples.path(sample.reference_video)))))
        found["reference_image"].append([read_still(samples.path(image)) for image in sample.reference_images])
        found["audio"].append(_read_wave(samples.path(sample.audio)))
        found["prompt"].append(sample.text)
    videos = [np.stack([cv2.GaussianBlur(rgb, (0, 0), 1.5) for rgb in video]) for video in found["reference"]]
    return {"root": root, "testset": testset, "videos": videos, "fps": 25, "audio_rate": 16000, **found}


def _read_wave(path: Path) -> np.ndarray:
    with wave.open(str(path)) as opened:
        assert (opened.getframerate(), opened.getnchannels(), opened.getsampwidth()) == (16000, 1, 2)
        return np.frombuffer(opened.readframes(opened.getnframes()), np.int16)
