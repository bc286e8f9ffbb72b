"""Another process at work on a board, for tests: ``worker.py PLACE create|imports|stop|loop|grow ...``."""

from __future__ import annotations

import json
import resource
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from board_tools import Database, ratings, take_ratings

from evalkit.board import Board
from evalkit.board.filtering import summarise_parts
from evalkit.errors import InputError
from evalkit.ratings.model import Answer


def stopping(count: int, after: int) -> Iterator[Answer]:
    """Yield ratings; say "inside" after so many of them and wait for a line, or for the end."""
    for at, rating in enumerate(ratings(count)):
        if at == after:
            print("inside", flush=True)
            sys.stdin.readline()
        yield rating


def main(place: str, what: str, *words: str) -> None:
    numbers = [int(word) for word in words]
    if what == "create":
        try:
            Database("", place).make().close()
            print(json.dumps("made"))
        except InputError:
            print(json.dumps("refused"))
        return
    with Board.open(place) as board:
        if what == "imports":  # times, rows each, offset of the first: each import overlaps the one before by half
            times, rows, start = numbers
            print("ready", flush=True)
            sys.stdin.readline()
            done = [take_ratings(board, rows, start + at * rows // 2, by=f"writer{start}") for at in range(times)]
            print(json.dumps(done))
        elif what == "stop":  # rows, stop after
            given = stopping(*numbers)
            board.import_answers(given, source="big.csv", sha256="cd" * 32, form="long", by="killed")
            print(json.dumps("finished"))
        elif what == "loop":  # rows each: imports without end
            print("inside", flush=True)
            for at in range(10**6):
                take_ratings(board, numbers[0], at * numbers[0], by="killed")
        elif what == "grow":  # rows, rows: how much more memory the second import takes at its peak
            take_ratings(board, numbers[0])
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            take_ratings(board, numbers[1], numbers[0])
            after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            print(json.dumps((after - before) * (1 if sys.platform == "darwin" else 1024)))
        elif what == "sum":  # rows: how many count, and the most memory that counting them held
            tracemalloc.start()
            counted = summarise_parts(board.by_rater(), "rating").counted
            print(json.dumps([counted, tracemalloc.get_traced_memory()[1]]))


main(*sys.argv[1:])
