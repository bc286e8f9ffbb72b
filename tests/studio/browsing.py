"""What tests of the rater's page share: a studio in a process of its own, a connection that records, and raters."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from builders.studies import BuiltStudy

PATIENCE = 120.0  # seconds: a busy machine must not fail a test


def wait_until(page: Any, expression: str) -> None:
    """Wait until a JavaScript expression is true in a page, as `pages.wait_until`, but ask less often: asking costs."""
    end = time.monotonic() + PATIENCE
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"still not true after {PATIENCE} s: {expression}"
        page.wait_for_timeout(100)


class StudioProcess:
    """``evalkit studio serve``, which can be killed and started again."""

    def __init__(self, study: BuiltStudy) -> None:
        self.study = study
        self.port = 0
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        words = [
            "studio",
            "serve",
            self.study.plan_path,
            "--board",
            self.study.board,
            "--port",
            "0",
            "--json",
            "--quiet",
        ]
        places = ["--submissions", self.study.submissions, "--testset", self.study.testset]
        command = [sys.executable, "-m", "evalkit", *map(str, [*words, *places])]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(json.loads(self.process.stdout.readline())["url"].rpartition(":")[2])

    def stop(self) -> None:
        """Stop it as an organizer does; the board has all answers then."""
        assert self.process is not None
        self.process.terminate()
        self.process.communicate(timeout=60)
        assert self.process.returncode == 0
        self.process = None

    def kill(self) -> None:
        """End it with SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.communicate()
        self.process = None


class Wire:
    """A connection between browsers and the studio; it keeps every byte that the studio sent."""

    def __init__(self, studio: StudioProcess) -> None:
        self.studio = studio
        self.heard: list[bytearray] = []
        self.swallow = b""  # a reply to a request that has this is lost on its way, once
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    @property
    def bytes(self) -> bytes:
        return b"\n".join(bytes(one) for one in self.heard)

    def _accept(self) -> None:
        while True:
            try:
                browser, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(browser,), daemon=True).start()

    def _carry(self, browser: socket.socket) -> None:
        try:
            studio = socket.create_connection(("127.0.0.1", self.studio.port), timeout=5)
        except OSError:
            browser.close()  # nobody listens
            return
        studio.settimeout(None)
        heard = bytearray()
        self.heard.append(heard)
        lost = threading.Event()
        threading.Thread(target=self._upward, args=(browser, studio, lost), daemon=True).start()
        with contextlib.suppress(OSError):
            while data := studio.recv(65536):
                if lost.is_set():
                    break
                heard += data
                browser.sendall(data)
        _end(browser)
        _end(studio)

    def _upward(self, browser: socket.socket, studio: socket.socket, lost: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := browser.recv(65536):
                if self.swallow and self.swallow in data:
                    self.swallow = b""
                    lost.set()
                studio.sendall(data)
        _end(studio)


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@contextmanager
def wired(study: BuiltStudy) -> Iterator[tuple[StudioProcess, Wire]]:
    """Serve a study until the block ends."""
    studio = StudioProcess(study)
    studio.start()
    wire = Wire(studio)
    try:
        yield studio, wire
    finally:
        wire.close()
        if studio.process is not None:
            studio.stop()


class Rater:
    """A rater at a browser: what a person sees, and does with keys, a mouse or a finger."""

    def __init__(self, browser: Any, url: str, token: str, **context: Any) -> None:
        self.context = browser.new_context(**context)
        self.context.set_default_timeout(PATIENCE * 1000)
        self.address = f"{url}/r/{token}"
        self.touch = bool(context.get("has_touch"))
        self.faults: list[str] = []
        self.page = self.open()

    def open(self) -> Any:
        """Open the page in a new tab."""
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda message: self.note(message.text))
        page.goto(self.address)
        self.page = page
        return page

    def note(self, text: str) -> None:
        if "Content Security Policy" in text or "Uncaught" in text:
            self.faults.append(text)

    def press(self, selector: str) -> None:
        """Click or tap."""
        place = self.page.locator(selector)
        place.tap() if self.touch else place.click()

    def see(self, screen: str) -> None:
        """Wait for a screen."""
        wait_until(self.page, f"!document.getElementById('screen-{screen}').hidden")

    def text(self, selector: str) -> str:
        return str(self.page.inner_text(selector))

    def is_shown(self, selector: str) -> bool:
        return bool(self.page.is_visible(selector))

    def tones(self) -> int:
        """Return how many tones there are, which a person hears."""
        wait_until(self.page, "document.getElementById('tones').duration > 0")
        return round((self.page.evaluate("document.getElementById('tones').duration") - 0.2) / 0.7)

    def agree(self) -> None:
        self.see("consent")
        self.press("#agree")

    def check_volume(self) -> None:
        self.see("volume")
        number = self.tones()
        self.press("#volume-play")
        self.press(f"#volume-choices label:has([value='{number}'])")
        self.press("#volume-form button.main")

    def on_item(self, number: int, total: int) -> None:
        """Wait for an item of the study."""
        self.see("item")
        wait_until(self.page, f"document.getElementById('progress').value.toFixed(4) === '{(number - 1) / total:.4f}'")

    def preloaded(self) -> None:
        """Wait until the next item can be shown without a connection."""
        wait_until(self.page, "document.body.dataset.next === 'here'")

    def play(self, video: int = 0) -> None:
        self.press(f"#videos figure:nth-child({video + 1}) .play")

    def watched(self, video: int = 0) -> None:
        """Wait until a video counts as watched."""
        wait_until(self.page, f"document.querySelectorAll('#videos .meter')[{video}].classList.contains('done')")

    def choose(self, question: str, value: float) -> None:
        self.press(f"[data-question='{question}'] label:has([value='{value:g}'])")

    def can_send(self) -> bool:
        return self.page.get_attribute("#send", "aria-disabled") == "false"

    def axe(self) -> None:
        """Make sure that there are no faults that axe finds, and that nothing is wider than the window."""
        tool = pytest.importorskip("axe_playwright_python.sync_playwright")
        found = tool.Axe().run(self.page)
        assert found.violations_count == 0, found.generate_report()
        assert self.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        small = self.page.evaluate(
            """() => [...document.querySelectorAll("button, select, summary, label, a")]
                .filter((one) => one.checkVisibility() && one.getBoundingClientRect().height < 43.9)
                .map((one) => one.outerHTML)"""
        )
        assert small == []

    def close(self) -> None:
        self.context.close()
        assert self.faults == []
