"""The public address of a studio, in links that a platform gives to people."""

from __future__ import annotations

from evalkit.errors import InputError, UsageError
from evalkit.studio.plan_model import Plan, PlanRater
from evalkit.studio.public_address import root_address


def checked_address(url: str) -> str:
    """Return the address without a slash at its end.

    Raises:
        UsageError: it is not the secure address of a host; platforms show no others.
    """
    root = root_address(url, {"https"})
    if root is None:
        raise UsageError(
            "The address of the studio can't be given to a platform.",
            found=url,
            expected="https and a host, such as https://rate.example.org",
            fix="Give the address at which people reach 'evalkit studio serve'.",
        )
    return root


def completion_code(plan: Plan) -> str:
    """Return the code that raters get at the end.

    Raises:
        InputError: the plan has none.
    """
    if plan.completion is None:
        raise InputError(
            "The plan has no completion code, which the platform asks people for.",
            fix="Make it with 'evalkit studio plan --completion random'.",
        )
    return plan.completion.code


def open_places(plan: Plan) -> dict[str, PlanRater]:
    """Return the raters whose place can be anybody's: those of no team.

    Raises:
        InputError: there is none.
    """
    found = {name: rater for name, rater in plan.raters.items() if rater.team is None}
    if not found:
        raise InputError(
            "No rater of the plan is of no team, so that a platform's people could take the place.",
            fix="Make a plan for the platform with 'evalkit studio plan --raters N'.",
        )
    return found
