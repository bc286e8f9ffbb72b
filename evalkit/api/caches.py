"""`list_cache` and `prune_cache`."""

from __future__ import annotations

import re
from pathlib import Path

from evalkit.api.arguments import check_types
from evalkit.errors import UsageError
from evalkit.progress import Progress
from evalkit.scoring.pruning import CacheContents, PruneReport, prune, read_contents
from evalkit.scoring.shared_cache import open_place
from evalkit.workers.budget import size_in_bytes

_AGE = re.compile(r"\s*([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*([mhdw])\s*", re.IGNORECASE)
_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def list_cache(cache: str | Path | None = None, *, progress: Progress | None = None) -> CacheContents:
    """Return what is in the feature cache.

    Args:
        cache: as in `evalkit.score`. Of an address, the local copy is listed.
        progress: told how far it is.

    Raises:
        StorageError: when the folder can't be read.
    """
    check_types(optional=True, cache=cache)
    return read_contents(open_place(cache), progress)


def prune_cache(
    cache: str | Path | None = None,
    *,
    keep: str | int | None = None,
    older_than: str | float | None = None,
    obsolete: bool = False,
    dry_run: bool = False,
    wait: bool = False,
    progress: Progress | None = None,
) -> PruneReport:
    """Remove entries of the feature cache; what is removed is computed again when a run needs it.

    Args:
        cache: as in `evalkit.score`. Of an address, the local copy is pruned.
        keep: at most so much stays, as ``20G`` or bytes; the entries last used stay.
        older_than: remove what was not used for so long, as ``30d``, ``12h``, ``2w``, or seconds.
        obsolete: remove entries of feature versions that this version of evalkit doesn't read any more.
        dry_run: remove nothing, and report what would be removed.
        wait: wait for runs that use the cache, instead of raising.
        progress: told how far it is.

    Raises:
        UsageError: nothing to remove is named, or a size or an age is none.
        MachineError: a run uses the cache.
        StorageError: an entry can't be removed.
    """
    check_types(optional=True, cache=cache)
    if keep is None and older_than is None and not obsolete:
        raise UsageError(
            "Nothing was named that should be removed.",
            fix="Give a size to keep (--keep 20G), an age (--older-than 30d), or --obsolete.",
        )
    size = None if keep is None else size_in_bytes(keep)
    if keep is not None and size is None:
        raise UsageError(
            "The size to keep is not a size.",
            found=str(keep),
            expected="bytes, or a number with K, M, G or T, such as 20G",
        )
    age = None if older_than is None else _age(older_than)
    return prune(open_place(cache), size, age, obsolete, dry_run, wait, progress)


def _age(given: str | float) -> float:
    found = _AGE.fullmatch(given) if isinstance(given, str) else None
    seconds = float(found[1]) * _SECONDS[found[2].lower()] if found else given
    if isinstance(seconds, (str, bool)) or not 0 <= seconds < float("inf"):
        raise UsageError(
            "The age is not a length of time.", found=str(given), expected="a number with m, h, d or w, such as 30d"
        )
    return float(seconds)
