"""The rules of a challenge for groups of people: whether the ranking looks at the worst group, or at gaps."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from evalkit.challenges.parts import ChallengePart


class GroupRules(ChallengePart):
    """How the groups of an attribute of the test set change the numbers that rank."""

    rule: Literal["none", "worst-group", "gap-penalty"] = Field(
        "none",
        description="worst-group: a column ranks by the mean of the worst group; gap-penalty: by the value made worse "
        "by `penalty` times the gap; none: groups don't rank. A rule needs an `attribute`",
    )
    attribute: str | None = Field(
        None, min_length=1, description="the attribute of the test set's groups, such as ethnicity"
    )
    groups: tuple[str, ...] | None = Field(
        None,
        min_length=2,
        description="the attribute's values that count; null: all. Where one is too small, the columns rank nobody",
    )
    columns: tuple[str, ...] | None = Field(
        None,
        min_length=1,
        description="metrics and dimensions that it is about; null: all that rank and have values per video",
    )
    penalty: float = Field(
        1.0, gt=0, allow_inf_nan=False, description="of gap-penalty: how many units of value a unit of gap costs"
    )
    min_videos: int = Field(20, ge=2, description="videos with a value that each group needs")
    min_identities: int = Field(10, ge=2, description="people in them that each group needs")

    @model_validator(mode="after")
    def _attribute_of_rule(self) -> GroupRules:
        if self.rule != "none" and self.attribute is None:
            raise ValueError(f"the rule '{self.rule}' needs an 'attribute' of the test set's groups, such as ethnicity")
        if self.rule == "none" and (self.attribute, self.groups, self.columns) != (None, None, None):
            raise ValueError("an attribute, groups or columns without a rule do nothing; write 'rule: worst-group'")
        return self
