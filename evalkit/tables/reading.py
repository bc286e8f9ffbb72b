"""Reading a file of published figures, and the CSV files that it names."""

from __future__ import annotations

from pathlib import Path

from evalkit.errors import InputError
from evalkit.tables.published import MAX_ROWS, PublishedFigures
from evalkit.tables.published_csv import table_of_csv
from evalkit.yamlio import YamlDocument, parse_yaml, read_text, validate_model


def load_figures(path: Path) -> tuple[PublishedFigures, YamlDocument]:
    """Return the figures of a file, and where each part of it stands. Tables of CSV files are read.

    A CSV file alone is one table, about which nothing is said.

    Raises:
        InputError: it or a CSV file that it names can't be read, or has faults; each with its line.
    """
    if path.suffix.lower() in {".csv", ".tsv"}:
        table = table_of_csv(path, path.name[:200])
        return PublishedFigures(tables=(table,)), YamlDocument({}, {}, str(path))
    document = parse_yaml(read_text(path, kind=InputError, what="The file of figures"), str(path))
    figures = validate_model(PublishedFigures, document)
    tables = tuple(
        table if table.file is None else table_of_csv(beside(path, table.file), table.name) for table in figures.tables
    )
    figures = figures.model_copy(update={"tables": tables})
    if (rows := sum(len(table.rows) for table in tables)) > MAX_ROWS:
        raise InputError(f"{path} has too many rows.", found=str(rows), expected=f"at most {MAX_ROWS}")
    return figures, document


def beside(path: Path, name: str) -> Path:
    """Return the file ``name`` in the folder of ``path`` or below it.

    Raises:
        InputError: it would be elsewhere: a file of others opens no file of yours.
    """
    goal = (path.parent / name).resolve()
    if not goal.is_relative_to(path.parent.resolve()):
        raise InputError(
            f"{path} names a file outside its folder.", found=name, fix="Put the CSV file beside the YAML file."
        )
    return goal
