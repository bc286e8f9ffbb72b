"""Arrays that don't fit are refused with what to change; what fits is taken as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from evalkit.arrays.checks import frames_of, items_of
from evalkit.errors import InputError

RNG = np.random.default_rng(3)
VIDEO = RNG.integers(0, 256, (6, 8, 10, 3), dtype=np.uint8)
TENSOR = torch.from_numpy(VIDEO).permute(0, 3, 1, 2)
WAVE = (RNG.normal(size=3840) * 0.1).astype(np.float32)  # 0.24 s at 16 kHz: six frames at 25 a second
PCM = (WAVE * 32767).astype(np.int16)


def held(**given: Any) -> Any:
    return items_of(given.pop("video", VIDEO), **given)[0]


def test_a_tensor_and_an_array_are_the_same_video() -> None:
    for given in (VIDEO, TENSOR, TENSOR.contiguous(), VIDEO[None], TENSOR[None]):
        assert np.array_equal(held(video=given).video.frames, VIDEO)
    assert np.shares_memory(held().video.frames, VIDEO)
    assert held(video=VIDEO[0]).video.frames.shape == (1, 8, 10, 3)
    assert [item.sample for item in items_of([VIDEO, TENSOR])] == ["000000", "000001"]
    assert len(items_of(np.stack([VIDEO] * 3))) == 3


def test_frames_are_shown_at_the_rate_or_the_times_given() -> None:
    assert held(fps=50).video.times.tolist() == [0, 0.02, 0.04, 0.06, 0.08, 0.1]
    assert held(times=[0, 1, 2, 3, 5, 8]).video.times.tolist() == [0, 1, 2, 3, 5, 8]
    item = held(fps=50, reference=VIDEO[:3], reference_fps=25)
    assert item.reference_video.times.tolist() == [0, 0.04, 0.08]
    assert held(fps=50, reference=VIDEO[:2]).reference_video.times.tolist() == [0, 0.02]
    assert held(times=[0, 1, 2, 3, 5, 8], reference=VIDEO).reference_video.times.tolist() == [0, 1, 2, 3, 5, 8]


@pytest.mark.parametrize("wave", [WAVE, WAVE.astype(np.float64), torch.from_numpy(WAVE), WAVE[None], WAVE[:, None]])
def test_a_sound_is_taken_in_any_usual_form(wave: Any) -> None:
    sound = held(fps=25, audio=wave, audio_rate=16000).audio
    assert sound.samples.dtype == np.float32
    assert np.array_equal(sound.samples, WAVE[None])
    assert sound.rate == 16000
    stereo = held(fps=25, audio=np.stack([PCM, PCM], axis=1), audio_rate=16000).audio
    assert np.array_equal(stereo.samples, np.stack([PCM, PCM]))
    assert stereo.samples.dtype == np.int16


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "floats of 0..1": ({"video": VIDEO / 255}, r"not uint8.*float64, 0..1.*x \* 255"),
    "floats of -1..1": ({"video": (VIDEO / 127.5 - 1).astype(np.float32)}, r"-1..1.*\(x \+ 1\) \* 127.5"),
    "floats of 0..255": ({"video": VIDEO.astype(np.float32)}, r"0..255.*round\(\).clip\(0, 255\)"),
    "a tensor of floats": ({"video": TENSOR / 255}, r"clamp\(0, 255\).to\(torch.uint8\)"),
    "bfloat16": ({"video": TENSOR.to(torch.bfloat16)}, "bfloat16"),
    "NaN": ({"video": np.where(VIDEO > 128, np.nan, 0.5)}, r"NaN or infinite values \(\d\d\.\d%\)"),
    "int64": ({"video": VIDEO.astype(np.int64)}, r"int64, 0..255.*convert to uint8"),
    "cast from 0..1": ({"video": (VIDEO / 255).round().astype(np.uint8)}, "no value but 0 and 1.*multiply by 255"),
    "channels first": ({"video": VIDEO.transpose(0, 3, 1, 2)}, r"\(6, 3, 8, 10\).*x.transpose\(0, 2, 3, 1\)"),
    "a tensor with channels last": ({"video": torch.from_numpy(VIDEO)}, r"x.permute\(0, 3, 1, 2\)"),
    "a tensor (3, T, H, W)": ({"video": TENSOR.permute(1, 0, 2, 3)}, r"x.permute\(1, 0, 2, 3\)"),
    "grey": ({"video": VIDEO[..., :1]}, "Grey frames"),
    "alpha": ({"video": np.concatenate([VIDEO, VIDEO[..., :1]], axis=-1)}, "alpha"),
    "no frame": ({"video": VIDEO[:0]}, r"no frame.*\(0, 8, 10, 3\)"),
    "no video": ({"video": []}, "list of the argument video is empty"),
    "a path": ({"video": "video.mp4"}, "not an array.*evalkit score"),
    "a frame rate in ms": ({"fps": 0}, "no frame rate.*0"),
    "times of another length": ({"times": [0, 1]}, r"times of the video don't fit.*shape \(2,\) for 6"),
    "times that go back": ({"times": [0, 1, 2, 1, 3, 4]}, "not ascending"),
    "times without the rate of the reference": (
        {"times": [0, 1, 2, 3, 5, 8], "reference": VIDEO[:3]},
        "not as many frames as the times.*3 frames, 6 times.*reference_fps=25",
    ),
    "no sample rate": ({"audio": WAVE}, "rate of the audio of the video is missing.*audio_rate=16000"),
    "kHz": ({"audio": WAVE, "audio_rate": 16}, "Hz, not kHz"),
    "16-bit samples as floats": ({"audio": PCM.astype(np.float32), "audio_rate": 16000}, "divide by 32768"),
    "floats cast to int16": ({"audio": np.sign(PCM).astype(np.int16), "audio_rate": 16000}, "give the floats"),
    "32-bit samples": ({"audio": PCM.astype(np.int32), "audio_rate": 16000}, r"int32.*2\*\*31"),
    "NaN in a sound": ({"audio": np.full(3840, np.nan), "audio_rate": 16000}, "NaN"),
    "a sound of four dimensions": ({"audio": WAVE[None, None, None], "audio_rate": 16000}, r"\(1, 1, 1, 3840\)"),
    "a rate as text": ({"audio": WAVE, "audio_rate": "16k"}, "no sample rate.*'16k'"),
    "a frame rate as text": ({"fps": "25"}, "no frame rate.*'25'"),
    "a sound with its rate": (
        {"audio": [(WAVE, 16000)], "audio_rate": 16000},
        "array.*tuple of 2.*without the rate",
    ),
    "samples in a list": ({"audio": [0.0] * 6, "audio_rate": 16000}, "audio is not an array.*list of 6 float.*asarray"),
    "a number as a prompt": ({"prompt": 5}, "prompt has the wrong type.*int"),
    "a video as the image": ({"reference_image": VIDEO}, r"several pictures in one array.*frames\[0\]"),
    "an empty sound": ({"audio": WAVE[:0], "audio_rate": 16000}, "another shape|no sample"),
    "fewer references": ({"video": [VIDEO, VIDEO], "reference": [VIDEO]}, "not as many references as videos.*1 for 2"),
    "frames as a list": ({"video": list(VIDEO), "reference": VIDEO}, r"single pictures.*6 of type ndarray.*np\.stack"),
    "pictures of Pillow": (
        {"video": [Image.fromarray(one) for one in VIDEO]},
        r"single pictures.*np\.asarray",
    ),
    "one image for two": (
        {"video": [VIDEO, VIDEO], "reference_image": VIDEO[0]},
        "not as many reference images as videos.*1 for 2.*list of 2",
    ),
    "a video as an image": ({"reference_image": [VIDEO]}, r"single picture.*\(6, 8, 10, 3\)"),
    "a prompt in bytes": ({"prompt": [b"x"]}, "prompt is text.*bytes"),
    "an event without an end": ({"timeline": [[(0.0, "walks")]]}, r"\(start, end, description\)"),
}


@pytest.mark.parametrize(("given", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_what_does_not_fit_is_refused_with_the_remedy(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"(?s){message}"):
        held(**given)


def test_a_sound_that_would_fit_at_another_rate_is_refused() -> None:
    wave = np.zeros(48000 * 2, np.float32)
    video = np.zeros((50, 8, 8, 3), np.uint8)
    with pytest.raises(InputError, match=r"6.00 s of sound at 16000 Hz for 2.00 s of video; 48000 Hz would fit"):
        held(video=video, fps=25, audio=wave, audio_rate=16000)
    assert held(video=video, fps=25, audio=wave, audio_rate=48000).audio.rate == 48000
    # Longer speech than the video is no fault by itself: generators cut.
    assert held(video=video, fps=25, audio=wave[:70000], audio_rate=16000).audio.samples.shape == (1, 70000)


def test_a_black_video_and_silence_are_taken() -> None:
    assert frames_of(np.zeros((2, 4, 4, 3), np.uint8), "the video").max() == 0
    assert held(fps=25, audio=np.zeros(3840, np.int16), audio_rate=16000).audio.samples.max() == 0


def test_a_batch_of_sounds_goes_with_a_batch_of_videos() -> None:
    batch = np.stack([WAVE, -WAVE])
    items = items_of(np.stack([VIDEO, VIDEO]), fps=25, audio=torch.from_numpy(batch), audio_rate=16000)
    assert [np.array_equal(item.audio.samples, one[None]) for item, one in zip(items, batch, strict=True)] == [True] * 2
    (item,) = items_of(VIDEO[None], fps=25, audio=batch, audio_rate=16000)
    assert item.audio.samples.shape == (2, 3840)  # two channels of a single video


def test_several_images_of_one_person() -> None:
    assert len(held(reference_image=[VIDEO[0], TENSOR[1]]).reference_images) == 2
    items = items_of([VIDEO, VIDEO], reference_image=[[VIDEO[0], VIDEO[1]], VIDEO[2]])
    assert [len(item.reference_images) for item in items] == [2, 1]
    assert np.array_equal(items[1].reference_images[0], VIDEO[2])


def test_what_was_resized_is_said_where_the_number_is_printed() -> None:
    from evalkit import measure

    large = VIDEO.repeat(8, axis=1).repeat(8, axis=2)
    assert str(measure("psnr", large, reference=255 - large)).endswith("(higher is better)")
    resized = measure("psnr", large, reference=255 - large[:, :32])
    assert str(resized).endswith("(higher is better); events: other_size_than_reference")
