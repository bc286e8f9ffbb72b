"""Video files without loss: what is read from them are the frames and the sound that were written."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

CHALLENGE = """\
schema: 1
id: lossless
title: Files without loss
submission:
  layouts: ["{id}.mkv", "{id}.mp4"]
  video:
    containers: [mkv, matroska, mp4, "matroska,webm"]
    codecs: [ffv1, h264]
    pixel_formats: [bgr0, gbrp, rgb24, yuv420p, yuv444p]
    min_fps: 1
    min_frames: 1
  audio: {required: false, codecs: [pcm_s16le, aac], min_sample_rate: 8000}
"""


def write_lossless(
    path: Path, frames: NDArray[np.uint8], fps: int, wave: NDArray[np.int16] | None = None, rate: int = 16_000
) -> Path:
    """Write RGB frames with FFV1, or H.264 in RGB for MP4, and the sound as PCM (not in MP4)."""
    with av.open(str(path), "w") as container:
        if path.suffix == ".mp4":
            video = container.add_stream("libx264rgb", rate=fps, options={"qp": "0", "preset": "ultrafast"})
            video.pix_fmt = "rgb24"
        else:
            video = container.add_stream("ffv1", rate=fps)
            video.pix_fmt = "bgr0"
        video.height, video.width = frames.shape[1:3]
        sound = None
        if wave is not None:
            sound = container.add_stream("pcm_s16le", rate=rate, layout="mono")
        for picture in frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode(None))
        if sound is not None and wave is not None:
            block = av.AudioFrame.from_ndarray(wave[None], format="s16", layout="mono")
            block.sample_rate = rate
            container.mux(sound.encode(block))
            container.mux(sound.encode(None))
    return path
