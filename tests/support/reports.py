"""Reports that are made up, with schemas of any size as catalogs. The same number makes the same report."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

from dbmigrate.catalog import Catalog, Item, Key, Kind
from dbmigrate.model import LogState
from dbmigrate.planning.environments import Cell, CellState, Column, Row, Table
from dbmigrate.reporting import schema
from dbmigrate.reporting.values import Lane, Origin, Pending, Report
from dbmigrate.reports import Description, LogEntry

_WORDS = ("order", "invoice", "user", "product", "shipment", "ledger", "audit", "session", "tax", "report", "media")
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
_TABLE = ("permanent", None, None, None, None, None, None, "off", "off", "heap", None)


class CatalogMaker:
    """Adds tables to a catalog as the server would describe them."""

    def __init__(self) -> None:
        self._items: dict[Kind, dict[str, Item]] = {Kind.SCHEMA: {"public": Item(())}}
        self._columns: dict[Key, tuple[str, ...]] = {}

    def table(self, name: str, columns: dict[str, str], *, references: dict[str, str] | None = None) -> Key:
        key = Key(Kind.TABLE, name)
        space = Key(Kind.SCHEMA, name.partition(".")[0])
        self._items[Kind.SCHEMA].setdefault(space.name, Item(()))
        self._items.setdefault(Kind.TABLE, {})[name] = Item(_TABLE, space)
        for column, type_ in columns.items():
            is_null = "NOT NULL" if column == "id" else "nullable"
            values = (type_, is_null, *[None] * 8)
            self._items.setdefault(Kind.COLUMN, {})[f"{name}.{column}"] = Item(values, key)
        self._columns[key] = tuple(columns)
        self._constraint(key, "pkey", "PRIMARY KEY (id)", None)
        for column, target in (references or {}).items():
            self._constraint(key, f"{column}_fkey", f"FOREIGN KEY ({column}) REFERENCES {target}(id)", "enabled")
        return key

    def _constraint(self, table: Key, name: str, definition: str, triggers: str | None) -> None:
        self._items.setdefault(Kind.CONSTRAINT, {})[f"{table.name}.{name}"] = Item((definition, triggers), table)

    def catalog(self) -> Catalog:
        return Catalog(180000, self._items, self._columns)


def catalogs(tables: int) -> tuple[Catalog, Catalog]:
    """A schema of about so many tables before and after a change, with circles, hubs and self references."""
    before, after = CatalogMaker(), CatalogMaker()
    random = Random(tables)
    names = [f"public.{_WORDS[number % len(_WORDS)]}s_{number}" for number in range(tables)]
    for number, name in enumerate(names):
        columns = {"id": "bigint", "name": "text", "created_at": "timestamp with time zone"}
        references = {}
        for link in range(random.randrange(3)):
            target = names[0] if random.random() < 0.2 else random.choice(names)
            columns[f"ref_{link}_id"] = "bigint"
            references[f"ref_{link}_id"] = target
        if number != 4:
            before.table(name, columns, references=references)
        if number == 1:
            columns = {**columns, "note": "text"}
            del columns["name"]
        if number == 2:
            columns = {**columns, "name": "character varying(200)"}
        if number != 3:
            kept = {column: target for column, target in references.items() if target != names[3]}
            after.table(name, columns, references=kept)
    return before.catalog(), after.catalog()


def entry(number: int, **given: object) -> LogEntry:
    """A log entry, of an applied migration if nothing else is said."""
    values: dict[str, object] = {
        "event_id": number,
        "run_id": "0",
        "version": str(number),
        "file": f"{number}_made.sql",
        "kind": "up",
        "step": None,
        "state": LogState.DONE,
        "started_at": NOON + timedelta(hours=5 * number),
        "duration": 0.02 * number,
        "error": None,
        "sqlstate": None,
        "db_role": "app",
        "os_user": "ann",
        "tool_version": "dbmigrate 0",
        "git_commit": "4f2c1d9",
        "git_dirty": False,
        "reason": None,
    }
    return LogEntry(**{**values, **given})


def report(tables: int) -> Report:
    """A whole report about a schema of so many tables."""
    before, after = catalogs(tables)
    entries = [entry(number) for number in range(12)]
    entries += [
        entry(12, kind="down", reason="wrong index"),
        entry(13, state=LogState.FAILED, error="canceling statement due to lock timeout", sqlstate="55P03"),
    ]
    applied, waiting = Cell(CellState.APPLIED, NOON, "ann"), Cell(CellState.PENDING)
    columns = (
        Column("staging", "db.staging/shop", counts={CellState.APPLIED: 14}),
        Column("production", "db/shop", counts={CellState.PENDING: 2, CellState.APPLIED: 12}),
        Column("far", "far/shop", failure="connection refused"),
    )
    rows = tuple(
        Row(str(number), f"{number}_made.sql", (applied, applied if number < 12 else waiting, Cell(CellState.UNKNOWN)))
        for number in range(14)
    )
    pending = tuple(
        Pending(number, f"{number}_made.sql", f"alter table t{number} add note text;", description=Description("Notes"))
        for number in (12, 13)
    )
    return Report(
        Origin(NOON, "dbmigrate -e production report", "dbmigrate 0", "production · db/shop", "4f2c1d9"),
        Table(columns, rows, 10),
        (Lane("staging", entries[::-1]), Lane("production", entries[11::-1]), Lane("far", failure="not reachable")),
        pending,
        "sha256:00",
        schema=schema.of(before, after),
        measured=2,
    )
