"""One change at a time on a real server, and the sentences that name it; nothing else may be named."""

from __future__ import annotations

from secrets import token_hex

import psycopg
import pytest

from dbmigrate import catalog
from dbmigrate.catalog import Change, Kind, Scope

BASE = """
create schema app;
create type app.mood as enum ('sad', 'ok');
create type app.pair as (a integer, b text);
create domain app.email as text constraint has_at check (value like '%@%');
create sequence app.ticket increment 5;
create table app.users (
    id bigint generated always as identity primary key,
    name varchar(50) not null default 'x',
    email app.email,
    mood app.mood,
    born date,
    twice bigint generated always as (id * 2) stored,
    legacy serial,
    constraint name_known check (name <> '')
);
create index users_born on app.users (born);
create table app.orders (id int primary key, user_id bigint constraint of_user references app.users, at date);
create table app.logs (at date not null, kind text, note text default 'n') partition by range (at);
create table app.logs_1 partition of app.logs for values from ('2020-01-01') to ('2021-01-01');
create table app.logs_2 partition of app.logs for values from ('2021-01-01') to ('2022-01-01');
create index logs_kind on app.logs (kind);
create view app.adults as select id, name from app.users where born < '2000-01-01';
create materialized view app.counts as select count(*) as n from app.users;
create function app.touch() returns trigger language plpgsql as $$begin return new; end$$;
create function app.add(a int, b int default 1) returns int language sql as 'select a + b';
create procedure app.run() language sql as 'select 1';
create aggregate app.total(int) (sfunc = int4pl, stype = int, initcond = '0');
create trigger touch before insert on app.users for each row execute function app.touch();
create rule deny as on delete to app.orders do instead nothing;
alter table app.users enable row level security;
create policy own on app.users for select using (name = current_user);
create statistics app.together on born, mood from app.users;
create function app.watch() returns event_trigger language plpgsql as $$begin end$$;
create event trigger watching on ddl_command_end execute function app.watch();
create publication news for table app.users, app.orders;
create collation app.german (provider = libc, locale = 'C');
create text search configuration app.words (copy = simple);
create text search dictionary app.stop (template = simple);
create foreign data wrapper elsewhere;
create server remote foreign data wrapper elsewhere options (host 'h', password 'sekret');
create foreign table app.far (a int) server remote;
create user mapping for public server remote options (password 'sekret');
create function app.to_pair(int) returns app.pair language sql immutable as $$select row($1, 'x')::app.pair$$;
create cast (int as app.pair) with function app.to_pair(int);
create function app.same(app.pair, app.pair) returns boolean language sql immutable as 'select true';
create operator app.=== (leftarg = app.pair, rightarg = app.pair, function = app.same);
create operator family app.ints using btree;
create operator class app.int_ops for type int using btree family app.ints
    as operator 1 <, function 1 btint4cmp(int, int);
comment on table app.users is 'people';
comment on column app.users.name is 'the name';
comment on constraint name_known on app.users is 'not empty';
comment on trigger touch on app.users is 'touches';
comment on function app.add(int, int) is 'adds';
grant select on app.orders to public;
"""

# what was done, and every sentence about it
CASES: dict[str, tuple[str, ...]] = {
    # schemas and extensions
    "create schema b": ("schema b is extra",),
    "create schema b create table b.t () create view b.v as select 1 as x": (
        "schema b is extra, with table b.t, view b.v",
    ),
    "create extension hstore": ("extension hstore is extra",),
    "create extension hstore; alter extension hstore set schema app": ("extension hstore is extra",),
    # tables
    "create table app.t (id serial primary key, x int references app.orders)": ("table app.t is extra",),
    "drop table app.orders cascade": (
        "table app.orders is missing",
        "publication member table app.orders in news is missing",
    ),
    "drop table app.users cascade": (
        "table app.users is missing",
        "constraint app.orders.of_user is missing",
        "view app.adults is missing",
        "materialized view app.counts is missing",
        "publication member table app.users in news is missing",
    ),
    "drop table app.logs": ("table app.logs is missing, with table app.logs_1, table app.logs_2",),
    "alter publication news drop table app.orders; alter table app.orders drop constraint of_user, set unlogged": (
        "persistence of table app.orders is unlogged, was permanent",
        "constraint app.orders.of_user is missing",
        "publication member table app.orders in news is missing",
    ),
    "alter table app.orders set (fillfactor = 70, toast.autovacuum_enabled = off)": (
        "storage options of table app.orders are fillfactor=70, were none",
    ),
    "alter table app.orders replica identity full": ("replica identity of table app.orders is full, was the default",),
    "alter table app.users disable row level security": ("row level security of table app.users is off, was on",),
    "alter table app.users force row level security": ("forced row level security of table app.users is on, was off",),
    "alter table app.logs detach partition app.logs_2": (
        "partition bound of table app.logs_2 is none, was FOR VALUES FROM ('2021-01-01') TO ('2022-01-01')",
        "inheritance of table app.logs_2 is none, was app.logs",
        "partition attachment of index app.logs_2_kind_idx is none, was app.logs_kind",
    ),
    # columns
    "alter table app.users drop column born cascade": (
        "column app.users.born is missing",
        "index app.users_born is missing",
        "statistics app.together is missing",
        "view app.adults is missing",
    ),
    "alter table app.users add column age int not null default 1": ("column app.users.age is extra",),
    "alter table app.users add column other serial": ("column app.users.other is extra",),
    "alter table app.users alter name drop not null": ("column app.users.name is nullable, was NOT NULL",),
    "alter table app.users alter name drop default": (
        "default of column app.users.name is none, was 'x'::character varying",
    ),
    "alter table app.orders alter at type timestamp": (
        "type of column app.orders.at is timestamp without time zone, was date",
    ),
    "alter table app.users alter id set generated by default": (
        "identity of column app.users.id is GENERATED BY DEFAULT, was GENERATED ALWAYS",
    ),
    "alter table app.users alter id drop identity": ("identity of column app.users.id is none, was GENERATED ALWAYS",),
    "alter table app.users alter id set increment 2": ("increment of sequence app.users_id_seq is 2, was 1",),
    "alter table app.users alter twice drop expression": (
        "generation of column app.users.twice is none, was (id * 2) STORED",
    ),
    'alter table app.orders add column note text collate "C"; alter table app.orders drop column note': (),
    "alter table app.users alter mood set statistics 500": (
        "statistics target of column app.users.mood is 500, was the default",
    ),
    "alter table app.users alter name set storage external": (
        "storage of column app.users.name is EXTERNAL, was that of the type",
    ),
    "alter table app.users alter name set (n_distinct = 5)": (
        "options of column app.users.name are n_distinct=5, were none",
    ),
    "alter table app.orders rename at to date": ("column app.orders.at is missing", "column app.orders.date is extra"),
    "alter table app.orders drop column at; alter table app.orders add column at date": (),
    "alter table app.orders drop column user_id;"
    "alter table app.orders add user_id bigint constraint of_user references app.users": (
        "order of the columns of table app.orders is id, at, user_id, was id, user_id, at",
    ),
    "alter table app.logs add column more int": ("column app.logs.more is extra",),
    "alter table app.logs drop column note": ("column app.logs.note is missing",),
    "alter table app.logs alter note set default 'm'": ("default of column app.logs.note is 'm'::text, was 'n'::text",),
    "alter table app.logs_1 alter note drop default": ("default of column app.logs_1.note is none, was 'n'::text",),
    # constraints
    "alter table app.users drop constraint name_known": ("constraint app.users.name_known is missing",),
    "alter table app.orders drop constraint orders_pkey": ("constraint app.orders.orders_pkey is missing",),
    "alter table app.orders add unique (at)": ("constraint app.orders.orders_at_key is extra",),
    "alter table app.orders add check (id > 0) not valid": ("constraint app.orders.orders_id_check is extra",),
    "alter table app.orders alter constraint of_user deferrable": ("definition of constraint app.orders.of_user is ",),
    "alter table app.logs add constraint kinds check (kind <> '')": ("constraint app.logs.kinds is extra",),
    "alter table app.orders disable trigger all": (
        "triggers of constraint app.orders.of_user are disabled, were enabled",
    ),
    # indexes
    "drop index app.users_born": ("index app.users_born is missing",),
    "drop index app.users_born; create index users_born on app.users (born desc)": (
        "definition of index app.users_born is ",
    ),
    "drop index app.logs_kind": ("index app.logs_kind is missing",),
    "update pg_index set indisvalid = false where indexrelid = 'app.users_born'::regclass": (
        "index app.users_born is not valid, was valid",
    ),
    "alter table app.users cluster on users_born": ("clustering of index app.users_born is on, was off",),
    "alter index app.orders_pkey set (fillfactor = 50)": (
        "storage options of index app.orders_pkey are fillfactor=50, were none",
    ),
    # sequences
    "drop sequence app.ticket": ("sequence app.ticket is missing",),
    "alter sequence app.ticket increment 7 cycle": (
        "cycling of sequence app.ticket is on, was off",
        "increment of sequence app.ticket is 7, was 5",
    ),
    "alter sequence app.ticket owned by app.orders.id": (
        "owning column of sequence app.ticket is app.orders.id, was none",
    ),
    "select nextval('app.ticket')": (),
    # types
    "alter type app.mood add value 'happy'": ("values of type app.mood are 'sad', 'ok', 'happy', were 'sad', 'ok'",),
    "alter type app.mood rename value 'ok' to 'fine'": ("values of type app.mood are 'sad', 'fine', were 'sad', 'ok'",),
    "alter type app.pair add attribute c int": ("attribute app.pair.c is extra",),
    "alter domain app.email set not null": ("domain app.email is NOT NULL, was nullable",),
    "alter domain app.email set default 'a@b'": ("default of domain app.email is 'a@b'::text, was none",),
    "alter domain app.email drop constraint has_at": ("constraint app.email.has_at is missing",),
    "create type app.span as range (subtype = float8)": ("type app.span is extra",),
    # views
    "create or replace view app.adults as select id, name from app.users": ("definition of view app.adults differs",),
    "create or replace view app.adults as select id, name, born from app.users where born < '2000-01-01'": (
        "definition of view app.adults differs",
    ),
    "alter view app.adults set (security_barrier = true)": (
        "options of view app.adults are security_barrier=true, were none",
    ),
    "drop view app.adults": ("view app.adults is missing",),
    "drop materialized view app.counts": ("materialized view app.counts is missing",),
    # functions
    "create or replace function app.add(a int, b int default 1) returns int language sql as 'select a - b'": (
        "definition of function app.add(integer, integer) differs",
    ),
    "alter function app.add(int, int) immutable": ("definition of function app.add(integer, integer) differs",),
    "create function app.add(a text) returns text language sql as 'select a'": ("function app.add(text) is extra",),
    "drop procedure app.run": ("procedure app.run() is missing",),
    "drop aggregate app.total(int)": ("aggregate app.total(integer) is missing",),
    # triggers, rules, policies
    "drop trigger touch on app.users": ("trigger app.users.touch is missing",),
    "alter table app.users disable trigger touch": ("trigger app.users.touch is disabled, was enabled",),
    "drop rule deny on app.orders": ("rule app.orders.deny is missing",),
    "drop policy own on app.users": ("policy app.users.own is missing",),
    "alter policy own on app.users using (true)": (
        "USING expression of policy app.users.own is true, was ((name)::text = CURRENT_USER)",
    ),
    "alter policy own on app.users to current_user, public": (),
    "alter event trigger watching disable": ("event trigger watching is disabled, was enabled",),
    "drop event trigger watching": ("event trigger watching is missing",),
    # the rest
    "drop statistics app.together": ("statistics app.together is missing",),
    "alter statistics app.together set statistics 100": (
        "statistics target of statistics app.together is 100, was the default",
    ),
    "alter publication news drop table app.orders": ("publication member table app.orders in news is missing",),
    "alter publication news set (publish = 'insert')": ("definition of publication news is ",),
    "drop collation app.german": ("collation app.german is missing",),
    "alter text search configuration app.words drop mapping for word": (
        "definition of text search configuration app.words differs",
    ),
    "drop text search dictionary app.stop": ("text search dictionary app.stop is missing",),
    "alter server remote options (set host 'i')": ("definition of server remote differs",),
    "alter foreign table app.far options (add x 'y')": ("options of foreign table app.far are x=y, were none",),
    "drop user mapping for public server remote": ("user mapping PUBLIC on server remote is missing",),
    "drop cast (int as app.pair)": ("cast integer AS app.pair is missing",),
    "drop operator app.=== (app.pair, app.pair)": ("operator app.===(app.pair,app.pair) is missing",),
    "drop operator class app.int_ops using btree": (
        "operator class app.int_ops using btree is missing",
        "members of operator family app.ints using btree",
    ),
    # comments
    "comment on table app.users is null": ("comment on table app.users is missing",),
    "comment on table app.users is 'folk'": ("comment on table app.users is 'folk', was 'people'",),
    "comment on column app.users.name is null": ("comment on column app.users.name is missing",),
    "comment on constraint name_known on app.users is null": ("comment on constraint app.users.name_known is missing",),
    "comment on trigger touch on app.users is null": ("comment on trigger app.users.touch is missing",),
    "comment on function app.add(int, int) is null": ("comment on function app.add(integer, integer) is missing",),
    "comment on column app.adults.name is 'x'": ("comment on column app.adults.name is extra",),
    "comment on column app.pair.a is 'x'": ("comment on attribute app.pair.a is extra",),
    "comment on schema app is 'x'": ("comment on schema app is extra",),
    "comment on index app.users_born is 'x'": ("comment on index app.users_born is extra",),
    "comment on policy own on app.users is 'x'": ("comment on policy app.users.own is extra",),
    # grants
    "revoke select on app.orders from public": ("grant of SELECT on table app.orders to PUBLIC is missing",),
    "grant select (name), update (name) on app.users to public": (
        "grant of SELECT on column app.users.name to PUBLIC is extra",
        "grant of UPDATE on column app.users.name to PUBLIC is extra",
    ),
    "revoke execute on function app.add(int, int) from public": (
        "grant of EXECUTE on function app.add(integer, integer) to PUBLIC is missing",
    ),
    "grant execute on function app.add(int, int) to public": (),
    "revoke all on app.users from public": (),
    "grant usage on schema app to public": ("grant of USAGE on schema app to PUBLIC is extra",),
    "grant usage on sequence app.ticket to public": ("grant of USAGE on sequence app.ticket to PUBLIC is extra",),
    "revoke usage on type app.mood from public": ("grant of USAGE on type app.mood to PUBLIC is missing",),
    "revoke delete on app.orders from current_user": ("grant of DELETE on table app.orders to its owner is missing",),
    # nothing of the user's
    "create temporary table t (id int); create temporary table pg_class (id int)": (),
    "analyze; refresh materialized view app.counts; insert into app.orders (id) values (1)": (),
}


def look(conn):
    return catalog.read(conn)


def sentences(before, after, *, scope=Scope.ALL):
    return [found.sentence for found in catalog.compare(before, after, scope=scope)]


@pytest.fixture
def conn(database_url):
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(BASE.encode())
        yield conn


@pytest.mark.parametrize("change", CASES)
def test_a_change_is_named_and_nothing_else(conn, change):
    before = look(conn)
    conn.execute(change.encode())
    after = look(conn)

    found = sentences(before, after)

    assert len(found) == len(CASES[change]), found
    assert [
        one for one, begin in zip(sorted(found), sorted(CASES[change]), strict=True) if not one.startswith(begin)
    ] == []


@pytest.mark.parametrize("change", CASES)
def test_seen_from_the_other_side_it_is_the_opposite(conn, change):
    before = look(conn)
    conn.execute(change.encode())
    after = look(conn)

    there = {(each.kind, each.name, each.aspect): each for each in catalog.compare(before, after, scope=Scope.ALL)}
    back = {(each.kind, each.name, each.aspect): each for each in catalog.compare(after, before, scope=Scope.ALL)}
    opposite = {Change.MISSING: Change.EXTRA, Change.EXTRA: Change.MISSING}

    assert there.keys() == back.keys()
    for key, each in there.items():
        assert back[key].change is opposite.get(each.change, each.change)
        assert (back[key].before, back[key].after) == (each.after, each.before)


@pytest.mark.parametrize(
    ("since", "change", "expected"),
    [
        (14, "alter table app.users alter name set compression pglz",
         "compression of column app.users.name is pglz, was the default"),
        (15, "alter publication news add tables in schema app",
         "publication member tables of schema app in news is extra"),
        (15, "alter publication news set table app.users (id), app.orders",
         "definition of publication member table app.users in news is ALTER PUBLICATION news ADD TABLE app.users (id),"
         " was ALTER PUBLICATION news ADD TABLE app.users"),
        (15, "alter view app.adults set (security_invoker = true)",
         "options of view app.adults are security_invoker=true, were none"),
        (18, "alter table app.orders add constraint there not null at not valid",
         "column app.orders.at is NOT NULL, was nullable; constraint app.orders.there is extra"),
        (18, "alter table app.orders add constraint there not null at",
         "column app.orders.at is NOT NULL, was nullable"),
        (18, "alter table app.users add thrice bigint generated always as (id * 3) virtual",
         "column app.users.thrice is extra"),
        (18, "alter table app.users drop constraint name_known,"
         " add constraint name_known check (name <> '') not enforced",
         "definition of constraint app.users.name_known is CHECK (((name)::text <> ''::text)) NOT ENFORCED,"
         " was CHECK (((name)::text <> ''::text)); comment on constraint app.users.name_known is missing"),
    ],
)  # fmt: skip
def test_what_newer_servers_know(conn, server, since, change, expected):
    if server.major < since:
        pytest.skip(f"needs PostgreSQL {since}")
    before = look(conn)
    conn.execute(change.encode())

    assert "; ".join(sentences(before, look(conn))) == expected


def test_the_role_of_a_grant_is_named(conn, server):
    role = f"dbmigrate_test_{token_hex(4)}"
    conn.execute(f'create role {role}; create role "{role} X"'.encode())
    try:
        before = look(conn)
        conn.execute(
            f'grant select on app.users to {role}; grant select on app.users to "{role} X" with grant option'.encode()
        )
        after = look(conn)
        conn.execute(f"alter table app.orders owner to {role}".encode())
        owned = look(conn)

        assert sentences(before, after) == [
            f'grant of SELECT on table app.users to "{role} X" is extra',
            f"grant of SELECT on table app.users to {role} is extra",
        ]
        assert [found.after for found in catalog.compare(before, after, scope=Scope.ALL)] == [
            f'GRANT SELECT ON app.users TO "{role} X" WITH GRANT OPTION;',
            f"GRANT SELECT ON app.users TO {role};",
        ]
        assert sentences(before, after, scope=Scope.COMMENTS | Scope.OWNERS) == []
        assert sentences(after, owned) == [f"owner of table app.orders is {role}, was {server.superuser}"]
        assert sentences(after, owned, scope=Scope.ALL & ~Scope.OWNERS) == []
    finally:
        for each in (role, f'"{role} X"'):
            conn.execute(f"drop owned by {each} cascade; drop role {each}".encode())


def test_default_privileges_are_told_with_the_statement(conn, server):
    before = look(conn)
    conn.execute(b"alter default privileges in schema app grant select on tables to public")
    conn.execute(b"alter default privileges revoke execute on functions from public")
    found = catalog.compare(before, look(conn), scope=Scope.ALL)

    assert [each.sentence for each in found] == [
        f"default privilege of EXECUTE on functions made by {server.superuser} to PUBLIC is missing",
        f"default privilege of SELECT on tables in schema app made by {server.superuser} to PUBLIC is extra",
    ]
    assert found[0].after == (
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {server.superuser} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;"
    )


def test_a_renamed_table_is_another_one(conn):
    before = look(conn)
    conn.execute(b"alter table app.users rename to people")

    found = sentences(before, look(conn))

    assert {"table app.people is extra", "table app.users is missing"} < set(found)
    assert not [one for one in found if one.startswith("column ")]


def test_no_secret_is_read(conn):
    assert "sekret" not in repr(look(conn))


def test_a_difference_carries_what_to_run(conn):
    before = look(conn)
    conn.execute(b"drop table app.orders; alter table app.users drop constraint name_known, alter name set default 'y'")
    found = {(each.kind, each.name): each for each in catalog.compare(before, look(conn), scope=Scope.SCHEMA_FILE)}

    assert found[Kind.TABLE, "app.orders"].before == (
        "CREATE TABLE app.orders (\n    id integer NOT NULL,\n    user_id bigint,\n    at date,\n"
        "    CONSTRAINT of_user FOREIGN KEY (user_id) REFERENCES app.users(id),\n"
        "    CONSTRAINT orders_pkey PRIMARY KEY (id)\n);"
    )
    assert found[Kind.CONSTRAINT, "app.users.name_known"].before == (
        "ALTER TABLE app.users ADD CONSTRAINT name_known CHECK (((name)::text <> ''::text));"
    )
    default = found[Kind.COLUMN, "app.users.name"]
    assert (default.before, default.after) == ("'x'::character varying", "'y'::character varying")


def test_names_may_be_anything(database_url):
    with psycopg.connect(database_url, autocommit=True) as conn:
        before = look(conn)
        conn.execute(
            'create schema "A ""b"".c"; create table "A ""b"".c"."x; --\n" ("é.""" int, "select" int,'
            ' constraint "$$" check ("é.""" > 0));'.encode()
        )
        middle = look(conn)
        conn.execute(b'alter table "A ""b"".c"."x; --\n" drop column "select", drop constraint "$$";')
        after = look(conn)

    assert sentences(before, middle) == ['schema "A ""b"".c" is extra, with table "A ""b"".c"."x; --\n"']
    assert sentences(middle, after) == [
        'column "A ""b"".c"."x; --\n"."select" is missing',
        'constraint "A ""b"".c"."x; --\n"."$$" is missing',
    ]
