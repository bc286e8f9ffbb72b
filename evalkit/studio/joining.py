"""The shared link: everybody who comes with a worker id of a platform gets a rater's place, the same one each time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from evalkit.studio.guarding import Rates, read_body
from evalkit.studio.pages.organizer import render_join_page
from evalkit.studio.places import Places
from evalkit.studio.session import Study

# What platforms call the id in the address, and what the studio calls the platform.
_NAMES = {"PROLIFIC_PID": "prolific", "workerId": "mturk", "worker": "join", "participant": "join"}
_WORKER = re.compile(r"[A-Za-z0-9_.@+-]{1,100}")
_PREVIEW = "ASSIGNMENT_ID_NOT_AVAILABLE"  # what MTurk says for the assignment before a worker accepts it


class JoinPages:
    """What the shared link answers."""

    def __init__(self, study: Study, places: Places) -> None:
        self._study = study
        self._places = places
        self._rates = Rates(20, 200)

    def routes(self) -> list[Route]:
        """Return the address."""
        return [Route("/join/{token}", self.join, methods=["GET", "POST"])]

    async def join(self, request: Request) -> Response:
        """Give a place to a worker; who has no id yet is asked for it."""
        known = self._study.is_join(request.path_params["token"])
        self._rates.check("known" if known else "strangers")  # who guesses keeps nobody out
        if not known:
            raise HTTPException(404, "There is no such page.")
        given: Mapping[str, str] = request.query_params
        if request.method == "POST":
            given = _form(await read_body(request))
        elif request.query_params.get("assignmentId") == _PREVIEW:
            return self._page("preview")
        name = next((name for name in _NAMES if given.get(name)), None)
        if name is None:
            return self._page("ask")
        worker = given[name].strip()
        if not _WORKER.fullmatch(worker):
            return self._page("wrong", 400)
        rater = await self._places.join(worker, _NAMES[name])
        if rater is None:
            return self._page("paused" if self._study.paused else "full", 409)
        return RedirectResponse(f"/r/{rater.plan.token}", 303)

    def _page(self, what: str, status: int = 200) -> Response:
        return HTMLResponse(render_join_page(self._study.plan.page, what), status)


def _form(body: bytes) -> dict[str, str]:
    try:
        found = parse_qs(body.decode("ascii"), max_num_fields=8)
    except ValueError:
        raise HTTPException(400, "The request is not a form.") from None
    return {name: values[0] for name, values in found.items()}
