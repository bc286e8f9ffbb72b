"""ConsisID's CLIPScore with OpenAI's code: 16 frames of each video, as OpenCV gives them, against the prompt.

python clipscore.py JOB.json RESULT.json
"""

import json
import sys
import types
from pathlib import Path

import cv2
import numpy as np
import packaging.version
import torch
from PIL import Image

# The package asks an old setuptools for packaging, which it wants for one comparison of versions.
sys.modules["pkg_resources"] = types.SimpleNamespace(packaging=packaging)

import clip  # noqa: E402


def sampled_frames(video: str, count: int = 16) -> list[np.ndarray]:
    """Return the frames number i * N // count, blue first."""
    capture, frames = cv2.VideoCapture(video), []
    while True:
        more, bgr = capture.read()
        if not more:
            break
        frames.append(bgr)
    return [frames[at * len(frames) // count] for at in range(count)]


def main() -> None:
    """Read the job, run it, write the number."""
    job = json.loads(Path(sys.argv[1]).read_text())
    model, prepare = clip.load(job["weights"]["clip_vit_b32"], device="cpu", jit=False)
    scores = []
    with torch.no_grad():
        for one in job["clips"]:
            pixels = torch.stack([prepare(Image.fromarray(frame)) for frame in sampled_frames(one["generated"])])
            images, text = model.encode_image(pixels), model.encode_text(clip.tokenize([one["text"]], truncate=True))
            cosines = torch.nn.functional.cosine_similarity(images, text)
            scores.append(100 * float(cosines.mean()))
    result = {"values": {"clipscore.logits100": float(np.mean(scores))}, "items": 16 * len(scores)}
    Path(sys.argv[2]).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
