"""A platform's own schemas on a scratch database: migrations refer to `auth.users` and call `auth.uid()`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from dbmigrate.connection import database, programs
from dbmigrate.errors import Error
from dbmigrate.migrations import plain_sql
from dbmigrate.model import Problem, Severity
from dbmigrate.schema import dump, load, normalise, pgdump, sending
from dbmigrate.sql import words

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.events import Event
    from dbmigrate.execution.session import Session
    from dbmigrate.scratch.choose import ScratchServer

__all__ = ["fill"]

_TEXT = "the platform's schemas"  # where a path stands for a file
# projects make these on the platform's tables, with functions of their own: their migrations make them again
_OF_PROJECTS = ("TRIGGER", "POLICY", "RULE")


def fill(
    session: Session, environ: Mapping[str, str], schemas: Collection[str], server: ScratchServer, copy: Dsn
) -> tuple[Problem, ...]:
    """Give the empty database `copy` these schemas of the target, without rows; a note where that cannot be."""
    try:
        text = _dumped(session, environ, schemas)
        server.retrying(partial(_load, copy, text))
    except Error as exc:
        message = f"{_TEXT} ({', '.join(sorted(schemas))}) are not on the scratch database: {exc.message}"
        return (Problem("W664", message, Severity.NOTE, hint=exc.hint),)
    return ()


def _dumped(session: Session, environ: Mapping[str, str], schemas: Collection[str]) -> str:
    database.refuse_shared_session(session.facts, "pg_dump changes the settings of its session")
    raw = pgdump.dump(
        {**environ, **dump.environment(session)},
        server_version=session.facts.server_version,
        extra_arguments=[f"--schema={name}" for name in sorted(schemas)],
        search=programs.Search.from_environ(environ),
    )
    text = load.prepare(normalise.normalise(raw), path=_TEXT)
    kept = (each.sql for each in plain_sql.split_sql(text, path=_TEXT) if not _is_of_a_project(each.sql))
    return "".join(f"{sql}\n" for sql in kept)


def _is_of_a_project(statement: str) -> bool:
    first = [word for word, _ in zip(words(statement), range(4), strict=False)]
    return first[:1] == ["CREATE"] and any(word in _OF_PROJECTS for word in first[1:])


def _load(copy: Dsn, text: str) -> None:
    """As one query, whole or not at all: pg_dump does not say in what order a part of a database can be made."""
    lenient = replace(copy, settings={**copy.settings, "check_function_bodies": "off"})
    with database.connect(lenient, command="scratch", on_event=_ignore) as conn:
        sending.send(conn, text, path=_TEXT, dsn=lenient)


def _ignore(event: Event) -> None:
    """The listener of sessions that nobody listens to."""
