"""Writes the schema file after a change; of a service that shares its database without what the others have made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.connection import database
from dbmigrate.errors import Error
from dbmigrate.events import SchemaWritten, Warned
from dbmigrate.frozen import frozen
from dbmigrate.model import Problem
from dbmigrate.schema import dump as schema_file
from dbmigrate.tracking import read_history

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dbmigrate.api.options import Options
    from dbmigrate.events import Event
    from dbmigrate.execution.session import Session
    from dbmigrate.model import MigrationFile
    from dbmigrate.reports import SchemaFile
    from dbmigrate.schema.versions import Dumping

__all__ = ["SchemaSource", "refresh"]

_UNWRITTEN = {"E601": "W642", "E733": "W311"}  # an unwritten schema file; others: W401


@frozen
class SchemaSource:
    """What the schema file is made from: the database of a session, or what the migrations of a service make.

    `files` are the migration files of this project or service.
    """

    session: Session
    options: Options
    files: Callable[[], Sequence[MigrationFile]]

    def text(self, dumping: Dumping, arguments: Sequence[str] = ()) -> str:
        """The text of the file. `arguments` are handed to pg_dump. Raises as `schema.dump.text`, and E260, E261."""
        if self.options.others:
            from dbmigrate.api import other_services, service_schema

            if other_services.present(self.session, self.options):
                return service_schema.text(self.session, self.options, dumping, arguments)
        return schema_file.text(self.session, dumping, arguments=arguments)

    def refuse_narrow(self, dumping: Dumping) -> None:
        """Raise Refused E733 if the schema file would hold what is only for some environments."""
        if dumping.is_narrow:
            return
        from dbmigrate.migrations import peek
        from dbmigrate.planning import target_environments

        if narrow := tuple(peek.mentioning(self.files(), target_environments.WORD)):
            with database.translated(self.session.dsn):
                applied = frozenset(read_history.versions(self.session.conn, self.session.tables))
            target_environments.refuse_narrow(each for each in narrow if each.version in applied)


def refresh(
    source: SchemaSource, dumping: Dumping, on_event: Callable[[Event], None]
) -> tuple[SchemaFile | None, tuple[Problem, ...]]:
    """Write the schema file. What was migrated stands: where it cannot be written, a warning says what to install."""
    session = source.session
    try:
        source.refuse_narrow(dumping)
        database.refuse_shared_session(session.facts, "pg_dump changes the settings of its session")
        schema_file.refuse_without_lock(session)
        with database.translated(session.dsn):
            new = source.text(dumping)
        schema_file.refuse_without_lock(session)  # it can have been lost while pg_dump was running
        written = schema_file.store(new, dumping)
    except Error as exc:
        code = _UNWRITTEN.get(exc.code, "W401")
        problem = Problem(code, f"the schema file was not written: {exc.message}", hint=exc.hint)
        on_event(Warned(problem))
        return None, (problem,)
    on_event(SchemaWritten(written))
    return written, ()
