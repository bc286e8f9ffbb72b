"""What the evaluation script of EvalAI starts: score one submission, write the answer to a file.

``python -m evalkit.hosting.evalai.program FOLDER SUBMISSION TESTSET ANSWER``: the folder has the settings and the
challenge, the test set is a folder or the ZIP that was uploaded as the annotation file.
"""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from evalkit.errors import TestSetError
from evalkit.files import write_text
from evalkit.hosting.columns import COMPLETE, host_columns
from evalkit.hosting.runs import HostedRun
from evalkit.hosting.scoring import OK, folder_of_a_run, say, score_and_tell, tell_organizers
from evalkit.hosting.settings import Program, load_program

USAGE = 2


def main(arguments: Sequence[str]) -> int:
    """Score the submission, write the answer, return the exit code."""
    if len(arguments) != 4:
        say("error: The program needs its folder, the submission, the test set and the file for the answer.")
        return USAGE
    folder, submission, testset, answer = map(Path, arguments)
    try:
        program = load_program(folder)
        with folder_of_a_run() as own, unpacked_testset(testset, own / "testset") as samples:
            outcome = score_and_tell(program, submission, samples, own)
            if outcome.code == OK and outcome.run is not None:
                document = evalai_output(outcome.run, program)
                write_text(answer, json.dumps(document, indent=1, allow_nan=False) + "\n")
    except Exception as error:  # noqa: BLE001 - participants are told that it is not theirs
        return tell_organizers(error)
    return outcome.code


def evalai_output(run: HostedRun, program: Program) -> dict[str, Any]:
    """Return what ``evaluate`` returns.

    A run that is not ranked has no entry: the platform would sort a missing value as 0, which is the best of all where
    lower is better. Its numbers are in the submission's own result file.
    """
    columns = host_columns(program.challenge)
    numbers = {one.title: run.numbers[one.key] for one in columns if one.key in run.numbers and one.key != COMPLETE}
    missing = {one.title: run.missing[one.key] for one in columns if one.key in run.missing}
    return {
        "result": [{program.settings.split: numbers}] if run.ranked else [],
        "submission_result": {
            "ranked": run.ranked,
            "complete": run.numbers[COMPLETE],
            "values": numbers,
            "missing": missing,
            "not_ranked": list(run.not_ranked),
        },
    }


@contextmanager
def unpacked_testset(place: Path, into: Path) -> Iterator[Path]:
    """Yield the folder of the test set; a ZIP is unpacked, member by member and nowhere else."""
    if not zipfile.is_zipfile(place):
        yield place
        return
    try:
        with zipfile.ZipFile(place) as archive:
            for info in archive.infolist():
                name = PurePosixPath(info.filename)
                if info.is_dir():
                    continue
                if name.is_absolute() or ".." in name.parts:
                    raise TestSetError("The test set's ZIP has a member that leaves its folder.", found=info.filename)
                target = into / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(info) as source, target.open("xb") as out:
                    shutil.copyfileobj(source, out, 1 << 20)
    except (zipfile.BadZipFile, FileExistsError) as error:
        raise TestSetError("The test set's ZIP is damaged.", found=str(error)) from None
    yield into


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
