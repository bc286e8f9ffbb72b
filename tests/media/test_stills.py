"""Still images are read as viewers show them, whatever way the file stores them."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from evalkit.errors import MediaError
from evalkit.media.stills import read_still


@pytest.fixture(scope="module")
def scene():
    """A smooth picture without symmetry, (48, 32, 3)."""
    coarse = np.random.default_rng(3).integers(0, 256, (6, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((32, 48), Image.Resampling.BICUBIC))


def encoded(pixels, fmt, *, mode=None, **options):
    image = Image.fromarray(pixels)
    stream = io.BytesIO()
    (image.convert(mode) if mode else image).save(stream, fmt, **options)
    return stream.getvalue()


def difference(a, b):
    assert a.shape == b.shape
    return np.abs(a.astype(int) - b.astype(int)).max()


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_applied_as_opencv_does(scene, fmt, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 100, "subsampling": 0} if fmt == "JPEG" else {"lossless": True} if fmt == "WEBP" else {}
    content = encoded(scene, fmt, exif=exif, **options)
    shown = read_still(content)
    assert shown.shape == ((48, 32, 3) if orientation < 5 else (32, 48, 3))
    turned = {
        1: scene,
        2: scene[:, ::-1],
        3: scene[::-1, ::-1],
        4: scene[::-1],
        5: scene.transpose(1, 0, 2),
        6: np.rot90(scene, -1),
        7: scene[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(scene),
    }[orientation]
    assert difference(shown, turned) <= (8 if fmt == "JPEG" else 0)
    if fmt == "JPEG":
        other = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        assert difference(shown, other) <= 3


@pytest.mark.parametrize("fmt", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_the_same_as_eight_bit(scene, fmt):
    grey = scene[..., 1]
    wide = grey.astype(np.uint16) * 257
    ok, png = cv2.imencode(".png" if fmt == "PNG" else ".tiff", wide)
    assert ok
    assert difference(read_still(png.tobytes()), np.stack([grey] * 3, axis=-1)) == 0


def test_sixteen_bit_rgb_and_grey_agree(scene):
    """Both keep the high byte: a grey picture stored as RGB gives the same values."""
    wide = (scene[..., 1].astype(np.uint16) << 8) + np.arange(48, dtype=np.uint16)[:, None] * 5
    grey = cv2.imencode(".png", wide)[1].tobytes()
    colour = cv2.imencode(".png", np.stack([wide] * 3, axis=-1))[1].tobytes()
    assert difference(read_still(grey), read_still(colour)) == 0


def test_palettes_grey_and_bilevel(scene):
    palette = Image.fromarray(scene).quantize(16)
    stream = io.BytesIO()
    palette.save(stream, "PNG")
    assert difference(read_still(stream.getvalue()), np.asarray(palette.convert("RGB"))) == 0
    grey = scene[..., 0]
    assert difference(read_still(encoded(grey, "PNG")), np.stack([grey] * 3, axis=-1)) == 0
    shown = read_still(encoded(scene, "PNG", mode="1"))
    assert set(np.unique(shown)) == {0, 255}


def test_cmyk_is_converted(scene):
    """Photoshop stores CMYK JPEG inverted; Pillow writes and reads it so."""
    assert difference(read_still(encoded(scene, "TIFF", mode="CMYK")), scene) == 0
    assert difference(read_still(encoded(scene, "JPEG", mode="CMYK", quality=100)), scene) <= 3


@pytest.mark.parametrize("fmt", ["PNG", "WEBP", "TIFF"])
def test_transparent_pixels_are_blended_over_white(scene, fmt):
    alpha = np.zeros((48, 32), np.uint8)
    alpha[:24] = 255
    alpha[24:36] = 128
    shown = read_still(
        encoded(np.dstack([scene, alpha]), fmt, **({"exact": True, "lossless": True} if fmt == "WEBP" else {}))
    )
    assert difference(shown[:24], scene[:24]) == 0
    half = 255 + (scene[24:36].astype(float) - 255) * 128 / 255
    assert np.abs(shown[24:36] - half).max() <= 1
    assert (shown[36:] == 255).all()


def test_a_transparent_colour_of_a_palette_is_white(scene):
    image = Image.fromarray(scene).quantize(8)
    stream = io.BytesIO()
    image.save(stream, "GIF", transparency=0)
    shown = read_still(stream.getvalue())
    hidden = np.asarray(image) == 0
    assert hidden.any()
    assert (shown[hidden] == 255).all()


def wide_gamut_profile():
    """An RGB profile in which red and green are swapped: its conversion can't be missed."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(profile[128:132])
    place = {bytes(profile[132 + 12 * i : 136 + 12 * i]): 132 + 12 * i for i in range(count)}
    red, green = place[b"rXYZ"] + 4, place[b"gXYZ"] + 4
    profile[red : red + 8], profile[green : green + 8] = profile[green : green + 8], profile[red : red + 8]
    at = int.from_bytes(profile[place[b"desc"] + 4 : place[b"desc"] + 8])
    size = int.from_bytes(profile[place[b"desc"] + 8 : place[b"desc"] + 12])
    profile[at : at + size] = profile[at : at + size].replace("sRGB".encode("utf-16-be"), "Swap".encode("utf-16-be"))
    return bytes(profile)


def test_a_colour_profile_is_applied(scene):
    shown = read_still(encoded(scene, "PNG", icc_profile=wide_gamut_profile()))
    assert difference(shown, scene[..., [1, 0, 2]]) <= 2


def test_an_srgb_profile_changes_nothing(scene):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert difference(read_still(encoded(scene, "PNG", icc_profile=profile)), scene) == 0


@pytest.mark.parametrize("profile", [b"not a profile", wide_gamut_profile()[:200]])
def test_a_damaged_profile_is_ignored(scene, profile):
    assert difference(read_still(encoded(scene, "PNG", icc_profile=profile)), scene) == 0


def test_the_profile_of_another_colour_space_is_ignored(scene):
    grey = scene[..., 0]
    shown = read_still(encoded(grey, "PNG", icc_profile=wide_gamut_profile()))
    assert difference(shown, np.stack([grey] * 3, axis=-1)) == 0


@pytest.mark.parametrize("fmt", ["GIF", "WEBP", "PNG"])
def test_the_first_frame_of_an_animation(fmt):
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "blue")]
    stream = io.BytesIO()
    frames[0].save(
        stream, fmt, save_all=True, append_images=frames[1:], **({"lossless": True} if fmt == "WEBP" else {})
    )
    assert (read_still(stream.getvalue()) == (255, 0, 0)).all()


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP", "TIFF", "GIF"])
@pytest.mark.parametrize("kept", [0.98, 0.5, 0.1])
def test_a_truncated_image_is_refused(scene, fmt, kept):
    content = encoded(np.repeat(np.repeat(scene, 4, 0), 4, 1), fmt)
    with pytest.raises(MediaError, match="can't be read"):
        read_still(content[: int(len(content) * kept)])


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (b"hello, this is text", "a file of another format"),
        (b"\0\0\0\x18ftypheic\0\0\0\0heicmif1", "a HEIC photo"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isomiso2", "a video or a photo in an MP4 container"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "a file of another format"),
    ],
)
def test_what_was_found_instead_is_named(content, found):
    with pytest.raises(MediaError) as caught:
        read_still(content)
    assert caught.value.found == found
    assert caught.value.fix == "Save it as PNG or JPEG."


@pytest.mark.parametrize("pixels", [np.full((4, 4), 0.5, np.float32), np.full((4, 4), 70000, np.int32)])
def test_grey_values_without_an_agreed_range_are_refused(pixels):
    with pytest.raises(MediaError, match="expected 8 or 16 bits"):
        read_still(encoded(pixels, "TIFF"))


def test_thumbnails_are_upright(scene):
    exif = Image.Exif()
    exif[0x0112] = 6
    big = np.repeat(np.repeat(scene, 20, 0), 20, 1)
    small = read_still(encoded(big, "JPEG", exif=exif, quality=95), max_height=64)
    assert small.shape == (64, 96, 3)
