"""What the files of both sides are like, and what follows for the numbers."""

from __future__ import annotations

import hashlib
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from evalkit.folders.listing import Side
from evalkit.folders.model import SideSummary, UnreadFile
from evalkit.folders.reading import SideRead
from evalkit.media.facts import MediaFacts
from evalkit.media.still_frame import CONTAINER
from evalkit.scoring.scorecard import MetricScore, ScoreEvent
from evalkit.text import count, escape_for_display

SHOWN = 4  # sizes or rates that one sentence names
LISTED = 3


def summarise(
    side: Side, facts: Iterable[MediaFacts], unread: Sequence[UnreadFile], digests: Sequence[str]
) -> SideSummary:
    """Return what one side is like.

    Args:
        side: its files.
        facts: of the files that were read.
        unread: the others.
        digests: SHA-256 of each file that was read.
    """
    sizes: Counter[str] = Counter()
    rates: Counter[str] = Counter()
    frames: list[int] = []
    images = videos = 0
    seconds = 0.0
    for one in facts:
        video = one.video
        if video is None:
            continue
        sizes[f"{video.width}x{video.height}"] += 1
        if one.container == CONTAINER:
            images += 1
            continue
        videos += 1
        frames.append(video.frames)
        seconds += video.duration_seconds
        rates["one frame" if video.fps is None else rate_text(video.fps)] += 1
    return SideSummary(
        source=side.source,
        files=len(side.files),
        read=videos + images,
        videos=videos,
        images=images,
        others=side.others,
        sizes=_ranked(sizes),
        frame_rates=_ranked(rates),
        frames=(min(frames), float(statistics.median(frames)), max(frames)) if frames else None,
        seconds=round(seconds, 3),
        equal_files=len(digests) - len(set(digests)),
        unread=tuple(unread),
        sha256=digest_of(digests),
    )


def digest_of(digests: Iterable[str]) -> str:
    """Return one digest of many files, whatever their names and order."""
    return hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()


def rate_text(fps: float) -> str:
    """Return a frame rate to a hundredth: time stamps of MP4 are rounded."""
    return f"{round(fps, 2):g}"


def unread_files(read: SideRead) -> list[UnreadFile]:
    """Return the files of a side that have no numbers."""
    paths = {file.name: str(file.path) for file in read.side.files}
    return [
        UnreadFile(name=name, path=paths[name], rule=rule, detail=detail)
        for name, (rule, detail) in sorted(read.unread.items())
    ]


def side_warnings(real: SideSummary, generated: SideSummary, shared: int) -> list[ScoreEvent]:
    """Return what differs between the sides or within one of them; ``shared`` files have equal bytes on both sides."""
    found = []
    for what, kind, title in (("sizes", "sizes_differ", "size"), ("frame_rates", "rates_differ", "frame rate")):
        ours, theirs = getattr(generated, what), getattr(real, what)
        if not ours or not theirs:
            continue
        if set(ours) != set(theirs):
            effect = (
                "frames are resized for the networks, and distances see that"
                if what == "sizes"
                else "clips of equally many frames last differently long, and FVD and KVD see that"
            )
            found.append(
                _event(kind, f"The sides differ in {title}: real {_named(theirs)}, generated {_named(ours)}: {effect}.")
            )
        else:
            for side_title, numbers in (("real", theirs), ("generated", ours)):
                if len(numbers) > 1:
                    found.append(
                        _event(f"mixed_{what}", f"The {side_title} side is a mixture of {title}s: {_named(numbers)}.")
                    )
    for side_title, side in (("real", real), ("generated", generated)):
        if side.videos and side.images:
            found.append(
                _event(
                    "mixed_kinds",
                    f"The {side_title} side has {count(side.videos, 'video')} and "
                    f"{count(side.images, 'image')}; an image counts as one frame.",
                )
            )
        if side.equal_files:
            found.append(
                _event(
                    "equal_files",
                    f"{count(side.equal_files, 'file')} of the {side_title} side "
                    f"{'has' if side.equal_files == 1 else 'have'} the bytes of another one there.",
                )
            )
    if bool(real.videos) != bool(generated.videos) and real.read and generated.read:
        words = {True: "videos", False: "images"}
        found.append(
            _event(
                "kinds_differ",
                f"The real side has {words[bool(real.videos)]}, the generated side "
                f"{words[bool(generated.videos)]}: metrics of motion compare nothing.",
            )
        )
    if shared:
        found.append(
            _event(
                "same_on_both_sides",
                f"{count(shared, 'generated file')} "
                f"{'has' if shared == 1 else 'have'} exactly the bytes of a real one.",
            )
        )
    if real.read != generated.read and real.read and generated.read:
        found.append(
            _event(
                "numbers_differ",
                f"{count(real.read, 'real file')} against {generated.read} generated: all of both "
                "count in distances of unpaired sets.",
            )
        )
    return found


def small_sample_warnings(metrics: Mapping[str, MetricScore]) -> list[ScoreEvent]:
    """Return which kernel distance to look at where a Fréchet distance is mostly bias."""
    better = {"fid": "kid.whole.unpaired", "fvd": "kvd.styleganv.unpaired"}
    found = []
    for name, score in metrics.items():
        family = name.partition(".")[0]
        if family in better and any(note.kind == "small_sample" for note in score.notes):
            there = [other for other in metrics if other.startswith(("kid.", "kvd.")[family == "fvd"])]
            usable = [other for other in there if metrics[other].value is not None]
            advice = f"look at {usable[0]}" if usable else f"ask for {better[family]} too"
            found.append(
                _event("biased_by_few", f"{name} is biased by the small number of files: {advice}, which is not.")
            )
    return found


def _event(kind: str, detail: str) -> ScoreEvent:
    return ScoreEvent(kind=kind, detail=detail)


def _ranked(counted: Counter[str]) -> dict[str, int]:
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))


def _named(numbers: Mapping[str, int]) -> str:
    shown = [f"{escape_for_display(name, 20)} ({number})" for name, number in list(numbers.items())[:SHOWN]]
    rest = len(numbers) - SHOWN
    return ", ".join(shown) + (f" and {rest} other" if rest > 0 else "")
