"""Make a random CLIPModel of transformers, save it in both of its forms and run it; needs the oracles.

    python clip_transformers.py JOB.json RESULT.npz

JOB: {"config": {"text_config": ..., "vision_config": ...}, "folder": path, "vocabulary": path, "images": [path, ...],
      "texts": [text, ...], "seed": n}. The folder gets pytorch_model.bin and model.safetensors.
RESULT: "pixels" (N, 3, S, S) by CLIPImageProcessorPil and "pixels_tensor" by the default CLIPImageProcessor, which
      resizes with torchvision; "ids" (T, L), the tokens by CLIPTokenizer, padded with the end mark, cut at 77;
      "images" (N, D) and "texts" (T, D), normalised; "logits" (N, T).
"""

import gzip
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image

warnings.simplefilter("ignore")

from transformers import (  # noqa: E402
    CLIPConfig,
    CLIPImageProcessor,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPTokenizer,
)


def random_model(config: dict, seed: int) -> CLIPModel:
    """Return a model whose layers neither fade nor burst, and whose cosines are multiplied with 100."""
    model = CLIPModel(CLIPConfig(**config)).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim >= 2 and "position" not in name and "token_embedding" not in name:
                parameter.normal_(0, parameter[0].numel() ** -0.5, generator=generator)
            elif name == "logit_scale":
                parameter.fill_(float(np.log(100)))
            elif "norm" in name and name.endswith("weight"):
                parameter.uniform_(0.5, 1.5, generator=generator)
            else:
                parameter.normal_(0, 0.3, generator=generator)
    return model


def tokenizer(vocabulary: str) -> CLIPTokenizer:
    """Return the tokenizer for OpenAI's list of merges."""
    lines = gzip.decompress(Path(vocabulary).read_bytes()).decode().split("\n")[1 : 49152 - 256 - 2 + 1]
    merges = [tuple(line.split()) for line in lines]
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(byte) for byte in visible] + [chr(256 + n) for n in range(256 - len(visible))]
    words = [*letters, *(letter + "</w>" for letter in letters), *("".join(merge) for merge in merges)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={word: n for n, word in enumerate(words)}, merges=merges)


def main() -> None:
    """Read the job, run it, write the arrays."""
    torch.set_num_threads(1)
    job = json.loads(Path(sys.argv[1]).read_text())
    model = random_model(job["config"], job["seed"])
    folder = Path(job["folder"])
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    model.save_pretrained(folder)
    pictures = [Image.open(path).convert("RGB") for path in job["images"]]
    side = {"size": {"shortest_edge": model.config.vision_config.image_size}}
    side["crop_size"] = dict.fromkeys(("height", "width"), model.config.vision_config.image_size)
    pixels = CLIPImageProcessorPil(**side)(pictures, return_tensors="pt")["pixel_values"]
    other = CLIPImageProcessor(**side)(pictures, return_tensors="pt")["pixel_values"]
    text = tokenizer(job["vocabulary"])(job["texts"], padding=True, truncation=True, max_length=77, return_tensors="pt")
    with torch.no_grad():
        said = model(input_ids=text["input_ids"], attention_mask=text["attention_mask"], pixel_values=pixels)
    np.savez(
        sys.argv[2],
        pixels=pixels.numpy(),
        pixels_tensor=other.numpy(),
        ids=text["input_ids"].numpy(),
        images=said.image_embeds.numpy(),
        texts=said.text_embeds.numpy(),
        logits=said.logits_per_image.numpy(),
    )


if __name__ == "__main__":
    main()
