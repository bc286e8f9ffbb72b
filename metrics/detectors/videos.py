"""What the metrics of detectors read of each video: the team's score, and what the test set knows to be true.

The arrays of the feature ``detection`` are made by `evalkit.scoring.detector_scores`, all of shape (): ``score`` and
``probability`` (float64, NaN where there is none), ``state`` (why there is no score, empty where there is one),
``label`` (1 fake, 0 real) and the texts ``generator``, ``identity``, ``driver``, ``run``, ``within`` and ``base``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import VideoInputs
from evalkit.statistics.arrays import Vector

DETECTION = "detection"
NOT_OF_SCORES = "no_detector_scores"  # the reason for a submission that is none of scores
Names = NDArray[np.str_]


@dataclass(frozen=True)
class ScoredSet:
    """All videos of a test set, by sample; every array is (n,).

    Args:
        samples: ids.
        scores, probabilities: the team's; NaN where there is none.
        labels: 1 fake, 0 real.
        generators: who made a fake; empty for a real video.
        people: the person in the picture, the sample itself where nothing is said.
        drivers: the person whose motion or speech drives a fake, else as ``people``.
        runs: the detector that scored the video, where a protocol trains several.
        within: what a fake must share with the real videos that it is compared with, such as the quality.
        driven: whether any driver is named.
        base: the value of ``within`` that losses are measured from; empty without one.
    """

    samples: Names
    scores: Vector
    probabilities: Vector
    labels: Vector
    generators: Names
    people: Names
    drivers: Names
    runs: Names
    within: Names
    driven: bool
    base: str

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def groupings(self) -> tuple[Names, ...]:
        """How videos belong together: by person, and by driver where drivers are named."""
        return (self.people, self.drivers) if self.driven else (self.people,)


def read_videos(videos: Iterable[VideoInputs]) -> ScoredSet:
    """Return the videos in the order of their samples' names, so that nothing depends on the order in which they came.

    Videos of a submission that is none of scores are left out.
    """
    rows = [(video.sample, data.arrays) for video in videos if (data := video.features[DETECTION]).arrays is not None]
    rows.sort(key=lambda row: row[0])
    samples = _names(name for name, _ in rows)
    told = {name: _names(_text(arrays, name) for _, arrays in rows) for name in _TEXTS}
    people = np.where(told["identity"] == "", samples, told["identity"])
    return ScoredSet(
        samples=samples,
        scores=_numbers(rows, "score"),
        probabilities=_numbers(rows, "probability"),
        labels=_numbers(rows, "label"),
        generators=told["generator"],
        people=people,
        drivers=np.where(told["driver"] == "", people, told["driver"]),
        runs=told["run"],
        within=told["within"],
        driven=bool((told["driver"] != "").any()),
        base=str(told["base"][0]) if rows else "",
    )


_TEXTS = ("generator", "identity", "driver", "run", "within", "base")


def _text(arrays: Mapping[str, NDArray[Any]], name: str) -> str:
    return str(arrays[name].item())


def _names(values: Iterable[str]) -> Names:
    return np.array(list(values), dtype=np.str_)


def _numbers(rows: Iterable[tuple[str, Mapping[str, NDArray[Any]]]], name: str) -> Vector:
    return np.array([float(arrays[name]) for _, arrays in rows], dtype=np.float64)
