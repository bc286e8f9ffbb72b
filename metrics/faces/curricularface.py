"""The features ``curricularface`` and ``curricularface_reference``: face embeddings by CurricularFace.

The faces are those of ``arcface``. The crop is aligned at 224 and halved. It is cut from the image itself, also where
the face was found with a grey margin, as ConsisID does (docs/definitions/identity.md#consisid).
"""

from __future__ import annotations

from dataclasses import dataclass

from evalkit.metrics.faces.embeddings import (
    CropRule,
    FaceEmbeddingOptions,
    FaceNetwork,
    bundled_faces,
    faces_and_reference,
)
from evalkit.metrics.features.base import WeightFile, described
from evalkit.metrics.features.networks import opened_once

CROP = CropRule(224, with_margin=False)


@dataclass(frozen=True)
class CurricularFaceOptions(FaceEmbeddingOptions):
    """Options of CurricularFace."""

    crop: CropRule = CROP
    resize: str = described("cv_linear 112x112")
    range: str = described("-1..1, RGB")
    network: str = described("IR-101; normalisation folded into the convolutions, channels-last, batches of 16")
    precision: str = described("float32, no TF32, unless the role's options say otherwise")


@opened_once
def open_network(file: WeightFile, device: str) -> FaceNetwork:
    """Return the network; loads PyTorch."""
    if file.bundled:
        return bundled_faces(file, device)
    from evalkit.metrics.networks.checkpoints import precision_of
    from evalkit.metrics.networks.ir101 import CurricularFace

    return CurricularFace(file.path, device, precision_of(file.options))


FEATURES = faces_and_reference(
    open_network,
    name="curricularface",
    role="curricularface",
    title="CurricularFace embeddings",
    embedding="D) float32 in -1..1: of length 1, D = 512 of the published network",
    options=CurricularFaceOptions(),
)
