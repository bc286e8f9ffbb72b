"""Results of runs, as a table needs them: a number with what makes it comparable with another one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.errors import EvalkitError, InputError
from evalkit.folders.model import DistanceResult
from evalkit.jsonio import parse_json
from evalkit.metrics.base import Metric, metric_registry
from evalkit.metrics.features.base import feature_registry, in_order
from evalkit.scoring.scorecard import MetricScore, Scorecard
from evalkit.tables.opens2v import is_opens2v, load_opens2v
from evalkit.yamlio import read_text

SCORECARD, DISTANCE = "scorecard.json", "distance.json"
MAX_BYTES = 1 << 30
REFERENCE = "_reference"


@dataclass(frozen=True)
class Run:
    """The result of one run.

    Args:
        path: its file.
        metrics: id -> number.
        features: name -> version, weights and options.
        backbones: name of the set, and its digest.
        real: digest of what it was compared with: the test set, or the files of the real side.
    """

    path: Path
    metrics: Mapping[str, MetricScore]
    features: Mapping[str, Any]
    backbones: tuple[str, str]
    real: str


@dataclass(frozen=True)
class Identity:
    """What must be equal for two numbers to be comparable; each part in words.

    Args:
        protocol: version of the metric's arithmetic.
        features: name -> version, digests of weights and options, of the features that the metric reads.
        backbones: name of the set, for messages.
        real: digest of the test set or the real side.
    """

    protocol: int
    features: Mapping[str, str]
    backbones: str
    real: str

    def differences(self, other: Identity) -> list[str]:
        """Return what differs, ours first."""
        found = []
        if self.protocol != other.protocol:
            found.append(f"protocol {self.protocol} and {other.protocol}")
        for name in sorted({*self.features, *other.features}):
            if self.features.get(name) != other.features.get(name):
                sets = f" (backbones '{self.backbones}' and '{other.backbones}')"
                found.append(f"the feature '{name}'{sets if self.backbones != other.backbones else ''}")
        if self.real != other.real:
            found.append("the test set or the real files")
        return found


def load_run(path: Path) -> Run:
    """Return the result in a folder of `evalkit score` or `evalkit distance`, or in its JSON file.

    A folder of OpenS2V-Eval's JSON files is a result too (`evalkit.tables.opens2v`).

    Raises:
        InputError: there is none, or it is damaged.
    """
    file = path
    if path.is_dir():
        there = [path / name for name in (SCORECARD, DISTANCE) if (path / name).is_file()]
        if not there and is_opens2v(path):
            return Run(path, load_opens2v(path), {}, ("opens2v", ""), "")
        if len(there) != 1:
            raise InputError(
                f"The folder {path} has {'no' if not there else 'more than one'} result.",
                expected=f"{SCORECARD} or {DISTANCE}, or the files of OpenS2V-Eval",
            )
        file = there[0]
    text = read_text(file, kind=InputError, what="The result", limit=MAX_BYTES)
    try:
        document = parse_json(text, finite=True)
    except ValueError as error:
        raise InputError(f"{file} is not JSON.", found=str(error)) from None
    if isinstance(document, dict) and document.get("kind") == "distance":
        result = DistanceResult.from_json(text, str(file))
        return _run(file, result, result.real.sha256 or "")
    card = Scorecard.load(file)
    about = card.provenance.get("testset")
    return _run(file, card, str(about.get("sha256", "")) if isinstance(about, dict) else "")


def _run(file: Path, result: Scorecard | DistanceResult, real: str) -> Run:
    about = result.provenance.get("backbones")
    digest = str(about.get("sha256", "")) if isinstance(about, dict) else ""
    return Run(file, result.metrics, result.features, (result.backbones, digest), real)


def identity_of(run: Run, metric: str) -> Identity:
    """Return what makes the run's number of ``metric`` comparable with another one's."""
    read = _features_of(metric_registry().get(metric))
    features = {
        name: json.dumps(use.model_dump(mode="json"), sort_keys=True)
        for name, use in run.features.items()
        # Of a reference the same network makes the same vectors; runs over folders don't have the feature.
        if (read is None or name in read) and not name.endswith(REFERENCE)
    }
    return Identity(run.metrics[metric].protocol, features, run.backbones[0], run.real)


def _features_of(metric: Metric | None) -> set[str] | None:
    """Return the features that the metric reads; ``None`` where it is not installed, so that all count."""
    if metric is None:
        return None
    registry = feature_registry()
    try:
        return set(in_order([name for name in metric.record.features if name in registry], registry))
    except (KeyError, ValueError, EvalkitError):  # a feature that it needs is not installed
        return None
