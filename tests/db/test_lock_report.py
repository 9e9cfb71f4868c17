"""The lock report: what statements do to the tables that are there, measured; on an empty database as on a full one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from secrets import token_hex
from typing import Any

import psycopg
import pytest

from dbmigrate import impact
from dbmigrate.connection import database, dsn
from dbmigrate.errors import MigrationFailed
from dbmigrate.impact import Held, Impact, LockMode, MeasureOptions, Relation, Usage, Verdict
from dbmigrate.impact.committed import Committed
from dbmigrate.migrations import parser
from dbmigrate.model import Migration, MigrationFile, Place
from tests.support import databases
from tests.support.servers import DatabaseServer

SCHEMA = """
create table users (id int primary key, email varchar(50) not null, nick varchar(50), age int, born date,
    price numeric(10, 2), code varchar(50) check (length(code) > 0), note text);
create unique index users_email on users (email);
create index users_age on users (age);
alter table users add constraint age_known check (age is not null);
create table orders (id int primary key, user_id int, total int, at timestamp, note text);
create table payments (id serial primary key, order_id int references orders (id), amount int);
alter table payments add constraint amount_sane check (amount > 0) not valid;
create table events (id int, at int) partition by range (at);
create table events_1 partition of events for values from (0) to (1000000);
create table events_2 (id int, at int);
create view adults as select id from users where age > 17;
create materialized view totals as select user_id, sum(total) from orders group by user_id;
create unique index totals_user on totals (user_id);
create type mood as enum ('sad', 'ok');
create table feelings (id int, mood mood, extra text);
create function nothing() returns trigger language plpgsql as $$ begin return new; end $$;
"""
ROWS = """
insert into users select n, 'user' || n || '@example.com', 'n' || n, n % 80, '2000-01-01', n, 'c' || n, repeat('x', 20)
    from generate_series(1, 20000) n;
insert into orders select n, n, n % 100, now(), 'o' from generate_series(1, 20000) n;
insert into payments (order_id, amount) select n, 1 from generate_series(1, 20000) n;
insert into events select n, n from generate_series(1, 20000) n;
insert into feelings select n, 'ok', 'x' from generate_series(1, 20000) n;
refresh materialized view totals;
"""

TABLES = ("events", "events_1", "events_2", "feelings", "orders", "payments", "totals", "users")


@dataclass(frozen=True)
class Form:
    """A statement, and by table: the strongest lock and the work, as words."""

    sql: str
    tables: dict[str, tuple[str, str]]
    since: int = 13
    differs: dict[str, tuple[str, str]] = field(default_factory=dict)  # with rows, where that is not the same


AEL, SRE, SHARE, SUE, ROW = (
    "ACCESS EXCLUSIVE",
    "SHARE ROW EXCLUSIVE",
    "SHARE",
    "SHARE UPDATE EXCLUSIVE",
    "ROW EXCLUSIVE",
)

FORMS = [
    Form("alter table users add column a int", {"users": (AEL, "")}),
    Form("alter table users add column a int default 5 not null", {"users": (AEL, "")}),
    Form("alter table users add column a timestamptz default now()", {"users": (AEL, "")}),
    Form("alter table users add column a uuid default gen_random_uuid()", {"users": (AEL, "rewrite scan indexes")}),
    Form("alter table users add column a bigserial", {"users": (AEL, "rewrite scan indexes")}),
    Form("alter table users add column a int generated always as identity", {"users": (AEL, "rewrite scan indexes")}),
    Form(
        "alter table users add column a int generated always as (age + 1) stored",
        {"users": (AEL, "rewrite scan indexes")},
    ),
    Form("alter table users add column a int generated always as (age + 1) virtual", {"users": (AEL, "")}, since=18),
    Form("alter table users drop column note", {"users": (AEL, "")}),
    Form("alter table users alter column note set default 'x'", {"users": (AEL, "")}),
    Form("alter table users alter column nick set not null", {"users": (AEL, "scan")}),
    Form("alter table users alter column age set not null", {"users": (AEL, "")}),
    Form("alter table users alter column email drop not null", {"users": (AEL, "")}),
    Form("alter table users alter column nick type varchar(100)", {"users": (AEL, "")}),
    Form("alter table users alter column code type varchar(100)", {"users": (AEL, "scan")}),
    Form("alter table users alter column nick type varchar(10)", {"users": (AEL, "rewrite scan indexes")}),
    Form("alter table users alter column nick type text", {"users": (AEL, "")}),
    Form(
        "alter table orders alter column id type bigint",
        {"orders": (AEL, "rewrite scan indexes"), "payments": (AEL, "scan")},  # its foreign key is checked again
    ),
    Form("alter table users alter column price type numeric(12, 2)", {"users": (AEL, "")}),
    Form("set time zone 'UTC'; alter table orders alter column at type timestamptz", {"orders": (AEL, "")}),
    Form(
        "set time zone 'Asia/Tokyo'; alter table orders alter column at type timestamptz",
        {"orders": (AEL, "rewrite scan indexes")},
    ),
    Form("alter table orders rename column note to remark", {"orders": (AEL, "")}),
    Form("alter table orders rename to purchases", {"orders": (AEL, "")}),
    Form("create schema old; alter table orders set schema old", {"orders": (AEL, "")}),
    Form("alter table users alter column note set statistics 500", {"users": (SUE, "")}),
    Form("alter table users set (fillfactor = 70)", {"users": (SUE, "")}),
    Form("alter table orders add constraint c check (total >= 0)", {"orders": (AEL, "scan")}),
    Form("alter table orders add constraint c check (total >= 0) not valid", {"orders": (AEL, "")}),
    Form("alter table payments validate constraint amount_sane", {"payments": (SUE, "scan")}),
    Form(
        "alter table orders add foreign key (user_id) references users",
        {"orders": (SRE, "scan"), "users": (SRE, "")},
        differs={"users": (SRE, "scan")},
    ),
    Form(
        "alter table orders add foreign key (user_id) references users not valid",
        {"orders": (SRE, ""), "users": (SRE, "")},
    ),
    Form("alter table orders add unique (user_id)", {"orders": (AEL, "scan new")}),
    Form("alter table users add unique using index users_email", {"users": (AEL, "")}),
    Form("alter table users set unlogged", {"users": (AEL, "rewrite scan indexes")}),
    Form("create index on orders (total)", {"orders": (SHARE, "scan new")}),
    Form("drop index users_age", {"users": (AEL, "")}),
    Form("reindex table users", {"users": (AEL, "scan indexes")}),
    Form("reindex index users_age", {"users": (AEL, "scan indexes")}),
    Form("alter index users_age rename to users_years", {"users": (SUE, "")}),
    Form("cluster users using users_pkey", {"users": (AEL, "rewrite scan indexes")}),
    Form("truncate orders, payments", {"orders": (AEL, "empty"), "payments": (AEL, "empty")}),
    Form("drop table payments", {"payments": (AEL, "drop"), "orders": (AEL, "")}),
    Form("create trigger t before insert on orders for each row execute function nothing()", {"orders": (SRE, "")}),
    Form("alter table orders disable trigger all", {"orders": (SRE, "")}),
    Form("create table refunds (order_id int references orders)", {"orders": (SRE, "")}),
    Form(
        "alter table events attach partition events_2 for values from (1000000) to (2000000)",
        {"events": (SUE, ""), "events_2": (AEL, "scan")},
    ),
    Form("alter table events detach partition events_1", {"events": (AEL, "")}),
    Form("alter table events add column a int", {"events": (AEL, "")}),
    Form(
        "refresh materialized view totals",
        {"totals": (AEL, "rewrite scan indexes"), "orders": ("ACCESS SHARE", "scan")},
    ),
    Form("alter type mood rename value 'ok' to 'fine'", {}),
    Form("create policy p on orders using (true)", {"orders": (AEL, "")}),
    Form("alter table orders enable row level security", {"orders": (AEL, "")}),
    Form("comment on table orders is 'x'", {"orders": (SUE, "")}),
    Form("grant select on orders to public", {}),
    Form(
        "create or replace view adults as select id from users where age > 20",
        {"adults": (AEL, "")},
    ),
    Form("update orders set note = 'y'", {"orders": (ROW, "scan")}),
    Form("lock table orders in exclusive mode", {"orders": ("EXCLUSIVE", "")}),
    Form("create rule r as on delete to orders do instead nothing", {"orders": (AEL, "")}),
    Form("analyze orders", {"orders": (SUE, "")}),
]


def work(table: impact.TableImpact) -> str:
    words = {
        "rewrite": table.is_rewritten,
        "scan": table.is_scanned,
        "indexes": table.rebuilt_indexes,
        "new": table.new_indexes,
        "empty": table.is_emptied,
        "drop": table.is_dropped,
    }
    return " ".join(word for word, is_there in words.items() if is_there)


def by_table(impacts: tuple[Impact, ...]) -> dict[str, tuple[str, str]]:
    """What happened to each table; the mere look at one (ACCESS SHARE), which versions differ in, is left out."""
    tables = (table for each in impacts for table in each.tables)
    return {
        str(table.table): (table.lock.sql, work(table))
        for table in tables
        if table.lock > LockMode.ACCESS_SHARE or work(table)
    }


def parsed(tmp_path: Path, up: str, options: str = "") -> Migration:
    path = tmp_path / "1_test.sql"
    path.write_text(f"-- migrate:up {options}\n{up}\n-- migrate:down\n", encoding="utf-8", newline="")
    return parser.read(MigrationFile("1", path.name, str(path)))


@pytest.fixture(params=["one session", "two sessions"], autouse=True)
def sessions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is committed is read by the session itself, or by a second one once the migration touches any of it."""
    monkeypatch.setenv("TEST_SESSIONS", request.param)


def measured(url: str, migration: Migration, *, without: frozenset[Relation] = frozenset()) -> tuple[Impact, ...]:
    target = dsn.parse(url)
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(database.connect(target, command="test", on_event=lambda event: None)) for _ in range(2)
        )
        committed = Committed(second) if os.environ["TEST_SESSIONS"] == "two sessions" else None
        if committed is not None:
            committed.has_relations = True
        return impact.run_measured(first, migration, MeasureOptions(target, without=without, committed=committed))


@dataclass(frozen=True)
class Templates:
    """Databases with the schema above, without rows and with them; copies are made of them."""

    server: DatabaseServer
    empty: str
    full: str

    @contextmanager
    def copy(self, template: str) -> Iterator[str]:
        name = f"{template}_copy"
        self.server.admin.execute(f"create database {name} template {template}")
        try:
            yield self.server.url(name)
        finally:
            self.server.drop(name)


@pytest.fixture(scope="module")
def templates(server: DatabaseServer) -> Iterator[Templates]:
    names = [f"dbmigrate_test_{token_hex(4)}_{what}" for what in ("empty", "full")]
    try:
        for name, rows in zip(names, ("", ROWS), strict=True):
            server.create(name)
            databases.query(server.url(name), SCHEMA + rows)
        yield Templates(server, *names)
    finally:
        for name in names:
            server.drop(name)


@pytest.fixture
def empty(templates: Templates) -> Iterator[str]:
    with templates.copy(templates.empty) as url:
        yield url


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.sql)
def test_an_empty_database_shows_what_a_full_one_does(form: Form, templates: Templates, tmp_path: Path) -> None:
    if templates.server.major < form.since:
        pytest.skip(f"PostgreSQL {form.since} learned this")
    migration = parsed(tmp_path, f"{form.sql};")

    with templates.copy(templates.empty) as url:
        assert by_table(measured(url, migration)) == form.tables
    with templates.copy(templates.full) as url:
        assert by_table(measured(url, migration)) == {**form.tables, **form.differs}


OUTSIDE = {
    "create index concurrently i on orders (total)": {"orders": (SUE, "scan new")},
    "create unique index concurrently on only events_2 (id)": {"events_2": (SUE, "scan new")},
    "drop index concurrently users_age": {"users": (SUE, "")},
    "reindex index concurrently users_age": {"users": (SUE, "scan indexes")},
    "reindex (verbose) table concurrently public.users": {"users": (SUE, "scan indexes")},
    "vacuum": {name: (SUE, "scan") for name in TABLES},
    "vacuum (full, analyze) orders": {"orders": (AEL, "rewrite scan")},
    "vacuum full verbose orders": {"orders": (AEL, "rewrite scan")},
    "vacuum (full false) orders": {"orders": (SUE, "scan")},
    "vacuum analyze orders (id, total), users": {"orders": (SUE, "scan"), "users": (SUE, "scan")},
    "vacuum events": {"events_1": (SUE, "scan"), "events": (SUE, "scan")},
    "reindex schema public": {name: (AEL, "scan") for name in TABLES},
    "alter table users add column a int": {"users": (AEL, "")},  # a transaction of its own: measured
    "begin; set transaction isolation level serializable; alter table users drop column note; commit": {
        "users": (AEL, "")
    },
    "discard all": {},
}


@pytest.mark.parametrize(("statement", "tables"), OUTSIDE.items(), ids=OUTSIDE)
def test_what_runs_in_no_transaction_goes_by_rule(
    statement: str, tables: dict[str, tuple[str, str]], empty: str, tmp_path: Path
) -> None:
    assert by_table(measured(empty, parsed(tmp_path, f"{statement};", "transaction:false"))) == tables


def test_a_concurrent_detachment_goes_by_rule(empty: str, server: DatabaseServer, tmp_path: Path) -> None:
    if server.major < 14:
        pytest.skip("PostgreSQL 14 learned this")
    migration = parsed(tmp_path, "alter table events detach partition events_1 concurrently;", "transaction:false")

    (found,) = measured(empty, migration)

    assert by_table((found,)) == {"events": (SUE, ""), "events_1": (AEL, "")}
    assert (found.is_measured, found.waits_for) == (False, "the transactions that use the partitioned table")


def test_what_would_leave_the_scratch_database_is_not_run(empty: str, server: DatabaseServer, tmp_path: Path) -> None:
    (found,) = measured(empty, parsed(tmp_path, "create database not_to_be;", "transaction:false"))

    assert found.note == "not run on the scratch database, because its effect would leave it"
    assert server.admin.execute("select from pg_database where datname = 'not_to_be'").fetchall() == []


# ---------------------------------------------------------------------------------------------- more than one statement


def test_what_is_held_meanwhile_is_told(empty: str, tmp_path: Path) -> None:
    found = measured(empty, parsed(tmp_path, "alter table orders add a int;\nupdate users set nick = 'x';"))

    assert [each.place.line for each in found] == [2, 3]
    assert found[0].holding == ()
    assert found[1].holding == (Held(Relation("public", "orders"), LockMode.ACCESS_EXCLUSIVE),)


def test_each_statement_without_a_transaction_lets_go_of_its_locks(empty: str, tmp_path: Path) -> None:
    up = "alter table orders add a int;\nupdate users set nick = 'x';"

    assert [each.holding for each in measured(empty, parsed(tmp_path, up, "transaction:false"))] == [(), ()]


def test_a_lock_that_is_held_already_is_told_where_there_is_work(empty: str, tmp_path: Path) -> None:
    up = "alter table orders add a int; alter table orders alter a set not null; alter table orders add b int;"

    first, second = measured(empty, parsed(tmp_path, up))

    assert [(each.tables[0].lock.sql, each.tables[0].is_held) for each in (first, second)] == [
        (AEL, False),
        (AEL, True),
    ]


def test_what_a_migration_makes_itself_is_nobodys(empty: str, tmp_path: Path) -> None:
    up = "create table own (id int primary key); alter table own alter id type bigint; create index on own (id);"

    assert measured(empty, parsed(tmp_path, up)) == ()


def test_rows_in_a_row_are_told_as_one(empty: str, tmp_path: Path) -> None:
    up = "insert into orders (id) values (1);\ninsert into orders (id) values (2);\n"
    up += "copy orders (id) from stdin;\n3\n4\n\\.\ndelete from orders;"

    found = measured(empty, parsed(tmp_path, up))

    assert [(each.sql.split()[0], each.count) for each in found] == [("insert", 3), ("delete", 1)]
    assert databases.query(empty, "select count(*) from orders") == [(0,)]


def test_partitions_are_summed_up(empty: str, tmp_path: Path) -> None:
    (found,) = measured(empty, parsed(tmp_path, "alter table events alter id type bigint;"))

    assert found.tables == (
        impact.TableImpact(
            Relation("public", "events"),
            LockMode.ACCESS_EXCLUSIVE,
            is_rewritten=True,
            is_scanned=True,
            partitions=(Relation("public", "events_1"),),
        ),
    )


def test_a_lock_on_what_belongs_to_a_table_is_told_as_such(empty: str, tmp_path: Path) -> None:
    up = "reindex index users_age; alter sequence payments_id_seq restart with 5;"

    first, second = measured(empty, parsed(tmp_path, up))

    assert [(each.tables[0].table.name, each.tables[0].through) for each in (first, second)] == [
        ("users", "users_age"),
        ("payments", "payments_id_seq"),
    ]


# -------------------------------------------------------------------------------------------------------------- hostile


def test_odd_names_are_named_as_they_were(database_url: str, tmp_path: Path) -> None:
    databases.query(
        database_url,
        'create schema "a.b"; create table "a.b"."We""ird \u2713" (i int); create table "select" (i int);'
        " create table late (i int)",
    )
    up = 'alter table "a.b"."We""ird \u2713" rename to plain; drop table "select"; drop table late;'

    found = measured(database_url, parsed(tmp_path, up))

    assert [str(table.table) for each in found for table in each.tables] == [
        '"a.b"."We""ird \u2713"',
        "select",
        "late",
    ]


def test_a_migration_may_change_its_session(empty: str, server: DatabaseServer, tmp_path: Path) -> None:
    role = f"dbmigrate_test_{token_hex(4)}"
    up = f"""
        create schema evil; create table evil.pg_class (a int); create function evil.pg_backend_pid() returns int
            language sql as 'select 1';
        create role {role}; grant create on schema public to {role}; grant all on orders to {role};
        set role {role}; set search_path = ''; update public.orders set note = 'x';
        set search_path = evil, public, pg_catalog; delete from orders; reset role;
        alter table orders alter note set not null; drop schema evil cascade;
        revoke all on orders from {role}; revoke all on schema public from {role}; drop role {role};"""

    found = measured(empty, parsed(tmp_path, up))

    assert [each.sql.split()[0] for each in found if each.tables[0].takes_long] == ["update", "delete", "alter"]


def test_the_own_operators_of_a_migration_deceive_nobody(empty: str, tmp_path: Path) -> None:
    up = """create schema evil;
        create function evil.no(oid, oid) returns boolean language sql immutable as 'select false';
        create operator evil.= (leftarg = oid, rightarg = oid, function = evil.no);
        set search_path = evil, pg_catalog, public; truncate orders, payments;"""

    assert by_table(measured(empty, parsed(tmp_path, up))) == {"orders": (AEL, "empty"), "payments": (AEL, "empty")}


def test_temporary_tables_are_left_out(empty: str, tmp_path: Path) -> None:
    up = "create temp table t (i int); alter table t alter i type bigint; drop table t;"

    assert measured(empty, parsed(tmp_path, up)) == ()


def test_the_tables_of_our_own_are_left_out(empty: str, tmp_path: Path) -> None:
    own = frozenset({Relation("public", "orders")})

    found = measured(empty, parsed(tmp_path, "alter table orders add a int; drop table payments;"), without=own)

    assert by_table(found) == {"payments": (AEL, "drop")}


def test_what_is_taken_back_is_no_work(empty: str, tmp_path: Path) -> None:
    up = "savepoint s; alter table orders alter note type int using 1; rollback to s; alter table users add a int;"

    first, second = measured(empty, parsed(tmp_path, up))

    assert (by_table((first,)), by_table((second,))) == (
        {"orders": (AEL, "rewrite scan indexes")},
        {"users": (AEL, "")},
    )
    assert second.holding == ()


def test_a_failing_statement_raises_with_its_place_and_leaves_nothing(empty: str, tmp_path: Path) -> None:
    migration = parsed(tmp_path, "drop table payments;\r\n\r\nalter table nowhere add a int;")

    with pytest.raises(MigrationFailed, match="nowhere") as caught:
        measured(empty, migration)

    assert (caught.value.code, caught.value.place.line, caught.value.place.column) == ("E401", 4, 13)
    assert databases.query(empty, "select to_regclass('payments') is not null") == [(True,)]


def test_a_constraint_that_fires_at_the_end_fails_the_migration(empty: str, tmp_path: Path) -> None:
    up = (
        "alter table orders add unique (user_id) deferrable initially deferred; insert into orders (id, user_id)"
        " values (1, 1), (2, 1);"
    )

    with pytest.raises(MigrationFailed, match="23505"):
        measured(empty, parsed(tmp_path, up))


def test_a_database_with_nothing_in_it_has_nothing_to_tell(database_url: str, tmp_path: Path) -> None:
    up = "create table a (i int);\ncopy a from stdin;\n1\n2\n\\.\ncreate index on a (i);"

    assert measured(database_url, parsed(tmp_path, up)) == ()
    assert databases.query(database_url, "select sum(i) from a") == [(3,)]


# -------------------------------------------------------------------------------------------------------------- pricing


def priced(url: str, impacts: tuple[Impact, ...]) -> tuple[impact.Priced, ...]:
    with database.connect(dsn.parse(url), command="test", on_event=lambda event: None) as conn:
        return impact.price(conn, impacts)


def impact_on(name: str, lock: LockMode = LockMode.ACCESS_EXCLUSIVE, **facts: Any) -> Impact:
    return Impact("1", Place("1.sql", 1), "...", (impact.TableImpact(Relation("public", name), lock, **facts),))


def test_sizes_are_estimates_of_rows_and_true_bytes(database_url: str) -> None:
    databases.query(
        database_url,
        "create table old (i int primary key); insert into old select generate_series(1, 10000); analyze old;"
        "create table fresh (i int); insert into fresh select generate_series(1, 10000);"
        "create table p (i int) partition by range (i); create table p_1 partition of p for values from (0) to (9999);"
        "insert into p select generate_series(1, 5000); analyze p_1; create view v as select 1 as one",
    )

    sizes = {
        name: priced(database_url, (impact_on(name),))[0].tables[0].size for name in ("old", "fresh", "p", "v", "none")
    }

    assert (sizes["old"].rows, sizes["fresh"].rows, sizes["p"].rows) == (10000, None, 5000)
    assert sizes["old"].total_bytes > sizes["old"].table_bytes > 300_000
    assert sizes["fresh"].table_bytes == sizes["fresh"].total_bytes > 300_000
    assert sizes["p"].table_bytes > 100_000
    assert (sizes["v"], sizes["none"]) == (None, None)


def test_a_table_that_the_target_does_not_have_is_harmless(database_url: str) -> None:
    (found,) = priced(database_url, (impact_on("nowhere", is_rewritten=True),))

    assert (found.verdict, found.tables[0].exists) == (Verdict.HARMLESS, False)


def test_who_uses_a_table_is_told(database_url: str) -> None:
    databases.query(database_url, "create table busy (i int); create index on busy (i)")
    with psycopg.connect(database_url, application_name="shop") as one, psycopg.connect(database_url) as two:
        one.execute("select * from busy")
        two.execute("lock table busy in row exclusive mode")

        (found,) = priced(database_url, (impact_on("busy"),))

    usage = found.tables[0].usage
    assert (usage.sessions, usage.application) == (2, "shop")
    assert 0 < usage.oldest_transaction < 30


def test_a_table_that_is_locked_by_somebody_is_not_waited_for(database_url: str) -> None:
    databases.query(database_url, "create table t (i int); insert into t select generate_series(1, 10000); analyze t")
    with psycopg.connect(database_url) as other:
        other.execute("lock table t")

        (found,) = priced(database_url, (impact_on("t"),))

    assert found.tables[0].size.rows == 10000
    assert found.tables[0].size.table_bytes > 300_000
    assert found.tables[0].usage.sessions == 1


def test_a_role_without_rights_can_ask(database_url: str, server: DatabaseServer) -> None:
    role = f"dbmigrate_test_{token_hex(4)}"
    databases.query(database_url, f"create table t (i int); create role {role}")
    with psycopg.connect(database_url) as other, psycopg.connect(database_url, autocommit=True) as conn:
        other.execute("select * from t")
        conn.execute(f"set role {role}")
        (found,) = impact.price(conn, (impact_on("t"),))
        conn.execute(f"reset role; drop role {role}")

    assert found.tables[0].usage == Usage(sessions=1, user=server.superuser)


def test_what_a_lock_on_a_small_table_makes_wait_for_a_large_one(database_url: str) -> None:
    databases.query(
        database_url,
        "create table small (i int); create table large (i int);"
        "alter table large alter i set storage plain; insert into large select generate_series(1, 4000000)",
    )
    held = (Held(Relation("public", "small"), LockMode.ACCESS_EXCLUSIVE),)
    reads = replace(impact_on("large", LockMode.ROW_EXCLUSIVE, is_scanned=True), holding=held)
    elsewhere = replace(reads, holding=(Held(Relation("public", "nowhere"), LockMode.ACCESS_EXCLUSIVE),))

    first, second = priced(database_url, (reads, elsewhere))

    assert (first.verdict, first.held) == (Verdict.BLOCKS_ALL, held)
    assert (second.verdict, second.held) == (Verdict.LONG, ())
