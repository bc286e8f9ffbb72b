"""Helpers for tests of submissions."""

from __future__ import annotations

import hashlib

LIMIT = 1 << 30


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
