"""What a platform's pages say about a challenge, made from the challenge alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evalkit.challenges.detection_rules import DetectionRules
from evalkit.challenges.kinds import KINDS
from evalkit.challenges.model import Challenge
from evalkit.challenges.motion_rules import MotionRules
from evalkit.challenges.sound_rules import SoundRules
from evalkit.challenges.submission_rules import AudioRules, SubmissionRules, VideoRules
from evalkit.hosting.columns import SCORE, HostColumn
from evalkit.hosting.markup import Block, bullets, heading, paragraphs, table
from evalkit.hosting.phases import HostPhase, stamp
from evalkit.reports.leaderboard.rules import rules_in_words
from evalkit.text import count


def overview(challenge: Challenge, phases: Sequence[HostPhase]) -> list[Block]:
    """Return what the challenge is, and when teams hand in."""
    blocks = [heading(challenge.title)]
    if challenge.notes:
        blocks.append(paragraphs(*(text for text in challenge.notes.split("\n\n") if text.strip())))
    if challenge.url:
        blocks.append(paragraphs(f"Page of the challenge: {challenge.url}"))
    rows = [(one.name, stamp(one.start), stamp(one.end) if one.end else "open") for one in phases]
    blocks += [heading("Dates"), table(("Phase", "Starts (UTC)", "Ends (UTC)"), rows)]
    return blocks


def evaluation(challenge: Challenge, columns: Sequence[HostColumn], missing: str) -> list[Block]:
    """Return how submissions are scored and ordered.

    Args:
        challenge: the rules.
        columns: of the leaderboard.
        missing: what this platform shows of a run that has not all its values, in a sentence.
    """
    decides = "Score" if any(one.key == SCORE for one in columns) else None
    order = (
        f"Here runs are ordered by '{decides}'."
        if decides
        else "A platform scores one submission at a time, so it can't compare ranks: here runs are ordered by the "
        "first ranking column. The organizers' leaderboard, which ranks by the rule above, decides."
    )
    official = (
        "What people rate is not part of this order; the organizers' leaderboard has it."
        if challenge.ratings.method != "none"
        else None
    )
    return [
        heading("Evaluation"),
        paragraphs(
            "Submissions are scored by evalkit. Participants get the same numbers at home with 'evalkit score'; "
            "'evalkit validate' checks a ZIP before it is sent."
        ),
        table(("Column", "Better", "What it is"), [(one.title, _side(one), one.about) for one in columns]),
        heading("Ranking"),
        bullets(
            *(f"{one.name}: {one.words}" for one in rules_in_words(challenge) if not one.name.startswith("Phase "))
        ),
        paragraphs(*(text for text in (order, missing, official) if text)),
    ]


def data(challenge: Challenge, samples: int | None) -> list[Block]:
    """Return what a submission must look like."""
    expected = samples or challenge.testset.samples
    rules = challenge.submission
    one = "a row" if rules.kind == "scores" else "one"
    how_many = f" There is {one} for each of the {count(expected, 'sample')} of the test set." if expected else ""
    return [
        heading("What to submit"),
        paragraphs(f"{_what(rules)}{how_many}"),
        bullets(*_files(rules, challenge.detection), *_archive(challenge)),
        paragraphs("Check the ZIP before you send it: 'evalkit validate' names every fault and what to do about it."),
    ]


def terms(challenge: Challenge) -> list[Block]:
    """Return the terms that follow from the challenge's file."""
    runs = challenge.submission.runs
    return [
        heading("Terms"),
        paragraphs(f"By taking part in {challenge.title} a team agrees to its rules."),
        bullets(
            f"A team may submit {count(runs.max, 'run')}, of which {runs.primary} {_compete(runs.primary)}.",
            "Nobody is in two teams.",
            "Submitted files are read by the scoring program and may be shown to the organizers and to raters.",
            "A file that is a copy of the reference, of an input or of another team's file may be excluded.",
        ),
    ]


def _compete(number: int) -> str:
    return "competes" if number == 1 else "compete"


def _side(column: HostColumn) -> str:
    return "higher" if column.higher_is_better else "lower"


def _what(rules: SubmissionRules) -> str:
    if rules.kind == "scores":
        return "One ZIP with a table of scores, scores.csv."
    return f"One ZIP with the {KINDS[rules.kind].file}s, named {' or '.join(rules.layouts)}."


def _files(rules: SubmissionRules, detection: DetectionRules) -> Iterator[str]:
    if rules.kind == "scores":
        yield from _scores(detection)
    elif rules.kind == "audio":
        yield from _sound(rules.sound)
    elif rules.kind == "motion":
        yield from _motion(rules.motion)
    else:
        yield from _video(rules.video)
        yield from _audio(rules.audio)


def _scores(detection: DetectionRules) -> Iterator[str]:
    yield "Columns: video_id and score; also prob, the probability of being fake, and frame for a row per frame"
    yield "score: a number, higher for fake; empty where the detector failed"
    yield f"A table with a row per frame: the score of a video is the {detection.frames} of its frames'"
    if detection.frames_per_video is not None:
        yield f"Rows of each video in such a table: {detection.frames_per_video}"


def _sound(sound: SoundRules) -> Iterator[str]:
    yield f"Container: {', '.join(sound.containers)}; codec: {', '.join(sound.codecs)}"
    if sound.sample_rates:
        yield f"Sample rate: {' or '.join(f'{rate} Hz' for rate in sound.sample_rates)}"
    if sound.channels:
        yield f"Channels: {' or '.join(map(str, sound.channels))}"
    if (length := _between(sound.min_seconds, sound.max_seconds, "s")) is not None:
        yield f"Length: {length}"
    if sound.match_reference_seconds is not None:
        yield f"As long as the sample's speech or reference video, within {sound.match_reference_seconds:g} s"


def _motion(motion: MotionRules) -> Iterator[str]:
    for name, array in motion.arrays.items():
        shape = " x ".join("any" if one is None else str(one) for one in array.shape)
        yield f"Array '{name}': {shape}, {' or '.join(array.dtypes)}"
    yield f"Length: {motion.min_frames} to {motion.max_frames} frames at {motion.rate:g} frames/s"
    if motion.match_reference_frames is not None:
        yield f"As long as the sample's reference motion or speech, within {motion.match_reference_frames} frames"


def _video(video: VideoRules) -> Iterator[str]:
    yield f"Container: {', '.join(video.containers)}; codec: {', '.join(video.codecs)}"
    if (rate := _between(video.min_fps, video.max_fps, "frames/s")) is not None:
        yield f"Frame rate: {rate}{', constant' if video.constant_frame_rate else ''}"
    if (length := _between(video.min_seconds, video.max_seconds, "s")) is not None:
        yield f"Length: {length}"
    if video.match_reference_seconds is not None:
        yield f"As long as the sample's speech or reference video, within {video.match_reference_seconds:g} s"
    for name, low, high in (
        ("Width", video.min_width, video.max_width),
        ("Height", video.min_height, video.max_height),
    ):
        if (size := _between(low, high, "pixels")) is not None:
            yield f"{name}: {size}"


def _audio(audio: AudioRules) -> Iterator[str]:
    if not audio.required:
        yield "Sound: not required"
        return
    rate = f", at least {audio.min_sample_rate} Hz" if audio.min_sample_rate else ""
    yield f"Sound: {', '.join(audio.codecs)}{rate}"


def _archive(challenge: Challenge) -> Iterator[str]:
    limits = challenge.submission.archive
    each, all_of_them = _size(limits.max_file_bytes), _size(limits.max_total_bytes)
    yield f"At most {limits.max_files} files, {each} each, {all_of_them} in all"


def _between(low: float | None, high: float | None, unit: str) -> str | None:
    if low is not None and high is not None:
        return f"{low:g} {unit}" if low == high else f"{low:g} to {high:g} {unit}"
    if low is not None:
        return f"at least {low:g} {unit}"
    return f"at most {high:g} {unit}" if high is not None else None


def _size(size: int) -> str:
    return f"{size / 1024**3:.3g} GiB" if size >= 1024**3 else f"{size / 1024**2:.3g} MiB"
