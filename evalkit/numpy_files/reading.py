"""Read a ``.npy`` or ``.npz`` file: what its arrays are (`scan_arrays`), or the arrays themselves (`read_arrays`).

A ``.npz`` file is a ZIP of ``.npy`` files. Sizes are those of the ZIP's table of contents, and reading ends where they
end; names are never used as paths.
"""

from __future__ import annotations

import errno
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from evalkit.numpy_files.header import MAGIC, ArrayFileError, ArrayHeader, read_header

ONLY = ""  # name of the array of a .npy file
MOST_ARRAYS = 64
MOST_BYTES = 1 << 30  # of all arrays of a file together, and of the file
_CHUNK = 1 << 20
_LONGEST_NAME = 100
_ZIP = b"PK"
# What zipfile and zlib raise for damaged bytes: among them NotImplementedError for a method or version that they don't
# know, ValueError for a number that can't be, and OSError for a place before the start of the file.
_DAMAGE = (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OSError)


@dataclass(frozen=True)
class ScannedArray:
    """One array of a file, read to its end.

    Args:
        name: in the ``.npz`` file; empty for a ``.npy`` file.
        header: its header.
        nans, infinities: numbers of elements that are none.
        still: whether all rows, by the first dimension, are equal; not told of arrays in Fortran order.
    """

    name: str
    header: ArrayHeader
    nans: int = 0
    infinities: int = 0
    still: bool = False


def scan_arrays(path: Path) -> list[ScannedArray]:
    """Read the file to its end, in pieces; return what its arrays are, in the order of the file.

    Raises:
        ArrayFileError: the file can't be read as arrays.
    """
    found = []
    with _damage():
        for name, size, stream in _members(path):
            with _damage(name):
                found.append(_measured(name, _checked_header(stream, name, size), stream))
    return found


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return name -> array, in native byte order and C order; the name of the array of a ``.npy`` file is `ONLY`.

    Raises:
        ArrayFileError: the file can't be read as arrays.
    """
    found: dict[str, NDArray[Any]] = {}
    with _damage():
        for name, size, stream in _members(path):
            with _damage(name):
                header = _checked_header(stream, name, size)
                data = b"".join(_pieces(stream, header, name))
            flat = np.frombuffer(data, header.dtype).astype(header.dtype.newbyteorder("="))
            found[name] = flat.reshape(header.shape, order="F" if header.fortran else "C").copy(order="C")
    return found


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return name -> shape by the headers alone.

    Raises:
        ArrayFileError: the file can't be read as arrays.
    """
    with _damage():
        return {name: _checked_header(stream, name, size).shape for name, size, stream in _members(path)}


def is_archive(path: Path) -> bool:
    """Whether the file begins as a ``.npz`` file does."""
    with path.open("rb") as stream:
        return stream.read(len(_ZIP)) == _ZIP


def _members(path: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    """Yield name, size and stream of each array.

    Raises:
        ArrayFileError: the file is neither, or is too large.
    """
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise ArrayFileError("too-large", f"{size} bytes")
    with path.open("rb") as stream:
        start = stream.read(len(MAGIC))
        stream.seek(0)
        if start == MAGIC:
            yield ONLY, size, stream
        elif start[: len(_ZIP)] == _ZIP:
            yield from _archived(stream)
        else:
            raise ArrayFileError("not-arrays", "an empty file" if not size else "neither a .npy nor a .npz file")


def _archived(file: IO[bytes]) -> Iterator[tuple[str, int, IO[bytes]]]:
    with zipfile.ZipFile(file) as archive:
        for name, info in _listed(archive).items():
            with archive.open(info) as stream:
                yield name, info.file_size, stream


def _listed(archive: zipfile.ZipFile) -> Mapping[str, zipfile.ZipInfo]:
    """Return the arrays of the archive by name, after a look at its table of contents alone."""
    infos = archive.infolist()
    if not infos:
        raise ArrayFileError("archive", "no array")
    if len(infos) > MOST_ARRAYS:
        raise ArrayFileError("archive", f"{len(infos)} members")
    listed: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        name = info.filename.removesuffix(".npy")
        if name == info.filename or not name.isprintable() or not 0 < len(name) <= _LONGEST_NAME:
            raise ArrayFileError("archive", f"a member that is not an array, '{info.filename[:_LONGEST_NAME]}'")
        if name in listed:
            raise ArrayFileError("archive", f"two arrays of the name '{name}'")
        if info.flag_bits & 0x1:
            raise ArrayFileError("archive", "encrypted members", name)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ArrayFileError("archive", f"a member of the ZIP method {info.compress_type}", name)
        listed[name] = info
    total = sum(info.file_size for info in infos)
    if total > MOST_BYTES:
        raise ArrayFileError("too-large", f"{total} bytes when decompressed")
    return listed


@contextmanager
def _damage(name: str = "") -> Iterator[None]:
    """Turn what zipfile raises for damaged bytes into our error."""
    try:
        yield
    except ArrayFileError:
        raise
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno not in {None, errno.EINVAL}:
            raise  # the file is not there, or the disk fails: nothing is known of the bytes
        raise ArrayFileError("archive", f"a damaged ZIP: {str(error)[:100] or type(error).__name__}", name) from None
    except (RuntimeError, KeyError) as error:  # zipfile raises these for passwords and absent members
        raise ArrayFileError("archive", f"a damaged ZIP: {str(error)[:100]}", name) from None


def _checked_header(stream: IO[bytes], name: str, size: int) -> ArrayHeader:
    """Return the header, where the array that it announces is as long as what is there."""
    header = read_header(stream, name)
    there = size - header.start
    if header.data_bytes != there:
        shape = " x ".join(map(str, header.shape)) or "one number"
        raise ArrayFileError("size", f"{there} bytes for {shape} of {header.dtype.name}", name)
    return header


def _pieces(stream: IO[bytes], header: ArrayHeader, name: str) -> Iterator[bytes]:
    """Yield the elements' bytes, whole elements each, and never more than the header announces."""
    left = header.data_bytes
    while left:
        piece = stream.read(min(left, _CHUNK))
        if not piece:
            raise ArrayFileError("size", "the file ends before its last element", name)
        while len(piece) % header.dtype.itemsize:
            more = stream.read(header.dtype.itemsize - len(piece) % header.dtype.itemsize)
            if not more:
                raise ArrayFileError("size", "the file ends before its last element", name)
            piece += more
        left -= len(piece)
        yield piece
    if stream.read(1):
        raise ArrayFileError("size", "bytes after the last element", name)


def _measured(name: str, header: ArrayHeader, stream: IO[bytes]) -> ScannedArray:
    nans = infinities = 0
    rows = _Rows(header)
    for piece in _pieces(stream, header, name):
        rows.add(piece)
        if header.dtype.kind != "f":
            continue
        values = np.frombuffer(piece, header.dtype)
        finite = int(np.isfinite(values).sum())
        if finite < values.size:
            missing = int(np.isnan(values).sum())
            nans += missing
            infinities += values.size - finite - missing
    return ScannedArray(name, header, nans, infinities, rows.equal)


class _Rows:
    """Compares each row of an array in C order with the one before, as the bytes come."""

    def __init__(self, header: ArrayHeader) -> None:
        rows = header.shape[0] if header.shape else 0
        self._length = header.data_bytes // rows if rows else 0
        self._before = b""
        # Of other arrays nothing is said: their rows are spread over the file, or too long to be kept.
        self.equal = not header.fortran and 0 < self._length <= _CHUNK

    def add(self, piece: bytes) -> None:
        """Take the next bytes."""
        if self.equal:
            joined = self._before + piece
            self.equal = joined[self._length :] == joined[: -self._length]
            self._before = joined[-self._length :]
