"""A worker's memory after each video, and that no video changes what the next one in the same worker gets."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapes
from memory_series import SHARES, measure

from evalkit import api
from evalkit.media.encode import write_video

MARGIN_MIB = 24  # a frame of 4K is 24 MiB of RGB; a decoder holds several


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc; CI runs on Linux")
def test_after_each_of_50_videos_a_worker_holds_what_it_held_before(tmp_path: Path) -> None:
    held = measure(tmp_path, ["frame_difference", "fingerprint"])
    assert sorted(held.kinds) == sorted(kind for kind, share in SHARES.items() for _ in range(share))
    above = {f"{at} {kind}": round(mib) for at, (kind, mib) in enumerate(zip(held.kinds, held.growth, strict=True))}
    assert {name: mib for name, mib in above.items() if mib > MARGIN_MIB} == {}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a test set of two samples, and two submissions of the same two videos, swapped."""
    root = tmp_path_factory.mktemp("two")
    listed = shapes.write_testset(root / "testset", 2, 0.4, 64) / "samples.jsonl"
    samples = [json.loads(line) for line in listed.read_text().splitlines()]
    for sample in samples:
        del sample["reference_video"]  # a frame may not be larger than the reference's
    listed.write_text("".join(json.dumps(sample) + "\n" for sample in samples))
    for name, (width, height) in {"large": (1920, 1080), "small": (64, 64)}.items():
        picture = np.resize(np.random.default_rng(2).integers(0, 255, (height // 8, width), np.uint8), (height, width))
        frames = (np.dstack([np.roll(picture, 2 * at, 1)] * 3) for at in range(10))
        write_video(root / f"{name}.mp4", frames, 25, shapes.tone(1, 0.4), shapes.RATE, preset="ultrafast")
    for order in (("large", "small"), ("small", "large")):
        with zipfile.ZipFile(root / f"{order[0]}-first.zip", "w") as archive:
            for sample, name in zip(("d01", "d02"), order, strict=True):
                archive.write(root / f"{name}.mp4", f"{sample}.mp4")
    return root


def verdicts(place: Path, first: str, cache: Path) -> dict[str, Any]:
    """Return large and small -> all that is said of the video, in one worker with ``first``` before the other."""
    where = (place / f"{first}-first.zip", "talking-head", place / "testset")
    files = api.validate(*where, cache=cache, workers=1).files
    card = api.score(*where, cache=cache, workers=1, metrics=["temporal.flicker", "duration"])
    order = (first, "small" if first == "large" else "large")
    return {
        name: (file.verdict, file.facts, [found.rule for found in file.findings], video.values, video.reasons)
        for name, file, video in zip(order, files, card.videos, strict=True)
    }


def test_two_good_files_have_the_same_verdict_in_both_orders_with_a_cold_and_a_warm_cache(
    place: Path, tmp_path: Path
) -> None:
    cold = [verdicts(place, first, tmp_path / first) for first in ("large", "small")]
    warm = [verdicts(place, first, tmp_path / "large") for first in ("large", "small")]
    assert {name: verdict[0] for name, verdict in cold[0].items()} == {"large": "ok", "small": "ok"}
    assert all(value is not None for verdict in cold[0].values() for value in verdict[3].values())
    assert cold[0] == cold[1] == warm[0] == warm[1]
