"""A feature's arrays against its declaration."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evalkit.metrics.features.base import FeatureRecord
from evalkit.metrics.features.declared_arrays import array_mismatch

DECLARED = {
    "box": "(F, 4) float32: x1, y1, x2, y2",
    "face": "(F,) int64: row",
    "many": "(F2,) bool",
    "state": "() str: compared, or why not",
    "free": "whatever the network says",
}
GOOD: dict[str, Any] = {
    "box": np.zeros((2, 4), np.float32),
    "face": np.zeros(2, np.int64),
    "many": np.zeros(7, np.bool_),
    "state": np.array("no"),
    "free": np.zeros((1, 2, 3), np.uint8),
}


def wrong(**changes: Any) -> str | None:
    return array_mismatch(FeatureRecord("f", 1, "t", arrays=DECLARED), {**GOOD, **changes})


def test_what_is_declared_fits() -> None:
    assert wrong() is None
    assert wrong(box=np.zeros((0, 4), np.float32), face=np.zeros(0, np.int64), free=np.array("x")) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"box": np.zeros((2, 4))},
        {"box": np.zeros((4, 2), np.float32)},
        {"box": np.zeros((2, 4, 1), np.float32)},
        {"face": np.zeros(3, np.int64)},
        {"many": np.zeros(7, np.uint8)},
        {"state": np.array(["no"])},
        {"state": np.array(b"no")},
        {"free": np.array([None])},
        {"more": np.zeros(1)},
    ],
    ids=str,
)
def test_what_does_not_fit_is_said(changes: dict[str, Any]) -> None:
    assert "feature 'f'" in (wrong(**changes) or "")


@pytest.mark.parametrize("name", ["file", "allow_pickle", "__key__", "__unavailable__", "a/b", "../x", "", "x" * 101])
def test_names_that_can_not_be_stored(name: str) -> None:
    assert array_mismatch(FeatureRecord("f", 1, "t"), {name: np.zeros(1)}) is not None
    assert array_mismatch(FeatureRecord("f", 1, "t"), {"good": np.zeros(1)}) is None
