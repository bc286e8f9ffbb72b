"""Run syncnet-python's own classes, python_speech_features and PySceneDetect; only the oracle environment can.

    python sync_reference.py JOB.json FOLDER RESULT.npz

FOLDER holds, as far as the job wants them (pictures are PNG whatever their name ends in):

JOB "mfcc": [NAME]: NAME.npy (N,) int16                  -> "mfcc/NAME" (T, 13) float64
JOB "syncnet": {"weights": file, "clips": [NAME]}: NAME/000001.jpg ... BGR crops and NAME/audio.wav
                                                         -> "syncnet/NAME/lips", "/sound" (n, 1024), "/numbers" (3,):
                                                            offset, confidence, distance
JOB "s3fd": {"weights": file, "images": [NAME]}: NAME.png -> "s3fd/NAME/offsets" (P, 4), "/scores" (P,), "/faces" (n, 5)
JOB "planted": [NAME]: NAME.npz offsets (P, 4), scores (P,), maps (6, 2), input (2,), frame (2,)
                                                         -> "planted/NAME/faces" (n, 5)
JOB "tracks": {NAME: [[[x1, y1, x2, y2], ...], ...]}     -> "tracks/NAME/I/frame" (N,), "/bbox" (N, 4)
JOB "crops": {NAME: {"frames": folder, "track": [first, [[x1, y1, x2, y2], ...]]}}
                                                         -> "crops/NAME" (N, 224, 224, 3) BGR
JOB "cuts": [folder]                                     -> "cuts/FOLDER" (N,): ContentDetector's score of each picture
"""

import json
import sys
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
import python_speech_features
import torch
from scenedetect.detectors import ContentDetector
from syncnet_python import syncnet_pipeline
from syncnet_python.detectors.s3fd import S3FD
from syncnet_python.detectors.s3fd.box_utils import Detect, PriorBox
from syncnet_python.detectors.s3fd.nets import S3FDNet
from syncnet_python.SyncNetInstance import SyncNetInstance
from syncnet_python.SyncNetModel import S

Result = dict[str, np.ndarray]


def run_mfcc(names: list[str], folder: Path, result: Result) -> None:
    """Coefficients of raw sound."""
    for name in names:
        result[f"mfcc/{name}"] = python_speech_features.mfcc(np.load(folder / f"{name}.npy"), 16000)


def run_syncnet(job: dict, folder: Path, result: Result) -> None:
    """`SyncNetInstance.evaluate` on a folder, with the embeddings that pass through it."""
    model = S().eval()
    model.load_state_dict(torch.load(job["weights"], map_location="cpu"))
    instance = SyncNetInstance(net=model, device="cpu")
    seen: dict[str, list[np.ndarray]] = {}

    def record(name: str, forward):
        def recorded(x: torch.Tensor) -> torch.Tensor:
            output = forward(x)
            seen[name].append(output.numpy().copy())
            return output

        return recorded

    model.forward_lip = record("lips", model.forward_lip)
    model.forward_aud = record("sound", model.forward_aud)
    for name in job["clips"]:
        seen.update(lips=[], sound=[])
        options = mock.Mock(tmp_dir=str(folder / name), batch_size=20, vshift=15)
        with torch.no_grad():
            numbers = instance.evaluate(options)
        result[f"syncnet/{name}/numbers"] = np.array(numbers)
        for kind, parts in seen.items():
            result[f"syncnet/{name}/{kind}"] = np.concatenate(parts)


def run_s3fd(job: dict, folder: Path, result: Result) -> None:
    """`S3FD.detect_faces` on images, with what the network says before boxes are chosen."""
    network = S3FDNet(device="cpu")
    network.load_state_dict(torch.load(job["weights"], map_location="cpu"))
    detector = S3FD(net=network, device="cpu")
    raw: dict[str, np.ndarray] = {}
    choose = network.detect.forward

    def recorded(offsets: torch.Tensor, scores: torch.Tensor, priors: torch.Tensor) -> torch.Tensor:
        raw.update(offsets=offsets[0].numpy().copy(), scores=scores[0, :, 1].numpy().copy())
        return choose(offsets, scores, priors)

    network.detect.forward = recorded
    for name in job["images"]:
        rgb = cv2.cvtColor(cv2.imread(str(folder / f"{name}.png")), cv2.COLOR_BGR2RGB)
        found = detector.detect_faces(rgb, conf_th=0.9, scales=[0.25])
        result[f"s3fd/{name}/faces"] = found
        result[f"s3fd/{name}/offsets"], result[f"s3fd/{name}/scores"] = raw["offsets"], raw["scores"]


class Planted(torch.nn.Module):
    """A network whose raw outputs are given."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        with np.load(path) as arrays:
            self.arrays = dict(arrays)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Choose boxes among the given ones as the real network does."""
        width, height = (int(side) for side in self.arrays["input"])
        assert x.shape[2:] == (height, width)
        maps = [[int(rows), int(columns)] for rows, columns in self.arrays["maps"]]
        scores = torch.from_numpy(self.arrays["scores"])
        both = torch.stack([1 - scores, scores], dim=-1)[None]
        offsets = torch.from_numpy(self.arrays["offsets"])[None]
        return Detect().forward(offsets, both, PriorBox((height, width), maps).forward())


def run_planted(names: list[str], folder: Path, result: Result) -> None:
    """`S3FD.detect_faces` behind given raw outputs."""
    for name in names:
        network = Planted(folder / f"{name}.npz")
        width, height = (int(side) for side in network.arrays["frame"])
        detector = S3FD(net=network, device="cpu")
        image = np.zeros((height, width, 3), np.uint8)
        result[f"planted/{name}/faces"] = detector.detect_faces(image, conf_th=0.9, scales=[0.25])


def pipeline() -> syncnet_pipeline.SyncNetPipeline:
    """A pipeline without networks."""
    made = object.__new__(syncnet_pipeline.SyncNetPipeline)
    made.cfg = syncnet_pipeline.PipelineConfig()
    return made


def run_tracks(job: dict, result: Result) -> None:
    """`SyncNetPipeline._track` on boxes."""
    for name, frames in job.items():
        faces = [[{"frame": number, "bbox": box, "conf": 0.99} for box in boxes] for number, boxes in enumerate(frames)]
        for index, track in enumerate(pipeline()._track(faces)):
            result[f"tracks/{name}/{index}/frame"] = track["frame"]
            result[f"tracks/{name}/{index}/bbox"] = track["bbox"]


class Recorder:
    """Stands for the video writer of the crops."""

    written: list[np.ndarray] = []  # noqa: RUF012

    def __init__(self, *_: object) -> None:
        Recorder.written = []

    def write(self, picture: np.ndarray) -> None:
        """Keep the picture."""
        Recorder.written.append(picture.copy())

    def release(self) -> None:
        """Do nothing."""


def run_crops(job: dict, folder: Path, result: Result) -> None:
    """`SyncNetPipeline._crop`, without the files that it writes."""
    for name, part in job.items():
        first, boxes = part["track"]
        track = {"frame": np.arange(first, first + len(boxes)), "bbox": np.array(boxes)}
        files = [str(path) for path in sorted((folder / part["frames"]).glob("*.jpg"))]
        with (
            mock.patch.object(syncnet_pipeline.cv2, "VideoWriter", Recorder),
            mock.patch.object(syncnet_pipeline.subprocess, "run"),
            mock.patch.object(syncnet_pipeline.os, "remove"),
        ):
            pipeline()._crop(track, files, folder / "none.wav", folder / "crops" / name)
        result[f"crops/{name}"] = np.array(Recorder.written)


def run_cuts(folders: list[str], folder: Path, result: Result) -> None:
    """ContentDetector's score of every picture of a folder, at the size that it is given."""
    for name in folders:
        detector, scores = ContentDetector(), []
        for number, path in enumerate(sorted((folder / name).glob("*.jpg"))):
            scores.append(detector._calculate_frame_score(number, cv2.imread(str(path))))
        result[f"cuts/{name}"] = np.array(scores)


def main() -> None:
    """Read the job, run what it wants, write the arrays."""
    torch.set_num_threads(1)
    job = json.loads(Path(sys.argv[1]).read_text())
    folder, result = Path(sys.argv[2]), {}
    run_mfcc(job["mfcc"], folder, result)
    run_syncnet(job["syncnet"], folder, result)
    run_s3fd(job["s3fd"], folder, result)
    run_planted(job["planted"], folder, result)
    run_tracks(job["tracks"], result)
    run_crops(job["crops"], folder, result)
    run_cuts(job["cuts"], folder, result)
    np.savez(sys.argv[3], **result)


if __name__ == "__main__":
    main()
