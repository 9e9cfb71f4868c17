"""psql for a target database: where it is, and the environment by which it gets the connection.

No password stands on its command line, which every user of the machine can read.
https://www.postgresql.org/docs/current/app-psql.html
"""

from __future__ import annotations

import subprocess
from dataclasses import field, replace
from typing import TYPE_CHECKING

from psycopg.conninfo import make_conninfo

from dbmigrate.connection.libpq_keywords import SECRETS, WITHOUT_VARIABLE
from dbmigrate.connection.programs import client_programs
from dbmigrate.errors import ConfigError, ToolMissing
from dbmigrate.frozen import frozen
from dbmigrate.model import Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.connection.programs import ClientProgram, Search

__all__ = ["Invocation", "find", "invocation", "run"]

_ENCODING = "PGCLIENTENCODING"


@frozen
class Invocation:
    """A psql to start: its words, its whole environment, and what it does not get."""

    words: tuple[str, ...]
    environ: Mapping[str, str] = field(repr=False)
    problems: tuple[Problem, ...] = ()


def find(search: Search) -> ClientProgram:
    """The newest psql that is installed; without one that of a package. Raises ToolMissing E206.

    One of a package knows neither TLS nor the keys of a terminal.
    """
    found = sorted(client_programs(search, "psql"), key=lambda program: program.source.startswith("package"))
    if not found:
        raise ToolMissing(
            "there is no psql on this machine",
            code="E206",
            hint="install PostgreSQL's client programs (apt-get install postgresql-client),"
            " or pip install 'dbmigrate[embedded]'",
        )
    return found[0]


def invocation(program: ClientProgram, dsn: Dsn, environ: Mapping[str, str], arguments: Sequence[str]) -> Invocation:
    """How to start `program` for `dsn` with the user's `arguments`, on top of the environment `environ`.

    Raises ConfigError E224, E225 where a command is asked for the password.
    """
    sent = replace(dsn, settings={}, options=()) if dsn.allows_pooler else dsn
    variables = dict(sent.environment())
    if "client_encoding" not in dsn.conninfo:
        del variables[_ENCODING]  # psql takes that of the terminal
    bare = {key: value for key, value in dsn.conninfo.items() if key in WITHOUT_VARIABLE}
    shown = {key: value for key, value in bare.items() if key not in SECRETS}
    place = ("-d", make_conninfo("", **shown)) if shown else ()
    return Invocation(
        (*program.command, *place, *arguments),
        {**environ, **variables},
        tuple(_left_out(dsn, [key for key in bare if key in SECRETS])),
    )


def run(started: Invocation) -> int:
    """Run it as a child with this process's streams; its exit code. Raises ConfigError E206."""
    try:
        code = subprocess.run(started.words, env=dict(started.environ), check=False).returncode
    except OSError as exc:
        raise ConfigError(f"cannot run {started.words[0]}: {exc.strerror}", code="E206") from exc
    return code if code >= 0 else 128 - code


def _left_out(dsn: Dsn, secrets: Sequence[str]) -> Sequence[Problem]:
    found = []
    if secrets:
        hint = "psql takes it from no variable, and a command line can be read by others; psql asks for a passphrase"
        found.append(Problem("W404", f"psql does not get {' and '.join(secrets)}", Severity.WARNING, hint=hint))
    if dsn.allows_pooler and dsn.settings:
        names = ", ".join(sorted(dsn.settings))
        hint = "a pooler refuses them at the login: set them in psql, inside a transaction"
        found.append(Problem("W404", f"psql does not get the settings {names}", Severity.WARNING, hint=hint))
    return found
