"""CLIP embeddings of a sample's prompt: made once per sample, not per team."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from evalkit.errors import WeightsError
from evalkit.metrics.clip.embeddings import BASE, LARGE, PRECISION, ImageTextNetwork, open_network
from evalkit.metrics.embeddings.frames import NetworkExtractor
from evalkit.metrics.features.base import (
    Arrays,
    Extractor,
    FeatureOptions,
    FeatureRecord,
    FeatureUnavailableError,
    Item,
    Session,
    WeightFile,
    described,
)
from evalkit.metrics.features.stopwatch import running

if TYPE_CHECKING:
    from evalkit.metrics.networks.tokenizer import Tokenizer, Tokens

VOCABULARY = "clip_vocabulary"
RAW, DEPICTS = "{}", "A photo depicts {}"


@dataclass(frozen=True)
class TextOptions(FeatureOptions):
    """The forms of the prompt that are embedded."""

    forms: tuple[str, ...]
    context: int = described(77)
    precision: str = described(PRECISION)


class Splitter(Protocol):
    """Turns texts into token numbers."""

    size: int

    def tokens(self, texts: Sequence[str]) -> Tokens:
        """Return the numbers of each text's tokens."""
        ...


def open_splitter(file: WeightFile) -> Splitter:
    """Return what splits texts for the network: OpenAI's tokenizer, or the one of evalkit's own network."""
    if file.bundled:
        from evalkit.metrics.networks.small.inputs import WordNumbers

        return WordNumbers()
    return open_tokenizer(file.path, file.sha256)


@lru_cache(maxsize=1)
def open_tokenizer(path: Path, sha256: str) -> Tokenizer:
    """Return the tokenizer, built once per process."""
    from evalkit.metrics.networks.tokenizer import Tokenizer

    del sha256  # only a part of the key: the file of this name may change
    return Tokenizer(path)


class ClipTextSession(Session):
    """Selects no frame: it reads the sample's text."""

    def __init__(self, network: ImageTextNetwork, tokenizer: Splitter, texts: list[str], name: str) -> None:
        self._network, self._tokenizer, self._texts, self._name = network, tokenizer, texts, name

    def finish(self) -> Arrays:
        """Return the embeddings and the numbers of tokens."""
        tokens = self._tokenizer.tokens(self._texts)
        with running(self._name):
            embedding = self._network.embed_texts(tokens.numbers)
        return {"embedding": embedding, "tokens": tokens.counts}


class ClipTextExtractor(NetworkExtractor):
    """Embeddings of a sample's text in the forms that the options name."""

    open_network = staticmethod(open_network)

    def __init__(self, weights: Mapping[str, WeightFile], device: str = "cpu") -> None:
        super().__init__(weights, device)
        file, vocabulary = (weights[role] for role in self.record.weights)
        self._tokenizer = open_splitter(vocabulary)
        known = self._network.sizes.vocabulary
        if self._tokenizer.size != known:
            raise WeightsError(
                f"The vocabulary {vocabulary.path} is not that of {file.path}.",
                found=f"{self._tokenizer.size} tokens",
                expected=f"{known} tokens",
                fix="Correct their entries in the backbones file.",
            )

    def open(self, item: Item, upstream: Mapping[str, Any]) -> ClipTextSession:
        """Start on a sample.

        Raises:
            FeatureUnavailableError: ``no_text``.
        """
        if item.text is None or not item.text.strip():
            raise FeatureUnavailableError("no_text", "the sample has no text")
        texts = [form.format(item.text) for form in self.record.options.forms]
        return ClipTextSession(self._network, self._tokenizer, texts, self.record.weights[0])


def _text(name: str, title: str, role: str, forms: tuple[str, ...]) -> type[Extractor]:
    record = FeatureRecord(
        name=name,
        version=1,
        title=title,
        inputs=frozenset({"text"}),
        weights=(role, VOCABULARY),
        options=TextOptions(forms),
        arrays={
            "embedding": "(P, D) float32: one row per form of the text, not normalised",
            "tokens": "(P,) int64: tokens of each form, both end marks included; the network sees the first 77",
        },
    )
    return type(name, (ClipTextExtractor,), {"record": record})


FEATURES = (
    _text("clip_text", "CLIP ViT-B/32 embeddings of the prompt", BASE, (RAW, DEPICTS)),
    _text("clip_text_l14", "CLIP ViT-L/14 embedding of the prompt", LARGE, (RAW,)),
)
