"""What the project file says about watching: ``[notify]``, and `window` in the table of an environment.

[notify]
url-env = "SLACK_WEBHOOK_URL"       # the name of a variable: the URL is a secret
secret-env = "WEBHOOK_SECRET"
format = "slack"                    # json, slack or teams; otherwise by the host of the URL
on = ["failed", "rolled-back"]

[environments.production]
window = ["Sat 02:00-04:00 UTC", "Mon-Fri 22:00-23:30 Europe/Berlin"]
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbmigrate.settings.project_variables import Place
    from dbmigrate.settings.windows import Window

__all__ = ["FORMATS", "NOTIFY_KEYS", "OCCASIONS", "NotifyTable", "notify", "windows"]

FORMATS = ("json", "slack", "teams")
OCCASIONS = ("started", "succeeded", "failed", "rolled-back", "slow", "outside-window")
NOTIFY_KEYS = ("format", "on", "url-env", "secret-env")
_TABLE = "notify"
_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"

_Path = tuple[str, ...]


@frozen
class NotifyTable:
    """``[notify]``: the names of the variables with the URL and the secret, the format if given, the occasions."""

    url_env: str
    secret_env: str | None
    format: str | None
    on: frozenset[str]


def notify(table: Mapping[str, object], place: Place) -> NotifyTable:
    """The table, whose keys are known. Raises ConfigError E255."""
    url_env = _variable(table, "url-env", place)
    if url_env is None:
        raise place.wrong((_TABLE,), "a table with url-env, the name of the variable that holds the URL")
    found = table.get("format")
    if found is not None and found not in FORMATS:
        raise place.wrong((_TABLE, "format"), f"one of {', '.join(FORMATS)}")
    return NotifyTable(url_env, _variable(table, "secret-env", place), str(found) if found else None, _on(table, place))


def _variable(table: Mapping[str, object], key: str, place: Place) -> str | None:
    value = table.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not re.fullmatch(_VARIABLE, value):
        # never the value in the message: it may be the URL itself
        raise place.wrong((_TABLE, key), "the name of an environment variable; its value is a secret and stays there")
    return value


def _on(table: Mapping[str, object], place: Place) -> frozenset[str]:
    value = table.get("on")
    if value is None:
        return frozenset(OCCASIONS)
    names = [str(name).replace("_", "-") for name in value] if isinstance(value, list) else []
    if not names or not set(names) <= set(OCCASIONS):
        raise place.wrong((_TABLE, "on"), f"a list of {', '.join(OCCASIONS)}")
    return frozenset(names)


def windows(value: object, path: _Path, place: Place) -> tuple[Window, ...]:
    """One window or a list of them. Raises ConfigError E255."""
    from dbmigrate.settings.windows import EXAMPLE, parse

    texts = value if isinstance(value, list) else [value]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise place.wrong(path, f'a window such as "{EXAMPLE}", or a list of them')
    try:
        return tuple(parse(str(text)) for text in texts)
    except ValueError as exc:
        raise place.wrong(path, str(exc)) from exc
