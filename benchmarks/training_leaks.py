"""How long `evalkit testset leaks` takes over a large training set, and what it finds and suspects on real clips.

    python -m benchmarks.training_leaks large [--lines 1000000] [--samples 100]
    python -m benchmarks.training_leaks real [--shared ../shared]

``large`` compares made-up signatures, whose bits change as slowly as those of people who talk, and says CPU seconds,
wall seconds and the largest memory; one sample in ten is planted among the lines. ``real`` compares every real clip
with every other one and its own halves, and clips that were encoded again, cropped, trimmed and mirrored with the
originals.
"""

from __future__ import annotations

import itertools
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

import evalkit
from evalkit.leaks.checking import Search
from evalkit.leaks.listing import MOTION, SOUND, Print, WrongLines, read_blocks
from evalkit.leaks.wanted import STARTS, Wanted, mirrored, rows
from evalkit.media.audio import NoAudioError, read_audio
from evalkit.metrics.features.audio import to_int16
from evalkit.metrics.gaming.signature import TICKS
from evalkit.metrics.gaming.sound_print import RATE, sound_bits

SLOW = 0.9  # correlation of a coefficient with itself a tenth of a second later
AGAIN = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-crf", "28", "-c:a", "aac")
COPIES = {
    "encoded again": (),
    "cropped 6 %": ("-vf", "crop=iw*0.94:ih*0.94,scale=256:256"),
    "cropped 10 %": ("-vf", "crop=iw*0.9:ih*0.9,scale=256:256"),
    "trimmed 0.25 s": ("-ss", "0.25"),
    "trimmed 0.55 s": ("-ss", "0.55"),
    "trimmed 0.7 s": ("-ss", "0.7"),
    "mirrored": ("-vf", "hflip"),
    "mono 8 kHz": ("-ac", "1", "-ar", "8000"),
}


def slow_bits(rng: np.random.Generator, count: int, bits: int) -> NDArray[np.uint8]:
    """Return bits that change slowly, packed: (count, TICKS, bits/8)."""
    noise = rng.standard_normal((TICKS, count, bits), dtype=np.float32)
    for tick in range(1, TICKS):
        noise[tick] = SLOW * noise[tick - 1] + np.float32((1 - SLOW**2) ** 0.5) * noise[tick]
    return np.packbits(noise.transpose(1, 0, 2) > 0, axis=2)


@click.group()
def main() -> None:
    """Measure the search for leaks."""


@main.command()
@click.option("--lines", type=int, default=1_000_000, show_default=True)
@click.option("--samples", type=int, default=100, show_default=True)
def large(lines: int, samples: int) -> None:
    """Time a large listing."""
    rng = np.random.default_rng(0)
    motion, sound = slow_bits(rng, samples, MOTION.bits), slow_bits(rng, samples, SOUND.bits)
    wanted = [
        Wanted(
            f"s{at}",
            f"{at:064x}",
            motion[at],
            motion[at] ^ np.uint8(0x55),
            (np.uint64(at),),
            (sound[at],) * len(STARTS),
        )
        for at in range(samples)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "training.jsonl"
        with path.open("w") as file:
            for start in range(0, lines, 10_000):
                theirs, heard = slow_bits(rng, 10_000, MOTION.bits), slow_bits(rng, 10_000, SOUND.bits)
                if start < 10_000 * samples // 10:
                    theirs[17, 5:] = motion[start // 1000, :-5]  # half a second later
                images = rng.bytes(8 * 10_000)
                for at in range(min(10_000, lines - start)):
                    one = Print(
                        f"video {start + at}", rng.bytes(32).hex(), theirs[at].tobytes(),
                        images[8 * at : 8 * at + 8], heard[at].tobytes(),
                    )  # fmt: skip
                    file.write(one.line())
        before = resource.getrusage(resource.RUSAGE_SELF)
        wall, cpu, reading = time.perf_counter(), time.process_time(), 0.0
        search, wrong, blocks = Search(wanted), WrongLines(), read_blocks(path, WrongLines())
        while True:
            started = time.process_time()
            block = next(blocks, None)
            reading += time.process_time() - started
            if block is None:
                break
            search.block(block[0], "training")
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        size = path.stat().st_size / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = sorted({leak.sample for leak in search.leaks() if leak.what == "video"})
    print(f"{lines} lines ({size:.0f} MiB), {samples} samples: {cpu:.1f} CPU s ({reading:.1f} of them reading), "
          f"{wall:.1f} s wall, {peak:.0f} MiB at most ({before.ru_maxrss / 1024:.0f} before); "
          f"{wrong.number} wrong lines; found {', '.join(found)}")  # fmt: skip


@main.command()
@click.option("--shared", type=click.Path(path_type=Path), default=Path(os.environ.get("EVALKIT_SHARED", "../shared")))
def real(shared: Path) -> None:
    """Compare real clips."""
    data = shared / "data"
    clips = [
        *sorted((data / "talking-heads" / "testset" / "videos").glob("*.mp4")),
        *sorted((data / "clips").glob("c*.*")),
        data / "syncnet" / "example.avi",
    ]
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        originals = place / "originals"
        originals.mkdir()
        for clip in clips:
            (originals / clip.name).symlink_to(clip.resolve())
        prints = {one.id: one for one in _listed(originals, place)}
        wanted = {key: _wanted(one, originals / key) for key, one in prints.items()}
        _others(prints, wanted)
        _halves(clips, place)
        for title, words in COPIES.items():
            folder = place / "copies"
            folder.mkdir()
            for clip in clips[:20]:
                before = words if "-ss" in words else ()
                after = () if before else words
                _ffmpeg(*before, "-i", clip, *after, *AGAIN, folder / clip.name)
            copies = {one.id: one for one in _listed(folder, place)}
            _copies(title, copies, wanted)
            for file in folder.iterdir():
                file.unlink()
            folder.rmdir()


def _listed(folder: Path, place: Path) -> Iterator[Print]:
    out = place / "listing.jsonl"
    evalkit.testset_fingerprint(folder, out, cache=place / "cache", workers=1)
    for block, _ in read_blocks(out, WrongLines()):
        yield from block


def _wanted(one: Print, path: Path) -> Wanted:
    try:
        samples = to_int16(read_audio(path, RATE))
        sounds = tuple(rows(np.packbits(sound_bits(samples, start)).tobytes(), SOUND.bits) for start in STARTS)
    except NoAudioError:
        sounds = ()
    motion = rows(one.motion, MOTION.bits)
    images = (np.uint64(int.from_bytes(one.image, "little")),)
    return Wanted(one.id, one.sha256, motion, mirrored(motion), images, sounds)


def _found(wanted: Wanted, lines: list[Print]) -> set[tuple[str, str]]:
    search = Search([wanted])
    search.block(lines, "")
    return {(leak.what, leak.id) for leak in search.leaks()}


def _others(prints: dict[str, Print], wanted: dict[str, Wanted]) -> None:
    suspected = {(key, what, other) for key, one in wanted.items()
                 for what, other in _found(one, [p for p in prints.values() if p.id != key])}  # fmt: skip
    pairs = len(prints) * (len(prints) - 1)
    print(f"different clips: {pairs} ordered pairs, suspected {sorted(suspected)}")


def _halves(clips: list[Path], place: Path) -> None:
    folder = place / "halves"
    folder.mkdir()
    for clip, part in itertools.product(clips, (1, 2)):
        seconds = float(
            subprocess.run(
                ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", str(clip)],
                capture_output=True, text=True, check=True,
            ).stdout
        )  # fmt: skip
        _ffmpeg(
            "-ss", (part - 1) * seconds / 2, "-t", seconds / 2, "-i", clip, *AGAIN, folder / f"{clip.stem}-{part}.mp4"
        )
    prints = {one.id: one for one in _listed(folder, place)}
    suspected = []
    for clip in clips:
        first, second = (prints.get(f"{clip.stem}-{part}.mp4") for part in (1, 2))
        if first is None or second is None:
            continue
        suspected += [(clip.stem, what) for what, _ in _found(_wanted(first, folder / first.id), [second])]
    print(f"halves of one clip: {len(clips)} pairs, suspected {sorted(suspected)}")


def _copies(title: str, copies: dict[str, Print], wanted: dict[str, Wanted]) -> None:
    found = dict.fromkeys(("video", "image", "speech"), 0)
    for name, copy in copies.items():
        for what, _ in _found(wanted[name], [copy]):
            found[what] += 1
    print(f"{title}: of {len(copies)}, " + ", ".join(f"{what} {number}" for what, number in found.items()))


def _ffmpeg(*words: object) -> None:
    subprocess.run(["ffmpeg", "-v", "fatal", "-y", *map(str, words)], check=False)  # some clips have damaged sound


if __name__ == "__main__":
    main()
