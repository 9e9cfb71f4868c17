"""Which protected environment a database is, as far as names can tell."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from dbmigrate.connection import dsn
from dbmigrate.environment_name import canonical
from dbmigrate.errors import ConfigError
from dbmigrate.frozen import frozen
from dbmigrate.settings.environments import is_same_database

if TYPE_CHECKING:
    from collections.abc import Collection

    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.settings.sources import Sources


@frozen
class Protection:
    """The protected environment of the target; `by` is its variable, where another name was given for its database."""

    environment: str
    by: str = ""


def found(target: Dsn, sources: Sources, protected: Collection[str], driver: str) -> Protection | None:
    """The environment of `protected` whose database is `target`, by the URLs that are configured."""
    for name in sorted(sources.names()):
        variable = name.removesuffix("_FILE")
        if variable.endswith("_URL") and canonical(variable) in protected:
            with suppress(ConfigError):  # an invalid URL names no database
                value = sources.url(variable)
                other = dsn.parse(value.text, driver=driver, origin=value.origin) if value else None
                if other and is_same_database(target, sources.completed(other)):
                    return Protection(canonical(variable), variable)
    return None
