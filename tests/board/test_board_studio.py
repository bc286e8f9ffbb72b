"""A rating study whose board lies in PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.studies import build_study
from builders.studio_server import served


@pytest.mark.postgres
def test_a_board_in_postgres_gets_the_answers_too(tmp_path: Path, new_database: str) -> None:
    study = build_study(tmp_path, raters=1, board=new_database)
    with served(study, place=new_database) as studio:
        person = studio.person(1)
        person.agree()
        while person.state()["item"] is not None:
            person.next(2)
        held = studio.board.snapshot()
        assert [one.value for one in held.answers] == [2.0] * 12
        assert [one.new for one in held.imports] == [12]
        assert studio.board.verify() == []
