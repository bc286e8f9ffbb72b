"""Two hundred videos of which forty are broken in twenty ways: the others are scored, and every broken one is told."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
import shapes
from broken_submission import WAYS, write_broken

from evalkit.cli import main

VIDEOS = 200


class _Words(HTMLParser):
    """Collect what a page says."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("broken")
    shapes.write_testset(folder / "testset", VIDEOS, 1.0, 96)
    good = shapes.write_submission(folder / "good.zip", VIDEOS, 1.0, shapes.blur(1.0), 96)
    return folder, write_broken(folder / "team.zip", good, folder / "work")


def test_forty_findings_and_a_hundred_and_sixty_scores(
    world: tuple[Path, dict[str, str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, broken = world
    assert len(WAYS) == 20
    assert len(broken) == 40
    words = ["score", str(folder / "team.zip"), "-c", "talking-head", "--testset", str(folder / "testset")]
    words += ["-m", "psnr,ssim", "-o", str(tmp_path / "out"), "--cache", str(tmp_path / "cache"), "-q"]
    with pytest.raises(SystemExit) as stop:
        main(words)
    told = capsys.readouterr()
    assert stop.value.code == 3, told
    assert "160 of 200 videos scored" in told.out
    card = json.loads((tmp_path / "out" / "scorecard.json").read_text())
    videos = {video["sample"]: video for video in card["videos"]}
    found = {sample: set() for sample in videos}
    for finding in [*card["findings"], *(one for video in videos.values() for one in video["findings"])]:
        if finding["severity"] == "error":
            found[finding["sample"] or Path(finding["path"]).stem].add(finding["rule"])
    told_once = [
        finding["found"]
        for video in videos.values()
        for finding in video["findings"]
        if finding["rule"] == "archive.unreadable-member"
    ]
    assert [found.partition(": ")[2] for found in told_once] == ["found a wrong checksum (CRC-32)"] * 2
    assert {sample: WAYS[way][1] for sample, way in broken.items() if WAYS[way][1] not in found[sample]} == {}
    assert [sample for sample in videos if bool(found[sample]) != (sample in broken)] == []
    for sample, video in videos.items():
        values = {name: video["values"][name] for name in ("psnr.rgb", "ssim.gray")}
        if sample in broken:
            assert set(values.values()) == {None}
            assert set(video["reasons"]) == set(values)
        else:
            assert None not in values.values()
    assert card["metrics"]["psnr.rgb"]["n"] == 160
    assert card["metrics"]["psnr.rgb"]["coverage"] == 0.8
    page = _Words()
    page.feed((tmp_path / "out" / "report.html").read_text())
    said = " ".join(page.words)
    assert [sample for sample in broken if sample not in said] == []
    assert [rule for _, rule in WAYS.values() if rule not in said] == []
