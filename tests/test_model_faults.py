"""No message of pydantic's reaches a user: every kind of fault has a sentence of evalkit's own."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core._pydantic_core import list_all_errors

from evalkit.model_faults import fault_message, first_fault


class Wheel(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    size: float = Field(default=1.0, gt=0, le=5)
    kind: Literal["front", "back"] = "front"
    spokes: int = Field(default=8, ge=3)
    name: str = Field(default="a", min_length=1, max_length=4, pattern="^[a-z]+$")
    tags: tuple[str, ...] = ()
    spare: bool = False


@pytest.mark.parametrize("error", list_all_errors(), ids=lambda one: one["type"])
def test_every_kind_of_fault_has_a_sentence_of_our_own(error: Any) -> None:
    if error["type"] in {"value_error", "assertion_error"}:  # raised by evalkit's validators
        return
    context = dict.fromkeys(error.get("example_context") or {}, 7)
    message = fault_message({"type": error["type"], "msg": error["message_template_python"], "ctx": context})
    assert message.startswith(("must ", "has ", "is no", "contains"))
    for phrase in ("Input", "input", "valid", "permitted", "{", "dictionary", "tuple", "should", "parse"):
        assert phrase not in message


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"size": 0}, "'size': must be more than 0. Found 0."),
        ({"size": 5.5}, "'size': must be at most 5. Found 5.5."),
        ({"size": "wide"}, "'size': must be a number. Found 'wide'."),
        ({"size": float("nan")}, "'size': must be a finite number. Found nan."),
        ({"kind": "side"}, "'kind': must be 'front' or 'back'. Found 'side'."),
        ({"spokes": 2}, "'spokes': must be at least 3. Found 2."),
        ({"spokes": 3.5}, "'spokes': must be a whole number. Found 3.5."),
        ({"name": ""}, "'name': must not be empty. Found ''."),
        ({"name": "A"}, "'name': must be of the form ^[a-z]+$. Found 'A'."),
        ({"tags": 1}, "'tags': must be a list. Found 1."),
        ({"spare": 1}, "'spare': must be true or false. Found 1."),
        ({"sizes": 1}, "unknown key 'sizes'. Did you mean 'size'? Known keys: size, kind, spokes, name, tags, spare."),
    ],
)
def test_faults_as_sentences(data: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Wheel.model_validate(data)
    assert first_fault(Wheel, raised.value) == sentence


def test_long_and_hostile_keys_are_shown_safely() -> None:
    with pytest.raises(ValidationError) as raised:
        Wheel.model_validate({"\x1b[31m" + "k" * 5000: 1})
    told = first_fault(Wheel, raised.value)
    assert "\x1b" not in told
    assert len(told) < 500
