"""The bundle of a competition for Codabench: ``competition.yaml`` of version 2, pages, program, test set, image.

Facts about the platform: https://github.com/codalab/codabench and https://docs.codabench.org (docs/hosting.md).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evalkit._version import __version__
from evalkit.challenges.model import Challenge
from evalkit.hosting.archive import write_zip
from evalkit.hosting.bundle import Choices, program_content, require_place, template, write_folder, yaml_text
from evalkit.hosting.columns import HostColumn, host_columns
from evalkit.hosting.image import image_content
from evalkit.hosting.logo import logo_of
from evalkit.hosting.markup import to_markdown
from evalkit.hosting.pages import data, evaluation, overview, terms
from evalkit.hosting.phases import HostPhase, host_phases, phase_facts, stamp
from evalkit.hosting.testset_files import testset_content
from evalkit.progress import Progress
from evalkit.text import escape_for_display

COMMAND = "python3 /app/program/score.py /app/input /app/output"
DEFAULT_QUEUE_SECONDS = 600  # what the platform's own workers give, whatever the bundle says
OWN_QUEUE_SECONDS = 21_600
PROGRAM, REFERENCE, BUNDLE = "scoring_program.zip", "reference_data.zip", "bundle.zip"
TITLE_LENGTH, PHASE_LENGTH, BOARD_LENGTH = 256, 256, 64
_MISSING = (
    "A run without all its values is shown with what it has, below every ranked one: 'Complete' comes first in the "
    "order and is 1 for ranked runs only. A run of which no video could be scored is marked as failed."
)


def write_codabench(
    choices: Choices,
    out: Path,
    *,
    image: str | None = None,
    queue: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write the bundle, what it is made of, and the folder of its image; return a summary.

    Args:
        choices: the challenge and the organizer's choices.
        out: folder of ``bundle.zip`` (to upload), ``competition/``, ``image/`` and ``README.md``.
        image: name of the image where the platform can pull it.
        queue: of the organizer's own workers, by its vhost.
        force: whether a bundle that is there is replaced.
        progress: is told how much of the test set is written.

    Raises:
        EvalkitError: when the challenge has no phases or metrics, something can't be read, or the folder can't be
            written.
    """
    require_place(out, force=force)
    challenge = choices.challenge
    seconds = choices.seconds or (OWN_QUEUE_SECONDS if queue else DEFAULT_QUEUE_SECONDS)
    phases = host_phases(challenge, choices.only, choices.opens, choices.closes)
    columns = host_columns(challenge)
    logo, picture = logo_of(challenge, choices.logo)
    name = image or f"localhost/evalkit-{challenge.id}:{__version__}"
    document = _competition(choices, phases, columns, seconds, logo, name, queue)
    samples = len(choices.testset) if choices.testset is not None else None
    small: dict[str, bytes] = {
        "competition.yaml": yaml_text(document).encode(),
        logo: picture,
        "pages/overview.md": to_markdown(overview(challenge, phases)).encode(),
        "pages/evaluation.md": to_markdown(evaluation(challenge, columns, _MISSING)).encode(),
        "pages/data.md": to_markdown(data(challenge, samples)).encode(),
        "pages/terms.md": (choices.terms or to_markdown(terms(challenge))).encode(),
    }
    program = {
        "metadata.yaml": yaml_text({"command": COMMAND}).encode(),
        "score.py": template("codabench_score.txt").encode(),
        **program_content(choices, seconds),
    }
    folder = out / "competition"
    write_folder(out, {f"competition/{place}": content for place, content in small.items()})
    write_zip(folder / PROGRAM, dict(program))
    whole: dict[str, bytes | Path] = {**small, PROGRAM: folder / PROGRAM}
    if choices.testset is not None:
        write_zip(folder / REFERENCE, testset_content(choices.testset, choices.pack), progress)
        whole[REFERENCE] = folder / REFERENCE
    write_zip(out / BUNDLE, whole, progress)
    write_folder(out, {f"image/{p}": c for p, c in image_content(choices, seconds, own_machine=False).items()})
    write_folder(out, {"README.md": _readme(choices, name, seconds, queue).encode()})
    return {
        "bundle": str(out / BUNDLE),
        "bytes": (out / BUNDLE).stat().st_size,
        "image": name,
        "seconds": seconds,
        "phases": [phase_facts(one) for one in phases],
        "columns": [one.key for one in columns],
        "testset": samples,
    }


def _competition(  # noqa: PLR0917
    choices: Choices,
    phases: tuple[HostPhase, ...],
    columns: tuple[HostColumn, ...],
    seconds: float,
    logo: str,
    image: str,
    queue: str | None,
) -> dict[str, Any]:
    challenge = choices.challenge
    title = escape_for_display(challenge.title, TITLE_LENGTH)
    task: dict[str, Any] = {
        "index": 0,
        "name": title,
        "description": f"Score with evalkit {__version__}",
        "scoring_program": PROGRAM,
    }
    if choices.testset is not None:
        task["reference_data"] = REFERENCE
    return {
        "version": 2,
        "title": title,
        "description": f"{title} ({challenge.id})",
        "image": logo,
        "terms": "pages/terms.md",
        "docker_image": image,
        **({"queue": queue} if queue else {}),
        "registration_auto_approve": False,
        "enable_detailed_results": choices.details,
        "show_detailed_results_in_submission_panel": choices.details,
        "show_detailed_results_in_leaderboard": False,
        "make_programs_available": False,
        "make_input_data_available": False,
        "can_participants_make_submissions_public": False,
        "pages": [
            {"title": "Overview", "file": "pages/overview.md"},
            {"title": "Evaluation", "file": "pages/evaluation.md"},
            {"title": "Data", "file": "pages/data.md"},
            {"title": "Terms", "file": "pages/terms.md"},
        ],
        "tasks": [task],
        "phases": [_phase(index, phase, challenge, seconds) for index, phase in enumerate(phases)],
        "leaderboards": [
            {
                "title": escape_for_display(f"Results of {challenge.id}", BOARD_LENGTH),
                "key": "main",
                "submission_rule": _submission_rule(challenge),
                "columns": [
                    {
                        "title": column.title,
                        "key": column.key,
                        "index": index,
                        "sorting": "desc" if column.higher_is_better else "asc",
                        "precision": column.precision,
                        "hidden": False,
                    }
                    for index, column in enumerate(columns)
                ],
            }
        ],
    }


def _phase(index: int, phase: HostPhase, challenge: Challenge, seconds: float) -> dict[str, Any]:
    runs = challenge.submission.runs.max
    return {
        "index": index,
        "name": escape_for_display(phase.name, PHASE_LENGTH),
        "description": f"Phase {phase.id} of {challenge.id}",
        # As text: the platform cuts the time off a YAML timestamp, and takes any zone for UTC.
        "start": stamp(phase.start),
        **({"end": stamp(phase.end)} if phase.end is not None else {}),
        "max_submissions": runs,
        "max_submissions_per_day": runs,
        "execution_time_limit": int(seconds),
        "hide_prediction_output": True,
        "tasks": [0],
    }


def _submission_rule(challenge: Challenge) -> str:
    """Return who chooses the run that competes: of several the team, of one nobody needs to."""
    runs = challenge.submission.runs
    if runs.max == 1:
        return "Force_Last"
    return "Add_And_Delete" if runs.primary == 1 else "Add_And_Delete_Multiple"


def _readme(choices: Choices, image: str, seconds: float, queue: str | None) -> str:
    licences = " --build-arg ACCEPT_LICENCES=yes" if choices.backbones != "bundled" else ""
    testset = (
        "The test set is in it; participants can't download it."
        if choices.testset is not None
        else "It has no test set: make it again with --testset, or upload `reference_data` for the task yourself."
    )
    limit = (
        f"a queue of your own ({queue})"
        if queue
        else f"the platform's own workers, which end a submission after {DEFAULT_QUEUE_SECONDS} s"
    )
    return f"""# Bundle for Codabench

Made by evalkit {__version__} from the challenge `{choices.challenge.id}`. Steps:

1. Build the image and push it to where the platform's workers can pull it, under the name in `competition.yaml`:

       docker build -t {image}{licences} image/
       docker push {image}

2. Upload `bundle.zip` on Codabench (Benchmarks > Management > Upload). {testset}
3. Send a submission of your own before you publish. It runs on {limit}; the program ends itself within {seconds:.0f} s.

`competition/` holds what is in `bundle.zip`. `evalkit host check bundle.zip` checks it after you edited it.
"""
