"""Runs that are raced, killed and held up from outside: what they run, who stands in their way, how they are judged."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from secrets import token_hex
from typing import Any

import psycopg
import pytest

from dbmigrate.api.migrator import Migrator, Options
from dbmigrate.api.records import Decision, Upkeep
from dbmigrate.errors import NeedsAttention
from tests.support.catalog import Fingerprint, fingerprint
from tests.support.children import eventually
from tests.support.databases import query
from tests.support.projects import Project
from tests.support.servers import DatabaseServer

LONG = bool(os.environ.get("DBMIGRATE_TEST_LONG"))
FALSE = "transaction:false"

# run twice, every one of these statements leaves something else than run once
_NOT_IDEMPOTENT = """\
insert into tally (who) values ('no-tx');
update counter set n = n + 100;
begin;
update counter set n = n * 2;
insert into tally (who) values ('block');
commit;
create index concurrently tally_who on tally (who);
insert into tally (who) select who from tally;
"""


def few(project: Project) -> None:
    """Three migrations: in a transaction, without one, and again in a transaction."""
    project.migration(
        "101_tables",
        up="create table tally (id serial primary key, who text);\ncreate table counter (n int);\n"
        "insert into counter values (1);",
        down="drop table tally, counter;",
    )
    project.migration("102_steps", up=_NOT_IDEMPOTENT, up_options=FALSE)
    project.migration("103_more", up="insert into tally (who) values ('tx');\ncreate unique index on counter (n);")


def forty(project: Project) -> None:
    """Forty migrations, `few` among them."""
    few(project)
    for number in range(104, 141):
        project.migration(f"{number}_t", up=f"create table t{number} (id int);\nupdate counter set n = n + 1;")


def essence(url: str) -> Fingerprint:
    """What has to be the same however often a run was disturbed: all but the log and the numbers that ids have."""
    found = fingerprint(url)
    rows = {**found.rows, "public.tally": tuple(sorted(row.partition(",")[2] for row in found.rows["public.tally"]))}
    state = tuple(item for item in found.state if item[0] != "sequence")
    return replace(found, rows=rows, log=(), state=state)


def undisturbed(url: str, project: Project) -> Fingerprint:
    """The essence of a database after one run of which nobody took notice."""
    Migrator(url, _options_of(project)).up()
    return essence(url)


def finish(url: str, project: Project) -> list[str]:
    """Do what a user does after a disturbed run: `up`, and `resume` where that says so. What was done, in words."""
    try:
        Migrator(url, _options_of(project)).up()
    except NeedsAttention as exc:
        if exc.code != "E502":
            raise
        Upkeep(url, _options_of(project)).resume(Decision())
        Migrator(url, _options_of(project)).up()
        return ["up", "resume", "up"]
    return ["up"]


def _options_of(project: Project) -> Options:
    return Options(directories=(str(project.migrations),), lock_wait=30)


@contextmanager
def transaction(url: str, *statements: str) -> Iterator[psycopg.Connection[Any]]:
    """Somebody else's transaction, open until the end of the block or until it is rolled back."""
    with psycopg.connect(url, application_name="somebody else") as conn:
        for statement in statements:
            conn.execute(statement.encode())
        yield conn
        conn.rollback()


@contextmanager
def plain_role(server: DatabaseServer, url: str, *tables: str) -> Iterator[str]:
    """The URL of a new role without any privileges but to make tables; `tables` are handed over to it."""
    if not server.is_ours:
        pytest.skip("needs a server that lets a new role log in")
    name = url.partition("?")[0].rpartition("/")[2]
    role = f"plain_{token_hex(4)}"
    query(url, f"create role {role} login password 'x'; grant all on schema public to {role}")
    for table in tables:
        query(url, f"alter table {table} owner to {role}")
    try:
        yield f"postgres://{role}:x@{server.tcp_url(name).rpartition('@')[2]}"
    finally:
        query(url, f"drop owned by {role} cascade; drop role {role}")


ACTIVITY = """
    select pid, state, query from pg_stat_activity
    where datname = current_database() and query like %s and state like %s and pid <> pg_backend_pid()
      and application_name like 'dbmigrate %%' and application_name not like 'dbmigrate monitor%%'
      and (query not like '%%pg_sleep%%' or state <> 'active' or wait_event = 'PgSleep')
"""


def backend(url: str, *, doing: str, state: str = "active", seconds: float = 20) -> int:
    """Wait until a session of ours runs a statement like `doing`; its server process.

    A statement with ``pg_sleep`` counts once it sleeps: what stands before it in the message is done.
    """
    found: list[tuple[Any, ...]] = []

    def is_there() -> bool:
        found[:] = query(url, ACTIVITY, (doing, state))
        return bool(found)

    assert eventually(is_there, seconds=seconds), f"nobody does {doing}"
    return int(found[0][0])


def is_gone(url: str, pid: int, *, seconds: float) -> bool:
    """Whether a server process ends within the time."""
    return eventually(
        lambda: query(url, "select 1 from pg_stat_activity where pid = %s", (pid,)) == [], seconds=seconds
    )


def waits_for_lock(url: str, pid: int, *, seconds: float = 20) -> bool:
    """Whether a server process comes to wait for a lock."""
    return eventually(
        lambda: query(url, "select 1 from pg_stat_activity where pid = %s and wait_event_type = 'Lock'", (pid,)) != [],
        seconds=seconds,
    )


INVALID = "select indexrelid::regclass::text from pg_index where not indisvalid"
VERSIONS = "select version from public.schema_migrations order by length(version), version"


def versions(url: str) -> list[str]:
    """The applied versions; none where the table is not there yet."""
    if query(url, "select to_regclass('public.schema_migrations')") == [(None,)]:
        return []
    return [row[0] for row in query(url, VERSIONS)]
