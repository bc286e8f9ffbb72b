"""Clips for tests: frames that carry their own number, ffmpeg's programs, and MP4 boxes to patch."""

from __future__ import annotations

import shutil
import struct
import subprocess
import wave
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
FFMPEG, FFPROBE = shutil.which("ffmpeg"), shutil.which("ffprobe")
BITS, BLOCK = 8, 8


def ffmpeg(*words: object, data: bytes | None = None) -> bytes:
    """Run ffmpeg quietly, overwriting, and return what it printed."""
    command = [str(FFMPEG), "-v", "error", "-y", "-nostdin"] if data is None else [str(FFMPEG), "-v", "error", "-y"]
    done = subprocess.run([*command, *map(str, words)], input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def ffprobe(*words: object) -> list[str]:
    """Return the lines that ffprobe prints."""
    done = subprocess.run([str(FFPROBE), "-v", "error", *map(str, words)], capture_output=True, check=True, text=True)
    return done.stdout.split()


def numbered(count: int, height: int = 64, width: int = 96, *, first: int = 0) -> Iterator[Picture]:
    """Yield grey pictures whose top-left holds their number as eight black or white blocks of 8 by 8 pixels."""
    for number in range(first, first + count):
        yield picture_of(number, height, width)


def picture_of(number: int, height: int = 64, width: int = 96) -> Picture:
    """Return the picture that `number_of` reads as ``number``; the rest of it changes from frame to frame as well."""
    picture = np.full((height, width, 3), 96 + (number * 37) % 64, dtype=np.uint8)
    for bit in range(BITS):
        picture[:BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = 235 if number >> bit & 1 else 16
    return picture


def number_of(rgb: Picture) -> int:
    """Return the number painted into a picture."""
    middle = BLOCK // 2
    return sum(1 << bit for bit in range(BITS) if rgb[middle, bit * BLOCK + middle].mean() > 128)


def write_raw(
    path: Path,
    planes: Iterable[bytes],
    size: tuple[int, int],
    *,
    pixel_format: str = "yuv420p",
    times: Iterable[int] | None = None,
    rate: int = 25,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    colorspace: int | None = None,
    color_range: int | None = None,
) -> Path:
    """Encode raw frames losslessly; ``times`` are in units of 1/1000 s, without them the rate is constant."""
    width, height = size
    settings = {"qp": "0", "preset": "ultrafast"} if options is None else options
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=settings)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        if colorspace is not None:
            stream.codec_context.colorspace = colorspace
        if color_range is not None:
            stream.codec_context.color_range = color_range
        stream.codec_context.time_base = Fraction(1, rate) if times is None else Fraction(1, 1000)
        stamps = iter(times) if times is not None else None
        for index, data in enumerate(planes):
            frame = av.VideoFrame(width, height, pixel_format)
            offset = 0
            for plane in frame.planes:
                line = plane.width * (2 if "10" in pixel_format else 1)
                rows = np.zeros((plane.height, plane.line_size), np.uint8)
                part = np.frombuffer(data, np.uint8, line * plane.height, offset)
                rows[:, :line] = part.reshape(plane.height, line)
                plane.update(rows.tobytes())
                offset += line * plane.height
            frame.pts = index if stamps is None else next(stamps)
            frame.time_base = stream.codec_context.time_base
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return path


def grey_planes(luma: Picture) -> bytes:
    """Return the yuv420p planes of an even-sized luma picture without colour."""
    return luma.tobytes() + bytes([128]) * (luma.size // 2)


def patch_matrix(source: Path, target: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Copy an MP4 and set (a, b, c, d) of its first track's display matrix."""
    data = bytearray(source.read_bytes())
    place = data.find(b"tkhd") + 4 + 4 + 20 + 16  # version and flags, times and ids, reserved and volume
    a, b, c, d = (value * 65536 for value in matrix)
    struct.pack_into(">9i", data, place, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    target.write_bytes(data)
    return target


def patch_edit(source: Path, target: Path, *, skip_ticks: int, length: int) -> Path:
    """Copy an MP4 and let the first track's edit list start ``skip_ticks`` later and show ``length`` movie ticks."""
    data = bytearray(source.read_bytes())
    place = data.find(b"elst") + 4
    assert data[place] == 0 and struct.unpack_from(">I", data, place + 4) == (1,)
    _, start = struct.unpack_from(">Ii", data, place + 8)
    struct.pack_into(">Ii", data, place + 8, length, start + skip_ticks)
    target.write_bytes(data)
    return target


def tone(hertz: float, seconds: float, rate: int, amplitude: float = 0.5) -> NDArray[np.float32]:
    """Return a sine tone."""
    time = np.arange(round(seconds * rate)) / rate
    return (amplitude * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def write_wav(path: Path, samples: NDArray[np.floating], rate: int) -> Path:
    """Write (N,) or (N, channels) samples in -1..1 as 16-bit WAV."""
    data = np.atleast_2d(np.asarray(samples).T).T
    with wave.open(str(path), "wb") as file:
        file.setnchannels(data.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.round(data * 32767).astype("<i2").tobytes())
    return path
