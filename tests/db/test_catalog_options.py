"""Every option that PostgreSQL documents is seen when somebody sets it, and no other one can be set."""

from __future__ import annotations

import psycopg
import pytest

from dbmigrate import catalog
from dbmigrate.catalog import Reader, Scope, options

BASE = """
create table t (a int, b int[], c text, d point);
create materialized view m as select 1 as a;
create view v as select a from t;
create index of_btree on t using btree (a);
create index of_hash on t using hash (a);
create index of_gist on t using gist (d);
create index of_gin on t using gin (b);
create index of_brin on t using brin (a);
create index of_spgist on t using spgist (d);
"""
VALUES = {
    "buffering": "on",
    "check_option": "local",
    "n_distinct": "5",
    "vacuum_index_cleanup": "off",
    "vacuum_max_eager_freeze_failure_rate": "0.5",
}
SINCE = {
    "security_invoker": 15,
    "autovacuum_vacuum_max_threshold": 18,
    "vacuum_max_eager_freeze_failure_rate": 18,
}
UNTIL = {"vacuum_cleanup_index_scale_factor": 13}
INDEXES = {
    "fillfactor": ("of_btree", "of_hash", "of_gist", "of_spgist"),
    "deduplicate_items": ("of_btree",),
    "vacuum_cleanup_index_scale_factor": ("of_btree",),
    "buffering": ("of_gist",),
    "fastupdate": ("of_gin",),
    "gin_pending_list_limit": ("of_gin",),
    "autosummarize": ("of_brin",),
    "pages_per_range": ("of_brin",),
}


def value(name: str) -> str:
    if name in VALUES:
        return VALUES[name]
    is_switch = name.endswith(("enabled", "truncate", "items", "update", "summarize", "barrier", "invoker", "table"))
    if name.endswith(("_freeze_max_age", "freeze_table_age")):
        return "200000000"
    if name.endswith("target"):
        return "256"
    return "off" if is_switch and name.endswith(("enabled", "items", "update")) else "on" if is_switch else "64"


CASES = [
    *(("column", name, f"alter table t alter a set ({name} = {value(name)})") for name in options.COLUMN),
    *(("table", name, f"alter table t set ({name} = {value(name)})") for name in options.TABLE),
    *(("toast", name, f"alter table t set (toast.{name} = {value(name)})") for name in options.TOAST),
    *(("materialized view", name, f"alter materialized view m set ({name} = {value(name)})") for name in options.TABLE),
    *(("view", name, f"alter view v set ({name} = {value(name)})") for name in options.VIEW),
    *(
        (index, name, f"alter index {index} set ({name} = {value(name)})")
        for name in options.INDEX
        for index in INDEXES[name]
    ),
]


@pytest.fixture
def conn(database_url):
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(BASE.encode())
        yield conn


def test_every_documented_option_is_seen(conn, server):
    reader = Reader(conn)
    before, fingerprint = reader.read(), reader.fingerprint()
    for kind, name, change in CASES:
        if not SINCE.get(name, 0) <= server.major <= UNTIL.get(name, 99):
            continue
        with conn.transaction(force_rollback=True):
            conn.execute(change.encode())
            found = catalog.compare(before, reader.read(), scope=Scope.ALL)

            assert any(name in (each.after or "") for each in found), (kind, name, found)
            assert reader.fingerprint() != fingerprint, (kind, name)


def test_an_option_that_no_user_can_set_is_not_compared(conn):
    """Written as a server writes it, into the catalog itself."""
    reader = Reader(conn)
    before, fingerprint = reader.read(), reader.fingerprint()
    with conn.transaction(force_rollback=True):
        conn.execute(
            "update pg_attribute a set attoptions = '{pg_attver=3}' from pg_class c"
            " where c.oid = a.attrelid and c.oid >= 16384 and a.attnum > 0 and c.relkind <> 'i'"
        )
        conn.execute("update pg_class set reloptions = '{pg_relver=3}' where oid >= 16384 and relkind <> 'i'")

        assert catalog.compare(before, reader.read(), scope=Scope.ALL) == ()
        assert reader.fingerprint() == fingerprint


def test_the_options_of_an_access_method_of_an_extension_are_compared(conn):
    """They are in no list."""
    try:
        conn.execute("create extension bloom")
    except psycopg.errors.UndefinedFile:
        pytest.skip("this server has no bloom")
    conn.execute("create index of_bloom on t using bloom (a)")
    before = catalog.read(conn)
    conn.execute("alter index of_bloom set (length = 160)")

    found = catalog.compare(before, catalog.read(conn), scope=Scope.ALL)

    assert "storage options of index public.of_bloom are length=160, were none" in [each.sentence for each in found]
