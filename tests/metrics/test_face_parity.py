"""Our SCRFD, alignment and ArcFace against insightface's own classes: the same models, the same images."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from evalkit.metrics.faces.align import ARCFACE_TEMPLATE, norm_crop, similarity_transform
from evalkit.metrics.faces.arcface import ArcFace, cosine
from evalkit.metrics.faces.scrfd import Scrfd
from evalkit.metrics.features.face import Face

pytestmark = [pytest.mark.shared, pytest.mark.oracles]

ORACLE = Path(__file__).parent.parent / "oracles" / "insightface_faces.py"
DETECTORS = {"500m": "scrfd_500m_kps.onnx", "2.5g": "scrfd_2.5g_kps.onnx"}
INPUT_SIZE = (320, 320)


@dataclass(frozen=True)
class Comparison:
    """Both sides: the images, and insightface's arrays by detector and image."""

    images: dict[str, NDArray[np.uint8]]
    models: dict[str, Path]
    embedder: Path
    theirs: dict[str, NDArray[np.float32]]


def images(shared: Path) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """20 reference images (256 x 256), 8 portraits (150 x 150), and a frame of each of 12 clips up to 1080 x 1920.

    Two are also cut to 251 x 200 and 200 x 251, which no canvas fits without rounding (640 * 200 / 251 = 509.96).
    """
    stills = sorted((shared / "data/talking-heads/testset/images").glob("*.png"))
    stills += sorted((shared / "data/portraits").glob("*_1.png"))
    for path in stills:
        with Image.open(path) as image:
            pixels = np.array(image.convert("RGB"))
        yield path.stem, pixels
        if path.stem in ("s01", "s02"):
            yield f"{path.stem}_tall", pixels[:251, 28:228]
            yield f"{path.stem}_wide", pixels[28:228, :251]
    for path in sorted((shared / "data/clips").glob("c*")):
        with av.open(str(path)) as container:
            yield path.stem, next(container.decode(video=0)).to_ndarray(format="rgb24")


@pytest.fixture(scope="module")
def comparison(shared: Path, oracle_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    folder = tmp_path_factory.mktemp("faces")
    arrays = dict(images(shared))
    for name, image in arrays.items():
        cv2.imwrite(str(folder / f"{name}.png"), image[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
    points = np.random.default_rng(5).normal(100, 30, (200, 5, 2))
    points[0] = 42.0  # one place
    points[1] = np.linspace(0, 1, 5)[:, None] * [30, 50]  # one line
    points[2, :, 0] *= -1
    np.save(folder / "points.npy", points)
    models = {name: shared / "weights" / file for name, file in DETECTORS.items()}
    embedder = shared / "weights/face_embedder_mobilefacenet.onnx"
    job = {
        "detectors": {name: str(path) for name, path in models.items()},
        "dynamic": {"500m": str(folder / "dynamic.onnx")},
        "embedder": str(embedder),
        "images": {name: str(folder / f"{name}.png") for name in arrays},
        "input_size": INPUT_SIZE,
        "points": str(folder / "points.npy"),
    }
    (folder / "job.json").write_text(json.dumps(job))
    command = [str(oracle_python), str(ORACLE), str(folder / "job.json"), str(folder / "result.npz")]
    subprocess.run(command, check=True, timeout=300)
    with np.load(folder / "result.npz") as result:
        theirs = {**dict(result), "points": points}
    return Comparison(arrays, {**models, "500m_dynamic": folder / "dynamic.onnx"}, embedder, theirs)


@pytest.fixture(scope="module", params=["500m", "2.5g", "500m_dynamic"])
def detected(request: pytest.FixtureRequest, comparison: Comparison) -> tuple[str, dict[str, list[Face]]]:
    detector = Scrfd(comparison.models[request.param], INPUT_SIZE)
    # The files of the release fix 640 x 640; with open shapes the size asked for counts.
    assert detector.input_size == (INPUT_SIZE if request.param == "500m_dynamic" else (640, 640))
    faces = detector.detect_many(list(comparison.images.values()))
    return request.param, dict(zip(comparison.images, faces, strict=True))


def test_same_faces(comparison: Comparison, detected: tuple[str, dict[str, list[Face]]]) -> None:
    """Measured: equal to the last bit for the released files, within 1e-4 px for the batched ones."""
    name, ours = detected
    found = 0
    for image, faces in ours.items():
        boxes = comparison.theirs[f"{name}/{image}/boxes"]
        assert len(faces) == len(boxes), image
        for index, face in enumerate(faces):
            np.testing.assert_allclose(face.box, boxes[index], atol=0.01, err_msg=image)
            np.testing.assert_allclose(face.keypoints, comparison.theirs[f"{name}/{image}/keypoints"][index], atol=0.01)
            assert face.score == pytest.approx(float(comparison.theirs[f"{name}/{image}/scores"][index]), abs=1e-5)
            found += 1
    assert found >= 28, "too few faces were compared for the test to mean anything"


def test_released_files_miss_faces_that_fill_the_frame(comparison: Comparison) -> None:
    """The fixed canvas of 640 enlarges them beyond what SCRFD was trained on; at 320 all are found."""
    for name in ("500m", "2.5g"):
        missed = [image for image in comparison.images if not len(comparison.theirs[f"{name}/{image}/boxes"])]
        assert [image for image in missed if image.startswith("s")] == ["s06", "s09", "s11"]
    assert all(len(comparison.theirs[f"500m_dynamic/{image}/boxes"]) for image in comparison.images)


def test_same_crops(comparison: Comparison, detected: tuple[str, dict[str, list[Face]]]) -> None:
    """insightface estimates the transform in float32, and warpAffine rounds positions to 1/32 of a pixel.

    So single samples (measured: below 0.1 % of a crop, by at most 5 of 255) differ from insightface's crop. With the
    transform estimated in float64 by the same library, crops are equal (measured; one such flip would be allowed).
    """
    name, ours = detected
    for image, faces in ours.items():
        for index, face in enumerate(faces):
            crop = norm_crop(comparison.images[image], face.keypoints)
            exact = comparison.theirs[f"{name}/{image}/crops_float64"][index]
            assert cv2.norm(crop, exact, cv2.NORM_INF) <= 1, image
            difference = np.abs(crop.astype(int) - comparison.theirs[f"{name}/{image}/crops"][index])
            assert difference.max() <= 8, image
            assert (difference > 1).mean() < 1e-3, image


def test_same_embeddings(comparison: Comparison, detected: tuple[str, dict[str, list[Face]]]) -> None:
    """Each side detects, crops and embeds for itself."""
    name, ours = detected
    embedder = ArcFace(comparison.embedder)
    for image, faces in ours.items():
        if faces:
            crops = np.stack([norm_crop(comparison.images[image], face.keypoints) for face in faces])
            embeddings = comparison.theirs[f"{name}/{image}/embeddings"]
            assert cosine(embedder.embed(crops), embeddings).min() > 1 - 1e-4, image
            theirs = comparison.theirs[f"{name}/{image}/crops"]
            np.testing.assert_allclose(embedder.embed(theirs), embeddings, atol=1e-5)


def test_same_similarity_between_images(comparison: Comparison) -> None:
    """The value that a metric uses: the cosine of two different images, within 1e-4."""
    embedder, detector = ArcFace(comparison.embedder), Scrfd(comparison.models["500m"])
    names = ["s01", "s02", "s03", "c02", "c08"]
    crops = [
        norm_crop(comparison.images[name], detector.detect(comparison.images[name])[0].keypoints) for name in names
    ]
    ours = embedder.embed(np.stack(crops))
    theirs = np.stack([comparison.theirs[f"500m/{name}/embeddings"][0] for name in names])
    np.testing.assert_allclose(cosine(ours[:, None], ours), cosine(theirs[:, None], theirs), atol=1e-4)


def test_same_transforms_as_scikit_image(comparison: Comparison) -> None:
    for points, expected in zip(comparison.theirs["points"], comparison.theirs["transforms"], strict=True):
        matrix = similarity_transform(points, ARCFACE_TEMPLATE)
        if np.isnan(expected).any():
            assert matrix is None
        else:
            np.testing.assert_allclose(matrix, expected, rtol=1e-9, atol=1e-9)
    assert np.isnan(comparison.theirs["transforms"][0]).all()
    assert np.isfinite(comparison.theirs["transforms"][1]).all()
