"""3.3 MB that hold two hours of 4096 x 4096, in a challenge that asks for 256 x 256 and 2.4 s."""

from __future__ import annotations

import importlib.util
import json
import sys
import types
from fractions import Fraction
from pathlib import Path

import av
import pytest

pytestmark = pytest.mark.shared
CASE = "decode-bomb"
SIZE, FRAMES = 4096, 199_000
CHALLENGE = """
id: small
title: small and short
submission:
  video: {max_seconds: 2.4, max_fps: 30, max_width: 256, max_height: 256}
metrics:
  - {id: psnr.rgb}
"""
START = b"\0\0\0\1"


def bitstream(script: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, list[bytes]]:
    """Return the stream's first access unit, parameter sets included, and the sixteen that repeat it."""
    monkeypatch.setitem(sys.modules, "box", types.ModuleType("box"))  # writes the index of an MP4; PyAV does it here
    monkeypatch.setattr(sys, "path", [*sys.path])
    spec = importlib.util.spec_from_file_location("h264bomb", script)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    blocks = (SIZE // 16) ** 2
    first = b"".join(START + unit for unit in (made.sps(SIZE, SIZE), made.pps(), made.idr(blocks)))
    return first, [START + made.pskip(number, blocks) for number in range(16)]


def write_mp4(folder: Path, first: bytes, others: list[bytes]) -> Path:
    short, path = folder / "short.h264", folder / "in" / "s1.mp4"
    short.write_bytes(first + b"".join(others[1:]))
    path.parent.mkdir()
    with av.open(str(short), format="h264") as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number in range(FRAMES):
            packet = av.Packet(others[number % 16] if number else first)
            packet.pts = packet.dts = number
            packet.time_base, packet.stream, packet.is_keyframe = Fraction(1, 25), stream, not number
            target.mux(packet)
    return path


def test_the_first_frame_is_enough_to_refuse_it(case, monkeypatch):
    path = write_mp4(case.folder, *bitstream(case.folder / "h264bomb.py", monkeypatch))
    assert path.stat().st_size < 6_000_000
    (case.folder / "ch.yaml").write_text(CHALLENGE)
    report = json.loads(case.run("validate", "in", "-c", "ch.yaml", "--json", "--quiet", code=1))
    (file,) = report["files"]
    facts = file["facts"]["video"]
    assert (facts["width"], facts["height"], facts["proof"]) == (SIZE, SIZE, "size")
    assert facts["frames"] - facts["undecoded_frames"] == 1
    assert facts["frames"] == 250 + 2 * 72
    found = {one["rule"] for one in file["findings"] if one["severity"] == "error"}
    assert {"encoding.resolution", "content.endless"} <= found
