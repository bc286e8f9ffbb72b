"""A batch on MTurk: one HIT for each rater's place, with the link in it and a field for the code at the end.

The requester's website puts a row of the uploaded CSV in place of ``${rater}`` and ``${link}`` of the layout, and
returns both as ``Input.rater`` and ``Input.link`` beside ``Answer.code``
(https://docs.aws.amazon.com/AWSMechTurk/latest/AWSMechanicalTurkRequester/mturk-hits-defining-questions-html-templating.html).
Each HIT is for one worker: a place is one person's.
"""

from __future__ import annotations

import csv
import io

from markupsafe import escape

from evalkit.studio.plan_model import Plan
from evalkit.studio.platforms.address import checked_address, completion_code, open_places
from evalkit.text import name_cell

COLUMNS = ("rater", "link")


def batch_table(plan: Plan, url: str) -> str:
    """Return the CSV with a row for each HIT.

    Args:
        plan: with a completion code.
        url: at which people reach the studio.
    """
    completion_code(plan)
    address = checked_address(url)
    text = io.StringIO()
    rows = [(name_cell(name), f"{address}/r/{rater.token}") for name, rater in open_places(plan).items()]
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
    return text.getvalue()


def hit_layout(plan: Plan) -> str:
    """Return the HTML of a HIT, for the layout of a project."""
    title = escape(plan.page.title)
    return f"""<script src="https://assets.crowd.aws/crowd-html-elements.js"></script>
<crowd-form>
  <h1>{title}</h1>
  <p>Open the study in a new tab, and answer all questions there:</p>
  <p><a href="${{link}}" target="_blank" rel="noopener noreferrer">${{link}}</a></p>
  <p>The last page of the study shows a code. Write it here:</p>
  <p><label>Code <input type="text" name="code" required autocomplete="off"></label></p>
</crowd-form>
"""
