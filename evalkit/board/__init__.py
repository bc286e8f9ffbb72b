"""The database of a challenge: teams, runs, scorecards, ratings, decisions, and a log that only grows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evalkit.board.board import Board as Board
    from evalkit.board.imports import Imported as Imported

__all__ = ["Board", "Imported"]


def __getattr__(name: str) -> object:
    """Load the database only for those who open a board: rankings and pages need `evalkit.board.model` alone."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from evalkit.board.board import Board
    from evalkit.board.imports import Imported

    return {"Board": Board, "Imported": Imported}[name]
