"""CLIPScore: how well frames go with the prompt, with each other and with the reference image.

See docs/definitions/clipscore.md.

Four public scores carry nearly the same name and differ in network, frames, factor and clamping; each has an id of its
own here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import Event, Metric, MetricRecord, VideoValue, definition_beside, unscored

CONTEXT = 77
HESSEL_WEIGHT = 2.5
RAW_FORM, DEPICTS_FORM = 0, 1  # rows of the feature clip_text
Arrays = Mapping[str, NDArray[Any]]
Cosines = NDArray[np.float64]
UNUSABLE = "embedding_unusable"


def unit_rows(embedding: NDArray[Any]) -> NDArray[np.float64] | None:
    """Return the rows (N, D) as float64 of length 1, or ``None`` when one is zero or not finite."""
    rows = np.asarray(embedding, dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or (lengths == 0).any():
        return None
    units: NDArray[np.float64] = rows / lengths
    return units


def hessel(cosines: Cosines) -> float:
    """Return the mean of 2.5 max(cos, 0) of (K,) cosines: clamped before the mean. Hessel et al., EMNLP 2021."""
    return float(HESSEL_WEIGHT * np.maximum(cosines, 0.0).mean())


def logits100(cosines: Cosines) -> float:
    """Return the mean of 100 cos of (K,) cosines, not clamped, as ConsisID's script."""
    return float(100.0 * cosines.mean())


def clamped_mean(cosines: Cosines) -> float:
    """Return max(mean of 100 cos, 0) of (K,) cosines: clamped after the mean, as torchmetrics."""
    return max(logits100(cosines), 0.0)


class TextScore(Metric):
    """A statistic of the cosines between the sampled frames and one form of the prompt.

    Args:
        record: what it means; its features are the frames' and the text's.
        statistic: the number from the cosines (K,).
        form: the row of the text's arrays.
    """

    def __init__(self, record: MetricRecord, statistic: Callable[[Cosines], float], form: int) -> None:
        self.record = record
        self._statistic = statistic
        self._form = form

    def compute(self, features: Mapping[str, Arrays]) -> VideoValue:
        """Return the statistic, with an event when the network didn't see the whole prompt."""
        frames, text = (features[name] for name in self.record.features)
        if len(frames["row"]) == 0:
            return unscored("no_frame")
        if len(text["embedding"]) <= self._form or len(text["tokens"]) <= self._form:
            return unscored("no_text")
        pictures = unit_rows(frames["embedding"])
        prompt = unit_rows(text["embedding"][self._form : self._form + 1])
        if pictures is None or prompt is None:
            return unscored(UNUSABLE)
        if len(pictures) == 0:
            return unscored("no_frame")
        cosines = np.clip(pictures @ prompt[0], -1.0, 1.0)[frames["row"]]
        return VideoValue(self._statistic(cosines), events=truncation(int(text["tokens"][self._form])))


def truncation(tokens: int) -> tuple[Event, ...]:
    """Return an event when a prompt of ``tokens`` tokens, both end marks included, is longer than what CLIP reads."""
    if tokens <= CONTEXT:
        return ()
    lost, words = tokens - CONTEXT, tokens - 2
    return (Event("text_truncated", f"{lost} of {words} tokens ({100 * lost / words:.0f} %) were not read"),)


class FrameConsistency(Metric):
    """Mean cosine of neighbouring sampled frames."""

    def __init__(self, record: MetricRecord) -> None:
        self.record = record

    def compute(self, features: Mapping[str, Arrays]) -> VideoValue:
        """Return the mean over neighbours among the frames looked at, each frame once."""
        (frames,) = (features[name] for name in self.record.features)
        pictures = unit_rows(frames["embedding"])
        if pictures is None:
            return unscored(UNUSABLE)
        if len(pictures) < 2:
            return unscored("too_few_frames")
        cosines = np.clip((pictures[1:] * pictures[:-1]).sum(axis=1), -1.0, 1.0)
        return VideoValue(float(cosines.mean()))


class ImageSimilarity(Metric):
    """Mean cosine between the sampled frames and the reference images."""

    def __init__(self, record: MetricRecord) -> None:
        self.record = record

    def compute(self, features: Mapping[str, Arrays]) -> VideoValue:
        """Return the mean over all pairs of a sampled frame and a reference image."""
        frames, reference = (features[name] for name in self.record.features)
        pictures, references = unit_rows(frames["embedding"]), unit_rows(reference["embedding"])
        if pictures is None or references is None:
            return unscored(UNUSABLE)
        if len(pictures) == 0 or len(frames["row"]) == 0:
            return unscored("no_frame")
        if len(references) == 0:
            return unscored("no_reference_image")
        cosines = np.clip(pictures @ references.T, -1.0, 1.0)[frames["row"]]
        return VideoValue(float(cosines.mean()))


_NO_TEXT = "a sample without a text is unscored"
_LONG = "CLIP reads 77 tokens, about 60 words; a longer prompt is cut, with the event text_truncated."
_LOGITS = MetricRecord(
    id="clipscore.logits100",
    title="CLIPScore (x100 cosine)",
    summary="100 times the mean cosine between the prompt and 16 frames, CLIP ViT-B/32, as ConsisID computes it.",
    higher_is_better=True,
    unit="x100 cosine",
    range=(-100.0, 100.0),
    features=("clip_frames_consisid", "clip_text"),
    protocol=1,
    citation="Radford et al., CLIP, ICML 2021; PKU-YuanGroup/ConsisID, evaluation code, arXiv 2411.17440",
    role="ranked",
    missing_policy=_NO_TEXT,
    aliases=("clipscore",),
    notes="Typically 25 to 32. Frames int(i*N/16), red and blue exchanged, as that script feeds them: another order of "
    f"channels moves it by some tenths. Not clamped. {_LONG} Text is cleaned as OpenAI's tokenizer does; that of "
    "transformers leaves HTML entities and broken encodings as they are. Says little of talking heads: don't rank them "
    "by it.",
    definition=definition_beside(__file__, "clipscore.md"),
)
_HESSEL = MetricRecord(
    id="clipscore.hessel",
    title="CLIPScore (w=2.5)",
    summary='2.5 times the mean of max(cosine, 0) between "A photo depicts ..." and 16 frames, CLIP ViT-B/32.',
    higher_is_better=True,
    unit="w=2.5",
    range=(0.0, HESSEL_WEIGHT),
    features=("clip_frames", "clip_text"),
    protocol=1,
    citation="Hessel et al., CLIPScore, EMNLP 2021; 16 frames spread evenly instead of one image",
    missing_policy=_NO_TEXT,
    notes="Typically 0.6 to 0.9. Frames round(linspace(0, N-1, 16)), RGB. Clamped frame by frame, before the mean. "
    f"{_LONG} Numbers of DH-FaceVid-1K lie in its range, but whether they are this score is not known. Says little of "
    "talking heads.",
    definition=definition_beside(__file__, "clipscore.md"),
)
_TORCHMETRICS = MetricRecord(
    id="clip.torchmetrics",
    title="CLIPScore (torchmetrics)",
    summary="100 times the mean cosine between the prompt and 16 frames, CLIP ViT-L/14, at least 0.",
    higher_is_better=True,
    unit="x100 cosine",
    range=(0.0, 100.0),
    features=("clip_frames_l14", "clip_text_l14"),
    protocol=1,
    citation="torchmetrics 1.9, CLIPScore with its default network openai/clip-vit-large-patch14",
    missing_policy=_NO_TEXT,
    notes="Typically 15 to 35, on a network of its own: not comparable with ViT-B/32. Frames "
    f"round(linspace(0, N-1, 16)), RGB, the raw prompt. Clamped after the mean. {_LONG} Resized by Pillow; where "
    "transformers resizes tensors instead, pixels differ a little.",
    definition=definition_beside(__file__, "clipscore.md"),
)
_CONSISTENCY = MetricRecord(
    id="clip.frame_consistency",
    title="Frame consistency (CLIP)",
    summary="Mean cosine of neighbouring frames among 16 spread over the video, CLIP ViT-B/32.",
    higher_is_better=True,
    unit="cosine",
    range=(-1.0, 1.0),
    features=("clip_frames",),
    protocol=1,
    citation="Radford et al., CLIP, ICML 2021; consecutive frames as in text-to-video papers",
    missing_policy="a video with fewer than two frames is unscored",
    notes="Typically 0.9 to 0.99. A still picture is perfect: read it beside a measure of motion. A long video's "
    "frames lie farther apart. A frame that a short video would show twice counts once.",
    definition=definition_beside(__file__, "clip_pictures.md"),
)
_IMAGE = MetricRecord(
    id="clip.image_sim",
    title="Image similarity (CLIP)",
    summary="Mean cosine between 16 frames and the reference images, CLIP ViT-B/32.",
    higher_is_better=True,
    unit="cosine",
    range=(-1.0, 1.0),
    features=("clip_frames", "clip_reference"),
    protocol=1,
    citation="Radford et al., CLIP, ICML 2021; frames against reference images",
    missing_policy="a sample without a reference image is unscored",
    notes="Typically 0.8 to 0.97. Background and framing weigh as much as the face: it is not a measure of identity. "
    "Several reference images: the mean over all pairs.",
    definition=definition_beside(__file__, "clip_pictures.md"),
)

METRICS: tuple[Metric, ...] = (
    TextScore(_LOGITS, logits100, RAW_FORM),
    TextScore(_HESSEL, hessel, DEPICTS_FORM),
    TextScore(_TORCHMETRICS, clamped_mean, RAW_FORM),
    FrameConsistency(_CONSISTENCY),
    ImageSimilarity(_IMAGE),
)
