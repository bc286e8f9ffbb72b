"""The networks of a run, in the device process that runs them for its workers (design/025)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evalkit.metrics.features.base import WeightFile, feature_registry
from evalkit.metrics.features.placement import Network, collecting
from evalkit.scoring.jobs import Config
from evalkit.scoring.lookup import weights_of
from evalkit.workers.devices.process import DeviceWork

OPENER = "evalkit.scoring.device_networks:open_networks"


@dataclass(frozen=True)
class NetworkConfig:
    """What a device process opens.

    Args:
        features: names; the networks of all that they use.
        weights: role -> checked file.
    """

    features: tuple[str, ...]
    weights: Mapping[str, WeightFile]


def device_work(config: Config, places: tuple[str, ...]) -> DeviceWork | None:
    """Return what device processes do for a run; ``None`` where workers run their networks themselves.

    Args:
        config: of the run.
        places: from `evalkit.scoring.devices.device_places`.
    """
    if not places or not config.weights:
        return None
    return DeviceWork(OPENER, NetworkConfig(config.features, config.weights), places)


def open_networks(config: NetworkConfig, device: str) -> dict[str, Network]:
    """Open the networks of all features; return them by their keys (`evalkit.metrics.features.placement.placed`)."""
    registry = feature_registry()
    networks: dict[str, Network] = {}
    with collecting(networks):
        for name in config.features:
            kind = registry[name]
            kind(weights_of(kind.record, config.weights), device)
    return networks
