"""Detectors, policy, alignment and embedding: planted outputs and arithmetic by hand, then real faces."""

import math
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from PIL import Image

from evalkit.errors import MachineError, UsageError, WeightsError
from evalkit.metrics.faces import scrfd as scrfd_module
from evalkit.metrics.faces.align import ARCFACE_TEMPLATE, norm_crop, similarity_transform
from evalkit.metrics.faces.arcface import ArcFace, cosine
from evalkit.metrics.faces.policy import FacePolicy, add_margin, largest
from evalkit.metrics.faces.scrfd import Scrfd, suppress
from evalkit.metrics.faces.yunet import YuNet
from evalkit.metrics.features.face import Face
from evalkit.metrics.features.onnx_session import open_session

SHAPES = ((1, 4, 10), (8, 16, 32))  # widths of SCRFD's outputs, strides of its levels


def read(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.array(image.convert("RGB"))


def face(x: float, y: float, side: float, score: float = 0.9) -> Face:
    keypoints = (ARCFACE_TEMPLATE / 112 * side + (x, y)).astype(np.float32)
    return Face(np.array([x, y, x + side, y + side], np.float32), score, keypoints)


# --- a tiny ONNX file, written by hand: the network that says the mean colour of a crop ---


def field(number: int, value: int | bytes | str) -> bytes:
    """One field of a protocol buffer; all numbers and lengths here are below 128."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    content = value.encode() if isinstance(value, str) else value
    return bytes([number << 3 | 2]) + varint(len(content)) + content


def varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)


def tensor(name: str, shape: list[int | str], element: int = 1) -> bytes:
    dims = b"".join(field(1, field(2, d) if isinstance(d, str) else b"\x08" + varint(d)) for d in shape)
    return field(1, name) + field(2, field(1, field(1, element) + field(2, dims)))


def node(operator: str, source: str, target: str) -> bytes:
    return field(1, source) + field(2, target) + field(4, operator)


def mean_colour_network(batch: int | str = "n", channels: int = 3, side: int = 112) -> bytes:
    """GlobalAveragePool then Flatten: N x C x S x S in, N x C out."""
    graph = (
        field(1, node("GlobalAveragePool", "x", "pooled"))
        + field(1, node("Flatten", "pooled", "y"))
        + field(2, "mean")
        + field(11, tensor("x", [batch, channels, side, side]))
        + field(12, tensor("y", [batch, channels]))
    )
    return field(1, 8) + field(7, graph) + field(8, field(2, 13))


# --- opening models ---


@pytest.mark.parametrize("network", [Scrfd, YuNet, ArcFace])
def test_missing_empty_and_corrupt_models(network: type, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"no\.onnx can't be read\. Found No such file .* Check the path"):
        network(tmp_path / "no.onnx")
    (tmp_path / "empty.onnx").touch()
    with pytest.raises(WeightsError, match=r"empty\.onnx is empty\. Found 0 bytes"):
        network(tmp_path / "empty.onnx")
    (tmp_path / "noise.onnx").write_bytes(np.random.default_rng(0).bytes(5000))
    with pytest.raises(
        WeightsError, match=r"noise\.onnx can't be opened.* Found .*; expected .* fetch the weights again"
    ):
        network(tmp_path / "noise.onnx")


@pytest.mark.shared
@pytest.mark.parametrize(
    ("network", "file"),
    [(Scrfd, "scrfd_500m_kps.onnx"), (YuNet, "yunet_n_640_640.onnx"), (ArcFace, "face_embedder_mobilefacenet.onnx")],
)
def test_cut_models(network: type, file: str, shared: Path) -> None:
    with pytest.raises(WeightsError, match=r"in memory can't be opened"):
        network((shared / "weights" / file).read_bytes()[:-40_000])


def test_another_network_is_refused() -> None:
    with pytest.raises(WeightsError, match=r"is not an SCRFD face detector with keypoints\. Found 1 outputs"):
        Scrfd(mean_colour_network(side=320))
    with pytest.raises(WeightsError, match=r"not a face embedder\. Found .*shape \?x3x96x96; expected .*\?x3x112x112"):
        ArcFace(mean_colour_network(side=96))
    with pytest.raises(WeightsError, match="can't be opened as YuNet"):
        YuNet(mean_colour_network())


def test_devices() -> None:
    with pytest.raises(UsageError, match=r"Unknown device 'tpu'"):
        open_session(mean_colour_network(), device="tpu")
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        with pytest.raises(MachineError, match="--device cpu"):
            open_session(mean_colour_network(), device="cuda")


# --- SCRFD on planted outputs ---


class PlantedScrfd:
    """Stands in for an onnxruntime session of SCRFD: answers with what a test planted and keeps what it was fed."""

    def __init__(self, size: int, batch: int | str = 1, batch_axis: bool = True) -> None:
        self.size, self.batch, self.batch_axis = size, batch, batch_axis
        self.planted: list[dict[tuple[int, int, int, int], tuple[float, list[float], list[float]]]] = []
        self.fed: list[NDArray[np.float32]] = []

    def get_inputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name="in", shape=[self.batch, 3, self.size, self.size], type="tensor(float)")]

    def get_outputs(self) -> list[SimpleNamespace]:
        lead = [self.batch] if self.batch_axis else []
        return [SimpleNamespace(shape=[*lead, "n", width]) for width in SHAPES[0] for _ in SHAPES[1]]

    def run(self, _: None, feeds: dict[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        (blob,) = feeds.values()
        self.fed.append(blob)
        outputs = {
            (w, s): np.zeros((len(blob), 2 * (self.size // s) ** 2, w), np.float32)
            for w in (1, 4, 10)
            for s in (8, 16, 32)
        }
        for image, planted in enumerate(self.planted[: len(blob)]):
            for (stride, row, column, anchor), (score, distances, points) in planted.items():
                candidate = 2 * (row * (self.size // stride) + column) + anchor
                for values in (np.array([score]), np.array(distances), np.array(points)):
                    outputs[len(values), stride][image, candidate] = values
        ordered = [outputs[width, stride] for width in SHAPES[0] for stride in SHAPES[1]]
        return ordered if self.batch_axis else [output[0] for output in ordered]


def planted(monkeypatch: pytest.MonkeyPatch, session: PlantedScrfd, **options: float) -> Scrfd:
    monkeypatch.setattr(scrfd_module, "open_session", lambda *_, **__: session)
    return Scrfd(b"planted", **options)


POINTS = [-1.0, -1.0, 1.0, -1.0, 0.0, 0.0, -1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("batch_axis", [True, False])
def test_scrfd_decodes_boxes_and_points(monkeypatch: pytest.MonkeyPatch, batch_axis: bool) -> None:
    # Image 80 rows x 160 columns on a 320 canvas: twice as large, 160 x 320. Stride 16, row 4, column 10: centre at
    # x = 160, y = 64 on the canvas. Distances 2, 1, 3, 2 (left, top, right, bottom) times 16 = 32, 16, 48, 32:
    # box 128, 48, 208, 96 on the canvas, half of that in the image. Points one stride around the centre.
    session = PlantedScrfd(320, batch_axis=batch_axis)
    session.planted = [{(16, 4, 10, 1): (0.75, [2, 1, 3, 2], POINTS)}]
    (found,) = planted(monkeypatch, session).detect(np.zeros((80, 160, 3), np.uint8))
    np.testing.assert_array_equal(found.box, np.array([64, 24, 104, 48], np.float32))
    np.testing.assert_array_equal(found.keypoints, [[72, 24], [88, 24], [80, 32], [72, 40], [88, 40]])
    assert found.score == 0.75
    assert found.box.dtype == found.keypoints.dtype == np.float32
    assert found.area == 40 * 24


def test_scrfd_letterbox_and_normalisation(monkeypatch: pytest.MonkeyPatch) -> None:
    # 100 x 43 on 320: 320 rows, int(320 / (100 / 43)) = int(137.6) = 137 columns, at the top left, black elsewhere.
    session = PlantedScrfd(320)
    detector = planted(monkeypatch, session)
    colour = np.broadcast_to(np.array([255, 0, 51], np.uint8), (100, 43, 3))
    assert detector.detect(colour) == []
    (blob,) = session.fed
    assert blob.shape == (1, 3, 320, 320)
    assert blob.dtype == np.float32
    inside = blob[0, :, :, :137]
    expected = np.array([(255 - 127.5) / 128, (0 - 127.5) / 128, (51 - 127.5) / 128], np.float32)  # RGB
    np.testing.assert_array_equal(inside, np.broadcast_to(expected[:, None, None], inside.shape))
    assert np.all(blob[0, :, :, 137:] == np.float32(-127.5 / 128))
    # Wide: 43 x 100 gives int(320 * 0.43) = 137 rows.
    detector.detect(colour.transpose(1, 0, 2))
    assert np.all(session.fed[1][0, 0, :137] == expected[0])
    assert np.all(session.fed[1][0, 0, 137:] == np.float32(-127.5 / 128))


def test_scrfd_scales_by_the_height(monkeypatch: pytest.MonkeyPatch) -> None:
    # Truncation gives the 43 columns of an image with 100 rows 137 / 43 = 3.186 canvas pixels each,
    # and its rows 3.2. The definition divides both coordinates by 3.2: centre 160, 64 is 50, 20; 16 is 5.
    session = PlantedScrfd(320)
    session.planted = [{(16, 4, 10, 0): (0.75, [1, 1, 1, 1], POINTS)}]
    (found,) = planted(monkeypatch, session).detect(np.zeros((100, 43, 3), np.uint8))
    np.testing.assert_allclose(found.box, [45, 15, 55, 25], rtol=1e-6)


def test_scrfd_threshold_order_and_suppression(monkeypatch: pytest.MonkeyPatch) -> None:
    session = PlantedScrfd(320)
    box = [2.0, 2.0, 2.0, 2.0]
    session.planted = [
        {
            (8, 10, 10, 0): (0.60, box, POINTS),
            (8, 10, 11, 0): (0.95, box, POINTS),  # 8 px beside the first: IoU > 0.4, the better one stays
            (8, 30, 30, 1): (0.499, box, POINTS),  # below the threshold
            (32, 8, 2, 0): (0.70, box, POINTS),
        }
    ]
    found = planted(monkeypatch, session).detect(np.zeros((320, 320, 3), np.uint8))
    assert [round(one.score, 3) for one in found] == [0.95, 0.7]
    lower = planted(monkeypatch, session, threshold=0.4, nms=0.9).detect(np.zeros((320, 320, 3), np.uint8))
    assert [round(one.score, 3) for one in lower] == [0.95, 0.7, 0.6, 0.499]


@pytest.mark.parametrize(("batch", "runs"), [(1, [1, 1, 1]), ("n", [3]), (2, [2, 2])])
def test_scrfd_batches_as_the_model_allows(monkeypatch: pytest.MonkeyPatch, batch: int | str, runs: list[int]) -> None:
    session = PlantedScrfd(320, batch)
    session.planted = [{(16, 4, 10, 0): (0.8, [1, 1, 1, 1], POINTS)}]
    found = planted(monkeypatch, session).detect_many([np.full((320, 320, 3), 9, np.uint8)] * 3)
    assert [len(blob) for blob in session.fed] == runs
    assert [len(faces) for faces in found] == ([1, 1, 1] if batch == 1 else [1, 0, 0] if batch == "n" else [1, 0, 1])


def test_scrfd_refuses_what_is_no_image(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = planted(monkeypatch, PlantedScrfd(320))
    for wrong in (np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32), np.zeros((0, 8, 3), np.uint8)):
        with pytest.raises(ValueError, match="an image is uint8"):
            detector.detect(wrong)
    with pytest.raises(ValueError, match="multiple of 32"):
        planted(monkeypatch, PlantedScrfd(300))


def test_suppression_counts_both_end_pixels() -> None:
    # 0..9 and 5..14 are ten pixels wide each, five shared (heights equal): IoU = 50 / 150.
    boxes = np.array([[0, 0, 9, 9], [5, 0, 14, 9], [0, 0, 9, 9]], np.float32)
    assert suppress(boxes, 0.34).tolist() == [0, 1]
    assert suppress(boxes, 0.33).tolist() == [0]
    assert suppress(boxes[:0], 0.4).tolist() == []


# --- policy ---


class Planted:
    """A detector that sees a face at given coordinates, in images whose width it is told; it counts its calls."""

    def __init__(self, *widths: int) -> None:
        self.widths, self.calls = widths, 0

    def detect(self, rgb: NDArray[np.uint8]) -> list[Face]:
        self.calls += 1
        return [face(50, 40, 20)] if rgb.shape[1] in self.widths else []


# A 100 x 80 image has a margin of 25 columns and 20 rows on each side: 150 x 120.
@pytest.mark.parametrize(
    ("primary", "secondary", "attempt", "corner", "calls"),
    [
        (Planted(100, 150), Planted(100, 150), "as_is", (50, 40), (1, 0)),
        (Planted(150), Planted(100, 150), "margin", (25, 20), (2, 0)),
        (Planted(), Planted(100, 150), "second", (50, 40), (2, 1)),
        (Planted(), Planted(150), "second_margin", (25, 20), (2, 2)),
        (Planted(), Planted(), None, None, (2, 2)),
    ],
)
def test_policy_order(
    primary: Planted, secondary: Planted, attempt: str | None, corner: tuple[int, int] | None, calls: tuple[int, int]
) -> None:
    detection = FacePolicy(primary, secondary).detect(np.zeros((80, 100, 3), np.uint8))
    assert detection.attempt == attempt
    assert (primary.calls, secondary.calls) == calls, "attempts after the first success are not made"
    if corner is None:
        assert detection.faces == ()
        return
    (found,) = detection.faces
    np.testing.assert_array_equal(found.box, [*corner, corner[0] + 20, corner[1] + 20])
    np.testing.assert_allclose(found.keypoints - found.box[:2], ARCFACE_TEMPLATE / 112 * 20, atol=1e-5)
    assert detection.margin == ((25, 20) if "margin" in attempt else (0, 0))
    # In the padded image the face lies where the detector saw it.
    np.testing.assert_array_equal(found.shifted(*detection.margin).box[:2], [50, 40])


def test_policy_of_consisid_has_two_attempts() -> None:
    policy = FacePolicy(Planted())
    assert policy.attempts == ("as_is", "margin")
    assert policy.detect(np.zeros((80, 100, 3), np.uint8)).attempt is None
    assert FacePolicy(Planted(), Planted()).attempts == ("as_is", "margin", "second", "second_margin")
    with pytest.raises(ValueError, match="positive"):
        FacePolicy(Planted(), margin=0)


def test_margin_is_grey_and_truncated() -> None:
    padded, offset = add_margin(np.full((10, 7, 3), 200, np.uint8), 0.25)
    assert offset == (1, 2)  # int(7 * .25), int(10 * .25)
    assert padded.shape == (14, 9, 3)
    assert np.all(padded[2:12, 1:8] == 200)
    padded[2:12, 1:8] = 128
    assert np.all(padded == 128)


def test_largest_face() -> None:
    small, large, better = face(0, 0, 10, 0.99), face(5, 5, 30, 0.6), face(60, 5, 30, 0.7)
    assert largest([small, large]) is large
    assert largest([large, better]) is largest([better, large]) is better  # equal areas: the score decides
    left, right = face(0, 0, 10), face(20, 0, 10)
    assert largest([right, left]) is largest([left, right]) is left
    assert largest([]) is None
    inverted = Face(np.array([10, 10, 0, 0], np.float32), 0.9, small.keypoints)
    assert inverted.area == 0.0
    with pytest.raises(ValueError, match="keypoints"):
        Face(small.box, 0.9, small.keypoints[:4])


# --- alignment ---


def test_transform_by_hand() -> None:
    # (0, 0) -> (10, 20) and (4, 0) -> (10, 28): twice as large, turned by 90 degrees: x' = 10 - 2y, y' = 20 + 2x.
    matrix = similarity_transform([[0, 0], [4, 0]], [[10, 20], [10, 28]])
    np.testing.assert_allclose(matrix, [[0, -2, 10], [2, 0, 20]], atol=1e-12)


def test_transform_recovers_a_planted_one_and_never_mirrors() -> None:
    rng = np.random.default_rng(3)
    points, angle = rng.normal(size=(5, 2)) * 40, 0.7
    planted = 1.7 * np.array([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0]])
    planted[:, 2] = 12, -5
    moved = points @ planted[:, :2].T + planted[:, 2]
    np.testing.assert_allclose(similarity_transform(points, moved), planted, atol=1e-10)
    mirrored = similarity_transform(points, moved * [-1, 1])
    assert np.linalg.det(mirrored[:, :2]) > 0


def test_transform_minimises_the_squared_distance() -> None:
    rng = np.random.default_rng(4)
    points = ARCFACE_TEMPLATE * 1.3 + rng.normal(size=(5, 2)) * 3

    def cost(matrix: NDArray[np.float64]) -> float:
        return float(((points @ matrix[:, :2].T + matrix[:, 2] - ARCFACE_TEMPLATE) ** 2).sum())

    best = similarity_transform(points, ARCFACE_TEMPLATE)
    for _ in range(50):
        a, b, x, y = rng.normal(size=4) * 1e-3
        assert cost(best + np.array([[a, -b, x], [b, a, y]])) > cost(best)


@pytest.mark.parametrize(
    ("points", "template"),
    [
        (np.full((5, 2), 0.1), ARCFACE_TEMPLATE),  # 0.1 has no exact mean in binary
        (ARCFACE_TEMPLATE, np.full((5, 2), 7.3)),
        (np.where(np.eye(5, 2) > 0, np.nan, ARCFACE_TEMPLATE), ARCFACE_TEMPLATE),
        ([[0, 0], [1, 0], [1, 1], [0, 1]], [[0, 0], [-1, 0], [-1, 1], [0, 1]]),  # a mirrored square: best scale is 0
    ],
)
def test_degenerate_points_have_no_transform(points: object, template: object) -> None:
    assert similarity_transform(points, template) is None


def test_crop_of_points_without_transform() -> None:
    image = np.zeros((50, 50, 3), np.uint8)
    assert norm_crop(image, np.full((5, 2), 20.0)) is None
    with pytest.raises(ValueError, match="multiple of 112"):
        norm_crop(image, ARCFACE_TEMPLATE, size=100)
    with pytest.raises(ValueError, match="K, 2"):
        norm_crop(image, ARCFACE_TEMPLATE[:4])


def test_crop_of_a_face_on_the_template_is_the_image() -> None:
    image = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    np.testing.assert_array_equal(norm_crop(image, ARCFACE_TEMPLATE), image)
    # Shifted by whole pixels, the crop is a shift, black where the image ends.
    shifted = norm_crop(image, ARCFACE_TEMPLATE + np.array([10, -3]))
    np.testing.assert_array_equal(shifted[3:, :102], image[:-3, 10:])
    assert not shifted[:3].any()
    assert not shifted[:, 102:].any()


def test_crop_at_224_doubles_the_template() -> None:
    image = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    np.testing.assert_array_equal(norm_crop(image, ARCFACE_TEMPLATE * 2, size=224), image)


# --- embedding ---


@pytest.mark.parametrize("batch", ["n", 1, 4])
def test_embedding_sees_rgb_normalised(batch: int | str) -> None:
    embedder = ArcFace(mean_colour_network(batch))
    colours = np.random.default_rng(1).integers(0, 256, (21, 3), dtype=np.uint8)
    crops = np.broadcast_to(colours[:, None, None], (21, 112, 112, 3))
    embeddings = embedder.embed(crops)
    assert embeddings.shape == (21, 3)
    assert embeddings.dtype == np.float32
    # A mean of 12544 float32 values: the sum is good to 1e-4.
    np.testing.assert_allclose(embeddings, (colours - 127.5) / 127.5, atol=2e-4)
    assert embedder.embed(crops[:0]).shape == (0, 3)
    raw = ArcFace(mean_colour_network(batch), mean=0.0, std=1.0).embed(crops)
    np.testing.assert_allclose(raw, colours, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("crops", [np.zeros((2, 96, 112, 3), np.uint8), np.zeros((1, 112, 112, 3), np.float32)])
def test_embedding_refuses_other_crops(crops: NDArray[np.generic]) -> None:
    with pytest.raises(ValueError, match="crops are uint8"):
        ArcFace(mean_colour_network()).embed(crops)


def test_cosine() -> None:
    assert cosine([3, 0], [0, 2]) == 0.0
    assert cosine([1, 1], [2, 2]) == pytest.approx(1.0, abs=1e-15)
    assert cosine([1, 1], [2, 2]) <= 1.0
    assert cosine([1, 0], [-5, 0]) == -1.0
    # (3, 4) . (4, 3) = 24, lengths 5 and 5.
    np.testing.assert_allclose(cosine(np.array([[3, 4], [4, 3]], np.float32), [4, 3]), [0.96, 1.0], rtol=1e-12)
    for wrong in ([0, 0], [math.nan, 1]):
        with pytest.raises(ValueError, match="no cosine"):
            cosine([1, 0], wrong)
    with pytest.raises(ValueError, match="dimensions"):
        cosine([1, 0], [1, 0, 0])


# --- real faces ---


@pytest.fixture(scope="module")
def networks(shared: Path) -> SimpleNamespace:
    weights = shared / "weights"
    scrfd, yunet = Scrfd(weights / "scrfd_500m_kps.onnx"), YuNet(weights / "yunet_n_640_640.onnx")
    return SimpleNamespace(
        scrfd=scrfd,
        yunet=yunet,
        policy=FacePolicy(scrfd, yunet),
        arcface=ArcFace(weights / "face_embedder_mobilefacenet.onnx"),
    )


@pytest.fixture(scope="module")
def references(shared: Path) -> dict[str, NDArray[np.uint8]]:
    return {path.stem: read(path) for path in sorted((shared / "data/talking-heads/testset/images").glob("*.png"))}


@pytest.mark.shared
def test_policy_finds_every_reference_face(networks: SimpleNamespace, references: dict[str, NDArray[np.uint8]]) -> None:
    attempts = {name: networks.policy.detect(image).attempt for name, image in references.items()}
    assert len(attempts) == 20
    # The three faces fill the frame, and the model's canvas is fixed at 640.
    assert {name: how for name, how in attempts.items() if how != "as_is"} == dict.fromkeys(
        ("s06", "s09", "s11"), "margin"
    )
    assert all(len(networks.policy.detect(image).faces) == 1 for image in references.values())


@pytest.mark.shared
def test_faces_lie_in_the_image_whichever_attempt_found_them(
    networks: SimpleNamespace, references: dict[str, NDArray[np.uint8]]
) -> None:
    """Shifted back: SCRFD with a margin and YuNet without one agree about the keypoints of s06, s09, s11."""
    for name in ("s06", "s09", "s11"):
        ours = largest(networks.policy.detect(references[name]).faces)
        other = largest(networks.yunet.detect(references[name]))
        assert np.abs(ours.keypoints - other.keypoints).max() < 0.12 * (ours.box[2] - ours.box[0])


@pytest.mark.shared
def test_yunet_keypoints_have_the_order_of_scrfd(
    networks: SimpleNamespace, references: dict[str, NDArray[np.uint8]]
) -> None:
    errors = []
    for image in references.values():
        (found,) = networks.yunet.detect(image)
        left_eye, right_eye, nose, left_mouth, right_mouth = found.keypoints
        assert left_eye[0] < right_eye[0]
        assert left_mouth[0] < right_mouth[0]
        assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])
        for other in networks.scrfd.detect(image):
            errors.append(np.abs(found.keypoints - other.keypoints) / (other.box[2] - other.box[0]))
    assert len(errors) == 17
    # Two networks, two annotations: 2.3 % of the face's width on average, 8 % at worst, where swapped eyes are 45 %.
    assert np.mean(errors) < 0.04
    assert np.max(errors) < 0.12


@pytest.mark.shared
def test_yunet_on_a_large_image(networks: SimpleNamespace, references: dict[str, NDArray[np.uint8]]) -> None:
    """Shrinking to 640 pixels changes where YuNet looks, not the coordinates it answers in."""
    (small,) = networks.yunet.detect(references["s01"])
    enlarged = cv2.resize(references["s01"], (1536, 1024), interpolation=cv2.INTER_CUBIC)  # 6 x in x, 4 x in y
    (large,) = networks.yunet.detect(enlarged)
    width = small.box[2] - small.box[0]
    assert np.abs(large.keypoints / (6, 4) - small.keypoints).max() < 0.06 * width
    assert np.abs(large.box / (6, 4, 6, 4) - small.box).max() < 0.15 * width


@pytest.mark.shared
def test_portraits_of_one_person_are_nearer_than_of_two(networks: SimpleNamespace, shared: Path) -> None:
    paths = sorted((shared / "data/portraits").glob("*.png"))
    crops = []
    for path in paths:
        image = read(path)
        crops.append(norm_crop(image, largest(networks.policy.detect(image).faces).keypoints))
    embeddings = networks.arcface.embed(np.stack(crops))
    person = np.array([path.stem[:3] for path in paths])
    first, second = np.triu_indices(len(paths), 1)
    similarity, same = cosine(embeddings[first], embeddings[second]), person[first] == person[second]
    assert (len(paths), same.sum()) == (32, 48)
    area_under_curve = (similarity[same][:, None] > similarity[~same]).mean()
    # Measured: AUC 1.0; one person 0.39..0.9 (mean 0.67), two people up to 0.31 (mean 0.01).
    assert area_under_curve > 0.998
    assert similarity[same].mean() > 0.6
    assert abs(similarity[~same].mean()) < 0.1
    assert similarity[same].min() > similarity[~same].max()


@pytest.mark.shared
def test_embeddings_do_not_depend_on_the_batch(networks: SimpleNamespace) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (18, 112, 112, 3), dtype=np.uint8)
    together = networks.arcface.embed(crops)
    alone = np.concatenate([networks.arcface.embed(crops[[index]]) for index in range(18)])
    assert together.shape == (18, networks.arcface.dimension) == (18, 256)
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(networks.arcface.embed(crops[::-1])[::-1], together, atol=1e-5)


@pytest.mark.shared
def test_other_networks_are_no_face_networks(shared: Path) -> None:
    weights = shared / "weights"
    with pytest.raises(WeightsError, match=r"is not an SCRFD face detector with keypoints\. Found 12 outputs"):
        Scrfd(weights / "yunet_n_640_640.onnx")
    with pytest.raises(WeightsError, match=r"not a face embedder\. Found 2 outputs"):
        ArcFace(weights / "landmarks106_pfld_lite.onnx")
    with pytest.raises(WeightsError, match=r"silero.* is not a face embedder\. Found 3 inputs"):
        ArcFace(weights / "silero_vad_16k_op15.onnx")
