"""The scoring program of a Codabench bundle: ``score.py INPUT OUTPUT`` in the folders that the platform mounts.

The platform unpacks the test set to ``INPUT/ref`` and what the team sent to ``INPUT/res``, where it adds a file
``metadata``. It reads ``OUTPUT/scores.json`` and shows ``OUTPUT/detailed_results.html``. A code other than 0 marks the
submission as failed, which leaves it out of the leaderboard and out of the team's limit.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from evalkit.files import write_text
from evalkit.hosting.scoring import OK, Outcome, folder_of_a_run, say, score_and_tell, tell_organizers
from evalkit.hosting.settings import load_program

PLATFORM_FILES = frozenset({"metadata"})
USAGE = 2


def main(folder: Path, arguments: Sequence[str]) -> int:
    """Score the submission, write the results, return the exit code.

    Args:
        folder: of the program, with the settings and the challenge.
        arguments: the folders for input and output.
    """
    if len(arguments) != 2:
        say("error: The program needs the folders for input and output.")
        return USAGE
    given, out = Path(arguments[0]), Path(arguments[1])
    try:
        program = load_program(folder)
        with folder_of_a_run() as own:
            outcome = score_and_tell(
                program, given / "res", given / "ref", own, ignored=PLATFORM_FILES, name="Submission"
            )
            if outcome.card is not None:
                _hand_over(outcome, own / "run", out, details=program.settings.details)
    except Exception as error:  # noqa: BLE001 - participants are told that it is not theirs
        return tell_organizers(error)
    return outcome.code


def _hand_over(outcome: Outcome, results: Path, out: Path, *, details: bool) -> None:
    """Write what the platform and the organizers read; the numbers last, since they end the run."""
    out.mkdir(parents=True, exist_ok=True)
    names = {"scorecard.json": "scorecard.json"}
    if details:
        names |= {"report.html": "detailed_results.html", "per_video.csv": "per_video.csv"}
    for source, target in names.items():
        shutil.copyfile(results / source, out / target)
    if outcome.code == OK and outcome.run is not None:
        write_text(out / "scores.json", json.dumps(dict(outcome.run.numbers), indent=1, allow_nan=False) + "\n")
