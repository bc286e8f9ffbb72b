"""evalkit: evaluation and leaderboards for video-generation challenges.

    import evalkit

    report = evalkit.validate("team.zip", "talking-head", testset="testset/")
    card = evalkit.score("team.zip", "talking-head", "testset/", backbones="published")
    card.to_pandas()
    evalkit.measure("lse_c", frames, fps=25, audio=wave, audio_rate=16000)  # arrays in memory

Importing this package loads no network library and no video library; each is loaded when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evalkit._version import __version__

if TYPE_CHECKING:
    from evalkit import plot
    from evalkit.api import (
        check_testset,
        distance,
        estimate_all,
        fairness,
        list_cache,
        load_leaderboard,
        merge,
        pack,
        prune_cache,
        repair,
        score,
        score_all,
        score_shard,
        table,
        table_check,
        testset_fingerprint,
        testset_from_folder,
        testset_from_truth,
        testset_leaks,
        testset_setups,
        validate,
    )
    from evalkit.arrays.calling import measure
    from evalkit.arrays.record import Measurement
    from evalkit.arrays.session import Measurer
    from evalkit.challenges.model import Challenge, load_challenge
    from evalkit.errors import EvalkitError
    from evalkit.scorer.scorer import Scorer
    from evalkit.scoring.intake import ValidationReport
    from evalkit.scoring.scorecard import Scorecard
    from evalkit.testsets.loading import load_testset
    from evalkit.testsets.model import TestSet
    from evalkit.testsets.picking import pick

__all__ = [
    "Challenge",
    "EvalkitError",
    "Measurement",
    "Measurer",
    "Scorecard",
    "Scorer",
    "TestSet",
    "ValidationReport",
    "__version__",
    "check_testset",
    "distance",
    "estimate_all",
    "fairness",
    "list_cache",
    "load_challenge",
    "load_leaderboard",
    "load_testset",
    "measure",
    "merge",
    "pack",
    "pick",
    "plot",
    "prune_cache",
    "repair",
    "score",
    "score_all",
    "score_shard",
    "table",
    "table_check",
    "testset_fingerprint",
    "testset_from_folder",
    "testset_from_truth",
    "testset_leaks",
    "testset_setups",
    "validate",
]

_HOMES = {
    "Challenge": "evalkit.challenges.model",
    "EvalkitError": "evalkit.errors",
    "ValidationReport": "evalkit.scoring.intake",
    "Scorecard": "evalkit.scoring.scorecard",
    "Scorer": "evalkit.scorer.scorer",
    "TestSet": "evalkit.testsets.model",
    "Measurement": "evalkit.arrays.record",
    "Measurer": "evalkit.arrays.session",
    "measure": "evalkit.arrays.calling",
    "load_challenge": "evalkit.challenges.model",
    "load_testset": "evalkit.testsets.loading",
    "check_testset": "evalkit.api",
    "distance": "evalkit.api",
    "fairness": "evalkit.api",
    "estimate_all": "evalkit.api",
    "list_cache": "evalkit.api",
    "load_leaderboard": "evalkit.api",
    "merge": "evalkit.api",
    "pack": "evalkit.api",
    "pick": "evalkit.testsets.picking",
    "prune_cache": "evalkit.api",
    "repair": "evalkit.api",
    "score": "evalkit.api",
    "score_all": "evalkit.api",
    "score_shard": "evalkit.api",
    "table": "evalkit.api",
    "table_check": "evalkit.api",
    "testset_fingerprint": "evalkit.api",
    "testset_from_folder": "evalkit.api",
    "testset_from_truth": "evalkit.api",
    "testset_leaks": "evalkit.api",
    "testset_setups": "evalkit.api",
    "validate": "evalkit.api",
}


_MODULES = ("functional", "plot")


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _HOMES and name not in _MODULES:
        raise AttributeError(f"module 'evalkit' has no attribute '{name}'")
    from importlib import import_module

    value = import_module(f"evalkit.{name}") if name in _MODULES else getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
