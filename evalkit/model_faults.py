"""What pydantic finds in data of others, as sentences that name the key: the one place that knows pydantic's errors.

Pydantic's own messages speak of Python ("Extra inputs are not permitted", "Input should be a valid dictionary"); people
who write YAML, JSON and tables don't.
"""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core.core_schema import ErrorType

from evalkit.errors import did_you_mean
from evalkit.text import escape_for_display

NUMBER, WHOLE, TEXT, KEYS, LIST = "a number", "a whole number", "text", "a set of keys with values", "a list"
_KINDS: Mapping[str, str] = {
    **dict.fromkeys(("float_type", "float_parsing", "decimal_type", "decimal_parsing"), NUMBER),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), WHOLE),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("string_type", "bytes_type"), TEXT),
    **dict.fromkeys(("tuple_type", "list_type", "set_type", "frozen_set_type", "iterable_type"), LIST),
    **dict.fromkeys(("dict_type", "mapping_type", "model_type", "model_attributes_type", "dataclass_type"), KEYS),
    **dict.fromkeys(("date_type", "date_parsing", "date_from_datetime_parsing"), "a date such as 2026-03-31"),
    **dict.fromkeys(("time_type", "time_parsing"), "a time such as 18:30"),
    **dict.fromkeys(
        ("datetime_type", "datetime_parsing", "datetime_object_invalid", "datetime_from_date_parsing"),
        "a date and time such as 2026-03-31T18:30:00Z",
    ),
    **dict.fromkeys(("url_type", "url_parsing", "url_syntax_violation"), "an address such as https://example.org"),
    "url_scheme": "an address that begins with {expected_schemes}",
    "string_unicode": "text, without halves of characters",
    "string_not_ascii": "text of ASCII characters",
    "string_pattern_mismatch": "of the form {pattern}",
    "finite_number": "a finite number",
    "int_parsing_size": "a smaller number",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "multiple_of": "a multiple of {multiple_of}",
    "none_required": "left out",
    "literal_error": "{expected}",
    "enum": "{expected}",
    "invalid_key": "keys of text",
    "timezone_aware": "a time with its zone",
    "timezone_naive": "a time without a zone",
}
_SENTENCES: Mapping[str, str] = {
    "too_short": "has too few entries; at least {min_length}",
    "too_long": "has too many entries; at most {max_length}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "bytes_too_short": "must have at least {min_length} bytes",
    "bytes_too_long": "must have at most {max_length} bytes",
    "json_invalid": "is no JSON",
    "recursion_loop": "contains itself",
}
_OWN = {"value_error": "Value error, ", "assertion_error": "Assertion failed, "}  # sentences of evalkit's validators
_OF_PYDANTIC = frozenset(get_args(ErrorType))
_UNKNOWN = "has a value that can't be"


def fault_message(item: Mapping[str, Any]) -> str:
    """Return what is wrong as the end of a sentence about a key: "must be a number".

    Args:
        item: an element of ``ValidationError.errors()``.
    """
    kind, context = item["type"], {key: _shown(value) for key, value in (item.get("ctx") or {}).items()}
    if kind in _OWN:
        return str(item["msg"]).removeprefix(_OWN[kind])
    if kind == "string_too_short" and context.get("min_length") == "1":
        return "must not be empty"
    if kind in _KINDS:
        return f"must be {_KINDS[kind].format(**context)}"
    if kind in _SENTENCES:
        return _SENTENCES[kind].format(**context)
    return _UNKNOWN if kind in _OF_PYDANTIC else str(item["msg"])  # PydanticCustomError is a sentence of evalkit's


def _shown(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def fault_sentence(model: type[BaseModel], item: Mapping[str, Any], names: Mapping[str, str] | None = None) -> str:
    """Return one of pydantic's errors as a sentence that names the key; for an unknown one also the known ones.

    Args:
        model: what was validated.
        item: an element of ``ValidationError.errors()``.
        names: key of the model -> its name in the file.
    """
    where = tuple(part for part in item["loc"] if isinstance(part, (str, int)))
    shown = [str((names or {}).get(str(part), part)) for part in where]
    name = escape_for_display(".".join(shown), limit=200)
    if item["type"] == "extra_forbidden":
        known = [(names or {}).get(key, key) for key in field_names(model, where[:-1])]
        near = did_you_mean(str(where[-1]), known) or did_you_mean(str(where[-1]).lower(), known)
        listed = f" Known keys: {', '.join(known)}." if known else ""
        return f"unknown key '{name}'.{near}{listed}"
    if item["type"] == "missing":
        return f"the key '{name}' is missing."
    message = fault_message(item)
    message += "" if message.endswith((".", "?")) else "."
    found = item.get("input")
    if isinstance(found, str):
        shown_value = f" Found '{escape_for_display(found, limit=80)}'."
    elif isinstance(found, (int, float)):
        shown_value = f" Found {str(found).lower() if isinstance(found, bool) else found}."
    else:
        shown_value = ""
    return f"'{name}': {message}{shown_value}" if name else message


def first_fault(model: type[BaseModel], error: ValidationError, names: Mapping[str, str] | None = None) -> str:
    """Return the most telling fault as a sentence: of a misspelt key that it is unknown, not what is missing."""
    faults = error.errors(include_url=False)
    first = next((fault for fault in faults if fault["type"] == "extra_forbidden"), faults[0])
    return fault_sentence(model, dict(first), names)


def field_names(model: type[BaseModel], where: Sequence[str | int]) -> list[str]:
    """Return the keys allowed at ``where``, followed through the nested models, lists and dictionaries."""
    annotation: Any = model
    for part in where:
        if _is_model(annotation):
            fields = {field.alias or name: field.annotation for name, field in annotation.model_fields.items()}
            annotation = fields.get(str(part))
        else:
            inner = get_args(annotation)
            annotation = (inner[1] if get_origin(annotation) is dict else inner[0]) if inner else None
        annotation = _without_none(annotation)
    if not _is_model(annotation):
        return []
    return [field.alias or name for name, field in annotation.model_fields.items()]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _without_none(annotation: Any) -> Any:
    """Return ``X`` for ``X | None``."""
    if get_origin(annotation) in {Union, types.UnionType}:
        return next((inner for inner in get_args(annotation) if inner is not type(None)), None)
    return annotation
