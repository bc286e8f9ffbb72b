"""``speed.json`` of a stranger: taken as a whole, or refused with one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evalkit.errors import InputError
from evalkit.speed import hardware
from evalkit.speed.document import MOST_JSON, is_measurement, read_report
from evalkit.speed.model import MOST_SAMPLES, SampleSpeed, counted_frames, hardware_text, middle, same_hardware

MACHINE = {"processor": "EPYC  9654", "cores": 16, "memory_bytes": 128 * 2**30, "gpu": "H200"}
ROW = {"sample": "s1", "frames": 100, "clip_seconds": 4.0, "generation_seconds": 8.0}


def document(*rows: Any, **changes: Any) -> dict[str, Any]:
    return {"schema": 1, "timed": "frames", "machine": MACHINE, "samples": list(rows), **changes}


def read(content: Any) -> Any:
    return read_report(content if isinstance(content, bytes) else json.dumps(content).encode())


def test_a_file_is_read() -> None:
    full = {**ROW, "sample": "s2", "time_to_first_frame": 0.5, "end_to_end_seconds": 9, "peak_bytes": 2**30, "runs": 3}
    report = read(document(ROW, full, workers=2))
    assert report.hardware == "EPYC 9654, 16 cores, 128 GiB, H200"
    assert (report.timed, report.workers) == ("frames", 2)
    assert report.samples == {
        "s1": SampleSpeed("s1", 8.0, 100, 4.0),
        "s2": SampleSpeed("s2", 8.0, 100, 4.0, 0.5, 9.0, 2**30, 3),
    }


def test_the_seconds_of_a_whole_call_are_end_to_end() -> None:
    assert read(document(ROW, timed="call")).samples["s1"].end_to_end == 8.0
    assert read(document(ROW)).samples["s1"].end_to_end is None


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "Expecting value"),
        (b"\xff\xfe{", "no UTF-8 text"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"schema": 1, "schema": 1}', "appears twice"),
        (b"[]", "no JSON object"),
        (b" " * (MOST_JSON + 1), "more than 32 MiB"),
        ({}, "schema None, expected 1"),
        (document(ROW, schema=True), "schema True"),
        (document(ROW, samples={}), "no list 'samples'"),
        (document(*[0] * (MOST_SAMPLES + 1)), "at most 100000 samples"),
        (document("s1"), "samples[0] is no object"),
        (document(ROW, ROW), "the sample 's1' twice"),
        (document({**ROW, "sample": ""}), "no id of a sample"),
        (document({**ROW, "sample": "s" * 401}), "no id of a sample"),
        (document({**ROW, "generation_seconds": None}), "no generation_seconds"),
        (document({**ROW, "generation_seconds": "8"}), "is no number"),
        (document({**ROW, "generation_seconds": True}), "is no number"),
        (document({**ROW, "generation_seconds": 0}), "seconds 0, expected more than 0"),
        (document({**ROW, "generation_seconds": -1}), "seconds -1"),
        (document({**ROW, "generation_seconds": 1e7}), "seconds 1e+07"),
        (b'{"schema": 1, "x": 1e999}', "too large"),
        (b'{"schema": 1, "x": NaN}', "NaN is not a JSON value"),
        (document({**ROW, "generation_seconds": 10**400}), "too large"),
        (document({**ROW, "frames": 1.5}), "frames is no whole number"),
        (document({**ROW, "frames": 10**30}), "frames is no possible number"),
        (document({**ROW, "frames": 0}), "frames 0"),
        (document({**ROW, "clip_seconds": 0}), "clip_seconds 0"),
        (document({**ROW, "time_to_first_frame": 9}), "the first frame after 9 s of 8 s"),
        (document({**ROW, "runs": 0}), "runs is no possible number"),
        (document(ROW, timed="both"), "timed both"),
        (document(ROW, timed=["frames"]), "timed"),
        (document(ROW, machine="fast"), "no object 'machine'"),
        (document(ROW, machine={}), "no machine.processor"),
        (document(ROW, machine={**MACHINE, "cores": 0}), "machine.cores"),
        (document(ROW, machine={**MACHINE, "gpu": 5}), "machine.gpu"),
        (document(ROW, workers=-3), "workers is no possible number"),
    ],
)
def test_what_can_not_be_is_refused_with_the_place(content: Any, told: str) -> None:
    with pytest.raises(InputError) as raised:
        read(content)
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


def test_only_what_was_measured_says_so() -> None:
    assert is_measurement(json.dumps(document(ROW, kind="measurement")).encode())
    assert not is_measurement(json.dumps(document(ROW)).encode())
    assert not is_measurement(b"{")


def test_frames_above_the_rate_do_not_count() -> None:
    assert counted_frames(100, 4.0, 25.0) == 100
    assert counted_frames(240, 4.0, 25.0) == 100  # 60 frames/s of the same four seconds
    assert counted_frames(48, 4.0, 25.0) == 48  # 12 frames/s: nothing is added


def test_machines_in_words() -> None:
    assert hardware_text("A  B", 1, None, None) == "A B, 1 core"
    assert hardware_text("A", None, 15 * 2**30 + 2**29 + 1, "") == "A, 16 GiB"
    assert same_hardware(" EPYC\t9654, 16 Cores") == same_hardware("epyc 9654, 16 cores")
    assert same_hardware("A, 16 cores") != same_hardware("A, 8 cores")
    # A machine of which a part is unknown is like no other: empty stands for that.
    assert same_hardware("unknown processor, 16 cores") == same_hardware("A, 16 cores, Unknown GPU") == ""


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo 'A100'; echo 'A100'", "2 x A100"),
        ("echo 'No devices were found'; exit 6", "unknown gpu"),
        ("exit 0", "unknown gpu"),
    ],
)
def test_a_driver_that_names_no_gpu_is_not_taken_for_none(
    script: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(hardware, "_GPUS", tmp_path / "no driver")
    assert hardware.machine()["gpu"] == expected


def test_the_median_of_what_is_known() -> None:
    assert middle([3.0, None, 1.0, 2.0, 10.0]) == 2.5
    assert middle([None]) is None
