"""A scratch database with the sessions that a check needs: one that migrations run in, one that tries and looks."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from dbmigrate import catalog, impact
from dbmigrate.connection import database
from dbmigrate.execution.session import Access, Session
from dbmigrate.frozen import frozen
from dbmigrate.model import Direction
from dbmigrate.tracking import provenance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.catalog import Catalog
    from dbmigrate.connection.database import Connection
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.events import Event
    from dbmigrate.impact import Impact
    from dbmigrate.model import Migration
    from dbmigrate.scratch.choose import ScratchServer

COMMAND = "check"


@frozen
class Ground:
    """`session` runs migrations for good; `trial` is for transactions that are rolled back, and for looking."""

    server: ScratchServer
    session: Session
    trial: Connection
    reader: catalog.Reader

    @property
    def dsn(self) -> Dsn:
        return self.session.dsn

    def look(self) -> Catalog:
        """The catalog as the trial session sees it, inside its transaction if one is open."""
        with database.translated(self.dsn):
            return self.reader.read()

    def fingerprint(self) -> str:
        """What stays the same as long as the catalog does, seen as by `look`."""
        with database.translated(self.dsn):
            return self.reader.fingerprint()

    def run(self, migration: Migration, direction: Direction = Direction.UP) -> tuple[Impact, ...]:
        """Run a migration for good. Raises MigrationFailed, ConnectionFailed, Refused E722.

        A role that it wants and nobody has made is made up on a server of our own.
        """
        self.server.refuse_external_effects(migration)
        own = frozenset(impact.Relation(*name) for name in own_tables(self.session))
        options = impact.MeasureOptions(self.dsn, direction, own)
        return self.server.retrying(partial(impact.run_measured, self.session.conn, migration, options))


@contextmanager
def prepared(server: ScratchServer, table: str) -> Iterator[Ground]:
    """A new scratch database with the tracking tables, as before the first migration."""
    with ExitStack() as stack:
        made = stack.enter_context(server.database())
        access = Access(made, COMMAND, table, 0.0, _ignore, partial(provenance.describe, ()))
        session = stack.enter_context(Session(access))
        session.lock()
        session.ensure_tables()
        trial = stack.enter_context(database.connect(made, command=COMMAND, on_event=_ignore))
        yield Ground(server, session, trial, catalog.Reader(trial, without=own_tables(session)))


@contextmanager
def bare(server: ScratchServer, table: str) -> Iterator[Session]:
    """A session in a new scratch database with nothing in it."""
    with server.database() as made:
        access = Access(made, COMMAND, table, 0.0, _ignore, partial(provenance.describe, ()))
        with Session(access) as session:
            yield session


def reopened(session: Session) -> Session:
    """Another session in the same database, to be closed by the caller."""
    return Session(session.access)


def own_tables(session: Session) -> tuple[tuple[str, str], ...]:
    """The tracking tables, which are nobody's schema."""
    tables = session.tables
    return ((tables.schema, tables.name), (tables.schema, tables.log_name))


def _ignore(event: Event) -> None:
    """The listener of sessions that nobody listens to."""
