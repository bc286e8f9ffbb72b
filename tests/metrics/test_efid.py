"""E-FID: the check values, and files of coefficients that are not what they should be.

The check values are those of docs/definitions/expression.md.
"""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from numpy.testing import assert_allclose

from evalkit.metrics.base import FeatureData, VideoInputs, metric_registry
from evalkit.metrics.distances.distributions import frechet_from_features
from evalkit.metrics.expression.deep3d import COEFFICIENTS, EXPRESSION, FEATURES, read_coefficients
from evalkit.metrics.features.base import FeatureUnavailableError

OPTIONS = FEATURES[0].record.options


def sides():
    r = np.random.RandomState(0)
    return 0.5 * r.randn(400, 64), 0.6 * r.randn(300, 64) + 0.05


def coefficients(expression):
    """Return (T, 257) in which only the expression is what is given; the rest is far off."""
    whole = np.full((len(expression), COEFFICIENTS), 9.0)
    whole[:, EXPRESSION[0] : EXPRESSION[1]] = expression
    return whole


def video(name, ours, theirs):
    arrays = [{"activation": rows.astype(np.float32), "row": np.arange(len(rows))} for rows in (ours, theirs)]
    return VideoInputs(name, {"deep3d": FeatureData(arrays[0]), "deep3d_reference": FeatureData(arrays[1])})


def test_check_values():
    x, y = sides()
    assert_allclose(frechet_from_features(x, y), 2.849539159910, rtol=1e-9)
    assert_allclose(frechet_from_features(x, y, ddof=0), 2.838991498696, rtol=1e-9)
    pieces = zip(np.array_split(x, 4), np.array_split(y, 4), strict=True)
    assert_allclose(np.mean([frechet_from_features(a, b) for a, b in pieces]), 8.662111805435, rtol=1e-9)


def test_the_frames_of_all_videos_are_one_set():
    x, y = sides()
    videos = [video(f"s{at}", a, b) for at, (a, b) in enumerate(zip(np.split(x, 4), np.split(y, 4), strict=True))]
    found = metric_registry()["motion.efid"].score_set(iter(videos))
    assert_allclose(found.value, 2.849539159910, rtol=1e-6)  # vectors are kept in float32
    assert (found.details["n"], found.details["n_reference"], found.details["dimension"]) == (400, 300, 64)
    assert found.details["expected_bias"] > 0
    assert any(note.kind == "small_sample" for note in found.notes)
    assert found.ci95[0] < found.value < found.ci95[1]


@pytest.mark.parametrize("frames", [100, 1000])
def test_the_bias_of_equal_distributions(frames):
    """What the metric's notes and the page say of it."""
    rng = np.random.default_rng(frames)
    found = [frechet_from_features(*(0.5 * rng.normal(size=(2, frames, 64)))) for _ in range(4)]
    assert np.mean(found) == pytest.approx({100: 5.58, 1000: 0.56}[frames], rel=0.05)


def write(path, **arrays):
    np.savez(path, **arrays)
    return path


def test_the_expression_of_frames_with_a_face_is_read(tmp_path):
    x, _ = sides()
    whole = coefficients(x)
    whole[5] = np.nan
    file = write(tmp_path / "s1.npz", other=np.zeros(3), coeffs=whole.astype(np.float32))
    extractor = FEATURES[0]({})
    arrays = extractor.checked(extractor.read(file))
    assert arrays["without_face"] == 1
    assert (arrays["activation"] == np.delete(x, 5, axis=0).astype(np.float32)).all()
    assert (arrays["row"] == np.arange(399)).all()
    assert (read_coefficients(write(tmp_path / "s2.npz", arr_0=whole), OPTIONS)[6] == x[6]).all()


def test_more_than_a_twentieth_without_a_face_fail_the_video():
    extractor = FEATURES[1]({})
    for gone, fails in ((5, False), (6, True)):
        rows = np.ones((100, 64))
        rows[:gone] = np.nan
        if not fails:
            assert len(extractor.checked({"expression": rows})["activation"]) == 95
            continue
        with pytest.raises(FeatureUnavailableError) as caught:
            extractor.checked({"expression": rows})
        assert (caught.value.reason, caught.value.detail) == ("no_face", "6% of the frames have no coefficients")


def archive(**members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as opened:
        for name, data in members.items():
            opened.writestr(name, data)
    return stream.getvalue()


def saved(array):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


WHOLE = coefficients(np.ones((4, 64)))
HALF, FAR = WHOLE.copy(), WHOLE.copy()
HALF[1, 100], FAR[1, 100] = np.nan, np.inf
HUGE = saved(np.zeros((1, COEFFICIENTS))).replace(b"(1, 257)", b"(9999999999, 257)")
HOSTILE = {
    "another number of columns": (archive(**{"c.npy": saved(WHOLE[:, :256])}), "4 x 256 float64"),
    "one frame as a row": (archive(**{"c.npy": saved(WHOLE[0])}), "257 float64"),
    "no frame": (archive(**{"c.npy": saved(WHOLE[:0])}), "0 x 257"),
    "integers": (archive(**{"c.npy": saved(WHOLE.astype(int))}), "int64"),
    "several arrays": (archive(**{"a.npy": saved(WHOLE), "b.npy": saved(WHOLE)}), "none of the name 'coeffs'"),
    "some NaN in a frame": (archive(**{"c.npy": saved(HALF)}), "some coefficients are NaN"),
    "infinite": (archive(**{"c.npy": saved(FAR)}), "infinite or above 10000"),
    "objects": (archive(**{"c.npy": saved(np.array([{}]))}), "pickle"),
    "a header that lies": (archive(**{"c.npy": HUGE}), "can't be read as arrays"),
    "no archive": (b"coefficients", "neither a .npy nor a .npz file"),
    "damaged": (archive(**{"c.npy": saved(WHOLE)})[:-30], "can't be read as arrays"),
}


@pytest.mark.parametrize("case", sorted(HOSTILE))
def test_a_file_that_is_none_is_said_in_a_sentence(tmp_path, case):
    data, expected = HOSTILE[case]
    (tmp_path / "s1.npz").write_bytes(data)
    with pytest.raises(FeatureUnavailableError) as caught:
        read_coefficients(tmp_path / "s1.npz", OPTIONS)
    assert caught.value.reason == "import_unusable"
    assert caught.value.detail.startswith("s1.npz ")
    assert expected in caught.value.detail
