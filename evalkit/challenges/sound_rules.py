"""The rules of a challenge for submissions of audio files: containers, codecs, rates, channels, lengths."""

from __future__ import annotations

from pydantic import Field, model_validator

from evalkit.challenges.parts import ChallengePart, PositiveFloat


class SoundRules(ChallengePart):
    """Requirements for the files of a submission of the kind ``audio``. ``null`` means: not checked.

    Args:
        containers: allowed containers, by FFmpeg's names (``wav``, ``flac``).
        codecs: allowed codecs, by FFmpeg's names. A WAV file may hold others than plain samples.
        sample_rates: allowed sample rates in Hz; empty for any.
        channels: allowed numbers of channels; empty for any.
        min_seconds, max_seconds: allowed lengths.
    """

    containers: tuple[str, ...] = Field(("wav", "flac"), min_length=1)
    codecs: tuple[str, ...] = Field(("pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "flac"), min_length=1)
    sample_rates: tuple[int, ...] = ()
    channels: tuple[int, ...] = (1, 2)
    min_seconds: PositiveFloat | None = None
    max_seconds: PositiveFloat | None = 600.0
    match_reference_seconds: PositiveFloat | None = Field(
        None,
        description="largest difference to the length of the sample's speech (of its reference video, where there is "
        "no speech), in seconds",
    )

    @model_validator(mode="after")
    def _possible(self) -> SoundRules:
        low, high = self.min_seconds, self.max_seconds
        if low is not None and high is not None and low > high:
            raise ValueError(f"no audio file can have min_seconds {low} and max_seconds {high}")
        for name in ("sample_rates", "channels"):
            if any(one < 1 for one in getattr(self, name)):
                raise ValueError(f"{name} must be at least 1")
        return self
