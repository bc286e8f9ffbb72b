"""A Gradio app as a generator, against a server on loopback that speaks Gradio's HTTP interface.

Its answers have the form of those of Gradio 6.31, and it keeps files as that does: a call knows only what was uploaded,
and a file is only served where the call's answer said.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from evalkit.errors import UsageError
from evalkit.media.encode import write_video
from evalkit.reference_models.generation.measuring import ProbeConfig, SpeedProbe, TimedRun
from evalkit.reference_models.generation.requests import RequestBuilder
from evalkit.reference_models.generators import gradio_demo, http_exchange
from evalkit.testsets.model import Sample, TestSet

FRAMES, SECONDS = 10, 4.0
PLACE, MADE = "/tmp/gradio/1a2b/files.png", "/tmp/gradio/3c4d/made video.mp4"
FILE = {"path": MADE, "url": "http://192.0.2.1/elsewhere", "orig_name": "made video.mp4"}
PARAMETERS = [
    {"parameter_name": "photo", "component": "Image", "parameter_has_default": False},
    {"parameter_name": "prompt", "component": "Textbox", "parameter_has_default": False},
    {"parameter_name": "seed", "component": "Number", "parameter_has_default": True, "parameter_default": 7},
    {"parameter_name": "steps", "component": "Slider", "parameter_has_default": True, "parameter_default": 30},
]


@dataclass
class App:
    """What the app answers, and what it was sent."""

    clip: bytes
    advance: Any = lambda seconds: None
    config: Any = field(default_factory=lambda: {"version": "6.31.0", "api_prefix": "/gradio_api"})
    parameters: Any = field(default_factory=lambda: list(PARAMETERS))
    queued: Any = field(default_factory=lambda: {"event_id": "e1"})
    stream: bytes = b"event: heartbeat\ndata: null\n\nevent: generating\ndata: [null]\n\n"
    data: Any = field(default_factory=lambda: [{"video": FILE, "subtitles": None}])
    asked: list[str] = field(default_factory=list)
    uploads: list[bytes] = field(default_factory=list)
    calls: list[Any] = field(default_factory=list)

    def answer(self, target: str, body: bytes) -> bytes | int:
        self.asked.append(target)
        root = "/demo/gradio_api"
        if target == "/demo/config":
            return json.dumps(self.config).encode()
        if target == f"{root}/info":
            return json.dumps({"named_endpoints": {"/generate": {"parameters": self.parameters}}}).encode()
        if target == f"{root}/upload":
            self.uploads.append(body)
            return json.dumps([PLACE]).encode()
        if target == f"{root}/call/generate":
            self.calls.append(json.loads(body)["data"])
            self.advance(SECONDS)
            return json.dumps(self.queued).encode()
        if target == f"{root}/call/generate/e1":
            return self.stream + b"event: complete\ndata: " + json.dumps(self.data).encode() + b"\n\n"
        if target == f"{root}/file=/tmp/gradio/3c4d/made%20video.mp4":
            return self.clip
        return 404


@contextmanager
def served(app: App) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = app.answer(self.path, self.rfile.read(int(self.headers.get("Content-Length", 0))))
            body = found if isinstance(found, bytes) else b"not here"
            self.send_response(200 if isinstance(found, bytes) else found)
            if "/call/generate/" not in self.path:  # a stream has no length
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/demo/"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_video(path, [np.full((64, 64, 3), level, np.uint8) for level in range(0, 10 * FRAMES, 10)], 25)
    return path.read_bytes()


@pytest.fixture
def testset(tmp_path: Path) -> TestSet:
    Image.new("RGB", (64, 64)).save(tmp_path / "face.png")
    return TestSet(tmp_path, (Sample(id="s1", text="hello", reference_images=("face.png",)),))


def measured(app: App, testset: TestSet, folder: Path, runs: int = 1, **options: Any) -> list[TimedRun]:
    """Return timed runs by a clock that only the app moves on."""
    now = [0.0]
    app.advance = lambda seconds: now.__setitem__(0, now[0] + seconds)
    with served(app) as address:
        given = {"address": address, "endpoint": "generate", **options}
        config = ProbeConfig("gradio", given, RequestBuilder(testset, None, 0), folder, str(folder))
        probe = SpeedProbe(config, lambda: now[0])
        return [probe((0, run)) for run in range(runs)]


def failure(app: App, testset: TestSet, folder: Path, **options: Any) -> str:
    (run,) = measured(app, testset, folder, **options)
    assert run.failure
    assert "\x1b" not in run.failure
    return run.failure


def test_an_app_has_the_planted_speed(clip: bytes, testset: TestSet, tmp_path: Path) -> None:
    app = App(clip)
    runs = measured(app, testset, tmp_path, 2)
    assert [(run.failure, run.seconds, run.frames, run.whole) for run in runs] == [(None, SECONDS, FRAMES, True)] * 2
    assert app.asked.count("/demo/config") == app.asked.count("/demo/gradio_api/info") == 1
    photo = {"path": PLACE, "orig_name": "image.png", "meta": {"_type": "gradio.FileData"}}
    assert [call[:2] + call[3:] for call in app.calls] == [[photo, "hello", 30]] * 2
    assert all(isinstance(call[2], int) and call[2] != 7 for call in app.calls)  # evalkit's seed
    assert (testset.root / "face.png").read_bytes() in app.uploads[0]
    assert b'name="files"; filename="files.png"' in app.uploads[0]


def test_an_app_without_a_prefix_and_with_other_names_for_its_inputs(
    clip: bytes, testset: TestSet, tmp_path: Path
) -> None:
    app = App(clip, parameters=[{"parameter_name": "what_to_say", "component": "Textbox"}])
    app.data = [[{"path": MADE}]]
    plain = app.answer
    app.config = {}

    def without_prefix(target: str, body: bytes) -> bytes | int:
        return plain(target if target == "/demo/config" else target.replace("/demo/", "/demo/gradio_api/"), body)

    app.answer = without_prefix  # type: ignore[method-assign]
    (run,) = measured(app, testset, tmp_path)
    assert (run.failure, app.calls) == (None, [["hello"]])


def test_what_no_input_fits_is_named(clip: bytes, testset: TestSet, tmp_path: Path) -> None:
    app = App(clip, parameters=[{"parameter_name": "driving\x1b[31m", "component": "Video"}])
    assert r"fits the parameter 'driving\x1b[31m'" in failure(app, testset, tmp_path)
    app = App(clip, parameters=[{"parameter_name": "speech", "component": "Audio"}])
    assert "fits the parameter 'speech'" in failure(app, testset, tmp_path)  # the sample has none


def test_an_unknown_endpoint_names_those_that_are_there(clip: bytes, testset: TestSet, tmp_path: Path) -> None:
    told = failure(App(clip), testset, tmp_path, endpoint="generat")
    assert "no endpoint '/generat'. Did you mean '/generate'?" in told


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"config": ["no app"]}, "does not answer as a Gradio app does"),
        ({"config": {"api_prefix": 3}}, "does not answer as a Gradio app does"),
        ({"parameters": 5}, "does not answer as a Gradio app does"),
        ({"queued": {"event": 1}}, "Found {'event': 1}"),
        ({"queued": {"event_id": "../../e2"}}, "status 404"),
        ({"data": [None]}, "expected a video"),
        ({"data": [{"path": "/etc/passwd"}]}, "status 404"),
        ({"data": [{"url": "http://192.0.2.1/v.mp4"}]}, "expected a video"),
        ({"stream": b'event: error\ndata: "out of\x1b[31m memory"\n\n'}, r"reports an error. Found"),
        ({"stream": b"event: complete\ndata: {" + b"\n\n"}, "does not answer as a Gradio app does"),
    ],
    ids=range(10),
)
def test_an_app_that_misbehaves_costs_the_sample(
    changes: dict[str, Any], told: str, clip: bytes, testset: TestSet, tmp_path: Path
) -> None:
    assert told in failure(App(clip, **changes), testset, tmp_path)


def test_events_that_are_too_deep_or_too_long(
    clip: bytes, testset: TestSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = App(clip, stream=b"event: complete\ndata: " + b"[" * 100_000 + b"\n\n")
    assert "does not answer as a Gradio app does" in failure(deep, testset, tmp_path)
    monkeypatch.setattr(gradio_demo, "_MOST_JSON", 3000)
    assert "too large" in failure(App(clip, stream=b"\xff" * 3000 + b"\n"), testset, tmp_path)


def test_a_video_that_is_too_large_and_a_stream_that_breaks_off(
    clip: bytes, testset: TestSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = App(clip)
    plain = app.answer

    def cut(target: str, body: bytes) -> bytes | int:
        return app.stream if target.endswith("/e1") else plain(target, body)

    app.answer = cut  # type: ignore[method-assign]
    assert "stream that ends before the call does" in failure(app, testset, tmp_path)
    monkeypatch.setattr(http_exchange, "MOST_ANSWER", 100)
    assert f"too large. Found {len(clip)} bytes" in failure(App(clip), testset, tmp_path)


def test_what_is_no_address_of_an_app_is_refused(clip: bytes, testset: TestSet, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no address of a web service"):
        measured(App(clip), testset, tmp_path, address="file:///etc/passwd")
