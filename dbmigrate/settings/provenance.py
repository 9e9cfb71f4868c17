"""Where each part of a target's URL is from: the URL, ``DB_*`` and ``PG*`` variables, a service file, a default."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.connection.libpq_keywords import SETTING_VARIABLES, VARIABLES, is_secret
from dbmigrate.frozen import frozen
from dbmigrate.settings.sources import DB_KEYWORDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.settings.sources import Sources, Value

__all__ = ["Part", "parts"]

_ALWAYS = ("host", "port", "user", "password", "dbname", "sslmode")
_MASK = "********"


@frozen
class Part:
    """A keyword of libpq or a server setting, its value (masked if it is secret), and where that is from."""

    name: str
    value: str
    origin: str


def parts(given: Dsn, url: Value | None, sources: Sources, target: Dsn) -> Iterator[Part]:
    """The parts of `target`, which was completed from `given`: what the URL or the ``DB_*`` variables say."""
    for name in dict.fromkeys((*_ALWAYS, *target.conninfo)):
        value = target.conninfo.get(name) or _default(name, target)
        if name == "password" and target.password_command is not None:
            yield Part(name, _MASK, target.password_command.origin)
        elif value:
            yield Part(name, _MASK if is_secret(name) else value, _origin(name, given, url, sources))
    for name, value in target.settings.items():
        yield Part(name, _MASK if is_secret(name) else value, _of_setting(name, given, url, sources))


def _default(name: str, target: Dsn) -> str:
    return {"port": "5432", "user": target.user, "dbname": target.database, "sslmode": "prefer"}.get(name, "")


def _origin(name: str, given: Dsn, url: Value | None, sources: Sources) -> str:
    if name in given.conninfo:
        if url is not None:
            return url.origin
        variable = next(each for each, keyword in DB_KEYWORDS.items() if keyword == name)
        value = sources.find(variable)
        return value.name if value else f"default of {variable}"
    if name in sources.service_section(given):
        return "service file"
    found = sources.find(VARIABLES[name]) if name in VARIABLES else None
    return found.name if found else "default"


def _of_setting(name: str, given: Dsn, url: Value | None, sources: Sources) -> str:
    if name in given.settings and url is not None:
        return url.origin
    variables = (*(each for each, setting in SETTING_VARIABLES.items() if setting == name), VARIABLES["options"])
    found = next((value for each in variables if (value := sources.find(each))), None)
    return found.name if found else "service file"
