"""Clips that are hard to read: their findings, their facts, their cost."""

from __future__ import annotations

import http.server
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from builders.media_facts import RULES
from clip_tools import ffmpeg, tone
from fuzz.mp4_campaign import open_inspector
from hard_clips import HARD, external, plain
from mp4_boxes import parse, table, tracks

from evalkit.media.audio import read_audio
from evalkit.media.decode import iter_frames
from evalkit.media.inspect import inspect_media
from evalkit.validators.findings import verdict_of
from evalkit.validators.registry import file_findings
from evalkit.workers.pool import Workers

pytestmark = pytest.mark.ffmpeg


MAX_GROWTH_MIB = 64.0


# Verdict, and the rules that must speak: no more and no fewer.
EXPECTED = {
    # Legal, and read alike by everything.
    "plain": ("ok", []),
    "faststart": ("ok", []),
    "b-frames": ("ok", []),
    "b-frames-fragmented": ("ok", []),
    "fragmented-without-edits": ("ok", ["content.irregular-frames"]),
    "baseline": ("ok", []),
    "main-profile": ("ok", []),
    "tagged-bt709": ("ok", []),
    "audio-96000-hz": ("ok", []),
    "subtitles": ("ok", ["encoding.other-streams"]),
    "timecode-track": ("ok", ["encoding.other-streams"]),
    "cover-and-video": ("ok", ["encoding.other-streams"]),
    "cover-before-video": ("ok", ["encoding.other-streams"]),
    "handler-name-hostile": ("ok", []),
    "handler-name-2-mib": ("ok", []),
    "title-hostile": ("ok", []),
    "brand-hostile": ("ok", []),
    "elst-claims-1e9": ("ok", []),
    # Edit lists and times.
    "edit-delay-both": ("ok", ["encoding.late-start"]),
    "edit-delay-audio": ("warning", ["content.audio-long", "encoding.audio-start"]),
    "edit-delay-video": ("warning", ["content.audio-short", "encoding.audio-start", "encoding.late-start"]),
    "edit-cut-at-keyframe": ("warning", ["encoding.hidden-frames"]),
    "edit-cut-between-keyframes": ("warning", ["encoding.hidden-frames"]),
    "edit-cut-end": ("warning", ["encoding.hidden-frames"]),
    "edit-video-only": ("warning", ["content.audio-long", "encoding.hidden-frames"]),
    "stream-copy-cut": ("warning", ["encoding.hidden-frames"]),
    "edit-hole": ("error", ["content.irregular-frames", "encoding.edit-list"]),
    "edit-negative-time": ("error", ["encoding.edit-list"]),
    "edit-repeat": ("error", ["encoding.edit-list"]),
    "edit-reorder": ("error", ["encoding.edit-list"]),
    "edit-rate-half": ("error", ["encoding.edit-list"]),
    "edit-rate-double": ("error", ["encoding.edit-list"]),
    "edit-dwell": ("error", ["encoding.edit-list"]),
    "edit-only-empty": ("error", ["encoding.edit-list"]),
    "edit-beyond-end": ("error", ["encoding.edit-list"]),
    "elst-100000-edits": ("error", ["encoding.not-media"]),
    "negative-times": ("error", ["content.audio-long", "encoding.audio-start", "encoding.negative-start"]),
    "times-backward": ("error", ["content.timestamps"]),
    "times-equal": ("error", ["content.timestamps"]),
    # Streams.
    "two-videos": ("error", ["encoding.several-video-streams"]),
    "two-audios": ("warning", ["encoding.several-audio-streams"]),
    "second-video-shown": ("error", ["encoding.several-video-streams", "encoding.track-disabled"]),
    "video-switched-off": ("error", ["encoding.track-disabled"]),
    "cover-without-video": ("error", ["encoding.no-video"]),
    # Pictures.
    "size-change": ("error", ["content.size-change"]),
    "format-change-to-444": ("error", ["encoding.pixel-format"]),
    "format-change-from-444": ("error", ["encoding.pixel-format"]),
    "format-change-from-10-bit": ("error", ["encoding.pixel-format"]),
    "interlaced": ("error", ["encoding.frame-rate", "encoding.interlaced"]),
    "hdr-pq-10-bit": ("error", ["encoding.hdr", "encoding.pixel-format"]),
    "hdr-pq-8-bit": ("error", ["encoding.hdr"]),
    "hdr-hlg-8-bit": ("error", ["encoding.hdr"]),
    "hdr-by-container-only": ("error", ["encoding.hdr"]),
    "hdr-pq-lone-tag": ("error", ["encoding.hdr"]),
    "wide-gamut-lone-tag": ("warning", ["encoding.primaries"]),
    "film-primaries": ("warning", ["encoding.primaries"]),
    "hdr-after-sdr": ("error", ["encoding.hdr"]),
    "wide-pixels-after-square": ("warning", ["encoding.aspect-ratio"]),
    "audio-gap": ("warning", ["content.audio-timestamps"]),
    "audio-gap-at-end": ("warning", ["content.audio-timestamps"]),
    "audio-gap-too-short-to-hear": ("ok", []),
    "index-twice": ("error", ["encoding.index"]),
    "chapters-and-cover": ("ok", ["encoding.other-streams"]),
    "wide-gamut-8-bit": ("warning", ["encoding.primaries"]),
    "alpha-vp9": ("error", ["encoding.codec"]),
    "hevc": ("error", ["encoding.codec"]),
    "high-10": ("error", ["encoding.pixel-format"]),
    "high-4-2-2": ("error", ["encoding.pixel-format"]),
    "high-4-4-4": ("error", ["encoding.pixel-format"]),
    "lossless": ("warning", ["encoding.profile"]),
    "odd-size": ("error", ["encoding.pixel-format"]),
    "rotated-90": ("error", ["encoding.rotation"]),
    "mirrored": ("error", ["encoding.rotation"]),
    "rotated-10-degrees": ("error", ["encoding.rotation"]),
    "scaled-by-matrix": ("error", ["encoding.rotation"]),
    "sheared": ("error", ["encoding.rotation"]),
    "zero-matrix": ("error", ["encoding.rotation"]),
    "movie-rotated-180": ("error", ["encoding.rotation"]),
    "movie-rotated-back": ("error", ["encoding.rotation"]),
    "cropped-by-container": ("error", ["encoding.crop"]),
    "stretched-by-track-header": ("warning", ["encoding.display-size"]),
    # Lies.
    "zero-frames": ("error", ["content.too-few-frames"]),
    "one-frame": ("error", ["content.too-few-frames", "encoding.audio-missing"]),
    "ten-hours-mvhd": ("warning", ["encoding.claimed-length"]),
    "ten-hours-tkhd": ("warning", ["encoding.claimed-length"]),
    "ten-hours-mdhd": ("warning", ["encoding.claimed-length"]),
    "ten-hours-stts": ("warning", ["encoding.claimed-length"]),
    "stsz-claims-4e9": ("error", ["encoding.not-media"]),
    "stsz-constant-4e9": ("error", ["encoding.not-media"]),
    "stts-claims-4e9": ("error", ["encoding.not-media"]),
    "ctts-claims-4e9": ("error", ["encoding.not-media"]),
    "constant-samples": ("error", ["encoding.not-media"]),
    "constant-samples-audio": ("error", ["encoding.not-media"]),
    "trun-claims-1e8": ("error", ["encoding.not-media"]),
    "tracks-5000": ("error", ["encoding.not-media"]),
    "nested-5000": ("error", ["encoding.not-media"]),
    "nested-5000-moov": ("error", ["encoding.not-media"]),
    "boxes-500000": ("error", ["encoding.not-media"]),
    "udta-32-mib": ("error", ["encoding.not-media"]),
    "compressed-index": ("error", ["encoding.not-media"]),
    "edit-list-twice": ("error", ["encoding.index"]),
    "fewer-sizes-than-times": ("error", ["encoding.index"]),
    "sample-larger-than-file": ("error", ["encoding.index", "encoding.other-streams"]),
    "chunks-hold-too-much": ("error", ["content.decode-errors", "encoding.index"]),
    "places-end-early": ("error", ["encoding.index", "encoding.other-streams"]),
    "sps-cut-short": ("warning", ["encoding.complaints"]),
    "sizes-cut-off": ("error", ["content.audio-empty", "encoding.index"]),
    "samples-in-a-track": ("error", ["encoding.index"]),
    "fragmented-and-cut": ("error", ["content.truncated"]),
    "audio-elsewhere": ("error", ["content.audio-cut"]),
    # Encryption, other files, tags that lie.
    "encrypted": ("error", ["encoding.encrypted"]),
    "encrypted-tag-only": ("error", ["encoding.encrypted"]),
    "external-url-file": ("error", ["encoding.external-data"]),
    "external-url-http": ("error", ["encoding.external-data"]),
    "external-alias": ("error", ["encoding.external-data"]),
    "hevc-tagged-avc1": ("error", ["content.decode-errors"]),
    "mpeg4-tagged-avc1": ("error", ["encoding.codec"]),
    "h264-tagged-hvc1": ("error", ["encoding.codec"]),
    "h264-tagged-mp4v": ("error", ["encoding.codec"]),
    "h264-tagged-nonsense": ("error", ["encoding.codec"]),
    # Sound.
    "audio-8-channels": ("warning", ["encoding.audio-channels"]),
    "audio-pcm": ("error", ["encoding.audio-codec", "encoding.container"]),
    "audio-pcm-in-mp4": ("error", ["encoding.audio-codec"]),
    "audio-opus": ("error", ["encoding.audio-codec"]),
    "audio-alac-192000-hz": ("error", ["encoding.audio-codec"]),
    "audio-rate-change": ("error", ["content.audio-change"]),
    "audio-without-samples": ("error", ["content.audio-empty"]),
}


def test_every_hard_clip_has_an_expected_verdict():
    assert set(EXPECTED) == set(HARD)


@pytest.mark.parametrize("name", EXPECTED)
def test_hard_clip_is_told_what_it_is(clips, name):
    findings = file_findings(inspect_media(clips(name)).facts, RULES, "a.mp4")
    assert (verdict_of(findings), sorted(finding.rule for finding in findings)) == EXPECTED[name]
    for finding in findings:
        assert finding.found and finding.expected
        words = str(finding.to_json())
        assert finding.found.isprintable() and len(finding.found) < 300
        assert str(clips(name).parent) not in words


@pytest.mark.parametrize(
    ("name", "rule", "words"),
    [
        ("edit-repeat", "encoding.edit-list", "3 edits: 0.80 s from 0.00 s, 0.80 s from 0.00 s, 0.80 s from 0.80 s"),
        ("edit-hole", "encoding.edit-list", "3 edits: 0.80 s from 0.00 s, 0.50 s of nothing, 1.20 s from 0.80 s"),
        ("edit-rate-half", "encoding.edit-list", "played at 0.5 times the speed"),
        ("edit-negative-time", "encoding.edit-list", "a start 0.50 s before the first frame"),
        ("edit-cut-between-keyframes", "encoding.hidden-frames", "0.60 s hidden"),
        ("stream-copy-cut", "encoding.hidden-frames", "0.90 s hidden"),
        ("negative-times", "encoding.negative-start", "the first frame at -0.500 s"),
        ("second-video-shown", "encoding.track-disabled", "the video track disabled"),
        ("cover-without-video", "encoding.no-video", "audio only (and a cover image)"),
        ("subtitles", "encoding.other-streams", "subtitle"),
        ("format-change-from-444", "encoding.pixel-format",
         "yuv420p (profile Constrained Baseline), yuv444p in a part of the frames"),
        ("hdr-hlg-8-bit", "encoding.hdr", "HLG (arib-std-b67)"),
        ("lossless", "encoding.profile", "High 4:4:4 Predictive"),
        ("cropped-by-container", "encoding.crop", "48x64 of 96x64 pixels"),
        ("scaled-by-matrix", "encoding.rotation", "a display matrix of 2 0 0 2"),
        ("ten-hours-mvhd", "encoding.claimed-length", "36000.00 s in its movie header"),
        ("ten-hours-stts", "encoding.claimed-length", "36001.96 s in its list of frames"),
        ("encrypted", "encoding.encrypted", "sample entry encv, enca"),
        ("external-url-http", "encoding.external-data", "url http://127.0.0.1:9/v.mp4"),
        ("tracks-5000", "encoding.not-media", "an MP4 of 5002 tracks"),
        ("elst-100000-edits", "encoding.not-media", "an MP4 with an edit list of 100000 entries"),
        ("trun-claims-1e8", "encoding.not-media", "an MP4 whose index claims 100000095 samples in 33030 bytes"),
        ("edit-list-twice", "encoding.index", "more than one elst"),
        ("fewer-sizes-than-times", "encoding.index", "40 samples in the table of sizes and 50 in the table of times"),
        ("audio-8-channels", "encoding.audio-channels", "8 channels"),
        ("audio-rate-change", "content.audio-change", "1 change"),
        ("audio-gap", "content.audio-timestamps", "up to 0.40 s late, after 1 jump"),
        ("index-twice", "encoding.index", "2 indexes (moov)"),
        ("hdr-after-sdr", "encoding.hdr", "PQ (smpte2084) in a part of the frames"),
        ("wide-pixels-after-square", "encoding.aspect-ratio", "2:1 in a part of the frames"),
    ],
)  # fmt: skip
def test_what_was_found_is_said_in_words(clips, name, rule, words):
    findings = file_findings(inspect_media(clips(name)).facts, RULES)
    found = next(finding.found for finding in findings if finding.rule == rule)
    if name == "trun-claims-1e8":  # the file's size is the encoder's
        words = words.replace("33030", str(clips(name).stat().st_size))
        found, words = found.partition(" samples")[2], words.partition(" samples")[2]
    assert found == words


# --- facts against hand counts ----------------------------------------------------------------------------------------


def test_cover_is_never_taken_for_the_video(clips):
    facts = inspect_media(clips("cover-before-video")).facts
    assert (facts.video_streams, facts.cover_pictures, facts.video.codec, facts.video.frames) == (1, 1, "h264", 50)
    assert len(list(iter_frames(clips("cover-before-video")))) == 50
    facts = inspect_media(clips("cover-without-video")).facts
    assert (facts.video_streams, facts.cover_pictures, facts.video) == (0, 1, None)


def test_b_frames_are_in_order_with_even_times(clips):
    inspection = inspect_media(clips("b-frames"))
    np.testing.assert_allclose(inspection.times, np.arange(50) / 25, atol=1e-6)
    assert inspection.facts.video.backward_steps == 0


def test_index_says_what_was_written(clips):
    tracks_read = inspect_media(clips("edit-hole")).facts.mp4.tracks
    assert [track.kind for track in tracks_read] == ["video", "audio"]
    for track in tracks_read:
        assert [(edit.seconds, edit.start_seconds, edit.rate) for edit in track.edits] == [
            (0.8, 0.0, 1.0), (0.5, None, 1.0), (1.2, 0.8, 1.0)
        ]  # fmt: skip
    video = tracks_read[0]
    assert (video.samples, video.timed_samples, video.sample_seconds, video.entries) == (50, 50, 2.0, ("avc1",))
    assert (video.shown_size, video.matrix, video.enabled, video.id) == ((96.0, 64.0), (1.0, 0.0, 0.0, 1.0), True, 1)
    largest = max(struct.unpack(">50I", table(tracks(parse(plain()), b"vide")[0], b"stsz").body[12:]))
    assert inspect_media(clips("plain")).facts.mp4.tracks[0].largest_sample == largest


def test_headers_of_version_1_are_read_alike(tmp_path, clips):
    tree = parse(plain())
    for box in tree.walk():
        if box.kind in (b"mvhd", b"mdhd"):
            created, changed, scale, length = struct.unpack_from(">4I", box.body, 4)
            box.body = b"\1\0\0\0" + struct.pack(">QQIQ", created, changed, scale, length) + box.body[20:]
        elif box.kind == b"tkhd":
            created, changed, number, _, length = struct.unpack_from(">5I", box.body, 4)
            box.body = (
                b"\1" + box.body[1:4] + struct.pack(">QQIIQ", created, changed, number, 0, length) + box.body[24:]
            )
        elif box.kind == b"elst":
            length, start, rate = struct.unpack_from(">Iii", box.body, 8)
            box.body = b"\1" + box.body[1:8] + struct.pack(">Qqi", length, start, rate)
    (tmp_path / "wide.mp4").write_bytes(b"".join(child.to_bytes() for child in tree.children))
    wide, narrow = inspect_media(tmp_path / "wide.mp4").facts, inspect_media(clips("plain")).facts
    assert wide.mp4 == narrow.mp4
    assert file_findings(wide, RULES) == []


def test_rate_that_changes_gives_the_true_length(clips):
    audio = inspect_media(clips("audio-rate-change")).facts.audio
    assert audio.format_changes == 1
    assert audio.duration_seconds == pytest.approx(4.0, abs=0.12)  # 2 s and 2 s, with MP3's delay and padding twice


def test_eight_channels_are_read_with_their_level(clips, tmp_path):
    """PyAV counts planes up to a null pointer; behind eight planes there is none."""
    audio = inspect_media(clips("audio-8-channels")).facts.audio
    assert (audio.channels, audio.decode_errors) == (8, 0)
    samples = read_audio(clips("audio-8-channels"), 48_000)
    assert np.isfinite(samples).all() and len(samples) == pytest.approx(96_000, abs=2048)
    wave = tmp_path / "eight.wav"  # every channel as loud as the next: their mean is the tone itself
    ffmpeg("-f", "lavfi", "-i", "sine=440:d=1:sample_rate=16000", "-af", "pan=7.1|" + "|".join(
        f"c{channel}=c0" for channel in range(8)), "-c:a", "pcm_f32le", wave)  # fmt: skip
    mono = tmp_path / "mono.wav"
    ffmpeg("-f", "lavfi", "-i", "sine=440:d=1:sample_rate=16000", "-c:a", "pcm_f32le", mono)
    np.testing.assert_allclose(read_audio(wave, 16_000), read_audio(mono, 16_000), atol=1e-6)
    assert len(tone(440, 1.0, 16_000)) == len(read_audio(mono, 16_000))


# --- what it costs ----------------------------------------------------------------------------------------------------

LIES = (
    *("stsz-claims-4e9", "stsz-constant-4e9", "stts-claims-4e9", "ctts-claims-4e9", "constant-samples", "encrypted"),
    *("constant-samples-audio", "trun-claims-1e8", "elst-claims-1e9", "elst-100000-edits", "tracks-5000"),
    *("nested-5000", "nested-5000-moov", "boxes-500000", "udta-32-mib", "handler-name-2-mib", "title-hostile"),
    *("ten-hours-mvhd", "ten-hours-tkhd", "ten-hours-mdhd", "ten-hours-stts", "plain"),
)


def test_lies_cost_neither_memory_nor_time(clips):
    """All in one worker, as a run has it, each within ten seconds; it must not grow by what they claim."""
    paths = [str(clips(name)) for name in ("plain", *LIES)]
    results = list(Workers(f"{open_inspector.__module__}:open_inspector", None, 1, timeout=10.0).run(paths))
    assert [(result.failure, result.detail) for result in results] == [(None, "")] * len(paths)
    grown = {Path(paths[result.index]).stem: result.value.grown for result in results[1:]}
    assert max(grown.values()) < MAX_GROWTH_MIB, grown


# --- other files and machines -----------------------------------------------------------------------------------------


class Visits:
    """A web server on this machine that counts who asks it for anything."""

    def __init__(self) -> None:
        visits = self.seen = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                visits.append(self.path)
                self.send_response(200)
                self.end_headers()

            def log_message(self, form: str, *values: object) -> None:
                del form, values

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()


@pytest.fixture
def visits() -> Iterator[Visits]:
    server = Visits()
    yield server
    server.server.shutdown()
    server.server.server_close()
    server.thread.join()


REFERRING = {
    "m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MAP:URI=\"{at}\"\n#EXTINF:2,\n{at}\n#EXT-X-ENDLIST\n",
    "ffconcat": "ffconcat version 1.0\nfile '{at}'\n",
    "concat-protocol": "concat:{at}|{at}",
    "subfile": "subfile,,start,0,end,9999,,:{at}",
    "data": "data:application/x-mpegurl,{at}",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
    '<Representation id="1" bandwidth="1"><BaseURL>{at}</BaseURL></Representation></AdaptationSet></Period></MPD>',
    "smil": '<smil><body><video src="{at}"/></body></smil>',
    "rtsp-text": "RTSPtext\r\n{at}\r\n",
    "asx": '<ASX version="3.0"><Entry><Ref href="{at}"/></Entry></ASX>',
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\na=control:{at}\nm=video 9 RTP/AVP 96\n",
}  # fmt: skip


@pytest.mark.parametrize("kind", [*REFERRING, "dref-url", "dref-alis"])
def test_nothing_outside_of_the_file_is_read(tmp_path, visits, kind):
    """Neither a file beside it nor a machine that it names: a canary in the one, an empty guest book in the other."""
    canary = tmp_path / "canary.mp4"
    canary.write_bytes(plain())
    for place in (f"{visits.address}/v.mp4", f"file://{canary}", canary.name):
        if kind == "dref-url":
            data = external(b"url ", place.encode() + b"\0")
        elif kind == "dref-alis":
            data = HARD["external-alias"]()
        else:
            data = REFERRING[kind].format(at=place).encode()
        path = tmp_path / "sample.mp4"
        path.write_bytes(data)
        facts = inspect_media(path).facts
        assert verdict_of(file_findings(facts, RULES)) == "error"
        if kind in REFERRING:
            assert facts.video is None  # the canary has one
            assert facts.open_error is not None
    assert visits.seen == []
