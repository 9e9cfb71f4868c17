"""Scratch databases: new, empty, gone at the end; nobody's database is ever touched."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from dbmigrate.connection import database, dsn
from dbmigrate.scratch import choose
from dbmigrate.connection.programs import Search
from dbmigrate.errors import ConfigError, DatabaseError, ToolMissing
from dbmigrate.scratch.choose import Choice, TargetServer
from tests.support.children import child, eventually, is_running

NAMES = "select datname from pg_database where datname like 'dbmigrate\\_scratch%' order by 1"
HOLD = """
import sys
from pathlib import Path
from dbmigrate.connection import dsn
from dbmigrate.scratch import choose
explicit = dsn.parse(sys.argv[2]) if len(sys.argv) > 2 else None
try:
    with choose.open_server(choose.Choice(explicit=explicit, cache=Path(sys.argv[1]))) as server:
        with server.database() as made:
            print(made.database, made.conninfo["host"], flush=True)
            sys.stdin.read()
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.fixture
def own(cluster_cache: Path) -> Choice:
    """An embedded server of whatever version is there."""
    return Choice(cache=cluster_cache)


def names(server) -> list[str]:
    return [row[0] for row in server.admin.execute(NAMES).fetchall()]


def ask(target: dsn.Dsn, statement: str) -> list[tuple]:
    with database.connect(target, command="test", on_event=lambda _: None) as conn:
        return conn.execute(statement).fetchall()


def run_in(target: dsn.Dsn, statement: str) -> None:
    with database.connect(target, command="test", on_event=lambda _: None) as conn, database.translated(target):
        database.run(conn, statement)


@contextmanager
def unprivileged(server) -> Iterator[str]:
    """A role that may log in and nothing else."""
    role = f"dbmigrate_test_poor_{os.getpid()}"
    server.admin.execute(f"create role {role} login password '{role}'")
    yield role
    server.admin.execute(f"drop role {role}")


def test_a_database_is_empty_and_utf8_and_gone_after_the_block(own):
    with choose.open_server(own) as server:
        with server.database() as made:
            assert ask(made, "show server_encoding") == [("UTF8",)]
            assert ask(made, "select count(*) from pg_class where relnamespace = 'public'::regnamespace") == [(0,)]
        assert ask(server.dsn, NAMES) == []


def test_databases_of_one_server_do_not_see_each_other(own):
    with choose.open_server(own) as server, server.database() as one, server.database() as two:
        with psycopg.connect(**one.conninfo) as conn:
            conn.execute("create table here (id int)")
        assert ask(two, "select to_regclass('here')::text") == [(None,)]


def test_a_copy_has_what_its_template_has(own):
    with choose.open_server(own) as server, server.database() as one:
        with psycopg.connect(**one.conninfo) as conn:
            conn.execute("create table here (id int)")
        with server.database(template=one.database) as two:
            assert ask(two, "select to_regclass('here')::text") == [("here",)]


def test_the_server_that_was_named_gets_a_new_database_and_keeps_its_own(server, database_url, query):
    query(database_url, "create table mine (id int)")

    with choose.open_server(Choice(explicit=dsn.parse(database_url))) as found, found.database() as made:
        assert names(server) == [made.database]
        assert made.database != dsn.parse(database_url).database
        assert ask(made, "select to_regclass('mine')::text") == [(None,)]
        assert not found.is_throwaway

    assert names(server) == []
    assert query(database_url, "select to_regclass('mine')::text") == [("mine",)]


def test_it_has_the_encoding_and_locale_of_the_database_that_was_named(server, make_database, query):
    url = make_database()
    like = "select encoding, datcollate, datctype from pg_database where datname = current_database()"
    other = f"{dsn.parse(url).database}_latin"
    server.admin.execute(
        f"create database {other} template template0 encoding 'LATIN1' lc_collate 'C' lc_ctype 'C'"
        + (" locale_provider libc" if server.version >= 150000 else "")
    )
    try:
        with choose.open_server(Choice(explicit=dsn.parse(server.url(other)))) as found, found.database() as made:
            assert ask(made, like) == query(server.url(other), like)
    finally:
        server.drop(other)


def test_a_server_named_without_a_database_that_exists_is_good_enough(server):
    named = dsn.parse(server.url("no_such_database_at_all"))

    with choose.open_server(Choice(explicit=named)) as found, found.database() as made:
        assert ask(made, "select 1") == [(1,)]


def test_a_role_without_the_right_is_told_so(server, database_url):
    with unprivileged(server) as role:
        named = dsn.parse(database_url)
        named = dsn.from_keywords({**named.conninfo, "user": role, "password": role})
        with pytest.raises(ConfigError, match=f"{role} may not create databases") as raised:
            choose.open_server(Choice(explicit=named)).__enter__()
        assert raised.value.code == "E245"
        assert "--scratch-url" in (raised.value.hint or "")


def test_a_target_whose_role_may_not_create_databases_is_left_for_a_server_of_our_own(server, database_url, own):
    with unprivileged(server) as role:
        target = dsn.from_keywords({**dsn.parse(database_url).conninfo, "user": role, "password": role})
        choice = Choice(target=target, on_target=TargetServer.USED, cache=own.cache)
        with choose.open_server(choice) as found:
            assert found.is_throwaway
            assert f"the role {role} may not create databases" in (found.note or "")


@pytest.mark.parametrize("setting", ["default_transaction_read_only=on", "options=-c%20transaction-read-only%3Don"])
@pytest.mark.parametrize("where", TargetServer)
def test_sessions_of_the_target_may_be_read_only(database_url, own, setting, where):
    target = dsn.parse(f"{database_url}{'&' if '?' in database_url else '?'}{setting}")

    with choose.open_server(replace(own, target=target, on_target=where)) as found, found.database() as made:
        run_in(made, "create table written (id int)")
        assert found.is_throwaway is (where is TargetServer.UNUSED)


def test_a_target_that_cannot_be_written_is_left_for_a_server_of_our_own(server, database_url, own):
    with unprivileged(server) as role:
        server.admin.execute(f"alter role {role} createdb")
        server.admin.execute(f"alter role {role} set default_transaction_read_only = on")
        target = dsn.from_keywords({**dsn.parse(database_url).conninfo, "user": role, "password": role})
        with choose.open_server(replace(own, target=target, on_target=TargetServer.USED)) as found:
            assert found.is_throwaway
            assert "is read-only" in (found.note or "")


def test_what_only_the_targets_server_knows_is_left_out_on_one_of_our_own(own):
    target = dsn.parse("postgres://h/d?role=nobody_here&lc_messages=xx_XX.UTF-8&lock_timeout=7s")

    with choose.open_server(replace(own, target=target)) as found, found.database() as made:
        assert ask(made, "select current_setting('role'), current_setting('lock_timeout')") == [("none", "7s")]


def test_the_target_is_used_only_when_the_caller_says_so(server, database_url, own):
    target = dsn.parse(database_url)

    with choose.open_server(Choice(target=target, cache=own.cache)) as found:
        assert found.is_throwaway
    with choose.open_server(Choice(target=target, on_target=TargetServer.USED)) as found:
        assert not found.is_throwaway
        assert found.dsn.conninfo["host"] == target.conninfo["host"]


def test_settings_of_the_target_hold_in_the_scratch_database(own):
    target = dsn.parse("postgres://nobody@127.0.0.1:1/x?search_path=app,public")

    with choose.open_server(Choice(target=target, cache=own.cache)) as server, server.database() as made:
        assert ask(made, "show search_path") == [("app,public",)]
        assert made.search_path == ("app", "public")


def test_a_major_version_that_is_not_there_is_replaced_and_said(own):
    with choose.open_server(Choice(major=99, cache=own.cache)) as server:
        assert "the target's is 99" in (server.note or "")


def test_without_server_programs_both_remedies_are_named(tmp_path):
    with pytest.raises(ToolMissing) as raised, choose.open_server(Choice(search=Search(bindir=tmp_path))):
        pass

    assert raised.value.code == "E244"
    assert "dbmigrate[embedded]" in (raised.value.hint or "")
    assert "--scratch-url" in (raised.value.hint or "")


def test_an_error_in_the_block_is_the_one_that_is_told(server, database_url):
    choice = Choice(explicit=dsn.parse(database_url))

    with pytest.raises(ZeroDivisionError), choose.open_server(choice) as found, found.database():
        raise ZeroDivisionError

    assert names(server) == []


def test_sessions_that_are_still_there_do_not_keep_it(server, database_url):
    with choose.open_server(Choice(explicit=dsn.parse(database_url))) as found, found.database() as made:
        left = psycopg.connect(**made.conninfo)
    left.close()

    assert names(server) == []


def test_ctrl_c_leaves_no_database(server, database_url, cluster_cache):
    with child(HOLD, cluster_cache, database_url, home=cluster_cache) as program:
        name = program.line().split()[0]
        assert names(server) == [name]
        program.process.send_signal(signal.SIGINT)

        assert program.line() == "interrupted"

    assert names(server) == []


def test_kill_9_leaves_no_server(cluster_cache):
    with child(HOLD, cluster_cache, home=cluster_cache) as program:
        place = Path(program.line().split()[1]).parent
        pid = int((place / "data" / "postmaster.pid").read_text().splitlines()[0])
        program.process.kill()

    assert eventually(lambda: not is_running(pid))
    assert eventually(lambda: not place.exists())


# ------------------------------------------------------------------------------------------------- what is left behind


def stale(server, *, age: int, comment: str = choose.COMMENT, suffix: str = "0123456789abcdef") -> str:
    name = f"{choose.PREFIX}{int(time.time()) - age}_{suffix}"
    server.create(name)
    server.admin.execute(f"comment on database {name} is '{comment}'")
    return name


def opened(url: str) -> None:
    with choose.open_server(Choice(explicit=dsn.parse(url))):
        pass


def test_what_a_killed_run_left_is_dropped_after_an_hour(server, database_url):
    stale(server, age=3700)

    opened(database_url)

    assert names(server) == []


@pytest.mark.parametrize(
    "more",
    [
        {"age": 3500},
        {"age": 4000, "comment": "my own database"},
        {"age": 4000, "suffix": "not_of_ours"},
    ],
    ids=["younger", "another comment", "another name"],
)
def test_what_is_not_proven_to_be_ours_stays(server, database_url, more):
    name = stale(server, **more)
    try:
        opened(database_url)

        assert names(server) == [name]
    finally:
        server.drop(name)


def test_one_that_somebody_is_connected_to_stays(server, database_url):
    name = stale(server, age=4000)
    try:
        with psycopg.connect(server.url(name)):
            opened(database_url)

        assert names(server) == [name]
    finally:
        server.drop(name)


# --------------------------------------------------------------------------------------------- roles and extensions


def test_a_missing_role_is_made_up_on_a_server_of_our_own(own):
    with choose.open_server(own) as server, server.database() as made:
        grants = 'create table t (id int); grant select on t to "App ""Reader"""; grant all on t to b'
        server.retrying(lambda: run_in(made, grants))

        assert ask(made, "select rolcanlogin from pg_roles where rolname in ('App \"Reader\"', 'b')") == [(False,)] * 2
        assert "the role b was made for this run" in (server.note or "")


def test_a_role_that_is_missed_by_set_role_is_made_up(own):
    with choose.open_server(own) as server, server.database() as made:
        server.retrying(lambda: run_in(made, "set role app; reset role"))

        assert server.note == "the role app was made for this run: no migration makes it"


def test_no_role_is_made_on_the_server_of_somebody_else(server, database_url):
    with choose.open_server(Choice(explicit=dsn.parse(database_url))) as found, found.database() as made:
        with pytest.raises(DatabaseError) as raised:
            found.retrying(lambda: run_in(made, "create table t (id int); grant select on t to no_such_role_here"))

        assert choose.hint_for(raised.value, found) == "make the role no_such_role_here on the scratch server"
    assert server.admin.execute("select 1 from pg_roles where rolname = 'no_such_role_here'").fetchall() == []


def test_a_missing_extension_is_named_with_its_remedies(own):
    with choose.open_server(own) as server, server.database() as made:
        with pytest.raises(DatabaseError) as raised:
            run_in(made, "create extension no_such_extension")

        hint = choose.hint_for(raised.value, server)

    assert "no extension no_such_extension" in (hint or "")
    assert "--scratch-url" in (hint or "")


# ------------------------------------------------------------------------------------------------------------ the cache


def test_the_cache_follows_the_desktop_rules(tmp_path):
    assert choose.cache_directory({"XDG_CACHE_HOME": str(tmp_path / "x")}) == tmp_path / "x" / "dbmigrate"
    assert choose.cache_directory({"HOME": str(tmp_path)}) == tmp_path / ".cache" / "dbmigrate"
    assert choose.cache_directory({"XDG_CACHE_HOME": "relative", "HOME": str(tmp_path)}) is None
    assert choose.cache_directory({}) is None


def test_a_cache_that_cannot_be_made_is_done_without(tmp_path):
    (tmp_path / "file").write_text("")

    assert choose.cache_directory({"XDG_CACHE_HOME": str(tmp_path / "file")}) is None


def test_a_copy_has_what_hangs_on_the_database_that_it_was_copied_from(server, own: Choice) -> None:
    """CREATE DATABASE ... TEMPLATE copies what is in a database; its settings, rights and comment are not in it."""
    described = (
        "select current_setting('search_path'), current_setting('app.motto', true), datconnlimit,"
        " shobj_description(oid, 'pg_database'), array(select split_part(r::text, '/', 1) from unnest(datacl) r"
        " where r::text ~ '^(=|pg_monitor)') from pg_database where datname = current_database()"
    )
    with (
        choose.open_server(replace(own, explicit=dsn.parse(server.url("postgres")))) as place,
        place.database() as made,
    ):
        name = f'"{made.database}"'
        for command in (
            "create schema shop",
            f"alter database {name} set search_path to shop, ''",
            f"alter database {name} set app.motto to 'it''s'",
            f"alter database {name} connection limit 7",
            f"revoke all on database {name} from public",
            f"grant connect on database {name} to pg_monitor",
            f"comment on database {name} is 'it''s a shop'",
        ):
            run_in(made, command)
        with place.database(template=made.database) as copy:
            assert ask(copy, described) == [('shop, ""', "it's", 7, choose.COMMENT, ["pg_monitor=c"])]
    with choose.open_server(own) as place, place.database() as made:  # where no comment has to say whose it is
        run_in(made, f"comment on database \"{made.database}\" is 'it''s a shop'")
        with place.database(template=made.database) as copy:
            assert ask(copy, described)[0][3] == "it's a shop"
