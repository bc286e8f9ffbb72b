"""The FVD of two folders of videos by cd-fvd: the first 16 frames of each, through its own I3D and distance.

python fvd.py JOB.json RESULT.json
"""

import json
import sys
from pathlib import Path

import cdfvd.fvd
import cv2
import numpy as np


def first_frames(video: str, count: int = 16) -> np.ndarray:
    """Return (count, H, W, 3) RGB."""
    capture, frames = cv2.VideoCapture(video), []
    while len(frames) < count:
        more, bgr = capture.read()
        if not more:
            raise SystemExit(f"{video} has {len(frames)} frames")
        frames.append(bgr[:, :, ::-1])
    return np.stack(frames)


def main() -> None:
    """Read the job, run it, write the number."""
    job = json.loads(Path(sys.argv[1]).read_text())
    evaluator = cdfvd.fvd.cdfvd("i3d", ckpt_path=job["weights"]["i3d_state"], device="cpu", n_fake="full")
    # One video at a time: their sizes differ.
    for clip in job["clips"]:
        evaluator.add_real_stats(first_frames(clip["real"])[None])
        evaluator.add_fake_stats(first_frames(clip["generated"])[None])
    value = evaluator.compute_fvd_from_stats()
    result = {"values": {"fvd.cd_i3d": float(value)}, "items": 2 * len(job["clips"])}
    Path(sys.argv[2]).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
