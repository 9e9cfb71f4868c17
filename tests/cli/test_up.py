"""`up` and `migrate`: what is applied, what is recorded, what is said, and what a failure leaves."""

from __future__ import annotations

from secrets import token_hex

import pytest

USERS = "create table users (id bigint primary key, email text not null);"


@pytest.fixture
def up(run, database_url):
    def run_up(*arguments, env=None):
        return run("up", *arguments, env={"DATABASE_URL": database_url, **(env or {})})

    return run_up


def versions(query, url):
    return [row[0] for row in query(url, "select version from public.schema_migrations order by version")]


def tables(query, url):
    return [
        row[0]
        for row in query(url, "select tablename::text from pg_tables where schemaname = 'public' order by tablename")
    ]


def test_pending_migrations_are_applied_in_file_name_order(up, project, database_url, query):
    project.migration("2_b", up="insert into users values (1, 'a@b');", down="delete from users;")
    project.migration("1_a", up=USERS, down="drop table users;")

    done = up()

    assert done.exit_code == 0, done.stderr
    assert [line.split(" in ")[0] for line in done.stdout.splitlines()] == ["Applied: 1_a.sql", "Applied: 2_b.sql"]
    assert versions(query, database_url) == ["1", "2"]
    assert query(database_url, "select * from users") == [(1, "a@b")]


def test_a_second_up_has_nothing_to_do(up, project, database_url, query):
    project.migration("1_a", up=USERS)
    up()

    again = up()

    assert again.exit_code == 0
    assert again.stdout == ""
    assert "Nothing to do" in again.stderr
    assert versions(query, database_url) == ["1"]


def test_a_missing_database_is_created(run, make_database, server, project, query):
    project.migration("1_a", up=USERS)
    url = server.url("dbmigrate_up_creates")

    try:
        done = run("up", env={"DATABASE_URL": url})

        assert done.exit_code == 0, done.stderr
        assert "Creating: dbmigrate_up_creates" in done.stderr
        assert versions(query, url) == ["1"]
    finally:
        run("drop", env={"DATABASE_URL": url})


def test_a_bad_file_keeps_the_database_from_being_created(run, server, project, query):
    project.write("1_a.sql", "create table users (id int);")
    url = server.url("dbmigrate_never_created")

    done = run("up", env={"DATABASE_URL": url})

    assert done.exit_code == 2
    assert "1_a.sql:1:1" in done.stderr
    assert query(server.url("postgres"), "select 1 from pg_database where datname = 'dbmigrate_never_created'") == []


def test_a_failing_migration_is_rolled_back_and_those_before_it_stay(up, project, database_url, query):
    project.migration("1_a", up=USERS)
    project.migration("2_b", up="create table half (id int);\n\nselect nothing_here from users;")
    project.migration("3_c", up="create table never (id int);")

    done = up()

    assert done.exit_code == 4
    assert versions(query, database_url) == ["1"]
    assert tables(query, database_url) == ["schema_migrations", "schema_migrations_log", "users"]
    assert "Applied: 1_a.sql" in done.stdout
    assert "2_b" not in done.stdout
    assert "2_b.sql:4:8" in done.stderr
    assert 'column "nothing_here" does not exist (42703)' in done.stderr
    assert "state: rolled back; nothing of 2_b.sql was applied" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_failure_without_a_position_still_names_its_statement(up, project):
    project.migration("1_a", up=f"{USERS}\ninsert into users values (1, 'a');\n\n  insert into users values (1, 'b');")

    done = up()

    assert done.exit_code == 4
    assert "1_a.sql:5:3" in done.stderr
    assert "DETAIL: Key (id)=(1) already exists." in done.stderr


def test_the_caret_stands_below_the_only_place_of_the_name_in_the_message(up, project):
    project.migration("1_a", up=f"{USERS}\ncreate index users_mail on users (emial);")

    done = up()

    assert "1_a.sql:3:35" in done.stderr
    lines = done.stderr.splitlines()
    caret = next(line for line in lines if line.strip().startswith("|"))
    source = lines[lines.index(caret) - 1]
    assert source[caret.index("^") : caret.rindex("^") + 1] == "emial"


def test_all_files_are_checked_before_the_first_one_runs(up, project, database_url, query):
    project.migration("1_a", up=USERS)
    project.write("2_b.sql", "-- migrate:up\nselect 'open;\n-- migrate:down\n")

    done = up()

    assert done.exit_code == 2
    assert "2_b.sql:2:8" in done.stderr
    assert tables(query, database_url) == []


def test_up_to_a_version_applies_it_and_what_comes_before(up, project, database_url, query):
    for number in (1, 2, 3):
        project.migration(f"{number}_x", up=f"create table t{number} ();")

    assert up("--to", "2").exit_code == 0

    assert versions(query, database_url) == ["1", "2"]


def test_up_with_steps_applies_that_many(up, project, database_url, query):
    for number in (1, 2, 3):
        project.migration(f"{number}_x", up=f"create table t{number} ();")

    assert up("--steps", "1").exit_code == 0

    assert versions(query, database_url) == ["1"]


def test_an_unknown_version_is_an_error_and_nothing_runs(up, project, database_url, query):
    project.migration("1_x", up="create table t ();")

    done = up("--to", "7")

    assert done.exit_code == 2
    assert "E232" in done.stderr
    assert tables(query, database_url) == []


def test_session_state_of_a_file_does_not_reach_the_next_one(up, project, database_url, query):
    project.migration(
        "1_a",
        up="create schema other; set search_path = other; set statement_timeout = '20ms'; set role pg_monitor;",
    )
    project.migration("2_b", up="select pg_sleep(0.05); create table here (id int);")

    done = up()

    assert done.exit_code == 0, done.stderr
    assert query(database_url, "select schemaname::text from pg_tables where tablename = 'here'") == [("public",)]


@pytest.mark.parametrize(
    "statement",
    [
        "set role pg_monitor;",
        "set session authorization pg_monitor;",
        "select pg_catalog.set_config('search_path', '', false);",
        "reset all;",
        "set local lock_timeout = '1s';",
        "set default_transaction_read_only = on;",
        "set statement_timeout = '20ms';",
    ],
)
def test_a_record_is_written_whatever_the_file_did_to_the_session(up, project, database_url, query, statement):
    project.migration("1_a", up=f"create table public.t (id int);\n{statement}")

    done = up()

    assert done.exit_code == 0, done.stderr
    assert versions(query, database_url) == ["1"]


def test_a_deferred_constraint_that_fails_at_the_end_is_reported_and_rolled_back(up, project, database_url, query):
    project.migration(
        "1_a",
        up="create table p (id int primary key);"
        "create table c (p int references p deferrable initially deferred);"
        "insert into c values (7);",
    )

    done = up()

    assert done.exit_code == 4
    assert "23503" in done.stderr
    assert "Applied" not in done.stdout
    assert versions(query, database_url) == []


def test_a_transaction_that_the_file_leaves_behind_our_back_is_rolled_back(up, project, database_url, query):
    # a procedure cannot commit inside our transaction, so the only way out is one that the server refuses
    project.migration(
        "1_a",
        up="create procedure p() language plpgsql as $$ begin commit; end $$;\ncreate table t (id int);\ncall p();",
    )

    done = up()

    assert done.exit_code == 4
    assert "2D000" in done.stderr
    assert "transaction:false" in done.stderr
    assert versions(query, database_url) == []
    assert "t" not in tables(query, database_url)


def test_notices_are_shown_as_they_come(up, project):
    project.migration("1_a", up="do $$ begin raise notice 'half way: %', 50; end $$;")

    done = up()

    assert "NOTICE: half way: 50" in done.stderr


def test_copy_data_is_loaded(up, project, database_url, query):
    project.migration(
        "1_a",
        up="create table t (id int, note text);\ncopy t from stdin;\n1\tone; two\n2\t100% \\\\ 'x'\n\\.\n"
        "insert into t values (3, 'after');",
    )

    done = up()

    assert done.exit_code == 0, done.stderr
    assert query(database_url, "select * from t order by id") == [(1, "one; two"), (2, "100% \\ 'x'"), (3, "after")]


def test_an_error_in_copy_data_is_an_error_of_the_migration(up, project, database_url, query):
    project.migration("1_a", up="create table t (id int);\ncopy t from stdin;\n1\nx\n\\.\ninsert into t values (3);")

    done = up()

    assert done.exit_code == 4
    assert "22P02" in done.stderr
    assert "COPY t, line 2, column id" in done.stderr
    assert versions(query, database_url) == []


def test_percent_signs_and_colons_and_dollars_are_never_parameters(up, project, database_url, query):
    text = "100% %s %(x)s :name :'q' $1 ${HOME} {braces}"
    project.migration("1_a", up=f"create table t (v text);\ninsert into t values ($q${text}$q$), ('{{}}');")

    assert up().exit_code == 0

    assert query(database_url, "select v from t limit 1") == [(text,)]


def test_several_pairs_run_in_order_and_are_one_record(up, run, project, database_url, query):
    project.write(
        "1_pairs.sql",
        "-- migrate:up\ncreate table a (id int);\n-- migrate:down\ndrop table a;\n"
        "-- migrate:up\ncreate table b (id int);\n-- migrate:down\ndrop table b;\n",
    )

    assert up().exit_code == 0
    assert versions(query, database_url) == ["1"]
    assert run("rollback", env={"DATABASE_URL": database_url}).exit_code == 0

    assert versions(query, database_url) == []
    assert "a" not in tables(query, database_url)


def test_a_pair_that_fails_takes_the_whole_file_back(up, project, database_url, query):
    project.write(
        "1_pairs.sql",
        "-- migrate:up\ncreate table a (id int);\n-- migrate:down\ndrop table a;\n"
        "-- migrate:up\nselect 1/0;\n-- migrate:down\n",
    )

    done = up()

    assert done.exit_code == 4
    assert "1_pairs.sql:6:1" in done.stderr
    assert "a" not in tables(query, database_url)


def test_the_url_may_set_the_lock_timeout_and_the_search_path(up, run, project, database_url, query):
    query(database_url, "create schema app")
    separator = "&" if "?" in database_url else "?"
    url = f"{database_url}{separator}search_path=app,public&lock_timeout=3s"
    project.migration("1_a", up="create table here as select current_setting('lock_timeout') as lock_timeout;")

    done = run("up", env={"DATABASE_URL": url})

    assert done.exit_code == 0, done.stderr
    assert query(database_url, "select lock_timeout from app.here") == [("3s",)]
    assert query(database_url, "select version from app.schema_migrations") == [("1",)]


def test_a_table_in_a_schema_of_its_own_is_made_with_its_schema(run, project, database_url, query):
    project.migration("1_a", up="select 1;")

    done = run("up", "--migrations-table", "My Schema.my$table", env={"DATABASE_URL": database_url})

    assert done.exit_code == 0, done.stderr
    assert query(database_url, 'select version from "My Schema"."my$table"') == [("1",)]


def test_options_stand_before_or_after_the_command(run, project, database_url):
    project.migration("1_a", up="select 1;")

    assert run("--url", database_url, "up").exit_code == 0
    assert "[X] 1_a.sql" in run("status", "--url", database_url).stdout
    assert "[X] 1_a.sql" in run("-u", database_url, "-d", "./db/migrations", "status").stdout


def test_a_flag_wins_over_the_environment_on_either_side_of_the_command(run, project, database_url, twin_database_url):
    project.migration("1_a", up="select 1;")
    run("up", env={"DATABASE_URL": database_url})

    for arguments in (["--url", database_url, "status"], ["status", "--url", database_url]):
        assert "Applied: 1" in run(*arguments, env={"DATABASE_URL": twin_database_url}).stdout


def test_no_migration_files_is_an_error_that_creates_nothing(run, project, server, query):
    done = run("up", env={"DATABASE_URL": server.url("dbmigrate_no_files")})

    assert done.exit_code == 2
    assert "no migration files found" in done.stderr
    assert query(server.url("postgres"), "select 1 from pg_database where datname = 'dbmigrate_no_files'") == []


def test_the_same_version_twice_is_refused_before_anything_runs(up, project, database_url, query):
    project.migration("1_a", up=USERS)
    project.migration("1_b", up="select 1;")

    done = up()

    assert done.exit_code == 2
    assert "1_a.sql" in done.stderr
    assert "1_b.sql" in done.stderr
    assert tables(query, database_url) == []


@pytest.mark.parametrize("words", [("up", "--verbose"), ("up", "-v"), ("--verbose", "up")], ids=" ".join)
def test_rows_affected_are_shown_when_asked_for(command, project, words):
    project.migration("1_a", up="create table t (id int); insert into t values (1), (2);")

    done = command(*words)

    assert "Rows affected: 2" in done.stdout


def test_the_log_tells_who_did_what(up, project, database_url, query):
    path = project.migration("1_a", up=USERS, down="drop table users;")

    up("--reason", "ticket 42")

    rows = query(
        database_url,
        "select version, file, direction, state, in_transaction, up_sql, down_sql, reason, tool_version, checksum,"
        " finished_at >= started_at, duration_ms >= 0 from schema_migrations_log",
    )
    import hashlib

    (row,) = rows
    assert row[:5] == ("1", "1_a.sql", "up", "done", True)
    assert USERS in row[5]
    assert "drop table users;" in row[6]
    assert row[7] == "ticket 42"
    assert row[8].startswith("dbmigrate ")
    assert row[9] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert row[10:] == (True, True)


def test_a_failure_is_logged_outside_the_transaction_that_failed(up, project, database_url, query):
    project.migration("1_a", up="select 1/0;")

    up()

    rows = query(database_url, "select version, state, sqlstate, error from schema_migrations_log")
    assert rows == [("1", "failed", "22012", "division by zero (22012)")]


def test_a_role_that_may_not_make_the_tables_is_told_what_is_missing(up, server, project, database_url, query):
    query(database_url, "create table schema_migrations (version varchar primary key)")
    role = f"dbmigrate_test_{token_hex(4)}"
    query(database_url, f"create role {role} login")
    query(database_url, "revoke create on schema public from public")
    query(database_url, f"grant select, insert, delete on schema_migrations to {role}")
    project.migration("1_a", up="select 1;")
    separator = "&" if "?" in database_url else "?"

    try:
        done = up(env={"DATABASE_URL": f"{database_url}{separator}role={role}"})

        assert done.exit_code == 4
        assert "the tracking tables cannot be made: permission denied for schema public" in done.stderr
        assert 'create table if not exists "public"."schema_migrations_log"' in done.stderr
        assert not project.schema_file.exists()
    finally:
        query(database_url, f"drop owned by {role}")
        query(database_url, f"drop role {role}")
