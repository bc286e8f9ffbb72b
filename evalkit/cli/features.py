"""``evalkit features``: lists what extractors compute of a video, and shows the arrays of each feature."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.options import as_json as json_option
from evalkit.cli.options import example

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalkit.metrics.features.base import FeatureRecord


@click.group(epilog=example("evalkit features list", "evalkit features show faces"))
def features() -> None:
    """List features, which metrics are computed from, and show their arrays."""


@features.command("list", epilog=example("evalkit features list --json", "evalkit features list --metric lse_c"))
@click.option("--metric", metavar="NAME", help="Only the features that this metric reads, directly or not.")
@json_option
def list_(metric: str | None, as_json: bool) -> None:
    """List the installed features, each with the metrics that read it."""
    from evalkit.metrics.base import metric_registry, resolve_metric
    from evalkit.metrics.features.base import feature_registry, in_order

    registry = feature_registry()
    names = sorted(registry)
    if metric is not None:
        metrics = metric_registry()
        read = metrics[resolve_metric(metric, metrics)].record.features
        names = in_order((name for name in read if name in registry), registry)
    users = _users()
    if as_json:
        listed = [record_json(registry[name].record, users) for name in names]
        click.echo(json.dumps({"schema": 1, "features": listed}, indent=1))
        return
    width = max((len(name) for name in names), default=0)
    for name in names:
        record = registry[name].record
        click.echo(f"{name:{width}}  {_metrics(len(users.get(name, ()))):10}  {record.title}")


@features.command("show", epilog=example("evalkit features show inception"))
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show the feature NAME: its arrays with shapes, types and units, what it reads, and its options."""
    from evalkit.errors import UsageError, did_you_mean
    from evalkit.metrics.features.base import feature_registry

    registry = feature_registry()
    if name not in registry:
        raise UsageError(
            f"There is no feature '{name}'.{did_you_mean(name, registry)}",
            fix="'evalkit features list' shows those that are installed.",
        )
    document = record_json(registry[name].record, _users())
    if as_json:
        click.echo(json.dumps({"schema": 1, "feature": document}, indent=1))
        return
    arrays, options = document.pop("arrays"), document.pop("options")
    for key, value in document.items():
        shown = ", ".join(value) if isinstance(value, list) else value
        if shown not in {None, ""}:
            click.echo(f"{key.replace('_', ' '):17} {shown}")
    for title, rows in (("arrays", arrays), ("options", options)):
        if rows:
            width = max(map(len, rows))
            click.echo(f"\n{title}")
            for row, text in rows.items():
                click.echo(f"  {row:{width}}  {text if isinstance(text, str) else json.dumps(text)}")


def record_json(record: FeatureRecord, users: Mapping[str, list[str]]) -> dict[str, Any]:
    """Return the record as plain data, with the ids of the metrics that read the feature."""
    return {
        "name": record.name,
        "title": record.title,
        "version": record.version,
        "reads": sorted(record.inputs),
        "weights": list(record.weights),
        "optional_weights": list(record.optional_weights),
        "needs": list(record.needs),
        "programs": list(record.programs),
        "imports": [f"{one.source}={one.side}/SAMPLE{one.suffix}" for one in record.imports],
        "metrics": users.get(record.name, []),
        "arrays": dict(record.arrays),
        "options": record.options.as_dict(),
    }


def _users() -> dict[str, list[str]]:
    """Return feature -> ids of the metrics whose arithmetic reads it."""
    from evalkit.metrics.base import metric_registry

    users: dict[str, list[str]] = {}
    for name, metric in sorted(metric_registry().items()):
        for feature in metric.record.features:
            users.setdefault(feature, []).append(name)
    return users


def _metrics(number: int) -> str:
    from evalkit.text import count

    return count(number, "metric") if number else "-"
