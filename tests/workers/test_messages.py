"""What a worker's answer may hold, and that the parent rebuilds nothing else from it."""

from __future__ import annotations

import io
import json
import struct
import tracemalloc
from typing import Any

import numpy as np
import pytest

from evalkit.workers.messages import (
    MOST_DATA_BYTES,
    MOST_TEXT_BYTES,
    BadAnswerError,
    decode,
    encode,
    receive_answer,
)

MIB = 1 << 20


def through(value: Any) -> Any:
    stream = io.BytesIO(b"".join(encode(("ok", value, False))))
    answer = receive_answer(stream)
    assert stream.read() == b""
    return answer[1]


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=np.float32).reshape(3, 4)[:, ::2],
        np.array(3.5),
        np.zeros((0, 4), np.int64),
        np.array([True, False]),
        np.array(["", "\U0010ffff", "ab"]),
        np.array(b"bytes"),
        np.array([1 + 2j], np.complex64),
        np.array([1, 2], ">i4"),
        np.asfortranarray(np.arange(6, dtype=np.uint16).reshape(2, 3)),
        np.array([np.nan, np.inf, -0.0]),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_arrays_arrive_as_they_were_sent(array: Any) -> None:
    found = through({"before": b"x", "array": array, "after": [array, b"", b"yz"]})
    assert (found["before"], found["after"][1:]) == (b"x", [b"", b"yz"])
    for one in (found["array"], found["after"][0]):
        assert (one.dtype, one.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(one, array)


@pytest.mark.parametrize(
    "array", [np.array([None]), np.zeros(2, "f4,i2"), np.array("2020-01-01", "M8[D]"), np.zeros(1, "V4")], ids=str
)
def test_arrays_of_other_things_are_not_sent(array: Any) -> None:
    with pytest.raises(TypeError, match="can't be sent"):
        encode(("ok", array, False))


def test_numbers_of_numpy_arrive_as_plain_numbers() -> None:
    assert through([np.float64(0.5), np.int8(-3), np.bool_(True)]) == [0.5, -3, True]


@pytest.mark.parametrize(
    ("value", "data"),
    [
        ({"array": ["|O", [1]]}, bytes(8)),
        ({"array": ["<f4,<i2", [1]]}, bytes(6)),
        ({"array": ["<M8[D]", [1]]}, bytes(8)),
        ({"array": ["|V8", [1]]}, bytes(8)),
        ({"array": ["<U0", [1]]}, b""),
        ({"array": [["<f4"], [1]]}, bytes(4)),
        ({"array": ["<f4", [2]]}, bytes(4)),
        ({"array": ["<f4", [1]]}, bytes(8)),
        ({"array": ["<f4", [-1, -1]]}, bytes(4)),
        ({"array": ["<f4", [True]]}, bytes(4)),
        ({"array": ["<f4", [1.0]]}, bytes(4)),
        ({"array": ["<f4", 1]}, bytes(4)),
        ({"array": ["<f4", [1] * 9]}, bytes(4)),
        ({"array": ["<f8", [1 << 60]]}, b""),
        ({"array": ["<f8", [MOST_DATA_BYTES, MOST_DATA_BYTES, MOST_DATA_BYTES]]}, b""),
        ({"array": ["|b1", [2]]}, b"\x01\x02"),
        ({"array": ["<U1", [1]]}, b"\x00\x00\x11\x00"),
        ({"array": ["<U1", []]}, b"\xff\xff\xff\xff"),
        ({"array": [">U1", [1]]}, b"\x00\x11\x00\x00"),
        ({"bytes": -1}, b""),
        ({"bytes": 5}, b"four"),
        ({"bytes": True}, b"1"),
        ({"bytes": "4"}, b"four"),
        (1, b"left over"),
        ({"pickle": 1}, b"."),
    ],
    ids=str,
)
def test_false_arrays_are_refused(value: Any, data: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        decode(json.dumps(["ok", value, False]).encode(), data)


@pytest.mark.parametrize(
    ("text", "data"),
    [(1 << 30, 0), (MOST_TEXT_BYTES + 1, 0), (2, 1 << 30), (2, MOST_DATA_BYTES + 1), ((1 << 64) - 1, (1 << 64) - 1)],
)
def test_an_answer_that_is_too_long_is_refused_before_it_is_read(text: int, data: int) -> None:
    stream = io.BytesIO(struct.pack("<QQ", text, data) + bytes(100))
    with pytest.raises(BadAnswerError, match="are read"):
        receive_answer(stream)
    assert stream.tell() == 16


@pytest.mark.parametrize("cut", [0, 7, 15, 16, 30, -1])
def test_half_an_answer_is_the_end_of_the_worker(cut: int) -> None:
    whole = b"".join(encode(("ok", np.zeros(10), False)))
    with pytest.raises(EOFError):
        receive_answer(io.BytesIO(whole[:cut]))


@pytest.mark.parametrize(
    "text", [b"[" + b"[]," * 300_000 + b"1]", b'{"":' * 200_000, b'["ok",' + b"[{}]," * 190_000 + b"1]"]
)
def test_the_text_that_costs_most_stays_within_the_stated_memory(text: bytes) -> None:
    """Python objects of one MiB of JSON: fifty times as much, measured; 16 MiB took 787 MB."""
    stream = io.BytesIO(struct.pack("<QQ", len(text), 0) + text)
    assert len(text) <= MOST_TEXT_BYTES
    tracemalloc.start()
    try:
        with pytest.raises(BadAnswerError):
            receive_answer(stream)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 80 * MIB


def test_the_largest_arrays_are_not_copied() -> None:
    data = bytes(MOST_DATA_BYTES // 8)
    text = json.dumps(["ok", {"array": ["|u1", [len(data)]]}, False]).encode()
    tracemalloc.start()
    try:
        _, array, _ = decode(text, data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert array.nbytes == len(data)
    assert peak < MIB


def test_too_large_an_answer_is_refused_where_it_is_made() -> None:
    with pytest.raises(ValueError, match="of arrays, at most"):
        encode(("ok", np.lib.stride_tricks.as_strided(np.zeros(1, np.uint8), (MOST_DATA_BYTES + 1,), (0,)), False))
    with pytest.raises(ValueError, match="of text, at most"):
        encode(("ok", "x" * MOST_TEXT_BYTES, False))
