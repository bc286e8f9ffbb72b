"""MFCC of 16-bit audio: number of rows, scale, silence, and what is refused. The values: test_sync_parity.py."""

from pathlib import Path

import numpy as np
import pytest
from sync_networks import write_wav

from evalkit.media.audio import read_audio
from evalkit.metrics.features.audio import to_int16
from evalkit.metrics.sync.mfcc import mfcc


def test_16_bit_sound_comes_back_unchanged(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(-32768, 32768, 5000).astype(np.int16)
    np.testing.assert_array_equal(to_int16(read_audio(write_wav(tmp_path / "s.wav", samples), 16000)), samples)
    np.testing.assert_array_equal(to_int16(np.array([2.0, -2.0], np.float32)), [32767, -32768])


def test_scale_of_the_samples_moves_only_the_first_coefficient() -> None:
    """Dividing by 2^k moves coefficient 0 by -2 k ln 2 (here k = 3)."""
    samples = (np.random.default_rng(0).integers(-3000, 3000, 16000) * 8).astype(np.int16)
    difference = mfcc((samples // 8).astype(np.int16)) - mfcc(samples)
    np.testing.assert_allclose(difference[:, 0], -2 * 3 * np.log(2), atol=1e-9)
    np.testing.assert_allclose(difference[:, 1:], 0, atol=1e-9)


@pytest.mark.parametrize(("samples", "rows"), [(1, 1), (400, 1), (401, 2), (560, 2), (561, 3), (16000, 99)])
def test_number_of_rows(samples: int, rows: int) -> None:
    assert mfcc(np.ones(samples, np.int16)).shape == (rows, 13)


def test_mfcc_refuses_other_samples() -> None:
    for samples in (np.empty(0, np.int16), np.ones(500), np.ones((500, 1), np.int16)):
        with pytest.raises(ValueError, match="int16"):
            mfcc(samples)  # type: ignore[arg-type]


def test_silence_has_finite_coefficients() -> None:
    assert np.isfinite(mfcc(np.zeros(16000, np.int16))).all()
