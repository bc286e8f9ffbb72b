"""The one reader of still images: reference photos, images of a test set, covers of a board.

It returns what a viewer shows, whatever way the file stores it: phones store photos turned, with the rotation in EXIF
and in the Display P3 colour space; scanners store 16-bit grey; print workflows store CMYK. A plain conversion to RGB
gets each of these wrong without an error.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import MediaError

if TYPE_CHECKING:
    from PIL import Image

READER_VERSION = 1  # part of the cache keys of features that read images: raise it when pixels change
# Formats that Pillow decodes itself. Left out on purpose: EPS, which starts Ghostscript, and everything exotic.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "JPEG2000")
_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")
_PROFILE_MODES = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK", "LAB": "Lab "}  # Pillow's mode -> the profile's space


def read_still(source: Path | bytes, *, max_height: int | None = None) -> NDArray[np.uint8]:
    """Return a still image as a viewer shows it, (H, W, 3) uint8 RGB in the sRGB colour space.

    - The EXIF orientation is applied.
    - An embedded ICC profile is converted to sRGB (perceptual intent); a profile that can't be used is ignored, as
      browsers do.
    - 16-bit grey keeps its high byte, as Pillow and libpng do for 16-bit RGB. 32-bit integer and floating-point images
      have no agreed range and are refused.
    - Transparent pixels are blended over white.
    - Of an animation or a file of several pages the first image is taken.

    Args:
        source: the file, or its content.
        max_height: makes a larger image this high at most, for thumbnails.

    Raises:
        MediaError: when it is not an image, is truncated, or is of a format or kind that can't be read.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    name = "The image" if isinstance(source, bytes) else f"The image {source}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large images and odd metadata; what can't be read raises
            with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as image:
                if max_height is not None:
                    image.draft("RGB", (max_height, max_height))  # JPEG only: decodes at a smaller scale
                profile = image.info.get("icc_profile")  # the steps below may drop it
                image.load()
                still = _to_srgb(_opaque(_eight_bit(image)), profile)
                upright = ImageOps.exif_transpose(_with_exif(still, image))
                if max_height is not None:
                    upright.thumbnail((4 * max_height, max_height))
                return np.asarray(upright, dtype=np.uint8)
    except UnidentifiedImageError:
        raise MediaError(
            f"{name} can't be read.",
            found=_found_instead(source),
            expected=f"one of {', '.join(FORMATS)}",
            fix="Save it as PNG or JPEG.",
        ) from None
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError, MemoryError) as error:
        # Decoders of damaged files raise SyntaxError (PNG) and EOFError as well.
        raise MediaError(f"{name} can't be read.", found=str(error) or type(error).__name__) from None


def describe_still(path: Path) -> tuple[int, bool]:
    """Return how many images the file holds, and whether a pixel of the first is transparent.

    Raises:
        MediaError: when it is not an image that `read_still` reads.
    """
    from PIL import Image

    try:
        with Image.open(path, formats=FORMATS) as image:
            # The second image of a phone's MPO file is a preview or a depth map.
            frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
            alpha = np.asarray(image.convert("RGBA"))[..., 3] if image.has_transparency_data else np.array([255])
            return frames, bool(alpha.min() < 255)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise MediaError(f"The image {path} can't be read.", found=str(error) or type(error).__name__) from None


def _eight_bit(image: Image.Image) -> Image.Image:
    """Return the image in a mode of 8 bits a channel; Pillow's conversion of 16-bit grey clips at 255 instead."""
    from PIL import Image

    if image.mode in _SIXTEEN_BIT or (image.mode == "I" and image.format == "PNG"):  # Pillow < 11: 16-bit PNG is "I"
        return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(f"{(image.mode == 'F' and 'floating-point') or '32-bit'} grey values; expected 8 or 16 bits")
    return image


def _opaque(image: Image.Image) -> Image.Image:
    """Return the image without transparency, blended over white; palettes become RGB."""
    from PIL import Image

    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    if image.mode in ("L", "RGB", "CMYK", "LAB"):
        return image
    return image.convert("RGB")


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Return the image as RGB, through its colour profile where there is one of its colour space."""
    if profile:
        from PIL import ImageCms

        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if source.profile.xcolor_space == _PROFILE_MODES[image.mode]:
                if "sRGB" in (source.profile.profile_description or ""):
                    return image.convert("RGB")  # exact: a conversion from sRGB to sRGB may round
                converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
                if converted is not None:
                    return converted
        except (ImageCms.PyCMSError, OSError, ValueError, KeyError):
            pass
    return image.convert("RGB")


def _with_exif(still: Image.Image, image: Image.Image) -> Image.Image:
    """Return the still with the orientation of the file; conversions may drop it."""
    still.info = {key: value for key, value in image.info.items() if key in ("exif", "XML:com.adobe.xmp", "xmp")}
    still.getexif()[0x0112] = image.getexif().get(0x0112, 1)
    return still


def _found_instead(source: Path | bytes) -> str:
    if isinstance(source, bytes):
        head = source[:16]
    else:
        with source.open("rb") as stream:
            head = stream.read(16)
    if head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"mif1", b"hevc", b"msf1"):
        return "a HEIC photo"
    if head[4:8] == b"ftyp":
        return "a video or a photo in an MP4 container"
    return "an empty file" if not head else "a file of another format"
