"""Projects of other tools as fixtures: what an importer makes of them, compared with what the old tool left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from dbmigrate.importing.texts import Text, statements
from dbmigrate.importing.values import (
    Answers,
    ForeignMigration,
    HistoryTable,
    Reading,
    Row,
    Source,
    SourceFile,
    State,
    Tool,
)

OLDEST = 14  # `extract` returns numeric, which a function of these projects rounds
FIXTURES = Path(__file__).parent.parent / "importing" / "fixtures"

# the catalog without the old tool's own tables: tables with their columns in name order, and what hangs on them
_OBJECTS = """
    with owned as (
        select c.oid, c.relkind, n.nspname, c.relname, format('%%I.%%I', n.nspname, c.relname) as name
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname <> all (%(hidden)s) and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    )
    select 'function ' || p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname <> all (%(hidden)s) and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    union all
    select 'index ' || o.name from owned o join pg_index i on i.indexrelid = o.oid
        join owned t on t.oid = i.indrelid where t.relname <> all (%(tables)s)
    union all
    select 'table ' || o.name || ' (' || (
        select string_agg(quote_ident(attname) || ' ' || format_type(atttypid, atttypmod)
            || case when attnotnull then ' not null' else '' end, ', ' order by attname collate "C")
        from pg_attribute where attrelid = o.oid and attnum > 0 and not attisdropped
    ) || ')' from owned o where o.relkind in ('r', 'p') and o.relname <> all (%(tables)s)
    union all
    select 'trigger ' || t.tgname || ' on ' || o.name from pg_trigger t join owned o on o.oid = t.tgrelid
    where not t.tgisinternal
    union all
    select 'view ' || name from owned where relkind in ('v', 'm')
"""
_NO_TABLES = """
    select format('%%I.%%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and n.nspname <> all (%(hidden)s) and n.nspname !~ '^pg_'
        and n.nspname <> 'information_schema' and c.relname <> all (%(tables)s)
"""


def refuse_older(request: pytest.FixtureRequest) -> None:
    """Skip a test on a server that is older than the projects."""
    if "server" in request.fixturenames and request.getfixturevalue("server").major < OLDEST:
        pytest.skip(f"the projects of other tools need PostgreSQL {OLDEST}")


@dataclass(frozen=True)
class Expected:
    """What ``expected.txt`` says: the state of each version, and the schema after all that is applied."""

    states: dict[str, str]
    schema: list[str]


def expected(tool: str, key: Callable[[str], str] = lambda line: line.split()[0]) -> Expected:
    """`key` takes the version out of a line of ``[versions]``; its state is the word after it."""
    head, _, schema = (FIXTURES / tool / "expected.txt").read_text().partition("[schema after all applied ones]\n")
    lines = [line for line in head.partition("[versions]\n")[2].splitlines() if line.strip()]
    states = {key(line): _said(line) for line in lines}
    return Expected(states, sorted(schema.splitlines()))


def _said(line: str) -> str:
    """The first word of a line that is a state."""
    words = (word.rstrip(":").replace("mark_ran", "marked") for word in [*line.split(), "ignored"])
    return next(word for word in words if word in ("applied", "pending", "failed", "ignored", "baseline", "marked"))


def source_of(directory: Path) -> Source:
    """Every file below a directory, as `import` reads it."""
    paths = sorted(path for path in directory.rglob("*") if path.is_file())
    files = sorted((path.relative_to(directory).as_posix(), path.read_bytes()) for path in paths)
    return Source("old", tuple(SourceFile(*each) for each in files))


def source(**files: str | bytes) -> Source:
    """A small project; ``__`` in a name stands for nothing special: names are given as ``**{"a.sql": ...}``."""
    made = ((name, text.encode() if isinstance(text, str) else text) for name, text in sorted(files.items()))
    return Source("old", tuple(SourceFile(*each) for each in made))


def fixture(tool: str, below: str = "files") -> Source:
    return source_of(FIXTURES / tool / below)


@contextmanager
def old_database(url: str, tool: str) -> Iterator[psycopg.Connection]:
    """The database as the old tool left it, in a session that may only read."""
    load(url, FIXTURES / tool / "database.sql")
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("set default_transaction_read_only = on")
        yield conn


def load(url: str, path: Path) -> None:
    """Run a plain dump, with the data of its COPY statements."""
    with psycopg.connect(url, autocommit=True) as conn:
        text: list[str] = []
        lines = iter(path.read_text().splitlines(keepends=True))
        for line in lines:
            if line.startswith("COPY ") and line.rstrip().endswith("FROM stdin;"):
                conn.execute("".join(text).encode())
                text = []
                with conn.cursor().copy(line.encode()) as copy:
                    for row in lines:
                        if row == "\\.\n":
                            break
                        copy.write(row.encode())
            else:
                text.append(line)
        conn.execute("".join(text).encode())


def history_of(tool: Tool, conn: psycopg.Connection, answers: Answers | None = None) -> tuple[Row, ...]:
    """The rows of the one table that is the tool's."""
    tables = conn.execute(
        "select n.nspname, c.relname, array_agg(a.attname order by a.attnum) from pg_class c"
        " join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid and a.attnum > 0"
        " where c.relkind = 'r' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' group by 1, 2"
    ).fetchall()
    names = {schema: frozenset(name for other, name, _ in tables if other == schema) for schema, _, _ in tables}
    found = [HistoryTable(schema, name, tuple(columns)) for schema, name, columns in tables]
    [owned] = [each for each in found if tool.owns(each, names[each.schema] - {each.name})]

    def query(sql: str, *parameters: object) -> list[tuple[object, ...]]:
        return conn.execute(sql.encode(), parameters or None).fetchall()

    return tool.history(query, owned, answers or Answers())


def states(tool: Tool, reading: Reading, rows: tuple[Row, ...]) -> dict[str, str]:
    """The state of each migration by its version; no row is pending."""
    return {each.version: _state(tool, each, rows).value for each in reading.migrations}


def _state(tool: Tool, migration: ForeignMigration, rows: tuple[Row, ...]) -> State:
    return next((row.state for row in reversed(rows) if tool.matches(migration, row)), State.PENDING)


def applied(tool: Tool, reading: Reading, rows: tuple[Row, ...]) -> list[ForeignMigration]:
    """The applied migrations in the old tool's order."""
    found = [each for each in reading.migrations if _state(tool, each, rows) is State.APPLIED]
    return sorted(found, key=lambda each: each.sort_key)


def run_ups(url: str, migrations: list[ForeignMigration]) -> None:
    """Run them on an empty database: a part in a transaction as one message, any other statement by statement."""
    with psycopg.connect(url, autocommit=True) as conn:
        for migration in migrations:
            for part in migration.ups:
                text = Text(migration.path, part.sql, part.sql)
                segments = [part.sql] if part.transaction else [each.sql for each in statements(text)]
                for sql in segments:
                    conn.execute(sql.encode())


def fingerprint(url: str, *, tables: tuple[str, ...] = (), schemas: tuple[str, ...] = ()) -> list[str]:
    """The lines of ``[schema after all applied ones]``, without the old tool's tables and schemas."""
    hidden = {"hidden": list(schemas), "tables": list(tables)}
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("set search_path = ''")
        lines = [str(row[0]) for row in conn.execute(_OBJECTS.encode(), hidden)]
        for (name,) in conn.execute(_NO_TABLES.encode(), hidden).fetchall():
            [(count,)] = conn.execute(f"select count(*) from {name}".encode()).fetchall()
            lines += [f"rows {name} {count}"] if count else []
    return sorted(lines)
