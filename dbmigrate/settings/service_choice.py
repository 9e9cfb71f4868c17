"""Which service a command works on, and what that service has in place of the project's own settings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError
from dbmigrate.settings.sources import Value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dbmigrate.services import Service
    from dbmigrate.settings.project_file import Project
    from dbmigrate.settings.sources import Choice

__all__ = ["choose", "in_database", "unknown"]


def choose(choice: Choice, flag: str | None, project: Project) -> Service:
    """The service of the flag or the variable; from now on `choice` has its directory, table and schema file.

    They win over the variables, which are those of the project itself: with one table for all of them, one service
    would take the versions of another for its own. Raises ConfigError E268, E205 for an empty flag.
    """
    value = choice.value("DBMIGRATE_SERVICE", flag)
    name = value.text.strip()
    if not name:
        hint = "name a service, or leave it out"
        raise ConfigError(f"{value.name}: the name of the service is empty", code="E205", hint=hint)
    found = next((each for each in project.services if each.name == name), None)
    if found is None:
        raise unknown(name, project)
    origin = f"[service.{name}] ({project.path})"
    choice.of_service.update(
        DBMIGRATE_MIGRATIONS_DIR=Value(",".join(found.directories), origin, origin),
        DBMIGRATE_MIGRATIONS_TABLE=Value(found.table, origin, origin),
        DBMIGRATE_SCHEMA_FILE=Value(found.schema_file, origin, origin),
    )
    return found


def unknown(name: str, project: Project) -> ConfigError:
    """The error for a service that the project file does not have."""
    if not project.services:
        table = f'`[service.{name}]` with dir = "{name}/migrations"'
        return ConfigError(
            "this project has no services", code="E268", hint=f"add {table} to {project.path or 'dbmigrate.toml'}"
        )
    known = ", ".join(each.name for each in project.services)
    return ConfigError(f"there is no service {name}", code="E268", hint=f"the services are {known}")


def in_database(services: Iterable[Service], own: Service, cwd: str) -> tuple[Service, ...]:
    """All that may share a database: the services, and the project itself where it has migrations of its own."""
    known = tuple(services)
    taken = {os.path.normpath(each) for service in known for each in service.directories}
    mine = [each for each in own.directories if os.path.normpath(each) not in taken]
    return (*known, own) if known and any(os.path.isdir(os.path.join(cwd, each)) for each in mine) else known
