"""K-means as scikit-learn computes it: the published numbers of SID follow its random draws.

Its import is here alone: the package comes with evalkit's extra ``motion``.
"""

from __future__ import annotations

import warnings
from functools import cache
from importlib.util import find_spec
from typing import Any

from evalkit.metrics.dual.arithmetic import nearest, spread_over_clusters
from evalkit.metrics.dual.sequences import Motion

LIBRARIES = ("sklearn.cluster", "sklearn.exceptions", "threadpoolctl")  # what is imported below
NO_SCIKIT_LEARN = "the package scikit-learn is not installed; it comes with evalkit's extra 'motion'"


def is_installed() -> bool:
    """Whether there is a scikit-learn."""
    return find_spec("sklearn") is not None


def cluster_centres(sequence: Motion, clusters: int) -> Motion:
    """Return the centres (k, d) of a sequence (T, d): one run of k-means++ and Lloyd from the seed 0.

    Args:
        sequence: (T, d) finite, T at least ``clusters``.
        clusters: k.

    Raises:
        ValueError: fewer frames than clusters.
        ImportError: scikit-learn is not installed.
    """
    if len(sequence) < clusters:
        raise ValueError(f"{clusters} clusters need as many frames, found {len(sequence)}")
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings(), _threads().limit(limits=1, user_api="openmp"):  # the same order of sums every time
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different frames than clusters: some stay empty
        fitted = KMeans(n_clusters=clusters, random_state=0, n_init=1).fit(sequence)
    centres: Motion = fitted.cluster_centers_
    return centres


@cache
def _threads() -> Any:
    """Return what limits threads; it looks for libraries once, when scikit-learn's are loaded."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def cluster_spread(of: Motion, by: Motion, clusters: int) -> float:
    """Return the entropy in bits of the frames ``of`` (T, d) over the clusters of the frames ``by`` (N, d) (SID).

    Raises:
        ValueError: no frame, or fewer of ``by`` than clusters.
        ImportError: scikit-learn is not installed.
    """
    return spread_over_clusters(nearest(of, cluster_centres(by, clusters)), clusters)
