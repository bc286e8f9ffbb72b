"""Read a ``speed.json`` of strangers: strictly, within bounds, and completely or not at all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from evalkit.errors import InputError
from evalkit.jsonio import parse_json
from evalkit.speed.model import (
    HARDWARE_LENGTH,
    MOST_SAMPLES,
    SAMPLE_LENGTH,
    TIMED,
    SampleSpeed,
    SpeedReport,
    Timed,
    hardware_text,
)
from evalkit.text import escape_for_display

SPEED_SCHEMA = 1
MEASUREMENT = "measurement"
MOST_JSON = 32 << 20  # bytes
_MOST_CORES, _MOST_WORKERS, _MOST_RUNS = 1 << 20, 10_000, 1_000


def read_report(data: bytes, name: str = "speed.json") -> SpeedReport:
    """Return the measurements that a ``speed.json`` holds.

    Args:
        data: the file.
        name: what messages call it.

    Raises:
        InputError: when it is too large, not JSON, of another form, or holds an impossible number.
    """
    try:
        return _report(_document(data))
    except ValueError as error:
        raise InputError(
            f"{name} can't be used.",
            found=str(error),
            fix="Write it as 'evalkit baseline run' or 'evalkit speed measure' does.",
        ) from None


def is_measurement(data: bytes) -> bool:
    """Whether the file is a measurement by the organizer; ``False`` for one that can't be read."""
    try:
        return _document(data).get("kind") == MEASUREMENT
    except ValueError:
        return False


def _document(data: bytes) -> dict[str, Any]:
    if len(data) > MOST_JSON:
        raise ValueError(f"more than {MOST_JSON >> 20} MiB")
    try:
        document = parse_json(data.decode("utf-8"), finite=True)
    except UnicodeDecodeError:
        raise ValueError("no UTF-8 text") from None
    if not isinstance(document, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - one kind of error for the caller
    return document


def _report(document: Mapping[str, Any]) -> SpeedReport:
    if document.get("schema") != SPEED_SCHEMA or isinstance(document.get("schema"), bool):
        raise ValueError(f"schema {_shown(document.get('schema'))}, expected {SPEED_SCHEMA}")
    rows = document.get("samples")
    if not isinstance(rows, list) or len(rows) > MOST_SAMPLES:
        raise ValueError(f"no list 'samples' of at most {MOST_SAMPLES} samples")
    timed = _timed(document)
    samples: dict[str, SampleSpeed] = {}
    for at, row in enumerate(rows):
        if not isinstance(row, dict):
            raise ValueError(f"samples[{at}] is no object")  # noqa: TRY004
        one = _sample(row, f"samples[{at}]", timed)
        if one.sample in samples:
            raise ValueError(f"the sample '{_shown(one.sample)}' twice")
        samples[one.sample] = one
    workers = _whole(document, "workers", "", _MOST_WORKERS) or 1
    return SpeedReport(_hardware(document.get("machine")), timed, samples, workers)


def _timed(document: Mapping[str, Any]) -> Timed:
    timed = document.get("timed")
    if not isinstance(timed, str) or timed not in TIMED:
        raise ValueError(f"timed {_shown(timed)}, expected 'frames' or 'call'")
    return timed


def _hardware(machine: Any) -> str:
    if not isinstance(machine, dict):
        raise ValueError("no object 'machine'")  # noqa: TRY004
    processor, gpu = machine.get("processor"), machine.get("gpu")
    if not isinstance(processor, str) or not processor.strip() or len(processor) > HARDWARE_LENGTH:
        raise ValueError("no machine.processor")
    if gpu is not None and (not isinstance(gpu, str) or len(gpu) > HARDWARE_LENGTH):
        raise ValueError("a machine.gpu that is no name")
    cores = _whole(machine, "cores", "machine.", _MOST_CORES)
    memory = _whole(machine, "memory_bytes", "machine.", 1 << 60)
    return hardware_text(processor, cores, memory, gpu)


def _sample(row: Mapping[str, Any], where: str, timed: Timed) -> SampleSpeed:
    sample = row.get("sample")
    if not isinstance(sample, str) or not sample or len(sample) > SAMPLE_LENGTH:
        raise ValueError(f"{where}.sample is no id of a sample")
    seconds = _number(row, "generation_seconds", where)
    if seconds is None:
        raise ValueError(f"{where} has no generation_seconds")
    end_to_end = _number(row, "end_to_end_seconds", where)
    one = SampleSpeed(
        sample,
        seconds,
        _whole(row, "frames", f"{where}."),
        _number(row, "clip_seconds", where),
        _number(row, "time_to_first_frame", where),
        seconds if end_to_end is None and timed == "call" else end_to_end,
        _whole(row, "peak_bytes", f"{where}."),
        _whole(row, "runs", f"{where}.", _MOST_RUNS) or 1,
    )
    fault = one.fault()
    if fault is not None:
        raise ValueError(f"{where}: {fault}")
    return one


def _number(row: Mapping[str, Any], key: str, where: str) -> float | None:
    value = row.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{where}.{key} is no number")  # noqa: TRY004
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{where}.{key} is too large")
    return number


def _whole(row: Mapping[str, Any], key: str, where: str, most: int | None = None) -> int | None:
    value = row.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{where}{key} is no whole number")  # noqa: TRY004
    if value.bit_length() > 63 or (most is not None and not 1 <= value <= most):
        raise ValueError(f"{where}{key} is no possible number")
    return value


def _shown(value: Any) -> str:
    return escape_for_display(str(value)[:80], limit=60)
