"""Audio files as submissions: what is decoded, and what the header says that is not so."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from builders.kinds import RATE, float_wav, tone, wav, with_claim

from evalkit.media.facts import MediaFacts, SoundFacts
from evalkit.media.limits import ReadLimits
from evalkit.media.sound_file import inspect_sound

WAV_FLAC = ("wav", "flac")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file"


def read(file: Path, data: bytes, limits: ReadLimits | None = None) -> tuple[MediaFacts, SoundFacts]:
    file.write_bytes(data)
    facts = inspect_sound(file, limits or ReadLimits(), WAV_FLAC).facts
    assert facts.sound is not None
    return facts, facts.sound


def flac(file: Path, samples: int = 40_000) -> bytes:
    """Return a FLAC file of noise, which hardly compresses."""
    noise = np.random.RandomState(0).randint(-(1 << 15), 1 << 15, (1, samples), np.int16)
    with av.open(str(file), "w", format="flac") as container:
        stream = container.add_stream("flac", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(noise, "s16", "mono")
        frame.sample_rate = RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.read_bytes()


@pytest.mark.parametrize("bits", [16, 24, 32])
def test_integers_of_any_width_have_their_level(file: Path, bits: int) -> None:
    facts, sound = read(file, wav(tone(level=0.25), bits=bits))
    assert facts.audio is not None
    assert (sound.samples, sound.claimed_samples, sound.hidden_bytes, sound.not_finite) == (RATE, RATE, 0, 0)
    assert facts.audio.rms_dbfs == pytest.approx(20 * np.log10(0.25), abs=1e-9)
    assert (facts.audio.sample_rate, facts.audio.channels, facts.audio.duration_seconds) == (RATE, 1, 1.0)


def test_floats_that_are_no_numbers_are_counted(file: Path) -> None:
    samples = tone()
    samples[5], samples[6:8] = np.nan, np.inf
    facts, sound = read(file, float_wav(samples))
    assert sound.not_finite == 3
    assert facts.audio is not None
    assert facts.audio.codec == "pcm_f32le"


def test_a_header_that_promises_more_is_told(file: Path) -> None:
    whole = wav(tone())
    facts, sound = read(file, with_claim(whole, 1_000_000_000))
    assert (sound.claimed_samples, sound.samples) == (500_000_000, RATE)
    assert (sound.claimed_bytes, sound.there_bytes) == (1_000_000_000, 2 * RATE)
    assert facts.audio is not None
    assert facts.audio.duration_seconds == 1.0
    _, cut = read(file, whole[: len(whole) // 2])
    assert cut.claimed_samples == RATE
    assert cut.samples < RATE


def test_a_header_that_promises_less_is_told(file: Path) -> None:
    _, sound = read(file, with_claim(wav(tone()), RATE))
    assert sound.claimed_samples == RATE // 2
    assert sound.hidden_bytes == RATE


def test_notes_behind_the_samples_are_no_hidden_data(file: Path) -> None:
    note = b"LIST" + (8).to_bytes(4, "little") + b"INFOabcd"
    assert read(file, wav(tone()) + note)[1].hidden_bytes == 0


@pytest.mark.parametrize("claim", [0, 0xFFFFFFFF])
def test_a_file_from_a_pipe_has_no_length(file: Path, claim: int) -> None:
    _, sound = read(file, with_claim(wav(tone()), claim))
    assert (sound.claimed_samples, sound.claimed_bytes, sound.there_bytes) == (None, claim, 2 * RATE)


def test_a_file_without_samples(file: Path) -> None:
    facts, sound = read(file, wav([]))
    assert sound.samples == 0
    assert facts.audio is None or facts.audio.duration_seconds == 0


def test_a_truncated_flac_has_fewer_samples_than_it_says(file: Path) -> None:
    data = flac(file)
    _, whole = read(file, data)
    assert (whole.samples, whole.claimed_samples) == (40_000, 40_000)
    facts, cut = read(file, data[: len(data) // 2])
    assert cut.claimed_samples == 40_000
    assert 0 < cut.samples < 25_000
    assert facts.open_error is None


def test_nothing_is_decoded_of_a_video(file: Path, tmp_path: Path) -> None:
    video = tmp_path / "video.mp4"
    with av.open(str(video), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 64
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")))
        container.mux(stream.encode(None))
    facts, sound = read(file, video.read_bytes())
    assert (facts.video_streams, facts.audio, sound.samples) == (1, None, 0)
    assert facts.container is not None
    assert "mp4" in facts.container


def test_reading_ends_at_the_limit(file: Path) -> None:
    limits = ReadLimits(audio_seconds=0.5)
    facts, sound = read(file, wav(tone(10.0)), limits)
    assert facts.audio is not None
    assert facts.audio.stopped_early
    assert sound.samples < 2 * RATE
    assert facts.limits == limits.text()


def test_what_is_no_media_file_is_told(file: Path) -> None:
    file.write_bytes(b"hello")
    facts = inspect_sound(file, ReadLimits(), WAV_FLAC).facts
    assert facts.open_error
    assert facts.sound is None
