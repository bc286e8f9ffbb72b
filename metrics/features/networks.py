"""Networks are opened once per process, however many features use them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, update_wrapper
from typing import Any, Generic, TypeVar

from evalkit.metrics.features.base import WeightFile

NetworkT = TypeVar("NetworkT")


@dataclass(frozen=True)
class _Request:
    file: WeightFile = field(compare=False)  # its options are a mapping, which has no hash; ``content`` stands for it
    content: tuple[str, ...]
    device: str
    arguments: tuple[Any, ...]


class opened_once(Generic[NetworkT]):  # noqa: N801 - a decorator
    """Decorate ``open_network(file, device, *arguments)``.

    The last two networks are kept, by path, digest and options of the file, device and arguments.
    """

    def __init__(self, build: Callable[..., NetworkT]) -> None:
        self._open = lru_cache(maxsize=2)(lambda request: build(request.file, request.device, *request.arguments))
        update_wrapper(self, build)

    def __call__(self, file: WeightFile, device: str, *arguments: Any) -> NetworkT:
        """Return the network, built unless it is still there."""
        options = json.dumps({"precision": "float32", **file.options}, sort_keys=True, default=str)
        content = (file.role, str(file.path), file.sha256, str(file.pinned), options)
        return self._open(_Request(file, content, device, arguments))

    def cache_clear(self) -> None:
        """Forget all networks."""
        self._open.cache_clear()
