"""Rules about the index of an MP4: what programs interpret differently, can't follow, or must not follow."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from evalkit.media.facts import MediaFacts, Mp4Facts, TrackFacts, VideoFacts
from evalkit.text import count
from evalkit.validators.edits import hidden_seconds, unusual_edits
from evalkit.validators.file import (
    File,
    audio_end_seconds,
    container_fits,
    is_damaged,
    is_truncated,
    of_video,
    used_tracks,
    video_track,
)
from evalkit.validators.findings import Rule, Violation

HIDDEN_SECONDS = 0.1
WRONG_LENGTH_SECONDS = 0.5
WRONG_LENGTH_SHARE = 0.1
STRETCH = 0.02
TICK_SECONDS = 0.001
_ONE_FILE = "Save the video as one self-contained file."


def _of_index(
    check: Callable[[VideoFacts, TrackFacts, Mp4Facts, File], Iterable[Violation]],
) -> Callable[[File], Iterable[Violation]]:
    """Skip the check where the index entry of the scored track is unknown."""

    def checked(video: VideoFacts, file: File) -> Iterable[Violation]:
        track, mp4 = video_track(file), file.facts.mp4
        if track is None or mp4 is None or not container_fits(file):
            return ()
        return check(video, track, mp4, file)

    return of_video(checked)


def _index(file: File) -> Iterable[Violation]:
    facts = file.facts
    if facts.open_error is not None or not container_fits(file) or "mp4" not in (facts.container or ""):
        return
    streams = (facts.video is not None) + (facts.audio is not None)
    if facts.video is not None and is_truncated(facts.video):
        return
    repeated = dict.fromkeys(name for track in used_tracks(file) for name in track.repeated_boxes)
    fault = next((words for track in _listed(facts) if (words := _wrong_list(track, facts))), None)
    if len(used_tracks(file)) < streams:
        fault = "a track that is not in the index"
    first, scored = next((track for track in _listed(facts) if track.kind == "video"), None), video_track(file)
    if first is not None and scored is not None and first.id != scored.id:
        fault = "a first video track that FFmpeg takes for a chapter's image or a cover"
    if facts.mp4 is not None and facts.mp4.misplaced:
        fault = "misplaced boxes: " + ", ".join(facts.mp4.misplaced)
    if facts.video is not None and "-" in facts.video.sample_aspect_ratio:
        fault = f"pixels of the shape {facts.video.sample_aspect_ratio}"
    if facts.mp4 is not None and not _is_clock(facts.mp4.time_scale):
        fault = f"{facts.mp4.time_scale} ticks per second in the movie header"
    if facts.mp4 is not None and facts.mp4.indexes > 1:
        fault = f"{facts.mp4.indexes} indexes (moov)"
    if repeated:
        fault = "more than one " + ", ".join(repeated)
    if fault is not None:
        yield Violation(
            "The index violates the MP4 standard; programs differ in what they read from it.",
            found=fault,
            expected="one valid description of every track",
            steps=("rewrite",),
        )


def _is_clock(time_scale: int) -> bool:
    """Return whether every program takes the ticks per second as they are: FFmpeg reads a signed number of 32 bits."""
    return 0 < time_scale < 1 << 31


def _listed(facts: MediaFacts) -> tuple[TrackFacts, ...]:
    return facts.mp4.tracks if facts.mp4 is not None else ()


def _wrong_list(track: TrackFacts, facts: MediaFacts) -> str | None:
    """Describe what can't be true in a track's sample tables; ``None`` when all is consistent."""
    played = track.kind != "other"
    (width, height), sizes = track.shown_size, f"{count(track.samples, 'sample')} in the table of sizes"
    claims = (
        (not _is_clock(track.time_scale), f"{track.time_scale} ticks per second"),
        (max(width, height) >= 1 << 15, f"a display size of {width:g}x{height:g}"),
        (
            track.largest_sample > facts.size_bytes,
            f"a sample of {track.largest_sample} bytes in a file of {facts.size_bytes}",
        ),
        (
            played and abs(track.samples - track.timed_samples) > 1,
            f"{sizes} and {track.timed_samples} in the table of times",
        ),
        (played and track.samples != track.chunk_samples, f"{sizes} and {track.chunk_samples} in the table of chunks"),
        (bool(track.truncated_tables), "truncated tables: " + ", ".join(track.truncated_tables)),
        (played and bool(track.missing_boxes), "a track without " + ", ".join(track.missing_boxes)),
        (_is_cut(track, facts), f"{track.media_seconds or 0:.2f} s in the media header, less than its samples take"),
    )
    return next((words for wrong, words in claims if wrong), None)


def _is_cut(track: TrackFacts, facts: MediaFacts) -> bool:
    """Return whether a player that goes by the length in the media header shows less: GStreamer does without edits."""
    length, samples, video = track.media_seconds, track.sample_seconds, facts.video
    if track.kind != "video" or track.edits or facts.mp4 is None or facts.mp4.fragmented:
        return False
    if not length or not samples or video is None or not video.frames:
        return False
    # The last sample may be stated to last for long; what counts is when the frames are shown.
    return length < min(samples, video.duration_seconds * (1 - 1 / video.frames)) - TICK_SECONDS


def _decoder_errors(file: File) -> Iterable[Violation]:
    """Report damage that the decoder conceals, for instance with earlier frames, where no other rule reports it."""
    facts = file.facts
    reported = facts.video is None or is_damaged(facts.video) or facts.video.codec not in file.rules.video.codecs
    reported |= not container_fits(file) or bool(facts.audio and facts.audio.decode_errors) or any(_index(file))
    if facts.decoder_message_count and not reported:
        more = facts.decoder_message_count - len(facts.decoder_messages)
        yield Violation(
            "FFmpeg reports errors in the file; it replaces or skips what it can't read.",
            found="; ".join(facts.decoder_messages) + (f"; and {more} more" if more > 0 else ""),
            expected="a file that FFmpeg reads without errors",
            steps=("video", "audio"),
        )


def _encrypted(file: File) -> Iterable[Violation]:
    locked = [track for track in used_tracks(file) if track.encrypted]
    if locked and container_fits(file):
        yield Violation(
            "The video is encrypted.",
            found="sample entry " + ", ".join(dict.fromkeys(name for track in locked for name in track.entries)),
            expected="no encryption",
            fix="Export the video without copy protection.",
        )


def _external(file: File) -> Iterable[Violation]:
    places = [place for track in used_tracks(file) for place in track.external]
    if places and container_fits(file):
        yield Violation(
            "The index refers to data outside of the file, which is not opened.",
            found=places[0],
            expected="all data in the file",
            fix=_ONE_FILE,
        )


def _disabled(file: File) -> Iterable[Violation]:
    off = [track.kind for track in used_tracks(file) if not track.enabled]
    if off and container_fits(file):
        yield Violation(
            "A scored track is disabled in the index.",
            found=f"the {' and the '.join(off)} track disabled",
            expected="enabled tracks",
            steps=("enable",),
        )


def _edit_list(file: File) -> Iterable[Violation]:
    for track in used_tracks(file):
        fault = unusual_edits(track)
        if fault is not None and container_fits(file):
            yield Violation(
                f"The edit list of the {track.kind} track is interpreted differently by programs.",
                found=fault,
                expected="no edit list, or one delay and one cut",
                steps=("video", "rate", "audio"),
            )
            return


def _hidden_frames(video: VideoFacts, track: TrackFacts, mp4: Mp4Facts, file: File) -> Iterable[Violation]:
    hidden = hidden_seconds(track, mp4)
    if hidden > HIDDEN_SECONDS and unusual_edits(track) is None:
        yield Violation(
            "The edit list hides some frames; programs that ignore it show and score them.",
            found=f"{hidden:.2f} s hidden",
            expected=f"at most {HIDDEN_SECONDS:g} s",
            steps=("video", "rate", "audio"),
        )


def _length(video: VideoFacts, track: TrackFacts, mp4: Mp4Facts, file: File) -> Iterable[Violation]:
    if is_damaged(video) or unusual_edits(track) is not None or not video.frames:
        return
    audio = file.facts.audio
    end = video.start_seconds + video.duration_seconds
    last = max(end, audio_end_seconds(audio)) if audio is not None else end
    stored = hidden_seconds(track, mp4) + video.duration_seconds
    for place, claimed, real in (
        ("movie header", mp4.claimed_seconds, last),
        ("track header", track.claimed_seconds, end),
        ("media header", track.media_seconds, stored),
        ("list of frames", track.sample_seconds, stored),
    ):
        slack = max(WRONG_LENGTH_SECONDS, WRONG_LENGTH_SHARE * real)
        short = claimed is not None and claimed < real - slack and not mp4.fragmented
        if claimed and (claimed > real + slack or short):
            yield Violation(
                "The file states a wrong length.",
                found=f"{claimed:.2f} s in its {place}",
                expected=f"{real:.2f} s, its actual length",
                steps=("video",),
            )
            return


def _crop(video: VideoFacts, track: TrackFacts, mp4: Mp4Facts, file: File) -> Iterable[Violation]:
    part = track.clean_aperture
    if part is not None and video.frames and (abs(part[0] - video.width) > 1 or abs(part[1] - video.height) > 1):
        yield Violation(
            "The container crops the frames; some programs show the full frames, which are scored.",
            found=f"{part[0]:g}x{part[1]:g} of {video.width}x{video.height} pixels",
            expected="the full frame",
            steps=("video",),
        )


def _display_size(video: VideoFacts, track: TrackFacts, mp4: Mp4Facts, file: File) -> Iterable[Violation]:
    (shown_width, shown_height), part = track.shown_size, track.clean_aperture
    across, _, down = video.sample_aspect_ratio.partition(":")
    square = float(across) / float(down) if float(across) and float(down) else 1.0
    if not (shown_width and shown_height and video.width and video.height) or part is not None:
        return
    if video.size_changes:
        return
    stretch = (shown_width / shown_height) / (video.width * square / video.height)
    if abs(stretch - 1) > STRETCH + 2 / min(video.width, video.height):  # sizes are whole numbers
        yield Violation(
            "The container stretches the frames; they are scored as they are stored.",
            found=f"shown at {shown_width:g}x{shown_height:g}",
            expected=f"the shape of {video.width}x{video.height} pixels",
            steps=("video",),
        )


STRUCTURE_RULES: tuple[Rule[File], ...] = (
    Rule("encoding.index", "file", "error", "index violates the standard", _index),
    Rule("encoding.complaints", "file", "warning", "FFmpeg reports errors", _decoder_errors),
    Rule("encoding.encrypted", "file", "error", "encrypted", _encrypted),
    Rule("encoding.external-data", "file", "error", "data in another file", _external),
    Rule("encoding.track-disabled", "file", "error", "track disabled", _disabled),
    Rule("encoding.edit-list", "file", "error", "edits that programs interpret differently", _edit_list),
    Rule("encoding.hidden-frames", "file", "warning", "frames hidden by the edit list", _of_index(_hidden_frames)),
    Rule("encoding.claimed-length", "file", "warning", "wrong length stated", _of_index(_length)),
    Rule("encoding.crop", "file", "error", "cropped by the container", _of_index(_crop)),
    Rule("encoding.display-size", "file", "warning", "stretched by the container", _of_index(_display_size)),
)
