"""CLIPScore: how well a video's frames match the prompt.

See docs/definitions/clipscore.md.

Public scores of nearly the same name differ in network, frames, factor and clamping; each has its own id here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from evalkit.metrics.base import ArrayMetric, Event, MetricRecord, VideoValue, definition_beside, unscored
from evalkit.metrics.clip.cosines import UNUSABLE, Arrays, Cosines, unit_rows

CONTEXT = 77
HESSEL_WEIGHT = 2.5


@dataclass(frozen=True)
class PromptForm:
    """Which form of the prompt is compared: its row in the arrays of ``clip_text``."""

    form: int = 0


def hessel(cosines: Cosines) -> float:
    """Return the mean of 2.5 max(cos, 0) of (K,) cosines: clamped before the mean. Hessel et al., EMNLP 2021."""
    return float(HESSEL_WEIGHT * np.maximum(cosines, 0.0).mean())


def logits100(cosines: Cosines) -> float:
    """Return the mean of 100 cos of (K,) cosines, not clamped, as ConsisID's script."""
    return float(100.0 * cosines.mean())


def clamped_mean(cosines: Cosines) -> float:
    """Return max(mean of 100 cos, 0) of (K,) cosines: clamped after the mean, as torchmetrics."""
    return max(logits100(cosines), 0.0)


def text_score(statistic: Callable[[Cosines], float], frames: Arrays, text: Arrays, options: PromptForm) -> VideoValue:
    """Return ``statistic`` of the cosines between the sampled frames and one form of the prompt.

    An event says when the network didn't see the whole prompt.
    """
    if len(frames["row"]) == 0:
        return unscored("no_frame")
    form = options.form
    if len(text["embedding"]) <= form or len(text["tokens"]) <= form:
        return unscored("no_text")
    images, prompt = unit_rows(frames["embedding"]), unit_rows(text["embedding"][form : form + 1])
    if images is None or prompt is None:
        return unscored(UNUSABLE)
    if len(images) == 0:
        return unscored("no_frame")
    cosines = np.clip(images @ prompt[0], -1.0, 1.0)[frames["row"]]
    return VideoValue(statistic(cosines), events=truncation(int(text["tokens"][form])))


def truncation(tokens: int) -> tuple[Event, ...]:
    """Return an event when a prompt of ``tokens`` tokens, both end marks included, is longer than what CLIP reads."""
    if tokens <= CONTEXT:
        return ()
    lost, words = tokens - CONTEXT, tokens - 2
    return (Event("text_truncated", f"{lost} of {words} tokens ({100 * lost / words:.0f} %) were not read"),)


_LONG = "CLIP reads 77 tokens, about 60 words; a longer prompt is cut, with the event text_truncated."
LOGITS = ArrayMetric(
    MetricRecord(
        id="clipscore.logits100",
        title="CLIPScore (x100 cosine)",
        summary="100 times the mean cosine between the prompt and 16 frames, CLIP ViT-B/32, as ConsisID computes it.",
        higher_is_better=True,
        unit="x100 cosine",
        range=(-100.0, 100.0),
        features=("clip_frames_consisid", "clip_text"),
        blind_to="Motion, audio, and who the person is.",
        citation="Radford et al., CLIP, ICML 2021; PKU-YuanGroup/ConsisID, evaluation code, arXiv 2411.17440",
        role="ranked",
        missing_policy="a sample without a text is unscored",
        aliases=("clipscore",),
        notes="Typically 25 to 32. Frames int(i*N/16), red and blue exchanged, as that script feeds them: another "
        f"order of channels moves it by some tenths. Not clamped. {_LONG} Text is cleaned as OpenAI's tokenizer does; "
        "that of transformers leaves HTML entities and broken encodings as they are. Says little of talking heads: "
        "don't rank them by it.",
        definition=definition_beside(__file__, "clipscore.md"),
    ),
    partial(text_score, logits100),
    PromptForm(),
)

METRICS = (
    LOGITS,
    LOGITS.variant(
        partial(text_score, hessel),
        options=PromptForm(1),
        id="clipscore.hessel",
        title="CLIPScore (w=2.5)",
        summary='2.5 times the mean of max(cosine, 0) between "A photo depicts ..." and 16 frames, CLIP ViT-B/32.',
        unit="w=2.5",
        range=(0.0, HESSEL_WEIGHT),
        features=("clip_frames", "clip_text"),
        blind_to="Motion, audio, and who the person is.",
        citation="Hessel et al., CLIPScore, EMNLP 2021; 16 frames spread evenly instead of one image",
        role="secondary",
        aliases=(),
        notes="Typically 0.6 to 0.9. Frames round(linspace(0, N-1, 16)), RGB. Clamped frame by frame, before the mean. "
        f"{_LONG} Numbers of DH-FaceVid-1K lie in its range, but whether they are this score is not known. Says little "
        "of talking heads.",
    ),
    LOGITS.variant(
        partial(text_score, clamped_mean),
        id="clip.torchmetrics",
        title="CLIPScore (torchmetrics)",
        summary="100 times the mean cosine between the prompt and 16 frames, CLIP ViT-L/14, at least 0.",
        range=(0.0, 100.0),
        features=("clip_frames_l14", "clip_text_l14"),
        blind_to="Motion, audio, and who the person is.",
        citation="torchmetrics 1.9, CLIPScore with its default network openai/clip-vit-large-patch14",
        role="secondary",
        aliases=(),
        notes="Typically 15 to 35, on a network of its own: not comparable with ViT-B/32. Frames "
        f"round(linspace(0, N-1, 16)), RGB, the raw prompt. Clamped after the mean. {_LONG} Resized by Pillow; where "
        "transformers resizes tensors instead, pixels differ a little.",
    ),
)
