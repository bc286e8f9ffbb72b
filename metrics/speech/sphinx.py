"""The feature ``transcript_sphinx``: what PocketSphinx's bundled English model hears (extra ``speech``).

It needs no download, and hears far less than current recognisers: its error rates compare submissions with each other,
under an id of their own, and with nothing published.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from evalkit.metrics.features.audio import RATE
from evalkit.metrics.features.base import (
    Arrays,
    FeatureRecord,
    FeatureUnavailableError,
    Item,
    described,
)
from evalkit.metrics.features.stopwatch import running
from evalkit.metrics.speech.pairing import loudest
from evalkit.metrics.speech.signals import SILENCE, SOUNDS, Samples, Speech, SpeechExtractor, SpeechOptions

LONGEST = 30 * RATE  # samples of a piece; longer sounds are cut where they are quiet
SEARCHED = 10 * RATE  # before the end of a piece
QUIET = RATE // 10  # length of the quiet part that is looked for
NO_SPHINX = "the package pocketsphinx is not installed; it comes with evalkit's extra 'speech'"


@dataclass(frozen=True)
class SphinxOptions(SpeechOptions):
    """Options of ``transcript_sphinx``.

    Args:
        package: version of pocketsphinx; filled in by the machine, ``None`` without it.
    """

    package: str | None = None
    model: str = described("the English model that comes with the package, its dictionary and language model")
    pieces: str = described("of at most 30 s, cut where the last 10 s are quietest")


class SphinxExtractor(SpeechExtractor):
    """Recognises the words of the submitted sound."""

    record = FeatureRecord(
        name="transcript_sphinx",
        version=1,
        title="words that PocketSphinx hears in the submitted sound, beside the sample's transcript",
        inputs=frozenset({"video", "transcript"}),
        reads=SOUNDS,
        options=SphinxOptions(),
        arrays={
            "hypothesis": "() str: the words heard, in small letters",
            "reference": "() str: the sample's transcript",
        },
    )

    package = ("pocketsphinx", "package")

    def measure(self, item: Item, generated: Speech) -> Arrays:
        """Return the arrays.

        Raises:
            FeatureUnavailableError: ``no_transcript`` or ``no_pocketsphinx``.
        """
        if item.transcript is None:
            raise FeatureUnavailableError("no_transcript", "the sample has no transcript")
        if self.record.options.package is None:
            raise FeatureUnavailableError("no_pocketsphinx", NO_SPHINX)
        return {"hypothesis": np.array(recognise(generated.samples)), "reference": np.array(item.transcript)}


def recognise(samples: Samples) -> str:
    """Return the words in samples (N,) int16 at 16 kHz, separated by spaces; nothing in silence."""
    words: list[str] = []
    for piece in pieces(samples):
        if loudest(piece) < SILENCE:
            continue
        decoder = _decoder()
        with running("pocketsphinx"):
            decoder.start_utt()
            decoder.process_raw(piece.tobytes(), no_search=False, full_utt=True)
            decoder.end_utt()
            heard = decoder.hyp()
        words += heard.hypstr.split() if heard is not None else []
    return " ".join(words)


def pieces(samples: Samples) -> Iterator[Samples]:
    """Yield the samples in pieces of at most 30 s, cut in the quietest tenth of a second of the last 10 s."""
    while len(samples) > LONGEST:
        start = LONGEST - SEARCHED
        power = np.cumsum(np.square(samples[start:LONGEST].astype(np.int64)))
        cut = start + int(np.argmin(power[QUIET:] - power[:-QUIET])) + QUIET // 2
        yield samples[:cut]
        samples = samples[cut:]
    if len(samples):
        yield samples


def _decoder() -> Any:
    """Return a new recogniser, which takes 0.3 s: one that has heard something hears what follows differently."""
    from pocketsphinx import Decoder

    return Decoder(samprate=RATE, loglevel="FATAL")


FEATURES = (SphinxExtractor,)
