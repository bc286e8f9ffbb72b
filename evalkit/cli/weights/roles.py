"""Which weights the installed metrics and features use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def features_by_role() -> dict[str, list[str]]:
    """Return role -> the names of the installed features that read it, sorted."""
    from evalkit.metrics.features.base import feature_registry

    users: dict[str, list[str]] = {}
    for name, extractor in sorted(feature_registry().items()):
        for role in (*extractor.record.weights, *extractor.record.optional_weights):
            users.setdefault(role, []).append(name)
    return users


def roles_for_metrics(names: Sequence[str]) -> list[str]:
    """Return the roles that metrics (ids or aliases) need, sorted.

    Raises:
        UsageError: when there is no such metric.
    """
    from evalkit.metrics.base import metric_registry, resolve_metric

    registry = metric_registry()
    return _roles(registry[resolve_metric(name, registry)].record.features for name in names)


def roles_for_challenge(challenge: str) -> tuple[list[str], list[str]]:
    """Return the roles that a challenge's metrics need, and its metrics that are not installed.

    Raises:
        ChallengeError, UsageError: when there is no such challenge, or its file is at fault.
    """
    from evalkit.challenges.model import load_challenge
    from evalkit.metrics.base import metric_registry

    registry = metric_registry()
    by_name = {alias: metric for metric in registry.values() for alias in metric.record.aliases} | dict(registry)
    asked = [entry.id for entry in load_challenge(challenge).metrics] or sorted(registry)
    unknown = [name for name in asked if name not in by_name]
    return _roles(by_name[name].record.features for name in asked if name in by_name), unknown


def _roles(features: Iterable[Iterable[str]]) -> list[str]:
    from evalkit.metrics.features.base import feature_registry, in_order

    registry = feature_registry()
    names = {name for group in features for name in group if name in registry}
    records = [registry[name].record for name in in_order(names, registry)]
    return sorted({role for record in records for role in (*record.weights, *record.optional_weights)})
