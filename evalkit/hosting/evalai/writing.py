"""The configuration of a challenge for EvalAI: ``challenge_config.yaml``, pages, evaluation scripts, annotations.

Facts about the platform: https://github.com/Cloud-CV/EvalAI and https://github.com/Cloud-CV/EvalAI-Starters
(docs/hosting.md).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from evalkit._version import __version__
from evalkit.challenges.model import Challenge
from evalkit.hosting.archive import write_zip
from evalkit.hosting.bundle import Choices, program_content, require_place, template, write_folder, yaml_text
from evalkit.hosting.columns import COMPLETE, SCORE, HostColumn, host_columns
from evalkit.hosting.image import requirements_text
from evalkit.hosting.logo import logo_of
from evalkit.hosting.markup import Block, heading, paragraphs, to_html
from evalkit.hosting.pages import data, evaluation, overview, terms
from evalkit.hosting.phases import HostPhase, host_phases, phase_facts, refuse_endless, stamp
from evalkit.hosting.testset_files import testset_content
from evalkit.progress import Progress
from evalkit.text import escape_for_display

SECONDS = 86_400  # the platform's own limit for a submission
SPLIT = "test"
BUNDLE, SCRIPT, TESTSET, PLACEHOLDER = (
    "challenge_config.zip",
    "evaluation_script.zip",
    "annotations/testset.zip",
    "annotations/testset.json",
)
NAME_LENGTH, SHORT_LENGTH = 100, 400
_PUBLIC = 3
_MISSING = (
    "A run without a value in a ranking column, or with too few videos for it, is not on the leaderboard: its numbers "
    "are in the result file of the submission, with the reasons."
)


def write_evalai(
    choices: Choices, out: Path, *, hosted: bool = False, force: bool = False, progress: Progress | None = None
) -> dict[str, Any]:
    """Write the configuration, what it is made of, and the script of a remote worker; return a summary.

    Args:
        choices: the challenge and the organizer's choices.
        out: folder of ``challenge_config.zip``, ``challenge/``, ``remote_evaluation/`` and ``README.md``.
        hosted: whether EvalAI's workers score, with the test set as annotation file; else a worker of the organizers'
            does, and the test set stays there.
        force: whether a bundle that is there is replaced.
        progress: is told how much of the test set is written.

    Raises:
        EvalkitError: when the challenge has no phases with an end or no metrics, something can't be read, or the folder
            can't be written.
    """
    require_place(out, force=force)
    challenge = choices.challenge
    seconds = choices.seconds or SECONDS
    phases = host_phases(challenge, choices.only, choices.opens, choices.closes)
    refuse_endless(phases, "EvalAI")
    columns = leaderboard_columns(challenge)
    logo, picture = logo_of(challenge, choices.logo)
    with_testset = hosted and choices.testset is not None
    samples = len(choices.testset) if choices.testset is not None else None
    document = _configuration(choices, phases, columns, logo, hosted=hosted, annotations=_annotations(with_testset))
    content: dict[str, bytes] = {
        "challenge_config.yaml": yaml_text(document).encode(),
        logo: picture,
        "templates/description.html": to_html(overview(challenge, phases)).encode(),
        "templates/evaluation_details.html": to_html(evaluation(challenge, columns, _MISSING)).encode(),
        "templates/terms_and_conditions.html": (choices.terms or to_html(terms(challenge))).encode(),
        "templates/submission_guidelines.html": to_html(data(challenge, samples)).encode(),
        **{f"templates/phase_{phase.id}.html": to_html(_about_phase(phase)).encode() for phase in phases},
        **({} if with_testset else {PLACEHOLDER: _placeholder(choices)}),
    }
    shared = {"scoring.py": template("evalai_evaluate.txt").encode(), **program_content(choices, seconds, SPLIT)}
    script = {**shared, "__init__.py": template("evalai_hosted.txt").encode()}
    remote = {**shared, "evaluate.py": template("evalai_remote.txt").encode()}
    folder = out / "challenge"
    write_folder(out, {f"challenge/{name}": bytes_ for name, bytes_ in content.items()})
    write_folder(out, {f"challenge/evaluation_script/{name}": bytes_ for name, bytes_ in script.items()})
    write_zip(folder / SCRIPT, dict(script))
    whole: dict[str, bytes | Path] = {**content, SCRIPT: folder / SCRIPT}
    if with_testset and choices.testset is not None:
        write_zip(folder / TESTSET, testset_content(choices.testset, choices.pack), progress)
        whole[TESTSET] = folder / TESTSET
    write_zip(out / BUNDLE, whole, progress)
    write_folder(out, {f"remote_evaluation/{name}": bytes_ for name, bytes_ in remote.items()})
    write_folder(
        out,
        {
            "remote_evaluation/requirements.txt": f"{requirements_text()}evalkit-video=={__version__}\n".encode(),
            "README.md": _readme(choices, hosted=hosted).encode(),
        },
    )
    return {
        "bundle": str(out / BUNDLE),
        "bytes": (out / BUNDLE).stat().st_size,
        "remote_evaluation": not hosted,
        "seconds": seconds,
        "phases": [phase_facts(one) for one in phases],
        "columns": [one.title for one in columns],
        "testset": samples,
    }


def leaderboard_columns(challenge: Challenge) -> tuple[HostColumn, ...]:
    """Return the columns without 'Complete': a run that is not ranked is not on the board."""
    return tuple(column for column in host_columns(challenge) if column.key != COMPLETE)


def order_by(columns: tuple[HostColumn, ...]) -> HostColumn:
    """Return the column by which the platform orders: the score, else the first that ranks."""
    return next((one for one in columns if one.key == SCORE or one.counts), columns[0])


def _configuration(  # noqa: PLR0917
    choices: Choices,
    phases: tuple[HostPhase, ...],
    columns: tuple[HostColumn, ...],
    logo: str,
    hosted: bool,
    annotations: str,
) -> dict[str, Any]:
    challenge = choices.challenge
    runs = challenge.submission.runs.max
    first = order_by(columns)
    ends = [phase.end for phase in phases if phase.end is not None]
    return {
        "title": escape_for_display(challenge.title, NAME_LENGTH),
        "short_description": escape_for_display(f"{challenge.title} ({challenge.id})", SHORT_LENGTH),
        "description": "templates/description.html",
        "evaluation_details": "templates/evaluation_details.html",
        "terms_and_conditions": "templates/terms_and_conditions.html",
        "image": logo,
        "submission_guidelines": "templates/submission_guidelines.html",
        "leaderboard_description": f"Ordered by {first.title}. Runs that lack a ranking value are not shown.",
        "evaluation_script": SCRIPT,
        "remote_evaluation": not hosted,
        "is_docker_based": False,
        "start_date": stamp(phases[0].start),
        "end_date": stamp(max(ends)),
        "published": False,
        "tags": ["video generation", "evalkit"],
        "leaderboard": [
            {
                "id": 1,
                "schema": {
                    "labels": [column.title for column in columns],
                    "default_order_by": first.title,
                    "metadata": {
                        column.title: {"sort_ascending": not column.higher_is_better, "description": column.about}
                        for column in columns
                    },
                },
            }
        ],
        "challenge_phases": [
            {
                "id": number,
                "name": escape_for_display(phase.name, NAME_LENGTH),
                "description": f"templates/phase_{phase.id}.html",
                "leaderboard_public": True,
                "is_public": True,
                "is_submission_public": True,
                "start_date": stamp(phase.start),
                "end_date": stamp(phase.end) if phase.end is not None else None,
                "test_annotation_file": annotations,
                "codename": escape_for_display(phase.id, NAME_LENGTH),
                "max_submissions_per_day": runs,
                "max_submissions_per_month": runs,
                "max_submissions": runs,
                "max_concurrent_submissions_allowed": 1,
                "allowed_submission_file_types": ".zip",
                "is_restricted_to_select_one_submission": False,
                "is_partial_submission_evaluation_enabled": False,
            }
            for number, phase in enumerate(phases, start=1)
        ],
        "dataset_splits": [{"id": 1, "name": "Test", "codename": SPLIT}],
        "challenge_phase_splits": [
            {
                "challenge_phase_id": number,
                "leaderboard_id": 1,
                "dataset_split_id": 1,
                "visibility": _PUBLIC,
                "leaderboard_decimal_precision": max(column.precision for column in columns),
                "is_leaderboard_order_descending": first.higher_is_better,
                "show_leaderboard_by_latest_submission": False,
            }
            for number in range(1, len(phases) + 1)
        ],
    }


def _annotations(with_testset: bool) -> str:
    return TESTSET if with_testset else PLACEHOLDER


def _placeholder(choices: Choices) -> bytes:
    """Return what stands for the test set where it stays with the organizers: nothing of it but its digest."""
    known = choices.testset
    facts = None if known is None else {"testset": known.sha256, "samples": len(known)}
    return (json.dumps(facts, indent=1) + "\n").encode()


def _about_phase(phase: HostPhase) -> list[Block]:
    ends = f" until {stamp(phase.end)} UTC" if phase.end is not None else ""
    return [heading(phase.name), paragraphs(f"Submissions are taken from {stamp(phase.start)} UTC{ends}.")]


def _readme(choices: Choices, *, hosted: bool) -> str:
    licences = "" if choices.backbones == "bundled" else "\n       evalkit weights pull --challenge challenge.yaml"
    who = (
        "EvalAI's workers score. They run Python 3.7 to 3.9: agree on a worker image with the EvalAI team in which "
        f"evalkit {__version__} is installed under a newer Python in /opt/evalkit."
        if hosted
        else "A worker of yours scores; the test set stays on its machine."
    )
    return f"""# Configuration for EvalAI

Made by evalkit {__version__} from the challenge `{choices.challenge.id}`. {who} Steps:

1. Copy `challenge/` into a repository made from EvalAI-Starters (branch `challenge`), or upload `challenge_config.zip`.
   The platform shows the challenge once its team has approved it.
2. On the machine that scores, with Python 3.11 or newer:

       pip install -r remote_evaluation/requirements.txt{licences}

3. Remote worker: put the files of `remote_evaluation/` beside the starter's `main.py`, set `EVALKIT_TESTSET` to the
   folder of the test set, and let it call `evaluate(user_submission_file, phase_codename)`. What it reports as `result`
   is `for_api(output)`.

`evalkit host check challenge_config.zip` checks it after you edited it.
"""
