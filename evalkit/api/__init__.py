"""The Python interface; the command line calls exactly these functions."""

from __future__ import annotations

from evalkit.api.batches import estimate_all, score_all
from evalkit.api.boards import load_leaderboard
from evalkit.api.caches import list_cache, prune_cache
from evalkit.api.checking import check_testset, pack, repair, validate
from evalkit.api.folders import distance, testset_from_folder, testset_from_truth, testset_setups
from evalkit.api.groups import fairness
from evalkit.api.leaks import testset_fingerprint, testset_leaks
from evalkit.api.results import run_score
from evalkit.api.scoring import prepare_references, score
from evalkit.api.shards import merge, score_shard
from evalkit.api.tables import table, table_check
from evalkit.testsets.loading import load_testset

__all__ = [
    "check_testset",
    "distance",
    "estimate_all",
    "fairness",
    "list_cache",
    "load_leaderboard",
    "load_testset",
    "merge",
    "pack",
    "prepare_references",
    "prune_cache",
    "repair",
    "run_score",
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
