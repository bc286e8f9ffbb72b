"""What a platform says of the people afterwards, put beside their answers: who was refused or ran out of time.

The studio's answers are on the board already. Importing its export again with the platform's word in the column
``status`` changes nothing but that: answers of people whom the platform refused no longer count.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from pathlib import Path

from evalkit.errors import InputError
from evalkit.ratings.cell_reader import Context, normalised
from evalkit.ratings.formats.prolific import NOT_A_PARTICIPANT, read_participants
from evalkit.ratings.read_errors import Faults
from evalkit.ratings.table import read_table
from evalkit.studio.plan_model import VIDEO_SIDES, Plan
from evalkit.studio.platforms.address import completion_code
from evalkit.text import name_cell

WORKER = "platform_worker"  # column of the studio's export, where the plan keeps the ids
STATUS = "status"
WRONG_CODE = "wrong code"


def prolific_statuses(export: Path) -> Callable[[Mapping[str, str]], str]:
    """Return what gives a row of the studio's export Prolific's word; empty for who was accepted.

    Args:
        export: the submissions, as Prolific's website writes them.

    Raises:
        InputError: it is no such file, or has a fault.
    """
    faults = Faults(export.name)
    participants = read_participants(export, Context(export.name, faults=faults))
    if faults.count:
        raise faults.error()

    def status(row: Mapping[str, str]) -> str:
        worker = row.get(WORKER, "")
        if not worker:
            return ""  # nobody of the platform's: invited by hand
        found = participants.get(worker)
        return NOT_A_PARTICIPANT if found is None else found.status

    return status


def mturk_statuses(results: Path, plan: Plan) -> Callable[[Mapping[str, str]], str]:
    """Return the same of MTurk's batch results; whose code is not the plan's has not finished.

    Args:
        results: the batch results, as the requester's website writes them.
        plan: whose code it is.

    Raises:
        InputError: it is no such file, or has a fault.
    """
    faults = Faults(results.name)
    context = Context(results.name, faults=faults)
    (header,), rows = read_table(results, faults, what="The batch results")
    by_word = {normalised(name): name for name in header if name}
    wanted = {"input_rater": "Input.rater", "assignmentstatus": "AssignmentStatus", "answer_code": "Answer.code"}
    missing = [name for word, name in wanted.items() if word not in by_word]
    if missing:
        raise InputError(
            f"{results.name} does not hold the results of a batch that the plan was exported to.",
            found=f"no column {', '.join(missing)}",
            expected=", ".join(wanted.values()),
        )
    code = completion_code(plan)
    said: dict[str, str] = {}
    for row in rows:
        rater = context.name(row.number, "Input.rater", row.cells[by_word["input_rater"]], "rater")
        if rater is None:
            continue
        verdict = context.status(row.cells[by_word["assignmentstatus"]])
        right = row.cells[by_word["answer_code"]].strip().casefold() == code.casefold()
        found = verdict or ("" if right else WRONG_CODE)
        said[rater] = "" if said.get(rater) == "" else found  # of several assignments an accepted one goes first
    if faults.count:
        raise faults.error()
    return lambda row: said.get(row.get("rater", ""), "")


def with_statuses(answers: Path, status: Callable[[Mapping[str, str]], str], plan: Plan) -> tuple[str, dict[str, int]]:
    """Return the studio's export with the platform's word in a last column, and how many answers have which.

    Where it has ids of videos in place of the teams' names, the names are put in, which the import needs.

    Args:
        answers: the CSV that the organizer's page exports.
        status: of a row.
        plan: of the study.

    Raises:
        InputError: it is no such file, is of another plan, or has a fault.
    """
    faults = Faults(answers.name)
    (header,), rows = read_table(answers, faults, what="The studio's export")
    if "rater" not in header or not {"item", "sample"} & set(header):
        raise InputError(
            f"{answers.name} is not what a studio exports.",
            found=f"the columns {', '.join(name for name in header if name)}",
            fix="Take it from the organizer's page ('Export').",
        )
    names = [name for name in header if name != STATUS]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    named = dict(zip(VIDEO_SIDES, ("left", "right"), strict=True))
    table.writerow([*(named.get(name, name) for name in names), STATUS])
    counts: dict[str, int] = {}
    for row in rows:
        word = status(row.cells)
        counts[word] = counts.get(word, 0) + 1
        cells = dict(row.cells)
        for name in VIDEO_SIDES:
            if name in cells and (medium := plan.media.get(cells[name])) is not None:
                cells[name] = medium.side
            elif name in cells:
                faults.add(row.number, name, "the plan has no such video: it is another study's.")
        table.writerow([name_cell(cell) for cell in (*(cells[name] for name in names), word)])
    if faults.count:
        raise faults.error()
    return text.getvalue(), counts
