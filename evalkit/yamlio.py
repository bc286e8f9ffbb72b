"""Read small YAML files that strangers may have written, and say on which line something is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from evalkit.errors import EvalkitError, InputError, did_you_mean

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 40

KeyPath = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


class YamlDocument:
    """Plain data (dict, list, str, int, float, bool, None) and the line on which every part of it stands."""

    def __init__(self, data: Any, lines: dict[KeyPath, int], source: str) -> None:
        self.data = data
        self.lines = lines
        self.source = source

    def line(self, where: KeyPath) -> int:
        """Return the 1-based line of ``where``, or of the nearest part around it that exists."""
        for end in range(len(where), -1, -1):
            if where[:end] in self.lines:
                return self.lines[where[:end]]
        return 1


def read_text(path: Path, *, kind: type[EvalkitError], what: str, limit: int = MAX_BYTES) -> str:
    """Return the UTF-8 text of ``path``; raise ``kind`` with one sentence when that can't be done."""
    try:
        if path.is_dir():
            raise kind(f"{what} {path} is a folder.", expected="a file")
        size = path.stat().st_size
        if size > limit:
            raise kind(f"{what} {path} is too large.", found=f"{size} bytes", expected=f"at most {limit} bytes")
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise kind(f"{what} {path} does not exist.", fix="Check the path.") from None
    except UnicodeDecodeError as error:
        raise kind(f"{what} {path} is not UTF-8 text.", found=f"byte {error.start} is not UTF-8") from None
    except OSError as error:
        raise kind(f"{what} {path} can't be read.", found=str(error.strerror or error)) from None


def parse_yaml(text: str, source: str, *, kind: type[InputError] = InputError) -> YamlDocument:
    """Parse ``text`` with the safe subset of YAML: no tags, no anchors, no duplicate keys, at most 40 levels.

    Raises:
        InputError: (or the subclass ``kind``) naming ``source`` and the line.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_aliases(text, source, kind)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{source}, line {mark.line + 1}" if mark else source
        raise kind(f"{place}: not valid YAML.", found=str(error.problem), fix="Mend the line.") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise kind(f"{source}: not valid YAML.", found=str(error).split("\n", maxsplit=1)[0]) from None
    lines: dict[KeyPath, int] = {}
    data = _construct(node, (), lines, source, kind) if node is not None else None
    return YamlDocument(data, lines, source)


def _refuse_aliases(text: str, source: str, kind: type[InputError]) -> None:
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise kind(
                f"{source}, line {line}: YAML aliases are not allowed here.",
                found=f"*{event.anchor}",
                fix="Write the value out.",
            )


def _construct(node: yaml.Node, where: KeyPath, lines: dict[KeyPath, int], source: str, kind: type[InputError]) -> Any:
    line = node.start_mark.line + 1
    lines.setdefault(where, line)
    if len(where) > MAX_DEPTH:
        raise kind(f"{source}, line {line}: nested too deeply.", expected=f"at most {MAX_DEPTH} levels")
    if isinstance(node, yaml.MappingNode):
        return _construct_mapping(node, where, lines, source, kind)
    if isinstance(node, yaml.SequenceNode):
        return [_construct(child, (*where, i), lines, source, kind) for i, child in enumerate(node.value)]
    try:
        value = yaml.SafeLoader("").construct_object(node)
    except (yaml.YAMLError, ValueError, OverflowError):
        raise kind(f"{source}, line {line}: this value can't be read.", found=str(node.value)[:80]) from None
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(node.value)  # dates and times: their own text, read with a time zone where they are used


def _construct_mapping(
    node: yaml.MappingNode, where: KeyPath, lines: dict[KeyPath, int], source: str, kind: type[InputError]
) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise kind(f"{source}, line {line}: a key must be a word.")
        key = str(key_node.value)
        if key in mapping:
            raise kind(f"{source}, line {line}: the key '{key}' stands twice.", fix="Remove one of the two.")
        lines[(*where, key)] = line
        mapping[key] = _construct(value_node, (*where, key), lines, source, kind)
    return mapping


def validate_model(model: type[Model], document: YamlDocument, *, kind: type[InputError] = InputError) -> Model:
    """Return ``document`` as ``model``; every fault of it is named with its line.

    Raises:
        InputError: (or ``kind``) with all faults, one a line.
    """
    if not isinstance(document.data, dict):
        raise kind(f"{document.source}: not a set of 'key: value' lines.", found=type(document.data).__name__)
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        faults = [_fault(document, model, dict(item)) for item in error.errors(include_url=False)]
        raise kind("\n".join(faults)) from None
    except RecursionError:
        raise kind(f"{document.source}: nested too deeply.") from None


def _fault(document: YamlDocument, model: type[BaseModel], item: dict[str, Any]) -> str:
    where = tuple(part for part in item["loc"] if isinstance(part, (str, int)))
    place = f"{document.source}, line {document.line(where)}"
    name = ".".join(str(part) for part in where) or "the file"
    message = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        known = _field_names(model, where[:-1])
        return f"{place}: unknown key '{name}'.{did_you_mean(str(where[-1]), known)}"
    if item["type"] == "missing":
        return f"{place}: the key '{name}' is missing."
    found = item.get("input")
    shown = f" Found {found!r}." if isinstance(found, (str, int, float, bool)) else ""
    return f"{place}: '{name}': {message}.{shown}"


def _field_names(model: type[BaseModel], where: KeyPath) -> list[str]:
    """Return the keys allowed at ``where``, followed through the nested models' annotations."""
    current: type[BaseModel] | None = model
    for part in where:
        if current is None:
            return []
        if isinstance(part, int):
            continue
        field = current.model_fields.get(part)
        current = _model_in(field.annotation) if field else None
    return list(current.model_fields) if current else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_in(inner)
        if found:
            return found
    return None
