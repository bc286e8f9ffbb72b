"""A Gradio app as a generator: one of its endpoints is sent a sample's inputs and answers with a video.

Gradio's HTTP interface is spoken directly, https://www.gradio.app/guides/querying-gradio-apps-with-curl: the official
client follows redirects and proxies, and brings a dozen packages. Gradio 5 and 6 and what serves the same interface.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from evalkit.errors import did_you_mean
from evalkit.jsonio import parse_json
from evalkit.reference_models.generators.base import (
    GenerationError,
    GenerationRequest,
    Generator,
    GeneratorOption,
    GeneratorRecord,
)
from evalkit.reference_models.generators.http_exchange import (
    WebService,
    checked_address,
    multipart,
    read_answer,
    save_answer,
)
from evalkit.reference_models.generators.web_demo import form_fields
from evalkit.text import escape_for_display

_MOST_JSON = 1 << 24  # bytes of a description, of an answer in JSON, and of one event
_SHOWN = 300
_DEPTH = 8  # of an answer's lists and objects, in which a video is searched
_JSON = {"Content-Type": "application/json", "Accept": "application/json"}
_WORDS = {"prompt": "text", "caption": "text", "duration": "seconds", "frame_rate": "fps", "num_frames": "frames"}
_WHOLE = frozenset({"seed", "frames", "width", "height"})
_NUMBERS = frozenset({"fps", "seconds"}) | _WHOLE


@dataclass(frozen=True)
class _Endpoint:
    """One endpoint of an app: where its interface is, its name with a slash, and its parameters."""

    root: str
    name: str
    parameters: tuple[Mapping[str, Any], ...]


class GradioDemo(Generator):
    """Uploads a sample's files, calls an endpoint, waits for its end and fetches the video.

    The first image and the first audio component get the sample's files. Other parameters get what their names ask for
    (``text`` or ``prompt``, ``timeline``, ``id``, ``seed``, ``fps``, ``seconds``, ``frames``, ``width``,
    ``height``); the first text box of another name gets the text; the rest keep their defaults. Nothing is sent
    anywhere but to the address: no redirect is followed, no proxy is used, and the video is taken from the same host.
    """

    record = GeneratorRecord(
        "gradio",
        "an endpoint of a Gradio app that takes image and audio and answers with a video",
        options=(
            GeneratorOption("address", "", "http:// or https:// address of the app"),
            GeneratorOption("endpoint", "predict", "name of the endpoint"),
            GeneratorOption("time_limit", 600.0, "seconds for one video", 0),
        ),
    )

    def __init__(self, options: Mapping[str, Any] | None = None, backbones: str = "published") -> None:
        super().__init__(options, backbones)
        address = checked_address(str(self.options["address"]))
        self._service = WebService(address, float(self.options["time_limit"]))
        self._endpoint: _Endpoint | None = None

    def generate(self, request: GenerationRequest) -> Path:
        """Generate the sample's video, write it to ``request.output`` and return that path.

        The app is asked for its parameters once, in the first call.
        """
        deadline = self._service.deadline()
        if self._endpoint is None:
            self._endpoint = self._described(deadline)
        endpoint = self._endpoint
        data = self._data(endpoint, request, deadline)
        call = f"{endpoint.root}/call{quote(endpoint.name)}"
        queued = self._json("POST", call, deadline, json.dumps({"data": data}).encode())
        event = queued.get("event_id") if isinstance(queued, dict) else None
        if not isinstance(event, str):
            raise _unexpected("the number of a call", queued)
        with self._service.exchange("GET", f"{call}/{quote(event, safe='')}", deadline) as answer:
            result = _result(answer, deadline)
        path = _video_path(result)
        if path is None:
            raise _unexpected("a video", result)
        with self._service.exchange("GET", f"{endpoint.root}/file={quote(path)}", deadline) as answer:
            save_answer(answer, request.output, deadline)
        return request.output

    def _json(self, method: str, target: str, deadline: float, body: bytes | None = None) -> Any:
        with self._service.exchange(method, target, deadline, body, _JSON) as answer:
            return _parsed(read_answer(answer, _MOST_JSON, deadline))

    def _described(self, deadline: float) -> _Endpoint:
        """Ask the app for its endpoints."""
        base = self._service.address.path.rstrip("/")
        config = self._json("GET", f"{base}/config", deadline)
        prefix = config.get("api_prefix", "") if isinstance(config, dict) else None
        if not isinstance(prefix, str):
            raise _unexpected("the configuration of a Gradio app", config)
        root = base + (f"/{prefix.strip('/')}" if prefix.strip("/") else "")
        described = self._json("GET", f"{root}/info", deadline)
        endpoints = described.get("named_endpoints") if isinstance(described, dict) else None
        if not isinstance(endpoints, dict):
            raise _unexpected("the endpoints of a Gradio app", described)
        name = "/" + str(self.options["endpoint"]).strip("/")
        entry = endpoints.get(name)
        if not isinstance(entry, dict):
            names = [escape_for_display(str(one), 60) for one in list(endpoints)[:20]]
            raise GenerationError(
                f"The Gradio app has no endpoint '{name}'.{did_you_mean(name, names)}",
                expected=", ".join(names) or "an endpoint with a name",
            )
        parameters = entry.get("parameters")
        if not isinstance(parameters, list) or not all(isinstance(one, dict) for one in parameters):
            raise _unexpected("the parameters of an endpoint", entry)
        return _Endpoint(root, name, tuple(parameters))

    def _data(self, endpoint: _Endpoint, request: GenerationRequest, deadline: float) -> list[Any]:
        """Return the endpoint's inputs in their order, with the files uploaded."""
        fields = form_fields(request)
        files = {"Image": next(iter(request.reference_images), None), "Audio": request.audio}
        named = {_field(one) for one in endpoint.parameters}
        data: list[Any] = []
        for one in endpoint.parameters:
            component, name = str(one.get("component")), _field(one)
            file = files.pop(component, None)
            if file is not None:
                data.append(self._uploaded(endpoint.root, component.lower(), file, deadline))
            elif name is not None:
                value = float(fields[name]) if name in _NUMBERS else fields[name]
                data.append(int(value) if name in _WHOLE else value)
            elif component == "Textbox" and "text" not in named and fields["text"]:
                named.add("text")
                data.append(fields["text"])
            elif one.get("parameter_has_default"):
                data.append(one.get("parameter_default"))
            else:
                shown = escape_for_display(str(one.get("parameter_name") or one.get("label")), 60)
                raise GenerationError(
                    f"Nothing of the sample fits the parameter '{shown}' of the Gradio app.",
                    found=f"a component {escape_for_display(component, 60)} without a default",
                    expected="an image, an audio, a field's name, or a default",
                )
        return data

    def _uploaded(self, root: str, name: str, path: Path, deadline: float) -> dict[str, Any]:
        body, kind = multipart({}, [("files", path)])
        headers = {"Content-Type": kind, "Accept": "application/json"}
        with self._service.exchange("POST", f"{root}/upload", deadline, body, headers) as answer:
            places = _parsed(read_answer(answer, _MOST_JSON, deadline))
        if not isinstance(places, list) or len(places) != 1 or not isinstance(places[0], str):
            raise _unexpected("the place of an uploaded file", places)
        return {"path": places[0], "orig_name": f"{name}{path.suffix}", "meta": {"_type": "gradio.FileData"}}


def _field(parameter: Mapping[str, Any]) -> str | None:
    """Return the field that a parameter's name asks for."""
    name = str(parameter.get("parameter_name", "")).lower()
    name = _WORDS.get(name, name)
    return name if name in {"text", "timeline", "id"} | _NUMBERS else None


def _result(answer: http.client.HTTPResponse, deadline: float) -> Any:
    """Return the data of the event that ends the call; other events are passed over.

    Raises:
        GenerationError: the call failed, or the stream ended before it did.
        TimeoutError: the deadline has passed.
    """
    event = ""
    while line := answer.readline(_MOST_JSON + 1):
        if time.monotonic() > deadline:
            raise TimeoutError
        if len(line) > _MOST_JSON:
            raise GenerationError("The answer is too large.", expected=f"at most {_MOST_JSON} bytes in an event")
        name, _, value = line.decode("utf-8", "replace").strip().partition(":")
        if name == "event":
            event = value.strip()
        elif name == "data" and event == "complete":
            return _parsed(value.encode())
        elif name == "data" and event == "error":
            shown = escape_for_display(value.strip(), _SHOWN)
            raise GenerationError("The Gradio app reports an error.", found=shown, expected="a video")
    raise GenerationError("The answer is cut off.", found="a stream that ends before the call does")


def _video_path(value: Any, depth: int = 0) -> str | None:
    """Return the path of the first file in an answer; what only has another host's address is none."""
    if isinstance(value, dict):
        path = value.get("path")
        if isinstance(path, str) and path:
            return path
        value = list(value.values())
    if isinstance(value, list) and depth < _DEPTH:
        return next((found for one in value if (found := _video_path(one, depth + 1)) is not None), None)
    return None


def _parsed(body: bytes) -> Any:
    try:
        return parse_json(body.decode("utf-8"))
    except ValueError:
        raise _unexpected("JSON", body[:_SHOWN].decode("utf-8", "replace")) from None


def _unexpected(expected: str, found: Any) -> GenerationError:
    shown = escape_for_display(str(found), _SHOWN)
    return GenerationError("The web service does not answer as a Gradio app does.", found=shown, expected=expected)
