"""Write a challenge as YAML with every key: those that it sets, and the others commented out with their defaults.

Each commented line is a whole key, so that any one can be switched on by removing its ``# ``. A group of keys of which
none is set is one line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from evalkit.challenges.model import Challenge
from evalkit.yamlio import YamlDocument, parse_yaml

HEADER = (
    "## Every key of a challenge. A line that starts with '# ' is a key that is not set, with its default: remove",
    "## the '# ' to set it. Types, meanings and examples: docs/yaml-files.md.",
)
# Values to start from where the default is nothing.
EXAMPLES: Mapping[str, str] = {
    "url": "https://example.org/challenge",
    "min_seconds": "1.5",
    "min_width": "256",
    "min_height": "256",
    "match_reference_seconds": "0.25",
    "match_reference_frames": "0",
    "sample_rates": "[16000]",
    "max_reference_scale": "1.1",
    "severities": "{layout.extra: error}",
    "samples": "1000",
    "identities": "200",
    "prompts": "5",
    "published_as": "PSNR",
    "direction": "higher",
    "range": "[10, 50]",
    "group_weights": "{objective: 1, subjective: 1}",
    "tie_breaks": "[psnr.rgb]",
    "dimensions": "[{id: lip_sync, title: Lip synchronization}]",
    "finalists": "3",
    "window": "{opens: 2026-03-01 AoE, closes: 2026-03-05 AoE}",
    "min_seconds_per_item": "2",
    "max_seconds_per_item": "600",
    "max_items_per_rater": "400",
    "required_dimensions": "[lip_sync]",
    "metrics": "[{id: psnr.rgb, range: [10, 50]}]",
    "schedule": "[{id: submission, opens: 2026-01-10 AoE, closes: 2026-02-20 AoE}]",
    "opens": "2026-03-01 AoE",
    "closes": "2026-03-05 AoE",
    "evalkit_defaults": "[coverage, metrics.range]",
    "attribute": "ethnicity",
    "groups": "[Asian, White, African]",
    "columns": "[psnr.rgb]",
    "notes": "Two entries per team are scored.",
}
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*")


def full_text(challenge: Challenge) -> str:
    """Return ``challenge`` as YAML with all keys, set or commented out."""
    return "\n".join([*HEADER, *_block(challenge, "")]) + "\n"


def yaml_value(value: Any) -> str:
    """Return a value on one line, as `evalkit.yamlio` reads it."""
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        value = {field.alias or name: getattr(value, name) for name, field in fields.items()}
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(str(key))}: {yaml_value(one)}" for key, one in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(yaml_value(one) for one in value) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value) if isinstance(value, int) else _text(str(value))


def _text(value: str) -> str:
    """Return text bare where that is read as the same text, else in quotes."""
    if _PLAIN.fullmatch(value):
        document: YamlDocument = parse_yaml(f"[{value}]", "text")
        if document.data == [value]:
            return value
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\x7f").replace("\x85", "\\x85")


def _block(part: BaseModel, indent: str) -> list[str]:
    """Return the lines of one group of keys."""
    lines: list[str] = []
    for name, field in type(part).model_fields.items():
        key, value = field.alias or name, getattr(part, name)
        if name not in part.model_fields_set:
            about = f"   # such as {EXAMPLES[key]}" if key in EXAMPLES and value in (None, (), {}) else ""
            lines.append(f"{indent}# {key}: {yaml_value(value)}{about}")
        elif isinstance(value, BaseModel) and value.model_fields_set:
            lines += [f"{indent}{key}:", *_block(value, f"{indent}  ")]
        elif isinstance(value, tuple) and value and all(isinstance(one, BaseModel) for one in value):
            lines.append(f"{indent}{key}:")
            for one in value:
                first, *rest = _block(one, f"{indent}    ")
                lines += [f"{indent}  - {first.strip()}", *rest]
        else:
            lines.append(f"{indent}{key}: {'{}' if isinstance(value, BaseModel) else yaml_value(value)}")
    return lines
