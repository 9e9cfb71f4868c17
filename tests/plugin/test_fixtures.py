"""The fixtures of the plugin for pytest: a migrated database for each test."""

from __future__ import annotations

import psycopg
import pytest

from tests.plugin.conftest import Sessions, wait_until
from tests.support.projects import Project
from tests.support.servers import DatabaseServer


def clones(server: DatabaseServer) -> int:
    """How many are there; on a server that others use at the same time, nobody can say whose they are."""
    rows = server.admin.execute("select count(*) from pg_database where datname ~ '^dbmigrate_clone_'").fetchall()
    return int(str(rows[0][0])) if server.is_ours else 0


def test_each_test_has_a_database_of_its_own_with_all_migrations(sessions: Sessions) -> None:
    sessions.tests("""
        import psycopg
        import pytest

        @pytest.mark.parametrize("name", ["Ada", "Ada"])
        def test_rows_of_another_test_are_not_here(name, dbmigrate_db, dbmigrate_url):
            dbmigrate_db.execute("insert into people (id, name) values (1, %s)", [name])
            assert dbmigrate_url.startswith("postgresql://")
            with psycopg.connect(dbmigrate_url) as other:
                assert other.execute("select name from people").fetchall() == [("Ada",)]

        def test_what_there_is(dbmigrate_schema):
            assert dbmigrate_schema.has_table("people")
            assert dbmigrate_schema.has_table("public.people")
            assert not dbmigrate_schema.has_table("peoples")
            assert not dbmigrate_schema.has_table("people_lower")
            assert not dbmigrate_schema.has_table("';--\\n a..b")
            assert "people" in dbmigrate_schema.tables()
            columns = dbmigrate_schema.columns("people")
            assert list(columns) == ["id", "name", "first_name"]
            assert (columns["id"].type, columns["name"].is_nullable, columns["first_name"].is_nullable) == (
                "bigint", False, True)
            index = dbmigrate_schema.indexes("people")["people_lower"]
            assert (index.columns, index.is_unique, index.predicate) == (("lower(name)",), False, "(id > 10)")
            constraints = dbmigrate_schema.constraints("people")
            assert {name: each.kind for name, each in constraints.items()} == {
                "people_pkey": "primary key", "people_name_key": "unique", "people_name_check": "check"}
            assert constraints["people_name_key"].columns == ("name",)
            with pytest.raises(LookupError, match="there is no table orders; there are people"):
                dbmigrate_schema.columns("orders")

        def test_a_connection_that_stays_open(dbmigrate_url):
            global left_open
            left_open = psycopg.connect(dbmigrate_url)
            left_open.execute("lock table people")

        @pytest.fixture(scope="module")
        def of_module(dbmigrate_template):
            with dbmigrate_template.database() as url:
                yield url

        def test_of_a_module(of_module):
            with psycopg.connect(of_module) as conn:
                conn.execute("insert into people values (1, 'Ada')")

        def test_of_the_same_module(of_module):
            with psycopg.connect(of_module) as conn:
                assert conn.execute("select count(*) from people").fetchone() == (1,)
    """)

    outcome = sessions.run()

    assert (outcome.code, outcome.counts) == (0, {"passed": 6}), outcome.output
    assert clones(sessions.server) == 0


def test_what_hangs_on_the_database_is_in_the_clones(sessions: Sessions, people: Project) -> None:
    people.migration(
        "20260103_of_the_database",
        up="""do $$ begin
          execute format('create schema "A b"');
          execute format('alter database %I set search_path to "$user", "A b", public', current_database());
          execute format('alter database %I set timezone to ''Asia/Tokyo''', current_database());
          execute format('alter database %I set app.motto to %L', current_database(), 'it''s, "so"');
          execute format('alter role current_user in database %I set work_mem to ''5MB''', current_database());
          execute format('revoke connect, temporary on database %I from public', current_database());
          execute format('grant create on database %I to pg_monitor with grant option', current_database());
          execute format('comment on database %I is %L', current_database(), 'it''s a shop');
        end $$;""",
    )
    sessions.tests("""
        def test_settings(dbmigrate_db):
            names = "search_path", "timezone", "app.motto", "work_mem"
            values = [dbmigrate_db.execute("select current_setting(%s)", [name]).fetchone()[0] for name in names]
            assert values == ['"$user", "A b", public', "Asia/Tokyo", "it's, \\"so\\"", "5MB"]

        def test_rights_and_comment(dbmigrate_db):
            rights, comment = dbmigrate_db.execute(
                "select array(select r::text from unnest(datacl) r), shobj_description(oid, 'pg_database')"
                " from pg_database where datname = current_database()").fetchone()
            assert comment == "it's a shop"
            assert not [right for right in rights if right.startswith("=")]
            assert [right.partition("/")[0] for right in rights if right.startswith("pg_monitor")] == ["pg_monitor=C*"]
    """)

    outcome = sessions.run()

    assert (outcome.code, outcome.counts) == (0, {"passed": 2}), outcome.output


def test_a_migration_is_tried_with_rows_from_before_it(sessions: Sessions, people: Project) -> None:
    people.migration("20260103_later", up="create table later (id int);", down="drop table later;")
    sessions.tests("""
        import psycopg
        import pytest
        import dbmigrate

        def test_names_are_split(dbmigrate_steps):
            conn = dbmigrate_steps.before("20260102")
            for number in range(8):  # psycopg would prepare the statement
                conn.execute("select * from people")
                conn.execute("insert into people (id, name) values (%s, %s)", [number, f"Ada {number}"])
            assert dbmigrate_steps.up() == ("20260102",)
            assert conn.execute("select * from people where id = 1").fetchone() == (1, "Ada 1", "Ada")
            assert not dbmigrate_steps.schema.has_table("later")
            assert dbmigrate_steps.down() == ("20260102",)
            assert conn.execute("select * from people where id = 1").fetchone() == (1, "Ada 1")
            assert dbmigrate_steps.up("20260103") == ("20260102", "20260103")
            with psycopg.connect(dbmigrate_steps.url) as other:
                assert other.execute("select count(first_name) from people").fetchone() == (8,)

        def test_the_first_one(dbmigrate_steps):
            dbmigrate_steps.before("20260101")
            assert dbmigrate_steps.schema.tables() == ()

        def test_without_a_database(dbmigrate_steps):
            with pytest.raises(RuntimeError, match="call before"):
                dbmigrate_steps.up()

        def test_no_such_version(dbmigrate_steps):
            dbmigrate_steps.before("1815")

        def test_an_error_is_one_of_dbmigrate(dbmigrate_steps):
            conn = dbmigrate_steps.before("20260103")
            conn.execute("create table later ()")
            with pytest.raises(dbmigrate.Error, match="already exists"):
                dbmigrate_steps.up()
    """)

    outcome = sessions.run()

    assert outcome.counts == {"passed": 4, "failed": 1}, outcome.output
    assert "error[E232]: there is no migration 1815" in outcome.output
    assert "hint: the last ones are 20260101, 20260102, 20260103" in outcome.output


def test_a_template_is_kept_until_a_file_changes(sessions: Sessions, people: Project) -> None:
    sessions.tests("def test_it(dbmigrate_schema): assert dbmigrate_schema.has_table('people')")

    def after(*words: str) -> list[tuple[str, int]]:
        outcome = sessions.run(*words)
        assert outcome.code == 0, outcome.output
        return sessions.templates()

    first = after()
    again = after()
    remade = after("--dbmigrate-create-db")
    people.migration("20260103_later", up="create table later (id int);")
    changed = after()

    assert len(first) == 1
    assert again == first
    assert [name for name, _ in remade] == [name for name, _ in first]
    assert remade != first
    assert len(changed) == 2
    assert changed[0] == remade[0]


def test_few_templates_of_a_project_are_kept(sessions: Sessions, people: Project) -> None:
    sessions.tests("""
        import pytest

        @pytest.mark.parametrize("number", range(7))
        def test_it(number, dbmigrate_steps):
            dbmigrate_steps.before(f"202602{number:02}")
    """)
    for number in range(7):
        people.migration(f"202602{number:02}_more", up=f"create table t{number} (id int);")

    outcome = sessions.run()

    assert outcome.code == 0, outcome.output
    assert len(sessions.templates()) == 5


def test_a_template_that_somebody_dropped_is_made_again(sessions: Sessions) -> None:
    sessions.tests("""
        import os
        import psycopg

        def test_drop(dbmigrate_template):
            with psycopg.connect(os.environ["DBMIGRATE_SCRATCH_URL"], autocommit=True) as conn:
                conn.execute(f"alter database {dbmigrate_template.name} with is_template false")
                conn.execute(f"drop database {dbmigrate_template.name}")

        def test_use(dbmigrate_schema):
            assert dbmigrate_schema.has_table("people")
    """)

    assert sessions.run().counts == {"passed": 2}


def test_a_session_goes_on_after_the_server_ended_its_connections(sessions: Sessions) -> None:
    sessions.tests("""
        import pytest

        @pytest.mark.parametrize("number", range(3))
        def test_it(number, dbmigrate_db):
            dbmigrate_db.execute("insert into people (id, name) values (1, 'Ada')")
            token = dbmigrate_db.info.dbname.split("_")[2]
            ended = dbmigrate_db.execute(
                "select pg_terminate_backend(a.pid) from pg_stat_activity a join pg_locks l using (pid)"
                " where l.locktype = 'advisory' and l.objid = ('x' || %s)::bit(32)::int8", [token]).fetchall()
            assert ended == [(True,)]
    """)

    outcome = sessions.run()

    assert (outcome.code, outcome.counts) == (0, {"passed": 3}), outcome.output
    assert clones(sessions.server) == 0


def test_workers_of_xdist_share_a_template(sessions: Sessions) -> None:
    sessions.tests("""
        import pytest

        @pytest.mark.parametrize("number", range(12))
        def test_it(number, dbmigrate_db, tmp_path_factory):
            dbmigrate_db.execute("insert into people (id, name) values (1, 'Ada')")
            oid = dbmigrate_db.execute("select oid::text from pg_database where datname ~ '^dbmigrate_template_'"
                                       " order by oid desc limit 1").fetchone()[0]
            (tmp_path_factory.getbasetemp().parent / f"oid-{oid}").touch()
    """)

    outcome = sessions.run("-n", "3", "--dbmigrate-create-db", "--basetemp", str(sessions.root / "base"))

    assert (outcome.code, outcome.counts) == (0, {"passed": 12}), outcome.output
    assert [path.name for path in (sessions.root / "base").glob("oid-*")] == [f"oid-{sessions.templates()[0][1]}"]


def test_what_a_killed_session_left_half_done_is_made_again(
    sessions: Sessions, people: Project, server: DatabaseServer
) -> None:
    role = f"slow_{sessions.root.name.replace('-', '_')}"[:60]
    people.migration(
        "20260103_slow",
        up=f"do $$ begin if exists (select from pg_roles where rolname = '{role}') then perform pg_sleep(600);"
        " end if; end $$;",
    )
    sessions.tests("def test_it(dbmigrate_schema): assert dbmigrate_schema.has_table('people')")
    server.admin.execute(f"create role {role}")
    try:
        process = sessions.start()
        wait_until(
            lambda: server.admin.execute(
                "select from pg_stat_activity where datname ~ '^dbmigrate_template_' and query ~ 'pg_sleep'"
            ).fetchall()
        )
        sessions.kill(process)
    finally:
        server.admin.execute(f"drop role {role}")
    half = sessions.templates()

    outcome = sessions.run()

    assert (outcome.code, outcome.counts) == (0, {"passed": 1}), outcome.output
    assert len(half) == 1
    assert [name for name, _ in sessions.templates()] == [half[0][0]]
    assert sessions.templates() != half


def test_the_clones_of_a_killed_session_are_dropped_by_the_next_one(sessions: Sessions, server: DatabaseServer) -> None:
    sessions.tests("""
        import os, pathlib, time

        def test_it(dbmigrate_db):
            name = dbmigrate_db.info.dbname
            if not pathlib.Path("clone").exists():
                pathlib.Path("clone.new").write_text(name)
                os.rename("clone.new", "clone")
                time.sleep(600)
    """)
    clone = sessions.root / "clone"
    process = sessions.start()
    wait_until(clone.exists)

    def is_there() -> bool:
        return bool(server.admin.execute("select from pg_database where datname = %s", [clone.read_text()]).fetchall())

    beside = sessions.run()  # nothing of a session that lives is dropped
    assert (beside.code, is_there()) == (0, True), beside.output
    sessions.kill(process)
    wait_until(
        lambda: (
            not server.admin.execute("select from pg_stat_activity where datname = %s", [clone.read_text()]).fetchall()
        )
    )

    outcome = sessions.run()

    assert outcome.code == 0, outcome.output
    assert not is_there()


@pytest.mark.parametrize("server_setting", ["", "embedded:.pg"], ids=["none named", "one that is kept"])
def test_workers_share_an_embedded_server(server_setting: str, open_sessions: Sessions) -> None:
    sessions = open_sessions
    sessions.configure(dbmigrate_server=server_setting)
    sessions.tests("""
        import pytest

        @pytest.mark.parametrize("number", range(6))
        def test_it(number, dbmigrate_db, tmp_path_factory):
            dbmigrate_db.execute("insert into people (id, name) values (1, 'Ada')")
            host = dbmigrate_db.info.host.replace("/", "_")
            (tmp_path_factory.getbasetemp().parent / f"host{host}").touch()
    """)

    outcome = sessions.run("-n", "2", "--basetemp", str(sessions.root / "base"))

    assert (outcome.code, outcome.counts) == (0, {"passed": 6}), outcome.output
    assert len(list((sessions.root / "base").glob("host*"))) == 1


def test_a_server_can_be_named_by_a_fixture_as_sqlalchemy_has_it(
    sessions_without_server: Sessions, server: DatabaseServer
) -> None:
    sessions = sessions_without_server
    url = server.tcp_url("no_such_database").replace("postgres://", "postgresql+psycopg2://")
    sessions.tests(f"""
        import pytest

        @pytest.fixture(scope="session")
        def dbmigrate_server():
            return {url!r}

        def test_it(dbmigrate_db, dbmigrate_schema):
            assert dbmigrate_db.info.host == {psycopg.conninfo.conninfo_to_dict(server.tcp_url("x"))["host"]!r}
            assert dbmigrate_schema.has_table("people")
    """)

    outcome = sessions.run()

    assert (outcome.code, outcome.counts) == (0, {"passed": 1}), outcome.output
    Sessions(sessions.root, server).templates()


def test_seeds_and_an_environment_are_chosen_in_the_ini_file(sessions: Sessions, people: Project) -> None:
    for name in ("test", "production"):
        text = f"-- migrate:env {name}\n-- migrate:up\ncreate table for_{name} (id int);\n-- migrate:down\n"
        people.write(f"20260103{len(name)}_for_{name}.sql", text)
    (people.root / "db" / "seeds").mkdir()
    (people.root / "db" / "seeds" / "ada.sql").write_text("insert into people (id, name) values (1, 'Ada');\n")
    sessions.configure(dbmigrate_seeds="true", dbmigrate_environment="test", dbmigrate_strategy="file_copy")
    sessions.tests("""
        def test_it(dbmigrate_db, dbmigrate_schema):
            assert dbmigrate_db.execute("select name from people").fetchall() == [("Ada",)]
            assert dbmigrate_schema.has_table("for_test")
            assert not dbmigrate_schema.has_table("for_production")
    """)
    if sessions.server.major < 15:
        sessions.configure(dbmigrate_seeds="true", dbmigrate_environment="test")

    outcome = sessions.run()

    assert (outcome.code, outcome.counts) == (0, {"passed": 1}), outcome.output
