"""Commands in messages, such as ```` `dbmigrate status` ````, completed with what this one was started with. Pure.

Only what dbmigrate words is completed. What the user wrote stays as it is: the excerpt of a file, a description, a
reason in the log.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dbmigrate.output.colour import Line

__all__ = ["in_line", "in_value"]

_COMMAND = "`dbmigrate "
_OWN_WORDS = r"\s*(?:hint|state|(?:error|warning|note)\[\w+\]):"  # compiled only where a command is named
_OWN_KEYS = ("hint", "state")


def in_line(line: Line | str, complete: Callable[[str], str]) -> Line | str:
    """`line` as it is printed; its style ends before the first command."""
    if _COMMAND not in str(line) or not re.match(_OWN_WORDS, str(line)):
        return line
    return complete(line) if isinstance(line, str) else replace(line, text=complete(line.text))


def in_value(value: Mapping[str, Any], complete: Callable[[str], str]) -> Mapping[str, Any]:
    """The same in an object for programs, and in all that it holds; a message is worded here if it has a code."""
    keys = (*_OWN_KEYS, "message") if "code" in value else _OWN_KEYS
    return {name: _in(each, complete, is_own=name in keys) for name, each in value.items()}


def _in(value: Any, complete: Callable[[str], str], *, is_own: bool) -> Any:  # noqa: ANN401 (whatever JSON can hold)
    if isinstance(value, str):
        return complete(value) if is_own and _COMMAND in value else value
    if isinstance(value, dict):
        return in_value(value, complete)
    if isinstance(value, list | tuple):
        return [_in(each, complete, is_own=False) for each in value]
    return value
