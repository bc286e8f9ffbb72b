"""The ArcFace cosine to a reference image by insightface's classes, as ConsisID's evaluation computes it.

    python identity.py JOB.json RESULT.json

16 frames of each video, its largest face, a second try with a grey margin; cosines below 0 count as 0.
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
from insightface.model_zoo import SCRFD, ArcFaceONNX
from insightface.utils import face_align


class Faces:
    """Detector and embedder; counts detections."""

    def __init__(self, detector: str, embedder: str) -> None:
        self._detector = SCRFD(model_file=detector)
        self._detector.prepare(-1, nms_thresh=0.4, det_thresh=0.5, input_size=(640, 640))
        self._embedder = ArcFaceONNX(model_file=embedder)
        self.detections = 0

    def embedding(self, bgr: np.ndarray) -> np.ndarray | None:
        """Return the vector of the largest face, ``None`` without one."""
        rows, columns = bgr.shape[0] // 4, bgr.shape[1] // 4
        grey = {"borderType": cv2.BORDER_CONSTANT, "value": (128, 128, 128)}
        for image in (bgr, None):
            picture = cv2.copyMakeBorder(bgr, rows, rows, columns, columns, **grey) if image is None else image
            boxes, points = self._detector.detect(picture)
            self.detections += 1
            if len(boxes):
                areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
                crop = face_align.norm_crop(picture, points[int(areas.argmax())], 112)
                vector = self._embedder.get_feat(crop)[0]
                return vector / np.linalg.norm(vector)
        return None


def sampled_frames(video: str, count: int = 16) -> list[np.ndarray]:
    """Return the frames at linspace(0, N - 1, count), cut to integers."""
    capture, frames = cv2.VideoCapture(video), []
    while True:
        more, bgr = capture.read()
        if not more:
            break
        frames.append(bgr)
    return [frames[int(at)] for at in np.linspace(0, len(frames) - 1, count)]


def main() -> None:
    """Read the job, run it, write the number."""
    job = json.loads(Path(sys.argv[1]).read_text())
    faces = Faces(job["weights"]["face_detector"], job["weights"]["arcface"])
    means = []
    for clip in job["clips"]:
        reference = faces.embedding(cv2.imread(clip["image"]))
        if reference is None:
            continue
        vectors = [faces.embedding(frame) for frame in sampled_frames(clip["generated"])]
        cosines = [max(0.0, float(vector @ reference)) for vector in vectors if vector is not None]
        means.append(float(np.mean(cosines)) if cosines else 0.0)
    result = {"values": {"identity.consisid.arc": float(np.mean(means))}, "items": faces.detections}
    Path(sys.argv[2]).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
