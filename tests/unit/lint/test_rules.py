"""Each rule with what it finds, and with what looks alike and is fine."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbmigrate.cli import explanations
from dbmigrate.lint import RULES, LintConfig
from dbmigrate.model import Order
from tests.unit.lint.linting import OWN, codes, problems

TABLES = """
create table t (id bigint primary key, a varchar(10), b numeric(10,2), c int check (c > 0), d text not null);
create table parent (id bigint primary key);
create table big (id bigint primary key) partition by range (id);
create type mood as enum ('sad');
create materialized view m as select 1 as one;
create function trig() returns trigger language plpgsql as $$ begin return new; end $$;
create function one() returns int language sql immutable as 'select 1';
create function loose() returns int language sql as 'select 1';
create index t_a on t (a);
"""
NOT_IN_TRANSACTION = "transaction:false"

# loops in which a row that was changed is found again
ENDLESS = [
    "loop update t set a = b::text where id in (select id from t where a is null limit 9); "
    "get diagnostics n = row_count; exit when n = 0; end loop;",
    "loop update t set a = upper(b::text) where a is null; exit when not found; end loop;",
    "loop with page as (select id, a from t where a is null limit 9) update t set a = page.a from page "
    "where t.id = page.id; get diagnostics n = row_count; if n = 0 then exit; end if; end loop;",
    "loop update t set c = 1 where id in (select id from t where b < 5 limit 9); exit when not found; end loop;",
    "n := 1; while n > 0 loop update t set a = null where a is null; get diagnostics n := row_count; end loop;",
    "loop update t set a = case when c = 1 then 'x' end where a is null; exit when not found; end loop;",
]
# the other loops end
ENDING = [
    "loop update t set a = d where a is null; exit when not found; end loop;",
    "loop update t set a = coalesce(b::text, '') where a is null; exit when not found; end loop;",
    "loop update t set a = 'x' where a is null; get diagnostics n = row_count; exit when n = 0; end loop;",
    "loop update t set a = b::text where a is null and b is not null; exit when not found; end loop;",
    "loop update t set a = b::text where id > n and id <= n + 9; n := n + 9; exit when not found; end loop;",
    "loop delete from t where id in (select id from t limit 9); exit when not found; end loop;",
    "for n in 1..9 loop update t set a = b::text where a is null; end loop;",
    "loop update t set a = b::text where a is null; n := n + 1; exit when n > 9; end loop;",
    "loop update t set a = b::text where a is null; exit; end loop;",
    "loop update t set c = c + 1 where c < 9; exit when not found; end loop;",
    "loop update t set a = left(now()::text, 9) where a is null; exit when not found; end loop;",
]
# DDL in a string that is written out
EXECUTED = [
    ("L122", "execute 'drop table t';"),
    ("L101", "if true then execute 'create index on t (a)'; end if;"),
    ("L121", "execute $x$alter table t drop column a$x$;"),
    ("L121", "execute format('alter table %I drop column %I', 't', 'a');"),
    ("L133", "execute 'analyze t; truncate t;';"),
    ("L112", "execute E'alter table t alter c type bigint' using 1;"),
]
NOT_EXECUTED = [
    "execute format('comment on table t is %L', 'x; drop table t'); execute format('analyze %I', 't; drop table t');",
    "execute 'select 1'; execute 'drop table ' || 'x'; raise notice 'drop table t';",
    "execute format('drop table %I', current_user); execute format('drop table %I');",
    "execute '';",
]

BAD = [
    ("L100", "create table x (p bigint primary key references parent (id)); insert into x select id from t;"),
    (
        "L100",
        "create table x (p bigint primary key, foreign key (p) references public.parent); delete from t where c = 1;",
    ),
    ("L101", "create index on t (a);"),
    ("L101", 'CREATE /* concurrently */ UNIQUE INDEX "concurrently" ON "t" (a);'),
    ("L101", "create index on unknown_table (a);"),
    ("L102", "drop index t_a;"),
    ("L102", "reindex index t_a;"),
    ("L103", "alter table t add primary key (id);"),
    ("L103", "alter table t add column e int unique;"),
    ("L103", "alter table if exists only public.t add constraint x exclude using gist (a with =);"),
    ("L104", "alter table t add constraint x foreign key (c) references parent;"),
    ("L104", "alter table t add column e bigint default 1 references parent;"),
    ("L105", "alter table t add constraint x check (c < 9);"),
    ("L105", "alter table t add column e int check (e > 0);"),
    ("L105", "do $$ begin alter table t add constraint x check (c < 9); end $$;"),
    ("L106", "alter table t alter a set not null;"),
    ("L107", "alter table t add constraint x check (c < 9) not valid, validate constraint x;"),
    ("L108", "lock t;"),
    ("L108", "lock table only t in share row exclusive mode nowait;"),
    ("L109", "create constraint trigger x after insert on t for each row execute function trig();"),
    ("L111", "alter table t add e uuid default gen_random_uuid();"),
    ("L111", "alter table t add column e int default loose();"),
    ("L111", "alter table t add column e timestamptz default pg_catalog.clock_timestamp();"),
    ("L111", "alter table t add column e serial;"),
    ("L111", "alter table t add column e bigint generated always as identity;"),
    ("L111", "alter table t add column e int generated always as (c + 1) stored;"),
    ("L112", "alter table t alter column a type varchar(5);"),
    ("L112", "alter table t alter column a type int using a::int;"),
    ("L112", "alter table t alter column b type numeric(12,3);"),
    ("L112", "alter table t alter column c type bigint;"),
    ("L112", "alter table unknown alter column x type text;"),
    ("L113", "alter table t set logged;"),
    ("L113", "alter table t set tablespace fast;"),
    ("L113", "cluster t using t_a;"),
    ("L114", "refresh materialized view m;"),
    ("L115", "alter table t add e int; update t set e = 1 where c = 1;"),
    ("L115", "delete from t where c = 1; alter table t add e int;"),
    (
        "L115",
        "create trigger x after insert on t for each row execute function trig(); with q as (select 1) "
        "update parent set id = 2 where id = 1;",
    ),
    ("L115", "alter table t add e int; create table x (id int); insert into x select id from t;"),
    ("L116", "alter table t add e int; create index on parent (id); drop table old_orders;"),
    ("L121", "alter table t drop a;"),
    ("L122", "drop table if exists t, parent;"),
    ("L123", "alter table t rename a to z;"),
    ("L124", "alter table t rename to z;"),
    ("L124", "alter view v rename to z;"),
    ("L125", "alter table t set schema elsewhere;"),
    ("L125", "alter function f(int, text) rename to g;"),
    ("L125", "alter type mood rename value 'sad' to 'glad';"),
    ("L126", "alter table t add column e int not null;"),
    ("L127", "drop view v;"),
    ("L127", "drop schema s;"),
    ("L128", "alter table t enable row level security;"),
    ("L128", "alter table t force row level security;"),
    ("L128", "alter table only public.t disable row level security;"),
    ("L128", "drop policy if exists own_rows on t;"),
    ("L129", "revoke select on t from app;"),
    ("L129", "revoke grant option for all privileges on all tables in schema public from app cascade;"),
    ("L129", "revoke execute on function one(int) from public;"),
    ("L129", "revoke app from ann;"),
    ("L129", "revoke select on t from public; grant select on parent to app;"),
    ("L129", "revoke select on t from app; grant select on t to other;"),
    ("L131", "delete from only t;"),
    ("L131", "delete from t where true;"),
    ("L131", "with gone as (delete from t returning *) insert into parent select id from gone;"),
    ("L132", "update t as x set (a, d) = ('1', '2');"),
    ("L132", "do $$ begin update t set c = case when c = 1 then 2 else 3 end; end $$;"),
    ("L133", "truncate table only t, parent;"),
    ("L134", "drop view v cascade;"),
    ("L134", "alter table t drop constraint x cascade;"),
    ("L136", "drop trigger x on t;"),
    ("L136", "alter table t disable trigger all;"),
    ("L136", "alter table t disable trigger x; alter table t enable trigger y;"),
    ("L136", "set local session_replication_role = 'replica';"),
    ("L136", "set session_replication_role to replica;"),
    ("L137", "alter table t drop constraint t_pkey;"),
    ("L137", "alter table unknown drop constraint if exists unknown_pkey cascade;"),
    ("L137", "alter table t replica identity nothing;"),
    ("L137", "alter table t replica identity using index t_a; drop index t_a;"),
    ("L151", "update t set a = '1' where c = 1 limit 5;"),
    ("L151", "delete from t order by id;"),
    ("L152", "alter type mood add value 'glad'; update t set a = 'glad' where c = 1;"),
    ("L152", "create type x as enum (); alter type x add value 'glad'; create table y (z x default 'glad');"),
    ("L155", f"create table {'ä' * 32} ();"),
    ("L156", "do $$ begin for i in 1..9 loop delete from t where c = i; end loop; end $$;"),
    *(("L158", f"do $$ declare n int; begin {loop} end $$;") for loop in ENDLESS),
    *((code, f"do $$ begin {execute} end $$;") for code, execute in EXECUTED),
    ("L161", "create role r login password 'hunter2';"),
    ("L161", "alter user r with encrypted password $$hunter2$$;"),
    ("L161", "insert into t (d) values ('ghp_abcdefghijklmnopqrstuvwxyz0123456789');"),
    ("L161", "select dblink_connect('host=db user=u password=hunter2');"),
    ("L161", "comment on table t is 'postgres://app:s3cr3t@db.internal/x';"),
    ("L161", "create user mapping for u server s options (user 'a', password 'hunter2');"),
    ("L162", "insert into t (d) values ('jane.doe@gmail.com');"),
    ("L162", "update t set d = '4111 1111 1111 1111 ' where c = 1 or d = '5500 0000 0000 0004';"),
    ("L162", "insert into t (d) values ('GB82 WEST 1234 5698 7654 32');"),
    ("L163", "grant all privileges on t to app;"),
    ("L163", "grant insert, select on t to public;"),
    ("L163", "create role boss superuser;"),
    ("L164", "create or replace function f() returns int security definer language sql as 'select 1';"),
    ("L173", "alter table t add column p bigint references parent;"),
    ("L181", "alter table big attach partition t for values from (1) to (2);"),
    ("L182", "alter table big detach partition x;"),
    ("L183", "create table p (id bigint); insert into p select id from t; alter table big attach partition p default;"),
]
BAD_OUTSIDE = [
    ("L113", "vacuum (full, verbose) t;"),
    ("L153", "create index concurrently if not exists x on t (a);"),
    ("L154", "create index concurrently on big (id);"),
    ("L154", "drop index concurrently t_a, t_b;"),
]
GOOD = [
    "create table x (id int primary key, e int check (e > 0) unique); create index on x (e); alter table x alter e set "
    "not null; drop index x_e_idx; update x set e = 1; delete from x; truncate x; lock x; alter table x rename to y;",
    "create table x (p bigint references x (p) primary key);",
    "alter table t add constraint x foreign key (id) references t (id) not valid;",
    "alter table t add column e int default (1 + 2) * 3, add f text default 'x' || now(), add g date default now();",
    "alter table t add column e int not null default one();",
    "alter table t add column e varchar(5) default 'x'::character varying(5);",
    "alter table t alter column a type text;",
    "alter table t alter column a type character varying(20);",
    "alter table t alter column b type numeric(12, 2);",
    "alter table t alter column b set data type numeric;",
    "alter table t alter column d set not null;",
    "alter table t alter column id set not null;",
    "alter table t validate constraint t_c_check;",
    "alter table t add constraint x unique using index t_a;",
    "lock table t in row exclusive mode;",
    "drop function trig();",
    "drop view v; create view v as select 1;",
    "create table x (a int primary key); alter table x enable row level security; drop policy if exists p on x;",
    "create policy p on t using (true); alter table t enable row level security;",
    "alter table t enable row level security; create policy p on t using (true);",
    "drop policy p on t; create policy p on t using (c > 0);",
    "revoke create on schema public from public;",
    "revoke all on function one() from public; grant execute on function one() to app;",
    "alter role postgres nosuperuser replication bypassrls;",
    "create function g() returns int language sql as 'select 1'; revoke all on function g() from public;",
    "create table x (a int primary key); revoke all on x from public; alter table x drop constraint x_pkey;",
    "alter table t drop constraint t_pkey, add constraint t_pkey primary key using index t_a;",
    "alter table t replica identity full; alter table t replica identity using index t_a;",
    "alter table t add e int, add f int; alter table parent add g int;",
    *(f"do $$ declare s int; begin {execute} end $$;" for execute in NOT_EXECUTED),
    "create table x (a int primary key); do $$ begin for i in 1..9 loop insert into x values (i); end loop; end $$;",
    "do $$ begin for i in 1..9 loop insert into t (id, d) values (i, 'seed'); end loop; end $$;",
    "create table x (p bigint primary key references parent (id)); insert into x (p) values (1);",
    "create table x (p bigint primary key references parent (id)); insert into x select generate_series(1, 9);",
    "create table x (p bigint primary key); insert into x select extract(year from now()) from pg_class;",
    "lock table t in exclusive mode; update t set a = 'x' where c = 1;",
    "lock table t; alter table t add e int;",
    "grant all on t to postgres, anon, authenticated, service_role; grant all on t to current_user;",
    "alter table t owner to shop; grant all on t to shop;",
    "create schema s authorization keeper; grant all on schema s to keeper;",
    "insert into t (d) values ('support@shop.com'), ('no-reply@shop.com');",
    f"insert into t (d) values ('<p>{'Terms of use. ' * 20} Write to jane.doe@gmail.com.</p>');",
    "alter index t_a rename to t_b;",
    "alter table t rename constraint x to y;",
    "update t set a = 'x' where c = 1;",
    "delete from t using parent where t.id = parent.id;",
    "insert into t (id, d) select id, 'x' from parent on conflict (id) do update set d = 'y';",
    "merge into t using parent p on p.id = t.id when matched then delete;",
    "alter type mood add value 'glad'; comment on type mood is 'glad';",
    "create type x as enum ('glad'); create table y (id int primary key, z x default 'glad');",
    "create role r; alter role r password null; select 'password'; comment on table t is 'password: ask Ann';",
    "insert into t (d) values ('ann@example.com'), ('bo@shop.example'), ('1234567890123456'), ('root@localhost');",
    "grant select on t to public; grant app to ann; grant usage on schema public to public;",
    "create function f() returns int language sql security definer set search_path = '' as 'select 1';",
    "alter table t add column p bigint references t (id); create table i (p bigint primary key);",
    "do $$ begin raise notice 'delete from t; truncate t'; perform 1; end $$;",
    "do $$ begin execute 'x'; if exists (select from t) then null; end if; end $$;",
    "select 'create index on t (a)'; -- create index on t (a);\n/* drop table t; */ select $$drop table t;$$;",
    'create table "drop table t" ("LIMIT" int primary key); update t set a = (select 1 limit 1) where c = 1;',
    "create view v as select 1; create procedure p() language sql as 'delete from t';",
]
GOOD_OUTSIDE = [
    *(f"do $$ declare n int; begin {loop.replace('end loop', 'commit; end loop')} end $$;" for loop in ENDING),
    "create index concurrently x on t (a);\ndrop index concurrently if exists x;\nreindex (concurrently) index t_a;",
    "refresh materialized view concurrently m;",
    "vacuum t;",
    "alter table t add constraint x check (c < 9) not valid;\nalter table t validate constraint x;",
    "alter type mood add value 'glad';\nupdate t set a = 'glad' where c = 1;",
    "alter table t add column e int;\nupdate t set e = 1 where c = 1;",
    "do $$ begin loop delete from t where id in (select id from t limit 9); commit; exit; end loop; end $$;",
    "alter table big detach partition x concurrently;",
]
OWN_FINDINGS_OF_GOOD = {"L100", "L173"}  # of a foreign key to a table that is in use there is always something to say


@pytest.mark.parametrize(("code", "sql"), BAD)
def test_dangerous_sql_is_found_at_its_line(code: str, sql: str, tmp_path: Path) -> None:
    assert f"{code}:4" in codes(tmp_path, f"\n-- here:\n{sql}", before=TABLES)


@pytest.mark.parametrize(("code", "sql"), BAD_OUTSIDE)
def test_dangerous_sql_without_a_transaction_is_found(code: str, sql: str, tmp_path: Path) -> None:
    assert f"{code}:2" in codes(tmp_path, sql, options=NOT_IN_TRANSACTION, before=TABLES)


@pytest.mark.parametrize("sql", GOOD)
def test_safe_sql_has_no_findings(sql: str, tmp_path: Path) -> None:
    found = codes(tmp_path, sql, before=TABLES)

    assert [each for each in found if each.partition(":")[0] not in OWN_FINDINGS_OF_GOOD] == []


@pytest.mark.parametrize("sql", GOOD_OUTSIDE)
def test_safe_sql_without_a_transaction_has_no_findings(sql: str, tmp_path: Path) -> None:
    assert codes(tmp_path, sql, options=NOT_IN_TRANSACTION, before=TABLES) == []


@pytest.mark.parametrize(("code", "sql"), BAD)
def test_line_ends_of_windows_change_nothing(code: str, sql: str, tmp_path: Path) -> None:
    text = f"-- migrate:up\r\n{sql}\r\n-- migrate:down irreversible:true\r\n"
    found = problems(tmp_path, text, before=TABLES)

    assert (code, 2) in [(each.code, each.place.line) for each in found if each.place]


# ------------------------------------------------------------------------------------------------------------ the file


@pytest.mark.parametrize(
    ("down", "expected"),
    [
        ("", ["L141"]),
        ("-- TODO: write this some day", ["L141"]),
        ("-- nothing", ["L141"]),
        ("-- Statistics need no way back.", []),
        ("-- DROP TABLE x;", ["L142"]),
        ("-- the way back:\n-- drop table x cascade;", ["L142"]),
        ("drop table x;", []),
    ],
)
def test_an_empty_way_back_needs_a_reason(down: str, expected: list[str], tmp_path: Path) -> None:
    found = problems(tmp_path, f"-- migrate:up\ncreate table x ();\n-- migrate:down\n{down}\n")

    assert [each.code for each in found] == expected


@pytest.mark.parametrize(
    ("up", "down", "expected"),
    [
        ("update t set a = '2' where a = '1';", "update t set a = '1' where a = '2';", []),
        ("update t set a = '2' where a = '1';", "comment on table t is 'x';", ["L135"]),
        ("delete from t where a = '1';", "analyze t;", ["L135"]),
        ("comment on table t is 'x';", "update t set a = null;", ["L135"]),
        ("comment on table t is 'x';", "update t set a = a || 'x';", []),
        ("comment on table t is 'x';", "delete from t;", ["L135"]),
        ("insert into t (id, d) values (1, '');", "delete from t where id = 1;", []),
    ],
)
def test_a_way_back_that_does_not_lead_back(up: str, down: str, expected: list[str], tmp_path: Path) -> None:
    found = problems(tmp_path, f"-- migrate:up\n{up}\n-- migrate:down\n{down}\n", before=TABLES)

    assert [each.code for each in found] == expected


@pytest.mark.parametrize(
    "name",
    [
        "update",
        "changes",
        "fix",
        "various_updates",
        "users_and_orders",
        "add_users_and_fix_orders",
        "Fix-2",
        "schema_changes",
    ],
)
def test_a_vague_name(name: str, tmp_path: Path) -> None:
    found = problems(tmp_path, "-- migrate:up\nselect 1;\n-- migrate:down irreversible:true\n", name=name)

    assert [(each.code, each.place.line) for each in found if each.place] == [("L143", 1)]


@pytest.mark.parametrize(
    "name", ["create_users_and_orders", "fix_rounding", "update_tax_of_2026", "add_brand_and_model"]
)
def test_a_name_that_says_something(name: str, tmp_path: Path) -> None:
    assert problems(tmp_path, "-- migrate:up\nselect 1;\n-- migrate:down irreversible:true\n", name=name) == ()


def test_many_changes(tmp_path: Path) -> None:
    before = "".join(f"create table t{number} (id int primary key);" for number in range(4))
    up = "".join(f"alter table t{number} add column a int;" for number in range(4))

    assert codes(tmp_path, up, before=before, options=NOT_IN_TRANSACTION) == ["L144:1"]
    assert codes(tmp_path, up.replace("t3", "t2"), before=before, options=NOT_IN_TRANSACTION) == []
    assert codes(tmp_path, up, before=before) == ["L116:2"]


@pytest.mark.parametrize(
    "sql",
    [
        "drop trigger x on t; create trigger x after insert on t for each row execute function trig();",
        "alter table t disable trigger x; update t set a = 'x' where c = 1; alter table t enable trigger x;",
        "drop policy p on t; drop trigger x on t; drop table t;",
        "drop trigger x on t; alter table t drop column a;",
        "lock table t; drop table t;",
    ],
)
def test_what_is_replaced_or_guards_nothing_is_not_reported(sql: str, tmp_path: Path) -> None:
    found = {code.partition(":")[0] for code in codes(tmp_path, sql, before=TABLES)}

    assert found.isdisjoint({"L128", "L136", "L108"})


@pytest.mark.parametrize(
    ("revoke", "expected"),
    [
        ("select ( id, a ), delete on t", "REVOKE SELECT (id, a), DELETE on table t from app"),
        (
            "all privileges on all tables in schema public",
            "REVOKE ALL PRIVILEGES on all tables in schema public from app",
        ),
        ("ann, bo", "REVOKE ann, bo from app"),
    ],
)
def test_the_rights_of_a_revoke_are_written_as_people_write_them(revoke: str, expected: str, tmp_path: Path) -> None:
    text = f"-- migrate:up\nrevoke {revoke} from app;\n-- migrate:down irreversible:true\n"
    found = [each.message for each in problems(tmp_path, text) if each.code == "L129"]

    assert [message.partition(":")[0] for message in found] == [expected]


def test_many_findings_of_a_kind_are_reported_as_one(tmp_path: Path) -> None:
    before = "".join(f"create view v{number} as select 1;" for number in range(5))
    up = "\n".join(f"alter view v{number} set schema elsewhere;" for number in range(5))
    text = f"-- migrate:up\n{up}\n-- migrate:down irreversible:true\n"
    found = problems(tmp_path, text, before=before)

    assert [(each.code, each.place.line) for each in found if each.place and each.code == "L125"] == [("L125", 2)]
    assert "4 more like it in this file, in lines 3, 4, 5, 6" in found[0].message
    assert "L144" not in [each.code for each in found]


def test_a_setting_that_stays_in_the_session(tmp_path: Path) -> None:
    assert codes(tmp_path, "select 1;\nset search_path = app;\nset lock_timeout = 0;") == ["L145:3"]
    assert codes(tmp_path, "set search_path = app;\nreset search_path;") == []
    assert codes(tmp_path, "set local search_path = app;") == []


def test_a_condition_that_is_not_a_query_or_is_about_nothing(tmp_path: Path) -> None:
    assert codes(tmp_path, "-- migrate:require select 1;\n--   select 2\nselect 1;") == ["L149:3"]
    assert codes(tmp_path, "-- migrate:check select true\n") == ["W203:1", "L149:2"]
    assert codes(tmp_path, "-- migrate:check select true\nselect 1;") == []


# ---------------------------------------------------------------------------------------------- what is known, and when


def test_a_table_of_an_unapplied_migration_is_new(tmp_path: Path) -> None:
    from dbmigrate.lint import lint, selection

    (tmp_path / "1_base.sql").write_text("-- migrate:up\ncreate table x (a int);\n-- migrate:down\ndrop table x;\n")
    (tmp_path / "2_add.sql").write_text("-- migrate:up\ncreate index on x (a);\n-- migrate:down\ndrop index x_a_idx;\n")
    migrations = selection.everything([str(tmp_path)]).migrations

    assert [each.code for each in lint(migrations, config=OWN)] == ["L101"]
    assert lint(migrations, config=OWN, unapplied={"1", "2"}) == ()


def test_an_index_in_a_later_migration_serves_the_foreign_key(tmp_path: Path) -> None:
    from dbmigrate.lint import lint, selection

    (tmp_path / "1_base.sql").write_text(
        "-- migrate:up\ncreate table p (id int primary key);\ncreate table c (p int references p);\n"
        "-- migrate:down irreversible:true\n"
    )
    assert [each.code for each in lint(selection.everything([str(tmp_path)]).migrations, config=OWN)] == ["L173"]

    (tmp_path / "2_index_c.sql").write_text(
        "-- migrate:up transaction:false\ncreate index concurrently on c (p);\n-- migrate:down irreversible:true\n"
    )
    assert lint(selection.everything([str(tmp_path)]).migrations, config=OWN) == ()


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        ("create unique index on c (p);", []),  # one row at most has this p, whatever its q
        ("alter table c add unique (q);", []),
        ("create index on c (q, p);", []),
        ("create index on c (p);", ["L173"]),
        ("create unique index on c (p) where q > 0;", ["L173"]),
        ("create unique index on c (p, r);", ["L173"]),
        ("create unique index on c (lower(p));", ["L173"]),
        ("create unique index on c (p, lower(q));", ["L173"]),
    ],
)
def test_an_index_that_leads_to_one_row_serves_a_foreign_key(index: str, expected: list[str], tmp_path: Path) -> None:
    up = "create table c (p text, q text, r text, foreign key (p, q) references c (p, q));"

    assert [code.partition(":")[0] for code in codes(tmp_path, f"{up} {index}")] == expected


def test_a_partition_of_partitions_is_known_as_one(tmp_path: Path) -> None:
    up = "create table x partition of big for values from (1) to (2) partition by list (id);"
    index = "create index concurrently on x (id);"

    assert codes(tmp_path, index, options=NOT_IN_TRANSACTION, before=f"{TABLES}\n{up}") == ["L154:2"]


def test_columns_of_a_typed_table_and_of_a_partition_keep_their_constraints(tmp_path: Path) -> None:
    before = "create table y of ty (a with options primary key); create table p partition of big (id not null) default;"

    assert (
        codes(tmp_path, "alter table y alter a set not null; alter table p alter id set not null;", before=before) == []
    )


def test_up_sections_share_a_transaction_unless_one_of_them_has_none(tmp_path: Path) -> None:
    text = (
        "-- migrate:up\nalter table t add constraint x check (c < 9) not valid;\n-- migrate:down irreversible:true\n"
        "-- migrate:up{}\nalter table t validate constraint x;\n-- migrate:down irreversible:true\n"
    )

    assert [each.code for each in problems(tmp_path, text.format(""), before=TABLES)] == ["L107"]
    assert problems(tmp_path, text.format(" transaction:false"), before=TABLES) == ()


def test_values_of_a_new_type_can_be_used_on_newer_servers(tmp_path: Path) -> None:
    sql = "create type x as enum (); alter type x add value 'a'; create table y (id int primary key, z x default 'a');"

    assert codes(tmp_path, sql) == ["L152:2"]
    assert codes(tmp_path, sql, config=LintConfig(uses_squawk=False, server=17)) == []


def test_a_rule_that_is_off_by_default_can_be_enabled(tmp_path: Path) -> None:
    config = LintConfig(uses_squawk=False, enabled=frozenset({"L171"}))

    assert codes(tmp_path, "create table x ();") == []
    assert codes(tmp_path, "create table x ();", config=config) == ["L171:2"]
    assert codes(tmp_path, "create table if not exists x ();", config=config) == []


def test_a_secret_is_shown_nowhere(tmp_path: Path) -> None:
    sql = "create role r password 'hunter2'; drop table t; create role s password 'hun\nter3' login; drop table t;"
    found = problems(tmp_path, f"-- migrate:up\n{sql}\n-- migrate:down irreversible:true\n")

    assert [each.code for each in found] == ["L161", "L122", "L161", "L122"]
    assert not any(secret in str(found) for secret in ("hunter2", "'hun", "ter3"))


def test_sixty_thousand_rows_are_linted_quickly(tmp_path: Path) -> None:
    rows = ",\n".join(f"({number}, 'x')" for number in range(60_000))
    found = codes(tmp_path, f"insert into t (id, d) values\n{rows};\ndelete from t;", before=TABLES)

    assert found == ["L131:60003"]


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        ("alter table users alter email_lower set not null;", ["L159"]),
        ("alter table app.users validate constraint c;", ["L159"]),
        ("alter table users drop column email;", ["L159"]),
        ("alter table users alter name set not null;", []),
        ("alter table orders alter email_lower set not null;", []),
        ("-- migrate:depends 1\nalter table users alter email_lower set not null;", []),
    ],
)
def test_what_has_to_wait_for_a_backfill_says_so(later: str, expected: list[str], tmp_path: Path) -> None:
    from dbmigrate.lint import lint, selection

    up = "update app.users u set email_lower = lower(email) where :batch(u);"
    (tmp_path / "1_fill.sql").write_text(f"-- migrate:up backfill:app.users\n{up}\n-- migrate:down irreversible:true\n")
    (tmp_path / "2_later.sql").write_text(f"-- migrate:up\n{later}\n-- migrate:down irreversible:true\n")
    found = lint(selection.everything([str(tmp_path)]).migrations, config=OWN)

    assert [each.code for each in found if each.code == "L159"] == expected


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ("001 002 003", []),
        ("001 002 003 005 006 009", ["L146 005", "L146 009"]),
        ("010 020 030 040", []),
        ("1 2 3 4", []),
        ("001 003", []),
        ("20260101000000 20260301000000 20260302000000", []),
        ("001 002 20260101000000 20260102000000", ["L147 20260101000000"]),
        ("01 002 03", ["L147 002", "L147 03"]),
        ("9 10 11", []),
        ("000r 004 005 006", []),
        ("000000r 004 005 20260101000000", ["L147 20260101000000"]),
    ],
)
def test_gaps_and_two_ways_of_numbering(tmp_path: Path, versions: str, expected: list[str]) -> None:
    from dbmigrate.lint import lint, selection

    for version in versions.split():
        said = "-- migrate:replaces 001-003\n" if version.endswith("r") else ""
        name = f"{version.rstrip('r')}_x.sql"
        (tmp_path / name).write_text(f"{said}-- migrate:up\nselect 1;\n-- migrate:down irreversible:true\n")

    found = lint(selection.everything([str(tmp_path)], Order.NUMERIC).migrations, config=OWN)

    shown = [f"{each.code} {Path(each.place.path).name.partition('_')[0]}" for each in found]
    assert sorted(each for each in shown if each.startswith(("L146", "L147"))) == sorted(expected)


# --------------------------------------------------------------------------------------------------------- the registry


def test_every_rule_is_tried_here() -> None:
    of_files = {"L141", "L142", "L143", "L144", "L145", "L146", "L147", "L148", "L149", "L159"}
    tried = {code for code, _ in (*BAD, *BAD_OUTSIDE)} | of_files | {"L135", "L171"}

    assert set(RULES) == tried


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.code)
def test_every_rule_has_a_page_that_begins_with_its_title(rule) -> None:
    page = explanations.explain(rule.code)

    assert page.text.startswith(f"**{rule.title}**\n")
    assert len(page.text.split()) > 25
