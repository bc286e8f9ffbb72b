"""Read small untrusted YAML files, and report on which line something is wrong.

Values are read as in YAML 1.2, but more cautiously: ``true`` and ``false`` are the only booleans
(``yes``, ``no``, ``on`` and ``off`` are words), and anything but a plain decimal number is text (``012``, ``0x1f``,
``1:30``, ``1_000``, ``.nan``, dates). Where a model expects text, a number or boolean is the text as written:
``id: 2025`` is the id ``2025``, ``title: 1.50`` is ``1.50``.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from yaml.reader import ReaderError

from evalkit.errors import EvalkitError, InputError
from evalkit.model_faults import fault_sentence
from evalkit.text import count

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 40
MAX_FAULTS = 20  # more faults usually have one cause

KeyPath = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)

_CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")  # longer ones are ids, not counts
_FLOAT = re.compile(r"(?=.*[.eE])[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


class YamlDocument:
    """Plain data (dict, list, str, int, float, bool, None), and the position and spelling of every part in the text.

    Args:
        data: the values.
        lines: the 1-based line of every part.
        source: name of the file in messages.
        written: the original text of the numbers and booleans.
    """

    def __init__(
        self, data: Any, lines: dict[KeyPath, int], source: str, written: Mapping[KeyPath, str] | None = None
    ) -> None:
        self.data = data
        self.lines = lines
        self.source = source
        self.written = written or {}

    def line(self, where: KeyPath) -> int:
        """Return the 1-based line of ``where``, or of the nearest enclosing part that exists."""
        for end in range(len(where), -1, -1):
            if where[:end] in self.lines:
                return self.lines[where[:end]]
        return 1


def is_there(path: Path) -> bool:
    """Return whether ``path`` exists; ``False`` for text that can't be a path (too long, with NUL)."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def read_text(path: Path, *, kind: type[EvalkitError], what: str, limit: int = MAX_BYTES) -> str:
    """Return the UTF-8 text of ``path``; raise ``kind`` with one sentence when that can't be done."""
    try:
        if path.is_dir():
            raise kind(f"{what} {path} is a folder.", expected="a file")
        with path.open("rb") as stream:
            content = stream.read(limit + 1)  # a device has no size
        if len(content) > limit:
            size = max(path.stat().st_size, len(content))
            raise kind(f"{what} {path} is too large.", found=f"{size} bytes", expected=f"at most {limit} bytes")
        return content.decode("utf-8-sig")
    except FileNotFoundError:
        raise kind(f"{what} {path} does not exist.", fix="Check the path.") from None
    except UnicodeDecodeError as error:
        raise kind(f"{what} {path} is not UTF-8 text.", found=f"byte {error.start} is not UTF-8") from None
    except OSError as error:
        raise kind(f"{what} {path} can't be read.", found=str(error.strerror or error)) from None
    except ValueError as error:  # NUL in the path
        raise kind(f"{what} {path} can't be read.", found=str(error)) from None


def parse_yaml(text: str, source: str, *, kind: type[InputError] = InputError) -> YamlDocument:
    """Parse ``text`` with a safe subset of YAML: no tags, no anchors, no duplicate keys, at most 40 levels.

    Raises:
        InputError: (or the subclass ``kind``) naming ``source`` and the line.
    """
    try:
        node = _Composer(text, source, kind).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{source}, line {mark.line + 1}" if mark else source
        raise kind(f"{place}: not valid YAML: {error.problem}.", fix="Fix the line, or one before it.") from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        found = f"the character U+{error.character:04X}"
        raise kind(f"{source}, line {line}: a character that is not allowed in YAML.", found=found) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # "\U99999999" and "%YAML 9...9" raise the last two
        raise kind(f"{source}: not valid YAML.", found=str(error)) from None
    document = YamlDocument(None, {}, source, {})
    if node is not None:
        document.data = _Constructor(document, kind).construct(node, ())
    return document


class _Composer(yaml.SafeLoader):
    """Builds nodes, and rejects what could run code or use much memory: tags, anchors, aliases, deep nesting."""

    def __init__(self, text: str, source: str, kind: type[InputError]) -> None:
        super().__init__(text)
        self._source = source
        self._kind = kind
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Return the next node, as the base class does; reject one that is not allowed."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        place = f"{self._source}, line {event.start_mark.line + 1}"
        if getattr(event, "anchor", None) is not None:
            sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
            raise self._kind(
                f"{place}: YAML anchors and aliases are not allowed here.",
                found=f"{sign}{event.anchor}",
                fix="Write the value out.",
            )
        if getattr(event, "tag", None) is not None:
            raise self._kind(
                f"{place}: YAML tags are not allowed here.",
                found=event.tag,
                fix="Write the bare value; put quotes around text.",
            )
        if self._depth > MAX_DEPTH:
            raise self._kind(f"{place}: nested too deeply.", expected=f"at most {MAX_DEPTH} levels")
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Constructor:
    """Converts nodes to plain data, and records the position and spelling of each part."""

    def __init__(self, document: YamlDocument, kind: type[InputError]) -> None:
        self._lines = document.lines
        self._written: dict[KeyPath, str] = {}
        document.written = self._written
        self._source = document.source
        self._kind = kind

    def construct(self, node: yaml.Node, where: KeyPath) -> Any:
        self._lines.setdefault(where, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, where)
        if isinstance(node, yaml.SequenceNode):
            return [self.construct(child, (*where, i)) for i, child in enumerate(node.value)]
        text = self._text(node)
        value = _plain(text) if isinstance(node, yaml.ScalarNode) and node.style is None else text
        if isinstance(value, (bool, int, float)):
            self._written[where] = text
        return value

    def _mapping(self, node: yaml.MappingNode, where: KeyPath) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._kind(f"{self._source}, line {line}: a key must be a single value.")
            key = self._text(key_node)
            if key in mapping:
                raise self._kind(
                    f"{self._source}, line {line}: the key '{key}' appears twice.",
                    fix="Remove one of the two.",
                )
            self._lines[(*where, key)] = line
            mapping[key] = self.construct(value_node, (*where, key))
        return mapping

    def _text(self, node: yaml.Node) -> str:
        text = str(node.value)
        bad = _UNPRINTABLE.search(text)
        if bad:
            raise self._kind(
                f"{self._source}, line {node.start_mark.line + 1}: a control character in the text.",
                found=f"the character U+{ord(bad.group()):04X}",
                fix="Remove it.",
            )
        return text


def _plain(text: str) -> str | int | float | bool | None:
    """Return the value of unquoted text."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) and len(text) <= 40 else text
    return text


def validate_model(model: type[Model], document: YamlDocument, *, kind: type[InputError] = InputError) -> Model:
    """Return ``document`` as ``model``; every fault is reported with its line.

    Raises:
        InputError: (or ``kind``) with the faults, one per line.
    """
    if not isinstance(document.data, dict):
        found = {list: "a list", type(None): "nothing"}.get(type(document.data), "a single value")
        raise kind(f"{document.source}: not a set of 'key: value' lines.", found=found)
    try:
        return _validate(model, document)
    except ValidationError as error:
        items = _causes(error.errors(include_url=False))
        faults = [_fault(document, model, dict(item)) for item in items[:MAX_FAULTS]]
        if len(items) > MAX_FAULTS:
            faults.append(f"{document.source}: and {count(len(items) - MAX_FAULTS, 'more fault')}.")
        raise kind(faults) from None


def _causes(items: Sequence[Any]) -> list[Any]:
    """Leave out "has no element" where the elements were rejected for faults of their own."""
    places = {item["loc"][:end] for item in items for end in range(len(item["loc"]))}
    return [item for item in items if item["type"] != "too_short" or item["loc"] not in places]


def _validate(model: type[Model], document: YamlDocument) -> Model:
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        wanted = [item["loc"] for item in error.errors(include_url=False) if item["type"] == "string_type"]
        as_written = [where for where in wanted if where in document.written]
        if not as_written:
            raise
    data = copy.deepcopy(document.data)
    for where in as_written:
        part = data
        for step in where[:-1]:
            part = part[step]
        part[where[-1]] = document.written[where]
    return model.model_validate(data)


def _fault(document: YamlDocument, model: type[BaseModel], item: dict[str, Any]) -> str:
    where = tuple(part for part in item["loc"] if isinstance(part, (str, int)))
    place = f"{document.source}, line {document.line(where)}"
    return f"{place}: {fault_sentence(model, item)}"
