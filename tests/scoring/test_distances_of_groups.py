"""Kernel distances by group of a submission that is really scored are those of the definition."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from clip_tools import ffmpeg

import evalkit
from evalkit.challenges.model import parse_challenge
from evalkit.cli.fairness import print_fairness
from evalkit.metrics.base import SetValue, VideoInputs
from evalkit.metrics.distances.by_group import GroupedKernelDistance
from evalkit.reference_models.puppet.testset import PuppetTestSet, write_puppet_testset
from evalkit.reports.scorecard_page import render_scorecard

CHALLENGE = "schema: 1\nid: a\ntitle: A\nmetrics: [{id: kid.by_group}, {id: kvd.by_group}]\nranking: rank-sum\n"
PEOPLE, EACH = 44, 22


def kernel_distance(x: np.ndarray, y: np.ndarray) -> float:
    """The unbiased squared maximum mean discrepancy with the kernel (x.y / d + 1)^3."""
    xx, yy, xy = (((a @ b.T) / x.shape[1] + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    within = [(own.sum() - np.trace(own)) / (len(own) * (len(own) - 1)) for own in (xx, yy)]
    return float(sum(within) - 2 * xy.mean())


def test_scored_distances_by_group_are_those_of_the_definition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_puppet_testset(PuppetTestSet(tmp_path / "testset", 5, PEOPLE, seconds=0.8, size=64), 2)
    lines = [json.loads(line) for line in (tmp_path / "testset" / "samples.jsonl").read_text().splitlines()]
    for at, line in enumerate(lines):  # 22 and 22 people; 24 and 20 of them; 41 and 3
        named = {"side": "left" if at < EACH else "right", "size": "many" if at < 24 else "few"}
        line["groups"] = {**named, "rare": "yes" if at < 3 else "no"}
    (tmp_path / "testset" / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for line in lines:  # the real videos; those of one side are blurred
        source, made = tmp_path / "testset" / line["reference_video"], tmp_path / "team" / f"{line['id']}.mp4"
        made.parent.mkdir(exist_ok=True)
        if line["groups"]["side"] == "left":
            made.write_bytes(source.read_bytes())
        else:
            ffmpeg("-i", source, "-vf", "boxblur=3", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "copy", made)
    seen: dict[str, list[VideoInputs]] = defaultdict(list)
    original = GroupedKernelDistance.score_set

    def noted(self: GroupedKernelDistance, videos: Iterable[VideoInputs]) -> SetValue:
        def passed() -> Iterator[VideoInputs]:
            for video in videos:
                seen[self.record.id].append(video)
                yield video

        return original(self, passed())

    monkeypatch.setattr(GroupedKernelDistance, "score_set", noted)
    card = evalkit.score(
        tmp_path / "team",
        parse_challenge(CHALLENGE, "c.yaml"),
        tmp_path / "testset",
        backbones="bundled",
        workers=2,
        cache=tmp_path / "cache",
    )
    for metric in ("kid.by_group", "kvd.by_group"):
        score = card.metrics[metric]
        measured = {video.sample: video for video in seen[metric]}
        assert (score.n, len(measured)) == (PEOPLE, PEOPLE)

        def side(samples: list[str], at: int, measured: dict[str, VideoInputs] = measured) -> np.ndarray:
            features = [list(measured[sample].features.values())[at] for sample in samples]
            return np.concatenate([one.arrays["activation"] for one in features]).astype(np.float64)

        groups = {
            name: [line["id"] for line in lines if line["groups"][attribute] == name]
            for attribute, name in (("side", "left"), ("side", "right"), ("size", "many"), ("size", "few"))
        }
        expected = {name: kernel_distance(side(samples, 0), side(samples, 1)) for name, samples in groups.items()}
        details = score.details
        for attribute, name in (("side", "left"), ("side", "right"), ("size", "few")):  # all of them in each draw
            assert details[f"{attribute}={name}"] == pytest.approx(expected[name], rel=1e-4, abs=1e-4)
            assert details[f"{attribute}={name} deviation"] == 0
        # Of the larger group 20 of 24 videos are drawn, 20 times: other draws have a mean within five standard errors.
        rng = np.random.default_rng(0)
        draws = []
        for _ in range(60):
            drawn = sorted(rng.choice(groups["many"], 20, replace=False))
            draws.append(kernel_distance(side(drawn, 0), side(drawn, 1)))
        error = np.std(draws, ddof=1) * np.sqrt(1 / 20 + 1 / 60)
        assert abs(details["size=many"] - np.mean(draws)) < 5 * error
        assert details["size=many deviation"] == pytest.approx(np.std(draws, ddof=1), rel=0.6)
        assert {"videos_of_each side": 22, "videos_of_each size": 20}.items() <= details.items()
        assert not any("rare" in name for name in details)
        assert score.value == max(details[name] for name in ("side=left", "side=right", "size=many", "size=few"))
        assert details["side=right"] > max(0.1, 10 * details["side=left"])
    report = evalkit.fairness([card], permutations=99, draws=100)
    found = {(one.metric, one.attribute): one for one in report.distances}
    assert found["kid.by_group", "side"].values == {
        name: card.metrics["kid.by_group"].details[f"side={name}"] for name in ("left", "right")
    }
    assert found["kvd.by_group", "size"].videos == 20
    assert set(found["kvd.by_group", "size"].deviations) == {"many", "few"}
    assert "kid.by_group" not in report.refused
    print_fairness(report)
    assert "- kid.by_group by side, 22 videos of each group: left " in capsys.readouterr().out
    page = render_scorecard(card, lambda sample: None)
    assert page.count("</code>, 22 videos of each group: ") == 2
    assert page.count("</code>, 20 videos of each group: ") == 2
