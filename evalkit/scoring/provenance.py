"""What a scorecard says of where its numbers come from: versions, weights, options."""

from __future__ import annotations

import platform
from typing import Any

from evalkit._version import __version__
from evalkit.challenges.kinds import KINDS
from evalkit.metrics.features.base import FeatureRecord
from evalkit.metrics.features.runner import runners_used
from evalkit.scoring.devices import kind_of
from evalkit.scoring.plan import RunPlan
from evalkit.scoring.scorecard import FeatureUse
from evalkit.statistics import BOOTSTRAP_DRAWS
from evalkit.testsets.model import TestSet
from evalkit.weights.manifest import DIGEST_WORDS


def features_used(plan: RunPlan) -> dict[str, FeatureUse]:
    """Return feature -> its version, the digests of its weights, its options."""
    return {
        name: FeatureUse(
            version=record.version,
            weights=tuple(
                plan.weights[role].sha256
                for role in (*record.weights, *record.optional_weights)
                if role in plan.weights
            ),
            options={**record.options.as_dict(), **_precisions(record, plan)},
        )
        for name, record in plan.records.items()
    }


def _roles(record: FeatureRecord, plan: RunPlan) -> list[str]:
    return [role for role in (*record.weights, *record.optional_weights) if role in plan.weights]


def _precisions(record: FeatureRecord, plan: RunPlan) -> dict[str, Any]:
    """Return ``precision_of_roles`` where the backbones ask for one: role -> float32, bfloat16, float16."""
    options = {role: plan.weights[role].options for role in _roles(record, plan)}
    asked = {role: chosen["precision"] for role, chosen in options.items() if "precision" in chosen}
    return {"precision_of_roles": asked} if asked else {}


def provenance_of(plan: RunPlan, testset: TestSet) -> dict[str, Any]:
    """Return the versions, the test set and the weights that a scorecard names."""
    found = computed_with(plan)
    about = {"testset": {"sha256": testset.sha256, "samples": len(testset), "format": testset.format}}
    at = list(found).index("backbones")
    return dict([*list(found.items())[:at], *about.items(), *list(found.items())[at:]])


def computed_with(plan: RunPlan) -> dict[str, Any]:
    """Return the versions, the device, the backbones and the weights of a run."""
    runners = runners_used(plan.weights)
    return {
        **software(),
        "device": kind_of(plan.device),
        **({"runners": runners} if runners else {}),
        "backbones": {"title": plan.backbones.title, "sha256": plan.backbones.sha256},
        "weights": {role: _weights_used(plan, role) for role in sorted(plan.weights)},
        "confidence": {
            "method": f"percentile bootstrap over {KINDS[plan.submission.kind].file}s",
            "draws": BOOTSTRAP_DRAWS,
        },
    }


def software() -> dict[str, Any]:
    """Return the versions of what computes on this machine."""
    from importlib.metadata import PackageNotFoundError, version

    packages = {}
    for name in ("av", "numpy", "scipy", "opencv-python-headless", "onnxruntime", "pillow"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = "unknown"
    return {
        "evalkit": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": packages,
    }


def _weights_used(plan: RunPlan, role: str) -> dict[str, Any]:
    """Return which file had a role, and how its digest is known."""
    entry = plan.backbones.roles[role]
    return {
        "file": entry.file,
        "sha256": plan.weights[role].sha256,
        "digest": DIGEST_WORDS[entry.digest],
        "trusted_on_first_use": entry.first_use,
    }
