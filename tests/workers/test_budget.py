"""Dividing a budget of memory over the parent and the workers."""

from __future__ import annotations

import pytest

from evalkit.errors import UsageError
from evalkit.metrics.sync.frame_store import MEMORY
from evalkit.workers import budget
from evalkit.workers.budget import divide_memory, parse_memory
from evalkit.workers.sandbox import Limits

GIB = 1 << 30
MIB = 1 << 20


@pytest.mark.parametrize(
    ("text", "size"),
    [("8G", 8 * GIB), ("8 GiB", 8 * GIB), ("1.5g", 3 * GIB // 2), ("800M", 800 * MIB), ("4096", 4096), (4096, 4096),
     ("1T", 1024 * GIB), ("512k", 512 << 10)],
)  # fmt: skip
def test_sizes(text: str | int, size: int) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "8X", "-8G", "0", "0G", 0, -1, True, "G", "1e9", "8G\x1b[31m", "8" * 40])
def test_what_is_no_size_is_refused(text: str | int) -> None:
    with pytest.raises(UsageError, match="not a size") as refused:
        parse_memory(text)
    assert "\x1b" not in str(refused.value)


@pytest.mark.parametrize("weights", [0, 5 * MIB, 3 * GIB])
@pytest.mark.parametrize("total", [9 * GIB, 10 * GIB, 17 * GIB, 64 * GIB, 500 * GIB])
@pytest.mark.parametrize("cores", [1, 2, 16])
def test_the_parts_are_no_more_than_the_whole(weights: int, total: int, cores: int) -> None:
    plan = divide_memory(total, None, cores, weights)
    assert budget.PARENT + plan.workers * (plan.worker_bytes + plan.job_bytes) <= total
    assert 1 <= plan.workers <= cores
    assert budget.LEAST_JOB <= plan.job_bytes <= Limits.memory_bytes
    assert plan.frame_bytes <= plan.job_bytes / 8
    if plan.workers < cores:  # one more would not fit
        assert budget.PARENT + (plan.workers + 1) * (plan.worker_bytes + budget.LEAST_JOB) > total


def test_with_plenty_everything_is_as_without_a_budget() -> None:
    plan = divide_memory(1000 * GIB, None, 8, 100 * MIB)
    assert (plan.workers, plan.job_bytes, plan.frame_bytes) == (8, Limits.memory_bytes, MEMORY)


def test_by_hand() -> None:
    # 512 MiB for the parent; a worker that only checks holds 128 MiB; 7.5 GiB / 3 - 128 MiB = 2432 MiB for a video.
    plan = divide_memory(8 * GIB, 3, 16, 0)
    assert (plan.workers, plan.job_bytes, plan.frame_bytes) == (3, 2432 * MIB, 304 * MIB)
    assert plan.text() == "memory 8 GiB: 512 MiB for evalkit itself, 3 workers of up to 2.5 GiB (frames kept: 304 MiB)"


def test_with_device_processes_by_hand() -> None:
    # Two processes of 384 MiB and twice 1 GiB; a worker with 384 MiB and two windows of 256 MiB.
    # 16384 - 512 - 2 * 2432 = 11008 MiB for workers of at least 896 + 1536 MiB: four, with 2752 - 896 for a video.
    plan = divide_memory(16 * GIB, None, 16, GIB, devices=2)
    assert (plan.workers, plan.worker_bytes, plan.job_bytes) == (4, 896 * MIB, 1856 * MIB)
    assert "2 x 2.38 GiB for GPUs' processes, 4 workers of up to" in plan.text()
    with pytest.raises(UsageError, match=r"2\.38 GiB for each of 2 GPUs' processes") as refused:
        divide_memory(7 * GIB, None, 16, GIB, devices=2)
    assert refused.value.expected is not None
    assert refused.value.expected.startswith("at least 7.63 GiB")  # 512 + 4864 + 2432 MiB
    assert divide_memory(8 * GIB, 3, 16, 0, devices=2) == divide_memory(8 * GIB, 3, 16, 0)  # nothing to run there


@pytest.mark.parametrize("asked", [None, 1, 4])
def test_too_little_names_the_least(asked: int | None) -> None:
    with pytest.raises(UsageError, match="at least") as refused:
        divide_memory(GIB, asked, 8, 0)
    least = str(refused.value).split("at least ")[1].split(":")[0]
    assert ("fewer --workers" in str(refused.value)) == (asked == 4)
    assert divide_memory(parse_memory(least), asked, 8, 0).workers == (asked or 1)


def test_too_little_says_how_much_was_given() -> None:
    """Of a number without a unit the user sees that it was taken for bytes."""
    with pytest.raises(UsageError) as refused:
        divide_memory(parse_memory("8"), None, 8, 0)
    assert refused.value.found == "8 bytes"
    with pytest.raises(UsageError) as refused:
        divide_memory(parse_memory("100M"), None, 8, 0)
    assert refused.value.found == "100 MiB"
