"""The schema file made from the migration files alone, on a scratch database: what they make is what it says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.check import reading, schemafile, scratch_session
from dbmigrate.errors import DatabaseError, PlanError
from dbmigrate.events import SchemaWritten, Warned
from dbmigrate.execution import conditions
from dbmigrate.frozen import frozen
from dbmigrate.model import Order, Problem, Severity
from dbmigrate.schema import dump
from dbmigrate.scratch import choose, outside_effects

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dbmigrate.check.reading import Reading
    from dbmigrate.events import Event
    from dbmigrate.reports import SchemaFile
    from dbmigrate.schema.versions import Dumping
    from dbmigrate.scratch.choose import Choice, ScratchServer
    from dbmigrate.variables import Variables

__all__ = ["Making", "write"]


@frozen
class Making:
    """What the schema file is made of, and how. `arguments` are handed to pg_dump."""

    directories: tuple[str, ...]
    order: Order
    table: str
    dumping: Dumping
    variables: Variables
    arguments: Sequence[str] = ()


def write(making: Making, choice: Choice, *, on_event: Callable[[Event], None]) -> SchemaFile:
    """Apply all migrations to a scratch database and write the schema file. Nothing is written before all have run.

    Migrations with ``env`` are left out, as `check` leaves them out. Raises PlanError E230, E235, E260 (a migration
    cannot be read, or fails), Refused E722, ToolMissing E206, ConfigError E207, and what opening a scratch server
    raises.
    """
    read = reading.read(making.directories, making.order, making.variables)
    for problem in read.problems:
        if problem.severity is Severity.ERROR:
            message = f"the schema file cannot be made: {problem.message}"
            raise PlanError(message, code="E260", place=problem.place, hint=problem.hint)
    choice = replace(choice, effects=outside_effects.of_all([*read.sound, *read.repeatables]), spared=choice.target)
    with choose.open_server(choice) as server:
        if server.note:
            on_event(Warned(Problem("W600", server.note, Severity.NOTE)))
        made = _text(making, read, server)
    written = dump.store(made, making.dumping)
    on_event(SchemaWritten(written))
    return written


def _text(making: Making, read: Reading, server: ScratchServer) -> str:
    with scratch_session.prepared(server, making.table, conditions.Note()) as scratch:
        for migration in (*read.sound, *read.repeatables):
            try:
                scratch.run(migration)
            except DatabaseError as exc:
                message = f"the schema file cannot be made: {exc.message}"
                raise exc.recast(PlanError, message, code="E260", hint=choose.hint_for(exc, server)) from exc
        return schemafile.made(scratch, read.sound, making.dumping, arguments=making.arguments)
