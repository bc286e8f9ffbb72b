"""What ``evalkit testset check`` prints reads at the width of any terminal."""

from __future__ import annotations

import pytest

from evalkit.cli.testset.checking import _print_check
from evalkit.testset_check import TestSetReport
from evalkit.validators.findings import Finding

COMMAND = "ffmpeg -nostdin -y -i videos/s01.mp4 -map 0:V:0 -map '0:a:0?' -c:v libx264 -crf 18 -c:a aac fixed/s01.mp4"


@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_each_rule_is_a_paragraph(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    found = [
        Finding("content.audio-short", "warning", "The audio ends well before the video.", "3 s", "5 s", COMMAND,
                sample=f"s{number:02}") for number in range(1, 10)
    ]  # fmt: skip
    found.append(Finding("testset.count", "error", "There are [b]fewer[/b] samples than the challenge asks for", "9"))
    _print_check(TestSetReport("own", 9, tuple(found), {}))
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "error testset.count"
    assert "content.audio-short (s01, s02, s03, s04, s05, s06 and 3 more)" in " ".join(lines)
    assert f"  fix: {COMMAND}" in lines
    assert "There are [b]fewer[/b] samples than the challenge asks for. Found 9." in " ".join(map(str.strip, lines))
    assert max(len(line) for line in lines if "fix: " not in line) <= int(columns)
    assert lines[-1] == "9 samples: 1 error, 9 warnings."
