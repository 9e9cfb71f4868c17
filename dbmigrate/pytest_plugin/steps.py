"""A database that a test migrates step by step, with rows in between."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import make_conninfo

from dbmigrate.api.migrator import Migrator
from dbmigrate.connection import shown_url
from dbmigrate.errors import Error
from dbmigrate.model import LAST, Goal
from dbmigrate.pytest_plugin.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from dbmigrate.connection.database import Connection
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.pytest_plugin.templates import Templates
    from dbmigrate.reports import Report

__all__ = ["Steps", "connect"]


@contextmanager
def _noted() -> Iterator[None]:
    """Errors stay those of dbmigrate, which a test may expect; below the traceback stands what people need."""
    try:
        yield
    except Error as exc:
        from dbmigrate.output import text

        for line in text.error_lines(exc):
            exc.add_note(str(line))
        raise


def _versions(report: Report) -> tuple[str, ...]:
    return tuple(outcome.step.version for outcome in report.done)


def connect(dsn: Dsn) -> Connection:
    """A session for a test: each statement commits, and no plan outlives a change of a table."""
    conninfo = make_conninfo("", **dsn.conninfo_for_connect("pytest"))
    return psycopg.connect(conninfo, autocommit=True, prepare_threshold=None)


class Steps:
    """Migrations one by one. `before` makes the database; `up` and `down` change it; both return the versions."""

    def __init__(self, templates: Templates) -> None:
        self._templates = templates
        self._stack = ExitStack()
        self._dsn: Dsn | None = None
        self._conn: Connection | None = None

    def __enter__(self) -> Steps:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def before(self, version: str) -> Connection:
        """A new database with all migrations before `version`; a connection to it.

        Raises PlanError E232 if there is no such migration, and what `Migrator.up` raises.
        """
        self._stack.close()
        with _noted():
            self._dsn = self._stack.enter_context(self._templates.before(version).clone())
        self._conn = self._stack.enter_context(connect(self._dsn))
        return self._conn

    def up(self, to: str | None = None) -> tuple[str, ...]:
        """Apply the next migration, or all up to `to`."""
        with _noted():
            return _versions(self._migrator().up(Goal(version=to) if to else Goal(steps=1)))

    def down(self) -> tuple[str, ...]:
        """Roll back the last migration."""
        with _noted():
            return _versions(self._migrator().rollback(LAST))

    @property
    def url(self) -> str:
        """The URL of the database."""
        return shown_url.for_programs(self._current())

    @property
    def connection(self) -> Connection:
        """The connection that `before` returned."""
        self._current()
        assert self._conn is not None
        return self._conn

    @property
    def schema(self) -> Schema:
        """What the database has."""
        return Schema(self.connection)

    def _migrator(self) -> Migrator:
        return Migrator(self._current(), self._templates.project.options)

    def _current(self) -> Dsn:
        if self._dsn is None:
            raise RuntimeError("there is no database yet: call before(VERSION) first")
        return self._dsn
