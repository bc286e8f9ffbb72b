"""Distances between the distributions of a network's vectors of the videos and of their references."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import (
    Event,
    FeatureData,
    MetricRecord,
    SetMetric,
    SetValue,
    VideoInputs,
    VideoValue,
    unscored,
)
from evalkit.metrics.distances.distributions import (
    SUBSET_SIZE,
    Moments,
    frechet_bias,
    frechet_from_features,
    kid,
    whole_kernel_distance,
)
from evalkit.metrics.distances.resampling import frechet_interval, kernel_interval
from evalkit.metrics.distances.row_file import RowFile, Rows
from evalkit.metrics.features.base import IMPORT_UNUSABLE

Numbers = NDArray[np.int64]
Pairing = Literal["frames", "videos", "none"]
OTHER_SIDE_ONLY = "other_side_only"  # the reason of a side that a row of `unpaired` sets does not have, by design
NAMED = 5  # unusable files in a note
BIAS_SHARE = 0.1  # of the value; a note is added where the bias is more


@dataclass(frozen=True)
class Sides:
    """The vectors of both sides, those of a video one after the other, and the number of the video of each.

    ``names`` has the samples of our videos, by their number; where videos are paired, also of theirs.
    """

    ours: Rows
    theirs: Rows
    our_video: Numbers
    their_video: Numbers
    names: tuple[str, ...] = ()


class DistributionDistance(SetMetric):
    """A distance of the frames of all videos from the frames of their references.

    Args:
        record: what it means; its features are the video's and the reference's.
        pairing: ``frames`` keeps as many frames of each video as of its reference: the first, up to the shorter one's
            end. ``videos`` keeps all frames of the videos that have a reference. ``none`` keeps all frames of all
            videos and of all references: which reference stands beside which video has no meaning, and the result
            doesn't depend on it.
    """

    def __init__(self, record: MetricRecord, *, pairing: Pairing) -> None:
        self.record = record
        self._pairing = pairing

    def unpaired(self) -> Self:
        """Return the same distance over all vectors of all videos and of all references, however many each side has."""
        other = copy(self)
        other._pairing = "none"
        return other

    def keeps_everything(self, videos: Sequence[VideoInputs]) -> bool:
        """Whether no vector of these videos and references is left out."""
        if self._pairing == "none":
            return True
        for video in videos:
            ours, theirs = (_activations(video.features[name]) for name in self.record.features)
            if isinstance(ours, str) or isinstance(theirs, str):
                return False
            if self._pairing == "frames" and len(ours) != len(theirs):
                return False
        return True

    def compute(self, features: Mapping[str, Mapping[str, NDArray[Any]]]) -> VideoValue:
        """Return the reason why a single video has no value."""
        return unscored("number_of_the_set")

    def score_set(self, videos: Iterable[VideoInputs]) -> SetValue:
        """Return the distance of the videos whose features are all there, in the byte-wise order of their samples."""
        lost: Counter[str] = Counter()
        unusable: list[str] = []  # what is wrong with an imported file is nowhere else: no video has a value
        with ExitStack() as stack:
            files = [stack.enter_context(RowFile()) for _ in self.record.features]
            counts: list[dict[str, int]] = [{}, {}]  # of each side: video -> number of its vectors
            for video in videos:
                sides = [_activations(video.features[name]) for name in self.record.features]
                missing = [side for side in sides if isinstance(side, str)]
                unusable += [
                    f"{video.sample}: {video.features[name].detail}"
                    for name, side in zip(self.record.features, sides, strict=True)
                    if isinstance(side, str) and side == IMPORT_UNUSABLE
                ]
                lost.update([why for why in missing if why != OTHER_SIDE_ONLY][:1])
                if missing and self._pairing != "none":
                    continue
                kept = [side for side in sides if not isinstance(side, str)]
                common = min(map(len, kept)) if self._pairing == "frames" else None
                for place, rows in enumerate(sides):
                    if not isinstance(rows, str):
                        name = video.sample if place == 0 or self._pairing != "none" else _content(rows, video.sample)
                        files[place].append(rows[:common])
                        counts[place][name] = len(rows[:common])
            if not all(counts):
                why = min(lost, key=lambda name: (-lost[name], name)) if lost else "no_video"
                return SetValue(None, 0, why, notes=_faults(unusable))
            (ours, our_video), (theirs, their_video) = (
                _sorted(file.rows(), count, stack.enter_context(RowFile()))
                for file, count in zip(files, counts, strict=True)
            )
            names = tuple(_in_order(counts[0]))
            result = self._measure(Sides(ours, theirs, our_video, their_video, names), len(counts[0]))
            sizes = self._sizes(lost, len(counts[0]), len(counts[1]))
            return replace(result, notes=(*result.notes, *sizes, *_faults(unusable)))

    def _sizes(self, lost: Counter[str], ours: int, theirs: int) -> tuple[Event, ...]:
        """Return a note when a video has no reference, or a reference no video."""
        if not lost:
            return ()
        reasons = ", ".join(f"{reason} ({count})" for reason, count in sorted(lost.items()))
        if self._pairing == "none":
            return (Event("sets_differ_in_size", f"{ours} videos against {theirs} references: {reasons}"),)
        total = sum(lost.values())
        return (Event("videos_left_out", f"{total} of {ours + total} videos are left out of both sides: {reasons}"),)

    @property
    def pairs_samples(self) -> bool:
        """Whether a video counts with its own reference alone; else both sets count whole."""
        return self._pairing != "none"

    @property
    def _independent(self) -> bool:
        return not self.pairs_samples

    @abstractmethod
    def _measure(self, sides: Sides, videos: int) -> SetValue: ...

    @property
    def _seed(self) -> int:
        return int.from_bytes(hashlib.sha256(self.record.id.encode()).digest()[:8], "big")


class FrechetDistance(DistributionDistance):
    """The squared distance of the Gaussians with the moments of both sides.

    Args:
        record, pairing: as in `DistributionDistance`.
        ddof: of the covariance: 1 as in pytorch-fid, 0 as in StyleGAN-V's FVD.
        unit: what one vector represents, for messages.
    """

    def __init__(self, record: MetricRecord, *, pairing: Pairing, ddof: int = 1, unit: str = "frames") -> None:
        super().__init__(record, pairing=pairing)
        self._ddof, self._unit = ddof, unit

    def _measure(self, sides: Sides, videos: int) -> SetValue:
        if min(len(sides.ours), len(sides.theirs)) < 2:
            return SetValue(None, videos, f"too_few_{self._unit}")
        value = frechet_from_features(sides.ours, sides.theirs, ddof=self._ddof)
        interval = frechet_interval(
            value,
            sides.ours,
            sides.theirs,
            sides.our_video,
            sides.their_video,
            ddof=self._ddof,
            seed=self._seed,
            independent=self._independent,
        )
        details = _counts(sides)
        details |= self._bias(sides)
        return SetValue(value, videos, ci95=interval, details=details, notes=self._small(value, details))

    def _bias(self, sides: Sides) -> dict[str, float]:
        """Return how far two sets of these sizes from one and the same distribution would seem to be apart.

        With well more vectors than dimensions by the first-order formula; below that no formula holds, and the
        distance of two halves of the references (every other video) is what can be measured.
        """
        n, m = len(sides.ours), len(sides.theirs)
        if min(n, m) >= 2 * sides.theirs.shape[1]:
            moments = Moments(sides.theirs.shape[1])
            moments.add(sides.theirs)
            return {"expected_bias": frechet_bias(moments.covariance(self._ddof), n, m)}
        odd = sides.their_video % 2 == 1
        if min(odd.sum(), (~odd).sum()) < 2:
            return {}
        return {"halves_of_references": frechet_from_features(sides.theirs[odd], sides.theirs[~odd], ddof=self._ddof)}

    def _small(self, value: float, details: Mapping[str, float]) -> tuple[Event, ...]:
        """Return a note when the distance may be mostly bias (docs/definitions/fid-kid.md#small-samples)."""
        few, many = int(min(details["n"], details["n_reference"])), int(details["dimension"])
        if "expected_bias" in details:
            if details["expected_bias"] < BIAS_SHARE * value:
                return ()
            comparison = f"two such sets of one distribution would be about {details['expected_bias']:.4g} apart"
        elif "halves_of_references" in details:
            comparison = f"two halves of the references are {details['halves_of_references']:.4g} apart"
        else:
            comparison = "the references are too few to tell how much"
        return (
            Event(
                "small_sample",
                f"{few:,} {self._unit} of {many:,} numbers: biased upwards, {comparison}. "
                f"Compare with sets of equally many {self._unit} only.",
            ),
        )


class KernelDistance(DistributionDistance):
    """The unbiased kernel distance (cubic), over random subsets as torch-fidelity or over everything at once.

    Args:
        record, pairing: as in `DistributionDistance`.
        subsets: whether the mean over 100 subsets of 1000 is meant; fewer vectors are unscored then.
        unit: what one vector represents, for reasons.
    """

    def __init__(self, record: MetricRecord, *, pairing: Pairing, subsets: bool = True, unit: str = "frames") -> None:
        super().__init__(record, pairing=pairing)
        self._subsets, self._unit = subsets, unit

    def _measure(self, sides: Sides, videos: int) -> SetValue:
        needed = SUBSET_SIZE if self._subsets else 2
        if min(len(sides.ours), len(sides.theirs)) < needed:
            return SetValue(None, videos, f"fewer_than_{needed}_{self._unit}")
        details = _counts(sides)
        if self._subsets:
            value, details["deviation_of_subsets"] = kid(sides.ours, sides.theirs)
        else:
            value = whole_kernel_distance(sides.ours, sides.theirs)
        interval = kernel_interval(
            value,
            sides.ours,
            sides.theirs,
            sides.our_video,
            sides.their_video,
            seed=self._seed,
            independent=self._independent,
        )
        return SetValue(value, videos, ci95=interval, details=details)


def _counts(sides: Sides) -> dict[str, float]:
    """Return the number of vectors and their length: two entries are comparable only where these are equal."""
    return {"n": len(sides.ours), "n_reference": len(sides.theirs), "dimension": sides.ours.shape[1]}


def _faults(unusable: Sequence[str]) -> tuple[Event, ...]:
    """Return a note that names imported files which can't be used, if there are any."""
    if not unusable:
        return ()
    more = len(unusable) - NAMED
    return (Event(IMPORT_UNUSABLE, "; ".join(unusable[:NAMED]) + (f"; and {more} more" if more > 0 else "")),)


def _activations(data: FeatureData) -> Rows | str:
    """Return a video's vectors (N, d), a frame that is shown twice twice; or why there are none."""
    if data.arrays is None:
        return data.reason or "feature_missing"
    rows = np.asarray(data.arrays["activation"], dtype=np.float32)[data.arrays["row"]]
    if len(rows) == 0:
        return "no_frame"
    return rows if np.isfinite(rows).all() else "activation_not_finite"


def _in_order(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: name.encode())


def _content(rows: Rows, sample: str) -> str:
    """Return a name that sorts a reference by its content, so that it doesn't matter which sample it belongs to."""
    return f"{hashlib.sha256(np.ascontiguousarray(rows).tobytes()).hexdigest()} {sample}"


def _sorted(rows: Rows, counts: Mapping[str, int], sorted_rows: RowFile) -> tuple[Rows, Numbers]:
    """Return the vectors with the videos in the byte-wise order of their samples, and the video of each.

    KID draws vectors by number: the result must not depend on the order in which the videos came.
    """
    names = _in_order(counts)
    video = np.repeat(np.arange(len(names)), [counts[name] for name in names])
    if names == list(counts):
        return rows, video
    ends = dict(zip(counts, np.cumsum(list(counts.values())), strict=True))
    for name in names:
        sorted_rows.append(rows[ends[name] - counts[name] : ends[name]])
    return sorted_rows.rows(), video
