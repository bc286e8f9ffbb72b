"""The organizer's addresses: the page, its data, pause and resume, invitations, the export."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from anyio import to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from evalkit.board import Board
from evalkit.errors import EvalkitError
from evalkit.studio.feeding import Feeder
from evalkit.studio.guarding import Rates, log_failure, read_body
from evalkit.studio.journal import Journal
from evalkit.studio.overview import Flags, Screening, export_rows, progress
from evalkit.studio.pages.organizer import render_organizer_page
from evalkit.studio.places import Places
from evalkit.studio.session import Study
from evalkit.text import name_cell

_UNKNOWN = "There is no such page."
_EXPORT_SECONDS = 10.0  # that an export waits for a board that somebody else is writing


@dataclass(frozen=True)
class Stores:
    """Where a study's answers are.

    Args:
        board: that ranks by them.
        journal: that has all.
        feeder: what gives the board those of the journal.
    """

    board: Board
    journal: Journal
    feeder: Feeder


class OrganizerPages:
    """What the organizer's addresses answer.

    Args:
        study: the running study.
        places: of its raters.
        url: how raters reach the studio.
        stores: where the answers are.
    """

    def __init__(self, study: Study, places: Places, url: str, stores: Stores) -> None:
        self._study = study
        self._places = places
        self._url = url
        self._stores = stores
        self._screening = Screening(stores.board, study.plan)
        self._rates = Rates(10, 50)

    def routes(self) -> list[Route]:
        """Return the addresses."""
        return [
            Route("/o/{token}", self.page),
            Route("/o/{token}/progress", self.progress),
            Route("/o/{token}/export", self.export),
            Route("/o/{token}/links", self.links),
            Route("/o/{token}/pause", self.pause, methods=["POST"]),
            Route("/o/{token}/resume", self.resume, methods=["POST"]),
            Route("/o/{token}/invite", self.invite, methods=["POST"]),
        ]

    def _check(self, request: Request) -> str:
        token: str = request.path_params["token"]
        known = self._study.is_organizer(token)
        self._rates.check("organizer" if known else "strangers")  # who guesses keeps nobody out
        if not known:
            raise HTTPException(404, _UNKNOWN)
        return token

    async def _progress(self, *, teams: bool) -> dict[str, Any]:
        try:
            flags = await to_thread.run_sync(self._screening.flags)
        except EvalkitError as error:
            log_failure(error)
            flags = Flags({}, why="The board can't be read now, so nobody is screened.")
        waiting = await to_thread.run_sync(self._stores.feeder.waiting)
        return progress(self._study, flags, waiting, datetime.now(UTC), teams=teams)

    async def page(self, request: Request) -> Response:
        """The page; it needs no script."""
        token = self._check(request)
        teams = _asks_for_teams(request)
        invited = self._study.raters.get(request.query_params.get("invited", ""))
        link = None if invited is None or invited.place is None else f"{self._url}/r/{invited.plan.token}"
        text = render_organizer_page(
            self._study.plan,
            await self._progress(teams=teams),
            token=token,
            teams=teams,
            invited=None if link is None or invited is None else (invited.name, link),
            join=f"{self._url}/join/{self._study.plan.join}",
        )
        return HTMLResponse(text)

    async def progress(self, request: Request) -> Response:
        """The same as data."""
        self._check(request)
        return JSONResponse(await self._progress(teams=_asks_for_teams(request)))

    async def export(self, request: Request) -> Response:
        """All answers that the board has, as a table; its name says so where some are still to come."""
        self._check(request)
        teams = _asks_for_teams(request)
        plan = self._study.plan
        places = {name: one.place for name, one in self._study.raters.items() if one.place is not None}
        workers = {name: place.worker_id for name, place in places.items() if place.worker_id is not None}

        def table() -> tuple[str, int]:
            self._stores.feeder.flush(_EXPORT_SECONDS)
            left = self._stores.feeder.waiting().answers  # before the board is read: it has at least all others
            text = io.StringIO()
            given, held = self._stores.journal.each_answer(), self._stores.board.answers_held
            rows = export_rows(plan, given, workers, held, teams=teams)
            csv.writer(text, lineterminator="\n").writerows(rows)
            return text.getvalue(), left

        text, left = await to_thread.run_sync(table)
        name = ("pairs" if plan.method == "pairs" else "ratings") + (f"-without-{left}-waiting" if left else "")
        headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
        return Response(text, media_type="text/csv; charset=utf-8", headers=headers)

    async def links(self, request: Request) -> Response:
        """The links of all raters, to be sent out."""
        self._check(request)
        text = io.StringIO()
        rows = [[name_cell(name), f"{self._url}/r/{one.plan.token}"] for name, one in self._study.raters.items()]
        csv.writer(text, lineterminator="\n").writerows([["rater", "link"], *rows])
        headers = {"content-disposition": 'attachment; filename="links.csv"'}
        return Response(text.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)

    async def pause(self, request: Request) -> Response:
        """Stop the collection."""
        return await self._pause(request, paused=True)

    async def resume(self, request: Request) -> Response:
        """Go on with the collection."""
        return await self._pause(request, paused=False)

    async def _pause(self, request: Request, *, paused: bool) -> Response:
        token = self._check(request)
        await read_body(request)
        await self._study.pause(paused=paused)
        return _done(request, token, {"paused": paused})

    async def invite(self, request: Request) -> Response:
        """Give a rater's place away."""
        token = self._check(request)
        await read_body(request)
        rater = await self._places.invite()
        found = {"rater": rater.name, "link": f"{self._url}/r/{rater.plan.token}"}
        return _done(request, token, found, f"?invited={rater.name}")


def _asks_for_teams(request: Request) -> bool:
    return request.query_params.get("teams") == "1"


def _done(request: Request, token: str, found: dict[str, Any], query: str = "") -> Response:
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(f"/o/{token}{query}", 303)
    return JSONResponse(found)
