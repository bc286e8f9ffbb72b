"""Lip leakage over the whole set, from the videos of an item under several setups.

`SyncDifference` compares the same lips under their own and another audio; `LeakedShare` places silence between a closed
mouth and the recording. Both cut what they compare to one length first, since confidence grows with length.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import (
    Event,
    MetricRecord,
    SetMetric,
    SetValue,
    VideoInputs,
    VideoValue,
    definition_beside,
    unscored,
)
from evalkit.metrics.leakage.arithmetic import (
    ROWS,
    drawn_differences,
    leaked_share,
    mean_item_difference,
    sync_difference,
)
from evalkit.metrics.leakage.silence import CITATION
from evalkit.metrics.sync.arithmetic import Sync, cut_to, summarise
from evalkit.metrics.sync.track_scores import TrackChoice, mean_confidence, mean_distance, ood_score, track_syncs
from evalkit.statistics import BOOTSTRAP_DRAWS
from evalkit.statistics.bootstrap import percentile_interval, resample_indices
from evalkit.testsets.setup_names import OTHER, OWN, SILENT

Arrays = Mapping[str, NDArray[Any]]
SHOWN = 5


def longest(arrays: Arrays) -> int | str:
    """Return the number of windows of the longest track that can be scored, or why there is none."""
    if not arrays["has_official"]:
        return "no_official_audio"
    syncs = track_syncs(arrays, TrackChoice())
    if syncs:
        return max(sync.windows for sync in syncs)
    tracks = range(len(arrays["track_first"])) if "track_first" in arrays else ()
    return "outside_bundled_domain" if any(ood_score(arrays, row) > 1 for row in tracks) else "no_track"


def cut_syncs(arrays: Arrays, windows: int) -> list[Sync]:
    """Return the numbers of every track that has so many windows, cut to them."""
    return track_syncs(arrays, TrackChoice(windows=windows))


def of_still(arrays: Arrays, windows: int) -> float | str:
    """Return the confidence of the still mouth, cut to so many windows, or why there is none."""
    if float(arrays["ood_score"]) > 1:
        return "outside_bundled_domain"
    distances = arrays["official"]
    if len(distances) < windows:
        return "too_short"
    sync = summarise(cut_to(distances, arrays["silent"], windows))
    return "too_short" if sync == "too_short" else sync.confidence


class _OfItems(SetMetric):
    """A number of items that are joined from their videos; what an item lacks is told in a note."""

    def __init__(self, record: MetricRecord) -> None:
        self.record = record

    def compute(self, features: Mapping[str, Arrays]) -> VideoValue:
        """Return the reason why a single video has no value."""
        return unscored("number_of_the_set")

    @property
    def _rng(self) -> np.random.Generator:
        return np.random.default_rng(int.from_bytes(hashlib.sha256(self.record.id.encode()).digest()[:8], "big"))

    def _notes(self, lost: Mapping[str, str], items: int) -> tuple[Event, ...]:
        if not lost:
            return ()
        named = ", ".join(f"{item} ({why})" for item, why in sorted(lost.items())[:SHOWN])
        more = f" and {len(lost) - SHOWN} more" if len(lost) > SHOWN else ""
        return (Event("items_left_out", f"{len(lost)} of {items} items: {named}{more}"),)


def _lost(lost: Mapping[str, str]) -> str:
    """Return the commonest reason, without its detail; ``no_video`` for none."""
    counted = Counter(why.partition(":")[0].replace(" ", "_") for why in lost.values())
    return min(counted, key=lambda why: (-counted[why], why)) if counted else "no_video"


class SyncDifference(_OfItems):
    """How much worse or better the lips fit another audio than their own."""

    def score_set(self, videos: Iterable[VideoInputs]) -> SetValue:
        """Return the difference of the means over the items that have both setups."""
        waiting: dict[str, tuple[str, Arrays]] = {}
        rows: dict[str, list[float]] = {}
        lost: dict[str, str] = {}
        for video in videos:
            data = video.features["syncnet"]
            if video.setup not in self.record.setups:
                lost[video.item] = "no_setup"
            elif data.arrays is None:
                lost[video.item] = data.reason or "feature_missing"
            elif video.item not in waiting:
                waiting[video.item] = (video.setup, data.arrays)
            else:
                setup, first = waiting.pop(video.item)
                try:
                    row = _row({setup: first, video.setup: data.arrays})
                except ValueError:  # not a number where SyncNet gives one
                    row = "distance_not_finite"
                if isinstance(row, str):
                    lost[video.item] = row
                else:
                    rows[video.item] = row
        for item, (setup, _) in waiting.items():
            lost.setdefault(item, f"partner_missing: only the setup '{setup}' can be read")
        items = len(rows) + len(lost)
        if not rows:
            return SetValue(None, 0, _lost(lost), notes=self._notes(lost, items))
        numbers = np.array([rows[item] for item in sorted(rows, key=str.encode)], dtype=np.float64)
        means = numbers.mean(axis=0)
        details = {name.replace(" ", "_"): float(mean) for name, mean in zip(ROWS, means, strict=True)}
        details |= {"items": len(rows), "mean_of_items": mean_item_difference(numbers)}
        return SetValue(
            sync_difference(numbers),
            2 * len(rows),
            ci95=self._interval(numbers),
            details=details,
            notes=self._notes(lost, items),
        )

    def _interval(self, numbers: NDArray[np.float64]) -> tuple[float, float] | None:
        if len(numbers) < 2:
            return None
        blocks = resample_indices(self._rng, len(numbers), BOOTSTRAP_DRAWS, width=numbers.size)
        return percentile_interval(np.concatenate([drawn_differences(numbers, rows) for rows in blocks]))


def _row(pair: Mapping[str, Arrays]) -> list[float] | str:
    """Return the numbers of `ROWS` of one item, or why there are none."""
    lengths = {setup: longest(arrays) for setup, arrays in pair.items()}
    for setup, length in lengths.items():
        if isinstance(length, str):
            return f"{length}: in the setup '{setup}'"
    windows = min(length for length in lengths.values() if not isinstance(length, str))
    own, other = (cut_syncs(pair[setup], windows) for setup in (OWN, OTHER))
    return [mean_confidence(own), mean_confidence(other), mean_distance(own), mean_distance(other)]


class LeakedShare(_OfItems):
    """Where the confidence under silence lies between that of a closed mouth and that of the recording."""

    def score_set(self, videos: Iterable[VideoInputs]) -> SetValue:
        """Return the share, of the means over the items that have all three."""
        rows: dict[str, tuple[float, float, float]] = {}
        lost: dict[str, str] = {}
        for video in videos:
            row = self._checked(video)
            if isinstance(row, str):
                lost[video.item] = row
            else:
                rows[video.item] = row
        items = len(rows) + len(lost)
        if not rows:
            return SetValue(None, 0, _lost(lost), notes=self._notes(lost, items))
        numbers = np.array([rows[item] for item in sorted(rows, key=str.encode)], dtype=np.float64)
        silent, floor, real = (float(mean) for mean in numbers.mean(axis=0))
        notes = self._notes(lost, items)
        share = leaked_share(silent, floor, real)
        if share is None:
            detail = f"the real videos have a confidence of {real:.3g}, a closed mouth {floor:.3g}"
            return SetValue(None, 0, "reference_not_above_floor", notes=(*notes, Event("no_room", detail)))
        details = {"items": len(rows), "silent": silent, "floor": floor, "reference": real}
        return SetValue(share, len(rows), ci95=self._interval(numbers), details=details, notes=notes)

    def _checked(self, video: VideoInputs) -> tuple[float, float, float] | str:
        try:
            return self._confidences(video)
        except ValueError:  # not a number where SyncNet gives one
            return "distance_not_finite"

    def _confidences(self, video: VideoInputs) -> tuple[float, float, float] | str:
        """Return the confidence under silence, of the closed mouth and of the real video, at one length."""
        arrays: list[Arrays] = []
        if video.setup not in self.record.setups:
            return "no_setup"
        for name in self.record.features:
            data = video.features[name]
            if data.arrays is None:
                return data.reason or "feature_missing"
            arrays.append(data.arrays)
        return _at_one_length(*arrays)

    def _interval(self, numbers: NDArray[np.float64]) -> tuple[float, float] | None:
        if len(numbers) < 2:
            return None
        drawn: list[float] = []
        for rows in resample_indices(self._rng, len(numbers), BOOTSTRAP_DRAWS, width=numbers.size):
            means: Sequence[Sequence[float]] = numbers[rows].mean(axis=1).tolist()
            drawn += [np.nan if (share := leaked_share(*mean)) is None else share for mean in means]
        return percentile_interval(drawn)


def _at_one_length(silent: Arrays, real: Arrays, still: Arrays) -> tuple[float, float, float] | str:
    """Return the confidence of the video, of the closed mouth and of the real video, or why there is none."""
    ours, theirs = longest(silent), longest(real)
    if isinstance(ours, str):
        return ours
    if isinstance(theirs, str):
        return f"reference_{theirs}"
    windows = min(ours, theirs, len(still["official"]))
    floor = of_still(still, windows)
    if isinstance(floor, str):
        return floor
    return mean_confidence(cut_syncs(silent, windows)), floor, mean_confidence(cut_syncs(real, windows))


def _difference(rule: str, whose: str, title: str) -> SyncDifference:
    return SyncDifference(
        MetricRecord(
            id=f"leak.lsd_{rule}",
            title=title,
            summary="How far Sync-C and Sync-D lie apart when the same videos are dubbed with their own and with other "
            f"speech; {whose}.",
            higher_is_better=False,
            range=(0.0, None),
            features=("syncnet",),
            people_only=True,
            setups=(OWN, OTHER),
            blind_to="Lips that fit neither audio: bad under both is no difference. Read it with Sync-C.",
            ignores_own_audio=True,
            citation=CITATION,
            missing_policy="an item without one of the two is left out of both, with a note",
            definition=definition_beside(__file__, "leakage.md"),
            notes="Of the means over the set. The mean of the items' own differences is in the details "
            "(mean_of_items): it is larger, and which of the two a paper prints is rarely said.",
        )
    )


METRICS = (
    _difference("cr", "the identity reference is the very input frame", "LSD-CR"),
    _difference("ar", "the identity reference is chosen by the method's own rule", "LSD-AR"),
    LeakedShare(
        MetricRecord(
            id="leak.frac",
            title="Leaked share",
            summary="Sync-C under silence against the hidden speech, between a closed mouth's (0) and the real video's "
            "(1).",
            higher_is_better=False,
            range=(None, None),
            features=("syncnet", "syncnet_reference", "syncnet_closed_mouth"),
            people_only=True,
            setups=(SILENT,),
            blind_to="A mouth that never moves: it leaks nothing. Read it with Sync-C of the setup 'own'.",
            ignores_own_audio=True,
            citation="evalkit's own, over lip leakage as in arXiv 2511.08613",
            missing_policy="an item without one of the three numbers is left out of all, with a note",
            definition=definition_beside(__file__, "leakage.md"),
            notes="Unscored where the real videos are not above the closed mouth. Below 0 and above 1 are possible.",
        )
    ),
)
