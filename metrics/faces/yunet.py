"""YuNet through OpenCV's FaceDetectorYN: the second detector of the face policy.

Wu et al., "YuNet: A Tiny Millisecond-level Face Detector" (2023). It finds faces that fill the frame, where SCRFD finds
none, and it also fires on dogs: hence second.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import WeightsError
from evalkit.metrics.features.face import Face, check_image
from evalkit.metrics.features.onnx_session import Model, model_label, read_model
from evalkit.metrics.features.stopwatch import running

_KEYPOINTS = slice(4, 14)
_SCORE = 14


class YuNet:
    """YuNet with five keypoints.

    OpenCV's thread pool belongs to the process, so the caller decides: ``cv2.setNumThreads(1)`` once in a worker. An
    instance keeps state between calls (the input size) and must not be shared between threads.

    Args:
        model: the ONNX file or its bytes.
        threshold: smallest score that counts, 0..1.
        nms: largest IoU at which two boxes are still two faces, 0..1.
        max_side: larger images are shrunk (linear) until their longer side has this many pixels: YuNet's time grows
            with the area and its receptive field ends near 300 pixels. 0 never shrinks.
        top_k: candidates kept before suppression.

    Raises:
        WeightsError: the model can't be read or is not YuNet.
    """

    def __init__(
        self, model: Model, threshold: float = 0.6, nms: float = 0.3, *, max_side: int = 640, top_k: int = 5000
    ) -> None:
        import cv2

        self.threshold = float(threshold)
        self.nms = float(nms)
        self.max_side = int(max_side)
        content = np.frombuffer(read_model(model), dtype=np.uint8)
        try:
            self._net: Any = cv2.FaceDetectorYN.create(
                "onnx", content, np.zeros(0, np.uint8), (64, 64), self.threshold, self.nms, top_k
            )
            self._net.detect(
                np.zeros((64, 64, 3), np.uint8)
            )  # OpenCV opens another network without an error; this call fails
        except cv2.error as error:
            raise WeightsError(
                f"The model {model_label(model)} can't be opened as YuNet.",
                found=str(error).strip().splitlines()[0],
                expected=f"a YuNet ONNX model that OpenCV {cv2.__version__} can run",
                fix="Compare its SHA-256 with the manifest and fetch the weights again.",
            ) from error

    def detect(self, rgb: NDArray[np.uint8]) -> list[Face]:
        """Find the faces of one image.

        Args:
            rgb: uint8, H x W x 3.

        Returns:
            Faces in the image's pixels, best score first; maybe none.

        Raises:
            ValueError: not an image.
        """
        import cv2

        bgr = cv2.cvtColor(check_image(rgb), cv2.COLOR_RGB2BGR)
        height, width = bgr.shape[:2]
        longer = max(height, width)
        if self.max_side and longer > self.max_side:
            size = tuple(max(1, round(side * self.max_side / longer)) for side in (width, height))
            bgr = cv2.resize(bgr, size, interpolation=cv2.INTER_LINEAR)
        scale = np.array([width / bgr.shape[1], height / bgr.shape[0]], dtype=np.float32)
        self._net.setInputSize((bgr.shape[1], bgr.shape[0]))
        with running("face_detector_second"):
            _, rows = self._net.detect(bgr)
        if rows is None:
            return []
        return [_face(row, scale) for row in rows[np.argsort(-rows[:, _SCORE], kind="stable")]]


def _face(row: NDArray[np.float32], scale: NDArray[np.float32]) -> Face:
    """Turn a row of OpenCV (x, y, width, height, five points, score) into a face.

    OpenCV documents the points as right eye, left eye, nose, right mouth corner, left mouth corner *of the subject*.
    The subject's right is the image's left, so that this already is the order of :class:`Face`.
    """
    corner, size = row[:2] * scale, row[2:4] * scale
    keypoints = row[_KEYPOINTS].reshape(5, 2) * scale
    return Face(np.concatenate([corner, corner + size]), float(row[_SCORE]), keypoints)
