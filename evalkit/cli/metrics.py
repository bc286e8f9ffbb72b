"""``evalkit metrics``: lists the installed metrics and documents each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from evalkit.challenges.kinds import KINDS, Kind
from evalkit.cli.options import as_json as json_option
from evalkit.cli.options import example

if TYPE_CHECKING:
    from evalkit.metrics.base import MetricRecord


@click.group(epilog=example("evalkit metrics list", "evalkit metrics show identity"))
def metrics() -> None:
    """List metrics and show their documentation."""


@metrics.command("list", epilog=example("evalkit metrics list --json", "evalkit metrics list --kind audio"))
@click.option("--kind", type=click.Choice(list(KINDS)), help="Only metrics of submissions of this kind.")
@json_option
def list_(kind: Kind | None, as_json: bool) -> None:
    """List the installed metrics."""
    from evalkit.metrics.base import metric_registry

    found = [metric for _, metric in sorted(metric_registry().items())]
    if kind is not None:
        from evalkit.metrics.features.base import feature_registry
        from evalkit.scoring.plan import kinds_read

        extractors = feature_registry()
        found = [metric for metric in found if kind in kinds_read(metric, extractors)]
    records = [metric.record for metric in found]
    if as_json:
        click.echo(json.dumps({"schema": 1, "metrics": [record_json(record) for record in records]}, indent=1))
        return
    width = max(len(record.id) for record in records)
    for record in records:
        arrow = {True: "higher", False: "lower", None: "-"}[record.higher_is_better]
        aliases = f"  (also {', '.join(record.aliases)})" if record.aliases else ""
        click.echo(f"{record.id:{width}}  {arrow:6}  {record.role:10}  {record.title}{aliases}")


@metrics.command("show", epilog=example("evalkit metrics show psnr"))
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show the documentation of the metric NAME (an id or an alias)."""
    from evalkit.metrics.base import metric_registry, resolve_metric

    registry = metric_registry()
    record = registry[resolve_metric(name, registry)].record
    document = record_json(record)
    if as_json:
        click.echo(json.dumps({"schema": 1, "metric": document}, indent=1))
        return
    definition, options = document.pop("definition"), document.pop("options")
    for key, value in {**document, **{f"option {name}": value for name, value in options.items()}}.items():
        shown = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
        if shown not in {None, ""}:
            click.echo(f"{key:17} {shown}")
    if definition:
        click.echo(f"\n{definition}")


def record_json(record: MetricRecord) -> dict[str, Any]:
    """Return the record as plain data."""
    from dataclasses import asdict

    return asdict(record)
