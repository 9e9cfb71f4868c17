"""`up --dry-run` and `rollback --dry-run`: a run that changes nothing, and a script that does what the run would do."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from dbmigrate.execution import run_lock
from dbmigrate.api.migrator import Migrator, Options
from dbmigrate.model import ALL
from tests.support.catalog import fingerprint
from tests.support.psql import programs, psql

LINES = "".join(f"{number}\t{'x' * 90}\n" for number in range(1000)) + "\\.\n"  # more than what is kept in memory

# Projects. A file begins after a line `--% name` and ends without a line end. Each project is applied and undone twice:
# by the commands, and by psql with the scripts of their dry runs.
PROJECTS = {
    "no_semicolon_at_the_end": """
--% 1_a.sql
-- why

-- migrate:up
create table a (id int) -- the end;
-- migrate:down
drop table a -- ;
--% 2_b.sql
-- migrate:up
/* ; */ insert into a values (1) /* ; -- */

-- more ;

-- migrate:down
delete from a; -- all
/* gone */
--% 3_c.sql
-- migrate:up
;;select 1;;
-- migrate:down
-- nothing to undo
""",
    "psql_words": r"""
--% 1_a.sql
-- migrate:up
-- \! not a command \
create table ":a" (id int, "x:y" text default ':id', a int[]);
insert into ":a" values (1, 'C:\', '{1,2,3}'), (2, E'a\\b\'c\n:id', null), (3, U&'d\0061t', null),
    (4, $a$\q :x$a$, '{}');
insert into ":a" select id + 10, "x:y"::text, a[1:id] from ":a" where "x:y" like '%:%' or a[:id] is null;
create function "f;"(text default '\.') returns text language plpgsql as $_$
begin
/*
\q
\.
:x */
    return 'a\' || $$:'x'
\! false$$;
end $_$;
do $$ begin perform ':a'; raise notice '% \', 'x'; end $$;
comment on table ":a" is '\connect postgres
\.
it''s :''x''';
create rule r as on delete to ":a" do also (select ';'; select 2);
-- migrate:down
drop function "f;"; drop table ":a";
""",
    "unicode": """
--% 1_ä✓.sql
-- migrate:up
create table "über✓" (α text);
insert into "über✓" values ('\U0001f418\u00a0\u2028\u200b');
-- migrate:down
drop table "über✓";
""",
    "long_lines": f"""
--% 1_a.sql
-- migrate:up
create table a (t text); /* {"y" * 70_000} */ insert into a values ('{"é" * 70_000}');
-- migrate:down
drop table a;
""",
    "a_file_too_large_to_be_kept": f"""
--% 1_a.sql
-- migrate:up
create table a (id int, t text);
-- {"x" * (1 << 20)}
insert into a values (1, 'ü');
-- migrate:down
drop table a;
""",
    "copy_data": r"""
--% 1_a.sql
-- migrate:up
create table a (id int, t text);
copy a from stdin;
1	a\\b
2	\N
3	:x ; --
\.
copy a from stdin;
\.
insert into a values (5, 'end');
-- migrate:down
drop table a;
--% 2_b.sql
-- migrate:up transaction:false
copy a from stdin;
6	six
\.
select 1; copy a from stdin;
7	x
\.
-- migrate:down transaction:false
delete from a where id in (6, 7);
""",
    "empty_statements_behind_data": r"""
--% 1_a.sql
-- migrate:up
create table a (id int);
copy a from stdin;
1
\.
;;/* ; */;select 1; -- ;
;insert into a values (2);
;;
-- migrate:down
;drop table a;;
""",
    "csv_data": r"""
--% 1_a.sql
-- migrate:up
create table a (t text, id int);
copy a from stdin with (format csv);
"a;
b",4
\.
-- migrate:down
drop table a;
""",
    "much_copy_data_without_a_transaction": f"""
--% 1_a.sql
-- migrate:up transaction:false
create table a (id int, t text);
begin;
copy a from stdin;
{LINES}
commit;
copy a from stdin;
{LINES}
-- migrate:down transaction:false
begin;
drop table a;
commit;
""",
    "pairs": """
--% 1_a.sql
-- migrate:up
create table a (id int);
-- migrate:down
drop table a;
-- migrate:up
create table b (id int);
-- migrate:down
insert into a values (1); drop table b;
""",
    "pairs_with_and_without_a_transaction": f"""
--% 1_a.sql
-- migrate:up
create table a (id int);
-- migrate:down
drop table a;
-- migrate:up transaction:false
create index concurrently a_id on a (id);
-- migrate:down transaction:false
drop index concurrently a_id;
-- migrate:up
create table b (id int, t text);
copy b from stdin;
{LINES}
-- migrate:down
drop table b;
""",
    "outside_of_transactions": """
--% 1_a.sql
-- migrate:up
create table a (id int, t text);
-- migrate:down
drop table a;
--% 2_b.sql
-- migrate:up transaction:false
insert into a values (1);
create index concurrently a_id on a (id);
create unique index concurrently if not exists a_t on a (t);
vacuum (analyze) a;
reindex index concurrently a_id;
alter table a add n int
-- migrate:down transaction:false
alter table a drop n;
drop index concurrently a_id;
drop index concurrently a_t
""",
    "blocks": """
--% 1_a.sql
-- migrate:up transaction:false
create table a (id int primary key);
begin isolation level serializable; -- one
insert into a values (1);
savepoint s; insert into a values (2);
rollback to s;
commit;
select 1;
start transaction;
insert into a values (3);
end;
-- migrate:down transaction:false
begin; delete from a; commit; drop table a;
""",
    "what_commits_by_itself": """
--% 1_a.sql
-- migrate:up transaction:false
create table a (id int);
do $$ begin for i in 1..3 loop insert into a values (i); commit; end loop; end $$;
create procedure p() language plpgsql as $$ begin insert into a values (9); commit; end $$;
call p();
-- migrate:down transaction:false
drop procedure p; do $$ begin delete from a; commit; end $$;
drop table a;
""",
    "roles_and_search_path": """
--% 1_a.sql
-- migrate:up
create schema s; grant all on schema s to pg_monitor;
set role pg_monitor; set search_path = s;
create table a (id int);
-- migrate:down
set search_path = s; drop table a; drop schema s;
--% 2_b.sql
-- migrate:up
set session authorization pg_monitor; create table s.b (id int);
-- migrate:down
drop table s.b;
--% 3_c.sql
-- migrate:up transaction:false
set search_path = s, public;
set role pg_monitor;
create table c (id int);
create index concurrently c_id on c (id);
reset role;
create table d (id int);
-- migrate:down transaction:false
set search_path = s;
drop index concurrently c_id; drop table c, d;
--% 4_d.sql
-- migrate:up
create table e (id int);
-- migrate:down
drop table e;
""",
    "a_redundant_transaction": """
--% 1_a.sql
-- migrate:up
BEGIN;
create table a (id int);
COMMIT;
-- migrate:down
drop table a;
END;
""",
    "deferred_constraints_and_temporary_tables": """
--% 1_a.sql
-- migrate:up
create table a (id int unique deferrable initially deferred);
insert into a values (1), (1); update a set id = 2 where ctid = (select max(ctid) from a);
create temp table x (id int);
-- migrate:down
drop table a;
--% 2_b.sql
-- migrate:up
create temp table x (id int); insert into a values (5);
-- migrate:down
""",
    "a_session_that_is_thrown_away": """
--% 1_a.sql
-- migrate:up transaction:false
create table a (id int);
discard all;
insert into a values (1);
select pg_advisory_unlock_all();
insert into a values (2);
-- migrate:down
drop table a;
--% 2_b.sql
-- migrate:up
create table b (id int);
-- migrate:down
drop table b;
""",
}
PROJECTS["carriage_returns"] = PROJECTS["copy_data"].replace("\n", "\r\n").replace(".sql\r", ".sql")


def files_of(text: str) -> dict[str, str]:
    """The files of a text of `PROJECTS`."""
    parts = [part.split("\n", 1) for part in text.split("--% ")[1:]]
    return {name: content.removesuffix("\n").removesuffix("\r") for name, content in parts}


class Twins:
    """Two databases for one project: `migrated` by the commands, `scripted` by psql from what dry runs print."""

    def __init__(self, migrated_url: str, scripted_url: str, migrations: Path, *, parameters: str = "") -> None:
        self.scripted_url = scripted_url
        self.migrated_url = migrated_url
        options = Options(directories=(str(migrations),))
        self.migrated = Migrator(migrated_url + parameters, options)
        self.scripted = Migrator(scripted_url + parameters, options)

    def run_script(self, script: str, *, table: str = "public.schema_migrations", **env: str):
        """Run a script with psql, which has to leave what the command left; a second time it has to refuse."""
        first = psql(self.scripted_url, script, **env)
        assert (first.exit_code, first.stderr.count("ERROR")) == (0, 0), first.stderr
        after = fingerprint(self.scripted_url, table=table)
        assert after == fingerprint(self.migrated_url, table=table)
        second = psql(self.scripted_url, script, **env)
        assert (second.exit_code, second.stderr.count("ERROR")) == (3, 1), second.stderr
        assert fingerprint(self.scripted_url, table=table) == after
        return after


@pytest.fixture
def twins(database_url, twin_database_url, project):
    return Twins(database_url, twin_database_url, project.migrations)


@pytest.mark.parametrize("name", PROJECTS)
def test_the_script_leaves_what_the_command_leaves(twins, project, name):
    files = files_of(PROJECTS[name])
    for file, text in files.items():
        project.write(file, text)

    twins.migrated.up()
    applied = twins.run_script("".join(twins.scripted.script_up()))
    twins.migrated.rollback(ALL)
    undone = twins.run_script("".join(twins.scripted.script_rollback(ALL)))

    assert len(applied.versions) == len(files)
    assert undone.versions == ()


@pytest.mark.parametrize(
    ("name", "rows"),
    [("much_copy_data_without_a_transaction", 2000), ("pairs_with_and_without_a_transaction", 1000)],
)
def test_data_of_copy_arrives_whole(twins, project, name, rows):
    """A large file is read as a stream; its data must not be passed over before it is sent."""
    for file, text in files_of(PROJECTS[name]).items():
        project.write(file, text)

    twins.migrated.up()

    assert sum(map(len, fingerprint(twins.migrated_url).rows.values())) == rows


@pytest.mark.parametrize("name", ["psql_words", "carriage_returns", "copy_data"])
def test_every_psql_of_this_machine_reads_the_script(twins, make_database, project, name):
    for file, text in files_of(PROJECTS[name]).items():
        project.write(file, text)
    twins.migrated.up()
    script = "".join(twins.scripted.script_up())

    for path in programs("psql"):
        url = make_database()
        done = psql(url, script, path=path)

        assert done.exit_code == 0, done.stderr
        assert fingerprint(url) == fingerprint(twins.migrated_url)


def test_a_missing_database_is_made_by_the_script_alone(run, server, project, query):
    project.migration("1_a", up="create table here (id int);")
    name = 'dbmigrate_dry "run" makes'
    url = server.url(name)

    done = run("up", "--dry-run", env={"DATABASE_URL": url})

    assert done.exit_code == 0, done.stderr
    assert "does not exist: it is created first" in done.stderr
    assert query(server.url("postgres"), "select 1 from pg_database where datname = %s", [name]) == []

    try:
        ran = psql(server.url("postgres"), done.stdout)

        assert ran.exit_code == 0, ran.stderr
        assert query(url, "select version from schema_migrations") == [("1",)]
        assert query(url, "select count(*) from here") == [(0,)]
    finally:
        run("drop", env={"DATABASE_URL": url})


def test_a_missing_database_is_an_error_for_migrate(run, server, project):
    project.migration("1_a", up="select 1;")

    done = run("migrate", "--dry-run", env={"DATABASE_URL": server.url("dbmigrate_dry_run_makes_none")})

    assert (done.exit_code, done.stdout) == (3, "")


def test_settings_of_the_url_hold_in_the_script(database_url, twin_database_url, project):
    """psql refuses them in a URL."""
    parameters = "&search_path=app%2C%20public&lock_timeout=3s&my.own=it's"
    twins = Twins(database_url, twin_database_url, project.migrations, parameters=parameters)
    names = ("search_path", "lock_timeout", "my.own")
    settings = ", ".join(f"current_setting('{name}') as \"{name}\"" for name in names)
    project.migration("1_a", up=f"create table here as select {settings};", down="drop table here;")
    project.migration("2_b", up_options="transaction:false", up=f"create table there as select {settings};")

    twins.migrated.up()
    left = twins.run_script("".join(twins.scripted.script_up()), table="app.schema_migrations")

    assert left.rows == {"app.here": ('("app, public",3s,it\'s)',), "app.there": ('("app, public",3s,it\'s)',)}


def test_psqls_own_encoding_does_not_matter(twins, project):
    project.migration("1_a", up="create table a (t text); insert into a values ('€ ✓');")
    project.migration("2_b", up="insert into a values ('ж');", up_options="transaction:false")

    twins.migrated.up()
    left = twins.run_script("".join(twins.scripted.script_up()), PGCLIENTENCODING="LATIN1")

    assert left.rows["public.a"] == ('("€ ✓")', "(ж)")


def test_names_cannot_break_out_of_a_comment(make_database, project):
    urls = [make_database(f"dbmigrate_dry_run_{number}\n\\echo hacked\n-- ä") for number in (1, 2)]
    twins = Twins(*urls, project.migrations)
    project.migration("1_a\n\\echo hacked\n--", up="create table a (id int);")
    project.migration("2_b\rselect 1;", up="create table b (id int);", up_options="transaction:false")

    twins.migrated.up()
    script = "".join(twins.scripted.script_up())
    done = psql(twins.scripted_url, script)

    assert done.exit_code == 0, done.stderr
    assert "hacked" not in done.stdout
    assert fingerprint(urls[0]) == fingerprint(urls[1])


# ---------------------------------------------------------------------------------------------------- the command line


@pytest.fixture
def three(project):
    """Three migrations that can be undone."""
    project.migration("1_a", up="create table a (id int);", down="drop table a;")
    project.migration("2_b", up="create table b (id int);", down="drop table b;")
    project.migration("3_c", up="create table c (id int);", down="drop table c;")
    return project


@pytest.mark.parametrize("arguments", [["--steps", "2"], ["--to", "1"], ["--all"], []])
def test_a_rollbacks_script_goes_as_far_as_the_rollback(run, twins, three, arguments):
    twins.migrated.up()
    twins.scripted.up()

    script = run("rollback", *arguments, "--dry-run", env={"DATABASE_URL": twins.scripted_url})
    assert script.exit_code == 0, script.stderr
    run("rollback", *arguments, "--no-dump-schema", env={"DATABASE_URL": twins.migrated_url})

    twins.run_script(script.stdout)


@pytest.mark.parametrize("arguments", [["--steps", "2"], ["--to", "2"]])
def test_a_script_of_up_goes_as_far_as_up(run, twins, three, arguments):
    script = run("up", *arguments, "--dry-run", env={"DATABASE_URL": twins.scripted_url})
    run("up", *arguments, "--no-dump-schema", env={"DATABASE_URL": twins.migrated_url})

    left = twins.run_script(script.stdout)

    assert left.versions == ("1", "2")


def test_only_the_script_is_on_stdout(run, project, database_url):
    project.migration("10_a", up="select 1;")
    project.migration("9_b", up="begin; select 2; commit;")

    done = run("migrate", "--dry-run", "--verbose", env={"DATABASE_URL": database_url})

    assert done.stdout.startswith("-- dbmigrate ")
    assert "W201" in done.stderr
    assert "W302" in done.stderr
    assert "2 pending" in done.stderr
    assert "Applied" not in done.stdout + done.stderr
    assert psql(database_url, done.stdout).exit_code == 0


def test_a_script_of_nothing_does_nothing(run, three, database_url):
    env = {"DATABASE_URL": database_url}
    run("up", env=env)
    before = fingerprint(database_url)

    done = run("up", "--dry-run", env=env)

    assert done.exit_code == 0
    assert [line for line in done.stdout.splitlines() if not line.startswith("--")] == []
    assert psql(database_url, done.stdout).exit_code == 0
    assert fingerprint(database_url) == before


def test_a_bad_file_gives_no_script(run, three, database_url):
    three.migration("4_d", up="vacuum;")

    done = run("up", "--dry-run", env={"DATABASE_URL": database_url})

    assert (done.exit_code, done.stdout) == (2, "")
    assert "4_d.sql:2:1" in done.stderr


def test_a_reader_that_goes_away_is_no_traceback(start, project, database_url):
    project.migration("1_a", up=f"select '{'x' * 1_000_000}';")

    process = start("up", "--dry-run", env={"DATABASE_URL": database_url})
    process.stdout.read(10)
    process.stdout.close()

    assert "Traceback" not in process.stderr.read()
    assert process.wait() != 0


def test_the_script_is_utf_8_whatever_the_terminal_is(run, twins, project):
    project.migration("1_a", up="create table a as select '€'::text as euro;")
    env = {"DATABASE_URL": twins.scripted_url, "PYTHONIOENCODING": "latin-1"}

    script = run("up", "--dry-run", env=env)
    twins.migrated.up()

    assert "'€'" in script.stdout
    assert twins.run_script(script.stdout).rows == {"public.a": ("(€)",)}


def test_a_role_in_the_url_owns_what_the_script_makes(database_url, twin_database_url, project, query):
    for url in (database_url, twin_database_url):
        query(url, "grant create, usage on schema public to pg_monitor")
    project.migration("1_a", up="create table a (id int);", down="drop table a;")
    project.migration("2_b", up="create table b (id int);\nvacuum b;", up_options="transaction:false")
    twins = Twins(database_url, twin_database_url, project.migrations, parameters="&role=pg_monitor")

    twins.migrated.up()
    left = twins.run_script("".join(twins.scripted.script_up()))

    assert "ALTER TABLE public.schema_migrations OWNER TO pg_monitor" in left.schema
    assert "ALTER TABLE public.b OWNER TO pg_monitor" in left.schema


def test_limits_that_were_asked_for_are_in_the_script(run, project, database_url):
    project.migration("1_a", up="select 1;")
    project.migration("2_b", up="select 2;", up_options="transaction:false")

    arguments = ("--lock-timeout", "3s", "--timeout", "5m")
    script = run("up", "--dry-run", *arguments, env={"DATABASE_URL": database_url}).stdout

    assert script.count("SET LOCAL lock_timeout = 3000;") == 2
    assert script.count("SET lock_timeout = 0;") >= 1
    assert script.count("SET LOCAL statement_timeout = 300000;") == 2
    assert script.count("SET statement_timeout = 300000;") == 1


# ------------------------------------------------------------------------------------------- a dry run changes nothing


def test_nothing_is_written(run, three, database_url):
    env = {"DATABASE_URL": database_url}
    run("up", "--steps", "1", env=env)
    before = fingerprint(database_url)
    three.schema_file.write_text("mine")

    for command in ("up", "migrate", "rollback"):
        done = run(command, "--dry-run", env=env)
        assert done.exit_code == 0, done.stderr

    assert fingerprint(database_url) == before
    assert three.schema_file.read_text() == "mine"
    assert sorted(path.name for path in three.schema_file.parent.iterdir()) == ["migrations", "schema.sql"]


def test_no_table_is_made(run, three, database_url):
    before = fingerprint(database_url)

    done = run("up", "--dry-run", env={"DATABASE_URL": database_url})

    assert 'create table if not exists "public"."schema_migrations"' in done.stdout
    assert fingerprint(database_url) == before
    assert not three.schema_file.exists()


def test_a_script_can_be_had_while_another_run_is_at_work(run, three, database_url, twin_database_url):
    with psycopg.connect(database_url, autocommit=True) as other:
        key = run_lock.key_for("public.schema_migrations")
        other.execute(f"select pg_advisory_lock({key.sql})".encode())

        done = run("up", "--dry-run", env={"DATABASE_URL": database_url})
        refused = psql(database_url, done.stdout)

    assert done.exit_code == 0, done.stderr
    assert refused.exit_code == 3
    assert "another run holds the migration lock" in refused.stderr
    assert fingerprint(database_url).schema == fingerprint(twin_database_url).schema
