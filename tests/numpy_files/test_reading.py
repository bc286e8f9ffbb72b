"""NPY and NPZ files: what numpy writes is read as numpy reads it, and what is hostile is refused without allocation."""

from __future__ import annotations

import io
import pickle
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.kinds import npy, npy_of, npz

from evalkit.numpy_files.header import MOST_HEADER_BYTES, ArrayFileError, read_header
from evalkit.numpy_files.reading import ONLY, read_arrays, read_shapes, scan_arrays

HEADER = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"
SIX = np.arange(6, dtype="<f4").tobytes()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file"


def fault(file: Path, data: bytes) -> tuple[str, str]:
    file.write_bytes(data)
    with pytest.raises(ArrayFileError) as caught:
        scan_arrays(file)
    with pytest.raises(ArrayFileError) as again:
        read_arrays(file)
    assert (again.value.fault, again.value.found) == (caught.value.fault, caught.value.found)
    return caught.value.fault, caught.value.found


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype="<f4").reshape(3, 4),
        np.arange(12, dtype=">f4").reshape(3, 4),
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.arange(24, dtype=np.float16).reshape(2, 3, 4),
        np.float64(2.5),
        np.zeros((0, 6), np.float32),
        np.arange(5),
        np.array([True, False]),
    ],
    ids=["c", "big-endian", "fortran", "half", "one number", "empty", "integers", "truths"],
)
def test_arrays_are_those_that_numpy_reads(file: Path, array: Any) -> None:
    file.write_bytes(npy(array))
    (found,) = read_arrays(file).values()
    expected = np.load(io.BytesIO(npy(array)), allow_pickle=False)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype.newbyteorder("=")
    assert found.flags.c_contiguous
    assert found.shape == expected.shape == read_shapes(file)[ONLY]


def test_an_archive_has_its_arrays_by_name(file: Path) -> None:
    arrays = {"exp": np.ones((2, 3), np.float32), "pose": np.arange(4.0)}
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    for data in (npz(**arrays), stream.getvalue()):
        file.write_bytes(data)
        found = read_arrays(file)
        assert list(found) == ["exp", "pose"]
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_all_versions_of_the_format_are_read(file: Path, version: tuple[int, int]) -> None:
    file.write_bytes(npy_of(HEADER, SIX, version))
    np.testing.assert_array_equal(read_arrays(file)[ONLY], np.arange(6, dtype=np.float32).reshape(2, 3))


@pytest.mark.parametrize(
    "header",
    [
        "{'shape': (2, 3), 'descr': '<f4', 'fortran_order': False}",
        '{"descr": "<f4", "fortran_order": False, "shape": (2,3)}',
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }   \n",
    ],
)
def test_headers_of_other_programs_are_read(header: str) -> None:
    found = read_header(io.BytesIO(npy_of(header)))
    assert (found.shape, found.dtype.str, found.fortran) == ((2, 3), "<f4", False)


class Shout:
    """Fails the test when a pickle is loaded."""

    def __reduce__(self) -> Any:
        return pytest.fail, ("a pickle was loaded",)


def test_pickles_are_not_loaded(file: Path) -> None:
    objects = np.empty(1, object)
    objects[0] = Shout()
    assert fault(file, npy(objects)) == ("pickle", "an array of Python objects (a pickle)")
    assert fault(file, npz(motion=objects))[0] == "pickle"
    assert fault(file, pickle.dumps(Shout())) == ("not-arrays", "neither a .npy nor a .npz file")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "not-arrays"),
        (b"\x93NUM", "not-arrays"),
        (b"\x93NUMPY\x01", "not-arrays"),
        (b"\x93NUMPY\x01\x00\x76", "size"),
        (b"\x93NUMPY\x09\x00\x10\x00", "header"),
        (npy_of(HEADER)[:40], "size"),
        (npy_of(HEADER, SIX[:-1]), "size"),
        (npy_of(HEADER, SIX + b"\0"), "size"),
        (npy_of(HEADER + " " * MOST_HEADER_BYTES, SIX), "header"),
        (npy_of(HEADER.replace("2, 3", "1000000, 1000000"), SIX), "size"),
        (npy_of(HEADER.replace("2, 3", "1" + "0" * 20), SIX), "header"),
        (npy_of(HEADER.replace("2, 3", "1" + "0" * 20 + ","), SIX), "size"),
        (npy_of(HEADER.replace("2, 3", "-2, 3"), SIX), "header"),
        (npy_of(HEADER.replace("2, 3", "2, 3.0"), SIX), "header"),
        (npy_of(HEADER.replace("2, 3", ",".join("1" * 9)), SIX), "header"),
        (npy_of(HEADER.replace("'<f4'", "[('a', '<f4'), ('b', '<i4')]"), SIX), "dtype"),
        (npy_of(HEADER.replace("<f4", "<U6"), SIX), "dtype"),
        (npy_of(HEADER.replace("<f4", "<c8"), SIX), "dtype"),
        (npy_of(HEADER.replace("<f4", "<M8[ns]"), SIX), "dtype"),
        (npy_of(HEADER.replace("<f4", "<f16"), SIX), "dtype"),
        (npy_of(HEADER.replace("<f4", "|V4"), SIX), "dtype"),
        (npy_of(HEADER.replace("<f4", "<f3"), SIX), "dtype"),
        (npy_of(HEADER.replace("False", "0"), SIX), "header"),
        (npy_of(HEADER.replace("(2, 3)", "__import__('os').system('true')"), SIX), "header"),
        (npy_of("{'descr': '<f4', 'shape': (2, 3)}", SIX), "header"),
        (npy_of(HEADER.replace("'shape'", "'shape': (1,), 'shape'"), SIX), "header"),
        (npy_of(HEADER.replace("}", "'more': 1}"), SIX), "header"),
        (npy_of("(" * 5000, SIX), "header"),
        (npy_of("{" + "'descr': '<f4', " * 500 + "}", SIX), "header"),
        (npy_of("{'descr': '<f4\xe9'}", SIX), "header"),
        (b"PK\x03\x04" + b"\0" * 100, "archive"),
        (npz(a=np.ones(50))[:-30], "archive"),
        (npz(), "archive"),
    ],
)
def test_what_is_no_array_is_refused_with_a_reason(file: Path, data: bytes, kind: str) -> None:
    found = fault(file, data)
    assert found[0] == kind
    assert found[1]


def archive(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as made:
        for name, data in members:
            made.writestr(name, data)
    return stream.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_is_read_as_a_zip_of_others_is(file: Path) -> None:
    one = npy(np.ones(3, np.float32))
    twice = fault(file, archive(("a.npy", one), ("a.npy", one)))
    assert twice == ("archive", "two arrays of the name 'a'")
    assert fault(file, archive(("a.npy", one), ("readme.txt", b"hello")))[1].endswith("'readme.txt'")
    assert fault(file, archive(*((f"{at}.npy", one) for at in range(65)))) == ("archive", "65 members")
    assert fault(file, archive(("a.npy", one), method=zipfile.ZIP_BZIP2))[1] == "a member of the ZIP method 12"
    locked = bytearray(archive(("a.npy", one)))
    locked[6] |= 1
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    assert fault(file, bytes(locked)) == ("archive", "encrypted members")
    damaged = bytearray(archive(("a.npy", one)))
    damaged[damaged.index(b"\x93NUMPY") + 130] ^= 0xFF
    assert fault(file, bytes(damaged))[0] == "archive"
    nested = npz(inner=np.ones(2))
    assert fault(file, archive(("a.npy", nested)))[0] == "not-arrays"


def test_a_bomb_costs_no_memory(file: Path) -> None:
    zeros = npy_of(HEADER.replace("2, 3", "100000000, 3"), b"\0" * (1 << 22))
    bomb = bytearray(archive(("a.npy", zeros), method=zipfile.ZIP_DEFLATED))
    claimed = (1_200_000_000 + 100).to_bytes(4, "little")  # in both places where a ZIP says it
    bomb[22:26] = claimed
    at = bomb.index(b"PK\x01\x02") + 24
    bomb[at : at + 4] = claimed
    tracemalloc.start()
    kind, found = fault(file, bytes(bomb))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (kind, found) == ("too-large", "1200000100 bytes when decompressed")
    assert most < 10 << 20


def test_a_huge_claim_costs_no_memory(file: Path) -> None:
    file.write_bytes(npy_of(HEADER.replace("2, 3", "1000000, 1000000"), SIX))
    tracemalloc.start()
    with pytest.raises(ArrayFileError, match="24 bytes for 1000000 x 1000000 of float32"):
        scan_arrays(file)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1 << 20


def test_numbers_that_are_none_are_counted(file: Path) -> None:
    array = np.ones((400_000, 2), np.float32)  # more than one piece
    array[0, 0], array[399_999, 1], array[200_000] = np.nan, np.inf, -np.inf
    file.write_bytes(npy(array))
    (found,) = scan_arrays(file)
    assert (found.nans, found.infinities, found.header.shape) == (1, 3, (400_000, 2))


def test_equal_rows_are_still(file: Path) -> None:
    still = np.tile(np.arange(3, dtype=np.float32), (200_000, 1))
    moved = still.copy()
    moved[-1, -1] = 9
    for array, expected in ((still, True), (moved, False), (still[:1], True), (still[:0], False)):
        file.write_bytes(npy(array))
        assert [one.still for one in scan_arrays(file)] == [expected]


def test_a_file_that_is_not_there_is_no_damaged_one(tmp_path: Path) -> None:
    for read in (scan_arrays, read_arrays, read_shapes):
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "nothing.npz")
