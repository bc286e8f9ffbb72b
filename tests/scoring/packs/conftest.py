"""A small test set with its pack."""

from __future__ import annotations

import json

import pytest
import shapes
from builders.packs import Packed, prepare


@pytest.fixture(scope="package")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Packed:
    """Return four samples, of which two have equal references and one has no reference video, and a submission."""
    root = tmp_path_factory.mktemp("packed")
    testset = shapes.write_testset(root / "testset", 4, 2.4, 64)
    rows = [json.loads(line) for line in (testset / "samples.jsonl").read_text().splitlines()]
    rows[1] |= {name: rows[0][name] for name in ("reference_images", "audio", "reference_video")}
    del rows[3]["reference_video"]
    (testset / "samples.jsonl").write_text("\n".join(map(json.dumps, rows)))
    team = shapes.write_submission(root / "team.zip", 4, 2.4, shapes.blur(1.5), 64)
    pack = root / "testset.refpack"
    prepare(testset, pack, root / "cache")
    return Packed(testset, team, pack, root / "cache")
