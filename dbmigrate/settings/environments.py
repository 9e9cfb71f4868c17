"""Variables of environments, whether two URLs name the same database, and whether that is a protected one."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from dbmigrate.connection import dsn
from dbmigrate.environment_name import canonical
from dbmigrate.errors import ConfigError
from dbmigrate.frozen import frozen
from dbmigrate.settings.project_file import ENVIRONMENT_NAME

if TYPE_CHECKING:
    from collections.abc import Collection

    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.settings.sources import Choice, Sources

__all__ = [
    "Protection",
    "environment",
    "is_same_database",
    "name_of",
    "protected_names",
    "protection_of",
    "variable_of",
]

_URL_NAME = re.compile(r"([A-Z0-9_]+)_DATABASE_URL(_FILE)?")
_HERE = frozenset(("", "localhost", "127.0.0.1", "::1"))


def variable_of(environment: str) -> str:
    """``production`` -> ``PRODUCTION_DATABASE_URL``; a name that ends in ``_URL`` is a variable itself (dbmate)."""
    if environment.endswith("_URL"):
        return environment
    return re.sub(r"[.-]", "_", environment).upper() + "_DATABASE_URL"


def name_of(variable: str) -> str | None:
    """The name for ``-e`` that a variable makes: ``STAGING_DATABASE_URL`` and ``..._FILE`` make ``staging``."""
    found = _URL_NAME.fullmatch(variable)
    return found[1].lower() if found else None


def is_same_database(one: Dsn, other: Dsn) -> bool:
    """Whether two complete targets have a server and the database's name in common, as far as names can tell."""
    if one.embedded is not None or other.embedded is not None:
        return one.embedded == other.embedded and one.database == other.database
    return one.database == other.database and bool(_servers(one) & _servers(other))


def _servers(target: Dsn) -> set[tuple[str, str]]:
    """Every host and address with its port; the names of this machine are one."""
    ports = (target.conninfo.get("port") or "5432").split(",")
    servers = set()
    for keyword in ("host", "hostaddr"):
        for number, host in enumerate((target.conninfo.get(keyword) or "").split(",")):
            port = (ports[number] if len(ports) > 1 and number < len(ports) else ports[0]) or "5432"
            name = host.strip().lower().rstrip(".")
            is_here = name in _HERE or name.startswith("/")
            if name or keyword == "host":
                servers.add(("localhost" if is_here else name, port))
    return servers


@frozen
class Protection:
    """The protected environment of the target; `by` is its variable, where another name was given for its database."""

    environment: str
    by: str = ""


def protection_of(target: Dsn, sources: Sources, protected: Collection[str], driver: str) -> Protection | None:
    """The environment of `protected` whose database is `target`, by the URLs that are configured."""
    for name in sorted(name for name in sources.names() if name.endswith(("_URL", "_URL_FILE"))):
        variable = name.removesuffix("_FILE")
        if canonical(variable) in protected:
            with suppress(ConfigError):  # an invalid URL names no database
                value = sources.url(variable)
                other = dsn.parse(value.text, driver=driver, origin=value.origin) if value else None
                if other and is_same_database(target, sources.completed(other)):
                    return Protection(canonical(variable), variable)
    return None


def protected_names(choice: Choice) -> frozenset[str]:
    """The names of the protected environments; an empty list in the project file means none."""
    names = choice.value("DBMIGRATE_PROTECTED").text.split(",")
    return frozenset(canonical(name.strip()) for name in names if name.strip())


def environment(choice: Choice, flag: str | None) -> str | None:
    """The name for ``-e``. An empty flag is an error: it comes from an unset shell variable."""
    value = choice.value("DBMIGRATE_ENV", flag)
    if value.origin == "default":
        return None
    if not re.fullmatch(ENVIRONMENT_NAME, value.text.strip()):
        hint = "use letters, digits, _ - and ."
        raise ConfigError(f"{value.name}: the name of the environment is empty or invalid", code="E205", hint=hint)
    variable = variable_of(value.text.strip())
    return name_of(variable) or variable
