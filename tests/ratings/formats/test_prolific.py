"""Ratings joined with Prolific's export of the participants."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.rating_files import LONG, Write, table, utc

from evalkit.errors import InputError, UsageError
from evalkit.ratings import RatingMapping, read_ratings

EXPORT = table(
    ("Submission id", "Participant id", "Status", "Started at", "Completed at", "Time taken"),
    ("s1", "r01", "APPROVED", "2026-03-01T12:00:00Z", "2026-03-01T12:30:00Z", "1800"),
    ("s2", "r02", "RETURNED", "2026-03-01T12:00:00Z", "", ""),
    ("s3", "r03", "TIMED-OUT", "2026-03-01T12:00:00Z", "", ""),
    ("s4", "r03", "AWAITING REVIEW", "2026-03-02T12:00:00Z", "2026-03-02T12:30:00Z", "1800"),
    ("s5", "r03", "RETURNED", "2026-03-02T12:00:00Z", "", ""),
)


def test_prolific_joins_by_participant(write: Write, tmp_path: Path) -> None:
    export = tmp_path / "prolific.csv"
    export.write_text(EXPORT)
    text = table(
        ("PROLIFIC_PID", "item", "dimension", "value", "submitted_at"),
        ("r01", "item001", "lip_sync", "4", "2026-03-01T12:10:00Z"),
        ("r01", "item002", "lip_sync", "3", ""),
        ("r02", "item001", "lip_sync", "2", ""),
        ("r03", "item001", "lip_sync", "1", ""),
        ("test", "item001", "lip_sync", "5", ""),
    )
    for name in ("auto", "prolific"):
        file = read_ratings(write(text), name, participants=export)
        assert file.format == "prolific"
        assert [(rating.rater, rating.at, rating.seconds, rating.status) for rating in file] == [
            ("r01", utc(2026, 3, 1, 12, 10), None, ""),
            ("r01", utc(2026, 3, 1, 12, 30), None, ""),
            ("r02", None, None, "returned"),
            ("r03", utc(2026, 3, 2, 12, 30), None, ""),
            ("test", None, None, "no participant"),
        ]
        assert file.fault_count == 0


def test_prolific_with_a_wide_survey_and_faults_in_the_export(write: Write, tmp_path: Path) -> None:
    export = tmp_path / "prolific.csv"
    export.write_text(EXPORT.replace("2026-03-01T12:30:00Z", "2026-03-01 12:30:00"))
    text = table(("Participant ID", "item001 [lip_sync]"), ("r01", "4"))
    file = read_ratings(write(text), participants=export)
    assert [(rating.rater, rating.item, rating.at) for rating in file] == [("r01", "item001", None)]
    assert [(fault.file, fault.row, fault.column) for fault in file.faults] == [("prolific.csv", 2, "Completed at")]


def test_prolific_export_has_its_own_form(write: Write, tmp_path: Path) -> None:
    """What a mapping says of the survey's cells is not the export's; only the zone is."""
    export = tmp_path / "prolific.csv"
    export.write_text(EXPORT.replace("2026-03-01T12:30:00Z", "2026-03-01 12:30:00"))
    text = table(
        ("Participant ID", "item", "dimension", "value", "submitted_at"),
        ("r01", "item001", "lip_sync", "4", ""),
        ("r01", "item002", "lip_sync", "Gut", "3/1/2026 14:26:34"),
    )
    mapping = RatingMapping(zone="Europe/Berlin", time_format="%m/%d/%Y %H:%M:%S", values={"Gut": 5})
    file = read_ratings(write(text), participants=export, mapping=mapping)
    assert [(rating.value, rating.at) for rating in file] == [
        (4, utc(2026, 3, 1, 11, 30)),
        (5, utc(2026, 3, 1, 13, 26, 34)),
    ]
    assert file.fault_sentences == []
    export.write_text(EXPORT.replace("2026-03-01T12:30:00Z", "1/3/2026"))
    file = read_ratings(write(text), participants=export, mapping=mapping)
    (fault,) = file.faults
    assert (fault.file, fault.column) == ("prolific.csv", "Completed at")
    assert "time_format" not in fault.message


def test_prolific_needs_both_files_the_right_way_round(write: Write, tmp_path: Path) -> None:
    export = tmp_path / "prolific.csv"
    export.write_text(EXPORT)
    with pytest.raises(UsageError, match="joins two files"):
        read_ratings(write(LONG), "prolific")
    with pytest.raises(InputError, match="is Prolific's export and holds no ratings"):
        read_ratings(export)
    with pytest.raises(InputError, match="is not an export of participants"):
        read_ratings(write(LONG), participants=write(LONG))
