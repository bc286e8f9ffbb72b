"""Archives whose names stopped a run or passed unseen."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.shared


@pytest.mark.parametrize("case", ["unicode-path-zip"], indirect=True)
def test_a_name_in_a_code_page_is_read_from_its_unicode_field(case):
    said = case.run("validate", "readme_7075.zip", "-c", "ch.yaml", "--testset", "ts")
    assert "\u8bf4\u660e.txt" in said
    assert "archive." not in said
    said = case.run("validate", "folder_7075.zip", "-c", "ch.yaml", "--testset", "ts")
    assert "layout.wrapper-folder" in said
    assert "archive." not in said


@pytest.mark.parametrize("case", ["dropbox-root-entry"], indirect=True)
def test_an_entry_of_the_root_is_ignored(case):
    said = case.run("validate", "dropbox.zip", "-c", "ch.yaml", "--testset", "ts")
    assert "archive.root-entry" in case.run("validate", "dropbox.zip", "-c", "ch.yaml", "--testset", "ts", "--json")
    assert "archive.absolute-path" not in said


@pytest.mark.parametrize(
    ("case", "rule"),
    [("zip-empty-name", "archive.empty-name"), ("zip-vms-version", "archive.case-collision")],
    indirect=["case"],
)
def test_two_members_that_unzip_writes_to_one_file_are_refused(case, rule):
    assert rule in case.run("validate", "team.zip", "-c", "talking-head", code=1)


@pytest.mark.parametrize("case", ["unreadable-member-rule"], indirect=True)
def test_a_member_that_is_not_read_is_one_finding_whose_rule_can_be_configured(case):
    assert "a valid challenge" in case.run("challenges", "check", "sev.yaml")
    report = json.loads(case.run("validate", "one_lzma.zip", "-c", "sev.yaml", "--json", "--quiet", code=1))
    broken = [file for file in report["files"] if file["verdict"] == "error"]
    assert [[finding["rule"] for finding in file["findings"]] for file in broken] == [["archive.unsupported-method"]]
    assert [finding for finding in report["findings"] if finding["severity"] == "error"] == []
