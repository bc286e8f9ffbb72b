"""What the image for an organizer's own machine starts: score ``/in/submission.zip`` to ``/out``.

``python -m evalkit.hosting.container FOLDER SUBMISSION TESTSET OUT``. The results are those of
``evalkit score``, beside ``scores.json`` with the numbers of a leaderboard. Exit code 0, 1 when the submission is at
fault, 3 when something could not be scored, 4 when something else failed.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from evalkit.errors import StorageError
from evalkit.files import write_text
from evalkit.hosting.scoring import OK, folder_of_a_run, say, score_and_tell, tell_organizers
from evalkit.hosting.settings import load_program

USAGE, INCOMPLETE = 2, 3
RESULTS = ("per_video.parquet", "per_video.csv", "report.html", "log.jsonl", "scorecard.json")


def main(arguments: Sequence[str]) -> int:
    """Score the submission, write the results, return the exit code."""
    if len(arguments) != 4:
        say("error: The program needs its folder, the submission, the test set and the folder for the results.")
        return USAGE
    folder, submission, testset, out = map(Path, arguments)
    try:
        program = load_program(folder)
        with folder_of_a_run() as own:
            outcome = score_and_tell(program, submission, testset, own)
            if outcome.card is None:
                return outcome.code
            _copy(own / "run", out)
        if outcome.run is not None:
            write_text(out / "scores.json", json.dumps(dict(outcome.run.numbers), indent=1, allow_nan=False) + "\n")
    except Exception as error:  # noqa: BLE001 - what failed is not the submission
        return tell_organizers(error)
    return INCOMPLETE if outcome.code == OK and not outcome.card.complete else outcome.code


def _copy(results: Path, out: Path) -> None:
    """Copy what a run wrote; the scorecard last, since it says that the others are there."""
    try:
        for name in RESULTS:
            if (results / name).is_file():
                shutil.copyfile(results / name, out / name)
    except OSError as error:
        raise StorageError(f"The results can't be written to {out}.", found=str(error.strerror or error)) from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
