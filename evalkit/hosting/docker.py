"""The folder of an image that scores submissions on an organizer's own machine, and the script that runs it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from evalkit._version import __version__
from evalkit.errors import UsageError
from evalkit.hosting.bundle import Choices, require_place, template, write_folder
from evalkit.hosting.columns import host_columns
from evalkit.hosting.image import image_content

SECONDS = 21_600
_IMAGE = re.compile(r"[a-z0-9][a-z0-9._/:-]{0,127}")


def write_docker(choices: Choices, out: Path, *, image: str | None = None, force: bool = False) -> dict[str, Any]:
    """Write the folder; return a summary.

    Args:
        choices: the challenge and its backbones; the test set is mounted when the image runs, so it is not in it.
        out: folder for ``Dockerfile``, ``run.sh`` and what the image is made of.
        image: its name.
        force: whether a folder that is there is replaced.

    Raises:
        UsageError: when the name can't be one of an image.
        EvalkitError: when something can't be read, or the folder can't be written.
    """
    require_place(out, force=force)
    name = image or f"localhost/evalkit-{choices.challenge.id}:{__version__}"
    if not _IMAGE.fullmatch(name):
        raise UsageError(
            "The name can't be one of an image.", found=name, expected="small letters, digits, and . _ / : -"
        )
    seconds = choices.seconds or SECONDS
    columns = host_columns(choices.challenge)
    content = {
        **image_content(choices, seconds, own_machine=True),
        "run.sh": template("run.txt").replace("@IMAGE@", name).encode(),
        "README.md": _readme(choices, name, seconds).encode(),
    }
    write_folder(out, content)
    return {"image": name, "seconds": seconds, "columns": [one.key for one in columns], "files": sorted(content)}


def _readme(choices: Choices, image: str, seconds: float) -> str:
    licences = " --build-arg ACCEPT_LICENCES=yes" if choices.backbones != "bundled" else ""
    return f"""# Scorer for {choices.challenge.id}

Made by evalkit {__version__}. Build the image once, with a network; scoring needs none:

    docker build -t {image}{licences} .
    ./run.sh team.zip testset/ results/team

`results/team` then has the files of `evalkit score`, and `scores.json`. A submission has {seconds:.0f} s. Exit code 0
when everything was scored, 3 when something could not be, 1 when the submission is at fault, 4 for anything else.
`./run.sh doctor` says which parts of the confinement of videos hold in the container.
"""
