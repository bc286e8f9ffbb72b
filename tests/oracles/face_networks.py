"""Run the IR-101 that CurricularFace was published with, and torchvision's ImageNet Inception; needs the oracles.

    python face_networks.py JOB.json RESULT.npz

JOB: {"ir101": path, "inception": path, "crops": path}. The first two are state dicts under the published names. "crops"
      is an .npy of (N, 224, 224, 3) uint8 RGB.
RESULT: "curricular" (N, 512) by modelscope's copy of TFace's model_irse.py, normalised as its pipeline does;
      "face_fid" (N, 2048) by torchvision's inception_v3 with ``fc = Identity`` and its own input transform, from PIL
      pictures through torchvision's transforms; "face_fid_plain" (1, 2048), the first without the input transform;
      "frechet" (N,), ConsisID's distance of each crop from the first, over every 16th activation: each crop's vector is
      repeated twice, and the Fréchet distance of the two pairs is computed with scipy's sqrtm.
"""

import importlib.util
import json
import sys
import warnings
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

warnings.simplefilter("ignore")

from scipy import linalg  # noqa: E402
from torchvision import transforms  # noqa: E402
from torchvision.models import inception_v3  # noqa: E402


def backbone() -> type[torch.nn.Module]:
    """Return modelscope's IR_101, loaded by path: importing the package would import everything it can do."""
    root = Path(next(iter(importlib.util.find_spec("modelscope").submodule_search_locations)))
    folder = root / "models/cv/face_recognition/torchkit/backbone"
    package = importlib.util.module_from_spec(
        importlib.util.spec_from_loader("irse", loader=None, is_package=True),
    )
    package.__path__ = [str(folder)]
    sys.modules["irse"] = package
    return importlib.import_module("irse.model_irse").IR_101


def curricular(path: str, crops: np.ndarray) -> np.ndarray:
    """CurricularFace's steps (docs/definitions/identity.md#embeddings), one crop at a time."""
    network = backbone()((112, 112))
    network.load_state_dict(torch.load(path, weights_only=True))
    network.eval()
    rows = []
    for crop in crops:
        small = cv2.resize(crop, (112, 112))
        pixels = ((np.transpose(small, (2, 0, 1)) / 255.0 - 0.5) / 0.5).astype(np.float32)
        with torch.no_grad():
            row = network(torch.from_numpy(pixels)[None]).numpy()[0]
        rows.append(row / np.sqrt(np.sum(row**2)))
    return np.array(rows)


def face_fid(path: str, crops: np.ndarray, *, transform_input: bool) -> np.ndarray:
    """Steps of docs/definitions/face-fid.md."""
    network = inception_v3(weights=None, init_weights=False, aux_logits=True, transform_input=transform_input)
    network.load_state_dict(torch.load(path, weights_only=True))
    network.fc = torch.nn.Identity()
    network.eval()
    prepare = transforms.Compose([transforms.Resize((299, 299)), transforms.ToTensor()])
    with torch.no_grad():
        return np.array([network(prepare(Image.fromarray(crop))[None]).numpy()[0] for crop in crops])


def frechet(activations: np.ndarray) -> np.ndarray:
    """The distance of each row from the first, by the general formula on rows that are repeated."""
    values = []
    for row in activations:
        sides = [np.repeat(one[None], 2, axis=0) for one in (activations[0], row)]
        (mean, cov), (mean2, cov2) = ((side.mean(axis=0), np.cov(side, rowvar=False)) for side in sides)
        root = linalg.sqrtm(cov @ cov2)
        values.append(np.square(mean - mean2).sum() + np.trace(cov + cov2 - 2 * root))
    return np.real(np.array(values))


def main() -> None:
    """Read the job, run it, write the arrays."""
    torch.set_num_threads(1)
    job = json.loads(Path(sys.argv[1]).read_text())
    crops = np.load(job["crops"])
    activations = face_fid(job["inception"], crops, transform_input=True)
    np.savez(
        sys.argv[2],
        curricular=curricular(job["ir101"], crops),
        face_fid=activations,
        face_fid_plain=face_fid(job["inception"], crops[:1], transform_input=False),
        frechet=frechet(activations[:, ::16].astype(np.float64)),
    )


if __name__ == "__main__":
    main()
