"""`load_leaderboard`: the ranking of a board, as a value."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.api.arguments import check_types
from evalkit.errors import UsageError
from evalkit.statistics import BOOTSTRAP_DRAWS

if TYPE_CHECKING:
    from evalkit.leaderboard.model import Leaderboard
    from evalkit.reports.audience import Audience


def load_leaderboard(
    board: str | Path,
    *,
    audience: Audience = "public",
    as_of: datetime | int | None = None,
    draws: int = BOOTSTRAP_DRAWS,
    seed: int = 0,
) -> Leaderboard:
    """Rank the runs of a board; nothing is written.

    Args:
        board: an SQLite file, or the address of a PostgreSQL database.
        audience: ``public`` leaves out what only the organizers may see, as the published page does; ``organizers``
            for all of it. A notebook is often passed on.
        as_of: a moment with its time zone, or the number of a log entry; ``None`` for the board as it is.
        draws: bootstrap draws behind the rank intervals, at least 100.
        seed: of the resampling: the same board, draws and seed give the same leaderboard.

    Returns:
        The leaderboard. It shows itself in a notebook; ``to_pandas()`` is a table of it.

    Raises:
        EvalkitError: when the board can't be opened or read.
    """
    from evalkit.board import Board
    from evalkit.leaderboard.compute import compute_leaderboard
    from evalkit.reports.audience import leaderboard_for

    check_types(board=board)
    if audience not in ("public", "organizers"):
        raise UsageError("There is no such audience.", found=repr(audience), expected="public or organizers")
    if draws < 100:
        raise UsageError("A rank interval needs at least 100 draws.", found=str(draws))
    with Board.open(board) as opened:
        snapshot = opened.snapshot(as_of)
    return leaderboard_for(audience, snapshot, compute_leaderboard(snapshot, draws=draws, seed=seed))[1]
