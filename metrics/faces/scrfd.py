"""SCRFD, the face detector of buffalo_l and its relatives, through onnxruntime.

Guo et al., "Sample and Computation Redistribution for Efficient Face Detection" (ICLR 2022). The numbers (letterbox,
normalisation, thresholds) are those of insightface's SCRFD class, which the parity tests run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import WeightsError
from evalkit.metrics.features.face import Face, check_image
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

# Number of outputs (score, box, five points per level) -> strides of the levels.
_STRIDES = {9: (8, 16, 32), 15: (8, 16, 32, 64, 128)}
_WIDTHS = (1, 4, 10)
_MEAN, _STD = 127.5, 128.0
_LARGEST_BATCH = 16


class Scrfd:
    """SCRFD with five keypoints.

    Args:
        model: an ONNX file or its bytes, with one input N x 3 x H x W and 9 (or 15) outputs.
        input_size: width and height of the network's canvas. ConsisID and OpenS2V use 320 x 320.
            If the model has a fixed size, that is used: see the attribute ``input_size``.
        threshold: smallest score that counts, 0..1.
        nms: largest IoU at which two boxes are still two faces, 0..1.
        device: ``"cpu"`` or ``"cuda"``.
        threads: threads of one inference.

    Raises:
        WeightsError: the model can't be read or is not an SCRFD with keypoints.
        MachineError: CUDA was asked for and is not there.
    """

    def __init__(
        self,
        model: Model,
        input_size: tuple[int, int] = (320, 320),
        threshold: float = 0.5,
        nms: float = 0.4,
        *,
        device: str = "cpu",
        threads: int = 1,
    ) -> None:
        self._label = model_label(model)

        def build() -> Network:
            session = open_session(model, device=device, threads=threads)
            spec = single_input(session, (None, 3, None, None), model=model, role="SCRFD face detector")
            size = (spec.shape[3] or input_size[0], spec.shape[2] or input_size[1])
            shapes = [list(output.shape) for output in session.get_outputs()]
            facts = {"batch": spec.shape[0], "size": size, "outputs": shapes}
            # Outputs may lack a batch axis, so several callers' canvases never share a batch.
            inputs = Inputs("float32", (3, size[1], size[0]), batch=None)
            return Network({"canvases": OnnxRunner(session, spec.name)}, {"canvases": inputs}, facts)

        network = placed(("Scrfd", model_key(model), input_size), build)
        self._run, facts = network.runners["canvases"], network.facts
        self.input_size = (int(facts["size"][0]), int(facts["size"][1]))
        self.threshold = float(threshold)
        self.nms = float(nms)
        outputs = facts["outputs"]
        self._check_outputs(outputs)
        self._strides = _STRIDES[len(outputs)]
        largest = max(self._strides)
        if self.input_size[0] % largest or self.input_size[1] % largest:
            raise ValueError(f"input_size must be a multiple of {largest}, not {self.input_size}")
        # Exports without a batch axis on their outputs (buffalo_l's) can hold one image only, whatever the input says.
        with_batch_axis = all(len(shape) == 3 for shape in outputs)
        self.batch_size = (facts["batch"] or _LARGEST_BATCH) if with_batch_axis else 1
        self._fixed_batch = facts["batch"] is not None

    def detect(self, rgb: NDArray[np.uint8]) -> list[Face]:
        """Find the faces of one image.

        Args:
            rgb: uint8, H x W x 3.

        Returns:
            Faces in the image's pixels, best score first (equal scores in the network's order); maybe none.

        Raises:
            ValueError: not an image.
        """
        return self.detect_many([rgb])[0]

    def detect_many(self, images: Sequence[NDArray[np.uint8]]) -> list[list[Face]]:
        """Find the faces of several images (of any sizes), as :meth:`detect` does, in batches where the model can."""
        found: list[list[Face]] = []
        for start in range(0, len(images), self.batch_size):
            found.extend(self._detect_batch(images[start : start + self.batch_size]))
        return found

    def _detect_batch(self, images: Sequence[NDArray[np.uint8]]) -> list[list[Face]]:
        import cv2

        boxed = [self._letterbox(check_image(image)) for image in images]
        canvases = [canvas for canvas, _ in boxed]
        if self._fixed_batch:
            canvases += [np.zeros_like(canvases[0])] * (self.batch_size - len(canvases))
        blob = cv2.dnn.blobFromImages(canvases, 1.0 / _STD, self.input_size, (_MEAN, _MEAN, _MEAN), swapRB=False)
        with running("face_detector"):
            outputs = self._run(blob)
        return [
            self._faces([output[index] if output.ndim == 3 else output for output in outputs], scale)
            for index, (_, scale) in enumerate(boxed)
        ]

    def _letterbox(self, rgb: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
        """Fit the image into the canvas, top left; return the canvas and canvas pixels per image pixel."""
        import cv2

        width, height = self.input_size
        ratio = rgb.shape[0] / rgb.shape[1]
        # Truncation, not rounding, and the scale of the height alone: both as in insightface.
        if ratio > height / width:
            new_width, new_height = int(height / ratio), height
        else:
            new_width, new_height = width, int(width * ratio)
        new_width, new_height = max(new_width, 1), max(new_height, 1)
        canvas = np.zeros((height, width, 3), dtype=np.uint8)
        canvas[:new_height, :new_width] = cv2.resize(rgb, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
        return canvas, new_height / rgb.shape[0]

    def _faces(self, outputs: list[NDArray[np.float32]], scale: float) -> list[Face]:
        levels = len(self._strides)
        scores, boxes, points = [], [], []
        for level, stride in enumerate(self._strides):
            score, distances, offsets = outputs[level], outputs[level + levels], outputs[level + 2 * levels]
            centres = self._centres(stride, len(score))
            keep = np.flatnonzero(score[:, 0] >= self.threshold)
            centre, distance = centres[keep], distances[keep] * np.float32(stride)
            scores.append(score[keep, 0])
            boxes.append(np.concatenate([centre - distance[:, :2], centre + distance[:, 2:]], axis=1))
            points.append(centre[:, None, :] + (offsets[keep] * np.float32(stride)).reshape(-1, 5, 2))
        score = np.concatenate(scores)
        box = (np.concatenate(boxes) / scale).astype(np.float32, copy=False)
        point = (np.concatenate(points) / scale).astype(np.float32, copy=False)
        order = np.argsort(-score, kind="stable")
        kept = order[suppress(box[order], self.nms)]
        return [Face(box[index], float(score[index]), point[index]) for index in kept]

    def _centres(self, stride: int, candidates: int) -> NDArray[np.float32]:
        """The anchors' centres of one level, float32 (candidates, 2), row by row, each cell's anchors together."""
        columns, rows = self.input_size[0] // stride, self.input_size[1] // stride
        anchors, rest = divmod(candidates, columns * rows)
        if rest or not anchors:
            raise WeightsError(
                f"The model {self._label} is not an SCRFD face detector.",
                found=f"{candidates} candidates at stride {stride}",
                expected=f"a multiple of {columns} x {rows}",
                fix="Name an SCRFD model with keypoints.",
            )
        y, x = np.mgrid[:rows, :columns]
        grid = np.stack([x, y], axis=-1).reshape(-1, 2).astype(np.float32) * np.float32(stride)
        return np.repeat(grid, anchors, axis=0)

    def _check_outputs(self, outputs: Sequence[Sequence[Any]]) -> None:
        levels = len(outputs) // 3
        last = [shape[-1] if len(shape) in (2, 3) else None for shape in outputs]
        wanted = [width for width in _WIDTHS for _ in range(levels)]
        fits = len(outputs) in _STRIDES and all(
            have == want or isinstance(have, str) for have, want in zip(last, wanted, strict=True)
        )
        if not fits:
            raise WeightsError(
                f"The model {self._label} is not an SCRFD face detector with keypoints.",
                found=f"{len(outputs)} outputs, last dimensions {last}",
                expected="scores (1), boxes (4) and keypoints (10) of 3 or 5 levels, in this order",
                fix="Name an SCRFD model with keypoints (its name often ends in _kps or is det_10g).",
            )


def suppress(boxes: NDArray[np.float32], limit: float) -> NDArray[np.intp]:
    """Greedy non-maximum suppression.

    Args:
        boxes: float32 (N, 4), ``x1, y1, x2, y2``, best first.
        limit: boxes whose IoU with a better one is above it are dropped. Sides count both end pixels (x2 - x1 + 1),
            as in insightface and its ancestors.

    Returns:
        Indices of the boxes kept, ascending, int (K,).
    """
    x1, y1, x2, y2 = boxes.T
    areas = (x2 - x1 + 1) * (y2 - y1 + 1)
    alive = np.ones(len(boxes), dtype=bool)
    for best in range(len(boxes)):
        if not alive[best]:
            continue
        rest = slice(best + 1, None)
        width = np.maximum(0, np.minimum(x2[best], x2[rest]) - np.maximum(x1[best], x1[rest]) + 1)
        height = np.maximum(0, np.minimum(y2[best], y2[rest]) - np.maximum(y1[best], y1[rest]) + 1)
        shared = width * height
        alive[rest] &= shared / (areas[best] + areas[rest] - shared) <= limit
    return np.flatnonzero(alive)
