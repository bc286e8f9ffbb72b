"""Put scorecards that were just computed on a board, as ``evalkit board add`` does, each once."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Self

from evalkit.batch.entries import Entry
from evalkit.board.names import folded
from evalkit.challenges.model import Challenge
from evalkit.errors import InputError
from evalkit.reports.filmstrips import chosen_samples
from evalkit.scoring.run import ScoreResult
from evalkit.scoring.scorecard import Scorecard

if TYPE_CHECKING:
    from evalkit.board import Board


class BoardWriter:
    """A board that scorecards are put on.

    Args:
        board: opened.
        challenge: by which submissions are scored; it must be one that the board has had.
        by: who does it, for the board's log.
        why: the reason, where a scorecard replaces another or shares its videos.
        allow_shared: whether two teams may have the same videos.

    Raises:
        InputError: when the board is of another challenge.
    """

    def __init__(
        self, board: Board, challenge: Challenge, *, by: str, why: str | None = None, allow_shared: bool = False
    ) -> None:
        held = board.challenge()
        if (held.id, held.scoring_sha256) != (challenge.id, challenge.scoring_sha256):
            raise InputError(
                "The board is of another challenge, or of another version of its rules.",
                found=f"{held.id} {held.scoring_sha256[:12]}",
                expected=f"{challenge.id} {challenge.scoring_sha256[:12]}",
                fix="Score by the board's rules, or put the new ones there first: 'evalkit board rules'.",
            )
        self._board, self._by, self._why, self._allow_shared = board, by, why, allow_shared
        runs = board.snapshot().runs
        self._runs = {(folded(run.team), folded(run.name)): (run.card_sha256, run.origin) for run in runs}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._board.close()

    def has(self, entry: Entry, card: Scorecard) -> bool:
        """Return whether the board has this very scorecard as one that was scored here.

        One that lies in a folder may have been written by anybody; only what a run has just computed is put on the
        board as scored here.
        """
        return self._runs.get(_key(entry)) == (_digest(card), "scored-here")

    def add(self, entry: Entry, result: ScoreResult) -> str:
        """Put a scorecard on the board; return what that did: ``added``, ``updated`` or ``unchanged``.

        Which runs compete is decided for new ones only: what was chosen on the board since stays.

        Raises:
            InputError: when the board refuses it.
            StorageError: when it can't be written.
        """
        card = result.scorecard
        chosen = chosen_samples(video.sample for video in card.videos)
        strips = {sample: strip for sample in chosen if (strip := result.filmstrip(sample))}
        return self._board.add_run(
            entry.team,
            entry.run,
            card,
            by=self._by,
            primary=None if _key(entry) in self._runs else entry.primary,
            strips=strips,
            why=self._why,
            allow_shared=self._allow_shared,
            scored_here=True,
            new_team=True,
        )


def _key(entry: Entry) -> tuple[str, str]:
    return folded(entry.team), folded(entry.run)


def _digest(card: Scorecard) -> str:
    return hashlib.sha256(card.to_json().encode()).hexdigest()
