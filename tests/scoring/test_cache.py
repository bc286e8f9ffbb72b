"""The feature cache: what comes back is what went in, or an error that says to compute it again."""

from __future__ import annotations

import pickle
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from evalkit.errors import StorageError
from evalkit.metrics.base import FeatureData
from evalkit.metrics.features.base import FeatureOptions, FeatureRecord, WeightFile
from evalkit.scoring.cache import CorruptEntryError, FeatureCache, cache_folder, feature_key

KEY = "5a" * 32
DTYPES = ["bool", "int8", "uint8", "int16", "int32", "int64", "float16", "float32", "float64", "complex128", "U7", "S5"]


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(tmp_path / "cache")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (1,), (5,), (2, 3, 4), (0,), (0, 4), (3, 0, 2)])
def test_arrays_come_back_bit_by_bit(cache, dtype, shape):
    array = np.random.default_rng(1).integers(0, 120, shape).astype(dtype)
    cache.store("f", KEY, FeatureData({"a": array, "b": np.arange(3)}))
    back = cache.load("f", KEY)
    assert back.reason is None
    assert list(back.arrays) == ["a", "b"]
    assert (back.arrays["a"].dtype, back.arrays["a"].shape) == (array.dtype, array.shape)
    assert back.arrays["a"].tobytes() == array.tobytes()


def test_odd_arrays_come_back(cache):
    arrays = {
        "nan": np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324]),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "strided": np.arange(20)[::3],
        "big endian": np.arange(4, dtype=">i4"),
    }
    cache.store("f", KEY, FeatureData(arrays))
    for name, array in cache.load("f", KEY).arrays.items():
        np.testing.assert_array_equal(array, arrays[name])
    assert np.signbit(cache.load("f", KEY).arrays["nan"][3])


def test_what_is_read_may_be_changed_and_lies_as_it_lay(cache):
    """As `numpy.load` returns it: an array of its own, in the order of its memory, and empty texts."""
    turned = np.asfortranarray(np.arange(12.0).reshape(3, 4))
    cache.store("f", KEY, FeatureData({"turned": turned, "text": np.array(""), "texts": np.array(["", ""])}))
    with np.load(cache.path("f", KEY)) as archive:
        expected = {name: archive[name] for name in ("turned", "text", "texts")}
    for _ in range(2):
        back = cache.load("f", KEY).arrays
        assert back["turned"].flags.f_contiguous
        for name, array in expected.items():
            assert np.array_equal(back[name], array), name
        back["turned"][0, 0] = 5.0
        assert back["texts"].tolist() == ["", ""]


def test_no_array_at_all(cache):
    cache.store("f", KEY, FeatureData({}))
    assert cache.load("f", KEY) == FeatureData({})


@pytest.mark.parametrize("detail", ["", "a sentence", 'quotes " and \\ and ünïcode \u202e\n'])
def test_a_reason_comes_back(cache, detail):
    cache.store("f", KEY, FeatureData(None, "no_reference_video", detail))
    assert cache.load("f", KEY) == FeatureData(None, "no_reference_video", detail)


def test_what_was_never_stored_is_none(cache):
    assert cache.load("f", KEY) is None
    cache.store("f", KEY, FeatureData({"a": np.zeros(1)}))
    assert cache.load("g", KEY) is None
    assert cache.load("f", "00" * 32) is None


def test_a_later_entry_replaces_the_earlier_one(cache):
    for value in (1, 2):
        cache.store("f", KEY, FeatureData({"a": np.array(value)}))
    assert cache.load("f", KEY).arrays["a"] == 2
    assert len([path for path in cache.root.rglob("*") if path.is_file()]) == 1


@dataclass(frozen=True)
class Resize(FeatureOptions):
    filter: str = "cv"
    a: int = 1


@dataclass(frozen=True)
class SizeOptions(FeatureOptions):
    size: int = 299
    resize: Resize = field(default_factory=Resize)


@dataclass(frozen=True)
class MoreOptions(SizeOptions):
    new: None = None


@dataclass(frozen=True)
class OtherOrder(FeatureOptions):
    resize: Resize = field(default_factory=Resize)
    size: int = 299


RECORD = FeatureRecord("f", 1, "title", options=SizeOptions(), weights=("w", "v"))
WEIGHTS = {
    "w": WeightFile("w", Path("here/w.onnx"), "ab" * 32, {"mean": 0.5, "std": [1, 2]}),
    "v": WeightFile("v", Path("here/v.onnx"), "cd" * 32),
}
INPUTS = {"video": "11" * 32, "reference_images": ["22" * 32, "33" * 32], "audio": None}
NEEDS = {"faces": "44" * 32}
INGREDIENTS = (RECORD, WEIGHTS, INPUTS, NEEDS)


@pytest.mark.parametrize(
    ("what", "changed"),
    [
        ("name", (replace(RECORD, name="g"), WEIGHTS, INPUTS, NEEDS)),
        ("version", (replace(RECORD, version=2), WEIGHTS, INPUTS, NEEDS)),
        ("an option", (replace(RECORD, options=SizeOptions(300)), WEIGHTS, INPUTS, NEEDS)),
        ("an option more", (replace(RECORD, options=MoreOptions()), WEIGHTS, INPUTS, NEEDS)),
        (
            "an option inside",
            (replace(RECORD, options=SizeOptions(resize=Resize(a=2))), WEIGHTS, INPUTS, NEEDS),
        ),
        ("a digest", (RECORD, {**WEIGHTS, "w": replace(WEIGHTS["w"], sha256="ef" * 32)}, INPUTS, NEEDS)),
        ("a file less", (RECORD, {"w": WEIGHTS["w"]}, INPUTS, NEEDS)),
        ("a weight's option", (RECORD, {**WEIGHTS, "v": replace(WEIGHTS["v"], options={"a": 1})}, INPUTS, NEEDS)),
        ("roles exchanged", (RECORD, {"w": WEIGHTS["v"], "v": WEIGHTS["w"]}, INPUTS, NEEDS)),
        ("the video", (RECORD, WEIGHTS, {**INPUTS, "video": "12" * 32}, NEEDS)),
        ("the order of images", (RECORD, WEIGHTS, {**INPUTS, "reference_images": ["33" * 32, "22" * 32]}, NEEDS)),
        ("audio", (RECORD, WEIGHTS, {**INPUTS, "audio": "55" * 32}, NEEDS)),
        ("what it needs", (RECORD, WEIGHTS, INPUTS, {"faces": "45" * 32})),
        ("an input's part", (RECORD, WEIGHTS, {"reference_video": "11" * 32}, NEEDS)),
    ],
)
def test_every_ingredient_is_in_the_key(what, changed):
    assert feature_key(*changed) != feature_key(*INGREDIENTS), what


def test_what_does_not_change_the_result_is_not_in_the_key():
    key = feature_key(*INGREDIENTS)
    elsewhere = {role: replace(file, path=Path("/somewhere/else") / file.path.name) for role, file in WEIGHTS.items()}
    assert feature_key(RECORD, elsewhere, INPUTS, NEEDS) == key
    assert feature_key(RECORD, dict(reversed(WEIGHTS.items())), dict(reversed(INPUTS.items())), NEEDS) == key
    reordered = replace(RECORD, options=OtherOrder(), title="another", arrays={"x": "y"})
    assert feature_key(reordered, WEIGHTS, INPUTS, NEEDS) == key
    assert len(key) == 64
    assert int(key, 16)


@pytest.fixture
def stored(cache):
    """Return the cache, and an entry in it with its bytes."""
    rng = np.random.default_rng(3)
    cache.store("f", KEY, FeatureData({"a": rng.normal(size=(8, 3)), "b": np.arange(7, dtype=np.int16)}))
    path = cache.path("f", KEY)
    return cache, path, path.read_bytes()


def test_an_entry_cut_anywhere_is_corrupt(stored):
    cache, path, data = stored
    for length in [0, 1, 3, 4, 30, *range(60, len(data) - 1, 37), len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(CorruptEntryError):
            cache.load("f", KEY)


def test_a_flipped_bit_never_changes_a_value(stored):
    """Either the entry is called corrupt, or the bit lay where nothing depends on it (dates, permissions)."""
    cache, path, data = stored
    good = cache.load("f", KEY).arrays
    caught = 0
    for at in range(len(data)):
        bad = bytearray(data)
        bad[at] ^= 1 << (at % 8)
        path.write_bytes(bad)
        try:
            back = cache.load("f", KEY)
        except CorruptEntryError:
            caught += 1
            continue
        assert back.arrays is not None
        assert set(back.arrays) == set(good)
        for name in good:
            np.testing.assert_array_equal(back.arrays[name], good[name])
    assert caught > 0.8 * len(data)


def test_a_flipped_bit_among_the_values_is_corrupt(stored):
    cache, path, data = stored
    middle = data.index(np.float64(np.random.default_rng(3).normal(size=(8, 3))[4, 2]).tobytes())
    bad = bytearray(data)
    bad[middle] ^= 1
    path.write_bytes(bad)
    with pytest.raises(CorruptEntryError, match="CRC"):
        cache.load("f", KEY)


def test_an_entry_under_another_name_is_corrupt(stored):
    cache, path, data = stored
    other = cache.path("f", "6b" * 32)
    other.parent.mkdir(parents=True)
    other.write_bytes(data)
    with pytest.raises(CorruptEntryError, match="another key"):
        cache.load("f", "6b" * 32)
    assert path.read_bytes() == data


@pytest.mark.parametrize("content", [b"", b"PK", b"not a zip", b"\x93NUMPY\x01\x00", bytes(500)])
def test_other_files_are_corrupt(stored, content):
    cache, path, _ = stored
    path.write_bytes(content)
    with pytest.raises(CorruptEntryError) as caught:
        cache.load("f", KEY)
    assert caught.value.path == path
    assert caught.value.detail


def test_a_bare_array_and_a_folder_are_corrupt(stored):
    cache, path, _ = stored
    with path.open("wb") as stream:
        np.save(stream, np.arange(3))
    with pytest.raises(CorruptEntryError):
        cache.load("f", KEY)
    path.unlink()
    path.mkdir()
    with pytest.raises(CorruptEntryError):
        cache.load("f", KEY)


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return (Path.write_text, (Path(self.place), "executed"))


@pytest.mark.parametrize("how", ["object array", "pickle in a member", "pickle file"])
def test_pickles_are_never_executed(stored, tmp_path, how):
    cache, path, _ = stored
    place = tmp_path / "executed"
    if how == "object array":
        np.savez(path, __key__=np.array([KEY, "a"]), a=np.array([Bomb(place)], dtype=object))
    elif how == "pickle in a member":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("__key__.npy", pickle.dumps(Bomb(place)))
            archive.writestr("a.npy", pickle.dumps(Bomb(place)))
    else:
        path.write_bytes(pickle.dumps(Bomb(place)))
    with pytest.raises(CorruptEntryError):
        cache.load("f", KEY)
    assert not place.exists()


@pytest.mark.parametrize("told", ["", "null", "{}", '["one"]', '["a", "b", "c"]', "7"])
def test_a_malformed_reason_is_corrupt(stored, told):
    cache, path, _ = stored
    np.savez(path, __key__=np.array([KEY, "__unavailable__"]), __unavailable__=np.array(told))
    with pytest.raises(CorruptEntryError):
        cache.load("f", KEY)


def test_object_arrays_are_not_written(cache):
    with pytest.raises(ValueError, match="allow_pickle"):
        cache.store("f", KEY, FeatureData({"a": np.array([{}], dtype=object)}))
    assert cache.load("f", KEY) is None
    assert [path for path in cache.root.rglob("*") if path.is_file()] == []


def test_a_cache_that_cannot_be_written_is_a_storage_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        FeatureCache(tmp_path / "file").store("f", KEY, FeatureData({}))


WRITER = """
import sys
import numpy as np
from pathlib import Path
from evalkit.metrics.base import FeatureData
from evalkit.scoring.cache import FeatureCache
cache = FeatureCache(Path(sys.argv[1]))
arrays = {"a": np.arange(200_000.0)}
sys.stdin.readline()
for _ in range(30):
    cache.store("f", sys.argv[2], FeatureData(arrays))
"""


def test_two_processes_that_write_one_entry(cache):
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(cache.root), KEY], stdin=subprocess.PIPE) for _ in range(2)
    ]
    expected = np.arange(200_000.0)
    for writer in writers:
        writer.stdin.write(b"go\n")
        writer.stdin.flush()
    reads = 0
    while any(writer.poll() is None for writer in writers):
        data = cache.load("f", KEY)  # never half an entry
        if data is not None:
            reads += 1
            np.testing.assert_array_equal(data.arrays["a"], expected)
    for writer in writers:
        writer.stdin.close()
    assert [writer.wait() for writer in writers] == [0, 0]
    assert reads
    np.testing.assert_array_equal(cache.load("f", KEY).arrays["a"], expected)
    assert [path.name for path in cache.path("f", KEY).parent.iterdir()] == [f"{KEY}.npz"]


def test_the_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("EVALKIT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder().name == "features"
    assert "evalkit" in cache_folder().parts


def test_a_key_needs_plain_options():
    with pytest.raises(TypeError, match="an option is a number, a text"):
        feature_key(replace(RECORD, options=SizeOptions(object())), {}, {}, {})
    assert RECORD.options.as_dict() == {"size": 299, "resize": {"filter": "cv", "a": 1}}


def test_a_folder_in_the_place_of_an_entry_gives_way(cache):
    place = cache.path("f", KEY)
    place.mkdir(parents=True)
    (place / "something").write_text("x")
    with pytest.raises(CorruptEntryError):
        cache.load("f", KEY)
    cache.store("f", KEY, FeatureData({"a": np.arange(3)}))
    assert cache.load("f", KEY).arrays["a"].tolist() == [0, 1, 2]


def test_an_entry_is_what_numpy_writes_with_every_version_and_never_a_pickle(tmp_path: Path) -> None:
    """NumPy before 2.1 takes ``allow_pickle`` of ``savez`` for one more array."""
    cache, key = FeatureCache(tmp_path), "0" * 64
    cache.store("faces", key, FeatureData({"scores": np.arange(3.0), "found": np.array(True)}))
    with zipfile.ZipFile(cache.path("faces", key)) as archive:
        assert archive.namelist() == ["scores.npy", "found.npy", "__key__.npy"]
    with np.load(cache.path("faces", key)) as arrays:
        assert arrays["scores"].tolist() == [0, 1, 2]
        assert arrays["found"].shape == ()
    with pytest.raises(ValueError, match="pickle"):
        cache.store("faces", key, FeatureData({"scores": np.array([{}])}))
    assert cache.load("faces", key).arrays["scores"].tolist() == [0, 1, 2]
