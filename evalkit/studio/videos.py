"""Which videos a study is about: those of the runs that compete, as their scorecards name the files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from evalkit.batch.entries import Entry, read_entries
from evalkit.board.model import Snapshot
from evalkit.board.names import folded
from evalkit.errors import InputError, did_you_mean
from evalkit.leaderboard.compute import rank_snapshot
from evalkit.leaderboard.runs import Entrant, read_runs
from evalkit.progress import Progress
from evalkit.studio.plan_model import Medium
from evalkit.submission.model import Submission
from evalkit.text import count, escape_for_display
from evalkit.yamlio import is_there

SHORTLIST_DRAWS = 100  # the order of the shortlist needs no intervals
_SHOWN = 6
_PLAYABLE = frozenset({"ok", "warning"})


@dataclass(frozen=True)
class RatedRun:
    """A run whose videos are rated.

    Args:
        team, run: whose.
        videos: sample -> its video.
    """

    team: str
    run: str
    videos: dict[str, Medium]


def competing_runs(snapshot: Snapshot, teams: Collection[str] = ()) -> list[Entrant]:
    """Return the runs that people rate: primary ones that no decision excludes; of two phases the finalists.

    Args:
        snapshot: the board.
        teams: only these; all by default.

    Raises:
        InputError: for a team that is not among them, or when fewer than two teams are left.
    """
    runs = list(read_runs(snapshot).competing)
    if snapshot.challenge.ranking == "two-phase" and not teams:
        rows = rank_snapshot(snapshot, draws=SHORTLIST_DRAWS).ranking.rows
        final = {(row.team, row.run) for row in rows if row.finalist}
        runs = [one for one in runs if one.key in final] or runs
    by_name = {folded(one.run.team): one.run.team for one in runs}
    for team in teams:
        if folded(team) not in by_name:
            raise InputError(
                f"There is no competing run of a team '{escape_for_display(team, limit=80)}'."
                f"{did_you_mean(team, by_name.values())}",
                expected=", ".join(sorted(by_name.values())[:_SHOWN]) or None,
            )
    if teams:
        wanted = {folded(team) for team in teams}
        runs = [one for one in runs if folded(one.run.team) in wanted]
    different = {one.run.team for one in runs}
    if len(different) < 2:
        raise InputError(
            "A rating study compares at least two teams.",
            found=count(len(different), "team") + " with a run that competes",
            fix="Add the runs of the others to the board first ('evalkit board add').",
        )
    return runs


def find_videos(
    runs: Sequence[Entrant], samples: Collection[str], submissions: Path, snapshot: Snapshot, progress: Progress
) -> list[RatedRun]:
    """Return the videos of ``runs``, each with the digest of its file; every file is read once.

    Args:
        runs: those that compete.
        samples: which count; a video that could not be scored is left out.
        submissions: the folder, or list, of 'evalkit score-all'.
        snapshot: the board.
        progress: told of each file.

    Raises:
        InputError: a submission is missing, or is not what was scored.
    """
    rules = snapshot.challenge.submission
    entries = {(folded(one.team), folded(one.run)): one for one in read_entries(submissions, rules.runs)}
    place = submissions if submissions.is_dir() else submissions.parent
    missing = [one for one in runs if _key(one) not in entries]
    if missing:
        names = ", ".join(f"{one.run.team}/{one.run.name}" for one in missing[:_SHOWN])
        raise InputError(
            f"{submissions} has no submission of {count(len(missing), 'run')} that people are to rate.",
            found=names,
            fix="Name each ZIP after its team, or give a list with team, run and path as for 'evalkit score-all'.",
        )
    with progress.stage("reading videos", sum(len(one.run.card.videos) for one in runs)):
        found = []
        for one in runs:
            entry = entries[_key(one)]
            opened = Submission.open(entry.path, rules.archive)
            found.append(_read_run(one, opened, _inside(entry, place), samples, progress))
    return found


def _read_run(one: Entrant, opened: Submission, where: str, samples: Collection[str], progress: Progress) -> RatedRun:
    videos = {}
    for video in one.run.card.videos:
        progress.advance()
        if video.sample not in samples or video.path is None or video.verdict not in _PLAYABLE:
            continue
        digest = opened.ref(video.path).sha256()
        known = video.fingerprint.sha256 if video.fingerprint is not None else ""
        if known and known.strip().casefold() != digest:
            raise InputError(
                f"'{video.path}' of {opened.path} is not the file that was scored.",
                found=f"SHA-256 {digest[:16]}...",
                expected=f"{known[:16]}..., as in the scorecard of {one.run.team}/{one.run.name}",
                fix="Give the submission that is on the board.",
            )
        videos[video.sample] = Medium(
            team=one.run.team,
            run=one.run.name,
            sample=video.sample,
            submission=where,
            file=video.path,
            sha256=digest,
        )
    return RatedRun(one.run.team, one.run.name, videos)


def common_samples(runs: Iterable[Entrant], there: Sequence[str], gone: Collection[str]) -> list[str]:
    """Return the samples, in the test set's order, that some run has a playable video of and no decision excludes."""
    named = {
        video.sample
        for one in runs
        for video in one.run.card.videos
        if video.path is not None and video.verdict in _PLAYABLE
    }
    return [sample for sample in there if sample in named and sample not in gone]


def own_video(root: Path, file: str, sample: str) -> Medium:
    """Return a video of the organizer's, which lies in the test set.

    Raises:
        InputError: it is not there.
    """
    path, inside = root / file, PurePosixPath(file)
    if inside.is_absolute() or ".." in inside.parts or not is_there(path) or not path.is_file():
        raise InputError(f"The test set has no file '{escape_for_display(file, limit=120)}'.", fix="Check the path.")
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Medium(team=None, run=None, sample=sample, submission=None, file=file, sha256=digest)


def _key(one: Entrant) -> tuple[str, str]:
    return folded(one.run.team), folded(one.run.name)


def _inside(entry: Entry, place: Path) -> str:
    relative = os.path.relpath(entry.path.resolve(), place.resolve())
    if relative.startswith("..") or relative == ".":
        raise InputError(
            f"The submission {entry.path} does not lie in {place}.",
            fix="Put all submissions into one folder, which the studio reads them from.",
        )
    return relative
