"""Tricks with the file's sound: other speech, the speech shifted, mixed with another, or louder."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from evalkit.reference_models.generators.base import GeneratedClip, GenerationRequest, Generator, GeneratorOption
from evalkit.reference_models.generators.inputs import read_speech
from evalkit.reference_models.generators.tricks.base import TrickGenerator, trick_record

Sound = NDArray[np.float32]
LEAST_LEVEL = -100.0  # decibels: nothing is left of what is so soft


class ChangedSound(TrickGenerator):
    """The base's frames with changed speech; a base without a sound stays as it is."""

    def change(self, clip: GeneratedClip, request: GenerationRequest) -> GeneratedClip:
        """Change the sound."""
        if clip.audio is None:
            return clip
        return replace(clip, audio=self.sound(clip.audio, clip.rate, request).astype(np.float32))

    @abstractmethod
    def sound(self, own: Sound, rate: int, request: GenerationRequest) -> Sound:
        """Return what is heard instead of ``own``, as long as it: (N,) in -1..1."""


class OtherSpeech(ChangedSound):
    """Another person's speech."""

    record = trick_record(
        "other-speech",
        "the video with another person's speech",
        GeneratorOption("people", 1, "how many people further in the test set; 0: the own speech", 0, 1000),
    )

    def sound(self, own: Sound, rate: int, request: GenerationRequest) -> Sound:
        """Return the other speech."""
        people = int(self.options["people"])
        return own if people == 0 else _other(request, people, len(own))


class ShiftedSpeech(ChangedSound):
    """The speech too late or too early in the file."""

    record = trick_record(
        "shifted-speech",
        "the speech too late in the file; silence fills the gap",
        GeneratorOption("seconds", 0.3, "how late; negative: early", -60.0, 60.0),
    )

    def sound(self, own: Sound, rate: int, request: GenerationRequest) -> Sound:
        """Return the speech after silence, or without its beginning and before silence."""
        steps = round(float(self.options["seconds"]) * rate)
        shifted = np.zeros_like(own)
        if abs(steps) < len(own):
            shifted[max(steps, 0) : len(own) + min(steps, 0)] = own[max(-steps, 0) : len(own) - max(steps, 0)]
        return shifted


class MixedSpeech(ChangedSound):
    """Another person talks at the same time."""

    record = trick_record(
        "mixed-speech",
        "the speech with another person's speech in the background",
        GeneratorOption("decibels", 0.0, "level of the other speech, relative to the own one", LEAST_LEVEL, 40.0),
    )

    def sound(self, own: Sound, rate: int, request: GenerationRequest) -> Sound:
        """Add the other speech, and make both softer where the sum would be cut off."""
        other = _other(request, 1, len(own))
        level, theirs = (float(np.sqrt(np.mean(np.square(one)))) if len(one) else 0.0 for one in (own, other))
        decibels = float(self.options["decibels"])
        if not level or not theirs or decibels == LEAST_LEVEL:
            return own
        both = own + other * np.float32(level / theirs * 10 ** (decibels / 20))
        return np.asarray(both / max(1.0, float(np.abs(both).max())), np.float32)


class LouderSpeech(ChangedSound):
    """The speech louder, with its peaks cut off, or softer."""

    record = trick_record(
        "louder-speech",
        "the speech louder, its peaks cut off",
        GeneratorOption("decibels", 12.0, "by which it is louder; negative: softer", -100.0, 100.0),
    )

    def sound(self, own: Sound, rate: int, request: GenerationRequest) -> Sound:
        """Return the speech times a factor."""
        return np.asarray(np.clip(own * np.float32(10 ** (float(self.options["decibels"]) / 20)), -1, 1), np.float32)


def _other(request: GenerationRequest, people: int, samples: int) -> Sound:
    """Return another person's speech, cut to a number of samples or repeated until it has as many."""
    other = request.after(people)
    target = replace(other.target, audio_rate=request.target.audio_rate)
    speech = read_speech(replace(other, target=target), samples / request.target.audio_rate)
    return np.zeros(samples, np.float32) if speech is None or not len(speech) else np.resize(speech, samples)


GENERATORS: tuple[type[Generator], ...] = (OtherSpeech, ShiftedSpeech, MixedSpeech, LouderSpeech)
