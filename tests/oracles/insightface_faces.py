"""Run insightface's own SCRFD and ArcFaceONNX classes; only the oracle environment can.

    python insightface_faces.py JOB.json RESULT.npz

JOB: {"detectors": {NAME: path}, "embedder": path, "images": {NAME: path}, "input_size": [w, h],
      "dynamic": {NAME: path}, "points": path}. Images are lossless files. "dynamic" (optional) names copies of the
      detectors to write with open batch, height and width. "points" (optional) is an .npy of (K, 5, 2) float64.
RESULT: for every detector D and image I, best score first: "D/I/boxes" (n, 4), "D/I/scores" (n,),
      "D/I/keypoints" (n, 5, 2), "D/I/crops" (n, 112, 112, 3) RGB, "D/I/embeddings" (n, d), and "D/I/crops_float64": the
      same crops with the transform estimated by scikit-image in float64, where insightface estimates it in float32.
      "transforms" (K, 2, 3): scikit-image's transform of each set of points to the template, NaN where it finds none.
"""

import json
import sys
import warnings
from pathlib import Path

import cv2
import numpy as np
import onnx
from insightface.model_zoo import SCRFD, ArcFaceONNX
from insightface.utils import face_align
from skimage import transform


def with_open_shapes(source: str, target: str) -> None:
    """Write a copy of a fixed-size SCRFD whose batch, height and width are open."""
    model = onnx.load(source)
    dims = model.graph.input[0].type.tensor_type.shape.dim
    for axis, name in ((0, "batch"), (2, "height"), (3, "width")):
        dims[axis].dim_param = name
    for output in model.graph.output:
        for axis in (0, 1):
            output.type.tensor_type.shape.dim[axis].dim_param = f"{output.name}_{axis}"
    del model.graph.value_info[:]
    onnx.save(model, target)


def transforms(points: np.ndarray) -> np.ndarray:
    """scikit-image's estimate for every set of five points."""
    template = face_align.arcface_dst.astype(np.float64).round(4)  # the decimals that its float32 stands for
    matrices = []
    for five in points:
        similarity = transform.SimilarityTransform()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            similarity.estimate(five, template)
        matrices.append(similarity.params[:2])
    return np.array(matrices)


def stack_rgb(crops: list[np.ndarray]) -> np.ndarray:
    """BGR crops as one RGB array."""
    return np.array([crop[:, :, ::-1] for crop in crops], np.uint8).reshape(-1, 112, 112, 3)


def main() -> None:
    """Read the job, run it, write the arrays."""
    job = json.loads(Path(sys.argv[1]).read_text())
    result: dict[str, np.ndarray] = {}
    for name, path in job.get("dynamic", {}).items():
        with_open_shapes(job["detectors"][name], path)
        job["detectors"] = {**job["detectors"], f"{name}_dynamic": path}
    embedder = ArcFaceONNX(model_file=job["embedder"])
    for name, path in job["detectors"].items():
        detector = SCRFD(model_file=path)
        detector.prepare(-1, nms_thresh=0.4, det_thresh=0.5, input_size=tuple(job["input_size"]))
        for image_name, image_path in job["images"].items():
            bgr = cv2.imread(image_path, cv2.IMREAD_COLOR)
            found, keypoints = detector.detect(bgr)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                crops = [face_align.norm_crop(bgr, five, 112) for five in keypoints]
            key = f"{name}/{image_name}"
            result[f"{key}/boxes"], result[f"{key}/scores"] = found[:, :4], found[:, 4]
            result[f"{key}/keypoints"] = keypoints
            matrices = transforms(keypoints.astype(np.float64))
            exact = [cv2.warpAffine(bgr, matrix, (112, 112), borderValue=0.0) for matrix in matrices]
            result[f"{key}/crops"] = stack_rgb(crops)
            result[f"{key}/crops_float64"] = stack_rgb(exact)
            result[f"{key}/embeddings"] = np.array([embedder.get_feat(crop)[0] for crop in crops], np.float32)
    if "points" in job:
        result["transforms"] = transforms(np.load(job["points"]))
    np.savez(sys.argv[2], **result)


if __name__ == "__main__":
    main()
