"""``check --twice``: each up section is run again at once, to find those that are not safe to run again.

In a transaction that is rolled back, so that the next migration finds what it expects. One without a transaction is
run again in a scratch database of its own, at the end.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from psycopg import sql

from dbmigrate import catalog
from dbmigrate.catalog import Kind, Scope
from dbmigrate.check import scratch_session
from dbmigrate.check.values import failed, found
from dbmigrate.connection import database
from dbmigrate.errors import DatabaseError, Error, Refused
from dbmigrate.execution import conditions
from dbmigrate.execution.conditions import Context
from dbmigrate.frozen import frozen
from dbmigrate.model import Direction, Place, Severity
from dbmigrate.scratch import choose, rehearsal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from dbmigrate.catalog import Catalog
    from dbmigrate.check.scratch_session import ScratchSession
    from dbmigrate.model import Migration, Problem
    from dbmigrate.scratch.choose import ScratchServer

HINT = "write IF NOT EXISTS, CREATE OR REPLACE, DROP ... IF EXISTS before it, or INSERT ... ON CONFLICT"
# what belongs to an extension may have rows of its own, which no migration wrote
_TABLES = """
select n.nspname::text, c.relname::text
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
  and not exists (select 1 from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                  and d.objid = c.oid and d.deptype = 'e')
order by 1, 2
"""
_ROWS = """
select pg_catalog.count(*), pg_catalog.md5(pg_catalog.string_agg(t, '' order by t))
from (select pg_catalog.md5(dbmigrate_row::text) as t from only {} as dbmigrate_row) rows
"""


@frozen
class _State:
    """What the second run must not change: the catalog, and for each table how many rows it has, and their hash."""

    catalog: Catalog
    rows: dict[str, tuple[object, ...]]


class Twice:
    """Runs each applied migration of the versions in `selected` a second time; `problems` are the findings."""

    def __init__(self, selected: Collection[str]) -> None:
        self._selected = selected
        self._later: list[Migration] = []
        self.problems: list[Problem] = []

    def applied(self, scratch: ScratchSession, migration: Migration) -> None:
        """`migration` is the last one that was applied to `scratch`."""
        if migration.version not in self._selected:
            return
        if migration.is_transactional(Direction.UP):
            self.problems += _findings(scratch, migration, lambda: _rolled_back(scratch, migration))
        else:
            self._later.append(migration)

    def finish(self, server: ScratchServer, table: str, migrations: Sequence[Migration]) -> None:
        """Try those without a transaction, each after the `migrations` before it."""
        for migration in self._later:
            before = migrations[: migrations.index(migration) + 1]
            with scratch_session.prepared(server, table, conditions.Note()) as scratch:
                try:
                    for each in before:
                        scratch.run(each)
                except (DatabaseError, Refused) as exc:
                    self.problems.append(_untried(migration, f"running all again failed: {exc.message}"))
                    continue
                self.problems += _findings(scratch, migration, lambda: _committed(scratch, migration))  # noqa: B023 (called at once)


def _findings(
    scratch: ScratchSession, migration: Migration, run: Callable[[], tuple[_State, _State]]
) -> Iterator[Problem]:
    try:
        before, after = run()
    except Refused as exc:
        yield _untried(migration, exc.message)
    except DatabaseError as exc:
        hint = choose.hint_for(exc, scratch.server) or HINT
        yield failed("C119", f"{migration.name} is not safe to run again", exc, place=_place(migration), hint=hint)
    else:
        for sentence in _differences(before, after):
            message = f"{migration.name} is not safe to run again: after the second run {sentence}"
            yield found("C119", message, _place(migration), hint=HINT)


def _differences(before: _State, after: _State) -> Iterator[str]:
    for difference in catalog.compare(before.catalog, after.catalog, scope=Scope.ALL):
        if difference.kind is not Kind.COLUMN_ORDER:
            yield difference.sentence
    for name, now in after.rows.items():
        earlier = before.rows.get(name, now)
        if now[0] != earlier[0]:
            yield f"table {name} has {now[0]} rows in the place of {earlier[0]}"
        elif now != earlier:
            yield f"table {name} has other rows"


def _rolled_back(scratch: ScratchSession, migration: Migration) -> tuple[_State, _State]:
    return scratch.server.retrying(lambda: _in_transaction(scratch, migration))


def _in_transaction(scratch: ScratchSession, migration: Migration) -> tuple[_State, _State]:
    conn = scratch.rehearsal
    scratch.server.refuse_external_effects(migration)
    before = _state(scratch)
    with database.translated(scratch.dsn):
        database.run(conn, "BEGIN")
    try:
        rehearsal.run_sections(Context(conn, scratch.dsn, migration), Direction.UP, conditions.Note())
        return before, _state(scratch)
    finally:
        with suppress(Error), database.translated(scratch.dsn):
            database.run(conn, "ROLLBACK")


def _committed(scratch: ScratchSession, migration: Migration) -> tuple[_State, _State]:
    before = _state(scratch)
    scratch.run(migration)
    return before, _state(scratch)


def _state(scratch: ScratchSession) -> _State:
    own = scratch_session.own_tables(scratch.session)
    conn = scratch.rehearsal
    read = scratch.read_catalog()
    with database.translated(scratch.dsn):
        names = [(str(schema), str(name)) for schema, name in database.query(conn, _TABLES)]
        rows = {
            f"{schema}.{name}": conn.execute(sql.SQL(_ROWS).format(sql.Identifier(schema, name))).fetchall()[0]
            for schema, name in names
            if (schema, name) not in own
        }
    return _State(read, rows)


def _untried(migration: Migration, why: str) -> Problem:
    message = f"{migration.name} was not run a second time: {why}"
    return found("C114", message, _place(migration), severity=Severity.WARNING)


def _place(migration: Migration) -> Place:
    return Place(migration.file.path, migration.run_order(Direction.UP)[0].line)
