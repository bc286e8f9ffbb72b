"""Lower precision: within a stated tolerance of float32 on the CPU, named wherever a result is, never by accident."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from inception_checkpoint import random_inception, write_checkpoint
from sync_networks import planted_s3fd, random_s3fd, random_syncnet

from evalkit.errors import InputError
from evalkit.metrics.embeddings import inception
from evalkit.metrics.features.base import WeightFile
from evalkit.metrics.networks.checkpoints import PRECISIONS, inference, precision_of
from evalkit.metrics.sync.features import SyncExtractor
from evalkit.metrics.sync.mfcc import mfcc
from evalkit.metrics.sync.s3fd import S3fd
from evalkit.metrics.sync.syncnet import SyncNet
from evalkit.metrics.sync.whole_frame import WholeFrameExtractor
from evalkit.scoring.cache import feature_key
from evalkit.scoring.provenance import _precisions

# Share of a vector's length by which it may move: bfloat16 keeps 8 bits (2^-8 = 0.4 % a number), float16 11 (0.05 %).
TOLERANCES = {"bfloat16": 0.01, "float16": 0.0015}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("precision")
    random_s3fd(made / "random.pth")
    planted_s3fd(made / "sfd_face.pth")
    random_syncnet(made / "syncnet_v2.model")
    return made


def weights(folder: Path, **options: object) -> dict[str, WeightFile]:
    files = {"sync_detector": folder / "sfd_face.pth", "syncnet": folder / "syncnet_v2.model"}
    return {role: WeightFile(role, path, "0" * 64, options) for role, path in files.items()}


def pictures(count: int, size: int) -> np.ndarray:
    """Smooth pictures: noise of an eighth of the size, made larger."""
    coarse = torch.from_numpy(np.random.default_rng(0).uniform(0, 255, (count, 3, size // 8, size // 8)))
    large = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")
    return large.permute(0, 2, 3, 1).numpy().astype(np.uint8)


def moved(lower: np.ndarray, full: np.ndarray) -> float:
    return float((np.linalg.norm(lower - full, axis=-1) / np.linalg.norm(full, axis=-1)).max())


@pytest.mark.parametrize("name", TOLERANCES)
def test_syncnet_stays_near_float32(folder: Path, name: str) -> None:
    """Measured: bfloat16 0.3 %, float16 0.04 %."""
    crops = pictures(6, 224)
    rows = mfcc((np.random.default_rng(1).normal(0, 2000, 8000)).astype(np.int16))
    full, lower = (SyncNet(folder / "syncnet_v2.model", "cpu", PRECISIONS[part]) for part in ("float32", name))
    for ours, reference in ((lower.lips(crops), full.lips(crops)), (lower.audio(rows, 4), full.audio(rows, 4))):
        assert ours.dtype == np.float32
        assert 0 < moved(ours, reference) < TOLERANCES[name]


@pytest.mark.parametrize(("name", "score"), [("bfloat16", 0.1), ("float16", 0.012)])
def test_s3fd_stays_near_float32(folder: Path, name: str, score: float) -> None:
    """Measured: face probabilities 0.025 and 0.003, box offsets 1 % and 0.1 % of the largest."""
    smalls = pictures(2, 64)
    full, lower = (S3fd(folder / "random.pth", "cpu", PRECISIONS[part]) for part in ("float32", name))
    (offsets, scores, maps), (ours, ours_scores, ours_maps) = full.raw(smalls), lower.raw(smalls)
    assert ours_maps == maps
    assert ours.dtype == ours_scores.dtype == np.float32
    assert 0 < np.abs(ours_scores - scores).max() < score
    assert np.abs(ours - offsets).max() < 5 * TOLERANCES[name] * np.abs(offsets).max()


def test_float32_is_float32(folder: Path) -> None:
    """Nothing is lowered where nobody asks for it; an option that says float32 is the same network."""
    crops = pictures(5, 224)
    plain = SyncExtractor(weights(folder))
    said = SyncExtractor(weights(folder, precision="float32"))
    assert plain._network is said._network
    np.testing.assert_array_equal(SyncNet(folder / "syncnet_v2.model").lips(crops), plain._network.lips(crops))
    with inference(torch.device("cpu")):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
    with inference(torch.device("cpu"), torch.bfloat16):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
    assert not torch.is_autocast_enabled("cpu")
    assert not torch.is_inference_mode_enabled()


def test_the_option_reaches_every_network(folder: Path) -> None:
    lower = SyncExtractor(weights(folder, precision="bfloat16"))
    assert lower._network is WholeFrameExtractor(weights(folder, precision="bfloat16"))._network
    assert lower._network is not SyncExtractor(weights(folder))._network
    assert lower._network._precision == lower._detector._runner._precision == torch.bfloat16


@pytest.mark.parametrize("word", ["half", "BF16", 16, ["float16"], None])
def test_other_words_are_refused(folder: Path, word: object) -> None:
    with pytest.raises(InputError, match="precision"):
        precision_of({"precision": word})
    with pytest.raises(InputError, match="bfloat16"):
        WholeFrameExtractor(weights(folder, precision=word))
    assert precision_of({"mean": 1}) == torch.float32


def test_the_option_is_in_the_cache_key_and_on_the_scorecard(folder: Path) -> None:
    plain, lower = weights(folder), weights(folder, precision="bfloat16")
    mixed = {**plain, "syncnet": lower["syncnet"]}
    record = SyncExtractor.record
    assert len({feature_key(record, files, {}, {}) for files in (plain, lower, mixed)}) == 3
    assert _precisions(record, SimpleNamespace(weights=plain)) == {}  # type: ignore[arg-type]
    assert _precisions(record, SimpleNamespace(weights=mixed)) == {"precision_of_roles": {"syncnet": "bfloat16"}}  # type: ignore[arg-type]
    other = replace(record, weights=("sync_detector",))
    assert _precisions(other, SimpleNamespace(weights=mixed)) == {}  # type: ignore[arg-type]


@pytest.mark.parametrize("name", TOLERANCES)
def test_inception_stays_near_float32(tmp_path: Path, name: str) -> None:
    """Measured: bfloat16 0.4 %, float16 0.05 %."""
    path = write_checkpoint(tmp_path / "inception.pth", random_inception())
    inception.open_network.cache_clear()
    kind = next(kind for kind in inception.FEATURES if kind.record.name == "inception_uniform")
    full, lower = (
        kind({"inception": WeightFile("inception", path, "0" * 64, options)})._network
        for options in ({}, {"precision": name})
    )
    inception.open_network.cache_clear()
    frames = [full.prepare(picture) for picture in pictures(2, 96)]
    ours, reference = lower.embed(frames), full.embed(frames)
    assert ours.dtype == np.float32
    assert 0 < moved(ours, reference) < TOLERANCES[name]
