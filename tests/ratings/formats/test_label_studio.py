"""The JSON of Label Studio."""

from __future__ import annotations

import json
from typing import Any

from builders.rating_files import DIMENSIONS, Write, short, utc

from evalkit.ratings import RatingMapping, read_ratings


def task(item: str, *annotations: dict[str, Any]) -> dict[str, Any]:
    return {"id": 1, "data": {"item": item, "video": f"/data/{item}.mp4"}, "annotations": list(annotations)}


def annotation(rater: Any, *results: dict[str, Any], **more: Any) -> dict[str, Any]:
    times = {"created_at": "2026-03-01T12:00:00.123456Z", "updated_at": "2026-03-01T12:05:00Z", "lead_time": 12.25}
    return {"id": 7, "completed_by": rater, "result": list(results), "was_cancelled": False, **times, **more}


def answer(name: str, kind: str, value: Any) -> dict[str, Any]:
    return {"from_name": name, "to_name": "video", "type": kind, "value": {kind: value}}


def test_label_studio(write: Write) -> None:
    text = json.dumps(
        [
            task("item001", annotation(3, answer("lip_sync", "rating", 4), answer("remark", "textarea", ["ok"]))),
            task(
                "item002",
                annotation({"id": 4, "email": "x@y"}, answer("lip_sync", "choices", ["2"])),
                annotation(5, answer("lip_sync", "number", 1.5), was_cancelled=True),
            ),
            task("item003"),
        ],
        indent=1,
    )
    file = read_ratings(write(text), dimensions=DIMENSIONS)
    assert file.format == "label-studio"
    assert short(file) == [
        ("3", "item001", "lip_sync", 4),
        ("4", "item002", "lip_sync", 2),
        ("5", "item002", "lip_sync", 1.5),
    ]
    assert [(rating.row, rating.seconds, rating.status) for rating in file] == [
        (1, 12.25, ""),
        (2, 12.25, ""),
        (2, 12.25, "cancelled"),
    ]
    assert {rating.at for rating in file} == {utc(2026, 3, 1, 12, 5)}
    by_creation = read_ratings(write(text), mapping=RatingMapping(at="created_at", item="data.video"))
    assert {rating.at for rating in by_creation} == {utc(2026, 3, 1, 12, 0, 0, 123_456)}
    assert next(iter(by_creation)).item == "/data/item001.mp4"


def test_label_studio_counts_the_last_state_of_an_annotation(write: Write) -> None:
    def state(value: int, hour: int, **more: Any) -> dict[str, Any]:
        times = {"updated_at": f"2026-03-01T{hour:02d}:00:00Z"}
        return annotation(3, answer("lip_sync", "rating", value), **{**times, **more})

    tasks = [
        task("item001", state(4, 9), state(1, 12), state(5, 10)),
        task("item002", state(2, 9)),  # another task with the same numbers
        task("item001", state(3, 11), state(2, 8, id=8)),
        task("item003", state(2, 9, id=None), state(4, 10, id=None)),
    ]
    file = read_ratings(write(json.dumps(tasks)), dimensions=DIMENSIONS)
    assert [(rating.item, rating.value, rating.row) for rating in file] == [
        ("item001", 1, 1),
        ("item002", 2, 2),
        ("item001", 2, 3),
        ("item003", 2, 4),
        ("item003", 4, 4),
    ]
    assert file.fault_sentences == []
    # Without a time that can be read, the last one in the file.
    unknown = [task("item001", state(4, 9, updated_at=None), state(1, 9, updated_at=""))]
    assert [rating.value for rating in read_ratings(write(json.dumps(unknown)))] == [1]


def test_label_studio_goes_on_behind_a_bad_task(write: Write) -> None:
    tasks: list[Any] = [
        task("item001", annotation(3, answer("lip_sync", "rating", 4))),
        {"annotations": "none"},
        task("item002", annotation(3, answer("lip_sync", "choices", ["1", "2"]))),
        {"data": {"clip_no": 5}, "annotations": [annotation(3, answer("lip_sync", "rating", 4))]},
        task("item004", annotation(None, answer("lip_sync", "rating", 4))),
        task("item005", annotation(3, answer("lip_sync", "rating", 4), answer("lip_sync", "rating", 5))),
        17,
        {"data": {"item": "item006"}, "annotations": [5, {"result": None, "completed_by": 3}]},
        task("item007", annotation(3, answer("lip_sync", "rating", 4))),
    ]
    file = read_ratings(write(json.dumps(tasks)))
    assert [(rating.item, rating.value) for rating in file] == [("item001", 4), ("item007", 4)]
    assert [fault.row for fault in file.faults] == [2, 3, 4, 5, 6, 7, 8, 8]


def test_label_studio_takes_no_item_from_a_key_that_an_annotation_repeats(write: Write) -> None:
    good, bad = (answer("lip_sync", "rating", value) for value in (4, 5))
    text = json.dumps([task("item001", annotation(3, good), annotation(4, bad, **{"data.item": "item002"}))])
    file = read_ratings(write(text), dimensions=DIMENSIONS)
    assert [(rating.rater, rating.item, rating.value) for rating in file] == [("3", "item001", 4)]
    assert [fault.message for fault in file.faults] == ["the key 'data.item' is there twice."]
