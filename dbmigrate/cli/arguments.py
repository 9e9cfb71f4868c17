"""Arguments as dbmate accepts them (Go's flag package), rewritten to what typer expects."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


def normalised(arguments: Sequence[str], *, is_long: Callable[[str], bool]) -> list[str]:
    """``-url X``, ``-url=X`` and ``-u=X`` become ``--url X``, ``--url=X`` and ``-u X``; what follows ``--`` stays.

    `is_long` knows the long options, which begin with two dashes.
    """
    return list(_rewrite(arguments, is_long))


def _rewrite(arguments: Sequence[str], is_long: Callable[[str], bool]) -> Iterator[str]:
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            yield argument
            yield from rest
            return
        name, equals, value = argument.partition("=")
        if not name.startswith("-") or name.startswith("--"):
            yield argument
        elif len(name) > 2 and is_long(f"-{name}"):
            yield f"-{argument}"
        elif len(name) == 2 and equals:
            yield from (name, value)
        else:
            yield argument
