"""Parse the header of a ``.npy`` file: format 1.0 to 3.0, as numpy writes it and as other programs imitate it.

The format is described in numpy's documentation, ``numpy.lib.format``.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import IO, Any, Literal

import numpy as np

MAGIC = b"\x93NUMPY"
MOST_HEADER_BYTES = 10_000  # as numpy; a header of one plain array has about a hundred
MOST_DIMENSIONS = 8
Fault = Literal["not-arrays", "pickle", "header", "dtype", "size", "archive", "too-large"]
_MOST_DIGITS = 15  # of one dimension
_KEY = re.compile(r"\s*(['\"])(descr|fortran_order|shape)\1\s*:\s*")
_TEXT = re.compile(r"(['\"])([<>=|]?[A-Za-z][0-9]{0,9}(?:\[[A-Za-z0-9]{1,10}\])?)\1")
_TRUTH = re.compile(r"True|False")
_SHAPE = re.compile(r"\(([0-9L,\s]{0,500})\)")
_NUMBERS = re.compile(r"(?:[0-9]+L?)(?:\s*,\s*[0-9]+L?)*\s*,?|")
_LENGTHS = {1: 2, 2: 4, 3: 4}  # major version -> bytes of the header's length
_READ = "biuf"  # kinds of dtypes that can be read; which are allowed is for the challenge to say


class ArrayFileError(Exception):
    """A file that can't be read as arrays.

    Args:
        fault: what kind of fault it is.
        found: what is there, in a few words.
        array: name of the array at fault; empty for the file.
    """

    def __init__(self, fault: Fault, found: str, array: str = "") -> None:
        self.fault: Fault = fault
        self.found = found
        self.array = array
        super().__init__(fault, found, array)


@dataclass(frozen=True)
class ArrayHeader:
    """What the header says.

    Args:
        dtype: of the elements, in the file's byte order.
        shape: of the array.
        fortran: whether the first index changes fastest.
        start: bytes before the elements.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool
    start: int

    @property
    def data_bytes(self) -> int:
        """How many bytes the elements take, by the header; an integer of any size."""
        return self.dtype.itemsize * math.prod(self.shape)


def read_header(stream: IO[bytes], name: str = "") -> ArrayHeader:
    """Read the header from the start of ``stream``, and no byte more.

    Args:
        stream: at the start of a ``.npy`` file.
        name: of the array, for errors.

    Raises:
        ArrayFileError: the file is no array, or one that is not read: of objects, of records, of text.
    """
    start = stream.read(len(MAGIC) + 2)
    if start[: len(MAGIC)] != MAGIC or len(start) < len(MAGIC) + 2:
        raise ArrayFileError("not-arrays", "no .npy header", name)
    version = start[len(MAGIC)], start[len(MAGIC) + 1]
    if version[0] not in _LENGTHS or version[1]:
        raise ArrayFileError("header", f"format {version[0]}.{version[1]} of .npy", name)
    size = stream.read(_LENGTHS[version[0]])
    length = int.from_bytes(size, "little")
    if len(size) < _LENGTHS[version[0]]:
        raise ArrayFileError("size", "the file ends in the header", name)
    if length > MOST_HEADER_BYTES:
        raise ArrayFileError("header", f"a header of {length} bytes", name)
    text = stream.read(length)
    if len(text) < length:
        raise ArrayFileError("size", "the file ends in the header", name)
    values = _parsed(text, name)
    shape, dtype = _shape(values["shape"], name), _dtype(values["descr"], name)
    return ArrayHeader(dtype, shape, values["fortran_order"] == "True", len(start) + len(size) + length)


def _parsed(data: bytes, name: str) -> dict[str, str]:
    """Return the texts of the three values, of the one form that is read."""
    broken = ArrayFileError("header", "a header that is not of the form that numpy writes", name)
    try:
        text = data.decode("ascii").strip()
    except UnicodeDecodeError:
        raise broken from None
    if not (text.startswith("{") and text.endswith("}")):
        raise broken
    at, end, values = 1, len(text) - 1, dict[str, str]()
    while text[at:end].strip():
        key = _KEY.match(text, at, end)
        if key is None or key[2] in values:
            raise broken
        if key[2] == "descr" and text[key.end() : key.end() + 1] == "[":
            raise ArrayFileError("dtype", "records (a structured dtype)", name)
        value = {"descr": _TEXT, "fortran_order": _TRUTH, "shape": _SHAPE}[key[2]].match(text, key.end(), end)
        if value is None:
            raise broken
        values[key[2]] = value[0]
        rest = text[value.end() : end].lstrip()
        if rest and not rest.startswith(","):
            raise broken
        at = end - len(rest) + 1 if rest else end
    if len(values) != len(_LENGTHS):
        raise broken
    return values


def _shape(text: str, name: str) -> tuple[int, ...]:
    inside = text[1:-1].strip()
    numbers = [one.strip() for one in inside.split(",") if one.strip()]
    if not _NUMBERS.fullmatch(inside) or (len(numbers) == 1 and "," not in inside):
        raise ArrayFileError("header", f"the shape {text[:60]}", name)
    if len(numbers) > MOST_DIMENSIONS:
        raise ArrayFileError("header", f"{len(numbers)} dimensions", name)
    if any(len(one.lstrip("0")) > _MOST_DIGITS for one in numbers):
        raise ArrayFileError("size", f"an array of the shape {text[:60]}", name)
    return tuple(int(one.rstrip("L")) for one in numbers)


def _dtype(text: str, name: str) -> np.dtype[Any]:
    descr = text[1:-1]
    if descr.lstrip("<>=|").startswith("O"):
        raise ArrayFileError("pickle", "an array of Python objects (a pickle)", name)
    try:
        dtype = np.dtype(descr)
    except (TypeError, ValueError):
        raise ArrayFileError("dtype", f"the dtype {descr}", name) from None
    if dtype.kind not in _READ or not dtype.itemsize or dtype.itemsize > 8:
        raise ArrayFileError("dtype", f"the dtype {descr}", name)
    return dtype
