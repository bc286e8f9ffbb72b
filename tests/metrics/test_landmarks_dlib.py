"""The feature ``landmarks68`` against dlib's own classes on real frames, and through the confined workers of a run."""

from __future__ import annotations

import importlib.util
import json
import zipfile
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from evalkit.cli import main
from evalkit.errors import WeightsError
from evalkit.media.encode import write_video
from evalkit.metrics.base import FeatureData, VideoInputs, metric_registry
from evalkit.metrics.features.base import FeatureUnavailableError, Item, PairCoverage, WeightFile, feature_registry
from evalkit.metrics.landmarks.features import LandmarksExtractor, VideoLandmarksExtractor
from evalkit.weights.manifest import load_backbones
from evalkit.weights.store import file_sha256

pytestmark = pytest.mark.shared
ENTRY = load_backbones("published").roles["landmarks68"]
Picture = NDArray[np.uint8]


@pytest.fixture(scope="module")
def predictor() -> Path:
    """Return the published shape predictor, which the package face-recognition-models carries."""
    found = importlib.util.find_spec("face_recognition_models")
    if found is None or importlib.util.find_spec("dlib") is None:
        pytest.skip("the packages dlib-bin and face-recognition-models are not installed")
    file = Path(str(found.origin)).parent / "models" / ENTRY.file
    assert file_sha256(file) == ENTRY.sha256
    return file


@pytest.fixture(scope="module")
def extractor(predictor: Path) -> LandmarksExtractor:
    return LandmarksExtractor({"landmarks68": WeightFile("landmarks68", predictor, str(ENTRY.sha256), ENTRY.options)})


def frames_of(path: Path, numbers: range) -> list[Picture]:
    with av.open(str(path)) as container:
        frames = islice(container.decode(video=0), numbers.stop)
        decoded = [frame.to_ndarray(format="rgb24") for frame in frames]
    return [decoded[number] for number in numbers]


@pytest.fixture(scope="module")
def pairs(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Picture, Picture]]:
    """Return frames of a real video beside those of its blurred form, and one pair without a face on one side."""
    folder = tmp_path_factory.mktemp("clips")
    with zipfile.ZipFile(shared / "data/talking-heads/submissions/blurred.zip") as archive:
        blurred = Path(archive.extract("s05.mp4", folder))
    numbers = range(0, 70, 15)
    real = frames_of(shared / "data/talking-heads/testset/videos/s05.mp4", numbers)
    made = [*frames_of(blurred, numbers), np.full_like(real[0], 90)]
    return list(zip(made, [*real, real[0]], strict=True))


def arrays_of(extractor: LandmarksExtractor, pairs: list[tuple[Picture, Picture]]) -> Mapping[str, NDArray[Any]]:
    session = extractor.open(Item("s", Path("v.mp4"), reference_video=Path("r.mp4")), {})
    session.begin(PairCoverage(len(pairs), len(pairs), 0.0))
    for number, (candidate, reference) in enumerate(pairs):
        session.pair(number, candidate, reference)
    return session.finish()


def test_every_point_and_the_distances_equal_dlibs_own_classes(
    extractor: LandmarksExtractor, predictor: Path, pairs: list[tuple[Picture, Picture]]
) -> None:
    """As LMDMeter of ER-NeRF: detector with one doubling, first face, mouth less its mean, mean distance."""
    import dlib

    detector, shapes = dlib.get_frontal_face_detector(), dlib.shape_predictor(str(predictor))

    def landmarks(image: Picture) -> NDArray[np.float64] | None:
        for face in detector(image, 1):
            shape = shapes(image, face)
            return np.array([[shape.part(i).x, shape.part(i).y] for i in range(68)], dtype=np.float64)
        return None

    found = arrays_of(extractor, pairs)
    expected = [(landmarks(candidate), landmarks(reference)) for candidate, reference in pairs]
    assert [a is None for a, _ in expected] == [False] * 5 + [True]
    mouths, faces = [], []
    for row, (a, b) in enumerate(expected):
        assert b is not None
        assert np.array_equal(found["reference"][row], b)
        if a is None:
            assert np.isnan(found["candidate"][row]).all()
            continue
        assert np.array_equal(found["candidate"][row], a)
        for region, rows in ((slice(48, 68), mouths), (slice(68), faces)):
            difference = (a[region] - a[region].mean(0)) - (b[region] - b[region].mean(0))
            rows.append(np.sqrt((difference**2).sum(1)).mean(0))
    assert found["candidate_faces"].tolist() == [1] * 5 + [0]
    content = {"landmarks68": FeatureData(dict(found))}
    metrics = metric_registry()
    for name, rows in (("landmark.er_lmd", mouths), ("landmark.eat_flmd", faces)):
        value = metrics[name].score_video(VideoInputs("s", content)).value
        assert value == pytest.approx(np.mean(rows), abs=1e-9)
        assert value > 0.1
    assert metrics["landmark.m_lmd"].score_video(VideoInputs("s", content)).reason == "landmarks_missing"
    assert metrics["landmark.missed"].score_video(VideoInputs("s", content)).value == 1 / 6


def test_the_video_alone_is_sampled_at_25_frames_a_second(
    extractor: LandmarksExtractor, predictor: Path, pairs: list[tuple[Picture, Picture]]
) -> None:
    """Three frames at 12.5 a second: each counts twice and is searched once; the last has no face."""
    weight = WeightFile("landmarks68", predictor, str(ENTRY.sha256), ENTRY.options)
    session = VideoLandmarksExtractor({"landmarks68": weight}).open(Item("s", Path("v.mp4")), {})
    assert session.plan(np.array([0.0, 0.08, 0.16])).all()
    frames = [pairs[0][1], pairs[3][1], pairs[5][0]]
    for number, rgb in enumerate(frames):
        session.frame(number, number * 0.08, rgb)
    found = session.finish()
    expected = arrays_of(extractor, [(rgb, rgb) for rgb in frames])
    assert found["frame_index"].tolist() == [0, 0, 1, 1, 2, 2]
    assert np.array_equal(found["points"], expected["reference"][[0, 0, 1, 1, 2, 2]], equal_nan=True)
    assert found["faces"].tolist() == [1, 1, 1, 1, 0, 0]
    assert found["frame_size"].tolist() == [256, 256]


def test_a_larger_video_is_brought_to_the_references_size(
    extractor: LandmarksExtractor, pairs: list[tuple[Picture, Picture]]
) -> None:
    import cv2

    _, reference = pairs[0]
    large = np.asarray(cv2.resize(reference, (512, 512), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
    found = arrays_of(extractor, [(large, reference)])
    assert found["scale"].tolist() == [2.0]
    assert np.abs(found["candidate"] - found["reference"]).mean() < 1.0


def test_other_files_are_refused(predictor: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.dat"
    with predictor.open("rb") as stream:
        start = stream.read(5000)
    for content in (b"", start):
        wrong.write_bytes(content)
        with pytest.raises(WeightsError, match="can't be used"):
            LandmarksExtractor({"landmarks68": WeightFile("landmarks68", wrong, "0" * 64, {"family": "dlib"})})
    five = predictor.with_name("shape_predictor_5_face_landmarks.dat")
    with pytest.raises(WeightsError, match="5 points"):
        LandmarksExtractor({"landmarks68": WeightFile("landmarks68", five, "0" * 64, {"family": "dlib"})})
    with pytest.raises(WeightsError, match="family 'other'"):
        LandmarksExtractor({"landmarks68": WeightFile("landmarks68", predictor, "0" * 64, {"family": "other"})})


def test_without_dlib_the_video_is_unscored_with_the_reason(predictor: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "dlib", None)
    without = LandmarksExtractor({"landmarks68": WeightFile("landmarks68", predictor, "0" * 64, ENTRY.options)})
    assert without.record.options.dlib is None
    with pytest.raises(FeatureUnavailableError) as refused:
        without.open(Item("s", Path("v.mp4"), reference_video=Path("r.mp4")), {})
    assert refused.value.reason == "no_dlib"
    assert "dlib-bin" in refused.value.detail
    with pytest.raises(FeatureUnavailableError, match="no_reference_video"):
        without.open(Item("s", Path("v.mp4")), {})


def test_a_run_in_confined_workers(
    shared: Path, predictor: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two samples: the reference's own file, and one that lost the face in one frame of four."""
    speech = np.zeros(2560, np.float32)
    testset = tmp_path / "testset"
    (testset / "videos").mkdir(parents=True)
    real = frames_of(shared / "data/talking-heads/testset/videos/s05.mp4", range(4))
    lines = []
    for sample in ("a", "b"):
        write_video(testset / f"videos/{sample}.mp4", real, 25, speech, crf=12)
        lines.append(json.dumps({"id": sample, "reference_video": f"videos/{sample}.mp4"}))
    (testset / "samples.jsonl").write_text("\n".join(lines) + "\n")
    real[3] = np.full_like(real[3], 90)
    write_video(tmp_path / "b.mp4", real, 25, speech, crf=12)
    with zipfile.ZipFile(tmp_path / "team.zip", "w") as archive:
        archive.write(testset / "videos/a.mp4", "a.mp4")
        archive.write(tmp_path / "b.mp4", "b.mp4")
    roles = {
        "landmarks68": {"file": ENTRY.file, "sha256": ENTRY.sha256, "options": {"family": "dlib"}, "licence": "CC0"}
    }
    backbones = tmp_path / "mine.yaml"
    backbones.write_text(yaml.safe_dump({"name": "mine", "title": "mine", "roles": roles}))
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(predictor.parent))
    words = ["score", tmp_path / "team.zip", "-c", "talking-head", "--testset", testset, "-b", backbones]
    words += ["-m", "landmark.m_lmd,lmd,landmark.missed", "-o", tmp_path / "out", "--quiet", "--sandbox", "full"]
    with pytest.raises(SystemExit):
        main([str(word) for word in words])
    card = json.loads((tmp_path / "out" / "scorecard.json").read_text())
    values = {video["sample"]: video for video in card["videos"]}
    assert values["a"]["values"] == {"landmark.m_lmd": 0.0, "landmark.er_lmd": 0.0, "landmark.missed": 0.0}
    assert values["b"]["reasons"] == {"landmark.m_lmd": "landmarks_missing"}
    assert values["b"]["values"]["landmark.missed"] == 1 / 4
    assert values["b"]["values"]["landmark.er_lmd"] < 1.0
    options = card["features"]["landmarks68"]["options"]
    assert options["upsample"] == 1
    assert options["dlib"] == feature_registry()["landmarks68"].resolved_record().options.dlib
