"""The input of the rules for one file, and when a check is skipped because another rule reports the cause."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from typing import TypeVar

from evalkit.challenges.submission_rules import SubmissionRules
from evalkit.media.facts import AudioFacts, MediaFacts, TrackFacts, VideoFacts
from evalkit.validators.edits import unusual_edits
from evalkit.validators.findings import Violation

Part = TypeVar("Part", VideoFacts, AudioFacts)
# Primaries that programs treat as those of the screen; SD and HD differ invisibly on a face.
COMMON_PRIMARIES = {"bt709", "bt470bg", "smpte170m", "bt470m", "smpte240m"}


@dataclass(frozen=True)
class ExpectedLength:
    """How long a video should be, and what says so: ``speech`` or ``reference video``.

    Args:
        seconds, source: the length and what says so.
        size: width and height of the reference video's frames, where a rule compares them.
    """

    seconds: float
    source: str
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class File:
    """The input of the rules for one file.

    Args:
        facts: from reading the file.
        rules: the challenge's.
        expected: length of the sample's speech or reference video, and size of the latter, where rules compare them.
    """

    facts: MediaFacts
    rules: SubmissionRules
    expected: ExpectedLength | None = None


def is_error(rules: SubmissionRules, rule: str) -> bool:
    """Return whether the challenge leaves the rule, an error by itself, an error."""
    return rules.severities.get(rule, "error") == "error"


def of_video(check: Callable[[VideoFacts, File], Iterable[Violation]]) -> Callable[[File], Iterable[Violation]]:
    """Skip the check where no moving pictures can be read: another rule reports that."""
    return _of_part(check, lambda file: file.facts.video)


def of_decoded(check: Callable[[VideoFacts, File], Iterable[Violation]]) -> Callable[[File], Iterable[Violation]]:
    """Check what does not depend on codec and container, so that a reader learns of all faults at once.

    Skip the check where a codec that is not allowed gave no frames: that may be for want of a decoder.
    """

    def decoded(file: File) -> VideoFacts | None:
        video = file.facts.video
        return video if video is not None and (video.frames or video.codec in file.rules.video.codecs) else None

    return _of_part(check, decoded)


def of_audio(check: Callable[[AudioFacts, File], Iterable[Violation]]) -> Callable[[File], Iterable[Violation]]:
    """Skip the check where there is no audio stream that can be read."""
    return _of_part(check, lambda file: file.facts.audio)


def of_allowed_codec(
    check: Callable[[VideoFacts, File], Iterable[Violation]],
) -> Callable[[File], Iterable[Violation]]:
    """Skip the check where codec or container is not allowed or the video can't be read: another rule reports that."""

    def allowed(file: File) -> VideoFacts | None:
        video = file.facts.video
        usable = video is not None and video.codec in file.rules.video.codecs and container_fits(file)
        return video if usable else None

    return _of_part(check, allowed)


def _of_part(
    check: Callable[[Part, File], Iterable[Violation]], part: Callable[[File], Part | None]
) -> Callable[[File], Iterable[Violation]]:
    @wraps(check)  # docs/rules.md names the module of each check
    def checked(file: File) -> Iterable[Violation]:
        found = part(file)
        return check(found, file) if found is not None and is_readable(file) and not is_locked(file) else ()

    return checked


def container_fits(file: File) -> bool:
    """Return whether the container is an allowed one, whatever the file's name says."""
    names = (file.facts.container or "").split(",")
    allowed = set(file.rules.video.containers)
    if file.facts.brand is not None and file.facts.brand.strip() == "qt":
        return "mov" in allowed
    return bool(allowed.intersection(names))


def is_readable(file: File) -> bool:
    """Return whether the streams can be judged: moving pictures can, whatever the container."""
    video = file.facts.video
    return container_fits(file) or (video is not None and video.frames > 1)


def is_truncated(video: VideoFacts) -> bool:
    """Return whether packets are missing; one is tolerated, since the index may count an end marker."""
    return video.missing_packets > 1 and not video.stopped_early


def is_damaged(video: VideoFacts) -> bool:
    """Return whether a reported fault explains unusual times, lengths and sizes."""
    return bool(is_truncated(video) or video.decode_errors or video.corrupt_frames or video.stopped_early)


def video_track(file: File) -> TrackFacts | None:
    """Return the MP4's track of the scored video stream."""
    facts = file.facts
    return facts.mp4.track("video", facts.video.stream_id) if facts.mp4 is not None and facts.video else None


def audio_track(file: File) -> TrackFacts | None:
    """Return the MP4's track of the audio stream that is used."""
    facts = file.facts
    return facts.mp4.track("audio", facts.audio.stream_id) if facts.mp4 is not None and facts.audio else None


def used_tracks(file: File) -> list[TrackFacts]:
    """Return the tracks of an MP4 that are read, video first."""
    return [track for track in (video_track(file), audio_track(file)) if track is not None]


def is_locked(file: File) -> bool:
    """Return whether nothing can be checked: the data is encrypted, stored elsewhere or cut away by edits."""
    tracks = used_tracks(file)
    empty = file.facts.video is not None and not file.facts.video.frames
    return any(track.encrypted or track.external or (empty and unusual_edits(track) is not None) for track in tracks)


def audio_end_seconds(audio: AudioFacts) -> float:
    """Return when the audio ends in players, which follow the time stamps."""
    end = audio.start_seconds + audio.duration_seconds
    return end if audio.end_seconds is None else max(end, audio.end_seconds)
