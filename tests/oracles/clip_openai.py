"""Run OpenAI's CLIP code (packaged as clip-anytorch) on a checkpoint; needs the oracles.

    python clip_openai.py JOB.json RESULT.npz

JOB: {"checkpoint": path or null, "images": [path, ...], "texts": [text, ...]}. The checkpoint is a TorchScript archive
      in OpenAI's names; images are lossless files of any size.
RESULT: "numbers" (T, 77) and "counts" (T,) of the texts by its tokenizer; with a checkpoint also "pixels" (N, 3, S, S),
      "images" (N, D), "texts" (T, D) and "logits" (N, T), all as its own functions give them on a CPU.

    python clip_openai.py vocabulary

prints where its vocabulary file lies.
"""

import json
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import packaging.version
import torch
from PIL import Image

warnings.simplefilter("ignore")
# It asks an old setuptools for packaging, which it wants for one comparison of versions.
sys.modules["pkg_resources"] = types.SimpleNamespace(packaging=packaging)

import clip  # noqa: E402
from clip.simple_tokenizer import SimpleTokenizer, default_bpe  # noqa: E402


def main() -> None:
    """Read the job, run it, write the arrays."""
    if sys.argv[1] == "vocabulary":
        print(default_bpe())
        return
    torch.set_num_threads(1)
    job = json.loads(Path(sys.argv[1]).read_text())
    tokens = clip.tokenize(job["texts"], truncate=True)
    tokenizer = SimpleTokenizer()
    result = {
        "numbers": tokens.numpy(),
        "counts": np.array([len(tokenizer.encode(text)) + 2 for text in job["texts"]], dtype=np.int64),
    }
    if job["checkpoint"]:
        model, prepare = clip.load(job["checkpoint"], device="cpu", jit=False)
        pixels = torch.stack([prepare(Image.open(path)) for path in job["images"]])
        with torch.no_grad():
            result["pixels"] = pixels.numpy()
            result["images"] = model.encode_image(pixels).numpy()
            result["texts"] = model.encode_text(tokens).numpy()
            result["logits"] = model(pixels, tokens)[0].numpy()
    np.savez(sys.argv[2], **result)


if __name__ == "__main__":
    main()
