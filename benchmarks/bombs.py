"""What a file can cost that is made to be expensive: time and memory until it is refused.

``python -m benchmarks.bombs`` makes thirteen bombs with the program ffmpeg, reads each in a fresh confined worker under
rules that ask for 256 x 256 and 2.4 s, and prints a Markdown table: size, seconds, memory above that of an honest file,
frames decoded and counted, seconds of sound decoded, and the rules that refuse it.
"""

from __future__ import annotations

import argparse
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

from evalkit.challenges.submission_rules import SubmissionRules
from evalkit.workers.pool import Workers
from evalkit.workers.sandbox import Limits

LIMIT_SECONDS = 300.0
RULES = {
    "video": {"max_seconds": 2.4, "max_fps": 30, "max_width": 256, "max_height": 256, "codecs": ["h264"]},
    "archive": {"max_file_bytes": 200 << 20},
}
STILL = "color=c=gray:s={0}x{0}:r={1}:d={2}"
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


def ffmpeg(*words: object) -> None:
    """Run ffmpeg; its last word is the file that it writes."""
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *map(str, words)], check=True)


def honest(path: Path) -> None:
    """Write what the rules ask for."""
    sound = ("-f", "lavfi", "-i", "anullsrc=r=16000:cl=mono:d=2.4", "-c:a", "aac")
    ffmpeg("-f", "lavfi", "-i", STILL.format(256, 25, 2.4), *sound, *X264, path)


def still(size: int, rate: int, seconds: float, *words: str) -> Callable[[Path], None]:
    """Return what writes frames that all show the same: skip frames, which take a few bytes each."""

    def write(path: Path) -> None:
        ffmpeg("-f", "lavfi", "-i", STILL.format(size, rate, seconds), *(words or X264), path)

    return write


def sound(*words: str, seconds: float) -> Callable[[Path], None]:
    """Return what writes 2.4 s of video with other sound."""

    def write(path: Path) -> None:
        source = f"anullsrc=r=48000:cl=mono:d={seconds}"
        picture = STILL.format(256, 25, 2.4)
        ffmpeg("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", source, *X264, "-c:a", *words, "-strict", "-2", path)

    return write


def repeated(size: int, count: int) -> Callable[[Path], None]:
    """Return what writes ``count`` frames of which all but the first repeat the same sixteen packets."""

    def write(path: Path) -> None:
        import av

        short = path.with_name("short.mp4")
        coding = ("-x264-params", "keyint=1000:bframes=0:ref=1:scenecut=0", "-bf", "0")
        ffmpeg("-f", "lavfi", "-i", STILL.format(size, 25, 0.68), *X264, *coding, short)
        with av.open(str(short)) as source, av.open(str(path), "w") as target:
            given = source.streams.video[0]
            stream = target.add_stream_from_template(given)
            packets = [bytes(packet) for packet in source.demux(given) if packet.size]
            for number in range(count):
                # Frames are numbered from 0 to 15 again and again, so the last packet can be followed by the first.
                packet = av.Packet(packets[number if number < len(packets) else 1 + (number - 1) % 16])
                packet.pts = packet.dts = number
                packet.time_base, packet.stream, packet.is_keyframe = Fraction(1, 25), stream, not number
                target.mux(packet)

    return write


def many_tracks(count: int) -> Callable[[Path], None]:
    """Return what writes ``count`` sound tracks beside the video."""

    def write(path: Path) -> None:
        honest(path.with_name("one.mp4"))
        maps = [word for _ in range(count) for word in ("-map", "0:a")]
        ffmpeg("-i", path.with_name("one.mp4"), "-map", "0:v", *maps, "-c", "copy", path)

    return write


def subtitles(count: int, lines: int) -> Callable[[Path], None]:
    """Return what writes ``count`` subtitle tracks of up to 998 ``lines`` each."""

    def write(path: Path) -> None:
        said = [f"{n + 1}\n00:00:00,{n:03} --> 00:00:00,{n + 1:03}\nx\n" for n in range(lines)]
        text = path.with_name("lines.srt")
        text.write_text("\n".join(said), encoding="utf-8")
        maps = [word for _ in range(count) for word in ("-map", "1:s")]
        honest(path.with_name("one.mp4"))
        ffmpeg("-i", path.with_name("one.mp4"), "-i", text, "-map", "0", *maps, "-c", "copy", "-c:s", "mov_text", path)

    return write


def appended(data: Callable[[], bytes]) -> Callable[[Path], None]:
    """Return what writes an honest file with ``data`` after it."""

    def write(path: Path) -> None:
        honest(path)
        with path.open("ab") as stream:
            stream.write(data())

    return write


def metadata(size: int) -> Callable[[], bytes]:
    """Return what makes a box of metadata of ``size`` bytes."""
    return lambda: struct.pack(">I4s", size, b"udta") + bytes(size - 8)


def edits(count: int) -> Callable[[Path], None]:
    """Return what writes an edit list of ``count`` entries."""
    return lambda path: _edit(path, count)


def _edit(path: Path, count: int) -> None:
    honest(path)
    data = path.read_bytes()
    at = data.index(b"elst") - 4
    body = struct.pack(">II", 0, count) + struct.pack(">Iii", 1, 0, 1 << 16) * count
    box = struct.pack(">I4s", 8 + len(body), b"elst") + body
    (old,) = struct.unpack_from(">I", data, at)
    whole = data[:at] + box + data[at + old :]
    # The index is at the end of the file, so only the boxes around the list grow.
    grown = bytearray(whole)
    for kind in (b"moov", b"trak", b"edts"):
        place = data.rindex(kind, 0, at) - 4
        (size,) = struct.unpack_from(">I", data, place)
        struct.pack_into(">I", grown, place, size + len(box) - old)
    path.write_bytes(bytes(grown))


BOMBS: dict[str, Callable[[Path], None]] = {
    "60,000 skip frames": still(256, 25, 2400),
    "199,000 skip frames of 4096 x 4096": repeated(4096, 199_000),
    "300 frames of 4096 x 4096": still(4096, 25, 12),
    "100,000 frames of 10 microseconds": still(64, 100_000, 1),
    "25,000 fragments of one frame": still(64, 10_000, 2.5, *X264, "-movflags", "frag_every_frame+empty_moov"),
    "300 PNG images of 4096 x 4096": still(4096, 25, 12, "-c:v", "png"),
    "100,000 sound packets": sound("opus", "-opus_delay", "2.5", seconds=1000),
    "21 minutes of sound": sound("aac", seconds=1260),
    "201 tracks": many_tracks(200),
    "60 subtitle tracks": subtitles(60, 998),
    "4 million empty boxes": appended(lambda: struct.pack(">I4s", 8, b"free") * 4_000_000),
    "100 MB of metadata": appended(metadata(100 << 20)),
    "an edit list of a million entries": edits(1_000_000),
}


def reader(config: dict[str, Any]) -> Callable[[str], dict[str, Any]]:
    """Return what a worker runs: reads a file and applies the rules."""
    import resource

    from evalkit.media.inspect import inspect_media
    from evalkit.validators.file import ExpectedLength
    from evalkit.validators.reading_limits import read_limits
    from evalkit.validators.registry import file_findings

    rules = SubmissionRules.model_validate(config)
    expected = ExpectedLength(2.4, "speech")

    def read(path: str) -> dict[str, Any]:
        facts = inspect_media(Path(path), (), read_limits(rules, expected)).facts
        found = file_findings(facts, rules, "video.mp4", expected)
        return {
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10,
            "frames": facts.video.frames if facts.video else 0,
            "decoded": facts.video.frames - facts.video.undecoded_frames if facts.video else 0,
            "sound": facts.audio.duration_seconds if facts.audio else 0.0,
            "rules": sorted({finding.rule for finding in found if finding.severity == "error"}),
        }

    return read


def measure(path: Path) -> tuple[float, dict[str, Any]]:
    """Return the seconds until the verdict, and what the worker said."""
    started = time.perf_counter()
    workers = Workers("benchmarks.bombs:reader", RULES, 1, LIMIT_SECONDS, Limits(job_cpu_seconds=LIMIT_SECONDS))
    (result,) = workers.run([str(path)])
    seconds = time.perf_counter() - started
    if result.failure is not None:
        return seconds, {
            "peak": 0,
            "frames": 0,
            "decoded": 0,
            "sound": 0.0,
            "rules": [f"content.reading-{result.failure}"],
        }
    return seconds, result.value


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=list(BOMBS), action="append")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        honest(folder / "honest.mp4")
        base_seconds, base = measure(folder / "honest.mp4")
        print("| bomb | size | seconds | memory above an honest file | frames decoded, counted | sound | refused by |")
        print("|---|---|---|---|---|---|---|")
        for title, write in BOMBS.items():
            if chosen.only and title not in chosen.only:
                continue
            path = folder / ("bomb.mov" if "PNG" in title else "bomb.mp4")
            write(path)
            seconds, found = measure(path)
            cells = (
                title,
                f"{path.stat().st_size / 1e6:.1f} MB",
                f"{max(0.0, seconds - base_seconds):.1f}",
                f"{max(0, found['peak'] - base['peak']) >> 20} MiB",
                f"{found['decoded']:,}, {found['frames']:,}",
                f"{found['sound']:.1f} s",
                ", ".join(found["rules"]) or "**nothing**",
            )
            print(f"| {' | '.join(cells)} |", flush=True)
            path.unlink()


if __name__ == "__main__":
    main()
