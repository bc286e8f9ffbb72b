"""The page about the YAML files: every key is on it, and its examples load."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from evalkit.challenges.model import parse_challenge
from evalkit.model_faults import field_names
from evalkit.testsets.model import Sample
from evalkit.yamlio import parse_yaml, validate_model

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "yaml-files.md").read_text(encoding="utf-8")


def script() -> Any:
    """Return the module that makes the page."""
    sys.path.insert(0, str(ROOT / "scripts"))  # where its own imports are, too
    try:
        return importlib.import_module("yaml_reference")
    finally:
        sys.path.pop(0)


REFERENCE = script()
KEYS = [
    pytest.param(file, path, key, id=f"{file.title}:{path}.{key.name}")
    for file in REFERENCE.FILES
    for path, model in REFERENCE.groups(file.model)
    for key in REFERENCE.keys(model)
]
# What a group needs besides the key itself.
NEEDED: dict[str, dict[str, Any]] = {
    "GroupRules": {"rule": "worst-group", "attribute": "ethnicity"},
    "Challenge": {
        "id": "a",
        "title": "A",
        "metrics": [{"id": "psnr.rgb"}],
        "ratings": {"method": "mos", "dimensions": [{"id": "lip_sync", "title": "L"}]},
    },
    "RankingRules": {},
    "RatingRules": {"dimensions": [{"id": "lip_sync", "title": "L"}]},
    "MetricEntry": {"id": "a.b"},
    "Dimension": {"id": "a", "title": "A"},
    "Phase": {"id": "a"},
    "Sample": {"id": "a"},
    "Truth": {"label": "fake"},
    "TimelineEvent": {"start": 0, "end": 9, "description": "x"},
    "Backbones": {"name": "a", "title": "A", "roles": {"face": {"file": "a.onnx", "licence": "MIT"}}},
    "ArchiveEntry": {"sha256": "0" * 64, "bytes": 1},
    "TableSpec": {"columns": [{"metric": "fvd"}], "rows": [{"name": "A"}]},
    "ColumnSpec": {"metric": "fvd"},
    "RowSpec": {"name": "A", "source": "a paper"},
    "ValueSpec": {"metric": "fvd", "value": 1.5},
    "WeightEntry": {"file": "a.onnx", "licence": "MIT"},
    "Speaker": {"name": "ada", "audio": "ada.wav", "box": [0.1, 0.2, 0.5, 0.9]},
    "PublishedFigures": {"sums": [{"title": "x", "parts": ["1"], "total": "1"}]},
    "PublishedTable": {"name": "T", "columns": [{"name": "FVD"}], "rows": [{"name": "a", "values": ["1"]}]},
    "PublishedColumn": {"name": "FVD"},
    "PublishedRow": {"name": "a", "values": ["1"]},
    "SumRule": {"title": "x", "parts": ["1"], "total": "1"},
    "SameClaim": {"table": "T", "row": "a", "other": "b"},
    "BestClaim": {"table": "T", "row": "a"},
    "BetterClaim": {"table": "T", "row": "a", "than": "b"},
    "AlikeClaim": {"table": "T", "columns": ["A", "B"], "at_least": 0.5},
    "TotalRule": {"table": "T", "column": "A", "formula": "theval"},
}


def test_the_page_is_the_one_that_the_models_make() -> None:
    assert REFERENCE.page() == PAGE, "run 'make docs'"


def test_the_page_has_every_key_of_every_group() -> None:
    for file in REFERENCE.FILES:
        section = PAGE.split(f"## {file.title}\n")[1].split("\n## ")[0]
        for path, model in REFERENCE.groups(file.model):
            part = section.split(f"### `{path}`\n")[1] if path else section
            rows = part.split("|---|---|---|---|---|\n")[1].split("\n\n")[0].splitlines()
            assert [row.split("`")[1] for row in rows] == field_names(model, [])


@pytest.mark.parametrize("file", REFERENCE.FILES, ids=lambda file: str(file.title))
def test_the_whole_examples_load(file: Any) -> None:
    if file.language == "json":
        Sample.model_validate(json.loads(file.sample))
    else:
        validate_model(file.model, parse_yaml(file.sample, file.title))


@pytest.mark.parametrize(("file", "path", "key"), KEYS)
def test_every_key_has_a_type_a_meaning_and_an_example_that_loads(file: Any, path: str, key: Any) -> None:
    assert key.kind
    assert len(key.about) > 5
    value = parse_yaml(f"{key.name}: {key.example}", "example").data[key.name]
    if file.language == "json":
        assert json.loads(key.example) == value
    owner: type[BaseModel] = key.owner
    data = {**NEEDED.get(owner.__name__, {}), key.name: value}
    if (owner.__name__, key.name) in {("SubmissionRules", "sound"), ("SubmissionRules", "motion")}:
        data = {**data, "kind": {"sound": "audio"}.get(key.name, key.name)}  # rules of another kind are refused
    if (owner.__name__, key.name) == ("Challenge", "detection"):
        data = {**data, "submission": {"kind": "scores"}}
    if (owner.__name__, key.name) == ("DetectionRules", "base"):
        data = {**data, "within": ["quality"]}
    if owner.__name__ == "Sample" and key.name in {"item", "setup"}:  # they belong together
        data = {"item": "01", "setup": "own", **data}
    if (owner.__name__, key.name) == ("WeightEntry", "archive"):  # it names another part of the file
        data = {**data, "sha256": "0" * 64}
    if (owner.__name__, key.name, value) == ("WeightEntry", "digest", "computed"):
        data = {**data, "sha256": "0" * 64}
    if (owner.__name__, key.name) == ("PublishedTable", "file"):  # in place of columns and rows
        data = {"name": "T", "file": value}
    loaded = owner.model_validate(data)
    assert key.default != "required" or loaded.model_fields_set


def test_the_tie_break_of_the_example_is_a_metric() -> None:
    assert parse_challenge(
        "id: a\ntitle: A\nmetrics: [{id: psnr.rgb}]\nranking_rules: {tie_breaks: [psnr.rgb]}", "f"
    ).ranking_rules.tie_breaks == ("psnr.rgb",)
