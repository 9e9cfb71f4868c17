"""One migration in the place of many, proved on scratch databases to make the same; see `planning.replaces`."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import replace
from enum import StrEnum
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from dbmigrate import catalog
from dbmigrate.api import drift, from_schema
from dbmigrate.api.base import Options
from dbmigrate.api.drift import MIGRATIONS_SCOPE, Comparer, replayed
from dbmigrate.catalog import Scope
from dbmigrate.connection import database
from dbmigrate.errors import DatabaseError, Error, PlanError, Refused
from dbmigrate.events import Warned
from dbmigrate.frozen import frozen
from dbmigrate.migrations import find, parser, variables
from dbmigrate.model import Direction, MigrationFile, Order, Policy, Problem, Severity
from dbmigrate.planning import replaces
from dbmigrate.planning import squash as planning
from dbmigrate.schema import pgdump, rows
from dbmigrate.scratch import choose, outside_effects
from dbmigrate.tracking import old_history
from dbmigrate.variables import Variables

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dbmigrate.catalog import Catalog
    from dbmigrate.events import Event
    from dbmigrate.execution.session import Session
    from dbmigrate.model import Migration
    from dbmigrate.schema.versions import Dumping
    from dbmigrate.scratch.choose import Choice, ScratchServer

__all__ = ["Made", "Rows", "Squash", "squash"]

_COMMAND = "squash"
_SCOPE = MIGRATIONS_SCOPE | Scope.OWNERS  # both databases are of one role: another owner was given by a migration
_SHOWN = 20  # differences that an error lists


class Rows(StrEnum):
    """What becomes of the rows that the migrations leave in an empty database."""

    REFUSE = "refuse"
    INCLUDE = "include"
    LEAVE_OUT = "leave-out"


@frozen
class Squash:
    """What to squash: the files of `directories` up to `to`. `name` is that of the new file."""

    directories: tuple[str, ...]
    to: str
    dumping: Dumping
    name: str = "squashed"
    table: str = "schema_migrations"
    order: Order = Order.NAME
    rows: Rows = Rows.REFUSE


@frozen
class Made:
    """The file that was made, and the files that it replaces."""

    path: str
    version: str
    replaced: tuple[MigrationFile, ...]


class _State(NamedTuple):
    """A scratch database: its catalog, and its rows by table."""

    catalog: Catalog
    rows: dict[str, str]


def squash(wanted: Squash, choice: Choice, *, on_event: Callable[[Event], None]) -> Made:
    """Make one migration of many. Nothing is written before it is proved to make the same catalog, and the same rows.

    Raises PlanError E232, E260 (a migration fails), E263 (there is nothing to squash); Refused E745 (rows), E746 (it
    does not make the same); ToolMissing E206; what reading the files and opening a scratch server raises.
    """
    present = find.find(wanted.directories, wanted.order)
    migrations = tuple(parser.read(file, (Direction.UP,)) for file in present)
    taken = planning.chosen(migrations, wanted.to)
    planning.refuse_values([variables.bound(each, Variables()) for each in taken])
    version = planning.version(present, taken, wanted.order)
    effects = outside_effects.of_all(taken)
    for problem in _about_the_server(taken):
        on_event(Warned(problem))
    with choose.open_server(replace(choice, effects=effects, spared=choice.target)) as server:
        text, expected = _made(server, wanted, taken)
        _prove(server, wanted, text, (version, expected))
        if server.note:
            on_event(Warned(Problem("W600", server.note, Severity.NOTE)))
    path = find.create_as(wanted.directories, wanted.name, [version], lambda _: text)
    return Made(path, version, tuple(migration.file for migration in taken))


def _about_the_server(taken: Sequence[Migration]) -> tuple[Problem, ...]:
    """A role, for example, belongs to no database: no schema says that it is made."""
    names = [each.name for each in taken if outside_effects.of_all([each]) & outside_effects.Effects.SERVER]
    if not names:
        return ()
    message = f"what these migrations do to the whole server is not in the squashed file: {', '.join(names)}"
    return (Problem("W342", message, hint="make roles and the like in a migration of their own, before it"),)


# --------------------------------------------------------------------------------------------------- scratch databases


def _made(server: ScratchServer, wanted: Squash, taken: Sequence[Migration]) -> tuple[str, _State]:
    """The text of the new file, and what the old ones make."""
    with server.database() as dsn:
        copy = Comparer(dsn, Options(wanted.directories, wanted.table, policy=Policy(order=wanted.order)))
        try:
            replayed(server, copy, taken)
        except DatabaseError as exc:
            message = f"the migrations cannot be applied to a scratch database: {exc.message}"
            raise exc.recast(PlanError, message, code="E260", hint=choose.hint_for(exc, server)) from exc
        with copy._open(_COMMAND) as session:
            own = _own(session)
            with database.translated(session.dsn):
                filled = rows.filled(session.conn, own)
            if filled and wanted.rows is Rows.REFUSE:
                raise _has_rows(filled)
            text = _text(wanted, taken, _body(session, wanted))
            return text, _state(session, wanted)


def _prove(server: ScratchServer, wanted: Squash, text: str, goal: tuple[str, _State]) -> None:
    """Run the text as a migration in another scratch database. Raises Refused E746."""
    version, expected = goal
    with ExitStack() as stack:
        directory = stack.enter_context(TemporaryDirectory(prefix="dbmigrate-"))
        path = find.create_as([directory], wanted.name, [version], lambda _: text)
        migration = parser.read(MigrationFile(version, os.path.basename(path), path))
        dsn = stack.enter_context(server.database())
        copy = Comparer(dsn, Options((directory,), wanted.table))
        try:
            replayed(server, copy, [migration])
        except Error as exc:
            raise exc.recast(Refused, f"the squashed file fails: {exc.message}", code="E746", hint=_FAILS) from exc
        with copy._open(_COMMAND) as session:
            found = _state(session, wanted)
    differences = [each.headline for each in catalog.compare(expected.catalog, found.catalog, scope=_SCOPE)]
    differences += [f"rows of {name}" for name in sorted(_unlike(expected.rows, found.rows))]
    if differences:
        more = f"\n... and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
        raise Refused(
            "the squashed file would not make what the migrations make; nothing was written",
            code="E746",
            hint="squash to a version before the migration that makes them",
            details=(("differences", "\n" + "\n".join(differences[:_SHOWN]) + more),),
        )


_FAILS = "nothing was written; squash to an earlier version"


def _unlike(one: dict[str, str], other: dict[str, str]) -> set[str]:
    return {name for name in {*one, *other} if one.get(name) != other.get(name)}


def _own(session: Session) -> list[tuple[str, str]]:
    return [(session.tables.schema, session.tables.name), (session.tables.schema, session.tables.log_name)]


def _state(session: Session, wanted: Squash) -> _State:
    picture = drift.look(session, old_history.NONE)
    with database.translated(session.dsn):
        held = rows.state(session.conn, _own(session)) if wanted.rows is not Rows.LEAVE_OUT else {}
    return _State(picture.catalog, held)


def _has_rows(filled: Sequence[rows.Filled]) -> Refused:
    named = [f"{each.schema}.{each.name}".removeprefix(".") + f" ({each.what})" for each in filled]
    more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
    return Refused(
        f"the migrations leave rows, which a schema does not have: {', '.join(named[:_SHOWN])}{more}",
        code="E745",
        hint="--rows include writes them into the file, as they are in an empty database; --rows leave-out drops them",
    )


# ---------------------------------------------------------------------------------------------------------------- text


def _body(session: Session, wanted: Squash) -> str:
    """What makes the database: its schema; with rows, these before indexes, keys and triggers."""
    arguments = (pgdump.WITH_PRIVILEGES,)
    if wanted.rows is not Rows.INCLUDE:
        parts = [from_schema.dumped(session, wanted.dumping, arguments)]
    else:
        before, after = (
            from_schema.dumped(session, wanted.dumping, (*arguments, f"--section={section}"))
            for section in ("pre-data", "post-data")
        )
        with database.translated(session.dsn):
            parts = [before, "".join(rows.restoring(session.conn, _own(session))).rstrip(), after]
    with database.translated(session.dsn):
        views = rows.refreshes(session.conn)
    return "\n\n".join(part for part in (*parts, "\n".join(views)) if part)


def _text(wanted: Squash, taken: Sequence[Migration], body: str) -> str:
    versions = replaces.text([migration.version for migration in taken])
    left_out = "\n-- The rows that they inserted are left out." if wanted.rows is Rows.LEAVE_OUT else ""
    return (
        f"-- migrate:replaces {versions}\n\n-- migrate:up\n"
        f"-- Squashed from {len(taken)} migrations, {taken[0].name} to {taken[-1].name}.{left_out}\n\n"
        f"{body.strip()}\n\n-- migrate:down irreversible:true\n"
    )
