"""The picture of a challenge: the organizer's own, or its title on a coloured ground."""

from __future__ import annotations

import hashlib
import io
import textwrap
from pathlib import Path

from evalkit.challenges.model import Challenge
from evalkit.errors import InputError
from evalkit.text import escape_for_display

WIDTH, HEIGHT = 600, 400
LARGEST = 5 * 1024**2
SUFFIXES = {"PNG": ".png", "JPEG": ".jpg"}  # what both platforms take
_LINE, _LINES, _SIZE = 22, 5, 44
_MARGIN = 40


def logo_of(challenge: Challenge, file: Path | None) -> tuple[str, bytes]:
    """Return the name and the bytes of the logo.

    Args:
        challenge: whose title is drawn where there is no file.
        file: the organizer's own.

    Raises:
        InputError: when the file is no PNG or JPEG of at most 5 MiB.
    """
    if file is None:
        return "logo.png", _drawn(challenge)
    from PIL import Image

    try:
        data = file.read_bytes()
        with Image.open(io.BytesIO(data)) as image:
            kind = image.format or "unknown"
            image.verify()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"The logo {file} can't be read.", found=str(error), expected="a PNG or JPEG") from None
    if kind not in SUFFIXES or len(data) > LARGEST:
        raise InputError(
            f"The logo {file} can't be used.",
            found=f"{kind}, {len(data)} bytes",
            expected=f"a PNG or JPEG of at most {LARGEST} bytes",
        )
    return f"logo{SUFFIXES[kind]}", data


def _drawn(challenge: Challenge) -> bytes:
    from PIL import Image, ImageDraw, ImageFont

    hue = hashlib.sha256(challenge.id.encode()).digest()[0] * 360 // 256
    image = Image.new("RGB", (WIDTH, HEIGHT), f"hsl({hue}, 45%, 28%)")
    lines = textwrap.wrap(escape_for_display(challenge.title), _LINE, max_lines=_LINES, placeholder=" ...")
    draw = ImageDraw.Draw(image)
    draw.rectangle((_MARGIN, HEIGHT - _MARGIN, WIDTH - _MARGIN, HEIGHT - _MARGIN + 6), fill=f"hsl({hue}, 60%, 65%)")
    font = ImageFont.load_default(_SIZE)
    draw.multiline_text((_MARGIN, _MARGIN), "\n".join(lines), font=font, fill="white", spacing=12)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
