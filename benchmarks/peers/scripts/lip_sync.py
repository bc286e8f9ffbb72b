"""LSE-C and LSE-D by syncnet-python's pipeline: S3FD, tracks, crops and SyncNet of each video.

python lip_sync.py JOB.json RESULT.json
"""

import contextlib
import json
import os
import sys
from pathlib import Path

import numpy as np
from syncnet_python import SyncNetPipeline


def main() -> None:
    """Read the job, run it, write the numbers."""
    job = json.loads(Path(sys.argv[1]).read_text())
    weights = {"s3fd_weights": job["weights"]["sync_detector"], "syncnet_weights": job["weights"]["syncnet"]}
    confidences, distances, items = [], [], 0
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        pipeline = SyncNetPipeline(weights, device="cpu")
        for clip in job["clips"]:
            *_, confidence, distance, boxes, _ = pipeline.inference(video_path=clip["generated"])
            items += len({face["frame"] for face in json.loads(boxes or "[]")})
            confidences.append(confidence)
            distances.append(distance)
    values = {"sync.mocha.conf": float(np.mean(confidences)), "sync.mocha.dist": float(np.mean(distances))}
    Path(sys.argv[2]).write_text(json.dumps({"values": values, "items": items}))


if __name__ == "__main__":
    main()
