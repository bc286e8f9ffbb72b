"""Run torchvision's raft_large on a checkpoint in the published names; needs the oracles.

    python raft_torchvision.py CHECKPOINT PICTURES.npz RESULT.npz

CHECKPOINT: a state dict in the names of princeton-vl/RAFT, with "module." before them.
PICTURES: "a0", "b0", "a1", ...: (H, W, 3) uint8 RGB, sides multiples of 8.
RESULT: "0", "1", ...: flow (2, H, W) float32 from a to b after 20 steps.
"""

import sys

import numpy as np
import torch
from torchvision.models.optical_flow import raft_large

PARTS = {
    "conv1.": "convnormrelu1.0.",
    "norm1.": "convnormrelu1.1.",
    "conv2.": "convnormrelu2.0.",
    "norm2.": "convnormrelu2.1.",
}
ENCODERS = {"fnet": "feature_encoder", "cnet": "context_encoder"}
STEM = {"conv1": "convnormrelu.0", "norm1": "convnormrelu.1", "conv2": "conv"}
UPDATE = {
    "encoder.convc1": "motion_encoder.convcorr1.0",
    "encoder.convc2": "motion_encoder.convcorr2.0",
    "encoder.convf1": "motion_encoder.convflow1.0",
    "encoder.convf2": "motion_encoder.convflow2.0",
    "encoder.conv": "motion_encoder.conv.0",
    "flow_head.conv1": "flow_head.conv1",
    "flow_head.conv2": "flow_head.conv2",
}


def torchvision_name(name: str) -> str:
    """Return torchvision's name of a tensor."""
    part, rest = name.removeprefix("module.").split(".", 1)
    if part in ENCODERS:
        inner, kind = rest.rsplit(".", 1)
        if inner in STEM:
            return f"{ENCODERS[part]}.{STEM[inner]}.{kind}"
        layer, number, inner = rest.split(".", 2)
        for old, new in PARTS.items():
            if inner.startswith(old):
                inner = new + inner.removeprefix(old)
                break
        return f"{ENCODERS[part]}.{layer}.{number}.{inner}"
    inner, kind = rest.rsplit(".", 1)
    if inner.startswith("mask."):
        return "mask_predictor." + {"mask.0": "convrelu.0", "mask.2": "conv"}[inner] + f".{kind}"
    if inner.startswith("gru."):
        gate, number = inner[-2], inner[-1]
        return f"update_block.recurrent_block.convgru{number}.conv{gate}.{kind}"
    return f"update_block.{UPDATE[inner]}.{kind}"


if __name__ == "__main__":
    torch.set_num_threads(1)
    state = torch.load(sys.argv[1], weights_only=True)
    model = raft_large(weights=None).eval()
    model.load_state_dict({torchvision_name(name): value for name, value in state.items() if ".norm3." not in name})
    pictures = np.load(sys.argv[2])
    found = {}
    for number in range(len(pictures.files) // 2):
        first, second = (
            2 * (torch.from_numpy(pictures[f"{side}{number}"]).permute(2, 0, 1)[None].float() / 255.0) - 1.0
            for side in "ab"
        )
        with torch.no_grad():
            found[str(number)] = model(first, second, num_flow_updates=20)[-1][0].numpy()
    np.savez(sys.argv[3], **found)
