"""A scratch database with the sessions of a check: one runs migrations, one rehearses and reads the catalog."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from dbmigrate import catalog, impact
from dbmigrate.check.snapshot_session import SnapshotSession
from dbmigrate.connection import database
from dbmigrate.execution.access import Access
from dbmigrate.execution.session import Session
from dbmigrate.frozen import frozen
from dbmigrate.impact.committed import Committed
from dbmigrate.model import Direction
from dbmigrate.tracking import provenance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dbmigrate.catalog import Catalog
    from dbmigrate.connection.database import Connection
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.events import Event
    from dbmigrate.execution import conditions
    from dbmigrate.impact import Impact
    from dbmigrate.model import Migration
    from dbmigrate.scratch.choose import ScratchServer

COMMAND = "check"


@frozen
class ScratchSession:
    """`session` runs migrations; `rehearsal` is for transactions that are rolled back, and reads the catalog.

    `committed` reads there as well what the lock report needs. `beside` answers while the others work.
    There are no rows: `note` collects the conditions that are not true.
    """

    server: ScratchServer
    session: Session
    rehearsal: Connection
    reader: catalog.Reader
    committed: Committed
    beside: SnapshotSession
    note: conditions.Note

    @property
    def dsn(self) -> Dsn:
        return self.session.dsn

    def read_catalog(self) -> Catalog:
        """The catalog as the rehearsal session sees it, in its transaction if one is open."""
        with database.translated(self.dsn):
            return self.reader.read()

    def fingerprint(self) -> str:
        """A text that changes when the catalog does, as seen by `read_catalog`."""
        with database.translated(self.dsn):
            return self.reader.fingerprint()

    def run(self, migration: Migration, direction: Direction = Direction.UP) -> tuple[Impact, ...]:
        """Run a migration and commit it. Raises MigrationFailed, ConnectionFailed, Refused E722.

        On dbmigrate's own server a missing role is created.
        """
        self.server.refuse_external_effects(migration)
        own = frozenset(impact.Relation(*name) for name in own_tables(self.session))
        options = impact.MeasureOptions(self.dsn, direction, own, self.note, self.committed)
        return self.server.retrying(partial(impact.run_measured, self.session.conn, migration, options))


def _empty(dsn: Dsn) -> None:
    """What fills a scratch database that stays empty."""


@contextmanager
def prepared(
    server: ScratchServer, table: str, note: conditions.Note, *, fill: Callable[[Dsn], object] = _empty
) -> Iterator[ScratchSession]:
    """A new scratch database with empty tracking tables, or with what `fill` puts into it."""
    with ExitStack() as stack:
        dsn = stack.enter_context(server.database())
        fill(dsn)
        access = Access(dsn, COMMAND, table, 0.0, _ignore, partial(provenance.describe, ()))
        session = stack.enter_context(Session(access))
        session.lock()
        session.ensure_tables()

        def connect() -> Connection:
            return stack.enter_context(database.connect(dsn, command=COMMAND, on_event=_ignore))

        rehearsal = connect()
        reader = catalog.Reader(rehearsal, without=own_tables(session))
        yield ScratchSession(server, session, rehearsal, reader, Committed(rehearsal), SnapshotSession(connect), note)


@contextmanager
def bare(server: ScratchServer, table: str) -> Iterator[Session]:
    """A session in a new scratch database with nothing in it."""
    with server.database() as dsn:
        access = Access(dsn, COMMAND, table, 0.0, _ignore, partial(provenance.describe, ()))
        with Session(access) as session:
            yield session


def reopened(session: Session) -> Session:
    """Another session in the same database, to be closed by the caller."""
    return Session(session.access)


def own_tables(session: Session) -> tuple[tuple[str, str], ...]:
    """The tracking tables, which do not belong to the schema."""
    tables = session.tables
    return ((tables.schema, tables.name), (tables.schema, tables.log_name))


def _ignore(event: Event) -> None:
    """A listener that ignores all events."""
