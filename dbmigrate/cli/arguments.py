"""Arguments as dbmate accepts them (Go's flag package), rewritten to what typer expects."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


def normalised(arguments: Sequence[str], *, long_options: Iterable[str]) -> list[str]:
    """``-url X``, ``-url=X`` and ``-u=X`` become ``--url X``, ``--url=X`` and ``-u X``; what follows ``--`` stays."""
    return list(_rewrite(arguments, frozenset(long_options)))


def _rewrite(arguments: Sequence[str], long_options: frozenset[str]) -> Iterator[str]:
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            yield argument
            yield from rest
            return
        name, equals, value = argument.partition("=")
        if not name.startswith("-") or name.startswith("--"):
            yield argument
        elif f"-{name}" in long_options:
            yield f"-{argument}"
        elif len(name) == 2 and equals:
            yield from (name, value)
        else:
            yield argument
