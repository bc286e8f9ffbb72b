"""Sounds that a caller gives, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import InputError
from evalkit.media.held import HeldSound

_MOST_CHANNELS = 8
_RATES = (1000, 384_000)
_USUAL_RATES = (8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000)
_LOUD = 4.0  # of full scale: no sound of -1..1 that was mixed or resampled gets there
_ALIKE = 0.02  # of a length
_LONG_ENOUGH = 0.5  # seconds that the lengths must differ by before the rate is doubted


def sound_of(wave: Any, rate: Any, where: str) -> HeldSound | None:
    """Return the sound of an array (N,), (C, N) or (N, C), int16 or float in -1..1; ``None`` without one.

    Raises:
        InputError: another shape, type or range, or no usable rate.
    """
    if wave is None:
        return None
    hertz = _number(rate)
    if hertz is None or not hertz.is_integer() or not _RATES[0] <= hertz <= _RATES[1]:
        raise InputError(
            f"The rate of {where} is missing." if rate is None else f"The rate of {where} is no sample rate.",
            found=None if rate is None else repr(rate),
            expected="samples per second, as audio_rate=16000",
            fix="Rates are in Hz, not kHz." if hertz is not None and 0 < hertz < _RATES[0] else None,
        )
    if isinstance(wave, np.ndarray) or hasattr(wave, "detach"):
        array = np.asarray(wave if isinstance(wave, np.ndarray) else wave.detach().cpu().numpy())
        return HeldSound(_samples(_channels_first(array, where), where), int(hertz))
    raise InputError(
        f"{where[:1].upper()}{where[1:]} is not an array.",
        found=f"{type(wave).__name__} of {len(wave)}" if isinstance(wave, list | tuple) else type(wave).__name__,
        expected="a NumPy array or a PyTorch tensor of samples, without the rate",
    )


def _number(rate: Any) -> float | None:
    """Return the rate as a number, ``None`` when it is none."""
    is_text = isinstance(rate, bool | str | bytes)
    try:
        return None if rate is None or is_text else float(rate)
    except (TypeError, ValueError, OverflowError):
        return None


def _channels_first(array: NDArray[Any], where: str) -> NDArray[Any]:
    if array.ndim == 1:
        return array[None]
    few = [axis for axis in range(array.ndim) if array.shape[axis] <= _MOST_CHANNELS]
    if array.ndim != 2 or len(few) != 1:
        raise InputError(
            f"{where[:1].upper()}{where[1:]} has another shape.",
            found=f"{tuple(array.shape)}",
            expected=f"(N,), or up to {_MOST_CHANNELS} channels as (C, N) or (N, C)",
        )
    return array if few == [0] else array.T


def _samples(array: NDArray[Any], where: str) -> NDArray[Any]:
    if array.shape[1] == 0:
        raise InputError(f"{where[:1].upper()}{where[1:]} has no sample.", found=f"shape {tuple(array.shape)}")
    if array.dtype == np.int16:
        if np.abs(array.astype(np.int32)).max() == 1:
            raise InputError(
                f"The samples of {where} have no value but -1, 0 and 1.",
                expected="int16 of -32768..32767",
                fix="They were probably converted from -1..1: give the floats themselves.",
            )
        return array
    if array.dtype.kind != "f":
        raise InputError(
            f"The samples of {where} have another type.",
            found=str(array.dtype),
            expected="int16, or float of -1..1",
            fix=_FIXES.get(str(array.dtype), "Convert them to float32 of -1..1."),
        )
    if not np.isfinite(array).all():
        raise InputError(f"The samples of {where} have NaN or infinite values.", expected="float of -1..1")
    peak = float(np.abs(array).max())
    if peak > _LOUD:
        raise InputError(
            f"The samples of {where} are out of range.",
            found=f"{array.dtype} up to {peak:.6g}",
            expected="float of -1..1, or int16",
            fix="If they are those of 16 bits, divide by 32768, or convert to int16.",
        )
    return array.astype(np.float32)


_FIXES = {
    "int32": "Divide by 2**31 (32-bit samples) or 2**23 (24-bit samples) as float32.",
    "int64": "Samples of 16 bits: convert to int16.",
    "uint8": "8-bit samples: (x.astype(np.float32) - 128) / 128.",
}


def check_length(sound: HeldSound, seconds: float) -> None:
    """Refuse a sound that would be as long as the video at another usual rate, and is not at its own.

    Raises:
        InputError: naming the rate that would fit.
    """
    samples = sound.samples.shape[1]
    length = samples / sound.rate
    if abs(length - seconds) <= max(_LONG_ENOUGH, _ALIKE * seconds):
        return
    for rate in _USUAL_RATES:
        if rate != sound.rate and abs(samples / rate - seconds) <= _ALIKE * seconds:
            raise InputError(
                "The sound and the video are not of one length, and would be at another sample rate.",
                found=f"{length:.2f} s of sound at {sound.rate} Hz for {seconds:.2f} s of video; {rate} Hz would fit",
                fix=f"Give audio_rate={rate} if that is the rate, or the right fps. If the sound is as long as that, "
                "cut it to the length of the video.",
            )
