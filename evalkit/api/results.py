"""Score what was opened, and write the files of its results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.challenges.model import Challenge
from evalkit.errors import EvalkitError, SubmissionError, TestSetError, UsageError
from evalkit.progress import Progress
from evalkit.scoring.intake import Gate, ValidationReport, open_gate
from evalkit.scoring.journal import Journal
from evalkit.scoring.plan import RunPlan, require_references
from evalkit.scoring.run import RunOptions, ScoreResult, intake_report, score_run
from evalkit.scoring.scorecard import Scorecard
from evalkit.submission.model import Submission
from evalkit.testsets.model import TestSet
from evalkit.text import escape_for_display

if TYPE_CHECKING:
    pass


def run_score(
    submission: Submission,
    challenge: Challenge,
    testset: TestSet,
    plan: RunPlan,
    *,
    out: Path | None,
    options: RunOptions,
    replace: bool = False,
) -> ScoreResult:
    """Score what was already opened, and write the results to ``out``.

    Raises:
        UsageError: when ``out`` holds the results of another submission and ``replace`` is not set, or another run is
            writing there.
        SubmissionError: when the archive is refused or no file has an expected name.
        TestSetError: when the test set is empty or lacks a file that a metric needs.
    """
    if not testset.samples:
        raise TestSetError("The test set is empty.", expected="at least one sample")
    pack = options.references
    require_references(testset, plan if pack is None else pack.rest(plan), videos=pack is None)
    if out is not None:
        if not replace:
            _keep_other_results(out, submission)
        options.journal = Journal(out / "log.jsonl")
        _load_writers()
    try:
        if challenge.submission.kind != "scores":  # said before references are read
            gate = open_gate(submission, challenge, testset)
            require_scorable(intake_report(submission, challenge, gate, {}, testset))
        result = score_run(submission, challenge, testset, plan, options)
        require_scorable(result.intake)
        if out is not None:
            write_results(result, out, options.progress)
    finally:
        options.journal.close()
    return result


def scorable_gate(submission: Submission, challenge: Challenge, testset: TestSet, plan: RunPlan) -> Gate:
    """Return what is known before a file is opened, of a submission and a test set with which a run makes sense."""
    if not testset.samples:
        raise TestSetError("The test set is empty.", expected="at least one sample")
    require_references(testset, plan)
    gate = open_gate(submission, challenge, testset)
    require_scorable(intake_report(submission, challenge, gate, {}, testset))
    return gate


def _keep_other_results(out: Path, submission: Submission) -> None:
    """Refuse to write over the scorecard of a submission of another name."""
    try:
        name = Scorecard.load(out).submission.name
    except EvalkitError:  # there is none, or one that nobody can read
        return
    if name != submission.name:
        raise UsageError(
            f"{out} holds the results of another submission.",
            found=f"the scorecard of '{name}'",
            expected=f"a new folder, or the results of '{submission.name}'",
            fix="Choose another folder with -o, or pass --force to replace them.",
        )


def require_scorable(intake: ValidationReport) -> None:
    """Raise when nothing could even be tried.

    Raises:
        SubmissionError: naming the first fault of the archive.
    """
    if not intake.refused and intake.layout is not None:
        return
    errors = [finding for finding in intake.findings if finding.severity == "error"]
    first = errors[0]
    more = f" ({len(errors)} faults in all; 'evalkit validate' lists them)" if len(errors) > 1 else ""
    place = f" at '{escape_for_display(first.path)}'" if first.path else ""
    raise SubmissionError(
        f"The submission can't be scored: {first.rule}{place}: {first.message}{more}",
        found=first.found,
        expected=first.expected,
        fix=first.fix,
    )


def _load_writers() -> None:
    """Load what `write_results` needs, before a video is read: see `evalkit.scoring.preload`."""
    from evalkit import signing  # noqa: F401
    from evalkit.reports import scorecard_page, tables  # noqa: F401
    from evalkit.reports.page import preload_templates

    preload_templates()


def write_results(result: ScoreResult, out: Path, progress: Progress | None = None) -> None:
    """Write the files of a run (docs/architecture.md#files); each appears whole or not at all.

    Raises:
        StorageError: when the folder can't be written.
    """
    from evalkit.files import write_text
    from evalkit.reports.page import write_page
    from evalkit.reports.scorecard_page import render_scorecard
    from evalkit.reports.tables import write_per_video
    from evalkit.signing import SUFFIX

    with (progress or Progress()).stage("writing results", 3) as stage:
        write_per_video(result.scorecard, out)
        stage.advance()
        write_page(render_scorecard(result.scorecard, result.filmstrip), out / "report.html")
        stage.advance()
        (out / f"scorecard.json{SUFFIX}").unlink(missing_ok=True)  # it is of the bytes that go now
        write_text(out / "scorecard.json", result.scorecard.to_json())
        stage.advance()
