"""How long reading one video may take, and all videos of a submission together: derived from the challenge's rules.

The numbers are for slow machines: what takes longer is no video that the rules ask for, or hangs. ``--timeout`` and
``--submission-timeout`` replace them. They say something of the machine, not of the file, so nothing of them is cached.
"""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.challenges.submission_rules import SubmissionRules
from evalkit.validators.file import ExpectedLength, is_error
from evalkit.validators.reading_limits import FRAMES_PER_SECOND, longest_seconds, read_limits
from evalkit.workers.sandbox import JOB_SECONDS

START_SECONDS = 60.0  # for each video, whatever it holds
BYTES_PER_SECOND = 5e6  # out of the archive
PIXELS_PER_SECOND = 2e6  # decoded and compared; an ordinary core does a hundred times as many
SOUND_PER_SECOND = 5.0  # seconds of decoded sound in a second
FEATURES_SECONDS_PER_FRAME = 10.0  # for all networks of a run together
SHARE = 0.25  # of the sum of its videos' limits, for a whole submission
_LONGEST_SIDE = 4096


def video_seconds(
    rules: SubmissionRules, expected: ExpectedLength | None, size_bytes: int, *, scored: bool = False
) -> float:
    """Return the time limit for one video in seconds, at most `JOB_SECONDS`.

    Args:
        rules: the challenge's; without a highest length, the limit is `JOB_SECONDS`.
        expected: length of the sample's speech or reference video, where there is one and a rule compares it.
        size_bytes: size of the file.
        scored: whether features are computed too.
    """
    longest = longest_seconds(rules, expected)
    if longest is None or not is_error(rules, "content.endless"):
        return JOB_SECONDS
    video = rules.video
    frames = 1 + longest * (video.max_fps or FRAMES_PER_SECOND)
    pixels = frames * (video.max_width or _LONGEST_SIDE) * (video.max_height or _LONGEST_SIDE)
    seconds = START_SECONDS + size_bytes / BYTES_PER_SECOND + pixels / PIXELS_PER_SECOND
    sound = read_limits(rules, expected).audio_seconds
    seconds += sound / SOUND_PER_SECOND + scored * frames * FEATURES_SECONDS_PER_FRAME
    return min(JOB_SECONDS, seconds)


def submission_seconds(videos: Sequence[float], workers: int) -> float:
    """Return the time limit for all videos of a submission in seconds: the run's, not the sum over its workers.

    Args:
        videos: the limit of each, at least one.
        workers: how many are read at once.
    """
    return max(2 * max(videos), SHARE * sum(videos) / min(workers, len(videos)))
