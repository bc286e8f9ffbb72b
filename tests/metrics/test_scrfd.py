"""SCRFD on planted outputs of its network: decoding, letterbox, threshold, suppression, batches."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from evalkit.metrics.faces import scrfd as scrfd_module
from evalkit.metrics.faces.scrfd import Scrfd, suppress

SHAPES = ((1, 4, 10), (8, 16, 32))  # widths of SCRFD's outputs, strides of its levels


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
