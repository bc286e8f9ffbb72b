"""S3FD and SyncNet, built once per process however many features use them; loads PyTorch."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import MachineError
from evalkit.metrics.features.base import WeightFile

if TYPE_CHECKING:
    from evalkit.metrics.features.networks.s3fd import S3fd
    from evalkit.metrics.features.networks.syncnet import SyncNet

DETECTOR = "sync_detector"
NETWORK = "syncnet"
PRECISION = "float32 without TF32, unless the backbones' option 'precision' of a role says otherwise"


def open_detector(file: WeightFile, device: str) -> S3fd:
    """Return S3FD with the file's weights, in the precision that its options ask for."""
    return _detector(file.path, file.sha256, device, _precision(file))


def open_syncnet(file: WeightFile, device: str) -> SyncNet:
    """Return SyncNet with the file's weights, in the precision that its options ask for."""
    return _syncnet(file.path, file.sha256, device, _precision(file))


def _precision(file: WeightFile) -> Any:
    try:
        from evalkit.metrics.features.networks.checkpoints import precision_of
    except ImportError as error:
        raise MachineError("SyncNet needs PyTorch.", found=str(error), fix="Install torch 2.") from None
    return precision_of(file.options)


@lru_cache(maxsize=2)
def _detector(path: Path, sha256: str, device: str, precision: Any) -> S3fd:
    from evalkit.metrics.features.networks.s3fd import S3fd

    del sha256  # part of the key: another file under the same name is another network
    return S3fd(path, device, precision)


@lru_cache(maxsize=2)
def _syncnet(path: Path, sha256: str, device: str, precision: Any) -> SyncNet:
    from evalkit.metrics.features.networks.syncnet import SyncNet

    del sha256
    return SyncNet(path, device, precision)
