"""Which metrics a scorer computes: those of the challenge, but for what needs a file or a clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evalkit.challenges.model import Challenge
from evalkit.errors import UsageError
from evalkit.metrics.base import Metric, metric_registry, resolve_metric
from evalkit.metrics.features.base import feature_registry, in_order
from evalkit.scoring.plan import PSEUDO, SPEED, RunPlan, make_plan, refuse_short_names
from evalkit.weights.manifest import Backbones

NEEDS_FILE, NEEDS_CLOCK = "needs_a_video_file", "needs_measured_seconds"


def scorer_plan(
    challenge: Challenge,
    backbones: Backbones,
    names: Sequence[str | Metric] | None,
    device: str,
    *,
    allow_missing: bool,
) -> RunPlan:
    """Return the plan of a scorer. The challenge's metrics that frames don't suffice for are unavailable in it.

    Args:
        challenge, backbones, device, allow_missing: as in `evalkit.scoring.plan.make_plan`.
        names: ``None`` for the challenge's metrics.

    Raises:
        UsageError: frames don't suffice for a metric that was named, or as `make_plan` raises it.
    """
    if names is not None and not names:
        raise UsageError("No metric was named.", fix="Leave out metrics for those of the challenge.")
    if names is not None:
        for one in names:
            reason = _needs_more(one if isinstance(one, Metric) else _installed(one))
            if reason is not None:
                raise _refusal(one if isinstance(one, str) else one.record.id, reason)
        return make_plan(challenge, backbones, names=names, allow_missing=allow_missing, device=device)
    refuse_short_names(challenge)
    metrics = metric_registry()
    asked = [entry.id for entry in challenge.metrics] or sorted(metrics)
    left_out = {name: reason for name in asked if name in metrics and (reason := _needs_more(metrics[name]))}
    unknown = {name: "metric_not_installed" for name in asked if name not in metrics}
    chosen = [name for name in asked if name in metrics and name not in left_out]
    plan = make_plan(challenge, backbones, names=chosen, allow_missing=allow_missing, device=device)
    return replace(plan, unavailable={**plan.unavailable, **unknown, **left_out})


def _installed(name: str) -> Metric:
    metrics = metric_registry()
    return metrics[resolve_metric(name, metrics)]


def _needs_more(metric: Metric) -> str | None:
    if SPEED in metric.record.features:
        return NEEDS_CLOCK
    registry = feature_registry()
    try:
        named = in_order(set(metric.record.features) - PSEUDO, registry)
    except (KeyError, ValueError):
        return None  # `make_plan` says what is wrong with it
    records = [registry[name].record for name in named]
    return NEEDS_FILE if any(record.programs or record.imports for record in records) else None


def _refusal(name: str, reason: str) -> UsageError:
    if reason == NEEDS_CLOCK:
        return UsageError(f"{name} is made of measured seconds, which frames don't have.", fix="See 'evalkit speed'.")
    return UsageError(
        f"{name} goes through files that another program reads, so it needs a video file.",
        fix="Score a file with 'evalkit score', or use the metric of the same family that stays in memory.",
    )
