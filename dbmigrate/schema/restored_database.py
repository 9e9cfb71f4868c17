"""A database that a backup is restored into, and how it takes the place of the one that it is a backup of.

The target database is never written to. Both renames are one transaction. While the new database is not complete its
comment says so: after ``kill -9`` that tells it from a complete one.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from dbmigrate.connection import database
from dbmigrate.errors import DatabaseError, Error, Interrupted, Refused, unchanged
from dbmigrate.events import Created, SchemaRead
from dbmigrate.frozen import frozen
from dbmigrate.model import Problem, Severity
from dbmigrate.schema import archives, dump

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from dbmigrate.connection.database import Connection
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.events import Event
    from dbmigrate.schema.archives import Restorer

__all__ = ["Place", "by_hand", "named"]

_LONGEST_NAME = 63  # bytes: PostgreSQL cuts what is longer
_INCOMPLETE = "dbmigrate: the restore into this database is not complete"
_IN_USE = "55006"  # object_in_use
_SHOWN = 5
_SESSIONS = """
select pid, usename::text, application_name, coalesce(host(client_addr), 'local'), coalesce(state, '-'),
       to_char(backend_start at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS')
from pg_catalog.pg_stat_activity
where datname = %s and pid <> pg_catalog.pg_backend_pid()  -- the kind of other roles' sessions is hidden
  and coalesce(backend_type, 'client backend') = 'client backend' order by backend_start
"""
_TAKEN = "select 1 from pg_catalog.pg_database where datname = any(%s)"
_END = "select pg_terminate_backend(pid) from pg_stat_activity where datname = {}"
_LEFT = """
select datname::text from pg_catalog.pg_database
where pg_catalog.shobj_description(oid, 'pg_database') = %s order by datname
"""


@frozen
class Place:
    """The server of the target database `dsn`."""

    dsn: Dsn
    on_event: Callable[[Event], None]

    @contextmanager
    def maintenance(self) -> Iterator[Connection]:
        """A session in another database than the target, which could not be renamed from itself."""
        with database.maintenance(self.dsn, "restore", self.on_event) as conn:
            if conn.info.dbname != self.dsn.database:
                with database.translated(self.dsn):
                    yield conn
                return
        template = self.dsn.with_database("template1")
        with (
            database.connect(template, command="restore", on_event=self.on_event) as conn,
            database.translated(self.dsn),
        ):
            yield conn

    def names(self, conn: Connection) -> tuple[str, str]:
        """What the new database is called, and the present one then: by the time in UTC, to the next free second."""
        moment = datetime.now(UTC)
        while True:
            stamp = f"{moment:%Y%m%d%H%M%S}"
            found = named(self.dsn.database, f"_restore_{stamp}"), named(self.dsn.database, f"_before_{stamp}")
            if not conn.execute(_TAKEN, (list(found),)).fetchone():
                return found
            moment += timedelta(seconds=1)

    def has_target(self, conn: Connection) -> bool:
        """Whether the target exists."""
        return bool(database.query(conn, "select from pg_catalog.pg_database where datname = %s", self.dsn.database))

    def leftovers(self, conn: Connection) -> tuple[Problem, ...]:
        """Warnings about databases of restores that are not complete."""
        return tuple(
            Problem(
                "W703",
                f"the restore into {name} is not complete: it goes on elsewhere, or was interrupted",
                Severity.WARNING,
                hint=f"if nothing is at work there: {_rendered('drop database {}', str(name))}",
            )
            for (name,) in database.query(conn, _LEFT, _INCOMPLETE)
        )

    def refuse_sessions(self, conn: Connection, state: str) -> None:
        """Raise Refused E729 with who is connected to the target; `state` is how the databases are then."""
        found = database.query(conn, _SESSIONS, self.dsn.database)
        if not found:
            return
        lines = [
            f"pid {pid}: {user} from {host}, {name or 'no name'}, {what}, since {since} UTC"
            for pid, user, name, host, what, since in found[:_SHOWN]
        ]
        lines += [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
        number = f"{len(found)} session{'s are' if len(found) > 1 else ' is'}"
        end = _END.format(sql.Literal(self.dsn.database).as_string(None))
        error = Refused(
            f"{number} connected to {self.dsn.database}, which cannot be renamed meanwhile",
            code="E729",
            hint=f"stop the application, or end them: {end}",
            details=tuple(("session", self.dsn.redact(line)) for line in lines),
        )
        error.state = state
        raise error

    def renames(self, new: str, previous: str | None) -> tuple[str, ...]:
        """The statements that put the database `new` in the place of the target, which becomes `previous`."""
        pairs = [(self.dsn.database, previous)] if previous else []
        return tuple(
            _rendered("ALTER DATABASE {} RENAME TO {};", *names) for names in (*pairs, (new, self.dsn.database))
        )

    def rename(self, renames: Sequence[str], state: str) -> None:
        """Do both renames, or neither. Raises Refused E729, DatabaseError E419."""
        with self.maintenance() as conn:
            self.refuse_sessions(conn, state)
            try:
                database.run(conn, "\n".join(("BEGIN;", *renames, "COMMIT;")))
            except psycopg.Error as exc:
                if exc.sqlstate == _IN_USE:
                    database.run(conn, "ROLLBACK")
                    self.refuse_sessions(conn, state)
                found = database.translation(exc, self.dsn)
                error = found.recast(DatabaseError, f"the databases were not renamed: {found.message}", code="E419")
                error.hint, error.state = by_hand(renames), state
                raise error from exc

    def fill(self, new: str, archive: Path, restorer: Restorer) -> None:
        """Make the database `new` of an archive; after a failure it is gone. Raises DatabaseError E418, E431."""
        create, *others = archives.statements_about_database(archive, restorer, _rendered("{}", new))
        self.on_event(Created("database", new))
        self._run([create], "E418")
        is_done = False
        try:
            self._run([_comment(new, _INCOMPLETE)], "E418")
            self.on_event(SchemaRead(str(archive)))
            with self.maintenance() as conn:
                reaching = dump.environment_of(self.dsn.with_database(new), conn)
            archives.restore(archive, restorer, make_conninfo("", dbname=new), reaching)
            # settings of the database would hold for the restore, too
            self._run([_comment(new, None), *others], "E431")
            is_done = True
        except KeyboardInterrupt as exc:
            error = Interrupted.by(exc, "interrupted during the restore")
            error.state = self._without(new)
            raise error from exc
        except Error as exc:
            exc.message, exc.state = self.dsn.redact(exc.message), self._without(new)
            raise
        finally:
            if not is_done:
                self._drop(new)

    def _run(self, statements: Sequence[str], code: str) -> None:
        with self.maintenance() as conn:
            for statement in statements:
                try:
                    database.run(conn, statement)
                except psycopg.Error as exc:
                    found = database.translation(exc, self.dsn)
                    if not isinstance(found, DatabaseError):
                        raise found from exc
                    raise unchanged(found.recast(DatabaseError, code=code)) from exc

    def _drop(self, new: str) -> None:
        """Drop what was half restored; pg_restore may still be connected. If it stays, its comment says what it is."""
        with suppress(Error, psycopg.Error), self.maintenance() as conn:
            database.run(conn, _rendered("drop database if exists {} with (force)", new))

    def _without(self, new: str) -> str:
        return f"{self.dsn.database} was not touched; what was restored so far ({new}) is dropped"


def by_hand(renames: Sequence[str]) -> str:
    """How to do the renames later."""
    return f"do it later, in another database: {' '.join(renames)}"


def named(name: str, end: str) -> str:
    """`name` with another end, as long as PostgreSQL keeps it whole."""
    return name.encode()[: _LONGEST_NAME - len(end)].decode(errors="ignore") + end


def _rendered(template: str, *names: str) -> str:
    return sql.SQL(template).format(*map(sql.Identifier, names)).as_string(None)


def _comment(name: str, text: str | None) -> str:
    return sql.SQL("comment on database {} is {}").format(sql.Identifier(name), sql.Literal(text)).as_string(None)
