"""Archives whose names stopped a run or passed unseen."""

from __future__ import annotations

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
