"""The history of another tool in the target database: found, and read in one read-only transaction."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol

from dbmigrate.api.old_lock import OldLock
from dbmigrate.connection import database
from dbmigrate.errors import ConfigError, Refused
from dbmigrate.frozen import frozen
from dbmigrate.importing import old_locks, recognise
from dbmigrate.importing.tools import COMPANIONS, ON_PLATFORMS, OWN_SCHEMAS, TOOLS
from dbmigrate.importing.values import HistoryTable
from dbmigrate.migrations import other_tools
from dbmigrate.tracking import old_history, tables
from dbmigrate.tracking.old_history import Taken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dbmigrate.connection.database import Connection
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.events import Event
    from dbmigrate.importing.records import Record
    from dbmigrate.importing.values import Answers, Row, Source, Tool
    from dbmigrate.tracking.old_history import Found

__all__ = ["OldHistory", "Reach", "look"]

_COMMAND = "import"
_FOREIGN = "E713"
_SNAPSHOT = "begin transaction isolation level repeatable read read only"


class _Wanted(Protocol):
    """What is asked of the files: see `importer.Wanted`."""

    @property
    def tool(self) -> str | None: ...
    @property
    def answers(self) -> Answers: ...


class _Adoption(Protocol):
    """What is asked of the history: see `importer.Adoption`."""

    @property
    def table(self) -> str | None: ...
    @property
    def renames(self) -> bool: ...
    @property
    def is_dry(self) -> bool: ...


class Reach(NamedTuple):
    """The target; `usual` is the name of our tracking table, `lock_wait` bounds the wait for a run of the old tool."""

    dsn: Dsn
    usual: str
    lock_wait: float
    on_event: Callable[[Event], None]


@frozen
class OldHistory:
    """An old tool's table and its rows, oldest first. `is_taken`: it has the name that our tracking table would have;
    `taken` is everything of the tool in the database. `lock` is its lock, where it has one, held until the end."""

    tool: Tool
    table: HistoryTable
    rows: tuple[Row, ...]
    taken: Taken
    is_taken: bool = False
    lock: OldLock | None = None

    def details(self, record: Record) -> dict[str, object]:
        """Where a record is from, for the log."""
        row, migration = record.row, record.file.migration
        origin: dict[str, object] = {
            "tool": self.tool.name,
            "version": migration.version,
            "file": migration.path,
            "state": row.state.value if row else record.state.value,
            "tables": sorted(list(pair) for pair in self.taken.tables),
            "schemas": sorted(self.taken.schemas),
        }
        if row is not None and row.checksum is not None:
            origin["checksum"] = row.checksum
        return origin


class _Owned(NamedTuple):
    tool: Tool
    table: HistoryTable


@contextmanager
def look(reach: Reach, wanted: _Wanted, adoption: _Adoption, source: Source) -> Iterator[OldHistory]:
    """Find the history, take the lock of its tool, and read it.

    Raises ConfigError E283, E286 (there is none, or several could be meant), Refused E713, LockNotAcquired E601.
    """
    dsn = reach.dsn
    with database.connect(dsn, command=_COMMAND, on_event=_ignore) as conn:
        with database.translated(dsn):
            present = old_history.relations(conn)
            owned = _owned(present)
            names = {each.tool.name for each in owned}
            tool = recognise.choose(source, named=wanted.tool, owning=names)
            table = _table(tool, adoption.table, owned, present)
            lock = None if adoption.is_dry else _locked(conn, reach, tool, table)
            rows = _rows(conn, tool, table, wanted.answers)
            is_taken = _is_taken(conn, dsn, reach.usual, allowed=adoption.renames)
            taken = _taken(tool, table, present)
            if tool.name in ON_PLATFORMS:
                its = filter(other_tools.is_of_platform, old_history.schemas(conn))
                taken = Taken(taken.tables, taken.schemas | frozenset(its))
        yield OldHistory(tool, table, rows, taken, is_taken, lock)


def _locked(conn: Connection, reach: Reach, tool: Tool, table: HistoryTable) -> OldLock | None:
    """None where the tool has no lock, or the session is not ours alone: there an import is refused anyway."""
    facts = database.facts(conn)
    key = old_locks.key_of(tool.name, table, facts.database)
    if key is None or facts.is_pooled:
        return None
    lock = OldLock(conn, reach.dsn, tool.name, key)
    lock.acquire(reach.lock_wait, reach.on_event)
    return lock


def _rows(conn: Connection, tool: Tool, table: HistoryTable, answers: Answers) -> tuple[Row, ...]:
    conn.execute(_SNAPSHOT)
    try:
        return tool.history(_Asking(conn), table, answers)
    finally:
        conn.execute("rollback")


class _Asking:
    """Sends SELECT alone, in a transaction that can do nothing else."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    def __call__(self, sql: str, *parameters: object) -> Sequence[tuple[object, ...]]:
        return self._conn.execute(sql.encode(), parameters or None, binary=True).fetchall()


def _history_table(found: Found) -> HistoryTable:
    return HistoryTable(found.schema, found.name, found.columns)


def _owned(present: Sequence[Found]) -> list[_Owned]:
    neighbours: dict[str, set[str]] = {}
    for each in present:
        neighbours.setdefault(each.schema, set()).add(each.name)
    tables_ = [(_history_table(each), frozenset(neighbours[each.schema])) for each in present]
    return [
        _Owned(tool, table)
        for tool in map(TOOLS.__getitem__, TOOLS)
        for table, beside in tables_
        if tool.owns(table, beside)
    ]


def _table(tool: Tool, named: str | None, owned: Sequence[_Owned], present: Sequence[Found]) -> HistoryTable:
    if named is not None:
        meant = [each for each in present if named in (each.name, f"{each.schema}.{each.name}")]
        if len(meant) != 1:
            what = "there is no such table" if not meant else "several schemas have one: name the schema"
            raise ConfigError(f"--table {named}: {what}", code="E286")
        return _history_table(meant[0])
    mine = [each.table for each in owned if each.tool.name == tool.name]
    if len(mine) == 1:
        return mine[0]
    if not mine:
        others = ", ".join(f"{each.table.schema}.{each.table.name} ({each.tool.name})" for each in owned)
        raise ConfigError(
            f"the database has no history of {tool.name}" + (f", but {others}" if others else ""),
            code="E286",
            hint="check which database the URL names; --table SCHEMA.NAME where it has another name",
        )
    names = ", ".join(f"{each.schema}.{each.name}" for each in mine)
    raise ConfigError(
        f"several tables may be the history of {tool.name}: {names}", code="E286", hint="say which: --table SCHEMA.NAME"
    )


def _is_taken(conn: Connection, dsn: Dsn, usual: str, *, allowed: bool) -> bool:
    try:
        tables.locate(conn, usual, facts=database.facts(conn), search_path=dsn.search_path)
    except Refused as exc:
        if exc.code == _FOREIGN and allowed:
            return True
        raise
    return False


def _taken(tool: Tool, table: HistoryTable, present: Sequence[Found]) -> Taken:
    """The tables of the tool; its schema, where nothing else is in it."""
    beside = [each.name for each in present if each.schema == table.schema]
    companions = COMPANIONS.get(tool.name, frozenset())
    mine = {name for name in beside if name == table.name or name in companions or tool.name in OWN_SCHEMAS}
    is_own = mine == set(beside) and table.schema != "public"
    return Taken(
        frozenset((table.schema, name) for name in mine), frozenset((table.schema,)) if is_own else frozenset()
    )


def _ignore(event: Event) -> None:
    """The listener of a session that nobody listens to."""
