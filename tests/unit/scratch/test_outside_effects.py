"""How far a file reaches, told from its text: inside its database, the whole server, programs and other servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbmigrate.errors import Refused
from dbmigrate.migrations import parser
from dbmigrate.model import MigrationFile
from dbmigrate.scratch import outside_effects
from dbmigrate.scratch.outside_effects import Effects


def of(tmp_path: Path, sql: str) -> Effects:
    path = tmp_path / "1_a.sql"
    path.write_text(f"-- migrate:up transaction:false\n{sql}\n-- migrate:down\n", encoding="utf-8")
    return outside_effects.of(parser.read(MigrationFile("1", "1_a.sql", str(path)))) & ~Effects.NO_TRANSACTION


@pytest.mark.parametrize(
    "sql",
    [
        "create table users (id int primary key, language text, role text);",
        "create or replace function f() returns trigger language plpgsql as $$ begin return new; end $$;",
        "create function f() returns int as 'select 1' language sql;",
        "create trigger t before insert on users for each row execute function f();",
        "grant execute on function f() to app; grant select on all tables in schema public to app, b;",
        "revoke all on schema public from public; alter default privileges grant select on tables to app;",
        "create extension if not exists hstore; create unique index concurrently i on users (id);",
        "do $$ begin execute 'create table a (id int)'; end $$;",
        "do $$ declare t text; begin for t in select 'a' loop execute format('drop table %I', t); end loop; end $$;",
        "do $$ begin execute format('insert into a values (%L)', 1) using 2; end $$;",
        "insert into notes values ('copy it to program x, execute dblink(''a''), pg_read_file');",
        "copy a (id) from stdin;\n1\n\\.\n",
        "comment on table users is 'execute copy to program';\n-- execute 'x' || y, dblink('')\n",
        "set role app; create policy p on users using (true); alter table users enable row level security;",
        "create temp table x on commit drop as select 1; truncate users; refresh materialized view v;",
        "with gone as (delete from a returning 1) select count(*) from gone;",
    ],
)
def test_what_stays_in_its_database(tmp_path: Path, sql: str) -> None:
    assert of(tmp_path, sql) is Effects.NONE


@pytest.mark.parametrize(
    "sql",
    [
        "drop role r;",
        "drop /* it */ role if exists r;",
        "alter user r with password 'x';",
        "alter group g add user u;",
        "grant a to b;",
        "revoke a from b;",
        "revoke connect on database d from public;",
        "grant set on parameter work_mem to b;",
        "reassign owned by a to b;",
        "drop owned by a;",
        "alter database d set work_mem = '1MB';",
        "alter system set work_mem = '1MB';",
        "create tablespace t location '/x';",
        "comment on role r is 'x';",
        "select pg_terminate_backend(1);",
        "select pg_create_logical_replication_slot('a', 'b');",
        "update pg_database set datistemplate = true;",
        "create language plpython3u;",
        "create extension pg_cron;",
        "checkpoint;",
        "do $$ begin drop role r; end $$;",
        "do $$ begin execute 'drop role r'; end $$;",
        "import foreign schema a from server b into c;",
    ],
)
def test_what_belongs_to_the_whole_server(tmp_path: Path, sql: str) -> None:
    assert of(tmp_path, sql) & Effects.SERVER


@pytest.mark.parametrize(
    "sql",
    [
        "do $$ begin execute 'dr' || 'op role r'; end $$;",
        "do $$ declare q text := 'drop role r'; begin execute q; end $$;",
        "do $$ begin execute format('%s', 'drop role r'); end $$;",
        "do $$ begin execute format('drop %1$s r', 'role'); end $$;",
        "do $$ begin execute 'select ' 'a'; end $$;",
        "do $$ begin execute e'drop\\x20role r'; end $$;",
        "do e'begin ex\\x65cute ''x'' || y; end';",
        "do 'begin execute ''drop'' || '' role r''; end';",
        "create function f(q text) returns void language plpgsql as $$ begin return query execute q; end $$;",
        "create function f() returns void language plperl as $$ 1 $$;",
        "do language plpython3u $$ import os $$;",
        "create function f() returns int language c as 'x', 'y';",
        "select query_to_xml('select 1', true, true, '');",
        'select U&"d\\0062link"(1);',
    ],
)
def test_sql_that_does_not_stand_in_the_text(tmp_path: Path, sql: str) -> None:
    assert of(tmp_path, sql) & Effects.DYNAMIC_SQL


@pytest.mark.parametrize(
    "sql",
    [
        "copy (select 1) to program 'touch x';",
        "copy t from program $$cat x$$;",
        "copy t from '/etc/passwd';",
        "copy t to '/tmp/x' with (format csv);",
        "do $$ begin copy t from program 'x'; end $$;",
        "do $$ begin execute 'copy t to program ''x'''; end $$;",
        "select * from dblink('host=x', 'select 1') as t(a int);",
        "select public.dblink_exec('a', 'b');",
        "select pg_read_file('x');",
        "select lo_import('/etc/passwd');",
        "select pg_ls_dir('.');",
        "import foreign schema a from server b into c;",
        "create user mapping for public server b;",
        "create foreign table t (a text) server f options (program 'x');",
        "load 'auto_explain';",
        "create function f() returns text language sql as $$ select pg_read_file('x') $$;",
    ],
)
def test_ways_out_of_the_server(tmp_path: Path, sql: str) -> None:
    assert of(tmp_path, sql) & Effects.EXTERNAL


def test_a_subscription_that_connects_is_told_from_one_that_does_not(tmp_path: Path) -> None:
    made = "create subscription s connection 'host=x' publication p"

    assert of(tmp_path, f"{made};") & Effects.SETTINGS
    assert of(tmp_path, f"{made} with (create_slot = false);") & Effects.SETTINGS
    assert not of(tmp_path, f"{made} with (connect = false, slot_name = none);") & Effects.SETTINGS


def test_a_large_file_is_looked_at_where_it_is(tmp_path: Path) -> None:
    filler = "insert into a values ('" + 1_100_000 * "x" + "');\n"

    assert of(tmp_path, filler) is Effects.NONE
    assert of(tmp_path, f"{filler}drop role r;") & Effects.SERVER
    assert of(tmp_path, f"{filler}do $$ begin execute 'a' || 'b'; end $$;") & Effects.DYNAMIC_SQL


@pytest.mark.parametrize("said", ["{0}-- migrate:up\n-- migrate:down\n", "-- migrate:up\n-- migrate:down\n{0}"])
def test_conditions_count_like_statements(tmp_path: Path, said: str) -> None:
    path = tmp_path / "1_a.sql"
    for query, expected in (("select pg_read_file('x') <> ''", Effects.EXTERNAL), ("select true", Effects.NONE)):
        path.write_text(said.format(f"-- migrate:require {query}\n"))
        migration = parser.read(MigrationFile("1", "1_a.sql", str(path)))
        assert outside_effects.of(migration) is expected
    path.write_text(said.format("-- migrate:require select pg_read_file('x') <> ''\n"))
    with pytest.raises(Refused) as caught:
        outside_effects.refuse_external_effects(parser.read(MigrationFile("1", "1_a.sql", str(path))))
    assert caught.value.place.line == (1 if said.startswith("{") else 3)
