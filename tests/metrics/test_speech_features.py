"""Features and metrics of generated speech: what noise, delay, silence and another voice do, and what is not scored."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sync_networks import write_wav

from evalkit.errors import WeightsError
from evalkit.media.audio import read_audio
from evalkit.metrics.base import FeatureData, VideoInputs, VideoValue, metric_registry
from evalkit.metrics.features.audio import to_int16
from evalkit.metrics.features.base import FeatureUnavailableError, Item, WeightFile, feature_registry
from evalkit.metrics.networks.speaker import Ge2e, SpeakerEncoder
from evalkit.metrics.speech import pesq as pesq_module
from evalkit.metrics.speech import signals, speakers
from evalkit.metrics.speech.activity import VoiceActivityExtractor, speech_spans
from evalkit.metrics.speech.dnsmos import log_mel, pieces_of
from evalkit.metrics.speech.intelligibility import intelligibility
from evalkit.metrics.speech.signals import read_speech

RATE = 16000
METRICS = metric_registry()
Samples = NDArray[np.int16]


def voice(seed: int, seconds: float = 3.0) -> Samples:
    """Harmonics of a gliding pitch, through two formants that change, in syllables: nobody's words, but speech-like."""
    random = np.random.RandomState(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    pitch = random.uniform(90, 220) * (1 + 0.1 * np.sin(2 * np.pi * 0.7 * time + random.rand()))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    formants = [
        np.interp(time, np.arange(0, seconds + 1, 0.2), random.uniform(low, high, len(np.arange(0, seconds + 1, 0.2))))
        for low, high in ((300, 900), (900, 2500))
    ]
    wave = sum(
        np.sin(k * phase) * sum(np.exp(-np.square((k * pitch - formant) / 150)) for formant in formants)
        for k in range(1, 25)
    )
    syllables = np.clip(np.sin(2 * np.pi * 2.1 * time + random.rand()), 0, 1)
    return np.rint(9000 * wave * syllables).clip(-32768, 32767).astype(np.int16)


def with_noise(samples: Samples, decibels: float) -> Samples:
    noise = np.random.RandomState(9).randn(len(samples))
    level = np.sqrt(np.mean(np.square(samples.astype(np.float64)))) * 10 ** (-decibels / 20)
    return (samples + level * noise).clip(-32768, 32767).astype(np.int16)


def late(samples: Samples, count: int) -> Samples:
    return np.concatenate([np.zeros(count, np.int16), samples])[: len(samples)]


def score(
    folder: Path,
    generated: Samples,
    reference: Samples | None,
    *names: str,
    weights: dict[str, WeightFile] | None = None,
) -> dict[str, VideoValue]:
    """Return the metrics' values of one WAV file against another."""
    submitted = write_wav(folder / "generated.wav", generated)
    audio = None if reference is None else write_wav(folder / "reference.wav", reference)
    item = Item("s", submitted, audio=audio)
    found: dict[str, FeatureData] = {}
    for feature in {feature for name in names for feature in METRICS[name].record.features}:
        session = feature_registry()[feature](weights or {}).open(item, {})
        session.plan(np.empty(0))
        try:
            found[feature] = FeatureData(session.finish())
        except FeatureUnavailableError as error:
            found[feature] = FeatureData(None, error.reason, error.detail)
    return {name: METRICS[name].score_video(VideoInputs("s", found)) for name in names}


SPECTRA = ("speech.mcd", "speech.mcd.aligned", "speech.mcd.dtw")
COMPARED = ("speech.stoi", "speech.estoi", "speech.stoi.aligned", "speech.pesq_wb", *SPECTRA)


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float]]:
    folder = tmp_path_factory.mktemp("speech")
    clean = voice(1)
    submitted = {
        "clean": clean,
        "noisy": with_noise(clean, 10),
        "noisier": with_noise(clean, 0),
        "late": late(clean, 160),
        "other": voice(2),
    }
    return {
        case: {name: value.value for name, value in score(folder, samples, clean, *COMPARED, "speech.delay").items()}
        for case, samples in submitted.items()
    }


@pytest.mark.parametrize("name", COMPARED)
def test_the_order_is_as_it_should_be(cases, name):
    sign = 1 if METRICS[name].record.higher_is_better else -1
    values = {case: sign * found[name] for case, found in cases.items()}
    assert values["clean"] > values["noisy"] > values["noisier"]
    assert values["clean"] > values["other"]
    best = METRICS[name].record.range[1 if sign > 0 else 0]
    assert sign * values["clean"] == pytest.approx(best, abs=0.01)


def test_a_delay_of_10_ms_costs_much_and_nothing_once_it_is_removed(cases):
    assert cases["late"]["speech.delay"] == pytest.approx(10.0)
    assert cases["late"]["speech.stoi"] < 0.9
    assert cases["late"]["speech.stoi.aligned"] == pytest.approx(1.0, abs=1e-3)
    assert cases["late"]["speech.mcd"] > 1
    assert cases["late"]["speech.mcd.aligned"] < 0.3
    assert cases["late"]["speech.mcd.dtw"] < cases["late"]["speech.mcd"] / 5
    assert cases["late"]["speech.pesq_wb"] > 4 > cases["noisy"]["speech.pesq_wb"]


def test_silence_is_unscored_or_the_worst_and_says_so(tmp_path):
    clean = voice(1)
    plain = score(
        tmp_path, np.zeros_like(clean), clean, "speech.stoi", "speech.estoi", "speech.pesq_wb", "speech.delay"
    )
    assert {(one.value, one.reason) for one in plain.values()} == {(None, "no_speech")}
    strict = score(tmp_path, np.zeros_like(clean), clean, "speech.stoi.strict", "speech.pesq_wb.strict")
    assert [one.value for one in strict.values()] == [0.0, 1.0]
    assert {event.kind for one in strict.values() for event in one.events} == {"no_speech"}


def test_without_reference_speech_nothing_is_scored(tmp_path):
    for reference in (None, np.zeros(48000, np.int16)):
        found = score(tmp_path, voice(1), reference, *COMPARED, "speech.stoi.strict")
        assert {(one.value, one.reason) for one in found.values()} == {(None, "no_reference_speech")}


def test_an_empty_and_a_very_short_sound_are_no_values(tmp_path):
    found = score(tmp_path, np.empty(0, np.int16), voice(1), *COMPARED)
    assert {one.value for one in found.values()} == {None}
    found = score(tmp_path, voice(1)[8000:10000], voice(1), "speech.stoi", "speech.stoi.strict", "speech.pesq_wb")
    assert {one.reason for one in found.values()} == {"too_short"}


def test_lengths_and_clipping_are_events(tmp_path):
    clean = voice(1)
    (value,) = score(tmp_path, clean[:-1600], clean, "speech.stoi").values()
    assert [event.kind for event in value.events] == ["lengths_differ"]
    (value,) = score(tmp_path, clean[:-1200], clean, "speech.stoi").values()
    assert value.events == ()
    loud = tmp_path / "loud.wav"
    samples = (1.5 * np.sin(np.arange(RATE) / 20)).astype("<f4")
    with loud.open("wb") as file:  # a WAV of 32-bit floats: the module wave writes whole numbers only
        body = samples.tobytes()
        head = b"WAVEfmt " + np.array([16], "<u4").tobytes() + np.array([3, 1], "<u2").tobytes()
        head += np.array([RATE, 4 * RATE], "<u4").tobytes() + np.array([4, 32], "<u2").tobytes()
        file.write(b"RIFF" + np.array([len(head) + 8 + len(body)], "<u4").tobytes() + head)
        file.write(b"data" + np.array([len(body)], "<u4").tobytes() + body)
    found = read_speech(loud)
    assert found.clipped == int((np.abs(samples) > 1).sum())
    assert (found.samples.max(), found.samples.min()) == (32767, -32768)


def test_a_file_that_is_no_sound_is_named(tmp_path):
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF\xff\xff\xff\xffWAVEfmt " + bytes(range(200)))
    audio = write_wav(tmp_path / "reference.wav", voice(1))
    for name in ("speech_pair", "speech_intelligibility", "pesq_wb", "voice_activity"):
        session = feature_registry()[name]({}).open(Item("s", broken, audio=audio), {})
        session.plan(np.empty(0))
        with pytest.raises(FeatureUnavailableError) as caught:
            session.finish()
        assert caught.value.reason == "audio_unreadable"


def test_without_the_package_pesq_is_unscored_and_says_what_to_install(tmp_path, monkeypatch):
    def absent(_name: str) -> str:
        raise signals.PackageNotFoundError

    monkeypatch.setattr(signals, "version", absent)
    (value,) = score(tmp_path, voice(1), voice(1), "speech.pesq_wb").values()
    assert (value.reason, value.events[0].detail) == ("no_pesq", pesq_module.NO_PESQ)


def test_long_sounds_are_not_given_to_pesq(tmp_path):
    long = np.tile(voice(1), 11)
    (value,) = score(tmp_path, long, long, "speech.pesq_wb").values()
    assert value.reason == "too_long"


@pytest.mark.parametrize("mode", ["wb", "nb"])
def test_pesq_is_what_the_package_says(tmp_path, mode):
    from pesq import pesq

    clean, noisy = voice(3), with_noise(voice(3), 5)
    (value,) = score(tmp_path, noisy, clean, f"speech.pesq_{mode}").values()
    assert value.value == pytest.approx(pesq(RATE, clean / 32768, noisy / 32768, mode), abs=1e-6)


def test_stoi_and_estoi_are_those_of_pystoi():
    from pystoi import stoi

    for seed in range(4):
        clean = voice(seed, 2.0 + seed).astype(np.float64) / 32768
        noisy = clean + 0.05 * np.random.RandomState(seed).randn(len(clean))
        plain, extended = intelligibility(clean, noisy)
        assert plain.mean() == pytest.approx(stoi(clean, noisy, 10000), abs=1e-9)
        assert extended.mean() == pytest.approx(stoi(clean, noisy, 10000, extended=True), abs=1e-9)


def test_pystoi_calls_too_few_frames_a_number():
    """The trap: a value of 0.00001 stands for none."""
    from pystoi import stoi

    clean = voice(1)[:3000].astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert stoi(clean, clean, 10000) == 1e-5


def test_spans_of_speech_follow_their_rules():
    def spans(text: str, samples: int | None = None) -> list[tuple[float, float]]:
        values = {".": 0.1, "-": 0.4, "#": 0.9}
        return speech_spans(np.array([values[letter] for letter in text]), samples or 512 * len(text))

    assert spans("." * 20) == []
    assert spans("....#######......") == [], "250 ms and less are left out"
    assert spans("....########......") == [(4 * 512 - 480, 12 * 512 + 480)]
    assert spans("#########......") == [(0, 9 * 512 + 480)]
    assert spans("#########...") == [(0, 12 * 512)], "a pause that isn't over yet is none"
    assert spans("....####----####......") == [(4 * 512 - 480, 16 * 512 + 480)], "between both thresholds it goes on"
    assert spans("....####....####......") == [(4 * 512 - 480, 16 * 512 + 480)], "nor is one of less than 100 ms"
    apart = [(0, 9 * 512 + 480), (14 * 512 - 480, 23 * 512 - 100)]
    assert spans("#########.....#########", 23 * 512 - 100) == apart


def test_without_a_network_loudness_decides_and_the_share_is_unscored(tmp_path):
    (value,) = score(tmp_path, voice(1), voice(1), "speech.vad_ratio").values()
    assert value.reason == "no_voice_network"


def test_another_network_is_refused(tmp_path):
    file = tmp_path / "vad.onnx"
    file.write_bytes(b"no network")
    extractor = VoiceActivityExtractor({"voice_activity": WeightFile("voice_activity", file, "0" * 64)})
    session = extractor.open(Item("s", write_wav(tmp_path / "a.wav", voice(1))), {})
    session.plan(np.empty(0))
    with pytest.raises(WeightsError, match=r"vad\.onnx"):
        session.finish()


@pytest.fixture(scope="module")
def encoder_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as Resemblyzer's, with random weights."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("encoder") / "pretrained.pt"
    state = {**Ge2e().state_dict(), "similarity_weight": torch.ones(1), "similarity_bias": torch.ones(1)}
    torch.save({"step": 7, "model_state": state}, path)
    return path


def test_the_speaker_encoder_is_an_lstm_by_hand(encoder_file):
    """Three layers, gates in the order input, forget, cell, output; a ReLU of the last state, length 1."""
    state = {name: value.numpy().astype(np.float64) for name, value in torch.load(encoder_file)["model_state"].items()}
    given = np.random.RandomState(0).rand(1, 12, 40)
    rows = given[0]

    def squash(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return 1 / (1 + np.exp(-x))

    for layer in range(3):
        hidden = cell = np.zeros(256)
        made = []
        for row in rows:
            gates = state[f"lstm.weight_ih_l{layer}"] @ row + state[f"lstm.bias_ih_l{layer}"]
            gates = gates + state[f"lstm.weight_hh_l{layer}"] @ hidden + state[f"lstm.bias_hh_l{layer}"]
            enter, forget, new, leave = np.split(gates, 4)
            cell = squash(forget) * cell + squash(enter) * np.tanh(new)
            hidden = squash(leave) * np.tanh(cell)
            made.append(hidden)
        rows = np.array(made)
    expected = np.maximum(state["linear.weight"] @ rows[-1] + state["linear.bias"], 0)
    found = SpeakerEncoder(encoder_file, "cpu").embed(given.astype(np.float32))[0]
    assert found == pytest.approx(expected / np.linalg.norm(expected), abs=1e-5)


def test_speakers_are_compared_by_a_cosine(tmp_path, encoder_file):
    weights = {"speaker_encoder": WeightFile("speaker_encoder", encoder_file, "0" * 64)}
    (same,) = score(tmp_path, voice(1), voice(1), "speech.secs", weights=weights).values()
    assert same.value == pytest.approx(1.0, abs=1e-6)
    (other,) = score(tmp_path, voice(2), voice(1), "speech.secs", weights=weights).values()
    assert other.value < same.value
    (silent,) = score(tmp_path, np.zeros(48000, np.int16), voice(1), "speech.secs.strict", weights=weights).values()
    assert silent.value == 0.0


def test_pauses_are_cut_out_and_short_ones_kept():
    window = speakers.DETECTOR_WINDOW
    loud = 0.3 * np.ones(window * 20)
    signal = np.concatenate([loud, np.zeros(window * 30), loud, np.zeros(window * 3), loud, np.zeros(100)])
    kept = speakers.without_pauses(signal, any)
    assert 60 * window <= len(kept) <= 78 * window
    assert speakers.raised(0.001 * loud).std() == pytest.approx(0)
    assert np.abs(speakers.raised(0.001 * loud)).max() == pytest.approx(10 ** (-30 / 20), rel=1e-3)
    assert speakers.raised(loud) is loud


@pytest.mark.parametrize(("samples", "starts"), [(100, 1), (25600, 1), (40000, 2), (16000 * 5, 5)])
def test_slices_of_a_voice_cover_it(samples, starts):
    found = speakers.slice_starts(samples)
    assert len(found) == starts
    assert set(np.diff(found)) <= {77}


def test_pieces_for_dnsmos_begin_every_second():
    assert [len(piece) for piece in pieces_of(np.ones(RATE, np.float32))] == [144160] * 7
    assert [len(piece) for piece in pieces_of(np.ones(12 * RATE, np.float32))] == [144160] * 3
    level = log_mel(np.random.RandomState(0).randn(144000).astype(np.float32))
    assert level.shape == (900, 120)
    assert (level.max(), level.min() >= -1) == (1.0, True)


@pytest.mark.shared
def test_real_speech_is_found_and_noise_and_silence_are_not(shared, tmp_path):
    network = shared / "weights" / "silero_vad_16k_op15.onnx"
    weights = {"voice_activity": WeightFile("voice_activity", network, "0" * 64)}
    real = to_int16(read_audio(shared / "data/talking-heads/testset/audio/s02.wav", RATE))
    noise = (3000 * np.random.RandomState(0).randn(len(real))).astype(np.int16)
    found = {}
    for name, samples in {"real": real, "noise": noise, "silence": np.zeros_like(real)}.items():
        values = score(tmp_path, samples, real, "speech.vad_ratio", "speech.stoi", weights=weights)
        found[name] = (values["speech.vad_ratio"].value, values["speech.stoi"].reason)
    # Equal to what get_speech_timestamps of silero-vad 6.2.3 gives for this file: compared by hand.
    assert found["real"] == (pytest.approx(0.7496, abs=1e-4), None)
    assert found["noise"] == (0.0, "no_speech")
    assert found["silence"] == (0.0, "no_speech")
