"""``[vars]`` of the project file: values of variables in migrations, and what stands in for them on scratch databases.

    [vars]
    schema = "app"                                  # a value
    owner = { value = "app_owner", check = "app" }  # ... and a stand-in for `check` and `lint`; either may be left out

The second form can be a table ``[vars.owner]``. A name is that of the placeholder, letter by letter: not a key, in
which hyphens and underscores would be the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbmigrate.errors import ConfigError

__all__ = ["ProjectVariable", "read"]

_TABLE = "vars"
_KEYS = ("value", "check")

_Path = tuple[str, ...]


@frozen
class ProjectVariable:
    """One variable: its value and its stand-in, None where the file has none, and the ``file:line`` of each."""

    value: str | None
    check: str | None
    origin: str


@frozen
class Place:
    """What the reader of the project file knows: how it words an error, and where a key stands."""

    wrong: Callable[[_Path, str], ConfigError]
    unknown: Callable[[_Path, tuple[str, ...]], ConfigError]
    origin: Callable[[_Path], str]


def read(table: Mapping[str, object], place: Place) -> dict[str, ProjectVariable]:
    """The variables of the table, by name. Raises ConfigError E254, E255."""
    found = {}
    for name, value in table.items():
        path = (_TABLE, name)
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise place.wrong(path, "a variable, whose name has letters, digits and _ alone")
        if isinstance(value, Mapping):
            for key in value:
                if key not in _KEYS:
                    raise place.unknown((*path, key), _KEYS)
            texts = [_text(value.get(key), (*path, key), place) for key in _KEYS]
        else:
            texts = [_text(value, path, place), None]
            if texts[0] is None:
                raise place.wrong(path, "a string")
        found[name] = ProjectVariable(texts[0], texts[1], place.origin(path))
    return found


def _text(value: object, path: _Path, place: Place) -> str | None:
    """A string; it may be empty, which a literal can be."""
    if value is not None and (not isinstance(value, str) or "\0" in value):
        raise place.wrong(path, "a string")
    return value
