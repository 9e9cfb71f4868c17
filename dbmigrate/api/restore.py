"""The public Python API of backups: one is taken now, or restored into a database of its own.

The target database is never written to. What was restored takes its place by two renames, which are one transaction;
the database that was there before is kept under another name.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from dbmigrate.api.base import ApiBase
from dbmigrate.api.records import Upkeep
from dbmigrate.connection import database, programs
from dbmigrate.errors import DatabaseError, Error, Interrupted, PlanError, Refused, unchanged
from dbmigrate.events import Created, SchemaRead, Targeted
from dbmigrate.model import Problem, Severity
from dbmigrate.planning import plan
from dbmigrate.reports import Restored
from dbmigrate.schema import archives, backup, dump

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dbmigrate.connection.database import Connection
    from dbmigrate.reports import Backup, Finding
    from dbmigrate.schema.archives import Restorer

__all__ = ["Backups"]

_LONGEST_NAME = 63  # bytes: PostgreSQL cuts what is longer
_INCOMPLETE = "dbmigrate: the restore into this database is not complete"
_IN_USE = "55006"  # object_in_use
_SHOWN = 5  # sessions, findings
_SESSIONS = """
select pid, usename::text, application_name, coalesce(host(client_addr), 'local'), coalesce(state, '-'),
       to_char(backend_start at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS')
from pg_catalog.pg_stat_activity
where datname = %s and pid <> pg_catalog.pg_backend_pid()   -- whose sessions these are is hidden from others
  and coalesce(backend_type, 'client backend') = 'client backend' order by backend_start
"""
_LEFT = """
select datname::text from pg_catalog.pg_database
where pg_catalog.shobj_description(oid, 'pg_database') = %s order by datname
"""


class Backups(ApiBase):
    """Backups of one database."""

    def take(self, directory: str, environ: Mapping[str, str]) -> Backup:
        """Back the database up now, as `up --backup` does. Raises what `backup.take` raises."""
        with self._open("backup") as session:
            return backup.take(session, directory, environ, now=partial(datetime.now, UTC))

    def restore(self, path: str, environ: Mapping[str, str], *, replacing: bool = False) -> Restored:
        """Restore a backup into a new database, whose history has to agree with the files; the target stays as it is.

        With `replacing` it is refused at once where sessions are connected to the target (E729). Raises ConfigError
        E207, E227 (not an archive), ToolMissing E206, Refused E703, E704, DatabaseError E418 (no new database), E431
        (the archive cannot be restored), which leave nothing; Refused E728 (the history), after which it is there.
        """
        started, archive = time.monotonic(), Path(path)
        if not replacing:  # else somebody was asked about it
            self._on_event(Targeted(self._where, f"restore {path}"))
        with self._maintenance() as conn:
            facts = database.facts(conn)
            database.refuse_shared_session(facts, "CREATE DATABASE works on the whole server")
            database.refuse_unwritable(facts, self._dsn)
            restorer = archives.Restorer.of(
                programs.Search.from_environ(environ), environ, major=facts.server_version // 10000
            )
            archives.refuse_other(archive, restorer)
            if replacing:
                self._refuse_sessions(conn, "nothing was changed")
            self._note_leftovers(conn)
            has_target = self._has_target(conn)
        stamp = f"{datetime.now(UTC):%Y%m%d%H%M%S}"
        new = _named(self._dsn.database, f"_restore_{stamp}")
        self._fill(new, archive, restorer)
        previous = _named(self._dsn.database, f"_before_{stamp}") if has_target else None
        made = Restored(path, new, self._renames(new, previous), previous, seconds=time.monotonic() - started)
        return self._verified(made)

    def replace(self, restored: Restored) -> None:
        """Do the renames: both, or neither. Raises Refused E729 (sessions are connected), DatabaseError E419."""
        with self._maintenance() as conn:
            state = f"{self._dsn.database} was not touched; {restored.database} is complete"
            self._refuse_sessions(conn, state)
            try:
                database.run(conn, "".join(f"{line}\n" for line in ("BEGIN;", *restored.renames, "COMMIT;")))
            except psycopg.Error as exc:
                if exc.sqlstate == _IN_USE:
                    self._refuse_sessions(conn, state)
                found = database.translation(exc, self._dsn)
                error = found.recast(DatabaseError, f"the databases were not renamed: {found.message}", code="E419")
                error.hint, error.state = _by_hand(restored.renames), state
                raise error from exc

    # -- the new database

    def _fill(self, new: str, archive: Path, restorer: Restorer) -> None:
        """Make the database `new` from the archive; after a failure it is gone."""
        about = archives.statements_about_database(archive, restorer, sql.Identifier(new).as_string(None))
        create, *others = about
        self._on_event(Created("database", new))
        self._run([create, _comment(new, _INCOMPLETE)], "E418")
        is_done = False
        try:
            self._on_event(SchemaRead(str(archive)))
            into = self._dsn.with_database(new)
            with self._maintenance() as conn:
                reaching = dump.environment_of(into, conn)
            archives.restore(archive, restorer, make_conninfo("", dbname=new), reaching)
            # settings of the database would hold for the restore, too
            self._run([_comment(new, None), *others], "E431")
            is_done = True
        except KeyboardInterrupt as exc:
            error = Interrupted.by(exc, "interrupted during the restore")
            error.state = self._without(new)
            raise error from exc
        except Error as exc:
            exc.message, exc.state = self._dsn.redact(exc.message), self._without(new)
            raise
        finally:
            if not is_done:
                self._drop(new)

    def _run(self, statements: Sequence[str], code: str) -> None:
        with self._maintenance() as conn:
            for statement in statements:
                try:
                    database.run(conn, statement)
                except psycopg.Error as exc:
                    found = database.translation(exc, self._dsn)
                    if not isinstance(found, DatabaseError):
                        raise found from exc
                    raise unchanged(found.recast(DatabaseError, code=code, hint=found.hint)) from exc

    def _drop(self, new: str) -> None:
        """Drop what was half restored; pg_restore may still be connected. If it stays, its comment says what it is."""
        with suppress(Error, psycopg.Error), self._maintenance() as conn:
            database.run(conn, _rendered("drop database if exists {} with (force)", new))

    def _without(self, new: str) -> str:
        return f"{self._dsn.database} was not touched; what was restored so far ({new}) is dropped"

    # -- what it is compared with

    def _verified(self, made: Restored) -> Restored:
        """With what its history says. Raises Refused E728 if the files do not agree with it."""
        from dataclasses import replace

        there = Upkeep(self._dsn.with_database(made.database), self._options, on_event=self._on_event)
        try:
            serious = [each for each in there.verify() if each.is_serious]
        except PlanError as exc:
            if exc.code not in ("E230", "E235"):
                raise self._keeping(exc, made) from exc
            message = f"the history of {made.database} was compared with nothing: {exc.message}"
            self._warn((Problem("W702", message, hint="run it where the migrations are"),))
            serious = []
        except Error as exc:
            raise self._keeping(exc, made) from exc
        recorded, files = there.recorded(), there._known_files()
        if serious or (files and not recorded.applied):
            raise self._keeping(_disagreement(serious, made), made)
        pending = plan.pending_versions(files, recorded)
        current = plan.newest(files, [item.version for item in recorded.applied], self._options.order)
        return replace(made, current=current, applied=len(recorded.applied), pending=len(pending))

    def _keeping(self, error: Error, made: Restored) -> Error:
        error.state = f"{self._dsn.database} was not touched; {made.database} holds what was restored"
        return error

    # -- the server

    @contextmanager
    def _maintenance(self) -> Iterator[Connection]:
        """A session in another database than the target, which could not be renamed from itself."""
        with database.maintenance(self._dsn, "restore", self._on_event) as conn:
            if conn.info.dbname != self._dsn.database:
                with database.translated(self._dsn):
                    yield conn
                return
        template = self._dsn.with_database("template1")
        with (
            database.connect(template, command="restore", on_event=self._on_event) as conn,
            database.translated(self._dsn),
        ):
            yield conn

    def _has_target(self, conn: Connection) -> bool:
        return bool(database.query(conn, "select from pg_catalog.pg_database where datname = %s", self._dsn.database))

    def _refuse_sessions(self, conn: Connection, state: str) -> None:
        found = database.query(conn, _SESSIONS, self._dsn.database)
        if not found:
            return
        lines = [
            f"pid {pid}: {user} from {host}, {name or 'no name'}, {what}, since {since} UTC"
            for pid, user, name, host, what, since in found[:_SHOWN]
        ]
        lines += [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
        number = f"{len(found)} session{'s are' if len(found) > 1 else ' is'}"
        error = Refused(
            f"{number} connected to {self._dsn.database}, which cannot be renamed meanwhile",
            code="E729",
            hint=f"stop the application, or end them: {_END.format(sql.Literal(self._dsn.database).as_string(None))}",
            details=tuple(("session", line) for line in lines),
        )
        error.state = state
        raise error

    def _note_leftovers(self, conn: Connection) -> None:
        for (name,) in database.query(conn, _LEFT, _INCOMPLETE):
            message = f"the restore into {name} is not complete: it goes on elsewhere, or was interrupted"
            hint = f"if nothing is at work there: drop database {sql.Identifier(str(name)).as_string(None)}"
            self._warn((Problem("W703", message, Severity.WARNING, hint=hint),))

    def _renames(self, new: str, previous: str | None) -> tuple[str, ...]:
        renames = [(self._dsn.database, previous)] if previous else []
        return tuple(
            _rendered("ALTER DATABASE {} RENAME TO {};", *names) for names in (*renames, (new, self._dsn.database))
        )


_END = "select pg_terminate_backend(pid) from pg_stat_activity where datname = {}"


def _rendered(template: str, *names: str) -> str:
    return sql.SQL(template).format(*map(sql.Identifier, names)).as_string(None)


def _comment(name: str, text: str | None) -> str:
    return sql.SQL("comment on database {} is {}").format(sql.Identifier(name), sql.Literal(text)).as_string(None)


def _by_hand(renames: Sequence[str]) -> str:
    return f"do it later, in another database: {' '.join(renames)}"


def _named(name: str, end: str) -> str:
    """`name` with another end, as long as PostgreSQL keeps it whole."""
    return name.encode()[: _LONGEST_NAME - len(end)].decode(errors="ignore") + end


def _disagreement(serious: Sequence[Finding], made: Restored) -> Refused:
    more = f" and {len(serious) - _SHOWN} more" if len(serious) > _SHOWN else ""
    names = ", ".join(f"{each.name} ({each.deviation})" for each in serious[:_SHOWN])
    what = f"disagrees with the files: {names}{more}" if serious else "records no migration"
    hint = (
        f"check that it is the right backup, and that this is the checkout it belongs to; then {_by_hand(made.renames)}"
    )
    return Refused(f"the history of {made.database} {what}", code="E728", hint=hint)
