"""Random states of the caller: whatever a generator draws, the training goes on as if nothing had been drawn."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np


@contextmanager
def kept_random_states() -> Iterator[None]:
    """Put the random states of Python, NumPy and PyTorch (all started GPUs too) back at the end of the block.

    PyTorch is left alone where nobody has imported it.
    """
    with ExitStack() as stack:
        stack.callback(random.setstate, random.getstate())
        stack.callback(np.random.set_state, np.random.get_state())
        if "torch" in sys.modules:
            import torch

            cuda: Any = torch.cuda
            started = cuda.is_available() and cuda.is_initialized()
            devices = list(range(torch.cuda.device_count())) if started else []
            stack.enter_context(torch.random.fork_rng(devices=devices))
        yield


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and PyTorch (all started GPUs too) with a number of up to 64 bits."""
    random.seed(seed)
    np.random.seed(seed % (1 << 32))
    if "torch" in sys.modules:
        import torch

        torch.default_generator.manual_seed(seed % (1 << 63))
        cuda: Any = torch.cuda
        if cuda.is_available() and cuda.is_initialized():  # else the seed would wait there for the caller's first use
            cuda.manual_seed_all(seed % (1 << 63))
