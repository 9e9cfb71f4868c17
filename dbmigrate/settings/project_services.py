"""``[service.NAME]`` of the project file: several services in one database, each with migrations of its own.

[service.ai]
dir = "ai-svc/migrations"                     # or a list; the one key that is needed
migrations-table = "ai_schema_migrations"     # the default: NAME_schema_migrations
schema-file = "ai-svc/schema.sql"             # the default: schema.sql beside the directory
owner = "team assistants"
notes = "PostgreSQL only"
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError
from dbmigrate.services import NAME, Service, default_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from dbmigrate.model import Place

__all__ = ["KEYS", "TABLE", "read"]

TABLE = "service"
KEYS = ("dir", "migrations-table", "schema-file", "owner", "notes")


def read(
    tables: Mapping[str, Mapping[str, str]], place: Callable[[tuple[str, ...]], Place | None]
) -> tuple[Service, ...]:
    """The services of these tables, whose values are texts by key; `place` says where a key stands.

    Raises ConfigError E272 (a name that no service can have, no directory), E269 (two of them share something).
    """
    found = []
    for name, given in tables.items():
        at = place((TABLE, name))
        if not re.fullmatch(NAME, name):
            hint = "begin with a small letter, and use small letters, digits, - and _"
            raise ConfigError(f"{name!r} cannot be the name of a service", code="E272", place=at, hint=hint)
        if not (directories := _directories(given.get("dir", ""))):
            hint = f'add dir = "{name}/migrations"'
            raise ConfigError(f"service {name} has no directory of migrations", code="E272", place=at, hint=hint)
        found.append(_service(name, directories, given))
    _refuse_shared(found, place)
    return tuple(found)


def _directories(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _service(name: str, directories: tuple[str, ...], given: Mapping[str, str]) -> Service:
    beside = os.path.join(os.path.dirname(os.path.normpath(directories[0])), "schema.sql")
    return Service(
        name,
        directories,
        given.get("migrations-table") or default_table(name),
        given.get("schema-file") or beside,
        " ".join(given.get("owner", "").split()),
        " ".join(given.get("notes", "").split()),
    )


def _refuse_shared(found: Iterable[Service], place: Callable[[tuple[str, ...]], Place | None]) -> None:
    """What two services share, one of them would take for its own."""
    seen: dict[tuple[str, str], str] = {}
    for service in found:
        parts = [("directory", os.path.normpath(each), "dir") for each in service.directories]
        parts += [("tracking table", service.table, "migrations-table")]
        parts += [("schema file", os.path.normpath(service.schema_file), "schema-file")]
        for kind, value, key in parts:
            other = seen.setdefault((kind, value), service.name)
            if other != service.name:
                raise ConfigError(
                    f"services {other} and {service.name} have the same {kind}: {value}",
                    code="E269",
                    place=place((TABLE, service.name, key)) or place((TABLE, service.name)),
                    hint=f"give one of them another {key}",
                )
