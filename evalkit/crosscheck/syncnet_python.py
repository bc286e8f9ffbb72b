"""Run syncnet-python on one video; started by `evalkit.crosscheck.compare` with the interpreter of the oracles.

    python syncnet_python.py JOB.json RESULT.json

JOB: ``video``, ``audio`` (or null: the video's own), ``detector`` and ``network`` (weights files), ``folder`` for its
files. RESULT: ``offsets``, ``confidences`` and ``distances`` of the tracks, ``confidence`` and ``distance`` of the
video, ``has_face``, ``versions`` of the packages. Imports nothing of evalkit, which that environment doesn't have.
"""

from __future__ import annotations

import importlib
import json
import sys
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("syncnet-python", "scenedetect", "torch")


def main(job_file: str, result_file: str) -> None:
    """Do the job."""
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    importlib.import_module("torch").set_num_threads(1)
    package = importlib.import_module("syncnet_python")
    pipeline = package.SyncNetPipeline(
        {"s3fd_weights": job["detector"], "syncnet_weights": job["network"]}, device="cpu"
    )
    offsets, confidences, distances, confidence, distance, _, has_face = pipeline.inference(
        job["video"], job["audio"], cache_dir=job["folder"]
    )
    result = {
        "offsets": [int(value) for value in offsets],
        "confidences": [float(value) for value in confidences],
        "distances": [float(value) for value in distances],
        "confidence": float(confidence),
        "distance": float(distance),
        "has_face": bool(has_face),
        "versions": {name: version(name) for name in PACKAGES},
    }
    Path(result_file).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
