"""Measuring speed: the arithmetic on a planted clock, warm-ups, failures, and web services that misbehave.

The clock of these tests is a file: a generator that takes four seconds writes them there. So the numbers are exact
however busy the machine is.
"""

from __future__ import annotations

import json
import resource
import shlex
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evalkit.errors import InputError, UsageError
from evalkit.media.encode import write_video
from evalkit.reference_models.generation.measuring import ProbeConfig, SpeedProbe, TimedRun, measure_speed, summarise
from evalkit.reference_models.generation.requests import RequestBuilder
from evalkit.reference_models.generators import http_exchange
from evalkit.speed.document import is_measurement, read_report
from evalkit.testsets.model import Sample, TestSet

FRAMES, SECONDS = 10, 4.0  # 10 frames of 25 frames/s


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_video(path, [np.full((64, 64, 3), level, np.uint8) for level in range(0, 10 * FRAMES, 10)], 25)
    return path


@pytest.fixture
def testset(tmp_path: Path) -> TestSet:
    return TestSet(tmp_path, (Sample(id="s1", text="a"), Sample(id="s2", text="b")))


class Clock:
    """Seconds in a file, which other processes can move on."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "clock"
        self.file.write_text("0")

    def __call__(self) -> float:
        return float(self.file.read_text())

    def advance(self, seconds: float) -> None:
        self.file.write_text(str(self() + seconds))


def probe(kind: str, testset: TestSet, folder: Path, clock: Clock, **options: Any) -> SpeedProbe:
    config = ProbeConfig(kind, options, RequestBuilder(testset, None, 0), folder, str(folder))
    return SpeedProbe(config, clock)


def measured(testset: TestSet, runs: list[TimedRun], **changes: Any) -> dict[str, Any]:
    given = {"generator": {}, "warm_ups": 0, "repeats": 1, "frame_rate": 25.0, "machine": {"processor": "A"}, **changes}
    return summarise(testset, {0: runs}, **given).document


def test_a_slow_command_has_the_planted_speed(clip: Path, testset: TestSet, tmp_path: Path) -> None:
    clock = Clock(tmp_path)
    script = tmp_path / "slow.py"
    script.write_text(
        "import shutil, sys\nfrom pathlib import Path\n"
        f"clock = Path({str(clock.file)!r})\n"
        f"clock.write_text(str(float(clock.read_text()) + {SECONDS}))\n"
        f"shutil.copy({str(clip)!r}, sys.argv[1])\n"
    )
    line = f"{shlex.quote(sys.executable)} -S {shlex.quote(str(script))} {{output}}"
    run = probe("command", testset, tmp_path, clock, line=line)((0, 0))
    assert (run.failure, run.seconds, run.end_to_end, run.frames, run.whole) == (None, SECONDS, SECONDS, FRAMES, True)
    assert run.peak_bytes is None  # less than this process
    summary = measured(testset, [run])["summary"]
    assert summary["speed.fps"]["median"] == FRAMES / SECONDS
    assert summary["speed.rtf"]["median"] == SECONDS / 0.4
    assert summary["speed.e2e"]["median"] == SECONDS / 0.4
    assert summary["speed.ttff"]["median"] is None


def test_the_memory_of_a_command_is_its_own(clip: Path, testset: TestSet, tmp_path: Path) -> None:
    own = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    held = own + 2**26
    script = tmp_path / "large.py"
    script.write_text(f"import shutil, sys\nheld = b'1' * {held}\nshutil.copy({str(clip)!r}, sys.argv[1])\n")
    line = f"{shlex.quote(sys.executable)} -S {shlex.quote(str(script))} {{output}}"
    run = probe("command", testset, tmp_path, Clock(tmp_path), line=line)((0, 0))
    assert run.peak_bytes is not None
    assert held < run.peak_bytes < held + 2**26


def test_a_function_is_timed_without_encoding(testset: TestSet, tmp_path: Path) -> None:
    clock = Clock(tmp_path)
    (tmp_path / "planted_model.py").write_text(
        "from pathlib import Path\nimport numpy as np\n"
        "from evalkit.reference_models.generators.base import GeneratedClip\n"
        f"clock = Path({str(clock.file)!r})\n"
        "def generate(request):\n"
        "    def frames():\n"
        f"        for _ in range({FRAMES}):\n"
        "            clock.write_text(str(float(clock.read_text()) + 0.5))\n"
        "            yield np.zeros((64, 64, 3), np.uint8)\n"
        "    return GeneratedClip(frames(), 25)\n"
    )
    run = probe("callable", testset, tmp_path, clock, function="planted_model:generate")((0, 0))
    sys.modules.pop("planted_model")
    assert (run.failure, run.seconds, run.first_frame, run.whole) == (None, 5.0, 0.5, False)
    assert measured(testset, [run])["timed"] == "frames"
    assert measured(testset, [run])["summary"]["speed.fps"]["median"] == FRAMES / 5.0


@contextmanager
def service(answer: Callable[[BaseHTTPRequestHandler, bytes], None]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            answer(self, self.rfile.read(int(self.headers["Content-Length"])))

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/generate"
    finally:
        server.shutdown()
        server.server_close()


def reply(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content_Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def test_a_web_service_has_the_planted_speed(clip: Path, testset: TestSet, tmp_path: Path) -> None:
    clock, forms = Clock(tmp_path), []
    image = tmp_path / "face.png"
    image.write_bytes(b"a picture\r\n--")
    from PIL import Image

    Image.new("RGB", (64, 64)).save(image)
    one = TestSet(tmp_path, (Sample(id="s1", text="hello", reference_images=("face.png",)),))

    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        forms.append(body)
        clock.advance(SECONDS)
        reply(handler, clip.read_bytes(), Content_Type="video/mp4")

    with service(answer) as address:
        run = probe("url", one, tmp_path, clock, address=address)((0, 0))
    assert (run.failure, run.seconds, run.frames, run.peak_bytes) == (None, SECONDS, FRAMES, None)
    assert measured(testset, [run])["summary"]["speed.fps"]["median"] == FRAMES / SECONDS
    assert image.read_bytes() in forms[0]
    assert b'name="text"\r\n\r\nhello\r\n' in forms[0]
    assert b'name="audio"' not in forms[0]  # the sample has none


def _redirect(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    reply(handler, b"", 302, Location="http://192.0.2.1/elsewhere")


def _fail(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    reply(handler, b"out of\x1b[31m memory\n" * 1000, 500)


def _empty(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    reply(handler, b"")


def _text(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    reply(handler, b"no video")


def _cut(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    reply(handler, b"abc", Content_Length="1000")


def _large(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    reply(handler, b"x" * 5000)


def _endless(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5000)


def _garbage(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    handler.wfile.write(b"\x00\xffnonsense\r\n\r\n")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (_redirect, "no redirect is followed. Found http://192.0.2.1/elsewhere"),
        (_fail, r"status 500: out of\x1b[31m memory"),
        (_empty, "The answer is empty"),
        (_text, ""),
        (_cut, "cut off"),
        (_large, "too large. Found 5000 bytes"),
        (_endless, "too large. Found more than 4000 bytes"),
        (_garbage, "does not answer"),
    ],
)
def test_a_web_service_that_misbehaves_costs_the_sample(
    answer: Any, told: str, testset: TestSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_exchange, "MOST_ANSWER", 4000)
    with service(answer) as address:
        run = probe("url", testset, tmp_path, Clock(tmp_path), address=address)((0, 0))
    assert run.failure
    assert told in run.failure
    assert "\x1b" not in run.failure


def test_nobody_listens(testset: TestSet, tmp_path: Path) -> None:
    with service(_empty) as address:
        pass
    run = probe("url", testset, tmp_path, Clock(tmp_path), address=address)((0, 0))
    assert "does not answer" in str(run.failure)


@pytest.mark.parametrize(
    "address",
    ["", "file:///etc/passwd", "ftp://a/b", "http://", "http://u:p@a/", "http://a:0/", "http://a:b/", "http://a/ b"],
)
def test_what_is_no_address_is_refused(address: str, testset: TestSet, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no address of a web service"):
        probe("url", testset, tmp_path, Clock(tmp_path), address=address)


def run(seconds: float, **changes: Any) -> TimedRun:
    return TimedRun(**{"seconds": seconds, "frames": 100, "clip_seconds": 4.0, "end_to_end": seconds + 1, **changes})


def test_medians_of_runs_and_quartiles_of_samples(testset: TestSet) -> None:
    found = {0: [run(2.0, whole=False), run(50.0, whole=False), run(4.0, whole=False)], 1: [run(8.0, whole=False)] * 3}
    rules = {"generator": {}, "warm_ups": 1, "repeats": 3, "frame_rate": 25.0, "machine": {"processor": "A"}}
    document = summarise(testset, found, **rules).document
    assert [row["generation_seconds"] for row in document["samples"]] == [4.0, 8.0]
    assert document["samples"][0]["seconds_of_runs"] == [2.0, 50.0, 4.0]
    # 100 frames in 4 s and in 8 s: 25 and 12.5 frames/s; quartiles at a quarter of the way between two values
    assert document["summary"]["speed.fps"] == {"median": 18.75, "q25": 15.625, "q75": 21.875}
    report = read_report(json.dumps(document).encode())
    assert (report.hardware, report.timed, report.samples["s1"].runs) == ("A", "frames", 3)
    assert is_measurement(json.dumps(document).encode())


def test_doubled_frames_are_not_measured_as_speed(testset: TestSet) -> None:
    plain = measured(testset, [run(8.0)])["summary"]["speed.fps"]
    assert measured(testset, [run(8.0, frames=200)])["summary"]["speed.fps"] == plain
    assert measured(testset, [run(8.0, frames=200)], frame_rate=50.0)["summary"]["speed.fps"]["median"] > 20


def test_one_run_that_is_timed_as_a_whole_makes_all_so(testset: TestSet) -> None:
    found = {0: [run(4.0, whole=False)], 1: [run(8.0, end_to_end=8.0)]}
    rules = {"generator": {}, "warm_ups": 1, "repeats": 1, "frame_rate": 25.0, "machine": {"processor": "A"}}
    document = summarise(testset, found, **rules).document
    assert document["timed"] == "call"
    assert [row["generation_seconds"] for row in document["samples"]] == [5.0, 8.0]


def test_a_sample_with_a_failed_run_is_named(testset: TestSet) -> None:
    rules = {"generator": {}, "warm_ups": 1, "repeats": 2, "frame_rate": 25.0, "machine": {"processor": "A"}}
    done = summarise(testset, {0: [run(4.0)] * 2, 1: [run(4.0), TimedRun(failure="It broke.")]}, **rules)
    assert [row["sample"] for row in done.document["samples"]] == ["s1"]
    assert done.failures == {"s2": "It broke."}
    with pytest.raises(InputError, match=r"No sample could be measured\. Found s1: It was not run\."):
        summarise(testset, {}, **rules)


def test_warm_ups_and_repeats_run_in_one_process(testset: TestSet, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "counting_model.py").write_text(
        "import os\nfrom pathlib import Path\nimport numpy as np\n"
        "from evalkit.reference_models.generators.base import GeneratedClip\n"
        "def generate(request):\n"
        f"    with Path({str(tmp_path / 'calls')!r}).open('a') as stream:\n"
        "        stream.write(f'{request.sample} {os.getpid()}\\n')\n"
        "    return GeneratedClip([np.zeros((64, 64, 3), np.uint8)] * 5, 25)\n"
    )
    monkeypatch.chdir(tmp_path)
    ticks: list[int] = []
    done = measure_speed(
        "callable",
        {"function": "counting_model:generate"},
        RequestBuilder(testset, None, 0),
        warm_ups=1,
        repeats=2,
        advance=lambda: ticks.append(1),
    )
    calls = [line.split() for line in (tmp_path / "calls").read_text().splitlines()]
    assert [sample for sample, _ in calls] == ["s1", "s1", "s1", "s2", "s2"]
    assert len({process for _, process in calls}) == 1
    assert len(ticks) == 5
    assert [(row["sample"], row["runs"]) for row in done.document["samples"]] == [("s1", 2), ("s2", 2)]
    assert done.document["machine"]["cores"] >= 1
    assert done.document["machine"]["processor"]
