"""The feature ``filmstrip``: small images of a video for the reports. No number depends on them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.media.sampling import Sampling, Uniform
from evalkit.metrics.features.declare import Clip, SamplingOptions, clip_feature


@dataclass(frozen=True)
class FilmstripOptions(SamplingOptions):
    """Options of ``filmstrip``: the height is in pixels, the quality JPEG's."""

    sampling: Sampling = field(default_factory=lambda: Uniform(6, "round"))
    height: int = 112
    quality: int = 80


@clip_feature(
    name="filmstrip",
    version=1,
    title="six small images for the reports",
    options=FilmstripOptions(),
    arrays={"jpeg": "(B,) uint8: JPEG files end to end", "end": "(K,) int64: where each ends"},
)
def filmstrip(clip: Clip, options: FilmstripOptions) -> Mapping[str, NDArray[Any]]:
    """Shrink and compress the frames."""
    from PIL import Image

    files = []
    for rgb in {int(index): rgb for index, rgb in zip(clip.indices, clip.frames, strict=True)}.values():
        image = Image.fromarray(rgb)
        image.thumbnail((4 * options.height, options.height), Image.Resampling.LANCZOS)
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=options.quality, optimize=True)
        files.append(stream.getvalue())
    data = np.frombuffer(b"".join(files), dtype=np.uint8)
    return {"jpeg": data, "end": np.cumsum([len(one) for one in files], dtype=np.int64)}


def filmstrip_images(arrays: Mapping[str, NDArray[Any]]) -> list[bytes]:
    """Return the JPEG files of a cached filmstrip, in time order."""
    data, ends = arrays["jpeg"].tobytes(), [int(end) for end in arrays["end"]]
    return [data[start:end] for start, end in zip([0, *ends][:-1], ends, strict=True)]


FEATURES = (filmstrip,)
