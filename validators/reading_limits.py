"""How far a file is read: decoding ends with the first frame that proves a rule broken.

A file of a few megabytes may hold hours of 4K frames that nobody asked for. What comes after the proof is counted and
timed by its packets, which costs next to nothing, so a participant still learns of wrong lengths and rates at once.
"""

from __future__ import annotations

from evalkit.challenges.submission_rules import SubmissionRules
from evalkit.media.limits import MAX_AUDIO_PACKETS, MAX_FRAMES, ReadLimits
from evalkit.validators.file import ExpectedLength, is_error

# More than twice as many frames as fit into a length at a rate can't have that median interval.
_TIMES_TOO_MANY = 2
ALWAYS_FRAMES = 250  # counted whatever the rules say
_ALWAYS_SECONDS = 60.0  # of sound
_ALWAYS_PACKETS = 6000  # of sound: a minute at the highest rate of AAC
_PACKETS_PER_SECOND = 400  # of Opus at its shortest packets
FRAMES_PER_SECOND = 240  # where the rules have no highest frame rate


def read_limits(rules: SubmissionRules, expected: ExpectedLength | None, *, always_decoded: int = 0) -> ReadLimits:
    """Return the limits for one file; rules that are not errors limit nothing.

    Args:
        rules: the challenge's.
        expected: length and size of the sample's speech or reference video, where there is one and a rule compares it.
        always_decoded: frames that are decoded whatever they prove.
    """
    if rules.kind != "video":
        return _sound_limits(rules) if rules.kind == "audio" else ReadLimits()
    if not is_error(rules, "content.endless"):
        return ReadLimits()
    video, seconds = rules.video, longest_seconds(rules, expected)
    frames = decoded = MAX_FRAMES
    packets, audio = MAX_AUDIO_PACKETS, float("inf")
    if seconds is not None:
        rate = video.max_fps if video.max_fps is not None and is_error(rules, "encoding.frame-rate") else None
        fitting = round(_TIMES_TOO_MANY * seconds * (rate or FRAMES_PER_SECOND))
        frames, decoded = min(frames, ALWAYS_FRAMES + fitting), min(decoded, 2 + fitting)
        if is_error(rules, "content.audio-endless"):
            audio = _ALWAYS_SECONDS + 2 * seconds
            packets = min(packets, _ALWAYS_PACKETS + round(seconds * _PACKETS_PER_SECOND))
    sized = is_error(rules, "encoding.resolution")
    return ReadLimits(
        frames=frames,
        decoded_frames=decoded,
        seconds=float("inf") if seconds is None else seconds,
        min_width=video.min_width if sized else None,
        max_width=video.max_width if sized else None,
        min_height=video.min_height if sized else None,
        max_height=video.max_height if sized else None,
        longest_side=_longest_side(rules, expected),
        always_decoded=always_decoded,
        audio_packets=packets,
        audio_seconds=audio,
    )


def _sound_limits(rules: SubmissionRules) -> ReadLimits:
    longest = rules.sound.max_seconds
    if longest is None or not is_error(rules, "sound.duration"):
        return ReadLimits()
    return ReadLimits(audio_seconds=_ALWAYS_SECONDS + 2 * longest)


def longest_seconds(rules: SubmissionRules, expected: ExpectedLength | None) -> float | None:
    """Return the length beyond which a video breaks a rule of severity error; ``None`` where no rule says."""
    video = rules.video
    longest = [video.max_seconds] if is_error(rules, "content.duration") else []
    if expected is not None and video.match_reference_seconds is not None and is_error(rules, "content.length"):
        longest.append(expected.seconds + video.match_reference_seconds)
    return min((length for length in longest if length is not None), default=None)


def _longest_side(rules: SubmissionRules, expected: ExpectedLength | None) -> float | None:
    """Return the longest side of frames that the reference's size allows, whichever way a display matrix turns them."""
    if expected is None or expected.size is None or not is_error(rules, "content.reference-size"):
        return None
    scale = 1.0 if rules.video.match_reference_size else rules.video.max_reference_scale
    return None if scale is None else max(expected.size) * scale + 1
