"""The studio's web application: addresses, and what they answer. Nothing here knows a team's name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from anyio import to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from evalkit.errors import EvalkitError
from evalkit.heap import memory_returner
from evalkit.studio.checking import MOST_ANSWERS
from evalkit.studio.guarding import Rates, SafeHeaders, log_failure, read_json
from evalkit.studio.pages.assets import CACHE, assets
from evalkit.studio.pages.rater import POLICY as RATER_POLICY
from evalkit.studio.pages.rater import render_rater_page
from evalkit.studio.ranges import FileParts
from evalkit.studio.rater_state import Rater
from evalkit.studio.session import Study

_UNKNOWN = "There is no such page."
_MOST_STREAMS = 12  # files sent to one rater at once
_TIDY_SECONDS = 15.0


class StudioApp:
    """What the addresses of raters answer.

    Args:
        study: the running study.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self._page = render_rater_page(study.plan.page)
        self._rates = Rates(20, 100)
        self._strangers = Rates(20, 200)
        self._files = Rates(40, 400)
        self._streams: dict[str, int] = {}

    def routes(self) -> list[Route]:
        """Return the addresses."""
        return [
            Route("/r/{token}", self.page),
            Route("/r/{token}/state", self.state),
            Route("/r/{token}/consent", self.consent, methods=["POST"]),
            Route("/r/{token}/answers", self.answers, methods=["POST"]),
            Route("/m/{token}/{name}", self.media),
            Route("/static/{path:path}", static),
            Route("/robots.txt", robots),
        ]

    def rater(self, request: Request) -> Rater:
        """Return whose address it is.

        Raises:
            HTTPException: nobody's, or too many requests.
        """
        found = self.study.rater(request.path_params["token"])
        if found is None:
            self._strangers.check("")
            raise HTTPException(404, _UNKNOWN)
        self._rates.check(found.name)
        return found

    async def page(self, request: Request) -> Response:
        """The rater's page; the same for unknown tokens, which it finds out itself."""
        known = self.study.rater(request.path_params["token"]) is not None
        if not known:
            self._strangers.check("")
        return HTMLResponse(self._page, 200 if known else 404, headers={"content-security-policy": RATER_POLICY})

    async def state(self, request: Request) -> Response:
        """What the rater is asked now."""
        return JSONResponse(await self.study.state(self.rater(request)))

    async def consent(self, request: Request) -> Response:
        """The rater agrees."""
        rater = self.rater(request)
        if (await read_json(request)).get("agree") is not True:
            raise HTTPException(400, "Only an agreement can be sent.")
        await self.study.consent(rater)
        return JSONResponse(await self.study.state(rater))

    async def answers(self, request: Request) -> Response:
        """The rater answers."""
        rater = self.rater(request)
        given = (await read_json(request)).get("answers")
        if not isinstance(given, list) or len(given) > MOST_ANSWERS:
            raise HTTPException(400, f"'answers' is a list of at most {MOST_ANSWERS}.")
        return JSONResponse(await self.study.answer(rater, given))

    async def media(self, request: Request) -> ASGIApp:
        """A video, a picture or a sound."""
        found = self.study.rater(request.path_params["token"])
        name = request.path_params["name"]
        file = None if found is None else self.study.file(found, name)
        if found is None or file is None:
            self._strangers.check("")
            raise HTTPException(404, _UNKNOWN)
        self._files.check(found.name)
        rater = found
        if self._streams.get(rater.name, 0) >= _MOST_STREAMS:
            raise HTTPException(429, "Too many requests.", headers={"retry-after": "2"})

        async def sent(start: int, end: int) -> None:
            await self.study.sent(rater, name, (start, end), file.size)

        served = FileParts(file, f'"{name.partition(".")[0]}"', sent)

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            self._streams[rater.name] = self._streams.get(rater.name, 0) + 1
            try:
                await served(scope, receive, send)
            finally:
                self._streams[rater.name] -= 1

        return counted


async def static(request: Request) -> Response:
    """A file of the pages; its address changes with its content."""
    found = assets().get(request.url.path)
    if found is None:
        raise HTTPException(404, _UNKNOWN)
    return Response(found.content, media_type=found.media_type, headers={"cache-control": CACHE})


async def robots(request: Request) -> Response:
    """Nothing here is for search engines."""
    del request
    return Response("User-agent: *\nDisallow: /\n", media_type="text/plain")


async def _tidy() -> None:
    """Give freed memory back from time to time: parts of files, and all of a board, are held for moments only."""
    give_back = memory_returner()
    while True:
        await asyncio.sleep(_TIDY_SECONDS)
        await to_thread.run_sync(give_back)


def build_app(study: Study, more: Sequence[Route] = ()) -> ASGIApp:
    """Return the application.

    Args:
        study: the running study.
        more: further addresses.
    """
    studio = StudioApp(study)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        tidy = asyncio.create_task(_tidy())
        yield
        tidy.cancel()
        study.close()

    handlers = {HTTPException: _http_error, EvalkitError: _own_error, Exception: _any_error}
    app = Starlette(
        routes=[*studio.routes(), *more],
        exception_handlers=handlers,  # type: ignore[arg-type]
        lifespan=lifespan,
    )
    return SafeHeaders(app)  # around everything, what goes wrong included


async def _http_error(request: Request, error: HTTPException) -> Response:
    del request
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


async def _own_error(request: Request, error: EvalkitError) -> Response:
    """Answer when something can't be stored; the browser sends it again, the terminal says why."""
    del request
    log_failure(error)
    return JSONResponse({"error": "It can't be saved now."}, 503, headers={"retry-after": "5"})


async def _any_error(request: Request, error: Exception) -> Response:
    del request, error
    return JSONResponse({"error": "Something went wrong."}, 500)
