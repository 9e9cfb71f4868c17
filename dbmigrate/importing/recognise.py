"""Which tool an old project is of: by its files, and by the table of its history where that was looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError
from dbmigrate.importing.tools import TOOLS

if TYPE_CHECKING:
    from collections.abc import Collection

    from dbmigrate.importing.values import Source, Tool

__all__ = ["by_name", "choose"]


def by_name(name: str) -> Tool:
    """The tool of that name. Raises ConfigError E283."""
    if name not in TOOLS:
        raise ConfigError(f"--from {name}: no such tool", code="E283", hint=f"the tools are {', '.join(TOOLS)}")
    return TOOLS[name]


def choose(source: Source, *, named: str | None, owning: Collection[str] | None = None) -> Tool:
    """The one tool that the files fit; `owning` are the tools whose tables the database has, where it was asked.

    Raises ConfigError E283 where none fits, or several.
    """
    if named is not None:
        return by_name(named)
    fitting = [name for name in TOOLS if TOOLS[name].recognises(source)]
    if len(fitting) > 1 and owning is not None:
        fitting = [name for name in fitting if name in owning] or fitting
    if len(fitting) == 1:
        return TOOLS[fitting[0]]
    if not fitting:
        raise ConfigError(
            f"{source.directory} holds no files of a tool that can be imported",
            code="E283",
            hint=f"the tools are {', '.join(TOOLS)}; where one of them fits all the same, name it: --from TOOL",
        )
    raise ConfigError(
        f"the files of {source.directory} fit several tools: {', '.join(fitting)}",
        code="E283",
        hint=f"say which one it is, as in `--from {fitting[0]}`"
        + ("" if owning is not None else "; with --history the table decides"),
    )
