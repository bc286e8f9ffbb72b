"""The side of the references: computed once, and shared with `evalkit score` through the feature cache."""

from __future__ import annotations

from pathlib import Path

from evalkit.arrays.session import Measurer
from evalkit.challenges.model import Challenge
from evalkit.media.colour import dynamic_range
from evalkit.metrics.base import FeatureData
from evalkit.metrics.features.base import Item
from evalkit.scoring.cache_lock import cache_in_use
from evalkit.scoring.lookup import Lookup
from evalkit.scoring.plan import RunPlan
from evalkit.scoring.reference_features import independent_of_video
from evalkit.scoring.shared_cache import open_cache


class References:
    """The features of a test set's references.

    Args:
        measurer: computes them.
        plan: whose features are wanted.
        challenge: as a run on files has it.
        cache: folder of the feature cache, where `evalkit score` looks too.
        exact: whether what is computed is what a run on files computes, to the bit, so that it may go into the cache.
    """

    def __init__(self, measurer: Measurer, plan: RunPlan, challenge: Challenge, cache: Path, *, exact: bool) -> None:
        self._measurer, self._plan, self._cache, self._exact = measurer, plan, cache, exact
        records = {name: plan.records[name] for name in measurer.wanted(plan)}
        self._records = records
        self._lookup = Lookup(open_cache(cache), independent_of_video(records), plan.weights, challenge.submission)
        self._known: dict[str, dict[str, FeatureData]] = {}

    def of(self, item: Item) -> dict[str, FeatureData]:
        """Return what is known of the sample before its video is: features of references, and those not wanted."""
        if item.sample not in self._known:
            self._known[item.sample] = self._unavailable(item) | self._computed(item)
        return self._known[item.sample]

    def _computed(self, item: Item) -> dict[str, FeatureData]:
        with cache_in_use(self._cache):
            found = self._lookup.of_references(item)
            known: dict[str, FeatureData] = {}
            for name, key in found.keys.items():
                data = None if name in found.missing else self._lookup.load(name, key, found.notes)
                if data is not None:
                    known[name] = data
            if known.keys() == found.keys.keys():
                return known
            computed = self._measurer.reference_features(self._plan, item)
            for name, key in found.keys.items():
                data = computed[name]
                if name not in known and self._exact and data.reason != "extractor_error":
                    self._lookup.cache.store(name, key, data, self._records[name].version)
            return {name: computed[name] for name in found.keys} | known

    def _unavailable(self, item: Item) -> dict[str, FeatureData]:
        """Return the features that nobody reads for the sample, and those that its reference video can't have."""
        unused = {name: FeatureData(None, "feature_missing") for name in self._records if name in item.unused}
        if item.reference_video is None:
            return unused
        high = dynamic_range(item.reference_video)
        if high is None:
            return unused
        said = FeatureData(None, "reference_hdr", f"the reference video has high dynamic range ({high})")
        return unused | {name: said for name, record in self._records.items() if "reference_video" in record.inputs}
