"""Reference packs taken apart and put together by hand, from what docs/architecture.md says of their bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit import api
from evalkit.scoring.packs.making import PackReport

METRICS = "fid,kvd,psnr,subject.dino"
START = len(b"evalkit refpack 1")


@dataclass(frozen=True)
class Packed:
    """A test set, its pack and a submission; nobody may change them."""

    testset: Path
    zip: Path
    pack: Path
    cache: Path


def prepare(testset: Path, out: Path, cache: Path, **options: Any) -> PackReport:
    """Write a pack with the bundled networks."""
    settings = {"metrics": METRICS, "backbones": "bundled", "workers": 1, **options}
    return api.prepare_references(testset, "talking-head", out, cache=cache, **settings)


def parts(pack: Path) -> tuple[bytes, dict[str, Any]]:
    """Return the data and the header of a pack."""
    content = pack.read_bytes()
    length = int.from_bytes(content[-40:-32], "little")
    assert content[-32:] == hashlib.sha256(content[:-32]).digest()
    return content[START : -40 - length], json.loads(content[-40 - length : -40])


def joined(data: bytes, header: bytes, *, length: int | None = None) -> bytes:
    """Return a pack whose digest is right."""
    body = b"evalkit refpack 1" + data + header
    body += (len(header) if length is None else length).to_bytes(8, "little")
    return body + hashlib.sha256(body).digest()


def rewritten(pack: Path, to: Path, change: Callable[[dict[str, Any]], Any], data: bytes | None = None) -> Path:
    """Write a pack with a changed header, and perhaps other data."""
    old, header = parts(pack)
    change(header)
    to.write_bytes(joined(old if data is None else data, json.dumps(header).encode()))
    return to


def arrays(pack: Path) -> list[tuple[str, dict[str, NDArray[Any]]]]:
    """Return feature and arrays of each entry."""
    data, header = parts(pack)
    found, at = [], 0
    for entry in header["entries"]:
        one = {}
        for name, stated in sorted(entry.get("arrays", {}).items()):
            number = int(np.prod(stated["shape"], dtype=int))
            one[name] = np.frombuffer(data, stated["dtype"], number, at).reshape(stated["shape"])
            at += one[name].nbytes
        found.append((entry["feature"], one))
    assert at == len(data)
    return found
