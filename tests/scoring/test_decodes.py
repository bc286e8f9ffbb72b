"""A session that reads the video itself is counted: the scorecard's number of decoded videos is what was decoded."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from builders.extraction import Extracting
from sync_networks import write_video

from evalkit.challenges.submission_rules import SubmissionRules
from evalkit.metrics.features.base import Extractor, FeatureRecord, FeatureUnavailableError, Item, Session
from evalkit.scoring import extract, lookup
from evalkit.scoring.jobs import Config, Job
from evalkit.submission.model import Submission


def extractor(name: str, decodes: int, *, lost: bool = False) -> type[Extractor]:
    class Reader(Session):
        def finish(self):
            self.decodes = decodes
            if lost:
                raise FeatureUnavailableError("lost")
            return {"n": np.array(1)}

    class Kind(Extractor):
        record = FeatureRecord(name, 1, "reads the video itself")

        def open(self, item, upstream):
            return Reader()

    return Kind


@pytest.mark.parametrize("lost", [False, True])
def test_every_reading_of_the_video_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: bool) -> None:
    """One shared pass, none by a, one by b, two by c; from the cache nothing is read."""
    kinds = {name: extractor(name, count, lost=lost) for name, count in (("a", 0), ("b", 1), ("c", 2))}
    monkeypatch.setattr(extract, "feature_registry", lambda: kinds)
    archive = tmp_path / "own.zip"
    with zipfile.ZipFile(archive, "w") as target:
        target.write(write_video(tmp_path / "v.mp4", list(range(30)), size=64), "v.mp4")
    monkeypatch.setattr(lookup.Cached, "refused", False)
    job = Job("v", Submission.open(archive).ref("v.mp4"), Item("v", Path()))
    for features, decodes in ((("a",), 1), (("b",), 2), (("a", "b", "c"), 3), (("a", "b", "c"), 0)):
        handler = Extracting(Config(tmp_path / "cache", features, rules=SubmissionRules()))
        assert handler(job).decodes == decodes, features
