"""Run transformers' ViT on a checkpoint of DINO, and torchvision's resize as VBench calls it; needs the oracles.

    python dino_transformers.py JOB.json RESULT.npz

JOB: {"checkpoint": path in the published names, "images": [path, ...], "square": [path, ...]}.
RESULT: "dino_N" (3, h, w) and "clip_N" (3, 224, 224), image N after VBench's two transforms; "vectors" (S, D) of the
      square images by ViTModel, whose positions need no interpolation there.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Lambda, Normalize, Resize
from transformers import ViTConfig, ViTModel

DINO = Compose(
    [
        Resize(224, antialias=False),
        Lambda(lambda x: x.float().div(255.0)),
        Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ]
)
CLIP = Compose(
    [
        Resize(224, interpolation=InterpolationMode.BICUBIC, antialias=False),
        CenterCrop(224),
        Lambda(lambda x: x.float().div(255.0)),
        Normalize((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    ]
)
PARTS = {
    "norm1": "layernorm_before",
    "norm2": "layernorm_after",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
    "attn.proj": "attention.o_proj",
}


def transformers_names(state: dict) -> dict:
    """Return the tensors in the names of transformers' ViTModel."""
    renamed = {
        "embeddings.cls_token": state["cls_token"],
        "embeddings.position_embeddings": state["pos_embed"],
        "embeddings.patch_embeddings.projection.weight": state["patch_embed.proj.weight"],
        "embeddings.patch_embeddings.projection.bias": state["patch_embed.proj.bias"],
        "layernorm.weight": state["norm.weight"],
        "layernorm.bias": state["norm.bias"],
    }
    for name, tensor in state.items():
        if not name.startswith("blocks."):
            continue
        _, number, rest = name.split(".", 2)
        part, kind = rest.rsplit(".", 1)
        layer = f"layers.{number}."
        if part == "attn.qkv":
            for word, third in zip("qkv", tensor.chunk(3), strict=True):
                renamed[f"{layer}attention.{word}_proj.{kind}"] = third
        else:
            renamed[f"{layer}{PARTS[part]}.{kind}"] = tensor
    return renamed


def frames(path: str) -> torch.Tensor:
    """Return an image as VBench reads frames: (1, 3, H, W) float32 in 0..255."""
    return torch.Tensor(np.array(Image.open(path).convert("RGB"))[None]).permute(0, 3, 1, 2)


def main() -> None:
    """Read the job, run it, write the arrays."""
    torch.set_num_threads(1)
    job = json.loads(Path(sys.argv[1]).read_text())
    state = torch.load(job["checkpoint"], map_location="cpu", weights_only=True)
    width = state["norm.weight"].shape[0]
    layers = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("blocks."))
    config = ViTConfig(
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        intermediate_size=4 * width,
        hidden_act="gelu",
        layer_norm_eps=1e-6,
        qkv_bias=True,
        image_size=224,
        patch_size=16,
    )
    model = ViTModel(config, add_pooling_layer=False).eval()
    missing, unknown = model.load_state_dict(transformers_names(state), strict=False)
    assert not missing and not unknown, (missing, unknown)
    result = {}
    for number, path in enumerate(job["images"]):
        result[f"dino_{number}"] = DINO(frames(path))[0].numpy()
        result[f"clip_{number}"] = CLIP(frames(path))[0].numpy()
    with torch.no_grad():
        vectors = [model(DINO(frames(path))).last_hidden_state[0, 0].numpy() for path in job["square"]]
    np.savez(sys.argv[2], vectors=np.stack(vectors), **result)


if __name__ == "__main__":
    main()
