"""FID and KID of two folders of images: of pytorch-fid's activations of the same files, by the same random network."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from inception_checkpoint import random_inception, write_checkpoint
from PIL import Image
from shapes import blur, shape_frames, unchanged
from torch.nn import functional

import evalkit

ORACLE = Path(__file__).parent.parent / "oracles" / "inception_pytorch_fid.py"
IMAGES = 12
MANIFEST = """\
name: random-inception
title: random weights
roles:
  inception: {{file: inception.pth, sha256: {}, licence: none}}
"""


def _as_input(picture: np.ndarray) -> torch.Tensor:
    """The resize and range of docs/definitions/fid-kid.md#fid, so that the random network tells pictures apart."""
    rgb = torch.tensor(picture).permute(2, 0, 1)[None] / 255
    return functional.interpolate(rgb, (299, 299), mode="bilinear") * 2 - 1


@pytest.mark.oracles
def test_fid_of_folders_of_images_is_pytorch_fids(
    oracle_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = {}
    for folder, change in (("real", unchanged), ("generated", blur(2.0))):
        (tmp_path / folder).mkdir()
        for number in range(IMAGES):
            picture = np.ascontiguousarray(change(next(shape_frames(number, 1, 128)))[: 100 + number])
            pictures[f"{folder}/{number:02}"] = picture
            Image.fromarray(picture).save(tmp_path / folder / f"{number:02}.png")
    inputs = torch.cat([_as_input(picture) for picture in pictures.values()])
    checkpoint = write_checkpoint(tmp_path / "inception.pth", random_inception(inputs))
    (tmp_path / "backbones.yaml").write_text(
        MANIFEST.format(hashlib.sha256(checkpoint.read_bytes()).hexdigest()), encoding="utf-8"
    )
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(tmp_path))
    found = evalkit.distance(
        tmp_path / "real",
        tmp_path / "generated",
        metrics="fid,kid.whole.unpaired",
        backbones=tmp_path / "backbones.yaml",
        workers=1,
        cache=tmp_path / "cache",
    )

    job = {"checkpoint": str(checkpoint), "features": str(tmp_path / "features.npz")}
    job["images"] = [str(file) for side in ("real", "generated") for file in sorted((tmp_path / side).glob("*.png"))]
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "features.npz", X=rng.normal(size=(1000, 8)), Y=rng.normal(size=(1000, 8)))
    (tmp_path / "job.json").write_text(json.dumps(job))
    # The oracle's own activations of the files first, then its distances of them.
    command = [str(oracle_python), str(ORACLE), str(tmp_path / "job.json"), str(tmp_path / "first.npz")]
    subprocess.run(command, check=True, timeout=400)
    with np.load(tmp_path / "first.npz") as first:
        real, generated = first["activations"][:IMAGES], first["activations"][IMAGES:]
    small = [side.astype(np.float64) for side in (real, generated)]
    # The trace of the root of S1 S2 is the sum of the singular values of the product of the centred matrices.
    centred = [(side - side.mean(0)) / np.sqrt(IMAGES - 1) for side in small]
    covariances = [np.cov(side, rowvar=False) for side in small]
    root = np.linalg.svd(centred[0] @ centred[1].T, compute_uv=False).sum()
    expected = np.square(small[0].mean(0) - small[1].mean(0)).sum() + sum(map(np.trace, covariances)) - 2 * root
    print(f"FID {found['fid']:.6f}, of the oracle's activations {expected:.6f}")
    assert found["fid"] == pytest.approx(expected, rel=1e-3)

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.asarray((x @ y.T / 2048 + 1) ** 3)

    own = [kernel(side, side) for side in small]
    within = [(one.sum() - np.trace(one)) / (IMAGES * (IMAGES - 1)) for one in own]
    whole = sum(within) - 2 * kernel(small[1], small[0]).mean()
    assert found["kid.whole.unpaired"] == pytest.approx(whole, rel=1e-3, abs=1e-6)
