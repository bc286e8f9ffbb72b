"""The bundled networks for pictures and texts, in place of CLIP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from evalkit.metrics.features.placement import Inputs
from evalkit.metrics.networks.small.base import BATCH, SmallRunner, planes
from evalkit.metrics.networks.small.models import (
    ACTION_SIDE,
    TEXT_CONTEXT,
    TEXT_DIMENSION,
    TEXT_SIDE,
    TEXT_VOCABULARY,
)


def _text_inputs(side: int) -> dict[str, Inputs]:
    return {
        "pictures": Inputs("uint8", (side, side, 3), BATCH),
        "unrounded": Inputs("float32", (side, side, 3), BATCH),
        "texts": Inputs("int64", (TEXT_CONTEXT,), BATCH, below=TEXT_VOCABULARY),
    }


class SmallText(SmallRunner):
    """Images and captions to vectors, in place of CLIP."""

    kind = "text"
    sizes = SimpleNamespace(side=TEXT_SIDE, vocabulary=TEXT_VOCABULARY, context=TEXT_CONTEXT, dimension=TEXT_DIMENSION)
    inputs: Mapping[str, Inputs] = _text_inputs(TEXT_SIDE)

    @staticmethod
    def facts_of(network: Any) -> dict[str, Any]:
        """Return what cosines were multiplied with in the training."""
        return {"logit_scale": float(network.get_parameter("logit_scale").detach().exp())}

    @property
    def logit_scale(self) -> float:
        """What cosines were multiplied with in the training."""
        return float(self._facts["logit_scale"])

    def embed_images(self, squares: Sequence[NDArray[np.uint8] | NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return (N, 64) float32, not normalised, of squares (side, side, 3) RGB in 0..255."""
        parts = [np.empty((0, TEXT_DIMENSION), dtype=np.float32)]
        for start in range(0, len(squares), BATCH):
            batch = np.stack(list(squares[start : start + BATCH]))
            parts += self._parts["pictures" if batch.dtype == np.uint8 else "unrounded"](batch)
        return np.concatenate(parts)

    def embed_texts(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return (N, 64) float32, not normalised, of numbers of words (N, 77)."""
        if not len(tokens):
            return np.empty((0, TEXT_DIMENSION), dtype=np.float32)
        return self._parts["texts"](tokens)[0]

    @staticmethod
    def pictures(network: Any, squares: Tensor) -> Tensor:
        """Return (N, 64) of squares (N, side, side, 3) in 0..255."""
        vectors: Tensor = network.embed_pictures(planes(squares))
        return vectors

    unrounded = pictures

    @staticmethod
    def texts(network: Any, tokens: Tensor) -> Tensor:
        """Return (N, 64) of numbers of words (N, 77)."""
        vectors: Tensor = network.embed_texts(tokens)
        return vectors


class SmallActions(SmallText):
    """Frames and sentences of what somebody does, in place of CLIP where it looks for events."""

    kind = "actions"
    sizes = SimpleNamespace(
        side=ACTION_SIDE, vocabulary=TEXT_VOCABULARY, context=TEXT_CONTEXT, dimension=TEXT_DIMENSION
    )
    inputs: Mapping[str, Inputs] = _text_inputs(ACTION_SIDE)
