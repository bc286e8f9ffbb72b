"""Which packs fit a run, and what a run takes from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.packs import METRICS, Packed, parts, rewritten

from evalkit.challenges.model import load_challenge
from evalkit.errors import ReferencePackError
from evalkit.metrics.features.base import FeatureRecord
from evalkit.scoring.packs.reader import ReferencePack
from evalkit.scoring.packs.use import NOT_HERE, PackUse, fit_run
from evalkit.scoring.plan import RunPlan, make_plan
from evalkit.testsets.loading import load_testset
from evalkit.weights.manifest import load_backbones

Change = Callable[[dict[str, Any]], Any]
WEIGHTS = "f" * 64


def the_plan(metrics: str = METRICS) -> RunPlan:
    return make_plan(load_challenge("talking-head"), load_backbones("bundled"), names=metrics.split(","))


def fitted(packed: Packed, tmp_path: Path, change: Change, plan: RunPlan | None = None) -> PackUse:
    pack = ReferencePack(rewritten(packed.pack, tmp_path / "changed.refpack", change))
    try:
        return fit_run(pack, load_testset(packed.testset), plan or the_plan())
    finally:
        pack.close()


def feature(name: str, **facts: Any) -> Change:
    return lambda header: header["features"][name].update(facts)


def option(name: str, **facts: Any) -> Change:
    return lambda header: header["features"][name]["options"].update(facts)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (feature("inception_reference", version=77), "'inception_reference' has version 77 in the pack, 1 here"),
        (
            feature("i3d_reference", needs=["x"]),
            r"'i3d_reference' is computed from \['x'\] in the pack, from \[\] here",
        ),
        (option("i3d_reference", more=[1, None]), r"'more' of the feature 'i3d_reference' is \[1, null\] in the pack"),
        (
            lambda h: h["features"]["dino_reference"]["weights"]["dino_vitb16"].update(sha256=WEIGHTS),
            f"weights 'dino_vitb16' of the feature 'dino_reference' are {WEIGHTS} in the pack, [0-9a-f]+ here",
        ),
        (
            lambda h: h["features"]["dino_reference"]["weights"]["dino_vitb16"]["options"].update(size=9),
            "weights 'dino_vitb16' .* \"size\": 9",
        ),
        (
            lambda h: h["features"]["dino_reference"]["weights"].clear(),
            "weights 'dino_vitb16' of the feature 'dino_reference' are no file in the pack",
        ),
        (lambda h: h["readers"].update(image=9), "reading 'image' is 9 in the pack, 1 here"),
        (lambda h: h["readers"].pop("length"), "reading 'length' is None in the pack"),
        (lambda h: h["fingerprint"].update(version=1), "'fingerprint' has version 1 in the pack, 6 here"),
        (lambda h: h["samples"]["d01"].update(sha256=WEIGHTS, features={}), "other features of the sample 'd01'"),
        (lambda h: h["testset"].update(sha256=WEIGHTS), "another test set"),
        (lambda h: h["files"]["audio/d01.wav"].update(bytes=5), r"'audio/d01.wav' has \d+ bytes here, 5 in the pack"),
        (lambda h: h["files"]["audio/d01.wav"].update(sha256=WEIGHTS), "'audio/d01.wav' has other contents"),
    ],
)
def test_a_difference_is_named(packed: Packed, tmp_path: Path, change: Change, words: str) -> None:
    with pytest.raises(ReferencePackError, match=words):
        fitted(packed, tmp_path, change)


def test_all_differences_are_named_at_once(packed: Packed, tmp_path: Path) -> None:
    def change(header: dict[str, Any]) -> None:
        for one in header["features"].values():
            one["version"] = 50
            one["options"] |= {f"new-{number}": number for number in range(20)}

    with pytest.raises(ReferencePackError) as caught:
        fitted(packed, tmp_path, change)
    lines = str(caught.value).splitlines()
    assert lines[0].endswith("doesn't fit this run.")
    assert lines[-2:] == [
        "... and 51 more differences.",
        "Get the pack of this test set, version of evalkit and backbones, or leave it out.",
    ]


def test_features_that_the_run_does_not_use_are_not_compared(packed: Packed, tmp_path: Path) -> None:
    use = fitted(packed, tmp_path, feature("inception_reference", version=77), the_plan("kvd"))
    assert use.served == {"i3d_reference"}


def _reshaped(
    header: dict[str, Any], shape: list[int], array: str = "activation", feature: str = "i3d_reference"
) -> None:
    """Give the first entry of the feature another shape of as many bytes."""
    entry = next(one for one in header["entries"] if one["feature"] == feature)
    entry["arrays"][array]["shape"] = shape


@pytest.mark.parametrize(
    ("array", "feature_name", "words"),
    [("activation", "inception_reference", "declares 'activation'"), ("bits", "fingerprint", "declares 'bits'")],
)
def test_arrays_of_another_shape_are_refused(
    packed: Packed, tmp_path: Path, array: str, feature_name: str, words: str
) -> None:
    _, header = parts(packed.pack)
    entry = next(one for one in header["entries"] if one["feature"] == feature_name)
    flat = [int(np.prod(entry["arrays"][array]["shape"]))]
    with pytest.raises(ReferencePackError, match=f"not what evalkit writes: .*{words}"):
        fitted(packed, tmp_path, lambda head: _reshaped(head, flat, array, feature_name))


def test_an_array_more_or_less_is_refused(packed: Packed, tmp_path: Path) -> None:
    def renamed(header: dict[str, Any]) -> None:
        entry = next(one for one in header["entries"] if one["feature"] == "i3d_reference")
        entry["arrays"]["sow"] = entry["arrays"].pop("row")

    with pytest.raises(ReferencePackError, match=r"declares \['activation', 'row'\], found \['activation', 'sow'\]"):
        fitted(packed, tmp_path, renamed)


def test_fingerprints_longer_than_any_are_refused(packed: Packed, tmp_path: Path) -> None:
    data, header = parts(packed.pack)
    entry = next(one for one in header["entries"] if one["feature"] == "fingerprint")
    sizes = [
        sum(int(np.prod(a["shape"])) * np.dtype(a["dtype"]).itemsize for a in one.get("arrays", {}).values())
        for one in header["entries"]
    ]
    at = header["entries"].index(entry)
    start, end = sum(sizes[:at]), sum(sizes[: at + 1])  # "bits" is the first array by name, "windows" the last
    longer = 65 - entry["arrays"]["bits"]["shape"][0]
    windows = entry["arrays"]["windows"]["shape"][0]

    def lengthened(head: dict[str, Any]) -> None:
        _reshaped(head, [65, 24], "bits", "fingerprint")
        _reshaped(head, [windows, 65, 24], "windows", "fingerprint")

    other = rewritten(
        packed.pack,
        tmp_path / "long.refpack",
        lengthened,
        data[:start] + bytes(24 * longer) + data[start:end] + bytes(windows * 24 * longer) + data[end:],
    )
    with (
        ReferencePack(other) as pack,
        pytest.raises(ReferencePackError, match="a fingerprint has 65 rows, 64 at most"),
    ):
        fit_run(pack, load_testset(packed.testset), the_plan())


def test_a_feature_that_another_one_reads_is_taken_only_with_it(packed: Packed) -> None:
    plan = the_plan("kvd")
    records = dict(plan.records)
    reading = FeatureRecord("reads_i3d", 1, "", frozenset({"video"}), needs=("i3d_reference",))
    with ReferencePack(packed.pack) as pack:
        whole = fit_run(pack, load_testset(packed.testset), plan)
        part = fit_run(pack, load_testset(packed.testset), replace(plan, records=records | {"reads_i3d": reading}))
    assert whole.served == {"i3d_reference"}
    assert part.served == set(), "what is computed from a pack would get into the cache"


def test_what_a_missing_video_leaves_out(packed: Packed, tmp_path: Path) -> None:
    testset = load_testset(packed.testset)
    plan = the_plan("kvd,psnr")
    after = FeatureRecord("after_pixels", 1, "", frozenset({"video"}), needs=("paired_pixels",))
    records = {**plan.records, "after_pixels": after}
    with ReferencePack(packed.pack) as pack:
        use = fit_run(pack, replace(testset, root=tmp_path), replace(plan, records=records))
        assert use.of_videos == {"paired_pixels", "after_pixels"}
        assert use.not_here == {"d01", "d02", "d03"}
        missing = use.feature("paired_pixels", "d01")
        assert missing is not None
        assert (missing.arrays, missing.reason) == (None, NOT_HERE)
        assert use.feature("paired_pixels", "d04") is None, "it has no reference video: the feature says so itself"
        assert use.feature("i3d", "d01") is None
        found = use.feature("i3d_reference", "d01")
        assert found is not None
        assert found.arrays is not None
