"""Videos that two teams of a board share, by the fingerprints in their scorecards; the videos are not needed.

Equal files are found under any sample, equal moving images among the videos of the same sample. Runs of one team are
never compared, nor are still videos: a frozen video is a finding of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

from evalkit.board.model import Run, Snapshot
from evalkit.leaderboard.model import DuplicateVideos
from evalkit.metrics.gaming import signature
from evalkit.validators.findings import run_rules
from evalkit.validators.gaming import RunPair
from evalkit.validators.gaming_case import VideoCopy
from evalkit.validators.registry import rules_for

Pair = tuple[int, int]


def duplicate_videos(snapshot: Snapshot) -> tuple[DuplicateVideos, ...]:
    """Return the pairs of runs that share videos, the most first.

    Fingerprints that can't be read, and scorecards without any, share nothing.
    """
    found: dict[Pair, dict[str, VideoCopy]] = {}
    for pair, sample, copy in (*_equal_files(snapshot.runs), *_equal_images(snapshot.runs)):
        found.setdefault(pair, {}).setdefault(sample, copy)
    shared = []
    for (first, second), copies in found.items():
        one, two = snapshot.runs[first], snapshot.runs[second]
        order = [(video.sample, copies[video.sample]) for video in one.card.videos if video.sample in copies]
        case = RunPair((one.team, two.team), (one.name, two.name), tuple(order))
        for finding in run_rules(rules_for("board"), case, snapshot.challenge.submission.severities):
            samples = tuple(sample for sample, _ in order)
            what = (finding.severity, finding.message, finding.found or "")
            shared.append(DuplicateVideos(case.teams, case.runs, *what, samples))
    return tuple(sorted(shared, key=lambda one: (-len(one.samples), one.teams, one.runs)))


def _equal_files(runs: tuple[Run, ...]) -> Iterable[tuple[Pair, str, VideoCopy]]:
    places: dict[str, dict[int, list[str]]] = {}
    for at, run in enumerate(runs):
        for video in run.card.videos:
            if video.fingerprint is not None:
                places.setdefault(video.fingerprint.sha256, {}).setdefault(at, []).append(video.sample)
    for equal in places.values():
        for one, two in combinations(equal, 2):
            if runs[one].team != runs[two].team:
                theirs = frozenset(equal[two])
                for sample in equal[one]:
                    yield (one, two), sample, VideoCopy(sample if sample in theirs else equal[two][0], None)


def _equal_images(runs: tuple[Run, ...]) -> Iterable[tuple[Pair, str, VideoCopy]]:
    answers: dict[str, list[tuple[int, signature.Bits]]] = {}
    for at, run in enumerate(runs):
        for video in run.card.videos:
            bits = _bits(video.fingerprint.bits) if video.fingerprint is not None else None
            if bits is not None and len(bits):
                answers.setdefault(video.sample, []).append((at, bits))
    for sample, given in answers.items():
        signatures = [bits for _, bits in given]
        for (i, j), match in signature.matches(signatures, signatures).items():
            one, two = given[i][0], given[j][0]
            if i < j and runs[one].team != runs[two].team:
                yield (one, two), sample, VideoCopy(sample, match)


def _bits(text: str) -> signature.Bits | None:
    try:
        return signature.from_hex(text)
    except ValueError:
        return None
