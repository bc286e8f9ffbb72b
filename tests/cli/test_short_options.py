"""A short option means one thing in every command."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import click

from evalkit.cli import cli


def commands(group: click.Group, before: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Yield every command and group below ``group`` with its words."""
    yield " ".join(before), group
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*before, name))
        else:
            yield " ".join((*before, name)), command


def test_a_short_option_never_has_two_meanings() -> None:
    meanings: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for words, command in commands(cli):
        with click.Context(command) as context:
            for option in command.get_params(context):
                if not isinstance(option, click.Option):
                    continue
                names = [*option.opts, *option.secondary_opts]
                for short in (name for name in names if not name.startswith("--")):
                    meanings[short][max(names, key=len)].append(words)
    assert {"-o", "-c", "-b", "-B"} <= set(meanings)
    assert {short: dict(found) for short, found in meanings.items() if len(found) > 1} == {}
