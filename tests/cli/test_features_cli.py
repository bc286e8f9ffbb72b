"""The command that says which arrays there are."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from evalkit.cli import main
from evalkit.metrics.base import metric_registry
from evalkit.metrics.features.base import feature_registry


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    with pytest.raises(SystemExit) as left:
        main(["features", *words])
    assert left.value.code == code
    captured = capsys.readouterr()
    return captured.out if code == 0 else captured.err


def document(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    return json.loads(said(capsys, *words, "--json"))


def test_every_feature_is_listed_with_the_metrics_that_read_it(capsys: pytest.CaptureFixture[str]) -> None:
    found = {one["name"]: one for one in document(capsys, "list")["features"]}
    assert found.keys() == feature_registry().keys()
    assert found["inception"]["metrics"] == [
        name for name, metric in sorted(metric_registry().items()) if "inception" in metric.record.features
    ]
    lines = said(capsys, "list").splitlines()
    assert len(lines) == len(found)
    assert any(line.startswith("filmstrip ") and " - " in line for line in lines)


def test_a_metric_lists_what_it_reads_each_after_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    names = [one["name"] for one in document(capsys, "list", "--metric", "identity")["features"]]
    assert set(names) == {"faces", "faces_reference", "arcface", "arcface_reference"}
    assert names.index("faces") < names.index("arcface")
    assert "no metric 'idenity'" in said(capsys, "list", "--metric", "idenity", code=2)


@pytest.mark.parametrize("name", sorted(feature_registry()))
def test_every_array_is_shown_with_shape_and_type(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(capsys, "show", name)
    for array, description in feature_registry()[name].record.arrays.items():
        assert re.search(rf"^  {array} +\([^)]*\) .*$", shown, re.MULTILINE), array
        assert description in shown


def test_an_unknown_feature_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert "inception" in said(capsys, "show", "inceptoin", code=2)
