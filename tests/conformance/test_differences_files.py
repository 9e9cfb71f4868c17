"""Intended differences: migration files and the tracking table."""

from __future__ import annotations

import pytest

from tests.conformance.programs import database_of, lines, said, with_parameters
from tests.conformance.seen import scalar, tables, versions


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param("-- migrate:up\nselect 'open\n-- migrate:down\n", id="quote"),
        pytest.param("-- migrate:up\nselect 1;\n", id="header"),
        pytest.param("-- migrate:up\ncreate index concurrently i on a (i);\n-- migrate:down\n", id="concurrently"),
        pytest.param("-- migrate:up\n\\i more.sql\n-- migrate:down\n", id="psql"),
        pytest.param("-- migrate:up\n<<<<<<< HEAD\nselect 1;\n-- migrate:down\n", id="conflict"),
        pytest.param(b"-- migrate:up\nselect '\xe9';\n-- migrate:down\n", id="encoding"),
    ],
)
def test_file_checked_first(program, project, url, wrong):
    project.migration("1_a", up="create table a (i int);")
    project.write("2_b.sql", wrong)

    done = program("up", url=url)

    assert done.exit_code == 2
    assert (tables(url), versions(url)) == program.expects(
        dbmate=(["a", "schema_migrations"], ["1"]), dbmigrate=([], [])
    )


def test_file_checked_first_before_the_database_is_created(program, project, absent_url, server):
    project.write("1_a.sql", "-- migrate:up\n")

    program("up", url=absent_url)

    made = server.admin.execute("select 1 from pg_database where datname = %s", [database_of(absent_url)]).fetchall()
    assert made == program.expects(dbmate=[(1,)], dbmigrate=[])


def test_file_error_texts(program, project, url):
    project.write("1_a.sql", "-- migrate:up\nselect 1;\n")

    done = program("up", url=url)

    theirs = "Error: dbmate requires each migration to define a down block with '-- migrate:down'\n"
    ours = "error[E212]: "
    assert done.stderr.startswith(program.expects(dbmate=theirs, dbmigrate=ours))
    assert ("db/migrations/1_a.sql:1:1\n" in done.stderr) == program.expects(dbmate=False, dbmigrate=True)


def test_file_same_version(program, project, url):
    project.migration("1_a", up="create table a (i int);")
    project.migration("1_b", up="create table b (i int);")

    done = program("up", url=url)

    assert done.exit_code == 2
    assert tables(url) == program.expects(dbmate=["a", "schema_migrations"], dbmigrate=[])


def test_file_same_version_after_a_merge(program, project, url):
    project.migration("1_a", up="create table a (i int);")
    program.ok("up", url=url)
    project.migration("1_b", up="create table b (i int);")

    done = program("up", url=url)

    assert done.exit_code == program.expects(dbmate=0, dbmigrate=2)
    assert tables(url) == ["a", "schema_migrations"]


def test_file_directory_twice(program, project, url):
    project.migration("1_a", up="create table a (i int);")

    done = program("-d", "db/migrations", "-d", project.migrations, "up", url=url)

    assert done.exit_code == program.expects(dbmate=2, dbmigrate=0)


def test_file_dangling_link(program, project, url):
    project.migration("1_a", up="create table a (i int);")
    (project.migrations / "2_b.sql").symlink_to("nowhere.sql")

    assert program("status", url=url).exit_code == program.expects(dbmate=0, dbmigrate=2)
    assert program("up", url=url).exit_code == 2
    assert tables(url) == program.expects(dbmate=["a", "schema_migrations"], dbmigrate=[])


def test_file_line_feed(program, project, url):
    project.migration("1_a\nb", up="create table a (i int);")

    done = program.ok("status", url=url)

    assert done.stdout.endswith(program.expects(dbmate="Pending: 0\n", dbmigrate="Pending: 1\n"))


def test_file_order(program, project, url):
    project.migration("9_a", up="select 1;")
    project.migration("10_b", up="select 1;")

    done = program.ok("up", url=url)

    assert lines(done.stdout, "Applied") == ["Applied: 10_b.sql in TIME", "Applied: 9_a.sql in TIME"]
    assert ("10_b.sql runs before 9_a.sql" in done.stderr) == program.expects(dbmate=False, dbmigrate=True)


@pytest.mark.parametrize("text", ["select '\n-- migrate:down\n';", "do $$\n-- migrate:down\nbegin end $$;"])
def test_file_header_in_text(program, project, url, text):
    project.migration("1_a", up=f"create table a (i int);\n{text}")

    done = program("up", url=url)

    assert done.exit_code == program.expects(dbmate=2, dbmigrate=0)
    assert ("warning[" in done.stderr) == program.expects(dbmate=False, dbmigrate=True)
    assert "a" in tables(url) or program.expects(dbmate=True, dbmigrate=False)


@pytest.mark.parametrize("header", [" -- migrate:down", "-- MIGRATE:DOWN", "-- migrate: down"])
def test_file_near_header(program, project, url, header):
    project.write(
        "1_a.sql", f"-- migrate:up\ncreate table a (i int);\n{header}\ndrop table a;\n-- migrate:down\ndrop table a;\n"
    )

    done = program("up", url=url)

    assert done.exit_code == program.expects(dbmate=0, dbmigrate=2)
    assert tables(url) == program.expects(dbmate=["schema_migrations"], dbmigrate=[])
    assert versions(url) == program.expects(dbmate=["1"], dbmigrate=[])


def test_file_block_comment(program, project, url):
    project.write("1_a.sql", "/* licence\n * more */\n-- migrate:up\nselect 1;\n-- migrate:down\n")

    assert program("up", url=url).exit_code == program.expects(dbmate=2, dbmigrate=0)


def test_file_bom(program, project, url):
    project.write("1_a.sql", "\ufeff-- migrate:up\nselect 1;\n-- migrate:down\n")
    project.schema_file.write_text("\ufeffcreate table loaded (i int);\n")

    up, load = program("up", url=url), program("load", url=url)

    assert (up.exit_code, load.exit_code) == program.expects(dbmate=(2, 2), dbmigrate=(0, 0))


def test_file_annotations(program, project, url):
    qa = {"DBMIGRATE_ENV": "qa", "QA_DATABASE_URL": url}
    project.write("1_a.sql", "-- migrate:env dev\n-- migrate:up\ncreate table a (i int);\n-- migrate:down\n")
    project.migration("2_b", up="-- migrate:env qa, dev\ncreate table b (i int);")

    program.ok("up", url=url, env=qa)
    assert versions(url) == program.expects(dbmate=["1", "2"], dbmigrate=["2"])

    project.migration("3_c", up="-- migrate:evn dev\ncreate table c (i int);")
    assert program("up", url=url, env=qa).exit_code == program.expects(dbmate=0, dbmigrate=2)
    assert versions(url) == program.expects(dbmate=["1", "2", "3"], dbmigrate=["2"])


@pytest.mark.parametrize(
    "option", ["transaction:FALSE", "transaction: false", "transacton:false", "transaction=false", "lock_timeout:5"]
)
def test_file_options(program, project, url, option):
    project.migration("1_a", up="select 1;", up_options=option)

    assert program("up", url=url).exit_code == program.expects(dbmate=0, dbmigrate=2)


def test_file_options_of_dbmigrate(program, project, url):
    up = "create table a as select current_setting('lock_timeout') l, current_setting('statement_timeout') s;"
    project.migration(
        "1_a", up=up, up_options="lock_timeout:5s timeout:30min other:x", down_options="irreversible:true"
    )

    done = program.ok("up", url=url)

    assert scalar(url, "select l || ' ' || s from a") == program.expects(dbmate="0 0", dbmigrate="5s 30min")
    assert ("`other:x`" in done.stderr) == program.expects(dbmate=False, dbmigrate=True)
    assert program("rollback", url=url).exit_code == program.expects(dbmate=0, dbmigrate=2)


def test_file_several_pairs(program, project, url):
    pair = "-- migrate:up\ncreate table {0} (i int);\n-- migrate:down\ndrop table {0};\n"
    project.write("1_a.sql", pair.format("a") + pair.format("b"))

    up = program("up", url=url)
    assert up.exit_code == program.expects(dbmate=2, dbmigrate=0)
    assert versions(url) == ["1"]
    assert tables(url) == program.expects(dbmate=["a", "schema_migrations"], dbmigrate=["a", "b", "schema_migrations"])

    down = program("rollback", url=url)
    assert down.exit_code == program.expects(dbmate=2, dbmigrate=0)
    assert (versions(url), tables(url)) == ([], ["schema_migrations"])


def test_file_empty_down(program, project, url):
    project.migration("1_a", up="create table a (i int);")
    program.ok("up", url=url)

    done = program.ok("rollback", url=url)

    assert (tables(url), versions(url)) == (["a", "schema_migrations"], [])
    assert ("nothing is undone" in done.stderr) == program.expects(dbmate=False, dbmigrate=True)


@pytest.mark.parametrize("command", ["up", "load"])
def test_file_copy(program, project, url, command):
    sql = "create table a (i int, t text);\ncopy a (i, t) from stdin;\n1\tx\\ty\n2\t\\N\n\\.\n"
    project.migration("1_a", up=sql)
    project.schema_file.write_text(sql)

    done = program(command, url=url)

    assert done.exit_code == program.expects(dbmate=2, dbmigrate=0)
    if program.expects(dbmate=False, dbmigrate=True):
        assert scalar(url, "select array_agg(t order by i)::text from a") == '{"x\ty",NULL}'


@pytest.fixture
def without_file(program, project, url):
    """Both migrations are applied, and the file of the second is gone."""
    project.migration("1_a", up="create table a (i int);", down="drop table a;")
    path = project.migration("2_b", up="create table b (i int);", down="drop table b;")
    program.ok("up", url=url)
    path.unlink()


def test_file_gone(program, without_file, url):
    shown = program.ok("status", url=url)
    program.ok("rollback", url=url)

    assert shown.stdout.endswith("\n\nApplied: 1\nPending: 0\n")
    assert ("[?] 2_b.sql\n" in shown.stdout) == program.expects(dbmate=False, dbmigrate=True)
    assert tables(url) == program.expects(dbmate=["b", "schema_migrations"], dbmigrate=["a", "schema_migrations"])


def test_file_renamed(program, project, url, query):
    path = project.migration("1_a", up="create table if not exists a (i int); insert into a values (1);")
    program.ok("up", url=url)
    path.rename(project.migrations / "2_a.sql")

    done = program("up", url=url)

    assert done.exit_code == program.expects(dbmate=0, dbmigrate=7)
    assert query(url, "select count(*) from a") == [(program.expects(dbmate=2, dbmigrate=1),)]


def test_file_gone_that_dbmate_applied(program, without_file, url, query):
    query(url, "drop table if exists schema_migrations_log")

    done = program("rollback", url=url)

    assert done.exit_code == program.expects(dbmate=0, dbmigrate=2)
    assert versions(url) == program.expects(dbmate=["2"], dbmigrate=["1", "2"])


@pytest.mark.parametrize(
    ("up", "ours"), [("create table a (i bigint);", 7), ("create table a -- better\n    (i int);", 0)]
)
def test_file_changed(program, project, url, up, ours):
    project.migration("1_a", up="create table a (i int);")
    program.ok("up", url=url)
    project.migration("1_a", up=up)

    assert program("up", url=url).exit_code == program.expects(dbmate=0, dbmigrate=ours)


# -- the tracking table


def test_table_log(program, project, url, query):
    project.migration("1_a", up="create table a (i int);")

    program.dumping().ok("up", url=url)

    assert scalar(url, "select to_regclass('schema_migrations_log') is not null") == program.expects(
        dbmate=False, dbmigrate=True
    )
    assert "_log" not in project.schema_file.read_text()


def test_table_ddl(program, project, url, query, server):
    project.migration("1_a", up="select 1;")
    program.ok("up", url=url)
    project.migration("2_b", up="select 1;")
    role = f"role_{database_of(url)}"
    query(url, f"create role {role} login password 'x'; grant all on all tables in schema public to {role}")
    query(url, "revoke create on schema public from public")

    done = program("up", url=url.replace(f"//{server.superuser}@", f"//{role}:x@"))

    query(url, f"drop owned by {role}; drop role {role}")
    assert done.exit_code == program.expects(dbmate=2, dbmigrate=0)
    assert versions(url) == program.expects(dbmate=["1"], dbmigrate=["1", "2"])


@pytest.mark.parametrize("command", ["rollback", "dump"])
def test_table_side_effects(program, project, url, command):
    project.migration("1_a", up="select 1;")

    program.dumping()(command, url=url)

    assert tables(url) == program.expects(dbmate=["schema_migrations"], dbmigrate=[])


@pytest.mark.parametrize(
    ("path", "theirs", "ours"),
    [
        ("My,public", "My.schema_migrations", "my.schema_migrations"),
        ('"My"', '"My".schema_migrations', "My.schema_migrations"),
    ],
)
def test_table_search_path(program, project, url, path, theirs, ours):
    project.migration("1_a", up="select 1;")

    program.ok("up", url=with_parameters(url, search_path=path))

    assert tables(url) == [program.expects(dbmate=theirs, dbmigrate=ours)]


def test_table_dots(program, project, url):
    project.migration("1_a", up="select 1;")

    done = program("--migrations-table", "whyWould.i.doThis", "up", url=url)

    assert done.exit_code == program.expects(dbmate=2, dbmigrate=0)
    assert tables(url) == program.expects(dbmate=[], dbmigrate=["whyWould.i.doThis"])


@pytest.mark.parametrize(
    "ddl",
    [
        pytest.param("create table v (version varchar); create view schema_migrations as table v", id="view"),
        pytest.param("create table schema_migrations (version bigint primary key, dirty boolean)", id="other-tool"),
        pytest.param(
            "create table schema_migrations (version varchar primary key);"
            "create function f() returns trigger language plpgsql as 'begin return new; end';"
            "create trigger t before insert on schema_migrations for each row execute function f()",
            id="trigger",
        ),
    ],
)
def test_table_impostor(program, project, url, query, ddl):
    query(url, ddl)
    project.migration("1_a", up="select 1;")

    done = program("up", url=url)

    assert done.exit_code == program.expects(dbmate=0, dbmigrate=7)
    assert said(done) != ""


def test_table_elsewhere(program, project, url, query):
    project.migration("1_a", up="create table if not exists public.a (i int);\ninsert into public.a values (1);")
    (name,) = query(url, "select current_database()")[0]
    program.ok("up", url=url)
    query(url, f"create schema shop; alter database {name} set search_path = shop")

    done = program("up", url=url)

    assert done.exit_code == program.expects(dbmate=0, dbmigrate=7)
    assert query(url, "select count(*) from public.a") == [(program.expects(dbmate=2, dbmigrate=1),)]


@pytest.mark.parametrize(
    "ddl",
    [
        "create unlogged table schema_migrations (version varchar primary key)",
        "create table schema_migrations (version varchar)",
    ],
)
def test_table_shape(program, project, url, query, ddl):
    query(url, ddl)
    project.migration("1_a", up="select 1;")

    assert program("up", url=url).exit_code == program.expects(dbmate=0, dbmigrate=7)


def test_table_swallowed(program, project, url, query):
    project.migration(
        "1_a",
        up="create function f() returns trigger language plpgsql as 'begin return null; end';\n"
        "create trigger t before insert on schema_migrations for each row execute function f();",
    )

    done = program("up", url=url)

    assert done.exit_code == program.expects(dbmate=0, dbmigrate=4)
    assert query(url, "select count(*) from schema_migrations") == [(0,)]
    assert query(url, "select count(*) from pg_proc where proname = 'f'") == [(program.expects(dbmate=1, dbmigrate=0),)]


@pytest.mark.parametrize(("recorded", "code"), [("1", 7), ("9", 0)])
def test_table_first_run(program, project, url, query, recorded, code):
    query(url, "create table knex_migrations (name text, batch int, migration_time timestamptz)")
    query(url, f"insert into knex_migrations values ('{recorded}_a.sql')")
    project.migration("1_a", up="select 1;")

    done = program("up", url=url)

    assert done.exit_code == program.expects(dbmate=0, dbmigrate=code)
    assert ("knex" in done.stderr) == program.expects(dbmate=False, dbmigrate=True)


def test_file_passed_over(program, project, url):
    project.write("V1__a.sql", "select 1;")

    shown, asked = program("status", url=url), program("status", "--exit-code", url=url)

    assert ("V1__a.sql" in shown.stderr) == program.expects(dbmate=False, dbmigrate=True)
    assert asked.exit_code == program.expects(dbmate=0, dbmigrate=2)
