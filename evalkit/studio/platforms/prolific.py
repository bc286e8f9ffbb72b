"""A study on Prolific: its address with Prolific's placeholders, and the code at its end.

Prolific puts the participant's id in place of ``{{%PROLIFIC_PID%}}``, also in the address's parameters
(https://researcher-help.prolific.com/en/article/f0a9b6).
"""

from __future__ import annotations

from typing import Any

from evalkit.studio.plan_model import Plan
from evalkit.studio.platforms.address import checked_address, completion_code, open_places

_PARAMETERS = ("PROLIFIC_PID", "STUDY_ID", "SESSION_ID")


def study_address(plan: Plan, url: str) -> str:
    """Return the address of the study: the shared link, with Prolific's placeholders as parameters."""
    parameters = "&".join(f"{name}={{{{%{name}%}}}}" for name in _PARAMETERS)
    return f"{checked_address(url)}/join/{plan.join}?{parameters}"


def prolific_study(plan: Plan, url: str) -> dict[str, Any]:
    """Return the study in the words of Prolific's interface; reward, time and description are left to the organizer.

    Args:
        plan: with a completion code.
        url: at which people reach the studio.
    """
    code = completion_code(plan)
    return {
        "name": plan.page.title,
        "external_study_url": study_address(plan, url),
        "prolific_id_option": "url_parameters",
        "completion_option": "url",
        "completion_code": code,
        "total_available_places": len(open_places(plan)),
    }
