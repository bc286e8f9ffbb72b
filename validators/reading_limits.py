"""How far a file is read before it is certain that the challenge refuses it.

A file of a few megabytes may hold hours of 4K frames that nobody asked for. The limits leave room for every honest
mistake, so that a participant still sees all findings at once.
"""

from __future__ import annotations

from evalkit.challenges.submission_rules import SubmissionRules
from evalkit.media.limits import MAX_AUDIO_PACKETS, MAX_FRAMES, ReadLimits
from evalkit.validators.file import ExpectedLength

_TIMES_TOO_LONG = 2
_ALWAYS_FRAMES = 250  # ten seconds, decoded whatever the rules say
_ALWAYS_SECONDS = 60.0
_PACKETS_PER_SECOND = 400  # of Opus at its shortest packets
_FRAMES_PER_SECOND = 240  # where the rules have no highest frame rate


def read_limits(rules: SubmissionRules, expected: ExpectedLength | None) -> ReadLimits:
    """Return the limits for one file; rules that are not errors limit nothing.

    Args:
        rules: the challenge's.
        expected: length of the sample's speech or reference video, where there is one and a rule compares it.
    """
    if rules.severities.get("content.endless", "error") != "error":
        return ReadLimits()
    video = rules.video
    longest = [video.max_seconds] if _is_error(rules, "content.duration") else []
    if expected is not None and video.match_reference_seconds is not None and _is_error(rules, "content.length"):
        longest.append(expected.seconds + video.match_reference_seconds)
    seconds = min((length for length in longest if length is not None), default=None)
    frames, packets, audio = MAX_FRAMES, MAX_AUDIO_PACKETS, float("inf")
    if seconds is not None:
        rate = video.max_fps if video.max_fps is not None and _is_error(rules, "encoding.frame-rate") else None
        frames = min(frames, _ALWAYS_FRAMES + round(_TIMES_TOO_LONG * seconds * (rate or _FRAMES_PER_SECOND)))
        audio = _ALWAYS_SECONDS + _TIMES_TOO_LONG * seconds
        packets = min(packets, round(audio * _PACKETS_PER_SECOND))
    sized = _is_error(rules, "encoding.resolution")
    return ReadLimits(
        frames=frames,
        width=video.max_width if sized else None,
        height=video.max_height if sized else None,
        larger_frames=_ALWAYS_FRAMES,
        audio_packets=packets,
        audio_seconds=audio,
    )


def _is_error(rules: SubmissionRules, rule: str) -> bool:
    return rules.severities.get(rule, "error") == "error"
