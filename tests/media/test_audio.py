"""Sound as arrays: tones keep pitch, level and length at every rate; channels are averaged."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
from clip_tools import ffmpeg, numbered, tone, write_wav
from scipy.signal import resample_poly

from evalkit.errors import MediaError
from evalkit.media.audio import audio_seconds, read_audio, read_mix
from evalkit.media.encode import write_video
from evalkit.media.inspect import inspect_media


def pitch_and_amplitude(samples, rate: int) -> tuple[float, float]:
    """Return frequency in Hz and amplitude of a tone, from a windowed spectrum of its middle second."""
    middle = samples[len(samples) // 2 - rate // 2 :][:rate]
    window = np.hanning(len(middle))
    spectrum = np.abs(np.fft.rfft(middle * window)) * 2 / window.sum()
    return np.argmax(spectrum) * rate / len(middle), float(spectrum.max())


@pytest.mark.parametrize("native", [8_000, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 48_000])
def test_tone_keeps_pitch_level_and_length(tmp_path, native, rate):
    path = write_wav(tmp_path / "tone.wav", tone(1000, 2.0, native), native)
    samples = read_audio(path, rate)
    assert samples.dtype == np.float32 and samples.ndim == 1
    assert abs(len(samples) - 2 * rate) <= 2
    pitch, amplitude = pitch_and_amplitude(samples, rate)
    assert pitch == pytest.approx(1000, abs=1)
    assert amplitude == pytest.approx(0.5, rel=0.01)


def test_same_rate_is_left_as_it_is(tmp_path):
    samples = tone(440, 0.5, 16_000)
    np.testing.assert_allclose(read_audio(write_wav(tmp_path / "a.wav", samples, 16_000), 16_000), samples, atol=1e-4)


@pytest.mark.parametrize(("native", "rate", "up", "down"), [(48_000, 16_000, 1, 3), (8_000, 16_000, 2, 1)])
def test_against_scipys_resampling(tmp_path, native, rate, up, down):
    # A chirp from 100 Hz to 3 kHz, below both filters' edges; the ends are left out.
    time = np.arange(native) / native
    chirp = (0.5 * np.sin(2 * np.pi * (100 * time + 1450 * time**2))).astype(np.float32)
    ours = read_audio(write_wav(tmp_path / "c.wav", chirp, native), rate)
    expected = resample_poly(chirp.astype(np.float64), up, down)
    assert abs(len(ours) - len(expected)) <= 2
    middle = slice(rate // 20, rate - rate // 20)
    difference = ours[middle] - expected[middle]
    assert np.sqrt(np.mean(difference**2)) < 0.005  # 1 % of full swing: both align to the sample


def test_channels_are_averaged(tmp_path):
    left, right = tone(440, 0.5, 16_000, 0.6), tone(1000, 0.5, 16_000, 0.2)
    path = write_wav(tmp_path / "s.wav", np.stack([left, right], axis=1), 16_000)
    np.testing.assert_allclose(read_audio(path, 16_000), (left + right) / 2, atol=1e-4)


def test_two_equal_channels_are_not_louder_than_one(tmp_path):
    loud = tone(440, 0.5, 16_000, 0.9)
    both = read_audio(write_wav(tmp_path / "s.wav", np.stack([loud, loud], axis=1), 16_000), 16_000)
    np.testing.assert_allclose(both, loud, atol=1e-4)


def noise(seed: int, level: float = 0.1) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(16_000)).astype(np.float32)


SPEECH = noise(0)
CHANNELS = {
    # name: channels, energy of their average relative to independent channels, whether they cancel
    "equal": ([SPEECH, SPEECH], 2.0, False),
    "independent": ([SPEECH, noise(1)], 1.0, False),
    "one silent": ([SPEECH, 0 * SPEECH], 1.0, False),
    "wide stereo": ([SPEECH + noise(1), SPEECH - noise(1)], 1.0, False),
    "six independent": ([noise(seed) for seed in range(6)], 1.0, False),
    "six equal": ([SPEECH] * 6, 6.0, False),
    "one inverted": ([SPEECH, -SPEECH], 0.0, True),
    "one inverted and half as loud": ([SPEECH, -0.5 * SPEECH], 0.2, True),
    "one inverted, noise of -6 dB in each": ([SPEECH + noise(1, 0.05), -SPEECH + noise(2, 0.05)], 0.2, True),
    "one inverted, noise of +3 dB in each": ([SPEECH + noise(1, 0.141), -SPEECH + noise(2, 0.141)], 0.667, False),
    "three of six inverted": ([SPEECH, -SPEECH] * 3, 0.0, True),
}


@pytest.mark.parametrize("name", CHANNELS)
def test_channels_that_cancel_are_averaged_all_the_same_and_named(tmp_path, name):
    channels, energy, cancels = CHANNELS[name]
    path = write_wav(tmp_path / "s.wav", np.stack(channels, axis=1), 16_000)
    mix = read_mix(path, 16_000)
    np.testing.assert_allclose(mix.samples, np.mean(channels, axis=0), atol=1e-4)
    assert mix.energy == pytest.approx(energy, abs=0.05)
    assert mix.cancels == cancels
    assert inspect_media(path).facts.audio.mix_energy == pytest.approx(mix.energy, abs=1e-6)


@pytest.mark.parametrize("channels", [[SPEECH], [0 * SPEECH, 0 * SPEECH], [np.empty(0, np.float32)] * 2])
def test_one_channel_or_silence_has_nothing_to_cancel(tmp_path, channels):
    mix = read_mix(write_wav(tmp_path / "s.wav", np.stack(channels, axis=1), 16_000), 16_000)
    assert (mix.energy, mix.cancels) == (None, False)


@pytest.mark.ffmpeg
def test_the_remedy_keeps_the_speech(tmp_path):
    path = write_wav(tmp_path / "s.wav", np.stack([SPEECH, -SPEECH], axis=1), 16_000)
    ffmpeg("-i", path, "-af", "pan=mono|c0=c0", tmp_path / "one.wav")
    np.testing.assert_allclose(read_audio(tmp_path / "one.wav", 16_000), SPEECH, atol=1e-4)


@pytest.mark.shared
def test_no_real_stereo_cancels(shared, tmp_path):
    """The least of all the stereo in the shared data is 1.61, where independent channels have 1."""
    with zipfile.ZipFile(shared / "data/talking-heads/submissions/faithful.zip") as archive:
        archive.extractall(tmp_path)
    paths = [*sorted((shared / "data/clips").glob("c*.*")), *sorted(tmp_path.rglob("*.mp4"))]
    found = {path.name: read_mix(path, 16_000) for path in paths if path.name not in {"c07.mp4", "c09.mp4"}}
    energies = [mix.energy for mix in found.values() if mix.energy is not None]
    assert len(energies) > 20 and min(energies) > 1.6
    assert not any(mix.cancels for mix in found.values())


@pytest.mark.ffmpeg
def test_stereo_aac_is_as_loud_as_it_was(tmp_path):
    loud = tone(440, 2.0, 48_000, 0.5)
    write_wav(tmp_path / "s.wav", np.stack([loud, loud], axis=1), 48_000)
    ffmpeg("-i", tmp_path / "s.wav", "-c:a", "aac", "-b:a", "192k", tmp_path / "s.m4a")
    pitch, amplitude = pitch_and_amplitude(read_audio(tmp_path / "s.m4a", 16_000), 16_000)
    assert pitch == pytest.approx(440, abs=1)
    assert amplitude == pytest.approx(0.5, rel=0.02)


@pytest.mark.shared
def test_8_khz_mono(shared):
    path = shared / "data/nasty/audio_8k_mono.mp4"
    assert audio_seconds(path) == pytest.approx(5.0, abs=0.3)
    low, high = read_audio(path, 8_000), read_audio(path, 16_000)
    assert abs(len(high) - 2 * len(low)) <= 4
    assert np.abs(low).max() > 0.01
    # Nothing above 4 kHz can come out of 8 kHz.
    spectrum = np.abs(np.fft.rfft(high))
    assert spectrum[len(spectrum) * 11 // 20 :].max() < 0.01 * spectrum.max()


@pytest.mark.shared
@pytest.mark.ffmpeg
@pytest.mark.parametrize("name", ["clips/c03.mp4", "clips/c07.mp4", "clips/c10.mpg", "syncnet/example.avi"])
def test_samples_are_those_of_ffmpeg(shared, name):
    """The same decoder, the same resampler; channels averaged by a filter, because ``-ac 1`` is 3 dB louder."""
    path = shared / "data" / name
    flags = ["-af", "pan=mono|c0=0.5*c0+0.5*c1"] if name in {"clips/c03.mp4", "clips/c10.mpg"} else []
    raw = ffmpeg("-i", path, "-map", "0:a:0", *flags, "-ar", 16_000, "-f", "f32le", "-")
    theirs, ours = np.frombuffer(raw, np.float32), read_audio(path, 16_000)
    assert abs(len(ours) - len(theirs)) <= 32
    both = min(len(ours), len(theirs))
    assert np.sqrt(np.mean((ours[:both] - theirs[:both]) ** 2)) < 1e-3


def test_length_is_that_of_the_samples(tmp_path):
    assert audio_seconds(write_wav(tmp_path / "a.wav", tone(440, 1.25, 16_000), 16_000)) == 1.25


@pytest.mark.parametrize("read", [lambda path: read_audio(path, 16_000), audio_seconds])
def test_no_audio_stream_is_an_error(tmp_path, read):
    write_video(tmp_path / "v.mp4", numbered(2), 25, preset="ultrafast")
    with pytest.raises(MediaError, match="no audio stream"):
        read(tmp_path / "v.mp4")


@pytest.mark.parametrize("read", [lambda path: read_audio(path, 16_000), audio_seconds])
def test_damaged_audio_is_an_error(tmp_path, read):
    write_video(tmp_path / "v.mp4", numbered(50), 25, tone(440, 2, 16_000), preset="ultrafast")
    data = bytearray((tmp_path / "v.mp4").read_bytes())
    data[len(data) * 3 // 4 :] = bytes([0xFF]) * (len(data) - len(data) * 3 // 4)
    (tmp_path / "v.mp4").write_bytes(data)
    with pytest.raises(MediaError, match="can't be decoded") as caught:
        read(tmp_path / "v.mp4")
    assert "Invalid data" in str(caught.value)


def test_empty_audio_gives_no_sample(tmp_path):
    assert read_audio(write_wav(tmp_path / "a.wav", np.empty(0, np.float32), 16_000), 16_000).shape == (0,)


@pytest.mark.parametrize("rate", [0, -16_000])
def test_rate_must_be_positive(tmp_path, rate):
    with pytest.raises(ValueError, match="positive"):
        read_audio(tmp_path / "a.wav", rate)
