"""The fingerprint: copies keep their signature, stills are known, sounds are matched, honest clips pass."""

from __future__ import annotations

import functools
from pathlib import Path

import cv2
import numpy as np
import pytest
from gaming_clips import AAC, COPIES, fingerprint, refilmed, resounded, still
from moving_pictures import moving
from scipy.signal import correlate

from evalkit.metrics.gaming import audio_match, overlay, signature, stillness
from evalkit.metrics.gaming.signature import SAME_SHARE, matches


@pytest.mark.parametrize(("ours", "theirs"), [(500, 480), (60, 500), (300, 10), (1, 1), (1, 7)])
def test_products_of_envelopes_are_scipys(ours: int, theirs: int) -> None:
    rng = np.random.default_rng(ours)
    one, other = rng.normal(size=(ours, 9)), rng.normal(size=(theirs, 9))
    wanted = sum(correlate(one[:, band], other[:, band], "full", "direct") for band in range(9))
    found = audio_match._products(one, other)[np.arange(1 - theirs, ours)]
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)


# signature


def test_one_picture_and_many():
    rng = np.random.default_rng(0)
    many = moving(8)
    noisy = np.float32([many[0] + rng.normal(0, 1, (64, 64)) for _ in range(30)])
    alternating = np.float32([many[0 if at % 2 else 20] for at in range(30)])
    assert stillness.distinct_images(many) == stillness.MAX_DISTINCT
    assert stillness.distinct_images(noisy) == 1
    assert stillness.distinct_images(alternating) == 2
    assert stillness.single_image_residual(many) > stillness.SINGLE_IMAGE


def test_a_zoom_is_one_picture():
    source = cv2.resize(np.random.default_rng(1).uniform(0, 255, (6, 6)).astype(np.float32), (64, 64))
    zooms = []
    for at in range(30):
        factor = 1 + 0.006 * at
        matrix = np.float32([[factor, 0, 32 * (1 - factor) + 0.1 * at], [0, factor, 32 * (1 - factor)]])
        zooms.append(cv2.warpAffine(source, matrix, (64, 64), borderMode=cv2.BORDER_REPLICATE))
    zoomed = np.float32(zooms)
    assert stillness.distinct_images(zoomed) > stillness.FEW_IMAGES
    assert stillness.single_image_residual(zoomed) < stillness.SINGLE_IMAGE
    mouth = zoomed.copy()
    for at, picture in enumerate(mouth):  # a part that moves by itself is not explained
        cv2.circle(picture, (32, 44), 3 + at % 3, float(255 * (at % 2)), -1)
    assert stillness.single_image_residual(mouth) > stillness.SINGLE_IMAGE


def test_the_residual_ignores_brightness_and_contrast():
    one = stillness.smoothed(moving(9, 1)[0])
    assert stillness.residual(one, np.float32(0.5 * one + 20), warp=False) == pytest.approx(0, abs=1e-3)
    assert stillness.residual(one, np.float32(-one + 255), warp=False) == pytest.approx(0, abs=1e-3)  # a negative
    flat = np.full((64, 64), 90, np.float32)
    assert stillness.residual(flat, one, warp=False) > stillness.SINGLE_IMAGE


# sound


def speech(seed: int, seconds: float = 6) -> np.ndarray:
    """Return noise whose bands change their loudness as syllables do."""
    rng = np.random.default_rng(seed)
    count = int(seconds * 16000)
    total = np.zeros(count)
    spectrum = np.fft.rfft(rng.normal(0, 1, count))
    frequency = np.fft.rfftfreq(count, 1 / 16000)
    for low, high in ((100, 500), (500, 1200), (1200, 2200), (2200, 3400)):
        band = np.fft.irfft(np.where((frequency >= low) & (frequency < high), spectrum, 0), count)
        steps = np.repeat(rng.uniform(0, 1, int(seconds * 8) + 1), 2000)[:count]
        total += band * np.convolve(steps, np.hanning(800) / 400, "same")
    return np.int16(8000 * total / np.abs(total).max())


def test_sound_is_found_again_with_its_offset():
    official = speech(1)
    late = np.concatenate([np.zeros(3200, np.int16), official])[: len(official)]
    same = audio_match.match_audio(official, official)
    assert (same.state, same.share) == ("compared", 1.0) and same.match == pytest.approx(1) and abs(same.offset) < 1e-6
    found = audio_match.match_audio(np.int16(0.25 * late), official)
    assert found.offset == pytest.approx(0.2, abs=0.003) and found.match > 0.95 and found.share == 1.0
    assert audio_match.match_audio(official[4800:], official).offset == pytest.approx(-0.3, abs=0.003)


@pytest.mark.parametrize("seconds", [1, 8, 60])
@pytest.mark.parametrize("loudness", [0, 300])
def test_what_follows_the_speech_does_not_make_it_another(seconds, loudness):
    """Muxing the speech with a long tail of silence or noise is a mistake, not other audio."""
    official = speech(3)
    tail = np.random.default_rng(7).normal(0, loudness, 16000 * seconds).astype(np.int16)
    found = audio_match.match_audio(np.concatenate([official, tail]), official)
    assert found.match > audio_match.SIMILAR
    assert (found.offset, found.share) == (pytest.approx(0, abs=0.003), 1)


def test_other_sound_and_half_of_it():
    official, other = speech(2), speech(3)
    assert audio_match.match_audio(other, official).match < 0.5
    assert audio_match.match_audio(other, official).share < 0.2
    half = np.concatenate([official[:48000], other[48000:]])
    assert 0.3 < audio_match.match_audio(half, official).share < 0.7


@pytest.mark.parametrize(
    ("own", "official", "state"),
    [
        (speech(4), None, "no_official_sound"),
        (None, speech(4), "no_sound"),
        (np.zeros(0, np.int16), speech(4), "no_sound"),
        (np.zeros(96000, np.int16), speech(4), "silent"),
        (speech(4), np.zeros(96000, np.int16), "official_silent"),
        (speech(4)[:9000], speech(4), "too_short"),
    ],
)
def test_why_sounds_are_not_compared(own, official, state):
    assert audio_match.match_audio(own, official).state == state


# overlays


def scene(paste: tuple[int, int, int, int] | None, *, still_background: bool = False) -> list[overlay.Island]:
    """Return the islands of 30 frames of a wandering texture with a striped box at (top, left, height, width)."""
    texture = np.random.default_rng(5).integers(20, 235, (30, 30), dtype=np.uint8)
    big = cv2.resize(texture, (400, 400), interpolation=cv2.INTER_CUBIC)
    sums = overlay.OverlaySums()
    for at in range(30):
        step = 0 if still_background else 5 * at
        frame = big[step : step + 128, step : step + 160].copy()
        if paste:
            top, left, height, width = paste
            frame[top : top + height, left : left + width] = 230
            frame[top : top + height : 2, left : left + width] = 20
        sums.add(frame)
    return sums.islands()


def test_a_pasted_box_is_an_island():
    (island,) = scene((60, 50, 16, 40))
    assert (island.top, island.left) == pytest.approx((60 / 128, 50 / 160), abs=0.01)
    assert (island.height, island.width) == pytest.approx((16 / 128, 40 / 160), abs=0.01)


def test_no_island():
    assert scene(None) == []
    assert scene(None, still_background=True) == []
    assert scene((60, 50, 16, 40), still_background=True) == []  # said in the module's docstring
    assert scene((112, 50, 16, 40)) == []  # at the border, the same


# real clips


@pytest.fixture(scope="module")
def real(shared) -> dict[str, Path]:
    videos = sorted((shared / "data/talking-heads/testset/videos").glob("*.mp4"))
    return {path.stem: path for path in videos}


@pytest.mark.parametrize(("moving_from", "found"), [(0, 1), (50, 0), (30, 1), (55, 0)])
def test_an_island_is_surrounded_by_what_moves(moving_from, found):
    """A striped box of 20 by 40 points; what moves begins at a column, and left of it the scene only trembles."""
    mean = np.full((100, 100), 120, np.float32)
    mean[40:60:2, 30:70] = 20
    spread = np.full((100, 100), 5, np.float32)
    spread[:, moving_from:] = 20
    spread[40:60, 30:70] = 0
    assert len(overlay.find_islands(mean, spread)) == found


@functools.cache
def bits_of(clip: Path) -> np.ndarray:
    return fingerprint(clip)["bits"]


@pytest.mark.shared
def test_honest_clips_are_no_stills_no_copies_and_have_nothing_pasted(real, shared):
    clips = [*real.values(), *(shared / f"data/clips/c{at:02}.mp4" for at in (2, 7, 9))]
    clips += [shared / f"data/clips/c{at}.mpg" for at in (10, 11, 12)]
    found = [fingerprint(clip) for clip in clips]
    for clip, arrays in zip(clips, found, strict=True):
        assert arrays["distinct"] > stillness.FEW_IMAGES, clip.name
        assert arrays["warped"] > stillness.SINGLE_IMAGE, clip.name
        assert arrays["motion"] > signature.MIN_MOTION, clip.name
        assert len(arrays["islands"]) == 0, clip.name
    same = matches([one["bits"] for one in found], [one["bits"] for one in found])
    assert set(same) == {(at, at) for at in range(len(clips))}


@pytest.mark.shared
@pytest.mark.ffmpeg
def test_two_parts_of_one_clip_are_not_the_same_pictures(real, tmp_path):
    """The nearest honest thing to another speech of the same person before the same background."""
    for name in ("s04", "s06", "s13", "s15"):
        halves = []
        for part in ("trim=end=2.5", "trim=start=2.5,setpts=PTS-STARTPTS"):
            halves.append(fingerprint(refilmed(real[name], tmp_path / f"{name}{len(halves)}.mp4", part))["bits"])
        assert matches(halves[:1], halves[1:]) == {}, name


@pytest.mark.shared
@pytest.mark.ffmpeg
@pytest.mark.parametrize("name", ["s04", "s10"])
def test_copies_of_a_real_clip(real, tmp_path, name):
    source = bits_of(real[name])
    for attack, pictures in COPIES.items():
        copy = fingerprint(refilmed(real[name], tmp_path / f"{attack}.mp4", pictures))
        found = matches([source], [copy["bits"]])
        assert (0, 0) in found, attack
        assert found[0, 0].view == ("mirrored" if attack == "mirrored" else ""), attack
        assert found[0, 0].shift == pytest.approx(-0.7 if attack == "trimmed" else 0.0, abs=0.11), attack
        assert found[0, 0].share > SAME_SHARE


STILLS = {
    "noise": "noise=alls=14:allf=t",
    "zoom": "scale=512:512,zoompan=z='1+0.002*on':x='iw/2-iw/zoom/2':y='ih/2-ih/zoom/2':d=1:s=256x256:fps=25",
    "pan": "crop=220:220:x='n/3':y='n/6'",
    "flicker": "eq=brightness='0.05*sin(n)':eval=frame",
}


@pytest.mark.shared
@pytest.mark.ffmpeg
@pytest.mark.parametrize("attack", STILLS)
def test_stills_of_real_photos(shared, tmp_path, attack):
    for name in ("s12",):
        image = shared / f"data/talking-heads/testset/images/{name}.png"
        arrays = fingerprint(still(image, tmp_path / f"{name}.mp4", STILLS[attack]))
        few = arrays["distinct"] <= stillness.FEW_IMAGES
        assert few or arrays["warped"] < stillness.SINGLE_IMAGE, (
            name,
            int(arrays["distinct"]),
            float(arrays["warped"]),
        )


SOUNDS = {
    "mp3": ("-c:a", "libmp3lame", "-b:a", "48k"),
    "telephone": ("-ar", "8000", "-ac", "1", *AAC, "-b:a", "24k"),
    "soft_stereo": ("-af", "volume=-18dB", "-ac", "2", "-ar", "48000", *AAC),
    "opus": ("-c:a", "libopus", "-b:a", "24k"),
}


@pytest.mark.shared
@pytest.mark.ffmpeg
def test_the_sound_of_a_real_clip(real, shared, tmp_path):
    official, other = (shared / f"data/talking-heads/testset/audio/{name}.wav" for name in ("s03", "s08"))
    clip = real["s03"]
    for name, words in SOUNDS.items():
        state = str(fingerprint(path := resounded(clip, tmp_path / f"{name}.mp4", *words), official)["sound_state"])
        match, offset, share = fingerprint(path, official)["sound"]
        assert state == "compared" and match > 0.95 and share > 0.95 and abs(offset) < 0.03, name
    late = resounded(clip, tmp_path / "late.mp4", "-af", "adelay=300:all=1", "-shortest", *AAC)
    assert fingerprint(late, official)["sound"][1] == pytest.approx(0.3, abs=0.02)
    replaced = resounded(clip, tmp_path / "other.mp4", "-shortest", *AAC, audio=other)
    assert fingerprint(replaced, official)["sound"][0] < 0.5
    silent = resounded(clip, tmp_path / "silent.mp4", "-af", "volume=0", *AAC)
    assert fingerprint(silent, official)["sound_state"] == "silent"


@pytest.mark.shared
def test_the_planted_sounds(shared):
    nasty = shared / "data/nasty"
    official = nasty / "h264_10bit.mp4"
    assert fingerprint(nasty / "audio_late_280ms_baked.mp4", official)["sound"][1] == pytest.approx(0.28, abs=0.01)
    assert fingerprint(nasty / "audio_early_400ms_startpts.mp4", official)["sound"][1] == pytest.approx(-0.4, abs=0.01)
    assert fingerprint(nasty / "swapped_audio.mp4", official)["sound"][0] < 0.5
    assert fingerprint(nasty / "silent_audio.mp4", official)["sound_state"] == "silent"


@pytest.mark.shared
@pytest.mark.ffmpeg
def test_a_logo_over_a_real_clip(real, tmp_path):
    """A chequered box over the moving head of the clip whose camera moves most."""
    logo = "geq=lum='if(between(X,110,150)*between(Y,120,150),if(mod(floor(X/5)+floor(Y/5),2),235,20),lum(X,Y))'"
    pasted = refilmed(real["s05"], tmp_path / "logo.mp4", f"{logo}:cb='cb(X,Y)':cr='cr(X,Y)'", crf=20)
    islands = fingerprint(pasted)["islands"]
    assert len(islands) == 1
    assert islands[0] == pytest.approx([110 / 256, 120 / 256, 41 / 256, 31 / 256], abs=0.03)
