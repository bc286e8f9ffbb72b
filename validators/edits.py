"""What an MP4's edit list does to a track: one delay and one cut, which every program supports, or more."""

from __future__ import annotations

from evalkit.media.facts import Edit, Mp4Facts, TrackFacts


def unusual_edits(track: TrackFacts) -> str | None:
    """Describe an edit list with more than one delay at the start and one cut; ``None`` for a simple one."""
    shown = [edit for edit in track.edits if edit.start_seconds is not None]
    if len(track.edits) > 2 or (len(track.edits) == 2 and track.edits[0].start_seconds is not None):
        return f"{len(track.edits)} edits: " + ", ".join(map(_words, track.edits[:4]))
    if not track.edits:
        return None
    return _odd_start(shown[0], track) if shown else "an edit list that presents nothing"


def _odd_start(edit: Edit, track: TrackFacts) -> str | None:
    start = edit.start_seconds or 0.0
    if edit.rate != 1:
        return f"played at {edit.rate:g} times the speed"
    if start < 0:
        return f"a start {-start:.2f} s before the first frame"
    if track.sample_seconds and start > (track.first_offset_seconds or 0.0) + track.sample_seconds:
        return f"a start at {start:.2f} s of {track.sample_seconds:.2f} s"
    return None


def _words(edit: Edit) -> str:
    if edit.start_seconds is None:
        return f"{edit.seconds:.2f} s of nothing"
    return f"{edit.seconds:.2f} s from {edit.start_seconds:.2f} s"


def hidden_seconds(track: TrackFacts, mp4: Mp4Facts) -> float:
    """Return how many seconds of a track the edit list leaves out, at the start and at the end."""
    shown = [edit for edit in track.edits if edit.start_seconds is not None]
    if not shown or mp4.fragmented or not track.sample_seconds:
        return 0.0
    offset = track.first_offset_seconds or 0.0
    start = max(0.0, (shown[0].start_seconds or 0.0) - offset)
    end = track.sample_seconds - start - shown[0].seconds if shown[0].seconds else 0.0
    return start + max(0.0, end)
