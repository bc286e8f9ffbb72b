"""What a platform's pages say about a challenge, made from the challenge alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evalkit.challenges.model import Challenge
from evalkit.challenges.submission_rules import AudioRules, VideoRules
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
    how_many = f" There is one for each of the {count(expected, 'sample')} of the test set." if expected else ""
    return [
        heading("What to submit"),
        paragraphs(f"One ZIP with the videos, named {' or '.join(rules.layouts)}.{how_many}"),
        bullets(*_video(rules.video), *_audio(rules.audio), *_archive(challenge)),
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
            "Submitted videos are read by the scoring program and may be shown to the organizers and to raters.",
            "A video that is a copy of the reference, of an input or of another team's video may be excluded.",
        ),
    ]


def _compete(number: int) -> str:
    return "competes" if number == 1 else "compete"


def _side(column: HostColumn) -> str:
    return "higher" if column.higher_is_better else "lower"


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
