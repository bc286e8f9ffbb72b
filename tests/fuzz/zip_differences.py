"""Hold what evalkit takes from a ZIP against what four other programs unpack from it.

A sample that evalkit takes must be the same file for everybody. It is not when a program writes other contents under
the sample's name, or leaves it out without a word. A program that leaves it out and complains (by its exit code) has
refused it, which misleads nobody; so has one that leaves half of it and says which file is damaged. A name beyond ASCII
may come out in another encoding, as not all programs read Unicode fields; then its contents must be there under some
other name.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from evalkit.challenges.model import load_challenge
from evalkit.errors import SubmissionError
from evalkit.scoring.intake import open_gate
from evalkit.submission.model import Submission
from evalkit.testsets.model import Sample, TestSet
from fuzz import zip_names
from fuzz.differences import Outcome
from fuzz.zip_tools import COMMANDS, Unpacked, unpack

CHALLENGE = load_challenge("talking-head")
SAMPLES = (*zip_names.SAMPLES, "s01", "s02")
TESTSET = TestSet(Path(), tuple(Sample(id=name) for name in SAMPLES))


@dataclass(frozen=True)
class Taken:
    """What evalkit takes: sample -> its path in the archive and its contents; and why it takes no more."""

    files: Mapping[str, tuple[str, bytes]]
    refusals: tuple[str, ...] = ()


def taken(archive: Path, folder: Path) -> Taken:
    """Return the samples that evalkit reads from ``archive``, as a run does, up to their decoding."""
    rules = CHALLENGE.submission.archive
    try:
        submission = Submission.open(archive, rules)
    except SubmissionError as error:
        return Taken({}, (str(error),))
    gate = open_gate(submission, CHALLENGE, TESTSET)
    refusals = [finding.rule for finding in gate.findings if finding.severity == "error"]
    files: dict[str, tuple[str, bytes]] = {}
    for number, (sample, path) in enumerate(gate.layout.files.items()):
        if path in gate.unreadable:
            refusals += [finding.rule for finding in gate.unreadable[path]]
            continue
        place = folder / f"taken{number}"
        try:
            submission.copy(path, place, rules.max_file_bytes)
        except SubmissionError as error:
            refusals.append(str(error))
            continue
        files[sample] = path, place.read_bytes()
        place.unlink()
    return Taken(files, tuple(refusals))


def differences(mine: Taken, others: Mapping[str, Unpacked]) -> list[str]:
    """Return in which of the samples that evalkit takes other programs differ from it."""
    found = []
    for path, content in mine.files.values():
        plain = "/".join(part for part in path.split("/") if part not in {"", "."})
        for tool, other in others.items():
            there = other.files.get(plain.encode())
            renamed = not plain.isascii() and content in other.files.values()
            if there is None and not other.complained and not renamed:
                found.append(f"{tool} leaves out {path!r} without a word")
            elif there is not None and there != content and not other.refuses(plain):
                found.append(f"{tool} gives other contents for {path!r}")
    return found


def disagreement(others: Mapping[str, Unpacked]) -> bool:
    """Return whether the programs differ from each other in a sample: other contents, or none without a complaint."""
    for sample in SAMPLES:
        name = f"{sample}.mp4"
        seen = {
            next((data for path, data in other.files.items() if _sample(path) == name), None)
            for other in others.values()
            if not other.complained
        }
        if len(seen) > 1:
            return True
    return False


def _sample(path: bytes) -> str:
    """Return the name in composed form, without the folder that may be around all."""
    return unicodedata.normalize("NFC", path.decode("utf-8", "replace").removeprefix("team/"))


@dataclass
class Compared:
    """One archive: what evalkit takes of it, and what other programs unpack."""

    mine: Taken
    others: Mapping[str, Unpacked] = field(default_factory=dict)

    @property
    def faults(self) -> list[str]:
        """Where evalkit takes a sample that is not the same for everybody."""
        return differences(self.mine, self.others)


def compare(archive: Path) -> Compared:
    """Unpack ``archive`` with every program, and return what each gives."""
    with TemporaryDirectory() as folder, ThreadPoolExecutor(len(COMMANDS)) as pool:
        running = {tool: pool.submit(unpack, tool, archive, Path(folder) / tool) for tool in COMMANDS}
        mine = taken(archive, Path(folder))
        return Compared(mine, {tool: unpacked.result() for tool, unpacked in running.items()})


def judge(archive: Path) -> Outcome:
    """Return what a campaign counts."""
    compared = compare(archive)
    return Outcome(bool(compared.mine.files), disagreement(compared.others), tuple(compared.faults))
