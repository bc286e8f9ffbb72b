"""Rules about the files of a challenge whose submissions are audio files (`submission.sound`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps

from evalkit.media.facts import AudioFacts, SoundFacts
from evalkit.media.file_kind import container_title
from evalkit.text import count
from evalkit.validators.content import SILENCE_DBFS
from evalkit.validators.encoding import allowed_range
from evalkit.validators.file import File
from evalkit.validators.findings import Rule, Violation

_ANEW = "Write the file again from the samples."
_CLIPPED = 1.0  # full scale
_OF_WHOLE_NUMBERS = 100.0  # a peak above it is none of floats


def _of_sound(
    check: Callable[[AudioFacts, SoundFacts, File], Iterable[Violation]],
) -> Callable[[File], Iterable[Violation]]:
    """Skip the check where nothing was decoded: another rule reports why."""

    @wraps(check)  # docs/rules.md names the module of each check
    def checked(file: File) -> Iterable[Violation]:
        audio, sound = file.facts.audio, file.facts.sound
        return check(audio, sound, file) if audio is not None and sound is not None else ()

    return checked


def _not_audio(file: File) -> Iterable[Violation]:
    if file.facts.open_error is not None:
        yield Violation(
            "The file can't be opened as an audio file.",
            found=file.facts.open_error,
            expected=_containers(file),
            fix=_ANEW,
        )


def _containers(file: File) -> str:
    return " or ".join(one.upper() for one in file.rules.sound.containers)


def _container_fits(file: File) -> bool:
    return not set((file.facts.container or "").split(",")).isdisjoint(file.rules.sound.containers)


def _container(file: File) -> Iterable[Violation]:
    if file.facts.open_error is None and not _container_fits(file):
        title = container_title(file.facts.container or "unknown")
        yield Violation(
            "The file is not an audio file of an allowed kind.",
            found=f"{title} with {'moving pictures' if file.facts.video_streams else 'no moving pictures'}",
            expected=_containers(file),
            fix="Submit the sound alone: ffmpeg -i {path} -vn OUT.wav",
        )


def _no_stream(file: File) -> Iterable[Violation]:
    if file.facts.open_error is None and _container_fits(file) and not file.facts.audio_streams:
        yield Violation("There is no audio stream.", found="none", expected="one audio stream", fix=_ANEW)


def _codec(audio: AudioFacts, sound: SoundFacts, file: File) -> Iterable[Violation]:
    if audio.codec not in file.rules.sound.codecs:
        yield Violation(
            "The audio codec is not allowed.", found=audio.codec, expected=" or ".join(file.rules.sound.codecs)
        )


def _rate(audio: AudioFacts, sound: SoundFacts, file: File) -> Iterable[Violation]:
    allowed = file.rules.sound.sample_rates
    if allowed and audio.sample_rate not in allowed:
        yield Violation(
            "The sample rate is not allowed.",
            found=f"{audio.sample_rate} Hz",
            expected=" or ".join(f"{rate} Hz" for rate in allowed),
            fix="Resample it: a header with another rate changes pitch and length.",
        )


def _channels(audio: AudioFacts, sound: SoundFacts, file: File) -> Iterable[Violation]:
    allowed = file.rules.sound.channels
    if allowed and audio.channels not in allowed:
        yield Violation(
            "The number of channels is not allowed.",
            found=str(audio.channels),
            expected=" or ".join(str(one) for one in sorted(allowed)),
        )


def _empty(audio: AudioFacts, sound: SoundFacts, file: File) -> Iterable[Violation]:
    if not sound.samples and not audio.decode_errors and not _is_truncated(sound, audio):
        yield Violation("The audio file has no samples.", found="0 samples", expected="sound", fix=_ANEW)


def _is_truncated(sound: SoundFacts, audio: AudioFacts) -> bool:
    if sound.claimed_bytes and sound.there_bytes is not None and sound.claimed_samples is not None:
        return sound.there_bytes < sound.claimed_bytes
    return not audio.stopped_early and sound.claimed_samples is not None and sound.samples < sound.claimed_samples


def _truncated(audio: AudioFacts, sound: SoundFacts, file: File) -> Iterable[Violation]:
    if _is_truncated(sound, audio) and sound.claimed_samples is not None:
        rate = audio.sample_rate or 1
        yield Violation(
            "The header announces more sound than the file has.",
            found=f"{sound.samples / rate:.2f} s",
            expected=f"{sound.claimed_samples / rate:.2f} s by the header",
            fix="Copy the file again: its end is missing, or its header is wrong.",
        )


def _open_length(audio: AudioFacts, sound: SoundFacts, file: File) -> Iterable[Violation]:
    if sound.claimed_bytes is not None and sound.claimed_samples is None and sound.there_bytes:
        yield Violation(
            "The header doesn't say how long the sound is; programs differ in what they read.",
            found=f"{sound.claimed_bytes} bytes by the header, {sound.there_bytes} in the file",
            expected="the length of the samples",
            fix="Write it to a file, not to a pipe: ffmpeg -i {path} OUT.wav",
        )


def _hidden(audio: AudioFacts, sound: SoundFacts, file: File) -> Iterable[Violation]:
    if sound.hidden_bytes:
        yield Violation(
            "The file goes on behind the end of the sound that its header announces.",
            found=f"{sound.hidden_bytes} bytes more",
            expected="the samples and nothing else",
            fix=_ANEW,
        )


def _damaged(audio: AudioFacts, sound: SoundFacts, file: File) -> Iterable[Violation]:
    if _is_truncated(sound, audio) or audio.stopped_early:
        return
    claimed = sound.claimed_samples
    messages = file.facts.decoder_messages
    if audio.decode_errors or messages:
        found = messages[0] if messages else f"{count(audio.decode_errors, 'packet')} refused"
    elif claimed not in (None, sound.samples):
        found = f"{sound.samples} samples, {claimed} by the header"
    else:
        return
    yield Violation("The sound can't be decoded without errors.", found=found, expected="none", fix=_ANEW)


def _not_finite(audio: AudioFacts, sound: SoundFacts, file: File) -> Iterable[Violation]:
    if sound.not_finite:
        yield Violation(
            "Samples are not numbers.",
            found=f"{count(sound.not_finite, 'sample')} NaN or infinite",
            expected="finite numbers",
            fix="Look for a division by zero in the program that wrote them.",
        )


def _clipped(audio: AudioFacts, sound: SoundFacts, file: File) -> Iterable[Violation]:
    if audio.codec.startswith("pcm_f") and audio.peak > _CLIPPED and not sound.not_finite:
        yield Violation(
            "Samples are beyond full scale; players cut them off.",
            found=f"a peak of {audio.peak:,.2f}",
            expected="-1 to 1",
            fix="Divide the samples by 32768: they are 16-bit numbers, written as floats."
            if audio.peak > _OF_WHOLE_NUMBERS
            else "Divide the samples by their peak.",
        )


def _silent(audio: AudioFacts, sound: SoundFacts, file: File) -> Iterable[Violation]:
    if sound.samples and not sound.not_finite and (audio.rms_dbfs is None or audio.rms_dbfs < SILENCE_DBFS):
        yield Violation(
            "The audio is silent.",
            found="digital silence" if audio.rms_dbfs is None else f"{audio.rms_dbfs:.0f} dBFS",
            expected=f"above {SILENCE_DBFS:.0f} dBFS",
        )


def _duration(audio: AudioFacts, sound: SoundFacts, file: File) -> Iterable[Violation]:
    low, high, seconds = file.rules.sound.min_seconds, file.rules.sound.max_seconds, audio.duration_seconds
    if not sound.samples or _is_truncated(sound, audio):
        return
    if (low is not None and seconds < low) or (high is not None and seconds > high):
        more = " at least" if audio.stopped_early else ""
        yield Violation(
            f"The audio file is too {'short' if low is not None and seconds < low else 'long'}.",
            found=f"{seconds:.2f} s{more}",
            expected=allowed_range(low, high, "s"),
        )


def _length(audio: AudioFacts, sound: SoundFacts, file: File) -> Iterable[Violation]:
    limit, expected = file.rules.sound.match_reference_seconds, file.expected
    if limit is None or expected is None or not sound.samples or _is_truncated(sound, audio):
        return
    if abs(audio.duration_seconds - expected.seconds) > limit:
        yield Violation(
            f"The length of the audio file differs from that of the {expected.source}.",
            found=f"{audio.duration_seconds:.2f} s",
            expected=f"{expected.seconds:.2f} s, at most {limit:g} s more or less",
        )


def _changes(audio: AudioFacts, sound: SoundFacts, file: File) -> Iterable[Violation]:
    if audio.format_changes:
        yield Violation(
            "The sample rate or the number of channels changes within the file.",
            found=count(audio.format_changes, "change"),
            expected="one format",
            fix=_ANEW,
        )


RULES: tuple[Rule[File], ...] = (
    Rule("sound.not-audio", "sound", "error", "can't be opened", _not_audio),
    Rule("sound.container", "sound", "error", "not an allowed kind of file", _container),
    Rule("sound.no-stream", "sound", "error", "no audio stream", _no_stream),
    Rule("sound.codec", "sound", "error", "codec", _of_sound(_codec)),
    Rule("sound.truncated", "sound", "error", "shorter than the header says", _of_sound(_truncated)),
    Rule("sound.empty", "sound", "error", "no samples", _of_sound(_empty)),
    Rule("sound.damaged", "sound", "error", "decoding errors", _of_sound(_damaged)),
    Rule("sound.not-finite", "sound", "error", "NaN or infinite samples", _of_sound(_not_finite)),
    Rule("sound.rate", "sound", "error", "sample rate", _of_sound(_rate)),
    Rule("sound.channels", "sound", "error", "number of channels", _of_sound(_channels)),
    Rule("sound.changes", "sound", "error", "sample rate or channels change", _of_sound(_changes)),
    Rule("sound.duration", "sound", "error", "too short or too long", _of_sound(_duration)),
    Rule("sound.length", "sound", "error", "length differs from the reference", _of_sound(_length)),
    Rule("sound.hidden-data", "sound", "error", "data behind the announced end", _of_sound(_hidden)),
    Rule("sound.open-length", "sound", "warning", "no length in the header", _of_sound(_open_length)),
    Rule("sound.full-scale", "sound", "warning", "beyond full scale", _of_sound(_clipped)),
    Rule("sound.silent", "sound", "warning", "silent", _of_sound(_silent)),
)
