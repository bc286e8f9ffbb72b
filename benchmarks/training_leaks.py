"""How long `evalkit testset leaks` takes over a large training set, and what it finds and suspects on real clips.

    python -m benchmarks.training_leaks large [--lines 1000000] [--samples 100]
    python -m benchmarks.training_leaks real [--shared ../shared]

``large`` compares made-up signatures, whose bits change as slowly as those of people who talk, and says CPU seconds,
wall seconds and the largest memory; one sample in ten is planted among the lines. ``real`` compares every real clip
with every other one and its own halves, and clips that were encoded again, cropped, trimmed and mirrored with the
originals.
"""

from __future__ import annotations

import hashlib
import os
import resource
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from evalkit.leaks.checking import Search
from evalkit.leaks.listing import MOTION, SOUND, Print, WrongLines, read_blocks
from evalkit.leaks.wanted import STARTS, Wanted, mirrored, rows
from evalkit.media.audio import NoAudioError, read_audio
from evalkit.media.decode import iter_frames
from evalkit.media.inspect import scan_times
from evalkit.media.sampling import AtRate
from evalkit.metrics.features.audio import to_int16
from evalkit.metrics.gaming.fingerprint import square
from evalkit.metrics.gaming.overlay import small_grey
from evalkit.metrics.gaming.signature import MIN_MOTION, TICKS, image_hash, motion_bits
from evalkit.metrics.gaming.sound_print import RATE, sound_bits

SLOW = 0.9  # correlation of a coefficient with itself a tenth of a second later
AGAIN = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-crf", "28", "-c:a", "aac")


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
    heads = sorted((data / "talking-heads" / "testset" / "videos").glob("*.mp4"))
    others = [*sorted((data / "clips").glob("c*.*")), data / "syncnet" / "example.avi"]
    prints, wanted = [], []
    copied: dict[str, Counter[str]] = {name: Counter() for name in COPIES}
    halves: list[tuple[str, str]] = []
    for path in [*heads, *others]:
        images, sound = pictures(path)
        one = print_of(path.stem, images, sound)
        prints.append(one)
        wanted.append(wanted_of(one, sound))
        middle = len(images) // 2
        first = print_of(path.stem, images[:middle], sound[: middle * RATE // 10])
        second = print_of(path.stem, images[middle:], sound[middle * RATE // 10 :])
        halves += [(path.stem, what) for what, _ in found(wanted_of(first, sound[: middle * RATE // 10]), [second])]
        for name, copy in COPIES.items() if path in heads else ():
            copied[name].update(what for what, _ in found(wanted[-1], [copy(path, images, sound)]))
    suspected = sorted(
        (one.sample, what, other)
        for at, one in enumerate(wanted)
        for what, other in found(one, [*prints[:at], *prints[at + 1 :]])
    )
    print(f"different clips: {len(prints) * (len(prints) - 1)} ordered pairs, suspected {suspected}")
    print(f"halves of one clip: {len(prints)} pairs, suspected {halves}")
    for name, numbers in copied.items():
        print(
            f"{name}, of {len(heads)}: " + ", ".join(f"{what} {numbers[what]}" for what in ("video", "image", "speech"))
        )


Images = NDArray[np.float32]
Sound = NDArray[np.int16]


def pictures(path: Path) -> tuple[Images, Sound]:
    """Return ten small images per second (K, 64, 64), and the sound at 16 kHz."""
    chosen = AtRate(10).select(scan_times(path))
    wanted = set(chosen[: TICKS + 12].tolist())
    small = {index: square(small_grey(frame)) for index, frame in enumerate(iter_frames(path)) if index in wanted}
    images = np.stack([small[index] for index in chosen.tolist() if index in small])
    try:
        return images, to_int16(read_audio(path, RATE))
    except NoAudioError:  # compared by its pictures alone
        return images, np.zeros(0, np.int16)


def print_of(name: str, images: Images, sound: Sound) -> Print:
    """Return the fingerprint, as the feature ``leak_print`` makes it."""
    bits, motion = motion_bits(images)
    packed = np.packbits(bits if motion >= MIN_MOTION else bits[:0]).tobytes()
    image = np.packbits(image_hash(images[0])).tobytes()
    digest = hashlib.sha256(packed + image).hexdigest()
    return Print(name, digest, packed, image, np.packbits(sound_bits(sound)).tobytes())


def wanted_of(one: Print, sound: Sound) -> Wanted:
    """Return what is looked for."""
    sounds = tuple(rows(np.packbits(sound_bits(sound, start)).tobytes(), SOUND.bits) for start in STARTS)
    motion = rows(one.motion, MOTION.bits)
    images = (np.uint64(int.from_bytes(one.image, "little")),)
    return Wanted(one.id, "", motion, mirrored(motion), images, sounds)


def found(wanted: Wanted, lines: list[Print]) -> set[tuple[str, str]]:
    """Return what is found of it in which lines."""
    search = Search([wanted])
    search.block(lines, "")
    return {(leak.what, leak.id) for leak in search.leaks()}


def _refilmed(*words: str) -> Callable[[Path, Images, Sound], Print]:
    def copy(path: Path, images: Images, sound: Sound) -> Print:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "copy.mp4"
            command = ["ffmpeg", "-v", "error", "-i", str(path), *words, *AGAIN, str(out)]
            subprocess.run(command, check=True)
            return print_of(path.stem, *pictures(out))

    return copy


def _later(steps: float) -> Callable[[Path, Images, Sound], Print]:
    """Cut tenths of a second off; of half ones, the mean of two images stands for the one between them."""

    def copy(path: Path, images: Images, sound: Sound) -> Print:
        whole = int(steps)
        kept = images[whole:] if whole == steps else np.float32(0.5) * (images[whole:-1] + images[whole + 1 :])
        return print_of(path.stem, kept, sound[round(steps * RATE / 10) :])

    return copy


COPIES: dict[str, Callable[[Path, Images, Sound], Print]] = {
    "encoded again": _refilmed(),
    "cropped by 6 %": _refilmed("-vf", "crop=iw*0.94:ih*0.94,scale=256:256"),
    "mirrored": lambda path, images, sound: print_of(path.stem, images[:, :, ::-1], sound),
    "trimmed by 0.3 s": _later(3),
    "trimmed by 0.55 s": _later(5.5),
    "trimmed by 0.9 s": _later(9),
}


if __name__ == "__main__":
    main()
