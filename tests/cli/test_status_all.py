"""`status --all`: every environment side by side, in real databases, whatever is wrong with one of them."""

from __future__ import annotations

import json
import re
import socket
import threading
import time

import psycopg
import pytest

from tests.support.catalog import fingerprint


@pytest.fixture
def three(project):
    for number in (1, 2, 3):
        project.migration(f"{number}_t{number}", up=f"create table t{number} ();", down=f"drop table t{number};")
    return project


@pytest.fixture
def environ(make_database):
    urls = {name: make_database() for name in ("DEV", "STAGING", "PRODUCTION")}
    return {**{f"{name}_DATABASE_URL": url for name, url in urls.items()}, "DBMIGRATE_NO_DUMP_SCHEMA": "true"}


@pytest.fixture
def filled(run, three, environ):
    """All in dev, two in staging, none in production."""
    for words in (("-e", "dev", "up"), ("-e", "staging", "up", "-n", "2")):
        done = run(*words, env=environ)
        assert done.exit_code == 0, done.stderr
    return environ


def without_times(text):
    return re.sub(r" \d{4}-\d\d-\d\d \d\d:\d\d", " TIME", text)


def columns(text):
    """The table as cells, without what depends on the width of the times."""
    table = without_times(text).split("\n\n")[0].splitlines()
    return [re.split(r" {2,}", line.strip()) for line in table]


def test_three_environments_side_by_side(run, filled):
    done = run("status", "--all", env=filled)

    assert done.exit_code == 0, done.stderr
    assert done.stderr == ""
    assert columns(done.stdout) == [
        ["migration", "dev", "staging", "production"],
        ["1_t1", "✓ TIME", "✓ TIME", "· pending"],
        ["2_t2", "✓ TIME", "✓ TIME", "· pending"],
        ["3_t3", "✓ TIME", "· pending", "· pending"],
        ["up to date", "1 pending", "3 pending"],
    ]


def test_nothing_is_written_and_no_lock_is_waited_for(run, filled):
    before = {name: fingerprint(url) for name, url in filled.items() if name.endswith("_URL")}

    assert run("status", "--all", env=filled).exit_code == 0

    assert {name: fingerprint(url) for name, url in filled.items() if name.endswith("_URL")} == before


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (("-e", "staging", "-e", "dev"), ["staging", "dev"]),
        (("-e", "staging", "--env=PRODUCTION_DATABASE_URL"), ["staging", "production"]),
        (("-e", "dev", "-e", "dev", "-e", "staging"), ["dev", "staging"]),
    ],
    ids=" ".join,
)
def test_some_of_them_in_the_order_they_are_named(run, filled, arguments, names):
    done = run("status", *arguments, env=filled)

    assert columns(done.stdout)[0] == ["migration", *names]
    assert run(*arguments, "status", env=filled).stdout == done.stdout


def test_one_environment_is_the_status_as_ever(run, filled):
    done = run("status", "-e", "staging", env=filled)

    assert done.stdout == "[X] 1_t1.sql\n[X] 2_t2.sql\n[ ] 3_t3.sql\n\nApplied: 2\nPending: 1\n"


def test_other_commands_do_not_guess_which_environment_was_meant(run, filled, query):
    before = query(filled["STAGING_DATABASE_URL"], "select version from schema_migrations")

    assert run("-e", "dev", "up", "-e", "production", "-e", "staging", env=filled).exit_code == 2
    assert query(filled["STAGING_DATABASE_URL"], "select version from schema_migrations") == before


def test_the_order_of_the_columns_can_be_chosen(run, filled, three):
    (three.root / "dbmigrate.toml").write_text('[environments]\norder = ["production", "dev"]\n')

    assert columns(run("status", "--all", env=filled).stdout)[0] == ["migration", "production", "dev", "staging"]


def test_environments_of_env_files_count_and_the_same_database_may_have_two_names(run, filled, three):
    (three.root / ".env").write_text(f"QA_DATABASE_URL='{filled['DEV_DATABASE_URL']}'\n")

    done = run("status", "--all", env=filled)

    assert columns(done.stdout)[0] == ["migration", "dev", "staging", "production", "qa"]
    assert columns(done.stdout)[3] == ["3_t3", "✓ TIME", "· pending", "· pending", "✓ TIME"]


def test_what_is_unreachable_is_shown_and_stops_nobody(run, filled, unused_port, server):
    odd = {
        "A_DATABASE_URL": f"postgres://u:s3cret@127.0.0.1:{unused_port}/x",
        "B_DATABASE_URL": server.url("no_such_database"),
        "C_DATABASE_URL": "postgres://u:s3c ret@h/d",
        "D_DATABASE_URL": "mysql://u:s3cret@h/d",
    }

    done = run("status", "--all", "--exit-code", env={**filled, **odd})

    assert done.exit_code == 1
    assert columns(done.stdout)[0] == ["migration", "dev", "staging", "production", "a", "b", "c", "d"]
    assert columns(done.stdout)[1] == ["1_t1", "✓ TIME", "✓ TIME", "· pending", "?", "?", "?", "?"]
    assert columns(done.stdout)[-1] == ["up to date", "1 pending", "3 pending", *["unreachable"] * 4]
    assert "\na: connection failed: " in done.stdout
    assert '\nb: database "no_such_database" does not exist\n' in done.stdout
    assert "\nc: invalid url from C_DATABASE_URL (environment): it contains a blank\n" in done.stdout
    assert "\nd: unsupported driver: mysql\n" in done.stdout
    assert "s3c" not in done.stdout + done.stderr


@pytest.fixture
def deaf_port():
    """A port that accepts connections and never says a word."""
    listener = socket.create_server(("127.0.0.1", 0))
    yield listener.getsockname()[1]
    listener.close()


def test_silent_servers_are_waited_for_at_the_same_time_and_as_long_as_their_urls_say(run, filled, deaf_port):
    silent = {f"X{n}_DATABASE_URL": f"postgres://u@127.0.0.1:{deaf_port}/x?connect_timeout=2" for n in range(6)}
    started = time.monotonic()

    done = run("status", "--all", env={**filled, **silent})

    assert time.monotonic() - started < 8
    assert columns(done.stdout)[-1] == ["up to date", "1 pending", "3 pending", *["unreachable"] * 6]
    assert re.search(r"^x0: .*timeout", done.stdout, re.MULTILINE)


def test_an_unfinished_an_edited_and_a_missing_one(run, filled, three, query):
    query(filled["STAGING_DATABASE_URL"], "create table dup (a int); insert into dup values (1), (1)")
    three.migration(
        "3_t3",
        up="create table t3 ();\ncreate unique index concurrently dup_a on dup (a);\nanalyze dup;",
        up_options="transaction:false",
        down="drop table t3;",
    )
    assert run("-e", "staging", "up", env=filled).exit_code == 5
    (three.migrations / "1_t1.sql").unlink()

    done = run("status", "--all", env=filled)

    assert columns(done.stdout)[1:] == [
        ["1_t1", "? no file TIME", "? no file TIME"],
        ["2_t2", "✓ TIME", "✓ TIME", "· pending"],
        ["3_t3", "! changed TIME", "✗ stopped 2/3", "· pending"],
        ["1 changed, 1 missing", "1 unfinished, 1 missing", "2 pending"],
    ]
    assert "staging: 3_t3.sql stopped at statement 2 of 3; continue with `dbmigrate -e staging resume`\n" in done.stdout
    assert "dev: 3_t3.sql was changed after it was applied; see `dbmigrate -e dev verify`\n" in done.stdout


def test_a_database_that_only_dbmate_has_touched_has_no_times(run, three, environ, query):
    query(environ["DEV_DATABASE_URL"], "create table schema_migrations (version varchar primary key)")
    query(environ["DEV_DATABASE_URL"], "insert into schema_migrations values ('1'), ('0')")

    done = run("status", "-e", "dev", "-e", "staging", env=environ)

    assert columns(done.stdout)[1:3] == [["0", "? no file"], ["1_t1", "✓", "· pending"]]


def test_a_log_of_an_older_version_is_read(run, filled, query):
    query(filled["DEV_DATABASE_URL"], "alter table schema_migrations_log drop column reason, drop column git_dirty")

    done = run("status", "--all", env=filled)

    assert columns(done.stdout)[1] == ["1_t1", "✓ TIME", "✓ TIME", "· pending"]


def test_a_role_that_may_only_read_is_enough(run, filled, server, query):
    if not server.is_ours:
        pytest.skip("makes a role, which belongs to the whole server")
    url = filled["DEV_DATABASE_URL"]
    tables = "schema_migrations, schema_migrations_log"
    query(url, f"create role fleet_reader login; grant select on {tables} to fleet_reader")
    try:
        reader = psycopg.conninfo.make_conninfo(url, user="fleet_reader")
        done = run("status", "-e", "dev", "-e", "staging", env={**filled, "DEV_DATABASE_URL": reader})
    finally:
        query(url, "drop owned by fleet_reader; drop role fleet_reader")

    assert columns(done.stdout)[-1] == ["up to date", "1 pending"]


def test_a_table_that_somebody_has_locked_does_not_hold_up_the_others_for_ever(runner, filled):
    """The lock is let go of after a while here; the deadline is for those who do not."""
    with psycopg.connect(filled["DEV_DATABASE_URL"]) as conn:
        conn.execute("lock table schema_migrations in access exclusive mode")
        timer = threading.Timer(1.0, conn.rollback)
        timer.start()
        done = runner.run("status", "--all", env=filled)
        timer.join()

    assert columns(done.stdout)[-1] == ["up to date", "1 pending", "3 pending"]


def test_many_migrations_are_folded_unless_all_are_asked_for(run, project, environ):
    for number in range(10, 30):
        project.migration(f"{number}_a_name_that_is_not_short", up="select 1;")
    run("-e", "dev", "up", env=environ)
    run("-e", "staging", "up", "--to", "27", env=environ)

    short = columns(run("status", "-e", "dev", "-e", "staging", env=environ).stdout)
    full = columns(run("status", "-e", "dev", "-e", "staging", "--verbose", env=environ).stdout)

    assert short[1] == ["(17 older)", "✓", "✓"]
    assert [row[0] for row in short[2:5]] == [f"{number}_a_name_that_is_not_short" for number in (27, 28, 29)]
    assert len(full) == 22


def test_markdown(run, filled):
    done = run("status", "--all", "--format", "markdown", env=filled)

    assert without_times(done.stdout).splitlines() == [
        "| migration | dev | staging | production |",
        "| --- | --- | --- | --- |",
        r"| 1\_t1 | ✓ TIME | ✓ TIME | · pending |",
        r"| 2\_t2 | ✓ TIME | ✓ TIME | · pending |",
        r"| 3\_t3 | ✓ TIME | · pending | · pending |",
        "|  | up to date | 1 pending | 3 pending |",
    ]


@pytest.mark.parametrize("words", [("--json",), ("--format", "json")], ids=" ".join)
def test_json(run, filled, words):
    done = run("status", "--all", *words, env=filled)

    answer = json.loads(done.stdout)
    assert (answer["command"], answer["ok"], answer["current"]) == ("status", True, False)
    assert [(each["name"], each["applied"], each["pending"]) for each in answer["environments"]] == [
        ("dev", 3, 0),
        ("staging", 2, 1),
        ("production", 0, 3),
    ]
    assert answer["migrations"][2]["file"] == "3_t3.sql"
    assert {name: cell["state"] for name, cell in answer["migrations"][2]["environments"].items()} == {
        "dev": "applied",
        "staging": "pending",
        "production": "pending",
    }


@pytest.mark.parametrize(
    ("words", "exit_code"),
    [
        (("--all",), 0),
        (("--all", "--exit-code"), 1),
        (("--all", "--quiet"), 1),
        (("-e", "dev", "-e", "DEV_DATABASE_URL", "--exit-code"), 0),
        (("-e", "dev", "-e", "staging", "--exit-code"), 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_the_exit_code(run, filled, words, exit_code):
    done = run("status", *words, env=filled)

    assert done.exit_code == exit_code
    assert bool(done.stdout) is ("--quiet" not in words)


def test_a_mistyped_environment_is_an_error(run, filled):
    done = run("status", "-e", "dev", "-e", "stagin", env=filled)

    assert done.exit_code == 2
    assert "STAGIN_DATABASE_URL is not set" in done.stderr


def test_where_no_environment_is_known_that_is_said(run, three, database_url):
    done = run("status", "--all", env={"DATABASE_URL": database_url})

    assert done.exit_code == 2
    assert "error[E201]: no environment is configured" in done.stderr


# ------------------------------------------------------------------------------------------- the status of one database


def test_files_that_were_edited_are_named_on_stderr(run, three, database_url):
    env = {"DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"}
    run("up", env=env)
    three.migration("1_t1", up="create table t1 (id int);", down="drop table t1;")
    three.migration("2_t2", up="create  table t2 ();  -- layout", down="drop table t2;")
    three.migration("3_t3", up="create table t33 ();", down="drop table t3;")

    done = run("status", "--exit-code", env=env)

    assert done.exit_code == 0
    assert done.stdout == "[X] 1_t1.sql\n[X] 2_t2.sql\n[X] 3_t3.sql\n\nApplied: 3\nPending: 0\n"
    assert "warning[W621]: changed after being applied: 1_t1.sql, 3_t3.sql\n" in done.stderr
    answer = json.loads(run("status", "--json", env=env).stdout)
    assert [row["edited"] for row in answer["migrations"]] == [True, False, True]
