"""``--salvage DIR``: what DROP TABLE, DROP COLUMN and TRUNCATE destroy is saved before, in the same transaction.

The table is locked against writers, its rows are copied to a file that only its owner can read, the file is on the disk
and its lines are counted: then the statement runs. A second file beside it brings the data back. If the transaction is
rolled back both are removed; a run that is killed leaves them, although nothing was lost.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from dbmigrate.connection import database
from dbmigrate.errors import Error, MigrationFailed, Refused, unchanged
from dbmigrate.events import Warned
from dbmigrate.execution import batches, server_errors
from dbmigrate.frozen import frozen
from dbmigrate.losses import restoring, tables
from dbmigrate.losses.forms import Kind, destructions, is_hidden
from dbmigrate.losses.report import CODE
from dbmigrate.migrations import parser
from dbmigrate.model import Direction, Problem, Severity
from dbmigrate.schema.file import sync_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dbmigrate.connection.database import Connection
    from dbmigrate.events import Event
    from dbmigrate.execution.conditions import Context
    from dbmigrate.execution.session import Session
    from dbmigrate.losses.forms import Destruction
    from dbmigrate.losses.tables import Column, Table
    from dbmigrate.model import Plan, Statement, Step

__all__ = ["DEFAULT_LIMIT", "Salvager"]

DEFAULT_LIMIT = 1 << 30
_PRIVATE = 0o700
_UNUSUAL = re.compile(r"[^\w-]+|^-+")
_LONGEST_NAME = 80  # of a table and its columns in a file's name
# whatever the file has set for its session; ROLLBACK TO takes it back
_SETTLE = """SAVEPOINT dbmigrate_salvage;
SET LOCAL search_path = pg_catalog;
SET LOCAL row_security = off;
SET LOCAL statement_timeout = 0;
SET LOCAL datestyle = 'ISO, YMD';
SET LOCAL intervalstyle = 'postgres';
SET LOCAL extra_float_digits = 3;
SET LOCAL bytea_output = 'hex';
"""
_RETURN = "ROLLBACK TO SAVEPOINT dbmigrate_salvage; RELEASE SAVEPOINT dbmigrate_salvage"
_ONE_TRANSACTION = "split the file: what it destroys in a file that has a transaction; or run without --salvage"


@frozen
class _Task:
    """What one statement destroys of one table; no columns: its rows."""

    context: Context
    table: Table
    kind: Kind
    columns: tuple[str, ...] = ()


class Salvager:
    """Saves into `directory` what migrations destroy, up to `limit` bytes for each table."""

    def __init__(self, directory: str, limit: int, *, on_event: Callable[[Event], None]) -> None:
        self._directory = Path(directory)
        self._limit = limit
        self._emit = on_event
        self._written: list[Path] = []

    # -- before anything runs

    def check(self, session: Session, planned: Plan) -> None:
        """For `Options.before_run`: refuse what cannot be saved, and say what will not be.

        Raises Refused E776 (too large by the statistics), E777 (no transaction), as nothing was changed.
        """
        del session
        for step in planned.steps:
            self._check_step(step)
        for problem in planned.problems:
            data = problem.data if problem.code == CODE else None
            if data is None:
                continue
            if not data["can_be_saved"]:
                message = f"--salvage saves nothing of this: {problem.message.partition(';')[0]}"
                self._emit(Warned(Problem("W381", message, Severity.WARNING, problem.place)))
            elif isinstance(size := data["bytes"], int) and size > self._limit:
                raise unchanged(self._too_large(f"{problem.message.partition(';')[0]}", size))

    def _check_step(self, step: Step) -> None:
        migration = step.migration
        if migration is None or not step.runs_sql:
            return
        has_said = False
        for section in migration.run_order(step.direction):
            for statement in parser.statements(migration, section):
                place = server_errors.place_of(migration.file.path, statement)
                if self.wants(statement) and not migration.is_transactional(step.direction):
                    message = f"{step.name} runs without a transaction: what it destroys cannot be saved safely"
                    raise unchanged(Refused(message, code="E777", place=place, hint=_ONE_TRANSACTION))
                if not has_said and is_hidden(statement.sql):
                    has_said = True
                    message = f"{step.name}: --salvage cannot see what this statement runs, and saves nothing of it"
                    self._emit(Warned(Problem("W381", message, Severity.WARNING, place)))

    def _too_large(self, what: str, size: int) -> Refused:
        return Refused(
            f"{what}: {size:,} bytes are more than --salvage-limit ({self._limit:,} bytes)",
            code="E776",
            hint="make a backup with --backup, raise --salvage-limit, or run without --salvage",
        )

    # -- in the transaction: execution.saving.Saver

    def wants(self, statement: Statement) -> bool:
        return any(each.kind.can_be_saved for each in destructions(statement.sql, Direction.UP))

    def discard(self) -> None:
        """Remove the files of a transaction that is rolled back."""
        for path in self._written:
            with suppress(OSError):
                path.unlink()
        self._written = []

    def keep(self) -> None:
        self._written = []

    def save(self, context: Context, statement: Statement) -> None:
        """Save what the statement destroys. A table or column that is not there is left to the statement.

        Raises Refused E776 (too large), E778 (no key to bring the values back by), MigrationFailed E416, psycopg.Error
        for a lock that is not granted.
        """
        found = [each for each in destructions(statement.sql, Direction.UP) if each.kind.can_be_saved]
        look = partial(context.pulse, next(batches.group([statement])))
        try:
            for (kind, names), group in groupby(found, key=lambda each: (each.kind, each.names)):
                del names
                self._save_all(context, kind, list(group), look)
        except psycopg.Error as exc:
            if server_errors.is_lock_failure(exc) or database.is_loss(exc):
                raise
            error = database.translation(exc, context.dsn)
            message = f"{context.migration.name}: what it destroys cannot be saved: {error.message}"
            raise error.recast(MigrationFailed, message, code="E416") from exc
        except OSError as exc:
            message = f"{context.migration.name}: what it destroys cannot be saved: {exc.strerror}: {exc.filename}"
            raise MigrationFailed(message, code="E416", hint="see the directory of --salvage") from exc

    def _save_all(self, context: Context, kind: Kind, group: Sequence[Destruction], look: Callable[[], None]) -> None:
        conn, first = context.conn, group[0]
        resolve = "SELECT pg_catalog.to_regclass(%s::pg_catalog.text)::pg_catalog.oid::pg_catalog.int8"
        oid = database.query(conn, resolve, first.sql_name)[0][0]
        if oid is None:
            return
        with _settled(conn):
            found = tables.affected(conn, int(str(oid)), cascades=first.cascades and kind is Kind.TRUNCATE)
        columns = tuple(each.column for each in group) if kind is Kind.DROP_COLUMN else ()
        for table in found:
            answer = batches.ask(conn, f"LOCK TABLE {table.source} IN SHARE MODE", pulse=look)
            if answer.error is not None:
                raise answer.error
        for table in found:
            with _settled(conn):
                self._save(_Task(context, tables.with_columns(conn, table), kind, columns), look)

    def _save(self, task: _Task, look: Callable[[], None]) -> None:
        conn, table = task.context.conn, task.table
        lost = [column for column in table.columns if column.name in task.columns]
        key = tables.key_of(conn, table, task.columns) if lost else ()
        if task.columns and not lost:
            return
        if lost and not key:
            raise _no_key(task)
        saved = [column for column in table.columns if column.name in {*key, *task.columns}] if lost else table.columns
        saved = [column for column in saved if lost or not column.generated]
        if not saved:
            return
        stem = "-".join((task.context.migration.version, table.schema, table.name, *task.columns))
        path = self._new_file(_UNUSUAL.sub("_", stem)[:_LONGEST_NAME], ".copy")
        count = self._copy(task, saved, path, look)
        script = path.with_suffix(".sql")
        self._write(script, _script(task, saved, key, path))
        sync_directory(self._directory)
        noun = ("value" if lost else "row") + ("" if count == 1 else "s")
        what = f"{count:,} {noun} of {', '.join(task.columns)}{' of ' if lost else ''}{table.name}"
        message = f"saved {what} in {path}"
        self._emit(Warned(Problem("W382", message, Severity.NOTE, hint=f"psql --file={script} brings them back")))

    def _copy(self, task: _Task, saved: Sequence[Column], path: Path, look: Callable[[], None]) -> int:
        """Copy the rows to the file; how many there are. The file is on the disk afterwards."""
        names = ", ".join(tables.quoted(column.name) for column in saved)
        size = lines = 0
        with path.open("wb") as output, task.context.conn.cursor() as cursor:
            with cursor.copy(f"COPY (SELECT {names} FROM {task.table.source}) TO STDOUT".encode()) as copy:
                for block in copy:
                    size, lines = size + len(block), lines + bytes(block).count(b"\n")
                    if size > self._limit:
                        raise self._too_large(f"{task.context.migration.name}: the rows of {task.table.name}", size)
                    output.write(block)
                    look()
            output.flush()
            os.fsync(output.fileno())
            if lines != cursor.rowcount or path.stat().st_size != size:
                message = f"{task.context.migration.name}: {path} holds {lines} rows, the server sent {cursor.rowcount}"
                raise MigrationFailed(message, code="E416")
        return lines

    # -- files

    def _new_file(self, stem: str, ending: str) -> Path:
        """An empty file of a name that nobody had before, for its owner alone."""
        if not self._directory.exists():
            self._directory.mkdir(_PRIVATE, parents=True, exist_ok=True)
            (self._directory / ".gitignore").write_text("*\n")  # rows of customers do not belong in a repository
        stamp, number = f"{datetime.now(UTC):%Y%m%d-%H%M%S}", 1
        while True:
            name = f"{stem}-{stamp}{f'-{number}' if number > 1 else ''}{ending}"
            path = self._directory.resolve() / name
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            except FileExistsError:
                number += 1
            else:
                self._written.append(path)
                return path

    def _write(self, path: Path, text: str) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._written.append(path)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as output:
            output.write(text)
            output.flush()
            os.fsync(output.fileno())


def _script(task: _Task, saved: Sequence[Column], key: Sequence[str], path: Path) -> str:
    """The SQL that brings it back."""
    conn, table = task.context.conn, task.table
    lost = [column for column in table.columns if column.name in task.columns]
    if lost:
        body = restoring.values(table, saved, lost, key)
    else:
        made: Sequence[str] = ()
        if task.kind is Kind.DROP_TABLE:
            tree = tables.partitions_of(conn, table)
            made = list(restoring.created(table, tables.constraints_of(conn, table), tree))
        body = restoring.rows(table, made, saved)
    encoding = conn.info.parameter_status("client_encoding") or "UTF8"
    about = " ".join(f"-- {table.sql}, as it was before {task.context.migration.name}".split())
    usage = "-- psql DATABASE_URL --file=THIS_FILE; the path in it is that of the saved rows"
    return f"{about}\n{usage}\n{restoring.head(saved, path=str(path), encoding=encoding)}{body}\n"


def _no_key(task: _Task) -> Error:
    names = ", ".join(task.columns)
    return Refused(
        f"{task.context.migration.name}: the values of {names} cannot be saved: {task.table.name} has no other key",
        code="E778",
        hint="a primary key, or a unique index over columns that are NOT NULL, says which row a value belongs to",
    )


@contextmanager
def _settled(conn: Connection) -> Iterator[None]:
    """dbmigrate's own settings, in place of those of the file. Nothing is taken back after an error: all is."""
    database.run(conn, _SETTLE)
    yield
    database.run(conn, _RETURN)
