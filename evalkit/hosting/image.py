"""The image in which a bundle's program runs: evalkit, its packages and the weights at fixed versions, no network."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import metadata

from evalkit._version import __version__
from evalkit.hosting.bundle import Choices, program_content, template
from evalkit.hosting.settings import BACKBONES_FILE, CHALLENGE_FILE

PACKAGE = "evalkit-video"
DOCKERIGNORE = (
    b"# Nothing goes into the image but what the Dockerfile names.\n*\n!requirements.txt\n!program\n!wheels\n!weights\n"
)
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def image_content(choices: Choices, seconds: float, *, own_machine: bool) -> dict[str, bytes]:
    """Return name -> bytes of the folder that ``docker build`` gets.

    Args:
        choices: the challenge and its backbones.
        seconds: for one submission.
        own_machine: whether the image runs on an organizer's own machine, as an ordinary user and by itself; else it
            is the environment in which a platform starts a program as it likes.
    """
    program = program_content(choices, seconds)
    own = BACKBONES_FILE in program
    name = f"/opt/evalkit/program/{BACKBONES_FILE}" if own else choices.backbones
    text = template("dockerfile.txt").replace("@PYTHON@", f"{sys.version_info.major}.{sys.version_info.minor}")
    weights = template("dockerfile_weights.txt") if choices.backbones != "bundled" else ""
    ending = template("dockerfile_own_machine.txt") if own_machine else ""
    weights = weights.replace("@BACKBONES@", name).replace("@CHALLENGE@", f"/opt/evalkit/program/{CHALLENGE_FILE}")
    text = text.replace("@WEIGHTS@", weights).replace("@ENDING@", ending).replace("@VERSION@", __version__)
    return {
        "Dockerfile": text.encode(),
        ".dockerignore": DOCKERIGNORE,
        "requirements.txt": requirements_text().encode(),
        "wheels/README.txt": f"A wheel of {PACKAGE} {__version__} here is installed instead of the index's.\n".encode(),
        "weights/README.txt": b"Weights here are taken, by their digests, instead of fetching them.\n",
        **{f"program/{place}": data for place, data in program.items()},
    }


def requirements_text() -> str:
    """Return every package that evalkit needs, at the version that is installed here: numbers depend on them."""
    lines = [f"{name}=={version}" for name, version in sorted(_closure().items())]
    return "\n".join([f"# The packages of {PACKAGE} {__version__} where this bundle was made.", *lines]) + "\n"


def _closure() -> dict[str, str]:
    """Return name -> version of what evalkit needs, directly or not, without its extras."""
    found: dict[str, str] = {}
    waiting = [*_required(PACKAGE)]
    while waiting:
        name = waiting.pop()
        key = re.sub(r"[-_.]+", "-", name).lower()
        if key in found:
            continue
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:  # for another system or Python
            continue
        found[key] = version.partition("+")[0]  # "+cpu" is a build of torch that not every index has
        waiting += _required(name)
    return found


def _required(package: str) -> Iterator[str]:
    try:
        lines = metadata.requires(package) or []
    except metadata.PackageNotFoundError:  # an extra's, or for another system: it asks for nothing here
        return
    for line in lines:
        if "extra ==" not in line and (name := _NAME.match(line)) is not None:
            yield name[0]
            if "cryptography[ssh]" in line:
                yield "bcrypt"
