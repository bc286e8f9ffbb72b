"""A measurement leaves the process as it found it."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

# What a caller may have set, as code: each runs in a process of its own, because PyTorch can't take all of it back.
CHOICES = {
    "nothing": "pass",
    "matmul precision": "torch.set_float32_matmul_precision('medium')",
    "TF32": "torch.backends.cuda.matmul.allow_tf32 = True; torch.backends.cudnn.allow_tf32 = False",
    "newer names": "torch.backends.cuda.matmul.fp32_precision = 'tf32'",
    "newer name for all": "torch.backends.fp32_precision = 'tf32'",
    "bfloat16 on the processor": "torch.backends.mkldnn.matmul.fp32_precision = 'bf16'",
    "the rest": (
        "torch.set_default_dtype(torch.float64); torch.use_deterministic_algorithms(True, warn_only=True); "
        "torch.set_num_threads(2); torch.set_default_device('meta'); torch.backends.cudnn.benchmark = True; "
        "torch.backends.cudnn.deterministic = False; cv2.setNumThreads(2)"
    ),
}
PROGRAM = """
import random, cv2, numpy as np, torch
from evalkit.arrays.torch_state import own_settings

def told(read):
    try:
        return read()
    except RuntimeError:  # PyTorch does not say after a mix of its older and newer names
        return "refused"

def state():
    b = torch.backends
    return [
        told(lambda: b.cuda.matmul.allow_tf32), told(lambda: b.cudnn.allow_tf32),
        told(torch.get_float32_matmul_precision), b.fp32_precision, b.cuda.matmul.fp32_precision,
        b.cudnn.fp32_precision, b.cudnn.conv.fp32_precision, b.cudnn.rnn.fp32_precision,
        b.mkldnn.matmul.fp32_precision, b.mkldnn.conv.fp32_precision, b.mkldnn.rnn.fp32_precision,
        torch.get_num_threads(), cv2.getNumThreads(), torch.get_default_dtype(), torch.get_default_device(),
        torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled(),
        b.cudnn.benchmark, b.cudnn.deterministic, torch.is_grad_enabled(), torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"), torch.get_rng_state().tolist(), random.getstate(),
        np.random.get_state()[1].tolist(),
    ]

CHOICE
before = state()
with own_settings("cpu", 1):
    torch.rand(3); random.random(); np.random.rand()
    made = torch.zeros(2) + 1
    assert (made.dtype, made.device.type, torch.get_num_threads()) == (torch.float32, "cpu", 1)
    assert torch.backends.mkldnn.matmul.fp32_precision == torch.backends.cudnn.conv.fp32_precision == "ieee"
    assert not torch.backends.cuda.matmul.allow_tf32 and not torch.backends.cudnn.allow_tf32
    assert torch.get_float32_matmul_precision() == "highest"
    assert not torch.are_deterministic_algorithms_enabled() and torch.backends.cudnn.deterministic
assert state() == before, [(a, b) for a, b in zip(before, state()) if a != b]
"""


@pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES.keys())
def test_what_the_caller_chose_is_there_again(choice: str) -> None:
    program = PROGRAM.replace("CHOICE", choice)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _state() -> tuple[Any, ...]:
    import torch

    return (
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.get_num_threads(),
        torch.get_rng_state().tolist(),
        random.getstate(),
        np.random.get_state()[1].tolist(),
    )


def test_settings_come_back_after_an_error_and_inside_of_a_training_step() -> None:
    import torch

    from evalkit.arrays.torch_state import own_settings

    with torch.autocast("cpu", dtype=torch.bfloat16), torch.inference_mode():
        before = _state()
        with pytest.raises(ValueError, match="inside"), own_settings("cpu", 1):
            assert not torch.is_autocast_enabled("cpu")
            assert not torch.is_inference_mode_enabled()
            assert not torch.is_grad_enabled()
            torch.rand(5)
            raise ValueError("inside")
        assert _state() == before
