"""Start the studio: prepare the files, give the board the key, listen, and stop cleanly."""

from __future__ import annotations

import ipaddress
import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.board import Board
from evalkit.errors import MachineError, StorageError, UsageError
from evalkit.heap import keep_large_blocks_apart
from evalkit.progress import Progress
from evalkit.studio.boarding import board_writer, names_of_others, refuse_forgotten, set_up_board
from evalkit.studio.feeding import Feeder, ToBoard, Waiting
from evalkit.studio.journal import Journal
from evalkit.studio.library import build_library, missing_lines, refuse_missing, without_media
from evalkit.studio.places import Places
from evalkit.studio.plan_model import Plan, read_plan
from evalkit.studio.public_address import root_address
from evalkit.studio.session import Study
from evalkit.studio.writer import Writer
from evalkit.text import count

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

JOURNAL = "studio.sqlite"
MEDIA = "media"
_CONNECTIONS = 2000
_STOP_SECONDS = 10
_LOCAL = "localhost"


@dataclass(frozen=True)
class ServeOptions:
    """How to serve a plan.

    Args:
        plan: its file.
        submissions: the folder with the teams' submissions.
        testset: the test set, where the plan shows something of it.
        data: the studio's own folder; ``None`` for ``NAME-studio`` beside the plan ``NAME.json``.
        host, port: where to listen; port 0 for any that is free.
        public_url: how raters reach the studio, where a proxy stands before it.
        leave_out: whether to go on without videos that can't be shown.
        by: who, for the board's log.
        workers: processes that prepare videos at once.
    """

    plan: Path
    submissions: Path
    testset: Path | None = None
    data: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8080
    public_url: str | None = None
    leave_out: bool = False
    by: str = "studio"
    workers: int = 1

    @property
    def folder(self) -> Path:
        """The studio's own folder."""
        return self.data if self.data is not None else self.plan.with_name(f"{self.plan.stem}-studio")


@dataclass
class Running:
    """A studio that is ready to be served.

    Attributes:
        app: the web application.
        study: what it serves.
        plan: the plan as it was read.
        url: how raters reach it.
        socket: on which it listens.
        journal: that has all answers.
        feeder: what gives them to the board.
        notes: sentences that the organizer must read.
    """

    app: ASGIApp
    study: Study
    plan: Plan
    url: str
    socket: socket.socket
    journal: Journal
    feeder: Feeder
    notes: list[str] = field(default_factory=list)

    @property
    def organizer_link(self) -> str:
        """Address of the organizer's page."""
        return f"{self.url}/o/{self.plan.organizer}"

    @property
    def join_link(self) -> str:
        """Address that gives everybody who opens it a rater's place."""
        return f"{self.url}/join/{self.plan.join}"


def require_packages() -> None:
    """Make sure that the web server is installed.

    Raises:
        MachineError: it is not.
    """
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise MachineError(
            "The studio needs the packages starlette and uvicorn.",
            found=str(error),
            fix="pip install 'evalkit-video[studio]'",
        ) from None


@contextmanager
def open_studio(board: Board, options: ServeOptions, progress: Progress) -> Iterator[Running]:
    """Yield a studio that is ready; what raters sent is on the board when the block ends well.

    Raises:
        EvalkitError: it can't be served as asked; nothing was changed on the board unless the plan and all files are
            right.
        StorageError: at the end, when the board could not be written: the studio's file has what it did not get.
    """
    require_packages()
    from evalkit.studio.app import build_app
    from evalkit.studio.joining import JoinPages
    from evalkit.studio.organizer import OrganizerPages, Stores

    url = _checked_url(options.public_url)
    plan = read_plan(options.plan)
    folder = options.folder
    _make_folder(folder)
    listening = listen(options.host, options.port)
    try:
        digest = plan.sha256
        journal = Journal.open(folder / JOURNAL, digest)
        try:
            secret, new = journal.secret, journal.is_empty()
            if new:
                refuse_forgotten(board, digest, str(folder))
            library = build_library(
                plan,
                folder / MEDIA,
                secret,
                submissions=options.submissions,
                testset=options.testset,
                board=board,
                progress=progress,
                workers=options.workers,
            )
            notes = []
            if not options.leave_out:
                refuse_missing(plan, library.missing)
            elif library.missing:
                notes += [f"Left out: {line}" for line in missing_lines(plan, library.missing)]
            shown = without_media(plan, library.missing)
            if new:
                notes += names_of_others(board, plan)
            notes += set_up_board(board, plan, options.plan.name, options.by)
            to_board = board_writer(board, plan, options.plan.name, digest, options.by)
            with board.kept_open(), _threads(journal, to_board) as (writer, feeder):
                study = Study(shown, library, writer, journal=journal)
                places = Places(study, writer, secret)
                where = url or _address(options.host, listening)
                own = OrganizerPages(study, places, where, Stores(board, journal, feeder))
                more = [*own.routes(), *JoinPages(study, places).routes()]
                yield Running(build_app(study, more), study, plan, where, listening, journal, feeder, notes)
            _refuse_waiting(feeder.waiting(), journal.path)
        finally:
            journal.close()
    finally:
        listening.close()


@contextmanager
def _threads(journal: Journal, to_board: ToBoard) -> Iterator[tuple[Writer, Feeder]]:
    """Yield what writes the journal and what gives the board its answers; both are done when the block ends."""
    feeder = Feeder(journal, to_board, _teller([None]))
    writer = Writer(journal, feeder.wake)
    writer.start()
    feeder.start()
    try:
        yield writer, feeder
    finally:
        writer.close()
        feeder.close()


def _refuse_waiting(left: Waiting, file: Path) -> None:
    if left.answers:
        raise StorageError(
            f"{count(left.answers, 'answer')} in {file} {'is' if left.answers == 1 else 'are'} not on the board yet.",
            found=left.why or None,
            fix="Start the same command again when the board can be written; until then, keep the file.",
        )


def make_server(running: Running) -> uvicorn.Server:
    """Return the web server of a studio; its ``run`` takes the studio's socket."""
    import uvicorn

    from evalkit.studio.connections import EndingProtocol

    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    config = uvicorn.Config(
        running.app,
        loop="asyncio",
        http=EndingProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,  # addresses are secrets
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    return uvicorn.Server(config)


def serve(running: Running) -> None:
    """Serve until SIGINT or SIGTERM; answers that are being written are finished."""
    keep_large_blocks_apart()
    try:
        make_server(running).run(sockets=[running.socket])
    except KeyboardInterrupt:
        return  # uvicorn has stopped, and raises the signal that it was stopped by once more


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        MachineError: the port is in use, or the address is not this machine's.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise MachineError(
            f"The studio can't listen on {host}, port {port}.",
            found=error.strerror or str(error),
            fix="Stop what listens there, or give another port with --port.",
        ) from None
    except OverflowError as error:
        raise UsageError(f"{port} is no port.", found=str(error)) from None


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name, not an address
        return host == _LOCAL


def is_unspecified(host: str) -> bool:
    """Return whether a host means all addresses of the machine, and none that somebody could open."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:  # a name
        return not host


def _checked_url(url: str | None) -> str | None:
    if url is None:
        return None
    root = root_address(url, {"http", "https"})
    if root is None:
        raise UsageError(
            "The public address can't be used.",
            found=url,
            expected="a scheme and a host, such as https://rate.example.org",
            fix="Give the studio a host name of its own: its addresses begin at the root.",
        )
    return root


def _address(host: str, listening: socket.socket) -> str:
    port = listening.getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not os.access(folder, os.W_OK):
            raise PermissionError("no permission to write")
    except OSError as error:
        raise MachineError(
            f"The studio's folder {folder} can't be made.",
            found=error.strerror or str(error),
            fix="Give another one with --data.",
        ) from None


def _teller(problems: list[str | None]) -> Callable[[str | None], None]:
    """Return what tells the terminal once that the board can't be written, and once that it can again."""
    log = logging.getLogger("evalkit.studio")

    def tell(problem: str | None) -> None:
        if problem != problems[0]:
            waits = "Answers wait in the studio's file until the board can be written; it is tried again by itself. %s"
            log.error(waits if problem else "The board is written again.", *([problem] if problem else []))
            problems[0] = problem

    return tell
