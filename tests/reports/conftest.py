"""A browser for the tests that look at pages."""

from __future__ import annotations

import os
import shutil

import pytest


@pytest.fixture(scope="module")
def browser():
    """Chromium without a window; tests with the marker ``browser`` are skipped before this when it is not there."""
    playwright = pytest.importorskip("playwright.sync_api")
    program = os.environ.get("EVALKIT_CHROMIUM") or shutil.which("chromium")
    with playwright.sync_playwright() as tool:
        running = tool.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield running
        running.close()
