"""MP4 files of which two programs show different videos, and one whose late stream stopped the reader."""

from __future__ import annotations

import json
import shutil

import pytest

pytestmark = pytest.mark.shared


@pytest.mark.parametrize(
    ("case", "found"),
    [
        ("mp4-nested-moov", "misplaced boxes: moov in udta"),
        ("mp4-stco-co64", "more than one stco or co64"),
        ("mp4-chapter-track-hides-video", "a first video track that FFmpeg takes for a chapter's image or a cover"),
    ],
    indirect=["case"],
)
def test_an_index_that_programs_read_differently_is_an_error(case, found):
    report = json.loads(case.run("validate", "in", "-c", "talking-head", "--json", "--quiet", code=1))
    (finding,) = [one for one in report["files"][0]["findings"] if one["rule"] == "encoding.index"]
    assert (finding["severity"], finding["found"]) == ("error", found)
    case.run("repair", "in", "-o", "out.zip", "-c", "talking-head")  # what it prints as the remedy is one
    case.run("validate", "out.zip", "-c", "talking-head")


@pytest.mark.parametrize("case", ["mp4-nested-moov"], indirect=True)
def test_an_edit_list_in_a_second_index_is_found(case):
    for name, rule in (("m90_nested_editlist.mp4", "encoding.index"), ("m91_plain_editlist.mp4", "encoding.edit-list")):
        folder = case.folder / name.partition(".")[0]
        folder.mkdir()
        shutil.copy(case.folder / name, folder / "p001.mp4")
        report = json.loads(case.run("validate", folder, "-c", "talking-head", "--json", "--quiet", code=1))
        assert rule in {one["rule"] for one in report["files"][0]["findings"] if one["severity"] == "error"}


@pytest.mark.parametrize("case", ["inspect-indexerror"], indirect=True)
def test_a_stream_that_turns_up_late_is_a_finding(case):
    report = json.loads(case.run("validate", "in", "-c", "talking-head", "--json", "--quiet", code=1))
    rules = {one["rule"] for one in report["files"][0]["findings"]}
    assert "encoding.container" in rules
    assert "content.reading-error" not in rules
