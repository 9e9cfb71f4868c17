"""What a database holds, as a value: two databases that were made in two ways can be compared."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.support import environment
from tests.support.psql import ENVIRON, program

Rows = tuple[Any, ...]

_RESTRICT = re.compile(r"^\\(un)?restrict .*\n", re.MULTILINE)  # a random key in every dump
# what a server notes of each column, another number in each database, where pg_dump does not know to leave it out
_NOTES = re.compile(  # a name may hold a line end
    r'^ALTER (?:"(?:[^"]|"")*"|[^"\n])* SET \(pg_attver=\d+\);\n|(?<= SET \()pg_attver=\d+, ', re.MULTILINE
)
_TABLES = """
    select n.nspname::text, c.relname::text
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'm') and (c.relkind = 'r' or c.relispopulated)
      and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    order by 1, 2
"""
# a column may be called like the table, but hardly like this
_ROWS = 'select "whole row"::text from only {} as "whole row" order by "whole row"::text collate pg_catalog."C"'
# what pg_dump does not tell: how far sequences are, which indexes are invalid, which transactions are prepared
_STATE = """
    select 'sequence', format('%I.%I', schemaname, sequencename), last_value::text from pg_sequences
    union all
    select 'invalid index', indexrelid::regclass::text, null from pg_index where not indisvalid
    union all
    select 'prepared transaction', gid, null from pg_prepared_xacts where database = current_database()
    union all
    select 'setting', array_to_string(setconfig, ' '), null from pg_db_role_setting
    where setdatabase = (select oid from pg_database where datname = current_database())
    order by 1, 2
"""
# Of a log row all but when and by which run it was written; runs count from 1, in the order of their first event. What
# was there before a statement outside a transaction is for `resume` alone: object ids, which no script can know.
_LOG = """
    select dense_rank() over (order by first_event) as run,
           to_jsonb(log) - '{run_id,os_user,started_at,finished_at,duration_ms,first_event,details}'::text[]
               || jsonb_build_object('details', nullif(log.details - 'before', jsonb_build_object())) as event,
           finished_at is not null as has_end, duration_ms is not null as has_duration
    from (select *, min(event_id) over (partition by run_id) as first_event from {}) as log
    order by event_id
"""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Everything in a database: schema (owners and rights too), rows, versions, events, the state of its objects."""

    schema: str
    rows: Mapping[str, tuple[str, ...]]
    versions: tuple[str, ...]
    log: tuple[Rows, ...]
    state: tuple[Rows, ...]


def fingerprint(url: str, *, table: str = "public.schema_migrations") -> Fingerprint:
    """`table` is the tracking table, with its schema; it need not be there."""
    schema, name = table.split(".")
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("set search_path = pg_catalog")
        tables = conn.execute(_TABLES).fetchall()
        own = {(schema, name), (schema, f"{name}_log")}
        rows = {f"{one}.{two}": _texts(conn, one, two) for one, two in tables if (one, two) not in own}
        versions = _versions(conn, schema, name) if (schema, name) in tables else ()
        log = _log(conn, schema, f"{name}_log") if (schema, f"{name}_log") in tables else ()
        state = tuple(conn.execute(_STATE).fetchall())
    return Fingerprint(schema_of(url), rows, versions, log, state)


def schema_of(url: str, *options: str) -> str:
    """pg_dump's text of the whole schema, owners and privileges included."""
    done = subprocess.run(
        [program("pg_dump"), "--schema-only", "--no-password", *options, "--dbname", url],
        env=environment.clean(ENVIRON, home=Path("/nonexistent")) | {"LC_ALL": "C"},
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    return _NOTES.sub("", _RESTRICT.sub("", done.stdout.decode()))


def _texts(conn: psycopg.Connection[Rows], schema: str, table: str) -> tuple[str, ...]:
    """The rows as texts, ordered; of this very table, without those of its children."""
    return tuple(row[0] for row in conn.execute(sql.SQL(_ROWS).format(sql.Identifier(schema, table))))


def _versions(conn: psycopg.Connection[Rows], schema: str, table: str) -> tuple[str, ...]:
    statement = sql.SQL('select version from {} order by version collate pg_catalog."C"')
    return tuple(row[0] for row in conn.execute(statement.format(sql.Identifier(schema, table))))


def _log(conn: psycopg.Connection[Rows], schema: str, table: str) -> tuple[Rows, ...]:
    before, after = _LOG.split("{}")
    query = sql.Composed([sql.SQL(before), sql.Identifier(schema, table), sql.SQL(after)])
    return tuple(conn.execute(query).fetchall())
