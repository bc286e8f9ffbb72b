"""Networks behind one call: OpenVINO gives PyTorch's numbers; the rule that chooses, and where the choice is named."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import i3d_checkpoint
import inception_checkpoint
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sync_networks import beeps, manifest, planted_s3fd, random_s3fd, random_syncnet, write_wav

from evalkit import api
from evalkit.errors import InputError, MachineError, UsageError
from evalkit.media.encode import write_video
from evalkit.metrics.embeddings import clips, inception
from evalkit.metrics.features import runner
from evalkit.metrics.features.base import FeatureRecord, WeightFile
from evalkit.metrics.features.runner import OPENVINO, PYTORCH, runner_of, runners_used, with_runners
from evalkit.metrics.networks.fid_inception import FidInception
from evalkit.metrics.networks.i3d_clips import StateDictI3D
from evalkit.metrics.networks.runners import TorchRunner
from evalkit.metrics.sync.s3fd import S3fd, map_sizes
from evalkit.scoring.cache import feature_key
from evalkit.scoring.packs.use import feature_entry

needs_openvino = pytest.mark.skipif(runner.openvino_version() is None, reason="no OpenVINO; install the extra 'fast'")


def away(found: NDArray, wanted: NDArray) -> float:
    """The largest difference, as a share of the largest value."""
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype == np.float32
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


def pictures(count: int, side: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


@needs_openvino
def test_inception_by_openvino(tmp_path: Path) -> None:
    """The same to 1e-5, also where frames share a batch with others."""
    path = inception_checkpoint.write_checkpoint(tmp_path / "inception.pth", inception_checkpoint.random_inception())
    plain, fast = FidInception(path), FidInception(path, runner=OPENVINO)
    assert (plain._runner.backend, fast._runner.backend) == (PYTORCH, OPENVINO)
    frames = [plain.prepare(picture) for picture in pictures(3, 128)]
    wanted, found = plain.embed(frames), fast.embed(frames)
    assert 0 < away(found, wanted) < 1e-5  # two libraries: the last digits differ
    assert away(fast.embed(frames[:1]), found[:1]) < 1e-6
    kept = found.copy()
    fast.embed(frames[::-1])
    np.testing.assert_array_equal(found, kept)  # and a later run doesn't write over an earlier result


@needs_openvino
@pytest.mark.parametrize("frames", [16, 11])
def test_i3d_by_openvino(tmp_path: Path, frames: int) -> None:
    path = i3d_checkpoint.write_checkpoint(tmp_path / "i3d.pt", i3d_checkpoint.random_i3d())
    plain, fast = StateDictI3D(path), StateDictI3D(path, runner=OPENVINO)
    clip = [plain.prepare(picture) for picture in pictures(frames, 224)]
    assert 0 < away(fast.embed(clip), plain.embed(clip)) < 1e-5
    with pytest.raises(ValueError, match=r"takes -1\.\.1"):
        fast.embed([2 * frame for frame in clip])


@needs_openvino
def test_s3fd_by_openvino(tmp_path: Path) -> None:
    """Frames of every size; anchors are those of the network's own maps."""
    path = random_s3fd(tmp_path / "s3fd.pth")
    plain, fast = S3fd(path), S3fd(path, runner=OPENVINO)
    for count, height, width in ((3, 64, 64), (1, 28, 31), (2, 77, 101)):
        smalls = np.random.default_rng(1).integers(0, 256, (count, height, width, 3), dtype=np.uint8)
        (offsets, scores, maps), (ours, ours_scores, ours_maps) = plain.raw(smalls), fast.raw(smalls)
        assert away(ours, offsets) < 1e-5
        assert np.abs(ours_scores - scores).max() < 1e-5
        assert ours_maps == maps


@pytest.mark.parametrize(("height", "width"), [(28, 28), (29, 35), (64, 64), (77, 101), (135, 240)])
def test_the_detector_s_maps_have_an_anchor_for_each_offset(tmp_path: Path, height: int, width: int) -> None:
    network = S3fd(planted_s3fd(tmp_path / "s3fd.pth"))
    seen: list[tuple[int, int]] = []
    for head in network._runner._network._network["loc"]:
        head.register_forward_hook(lambda module, given, made: seen.append((made.shape[2], made.shape[3])))
    offsets, _, maps = network.raw(np.zeros((1, height, width, 3), dtype=np.uint8))
    assert maps == map_sizes(height, width) == seen
    assert offsets.shape[1] == sum(rows * columns for rows, columns in seen)


def file(role: str, **options: object) -> WeightFile:
    return WeightFile(role, Path("x.pth"), "0" * 64, options)


def chosen(role: str, device: str = "cpu", **options: object) -> str:
    (made,) = with_runners({role: file(role, **options)}, device).values()
    return runner_of(made.options)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "openvino_version", lambda: "2026.4.1")
    monkeypatch.delenv(runner.VARIABLE, raising=False)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("role", "options", "expected"),
    [
        ("inception", {}, OPENVINO),
        ("inception", {"precision": "float32"}, OPENVINO),
        ("inception", {"precision": "bfloat16"}, PYTORCH),
        ("inception", {"format": "bundled"}, PYTORCH),
        ("i3d", {"format": "state_dict"}, OPENVINO),
        ("i3d", {"format": "torchscript"}, PYTORCH),
        ("i3d", {}, PYTORCH),  # whose default is the program
        ("inception_clean", {}, PYTORCH),
        ("sync_detector", {}, OPENVINO),
        ("syncnet", {}, PYTORCH),
    ],
)
def test_the_rule(role: str, options: dict[str, object], expected: str) -> None:
    assert chosen(role, **options) == expected
    assert chosen(role, "cuda", **options) == PYTORCH


@pytest.mark.usefixtures("installed")
def test_the_variable_switches_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(runner.VARIABLE, "pytorch")
    assert chosen("inception") == PYTORCH
    monkeypatch.setenv(runner.VARIABLE, "fastest\x1b")
    with pytest.raises(UsageError) as error:
        chosen("inception")
    assert "expected auto or pytorch" in str(error.value)
    assert "\x1b" not in str(error.value)


@pytest.mark.parametrize("version", ["2024.6.0", "2028.0.0", "nightly"])
def test_a_release_that_was_not_tested_is_left_alone(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(runner, "version", lambda name: version)
    assert runner.openvino_version() is None
    assert chosen("inception") == PYTORCH


def test_a_machine_without_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker on another machine is told to use what only the first has."""
    monkeypatch.setattr(runner, "openvino_version", lambda: None)
    for opener, role, options in (
        (inception.open_network, "inception", {}),
        (clips.open_network, "i3d", {"format": "state_dict"}),
    ):
        with pytest.raises(MachineError, match="not installed here"):
            opener(file(role, runner=OPENVINO, **options), "cpu")
    with pytest.raises(InputError, match="unknown library"):
        runner_of({"runner": "tensorrt"})


@pytest.mark.usefixtures("installed")
def test_results_of_two_libraries_have_two_keys() -> None:
    weights = {"inception": file("inception"), "syncnet": file("syncnet")}
    fast = with_runners(weights, "cpu")
    assert runners_used(fast) == {"inception": "openvino 2026.4.1"}
    assert runners_used(weights) == {"inception": PYTORCH}
    assert fast["syncnet"] is weights["syncnet"]
    record = FeatureRecord("made-up", 1, "made up")
    assert feature_key(record, weights, {}, {}) != feature_key(record, fast, {}, {})
    # A pack of reference features serves both.
    record = replace(record, weights=("inception",))
    assert feature_entry(record, weights) == feature_entry(record, fast)


@needs_openvino
def test_openvino_is_imported_without_its_usage_reports(tmp_path: Path) -> None:
    """They would start a process, open a connection and write an identifier into the user's folder."""
    code = (
        "import sys; from evalkit.metrics.networks.runners import _openvino; _openvino();"
        "print([name for name, module in sys.modules.items() if name.startswith('openvino_telemetry') and module])"
    )
    environment = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
    assert list(tmp_path.iterdir()) == []


@needs_openvino
def test_a_confined_run_names_the_library_and_scores_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through workers in the full sandbox, once by each library."""
    (tmp_path / "videos").mkdir()
    coarse = np.random.default_rng(2).integers(0, 256, (8, 8, 3)) // 2 + np.arange(60)[:, None, None, None]  # no cuts
    frames = (np.kron(picture, np.ones((24, 24, 1))).astype(np.uint8) for picture in coarse)
    sound = beeps(60).astype(np.float32) / 32768
    write_video(tmp_path / "videos" / "a.mp4", frames, 25.0, audio=sound, audio_rate=16000)
    write_wav(tmp_path / "a.wav", beeps(60))
    (tmp_path / "samples.jsonl").write_text(json.dumps({"id": "a", "audio": "a.wav"}))
    planted_s3fd(tmp_path / "sfd_face.pth")
    random_syncnet(tmp_path / "syncnet_v2.model")
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(tmp_path))

    def score(asked: str) -> tuple[dict[str, str], float | None]:
        monkeypatch.setenv(runner.VARIABLE, asked)
        card = api.score(
            tmp_path / "videos",
            "talking-head",
            tmp_path,
            metrics=["sync.latentsync.dist"],
            backbones=manifest(tmp_path),
            cache=tmp_path / "cache",
            workers=1,
            sandbox="full",
        )
        return card.provenance["runners"], card.metrics["sync.latentsync.dist"].value

    (by_default, fast), (without, plain) = score("auto"), score("pytorch")
    assert by_default == {"sync_detector": f"openvino {runner.openvino_version()}"}
    assert without == {"sync_detector": PYTORCH}
    assert plain is not None
    assert fast == pytest.approx(plain, rel=1e-5)


def test_what_pytorch_returns_is_float32_and_lies_on_the_processor() -> None:
    run = TorchRunner(lambda x: (x.double(), x[:1].half()), torch.device("cpu"))
    first, second = run(np.arange(6, dtype=np.float32).reshape(3, 2))
    assert (first.dtype, second.dtype) == (np.float32, np.float32)
    assert first.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert second.tolist() == [[0, 1]]


class Roomy:
    """A network on a card with room for a number of items: raises as PyTorch does for more."""

    def __init__(self, room: int) -> None:
        self.room, self.batches = room, list[int]()

    def __call__(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.batches.append(len(batch))
        if len(batch) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return batch * 2, batch[:, 0]


@pytest.mark.parametrize(
    ("room", "batches", "then"),
    [(16, [16], [5]), (9, [16, 8, 8], [5]), (3, [16, 8, 4, 2, 2, 2, 2, 2, 2, 2, 2], [2, 2, 1])],
)
def test_a_batch_that_does_not_fit_is_halved(
    room: int, batches: list[int], then: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    """All items come back in order, later batches start with what fitted, and the user is told."""
    network = Roomy(room)
    run = TorchRunner(network, torch.device("cpu"))
    numbers = np.arange(48, dtype=np.float32).reshape(16, 3)
    doubled, first = run(numbers)
    np.testing.assert_array_equal(doubled, 2 * numbers)
    np.testing.assert_array_equal(first, numbers[:, 0])
    assert network.batches == batches
    said = capsys.readouterr().err.splitlines()
    assert len(said) == batches.index(batches[-1])
    if said:
        assert said[-1] == f"Roomy: {2 * batches[-1]} at once don't fit into memory; going on with {batches[-1]}."
    network.batches.clear()
    np.testing.assert_array_equal(run(numbers[:5])[0], 2 * numbers[:5])
    assert network.batches == then


def test_one_item_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        TorchRunner(Roomy(0), torch.device("cpu"))(np.zeros((4, 2), np.float32))
