"""Clips whose index, sizes or counts are false."""

from __future__ import annotations

import struct
import zlib

from mp4_boxes import Box, edit_list, full, parse, patch, table, timescales, tracks, write

from hard_clips.making import (
    AAC,
    HARD,
    X264,
    encoded,
    hard,
    plain,
    remuxed,
    tree_of,
)

# --- lies -------------------------------------------------------------------------------------------------------------


@hard("zero-frames")
def zero_frames() -> bytes:
    tree, video, _ = tree_of(plain())
    stbl = video.find(b"mdia", b"minf", b"stbl")
    stbl.children = [child for child in stbl.children if child.kind in (b"stsd",)] + [
        full(b"stts", "I", 0), full(b"stsc", "I", 0), full(b"stsz", "II", 0, 0), full(b"stco", "I", 0)
    ]  # fmt: skip
    return write(tree)


HARD["one-frame"] = lambda: encoded(*X264, "-frames:v", "1", *AAC)
TEN_HOURS = 36_000


@hard("ten-hours-mvhd", b"mvhd")
@hard("ten-hours-tkhd", b"tkhd")
@hard("ten-hours-mdhd", b"mdhd")
@hard("ten-hours-stts", b"stts")
def ten_hours(kind: bytes) -> bytes:
    tree, video, _ = tree_of(plain())
    movie, ticks = timescales(tree, video)
    if kind == b"mvhd":
        patch(tree.find(b"moov", b"mvhd"), 16, "I", TEN_HOURS * movie)
    elif kind == b"tkhd":
        patch(video.find(b"tkhd"), 20, "I", TEN_HOURS * movie)
    elif kind == b"mdhd":
        patch(video.find(b"mdia", b"mdhd"), 16, "I", TEN_HOURS * ticks)
    else:
        video.children = [child for child in video.children if child.kind != b"edts"]
        table(video, b"stts").body = struct.pack(">IIIIII", 0, 2, 49, 512, 1, TEN_HOURS * ticks)
    return write(tree)


def with_table(kind: bytes, body: bytes, handler: bytes = b"vide") -> bytes:
    """Replace one sample table of a track by ``body``."""
    tree, video, audio = tree_of(plain())
    track = video if handler == b"vide" else audio
    stbl = track.find(b"mdia", b"minf", b"stbl")
    stbl.children = [child for child in stbl.children if child.kind != kind] + [Box(kind, body)]
    return write(tree)


MANY = 0xFFFFFFFF
HARD["stsz-claims-4e9"] = lambda: with_table(b"stsz", struct.pack(">III", 0, 0, MANY) + bytes(200))
HARD["stsz-constant-4e9"] = lambda: with_table(b"stsz", struct.pack(">III", 0, 1, MANY))
HARD["stts-claims-4e9"] = lambda: with_table(b"stts", struct.pack(">IIII", 0, 1, MANY, 512))
HARD["ctts-claims-4e9"] = lambda: with_table(b"ctts", struct.pack(">IIII", 0, 1, MANY, 0))


@hard("constant-samples", 100_000_000, b"vide")
@hard("constant-samples-audio", 100_000_000, b"soun")
def constant_samples(count: int, handler: bytes) -> bytes:
    """One chunk that holds 1e8 samples of one byte, by its index."""
    tree, video, audio = tree_of(plain())
    track = video if handler == b"vide" else audio
    table(track, b"stsz").body = struct.pack(">III", 0, 1, count)
    table(track, b"stsc").body = struct.pack(">IIIII", 0, 1, 1, count, 1)
    table(track, b"stts").body = struct.pack(">IIII", 0, 1, count, 512)
    table(track, b"stco").body = struct.pack(">III", 0, 1, 48)
    return write(tree)


@hard("trun-claims-1e8")
def trun_claims() -> bytes:
    tree = parse(HARD["fragmented-without-edits"]())
    moof = next(box for box in tree.children if box.kind == b"moof")
    trun = moof.find(b"traf", b"trun")
    trun.body = struct.pack(">II", 0, 100_000_000)
    return write(tree)


@hard("edit-list-twice")
def edit_list_twice() -> bytes:
    tree, video, _ = tree_of(plain())
    video.find(b"edts").children *= 2
    return write(tree)


@hard("fewer-sizes-than-times")
def fewer_sizes() -> bytes:
    """Forty samples by their sizes, fifty by their times."""
    tree, video, _ = tree_of(plain())
    patch(table(video, b"stsz"), 8, "I", 40)
    return write(tree)


@hard("sample-larger-than-file")
def large_sample() -> bytes:
    """In the time code's track, which nobody plays: some programs refuse the file all the same."""
    tree = parse(HARD["timecode-track"]())
    patch(table(tracks(tree)[2], b"stsz"), 4, "I", 0x7FFFFFFF)
    return write(tree)


@hard("places-end-early")
def places_end_early() -> bytes:
    """In the time code's track: its list of places claims 4e9 and holds one; some programs refuse the file."""
    tree = parse(HARD["timecode-track"]())
    patch(table(tracks(tree)[2], b"stco"), 4, "I", MANY)
    return write(tree)


@hard("sps-cut-short")
def sps_cut_short() -> bytes:
    """The last byte of the sequence's parameters is gone: decoders complain and go on."""
    tree, video, _ = tree_of(plain())
    entry = table(video, b"stsd").children[0]
    at = entry.body.index(b"avcC") - 4
    size, sps = (int.from_bytes(entry.body[place:end], "big") for place, end in ((at, at + 4), (at + 14, at + 16)))
    end = at + 16 + sps
    entry.body = b"".join((
        entry.body[:at], (size - 1).to_bytes(4, "big"), entry.body[at + 4 : at + 14], (sps - 1).to_bytes(2, "big"),
        entry.body[at + 16 : end - 1], entry.body[end:],
    ))  # fmt: skip
    return write(tree)


@hard("chunks-hold-too-much")
def chunks_hold_too_much() -> bytes:
    """By the list of chunks there are more samples than the list of sizes has."""
    tree, video, _ = tree_of(plain())
    runs = table(video, b"stsc")
    patch(runs, len(runs.body) - 8, "I", 200)
    return write(tree)


@hard("sizes-cut-off")
def sizes_cut_off() -> bytes:
    """The list of the sound's sizes has no entries for what it counts; FFmpeg reads on in the next box."""
    tree, _, audio = tree_of(plain())
    sizes = table(audio, b"stsz")
    sizes.body = sizes.body[:12]
    return write(tree)


@hard("samples-in-a-track")
def samples_in_a_track() -> bytes:
    """A second ``mdat`` where the place of the data is said."""
    tree, _, audio = tree_of(plain())
    audio.find(b"mdia", b"minf", b"dinf").children.append(Box(b"mdat", bytes(8)))
    return write(tree)


@hard("fragmented-and-cut")
def fragmented_and_cut() -> bytes:
    """The last fragment lists more than the file holds, which FFmpeg does not mind."""
    data = HARD["b-frames-fragmented"]()
    last = data.rfind(b"mdat")
    return data[: last + (data.find(b"mfra", last) - last) // 8]


@hard("audio-elsewhere")
def audio_elsewhere() -> bytes:
    """The last chunk of the sound lies behind the file's end."""
    tree, _, audio = tree_of(plain())
    places = table(audio, b"stco")
    count = struct.unpack_from(">I", places.body, 4)[0]
    patch(places, 4 + 4 * count, "I", 0x7FFFFFFF)
    return write(tree)


@hard("audio-without-samples")
def audio_without_samples() -> bytes:
    tree, _, audio = tree_of(plain())
    for kind, form, values in (
        (b"stts", "I", (0,)), (b"stsc", "I", (0,)), (b"stsz", "II", (0, 0)), (b"stco", "I", (0,))
    ):  # fmt: skip
        table(audio, kind).body = full(kind, form, *values).body
    return write(tree)


@hard("compressed-index")
def compressed_index() -> bytes:
    """QuickTime's compressed ``moov``, which unpacks to whatever it claims."""
    tree, _, _ = tree_of(plain())
    packed = zlib.compress(tree.find(b"moov").to_bytes())
    inner = [Box(b"dcom", b"zlib"), Box(b"cmvd", struct.pack(">I", 0x7FFFFFFF) + packed)]
    tree.find(b"moov").children = [Box(b"cmov", b"".join(box.to_bytes() for box in inner))]
    return write(tree)


@hard("elst-claims-1e9")
def elst_claims() -> bytes:
    tree, video, _ = tree_of(plain())
    edit_list(video, (2000, 0, 1), claimed=1_000_000_000)
    return write(tree)


@hard("elst-100000-edits")
def elst_many() -> bytes:
    tree, video, _ = tree_of(plain())
    edit_list(video, *[(2000, 0, 1)] * 100_000)
    return write(tree)


@hard("tracks-5000")
def many_tracks() -> bytes:
    tree, _, audio = tree_of(plain())
    tree.find(b"moov").children += [audio] * 5000
    return write(tree)


@hard("nested-5000", b"udta")
@hard("nested-5000-moov", b"moov")
def nested(kind: bytes) -> bytes:
    tree, _, _ = tree_of(plain())
    data = b""
    for _ in range(5000):
        data = struct.pack(">I4s", len(data) + 8, kind) + data
    tree.find(b"moov").children.append(Box(kind, data))
    return write(tree)


@hard("boxes-500000")
def many_boxes() -> bytes:
    return plain() + struct.pack(">I4s", 8, b"free") * 500_000


@hard("udta-32-mib")
def huge_metadata() -> bytes:
    tree, _, _ = tree_of(plain())
    item = Box(b"\xa9nam", struct.pack(">II", 1, 0) + b"x" * (32 << 20))
    tree.find(b"moov").children.append(
        Box(b"udta", b"", [full_meta([Box(b"ilst", b"", [Box(b"\xa9nam", b"", [Box(b"data", item.body)])])])])
    )
    return write(tree)


def full_meta(children: list[Box]) -> Box:
    handler = full(b"hdlr", "I4sIII", 0, b"mdir", 0, 0, 0)
    handler.body += b"\0"
    return Box(b"meta", bytes(4), [handler, *children])


@hard("handler-name-hostile", b"a\r\nb\x1b[31mred\x1b]0;title\x07<script>alert(1)</script>\0")
@hard("handler-name-2-mib", b"n" * (2 << 20) + b"\0")
def handler_name(name: bytes) -> bytes:
    tree, video, _ = tree_of(plain())
    box = video.find(b"mdia", b"hdlr")
    box.body = box.body[:24] + name
    return write(tree)


HARD["title-hostile"] = lambda: remuxed(
    plain(), "-c", "copy", "-metadata", "title=\x1b[2J<script>\n=cmd()", "-metadata", "comment=" + "x" * 50_000
)


@hard("brand-hostile")
def brand_hostile() -> bytes:
    data = bytearray(plain())
    data[8:12] = b"\x1b[7m"
    return bytes(data)
