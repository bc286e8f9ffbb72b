"""Run face_alignment's own functions and networks; needs the oracles.

    python face_alignment_reference.py FAN SFD INPUT.npz RESULT.npz

FAN, SFD: checkpoints under the package's names.
INPUT: "picture_N" (H, W, 3) uint8 RGB; "boxes" (B, 4) x1, y1, x2, y2 in pixels of picture 0; "heatmaps"
       (B, 68, 64, 64) float32.
RESULT: "crops" (B, 256, 256, 3) of picture 0 around each box; "points" (B, 68, 2) of the heatmaps, one set per box;
        "boxes_N" (n, 5) and "landmarks_N" (n, 68, 2) of picture N: all faces, through the whole chain; "maps" (68, 64,
        64) of the first crop.

numba, which compiles two functions of the package, is not among the oracles: they run as the Python that they are.
"""

import sys
import types

import numpy as np
import torch

numba = types.ModuleType("numba")
numba.jit = lambda **_: lambda function: function
sys.modules["numba"] = numba

from face_alignment import FaceAlignment, LandmarksType  # noqa: E402 - numba is replaced before
from face_alignment.detection.sfd import FaceDetector  # noqa: E402
from face_alignment.models import FAN  # noqa: E402
from face_alignment.utils import CENTER_Y_OFFSET, crop, get_preds_fromhm  # noqa: E402


def chain(fan: str, sfd: str) -> FaceAlignment:
    """Return the package's object as its constructor would make it, with checkpoints from files."""
    made = FaceAlignment.__new__(FaceAlignment)
    made.device, made.dtype, made.verbose, made.max_batch_size = "cpu", torch.float32, False, 1
    made.landmarks_type, made.flip_input = LandmarksType.TWO_D, False
    made.face_detector = FaceDetector(device="cpu", path_to_detector=sfd)
    made.face_alignment_net = FAN(4).eval()
    made.face_alignment_net.load_state_dict(torch.load(fan, weights_only=True))
    return made


def main() -> None:
    """Read the input, run it, write the arrays."""
    torch.set_num_threads(1)
    given = np.load(sys.argv[3])
    made = chain(sys.argv[1], sys.argv[2])
    result, crops, points = {}, [], []
    for box, heatmaps in zip(given["boxes"], given["heatmaps"], strict=True):
        center = np.array([box[2] - (box[2] - box[0]) / 2.0, box[3] - (box[3] - box[1]) / 2.0])
        center[1] = center[1] - (box[3] - box[1]) * CENTER_Y_OFFSET
        scale = (box[2] - box[0] + box[3] - box[1]) / made.face_detector.reference_scale
        crops.append(crop(given["picture_0"], center, scale))
        points.append(get_preds_fromhm(heatmaps[None].copy(), center, scale)[1][0])
    with torch.no_grad():
        maps = made.face_alignment_net(torch.from_numpy(crops[0].transpose(2, 0, 1)[None] / np.float32(255)))[-1]
    for name in given.files:
        if name.startswith("picture_"):
            number = name.removeprefix("picture_")
            found = made.get_landmarks_from_image(given[name], return_bboxes=True)
            result[f"landmarks_{number}"], result[f"boxes_{number}"] = np.array(found[0]), np.array(found[2])
    np.savez(sys.argv[4], crops=np.stack(crops), points=np.stack(points), maps=maps[0].numpy(), **result)


if __name__ == "__main__":
    main()
