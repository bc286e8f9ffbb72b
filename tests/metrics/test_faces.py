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
from evalkit.metrics.faces.align import ARCFACE_TEMPLATE, norm_crop
from evalkit.metrics.faces.arcface import ArcFace, cosine
from evalkit.metrics.faces.policy import FacePolicy, add_margin, largest
from evalkit.metrics.faces.scrfd import Scrfd
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
