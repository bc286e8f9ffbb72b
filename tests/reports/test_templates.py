"""Templates are read before the first video, and compiled when their page is made."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import importlib.resources, pathlib
from evalkit.reports import page
page.preload_templates()
def refuse(*_, **__):
    raise AssertionError("a template is read after the videos")
pathlib.Path.read_text = refuse
compiled = page._environment().cache
assert len(compiled) == 0, list(compiled)
page._template("scorecard.html").render
names = {name for _, name in compiled.keys()}
assert "scorecard.html" in names, names
assert not {name for name in names if name.startswith(("leaderboard", "ratings", "comparison"))}, names
assert page._template("leaderboard.html") is page._template("leaderboard.html")
"""


def test_a_page_compiles_its_own_templates_from_what_was_read_before() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
