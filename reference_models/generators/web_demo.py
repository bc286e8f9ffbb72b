"""A web service as a generator: it is sent a sample's inputs and answers with a video."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalkit.reference_models.generators.base import GenerationRequest, Generator, GeneratorOption, GeneratorRecord
from evalkit.reference_models.generators.http_exchange import WebService, checked_address, multipart, save_answer


class WebDemo(Generator):
    """Sends ``multipart/form-data`` by POST to one address, and takes the body of the answer as the video.

    The form has the files ``image`` and ``audio`` where the sample has them, and the fields ``text``, ``timeline``,
    ``id``, ``seed``, ``fps``, ``seconds``, ``frames``, ``width`` and ``height``. Nothing is sent anywhere else: no
    redirect is followed and no proxy is used.
    """

    record = GeneratorRecord(
        "url",
        "a web service that takes image and audio by POST and answers with a video",
        options=(
            GeneratorOption("address", "", "http:// or https:// address"),
            GeneratorOption("time_limit", 600.0, "seconds for one answer", 0),
        ),
    )

    def __init__(self, options: Mapping[str, Any] | None = None, backbones: str = "published") -> None:
        super().__init__(options, backbones)
        address = checked_address(str(self.options["address"]))
        self._service = WebService(address, float(self.options["time_limit"]))

    def generate(self, request: GenerationRequest) -> Path:
        """Send the sample, write the answer to ``request.output`` and return that path."""
        files = {"image": next(iter(request.reference_images), None), "audio": request.audio}
        body, kind = multipart(form_fields(request), [(name, path) for name, path in files.items() if path is not None])
        headers, deadline = {"Content-Type": kind, "Accept": "video/mp4, video/*"}, self._service.deadline()
        with self._service.exchange("POST", self._service.target, deadline, body, headers) as answer:
            save_answer(answer, request.output, deadline)
        return request.output


def form_fields(request: GenerationRequest) -> dict[str, str]:
    """Return what a sample asks for besides its files, as text."""
    target = request.target
    return {
        "id": request.sample,
        "text": request.text or "",
        "timeline": json.dumps([event.model_dump() for event in request.timeline or ()]),
        "seed": str(request.seed % 2**32),
        "fps": f"{float(target.fps):g}",
        "seconds": f"{target.seconds:.6f}",
        "frames": str(target.frames),
        "width": str(target.width),
        "height": str(target.height),
    }
