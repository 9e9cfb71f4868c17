"""What a plan would destroy on the target: rows and bytes by its statistics, and whether anything reads them.

Nothing is counted. Where a table was never analysed, the number of its rows is that of the statistics collector; where
that has none, the size of its file says whether there is anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import psycopg

from dbmigrate.connection import database
from dbmigrate.errors import DatabaseError
from dbmigrate.execution.server_errors import place_of
from dbmigrate.frozen import frozen
from dbmigrate.lint.sql.grammar import shape_of
from dbmigrate.losses import is_worth_reading
from dbmigrate.losses.forms import Destruction, Kind, destructions, narrows
from dbmigrate.losses.renames import Names, may_rename
from dbmigrate.migrations import parser
from dbmigrate.model import Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.execution.session import Session
    from dbmigrate.model import Place, Plan, Section, Step

__all__ = ["CODE", "problems"]

CODE = "W380"
_BEGIN = "BEGIN READ ONLY; SET LOCAL lock_timeout = '1s'; SET LOCAL statement_timeout = '10s'"

_LOOK = """
with wanted as (
  select w.number, w.col, case when w.kind = 'drop_schema' then null else pg_catalog.to_regclass(w.name) end as root,
         case when w.kind = 'drop_schema' then pg_catalog.to_regnamespace(w.name) end as space
  from rows from (pg_catalog.unnest(%s::text[]), pg_catalog.unnest(%s::text[]), pg_catalog.unnest(%s::text[]))
    with ordinality as w (kind, name, col, number)
), roots as (
  select w.number, w.col, c.oid, c.relkind, c.relname::text as name, n.nspname::text as schema
  from wanted w join pg_catalog.pg_class c on c.oid = w.root or (c.relnamespace = w.space and not c.relispartition)
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p') and c.relpersistence <> 't'
), parts as (
  select r.number, r.col, l.oid, l.relname, l.relnamespace, l.reltoastrelid, l.relpages,
         case when l.reltuples > 0 then l.reltuples::float8
              when s.n_live_tup > 0 then s.n_live_tup::float8
              when {is_empty} then 0 end as tuples,
         coalesce(s.seq_scan, 0) + coalesce(s.idx_scan, 0) as scans,
         greatest((pg_catalog.to_jsonb(s) ->> 'last_seq_scan')::timestamptz,
                  (pg_catalog.to_jsonb(s) ->> 'last_idx_scan')::timestamptz) as last_scan
  from roots r
  join lateral (select l.* from pg_catalog.pg_partition_tree(r.oid) t
                join pg_catalog.pg_class l on l.oid = t.relid and t.isleaf where r.relkind = 'p'
                union all
                select l.* from pg_catalog.pg_class l where l.oid = r.oid and r.relkind = 'r') l on true
  left join pg_catalog.pg_stat_all_tables s on s.relid = l.oid
), sums as (
  select p.number, pg_catalog.count(*) as tables, pg_catalog.sum(p.scans)::int8 as scans,
    pg_catalog.max(p.last_scan) as last_scan,
    case when pg_catalog.bool_and(p.tuples is not null) then pg_catalog.sum(p.tuples) end as tuples,
    case when pg_catalog.bool_and(p.relpages > 0 or p.tuples = 0)
      then pg_catalog.sum((p.relpages + coalesce(t.relpages, 0)) * pg_catalog.current_setting('block_size')::int8)
      end as bytes,
    case when pg_catalog.bool_and(p.tuples = 0 or s.null_frac is not null)
      then coalesce(pg_catalog.sum(p.tuples * (1 - s.null_frac)), 0) end as filled,
    case when pg_catalog.bool_and(p.tuples = 0 or s.null_frac is not null)
      then coalesce(pg_catalog.sum(p.tuples * (1 - s.null_frac) * s.avg_width), 0) end as width
  from parts p left join pg_catalog.pg_class t on t.oid = p.reltoastrelid
  join pg_catalog.pg_namespace n on n.oid = p.relnamespace
  left join pg_catalog.pg_stats s on s.schemaname = n.nspname and s.tablename = p.relname and s.attname = p.col
    and not s.inherited
  group by p.number
)
select w.number::int4, r.schema, r.name, pg_catalog.format_type(a.atttypid, a.atttypmod),
  case when w.col = '' then s.tuples else coalesce(s.filled, s.tuples) end::int8,
  case when w.col = '' then s.bytes else s.width end::int8,
  s.scans, pg_catalog.date_trunc('second', s.last_scan)::text,
  pg_catalog.date_trunc('second', d.stats_reset)::text, s.tables::int8
from wanted w join sums s on s.number = w.number
left join roots r on r.number = w.number and w.space is null
left join pg_catalog.pg_attribute a on a.attrelid = r.oid and a.attname = w.col and a.attnum > 0 and not a.attisdropped
left join pg_catalog.pg_stat_database d on d.datname = pg_catalog.current_database()
where w.col = '' or a.attname is not null
"""
# the size of a file waits for whoever holds ACCESS EXCLUSIVE on the table
_EMPTY_FILE = "pg_catalog.pg_relation_size(l.oid) = 0"
_EMPTY_BY_CATALOG = "false"
_UNITS = ((1 << 40, "TB"), (1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB"))
_SAVED = "--salvage DIR saves them before"


@frozen
class _Found:
    """A destruction, the step that runs it, and where it stands; `written` has the names of the statement."""

    step: Step
    destruction: Destruction
    place: Place
    written: Destruction

    @property
    def called(self) -> str:
        """What a renamed table or column is called when the statement runs."""
        old, new = self.destruction, self.written
        names = [
            after for before, after in ((old.names[-1], new.names[-1]), (old.column, new.column)) if before != after
        ]
        return f", by then called {' and '.join(names)}," if names else ""


@frozen
class _Loss:
    """What the target's statistics say about one destruction; None is what they do not know."""

    schema: str | None
    table: str | None
    old_type: str | None
    rows: int | None
    bytes: int | None
    scans: int
    last_scan: str | None
    since: str | None
    tables: int


def problems(session: Session, planned: Plan) -> tuple[Problem, ...]:
    """W380 for everything that the plan destroys and that is there. The database is asked only if a file may do so.

    `Problem.data` holds the numbers. W383 if the server refuses to say, as where a role may not look into a schema.
    """
    if not any(is_worth_reading(step, section) for step, section in _sections(planned)):
        return ()
    found = list(_destroyed(planned))
    if not found:
        return ()
    try:
        with database.translated(session.dsn):
            known = _ask(session, [each.destruction for each in found])
    except DatabaseError as exc:  # an addition to what was asked for: it ends nothing
        message = f"how much is destroyed is not known: {exc.message}"
        return (Problem("W383", message, Severity.NOTE, found[0].place),)
    return tuple(
        _problem(each, known[number])
        for number, each in enumerate(found, 1)
        if number in known and _is_loss(each.destruction, known[number])
    )


def _is_loss(destruction: Destruction, loss: _Loss) -> bool:
    if loss.rows == 0:
        return False
    if destruction.kind is not Kind.SET_TYPE:
        return True
    return narrows(loss.old_type or "", destruction.new_type, has_using=destruction.has_using)


def _sections(planned: Plan) -> Iterator[tuple[Step, Section]]:
    for step in planned.steps:
        if step.migration is not None and step.runs_sql:
            yield from ((step, section) for section in step.migration.run_order(step.direction))


def _destroyed(planned: Plan) -> Iterator[_Found]:
    """By the names that tables and columns have before the plan; what the plan makes itself does not count."""
    names = Names()
    for step, section in _sections(planned):
        assert step.migration is not None
        if section.statements is None and not is_worth_reading(step, section):
            continue
        for statement in parser.statements(step.migration, section):
            for each in destructions(statement.sql, step.direction):
                if (before := names.before(each)) is not None:
                    place = place_of(step.migration.file.path, statement, each.at)
                    yield _Found(step, before, place, each)
            if may_rename(statement.sql):
                names.follow(shape_of(statement.sql))


def _ask(session: Session, wanted: Sequence[Destruction]) -> dict[int, _Loss]:
    try:
        rows = _look(session, wanted, _EMPTY_FILE)
    except (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled):
        rows = _look(session, wanted, _EMPTY_BY_CATALOG)
    return {cast("int", number): _Loss(*cast("Any", rest)) for number, *rest in rows}


def _look(session: Session, wanted: Sequence[Destruction], is_empty: str) -> list[tuple[object, ...]]:
    conn = session.conn
    database.run(conn, _BEGIN)
    try:
        return database.query(
            conn,
            _LOOK.format(is_empty=is_empty),
            [each.kind.value for each in wanted],
            [each.sql_name for each in wanted],
            [each.column for each in wanted],
        )
    finally:
        if not conn.broken:
            database.run(conn, "ROLLBACK")


# ------------------------------------------------------------------------------------------------------------ the words

_ACTIONS = {
    Kind.DROP_TABLE: "DROP TABLE {table} destroys {amount}",
    Kind.DROP_SCHEMA: "DROP SCHEMA {table} CASCADE destroys {amount}",
    Kind.DROP_COLUMN: "DROP COLUMN {column} of {table} destroys {amount}",
    Kind.TRUNCATE: "TRUNCATE {table} destroys {amount}",
    Kind.DELETE: "DELETE without WHERE from {table} destroys {amount}",
    Kind.UPDATE: "UPDATE without WHERE of {table} overwrites {amount}",
    Kind.SET_TYPE: "changing {column} of {table} from {old} to {new} may change {amount}",
}


def _problem(found: _Found, loss: _Loss) -> Problem:
    each = found.destruction
    table = ".".join(filter(None, (loss.schema if loss.schema != "public" else None, loss.table))) or each.names[-1]
    text = _ACTIONS[each.kind].format(
        table=table + found.called,
        column=each.column,
        amount=_amount(each, loss),
        old=loss.old_type,
        new=each.new_type,
    )
    return Problem(
        CODE,
        f"{text}; {_reading(loss)}",
        Severity.WARNING,
        found.place,
        _SAVED if each.kind.can_be_saved else None,
        data=_data(found, loss),
    )


def _amount(each: Destruction, loss: _Loss) -> str:
    what = "values" if each.column else "rows"
    if loss.rows is None:
        return f"an unknown number of {what} (never analysed)"
    size = f" ({_size(loss.bytes)})" if loss.bytes else ""
    of = f" of {loss.tables} tables" if each.kind is Kind.DROP_SCHEMA else ""
    return f"≈ {loss.rows:,} {what}{size}{of}"


def _size(count: int) -> str:
    for size, unit in _UNITS:
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} bytes"


def _reading(loss: _Loss) -> str:
    since = f" since {loss.since}" if loss.since else ""
    if not loss.scans:
        return f"nothing has read the table{since}"
    last = f", last on {loss.last_scan}" if loss.last_scan else ""
    return f"the table was read {loss.scans:,} times{since}{last}"


def _data(found: _Found, loss: _Loss) -> dict[str, object]:
    each = found.destruction
    return {
        "version": found.step.version,
        "path": found.place.path,
        "line": found.place.line,
        "kind": each.kind.value,
        "schema": loss.schema,
        "table": loss.table or each.names[-1],
        "column": each.column or None,
        "rows": loss.rows,
        "bytes": loss.bytes,
        "scans": loss.scans,
        "last_scan": loss.last_scan,
        "scans_since": loss.since,
        "can_be_saved": each.kind.can_be_saved,
    }
