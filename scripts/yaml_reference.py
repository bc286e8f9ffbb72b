"""The page about the YAML files (challenge, mapping, test set, backbones, table), made from their models."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from yaml_examples import BACKBONES, CHALLENGE, EXAMPLES, FIGURES, PAIRS, RATINGS, SAMPLE, TABLE

from evalkit.challenges import full_text
from evalkit.challenges.full_text import yaml_value
from evalkit.challenges.model import Challenge
from evalkit.ratings.mapping import PairMapping, RatingMapping
from evalkit.tables.model import TableSpec
from evalkit.tables.published import PublishedFigures
from evalkit.testsets.model import Sample
from evalkit.weights.manifest import Backbones


@dataclass(frozen=True)
class File:
    """One kind of file.

    Args:
        title: of its section.
        model: what it is read as.
        about: how it is used.
        sample: a whole file.
        language: of the sample.
    """

    title: str
    model: type[BaseModel]
    about: str
    sample: str
    language: str = "yaml"


FILES = (
    File(
        "Challenge",
        Challenge,
        "`evalkit challenges init mine.yaml --full` writes one with every key, `evalkit challenges check mine.yaml` "
        "says whether it can be scored and ranked.",
        CHALLENGE,
    ),
    File(
        "Mapping of ratings",
        RatingMapping,
        "Says which column of a rating file is what, for `evalkit ratings import answers.csv --mapping mapping.yaml`. "
        "No key is required where the format is recognized and the columns have the usual names.",
        RATINGS,
    ),
    File(
        "Mapping of comparisons",
        PairMapping,
        "The same for files of comparisons, with `--pairs`.",
        PAIRS,
    ),
    File(
        "Test set",
        Sample,
        "A test set of the format `native` is a folder with `samples.jsonl`: one JSON object per sample and line, with "
        "these keys. Paths are relative to the folder. The formats of published challenges need no such file. A line "
        'with `"setups": {"silent": {"driving_audio": "quiet.wav"}, "own": {}, "other": {"audio": "b.wav"}}` stands '
        "for a sample of each setup, where a challenge asks for several videos ([lip leakage](papers/lip-leakage.md)).",
        SAMPLE,
        "json",
    ),
    File(
        "Backbones",
        Backbones,
        "A set of networks for `--backbones FILE`. Roles are those of `evalkit weights list`.",
        BACKBONES,
    ),
    File(
        "Table",
        TableSpec,
        "A paper's table for `evalkit table runs.yaml`. Where `fid`, `fvd`, `kid` or `kvd` is not in the runs and the "
        "variant over unpaired sets is, that is meant. Examples: [Folders](folders.md#a-papers-table).",
        TABLE,
    ),
    File(
        "Published figures",
        PublishedFigures,
        "Figures of a paper or a leaderboard, as they are printed, and what is said of them, for `evalkit table-check "
        "figures.yaml`. Numbers are read digit by digit. With output: [FaceVid-1K](papers/facevid1k.md).",
        FIGURES,
    ),
)
NAMES = {
    type(None): "null",
    str: "text",
    int: "whole number",
    float: "number",
    bool: "`true` or `false`",
}
BELOW = "those below"
DIGEST_WORDS = {("WeightEntry", "digest"): "by the digests that are given"}


@dataclass(frozen=True)
class Key:
    """One row of the page."""

    owner: type[BaseModel]
    name: str
    kind: str
    default: str
    about: str
    example: str


def keys(model: type[BaseModel]) -> list[Key]:
    """Return the keys of one group, in the order of the model."""
    said = _arguments(model)
    found = []
    for name, field in model.model_fields.items():
        key = field.alias or name
        default = DIGEST_WORDS.get((model.__name__, key)) or _default(field)
        example = _example(model, key, default)
        about = (field.description or said.get(key, "")).replace("`None`", "`null`")
        found.append(Key(model, key, type_words(field.annotation), default, about, example))
    return found


def groups(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield every group of keys with its dotted path: ``[]`` for members of a list, ``NAME`` for keys of one's own."""
    yield path, model
    for name, field in model.model_fields.items():
        for inner, mark in _models(field.annotation):
            yield from groups(inner, f"{path}.{field.alias or name}{mark}".lstrip("."))


def page() -> str:
    """Return the page."""
    lines = [
        "# YAML files",
        "",
        "Made by `make docs` from the models in the code: every key of the files that evalkit reads.",
        "",
        "`true` and `false` are the only booleans (`yes`, `no`, `on` and `off` are words), and only plain decimal",
        "numbers are numbers (`012`, `1:30` and dates are text). Anchors, tags and keys that appear twice are refused.",
        "An unknown key is an error that names the known ones.",
    ]
    for file in FILES:
        lines += ["", f"## {file.title}", "", file.about, "", f"```{file.language}", file.sample.strip(), "```"]
        for path, model in groups(file.model):
            lines += ["", f"### `{path}`", ""] if path else [""]
            lines += [_summary(model), ""] if path else []
            lines += ["| key | type | default | meaning | example |", "|---|---|---|---|---|"]
            for key in keys(model):
                words = {"required", BELOW, *DIGEST_WORDS.values()}
                default = key.default if key.default in words else f"`{key.default}`"
                cells = [f"`{key.name}`", key.kind, default, key.about, f"`{key.name}: {key.example}`"]
                if file.language == "json":
                    cells[-1] = f'`"{key.name}": {key.example}`'
                lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def type_words(annotation: Any) -> str:
    """Return a type in words."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_words(inner[0])
    if origin is Literal:
        return " or ".join(f"`{one}`" for one in inner)
    if origin in {Union, types.UnionType}:
        return ", or ".join(map(type_words, inner))
    if origin in {dict, tuple}:
        count = "" if origin is dict or inner[-1] is Ellipsis else f" {len(inner)}"
        kind = "keys of your own, each with" if origin is dict else f"list of{count}"
        return f"{kind}: {type_words(inner[1 if origin is dict else 0])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "keys, see below"
    return NAMES.get(annotation, "any value")


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return BELOW
    return "required" if value is PydanticUndefined else yaml_value(value)


def _example(model: type[BaseModel], key: str, default: str) -> str:
    family = [model.__name__, *(["*Mapping"] if model.__name__.endswith("Mapping") else []), "*"]
    found = next((EXAMPLES[owner, key] for owner in family if (owner, key) in EXAMPLES), None)
    if found is None and default in {"required", "null", "[]", "{}"}:
        found = full_text.EXAMPLES.get(key)
    choices = get_args(model.model_fields[key].annotation) if key in model.model_fields else ()
    if found is None and get_origin(model.model_fields.get(key, FieldInfo()).annotation) is Literal:
        found = str(next(choice for choice in choices if yaml_value(choice) != default or len(choices) == 1))
    return default if found is None else found


def _summary(model: type[BaseModel]) -> str:
    text = inspect.cleandoc(model.__doc__ or "").split("\n\n")[0]
    return " ".join(text.split()).replace("``", "`")


def _arguments(model: type[BaseModel]) -> dict[str, str]:
    """Return what the docstrings of ``model`` and its bases say about each key."""
    found: dict[str, str] = {}
    for owner in reversed(model.__mro__):
        text = inspect.cleandoc(owner.__doc__ or "")
        if not issubclass(owner, BaseModel) or "\nArgs:\n" not in text:
            continue
        said = text.split("\nArgs:\n")[1]
        for names, words in re.findall(r"^    ([\w, ]+): (.*(?:\n        .*)*)", said, re.MULTILINE):
            found |= dict.fromkeys(names.split(", "), " ".join(words.split()).replace("``", "`").rstrip("."))
    return found


def _models(annotation: Any, mark: str = "") -> Iterator[tuple[type[BaseModel], str]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, mark
    for inner in get_args(annotation):
        more = {tuple: "[]", dict: ".NAME"}.get(get_origin(annotation), "")
        yield from _models(inner, mark + more)
