"""Face embeddings by a network with ArcFace's interface, and their cosine.

Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition" (CVPR 2019); input convention of
insightface's ArcFaceONNX class.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.errors import WeightsError
from evalkit.metrics.features.onnx_session import (
    Model,
    OnnxRunner,
    model_key,
    model_label,
    open_session,
    single_input,
)
from evalkit.metrics.features.placement import Inputs, Network, placed
from evalkit.metrics.features.stopwatch import running

_SIDE = 112
_LARGEST_BATCH = 16


class ArcFace:
    """A face recognition network: aligned crop in, embedding out.

    Args:
        model: an ONNX file or its bytes, with one input N x 3 x 112 x 112 (RGB, ``(x - mean) / std``) and one output
            N x D. A fixed N is filled up with black crops.
        mean: subtracted from the pixel values.
        std: what they are divided by. Models exported from MXNet, which carry the normalisation inside, take mean 0
            and std 1.
        device: ``"cpu"`` or ``"cuda"``.
        threads: threads of one inference.

    Raises:
        WeightsError: the model can't be read or has other inputs or outputs.
        MachineError: CUDA was asked for and is not there.
    """

    def __init__(
        self, model: Model, *, mean: float = 127.5, std: float = 127.5, device: str = "cpu", threads: int = 1
    ) -> None:
        def build() -> Network:
            session = open_session(model, device=device, threads=threads)
            role = "face embedder"
            spec = single_input(session, (None, 3, _SIDE, _SIDE), model=model, role=role)
            run = OnnxRunner(session, spec.name)
            outputs, batch = session.get_outputs(), spec.shape[0]
            shape = run(np.zeros((batch or 1, 3, _SIDE, _SIDE), np.float32))[0].shape if len(outputs) == 1 else ()
            if len(shape) != 2 or shape[0] != (batch or 1):
                raise WeightsError(
                    f"The model {model_label(model)} is not a {role}.",
                    found=f"{len(outputs)} outputs of shapes {[output.shape for output in outputs]}",
                    expected="one output N x D",
                    fix=f"Name a model that is a {role}, or correct the manifest's entry.",
                )
            inputs = Inputs("float32", (3, _SIDE, _SIDE), batch or _LARGEST_BATCH)
            return Network({"crops": run}, {"crops": inputs}, {"batch": batch, "dimension": int(shape[1])})

        network = placed(("ArcFace", model_key(model)), build)
        self._run = network.runners["crops"]
        self._mean, self._std = float(mean), float(std)
        self._fixed_batch = network.facts["batch"] is not None
        self._batch = network.facts["batch"] or _LARGEST_BATCH
        self.dimension = int(network.facts["dimension"])

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed aligned crops.

        Args:
            crops: uint8 (N, 112, 112, 3), RGB, as :func:`~evalkit.metrics.faces.align.norm_crop` makes them.

        Returns:
            float32 (N, D), as the network gives them: not normalised. At most 16 crops at a time; which crops share
            a batch changes a value by less than 1e-5.

        Raises:
            ValueError: crops of another shape or type.
        """
        if crops.dtype != np.uint8 or crops.ndim != 4 or crops.shape[1:] != (_SIDE, _SIDE, 3):
            raise ValueError(f"crops are uint8 (N, {_SIDE}, {_SIDE}, 3), not {crops.dtype} {crops.shape}")
        parts = [self._forward(crops[start : start + self._batch]) for start in range(0, len(crops), self._batch)]
        return np.concatenate(parts) if parts else np.zeros((0, self.dimension), np.float32)

    def _forward(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        import cv2

        images = [np.ascontiguousarray(crop) for crop in crops]
        if self._fixed_batch:
            images += [np.zeros((_SIDE, _SIDE, 3), np.uint8)] * (self._batch - len(images))
        blob = cv2.dnn.blobFromImages(images, 1.0 / self._std, (_SIDE, _SIDE), (self._mean,) * 3, swapRB=False)
        with running("arcface"):
            (output, *_) = self._run(blob)
        return np.asarray(output, dtype=np.float32)[: len(crops)]


def cosine(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """Cosine similarity over the last axis; the other axes broadcast.

    Args:
        a: (..., D) real, of any length but zero.
        b: (..., D).

    Returns:
        float64 in -1..1, of the broadcast shape without the last axis (0-d for two vectors).

    Raises:
        ValueError: a vector has no direction (zero, or not finite), or the lengths differ.
    """
    x, y = _unit(a), _unit(b)
    if x.shape[-1] != y.shape[-1]:
        raise ValueError(f"embeddings of {x.shape[-1]} and {y.shape[-1]} dimensions can't be compared")
    return np.asarray(np.clip((x * y).sum(axis=-1), -1.0, 1.0))


def _unit(vectors: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(vectors, dtype=np.float64)
    norm = np.linalg.norm(array, axis=-1, keepdims=True)
    if not (np.isfinite(norm).all() and (norm > 0).all()):
        raise ValueError("an embedding that is zero or not finite has no cosine")
    return np.asarray(array / norm)
