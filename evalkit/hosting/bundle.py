"""What all bundles have in common: the organizer's choices, the program's files, the folder that is written."""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from evalkit._version import __version__
from evalkit.challenges.model import Challenge, load_challenge, preset_ids, preset_text
from evalkit.errors import ChallengeError, InputError, UsageError
from evalkit.files import write_bytes
from evalkit.hosting.columns import measured_columns
from evalkit.hosting.settings import BACKBONES_FILE, CHALLENGE_FILE, SETTINGS_FILE, Settings
from evalkit.metrics.base import metric_registry
from evalkit.metrics.features.base import feature_registry
from evalkit.testsets.loading import load_testset
from evalkit.testsets.model import TestSet
from evalkit.weights.manifest import load_backbones
from evalkit.yamlio import is_there, read_text

MARK = ".evalkit-bundle"  # in every folder of a bundle: what may be written over
LONGEST_TERMS = 1 << 20


@dataclass(frozen=True)
class Choices:
    """What an organizer chose for a bundle.

    Args:
        challenge: the rules.
        text: of the challenge's file.
        backbones: a set's name, or the path of a file.
        testset: the test set; ``None`` leaves it out.
        pack: a reference pack that goes with it.
        seconds: for one submission; ``None`` for the platform's usual time.
        details: whether participants get a page with every video.
        only: ids of the phases in which teams hand in; all of the schedule when empty.
        opens, closes: of the only phase, where the challenge has no schedule.
        terms: the organizer's own terms, as text of Markdown or HTML; ``None`` for those of the challenge.
        logo: the organizer's own picture.
    """

    challenge: Challenge
    text: str
    backbones: str = "published"
    testset: TestSet | None = None
    pack: Path | None = None
    seconds: float | None = None
    details: bool = True
    only: Sequence[str] = ()
    opens: str | None = None
    closes: str | None = None
    terms: str | None = None
    logo: Path | None = None


def read_choices(
    challenge: str,
    backbones: str = "published",
    testset: Path | None = None,
    pack: Path | None = None,
    terms: Path | None = None,
    **others: Any,
) -> Choices:
    """Read the files that the options name.

    Args:
        challenge: a preset's id or the path of a YAML file.
        backbones: a set's name or the path of a file.
        testset, pack, terms: paths.
        others: the rest of `Choices` as it is.

    Raises:
        EvalkitError: when one of them can't be read.
    """
    rules = load_challenge(challenge)
    refuse_imported(rules)
    if challenge in preset_ids():
        text = preset_text(challenge)
    else:
        text = read_text(Path(challenge), kind=ChallengeError, what="The challenge file")
    load_backbones(backbones)
    samples = load_testset(testset) if testset is not None else None
    if pack is not None:
        if samples is None:
            raise UsageError("A reference pack belongs to a test set.", fix="Pass --testset too.")
        from evalkit.scoring.packs.reader import ReferencePack
        from evalkit.scoring.packs.use import fit_testset

        with ReferencePack(pack) as opened:
            fit_testset(opened, samples)
    own = (
        read_text(terms, kind=InputError, what="The file of terms", limit=LONGEST_TERMS) if terms is not None else None
    )
    if own is not None and not own.strip():
        raise InputError(f"The file of terms {terms} is empty, and platforms refuse empty pages.")
    return Choices(rules, text, backbones, samples, pack, terms=own, **others)


def refuse_imported(challenge: Challenge) -> None:
    """Make sure that the ranking needs no files that the organizers make of the submitted videos by hand.

    Raises:
        ChallengeError: naming the metrics that do.
    """
    records = {name: kind.record for name, kind in feature_registry().items()}
    found = {
        column.id: sorted(
            {
                one.source
                for name in metric_registry()[column.id].record.features
                if name in records
                for one in records[name].imports
            }
        )
        for column in measured_columns(challenge)
        if column.counts and column.id in metric_registry()
    }
    imported = [f"{name} (files of '{', '.join(sources)}')" for name, sources in found.items() if sources]
    if imported:
        raise ChallengeError(
            "A platform scores without the files that other programs made, and the challenge ranks by them.",
            found="; ".join(imported),
            fix="Write 'rank: false' beside these metrics, or score with 'evalkit score-all --features' and publish "
            "'evalkit leaderboard'.",
        )


def program_content(choices: Choices, seconds: float, split: str = "test") -> dict[str, bytes]:
    """Return name -> bytes of what lies beside every scoring program: settings, challenge, own backbones."""
    own = is_there(Path(choices.backbones)) and Path(choices.backbones).is_file()
    settings = Settings(
        schema=1,
        evalkit=__version__,
        backbones=BACKBONES_FILE if own else choices.backbones,
        seconds=seconds,
        details=choices.details,
        split=split,
    )
    content = {SETTINGS_FILE: settings.to_bytes(), CHALLENGE_FILE: choices.text.encode()}
    if own:
        manifest = read_text(Path(choices.backbones), kind=InputError, what="The manifest")
        content[BACKBONES_FILE] = manifest.encode()
    return content


def template(name: str) -> str:
    """Return a file of the package's templates."""
    file = importlib.resources.files("evalkit.hosting") / "templates" / name
    return file.read_text(encoding="utf-8").replace("\r\n", "\n")


def require_place(out: Path, *, force: bool) -> None:
    """Make sure that ``out`` may be written: it is new, empty, or, with ``force``, a bundle of before.

    Raises:
        UsageError: when it holds something else.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise UsageError(f"{out} is not a folder.", fix="Choose another place with -o.")
    if not any(out.iterdir()):
        return
    if not (out / MARK).is_file():
        raise UsageError(f"{out} holds files that are no bundle of evalkit.", fix="Choose a new folder with -o.")
    if not force:
        raise UsageError(f"{out} holds a bundle already.", fix="Choose another folder, or pass --force.")


def write_folder(out: Path, content: Mapping[str, bytes]) -> None:
    """Write small files under ``out``, each in one step, and the mark of a bundle."""
    for name, data in {**content, MARK: b"evalkit host\n"}.items():
        write_bytes(out / name, data)
        if name.endswith(".sh"):
            (out / name).chmod(0o755)


def yaml_text(document: dict[str, Any]) -> str:
    """Return the document as YAML, its keys in their order, every text that could be something else in quotes."""
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)
