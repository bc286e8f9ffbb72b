"""What an MP4's index asks of a player: rules about what programs follow differently, can't follow, or must not."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from evalkit.media.facts import MediaFacts, Mp4Facts, TrackFacts, VideoFacts
from evalkit.validators.edits import hidden_seconds, odd_edits
from evalkit.validators.file import (
    File,
    container_fits,
    is_damaged,
    is_truncated,
    of_video,
    sound_end,
    transcode,
    used_tracks,
    video_track,
)
from evalkit.validators.findings import Rule, Violation

HIDDEN_SECONDS = 0.1
WRONG_LENGTH_SECONDS = 0.5
WRONG_LENGTH_SHARE = 0.1
STRETCH = 0.02
_ONE_FILE = "Save the video as one file that holds its own data."


def _of_index(
    check: Callable[[VideoFacts, TrackFacts, Mp4Facts, File], Iterable[Violation]],
) -> Callable[[File], Iterable[Violation]]:
    """Skip the check where the scored track's part of the index is not known or can't matter."""

    def checked(video: VideoFacts, file: File) -> Iterable[Violation]:
        track, mp4 = video_track(file), file.facts.mp4
        return check(video, track, mp4, file) if track is not None and mp4 is not None else ()

    return of_video(checked)


def _index(file: File) -> Iterable[Violation]:
    facts = file.facts
    if facts.open_error is not None or not container_fits(file) or "mp4" not in (facts.container or ""):
        return
    streams = (facts.video is not None) + (facts.audio is not None)
    if facts.video is not None and is_truncated(facts.video):
        return
    twice = dict.fromkeys(name for track in used_tracks(file) for name in track.repeated_boxes)
    odd = next((words for track in _listed(facts) if (words := _wrong_list(track, facts))), None)
    if len(used_tracks(file)) < streams:
        odd = "a track that is not where it must be"
    if facts.mp4 is not None and facts.mp4.misplaced:
        odd = ", ".join(facts.mp4.misplaced) + " inside the index"
    if facts.video is not None and "-" in facts.video.sample_aspect_ratio:
        odd = f"pixels of the shape {facts.video.sample_aspect_ratio}"
    if facts.mp4 is not None and facts.mp4.indexes > 1:
        odd = f"{facts.mp4.indexes} indexes (moov)"
    if twice:
        odd = "more than one " + ", ".join(twice)
    if odd is not None:
        yield Violation(
            "The index is not built as the standard asks; programs differ in what they read from it.",
            found=odd,
            expected="one sound description of every track",
            fix="ffmpeg -i {path} -map 0:V:0 -map '0:a:0?' -c copy fixed.mp4",
        )


def _listed(facts: MediaFacts) -> tuple[TrackFacts, ...]:
    return facts.mp4.tracks if facts.mp4 is not None else ()


def _wrong_list(track: TrackFacts, facts: MediaFacts) -> str | None:
    """Return what can't be true of a track's list of samples."""
    played = track.kind != "other"
    (width, height), sizes = track.shown_size, f"{track.samples} samples in the list of sizes"
    claims = (
        (not 0 < track.time_scale < 1 << 31, f"{track.time_scale} ticks per second"),
        (max(width, height) >= 1 << 15, f"pictures shown at {width:g}x{height:g}"),
        (
            track.largest_sample > facts.size_bytes,
            f"a sample of {track.largest_sample} bytes in a file of {facts.size_bytes}",
        ),
        (
            played and abs(track.samples - track.timed_samples) > 1,
            f"{sizes} and {track.timed_samples} in that of times",
        ),
        (played and track.samples != track.chunk_samples, f"{sizes} and {track.chunk_samples} in that of chunks"),
        (bool(track.truncated_tables), "lists that end early: " + ", ".join(track.truncated_tables)),
        (played and bool(track.missing_boxes), "a track without " + ", ".join(track.missing_boxes)),
    )
    return next((words for wrong, words in claims if wrong), None)


def _complaints(file: File) -> Iterable[Violation]:
    """Speak where nothing else does: the decoder hides damage, for instance with a copy of an earlier picture."""
    facts = file.facts
    told = facts.video is None or is_damaged(facts.video) or facts.video.codec not in file.rules.video.codecs
    told |= not container_fits(file) or bool(facts.audio and facts.audio.decode_errors) or any(_index(file))
    if facts.decoder_message_count and not told:
        more = facts.decoder_message_count - len(facts.decoder_messages)
        yield Violation(
            "FFmpeg complains about the file; what it can't read it replaces or leaves out.",
            found="; ".join(facts.decoder_messages) + (f"; and {more} more" if more > 0 else ""),
            expected="a file that is read without a word",
            fix="ffmpeg -i {path} -c:v libx264 -pix_fmt yuv420p -crf 18 -c:a aac fixed.mp4",
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
            "The index points to data outside of the file; nothing outside is opened.",
            found=places[0],
            expected="all data in the file",
            fix=_ONE_FILE,
        )


def _disabled(file: File) -> Iterable[Violation]:
    off = [track.kind for track in used_tracks(file) if not track.enabled]
    if off and container_fits(file):
        yield Violation(
            "A track that is scored is marked as not to be played.",
            found=f"the {' and the '.join(off)} track switched off",
            expected="tracks that are switched on",
            fix="ffmpeg -i {path} -map 0:V:0 -map '0:a:0?' -c copy -disposition:v:0 default"
            " -disposition:a:0 default fixed.mp4",
        )


def _edit_list(file: File) -> Iterable[Violation]:
    for track in used_tracks(file):
        odd = odd_edits(track)
        if odd is not None and container_fits(file):
            yield Violation(
                f"The edit list of the {track.kind} track asks for what programs do differently.",
                found=odd,
                expected="no edit list, or one that waits and cuts once",
                fix="ffmpeg -i {path} -fps_mode cfr -c:v libx264 -pix_fmt yuv420p -crf 18 -c:a aac fixed.mp4",
            )
            return


def _hidden(video: VideoFacts, track: TrackFacts, mp4: Mp4Facts, file: File) -> Iterable[Violation]:
    hidden = hidden_seconds(track, mp4)
    if hidden > HIDDEN_SECONDS and odd_edits(track) is None:
        yield Violation(
            "The edit list hides a part of the pictures; programs that ignore it show and score them.",
            found=f"{hidden:.2f} s hidden",
            expected=f"at most {HIDDEN_SECONDS:g} s",
            fix="ffmpeg -i {path} -fps_mode cfr -c:v libx264 -pix_fmt yuv420p -crf 18 -c:a aac fixed.mp4",
        )


def _length(video: VideoFacts, track: TrackFacts, mp4: Mp4Facts, file: File) -> Iterable[Violation]:
    if is_damaged(video) or odd_edits(track) is not None or not video.frames:
        return
    audio = file.facts.audio
    end = video.start_seconds + video.duration_seconds
    last = max(end, sound_end(audio)) if audio is not None else end
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
                "The file claims another length than it has.",
                found=f"{claimed:.2f} s by its {place}",
                expected=f"{real:.2f} s, as long as it is",
                fix="ffmpeg -i {path} -c:v libx264 -pix_fmt yuv420p -crf 18 -c:a copy fixed.mp4",
            )
            return


def _crop(video: VideoFacts, track: TrackFacts, mp4: Mp4Facts, file: File) -> Iterable[Violation]:
    part = track.clean_aperture
    if part is not None and video.frames and (abs(part[0] - video.width) > 1 or abs(part[1] - video.height) > 1):
        yield Violation(
            "The container crops the pictures; some programs show the whole, which is scored.",
            found=f"{part[0]:g}x{part[1]:g} of {video.width}x{video.height} pixels",
            expected="the whole picture",
            fix=transcode(video),
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
            "The container stretches the pictures; they are scored as they are stored.",
            found=f"shown at {shown_width:g}x{shown_height:g}",
            expected=f"the shape of {video.width}x{video.height} pixels",
            fix=transcode(video),
        )


STRUCTURE_RULES: tuple[Rule[File], ...] = (
    Rule("encoding.index", "file", "error", "index not as the standard asks", _index),
    Rule("encoding.complaints", "file", "warning", "FFmpeg complains", _complaints),
    Rule("encoding.encrypted", "file", "error", "encrypted", _encrypted),
    Rule("encoding.external-data", "file", "error", "data in another file", _external),
    Rule("encoding.track-disabled", "file", "error", "track switched off", _disabled),
    Rule("encoding.edit-list", "file", "error", "edits that programs do differently", _edit_list),
    Rule("encoding.hidden-frames", "file", "warning", "frames hidden by the edit list", _of_index(_hidden)),
    Rule("encoding.claimed-length", "file", "warning", "length claimed wrongly", _of_index(_length)),
    Rule("encoding.crop", "file", "error", "cropped by the container", _of_index(_crop)),
    Rule("encoding.display-size", "file", "warning", "stretched by the container", _of_index(_display_size)),
)
