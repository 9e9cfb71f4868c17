"""Which command prints the password of a target database."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.connection import password_command
from dbmigrate.environment_name import canonical
from dbmigrate.settings.sources import Value
from dbmigrate.settings.variables import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.settings.project_file import Project

_NAME = "DBMIGRATE_PASSWORD_COMMAND"


def asking(found: Dsn, general: Value, project: Project, environ: Mapping[str, str], environment: str | None) -> Dsn:
    """`found`, whose password the command prints.

    A password that is given wins (in the URL, DB_PASSWORD, PGPASSWORD or the service file), unless the command is that
    of the option. What the project file says of the environment wins over its key at the top.
    """
    value = _chosen(general, project, environment)
    is_option = value.origin == VARIABLES[_NAME].option
    if not value.text.strip() or (found.conninfo.get("password") and not is_option):
        return found
    place = {
        "PGHOST": found.conninfo.get("host") or found.conninfo.get("hostaddr") or "",
        "PGPORT": found.conninfo.get("port") or "5432",
        "PGUSER": found.user,
        "PGDATABASE": found.database,
        "DBMIGRATE_ENV": environment or "",
    }
    command = password_command.of(value.text, origin=value.name, environ=environ, place=place)
    return replace(found, password_command=command)


def _chosen(general: Value, project: Project, environment: str | None) -> Value:
    at_top = project.values.get(_NAME)
    own = project.password_commands.get(canonical(environment or ""))
    if own is None or general.origin not in ("default", at_top.origin if at_top else ""):
        return general
    return Value(own.text, f"{own.key} ({own.origin})", own.origin)
