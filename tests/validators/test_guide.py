"""The example of docs/add-a-validation-rule.md works as the rule of somebody else's package."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders.media_facts import facts

from evalkit import registry
from evalkit.challenges.submission_rules import SubmissionRules
from evalkit.media.facts import MediaFacts
from evalkit.validators.findings import Finding
from evalkit.validators.registry import file_findings, rule_registry, rules_for

GUIDE = Path(__file__).parents[2] / "docs" / "add-a-validation-rule.md"


def forget_plugins() -> None:
    for cached in (registry.load_group, rule_registry, rules_for):
        cached.cache_clear()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install the guide's module and entry point as a package named ``acme-rules``."""
    text = GUIDE.read_text(encoding="utf-8")
    [module] = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    [entry_point] = re.findall(r"^ +acme = \"(.*)\"$", text, re.MULTILINE)
    (tmp_path / "acme_rules.py").write_text(module, encoding="utf-8")
    info = tmp_path / "acme_rules-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-rules\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[evalkit.validators]\nacme = {entry_point}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    forget_plugins()
    yield
    forget_plugins()


def low(file: MediaFacts) -> list[Finding]:
    return [one for one in file_findings(file, SubmissionRules(), "s01.mp4") if one.rule == "acme.low-bit-rate"]


@pytest.mark.usefixtures("installed")
def test_the_rule_of_the_guide_is_applied() -> None:
    video = facts()
    assert video.video is not None
    seconds = video.video.duration_seconds
    [finding] = low(video.model_copy(update={"size_bytes": int(seconds * 20_000 / 8)}))
    assert finding == Finding(
        rule="acme.low-bit-rate",
        severity="warning",
        message="The bit rate is very low; compression artefacts lower the scores.",
        found="20 kbit/s",
        expected="at least 50 kbit/s",
        fix="ffmpeg -i ORIGINAL -c:v libx264 -pix_fmt yuv420p -crf 18 -c:a aac s01.mp4",
        path="s01.mp4",
    )
    assert low(video.model_copy(update={"size_bytes": int(seconds * 60_000 / 8)})) == []


def test_without_the_package_there_is_no_such_rule() -> None:
    assert "acme.low-bit-rate" not in rule_registry()
