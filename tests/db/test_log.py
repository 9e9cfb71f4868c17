"""The log table: its states and directions, its details, and logs that dbmigrate 0.1 made."""

import json
from secrets import token_hex

import pytest

from tests.support import faults

FALSE = "transaction:false"

# as version 0.1.0 makes it: without the column details
FIRST_LOG = """
create table schema_migrations (version varchar primary key);
create table schema_migrations_log (
    event_id bigint primary key, run_id uuid not null, version varchar not null, file varchar,
    direction varchar not null, step integer, in_transaction boolean not null, state varchar not null,
    checksum varchar, token_checksum varchar, up_sql text, down_sql text, started_at timestamptz not null,
    finished_at timestamptz, duration_ms double precision, error text, sqlstate varchar, db_role varchar not null,
    os_user varchar, tool_version varchar, git_commit varchar, git_dirty boolean, reason text);
"""
ENTRY = """
insert into schema_migrations_log (event_id, run_id, version, file, direction, step, in_transaction, state, checksum,
    up_sql, started_at, db_role, tool_version)
values ({}, '00000000-0000-0000-0000-000000000001', '1', '1_a.sql', '{}', {}, {}, '{}', {}, {}, now(), 'app',
    'dbmigrate 0.1.0');
"""


def entry(number, *, direction="up", step="null", in_transaction="true", state="done", checksum="null", up_sql="null"):
    return ENTRY.format(number, direction, step, in_transaction, state, checksum, up_sql)


@pytest.fixture
def dbmigrate(run, database_url):
    return lambda *arguments: run(*arguments, env={"DATABASE_URL": database_url})


@pytest.fixture
def first_log(database_url, query):
    """A database with one migration that version 0.1.0 applied."""
    query(database_url, FIRST_LOG + "insert into schema_migrations values ('1');" + entry(1))


def entries(dbmigrate):
    done = dbmigrate("history", "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)["entries"]


def columns(query, url):
    return [
        name
        for (name,) in query(
            url,
            "select attname::text from pg_attribute where attrelid = 'schema_migrations_log'::regclass"
            " and attnum > 0 and not attisdropped order by attnum",
        )
    ]


# ------------------------------------------------------------------------------------------------------ version 0.1.0


@pytest.mark.usefixtures("first_log")
def test_the_log_of_the_first_version_is_read_as_it_is(dbmigrate, project, database_url, query):
    project.migration("1_a", up="create table a ();")

    shown = dbmigrate("history")

    assert shown.exit_code == 0, shown.stderr
    assert "up       done    1_a.sql by ? as app" in shown.stdout
    assert [(each["version"], each["details"]) for each in entries(dbmigrate)] == [("1", None)]
    assert "[X] 1_a.sql" in dbmigrate("status").stdout
    assert "details" not in columns(query, database_url)


@pytest.mark.usefixtures("first_log")
def test_the_next_run_extends_the_log_of_the_first_version(dbmigrate, project, database_url, query):
    project.migration("1_a", up="create table a ();")
    project.migration("2_b", up="create table b ();\ncreate index concurrently b_i on b ((1));", up_options=FALSE)

    done = dbmigrate("up")

    assert done.exit_code == 0, done.stderr
    assert columns(query, database_url)[-1] == "details"
    assert faults.versions(database_url) == ["1", "2"]
    details = {each["step"]: each["details"] for each in entries(dbmigrate) if each["version"] == "2"}
    assert details[2] == {"before": []}
    assert details[1] is None


def test_a_migration_that_the_first_version_left_unfinished_is_resumed(dbmigrate, project, database_url, query):
    """Nothing says which indexes were there before the step: its name and definition decide."""
    project.migration("1_a", up="create table a (n int);\ncreate index concurrently a_n on a (n);", up_options=FALSE)
    first, second = "create table a (n int);", "create index concurrently a_n on a (n);"
    digest = "encode(sha256('{}'), 'hex')".format
    query(
        database_url,
        f"{FIRST_LOG} {first}"
        + entry(1, in_transaction="false", state="started")
        + entry(2, step="1", checksum=digest(first), up_sql=f"'{first}'")
        + entry(3, step="2", in_transaction="false", state="started", checksum=digest(second), up_sql=f"'{second}'"),
    )

    done = dbmigrate("resume")

    assert done.exit_code == 0, done.stderr
    assert query(database_url, "select indisvalid from pg_index where indexrelid = 'a_n'::regclass") == [(True,)]
    assert faults.versions(database_url) == ["1"]
    assert columns(query, database_url)[-1] == "details"


@pytest.fixture
def role(server, database_url, query):
    """A role that may write to the tracking tables of `first_log`, and owns neither of them."""
    if not server.is_ours:
        pytest.skip("needs a server that any role may log in to")
    name = f"dbmigrate_role_{token_hex(4)}"
    query(database_url, f"create role {name} login; grant all on schema public to {name}")
    query(
        database_url,
        f"grant select, insert, update, delete on schema_migrations, schema_migrations_log to {name}",
    )
    yield name
    query(database_url, f"drop owned by {name} cascade; drop role {name}")


@pytest.mark.usefixtures("first_log")
def test_a_role_that_cannot_extend_the_log_is_shown_the_command(run, project, database_url, role):
    project.migration("1_a", up="create table a ();")
    project.migration("2_b", up="create table b ();")

    done = run("up", env={"DATABASE_URL": database_url.replace("postgres://postgres@", f"postgres://{role}@")})

    assert done.exit_code == 4, done.stderr
    assert "error[E402]: the tracking tables cannot be extended: must be owner of table" in done.stderr
    assert 'missing: alter table "public"."schema_migrations_log" add column if not exists details jsonb;' in done.stderr
    assert "hint: let the owner of public.schema_migrations_log run `dbmigrate up`" in done.stderr
    assert faults.versions(database_url) == ["1"]


# ---------------------------------------------------------------------------------------------- states and directions


@pytest.fixture
def log(dbmigrate, project, database_url, query):
    """Adds an entry to the log of a database where 1_a.sql is applied."""
    project.migration("1_a", up="create table a ();")
    assert dbmigrate("up").exit_code == 0

    def add(direction, state="done", details="null", *, version="2", in_transaction="true"):
        query(
            database_url,
            "insert into schema_migrations_log (event_id, run_id, version, file, direction, in_transaction, state,"
            " checksum, started_at, db_role, details) select max(event_id) + 1, gen_random_uuid(),"
            f" '{version}', '{version}_b.sql', '{direction}', {in_transaction}, '{state}', 'x', now(), 'app', {details}"
            " from schema_migrations_log",
        )

    return add


@pytest.mark.parametrize("direction", ["adopt", "repeatable"])
def test_history_shows_every_direction_and_its_details(dbmigrate, log, direction):
    log(direction, details="""'{"origin": "flyway", "rank": 7}'""")

    lines = dbmigrate("history").stdout.splitlines()

    assert f"{direction:<8} " in lines[0]
    assert "done" in lines[0]
    assert "2_b.sql" in lines[0]
    assert lines[1] == "    details: rank 7, origin flyway"
    newest = entries(dbmigrate)[0]
    assert (newest["kind"], newest["state"]) == (direction, "done")
    assert newest["details"] == {"origin": "flyway", "rank": 7}


def test_the_columns_of_history_are_as_wide_as_the_longest_word(dbmigrate, log):
    log("repeatable")
    log("up", "deferred", in_transaction="false")

    lines = dbmigrate("history").stdout.splitlines()

    assert len({line.index(" by ") - len(name) for line, name in zip(lines, ["2_b.sql", "2_b.sql"], strict=False)}) == 1
    assert {line.index(name) for line, name in zip(lines, ["2_b.sql", "2_b.sql", "1_a.sql"], strict=True)} == {
        lines[0].index("2_b.sql")
    }


def test_the_ids_of_objects_are_in_the_json_alone(dbmigrate, log):
    log("up", details="""'{"before": ["16384"]}'""")

    assert "16384" not in dbmigrate("history").stdout
    assert entries(dbmigrate)[0]["details"] == {"before": ["16384"]}


def test_a_deferred_migration_is_neither_applied_nor_unfinished(dbmigrate, log, project):
    log("up", "deferred", details="""'{"rows": 12}'""", in_transaction="false")
    project.migration("3_c", up="create table c ();")

    assert entries(dbmigrate)[0]["state"] == "deferred"
    assert "deferred 2_b.sql" in dbmigrate("history").stdout
    assert "2_b.sql" not in dbmigrate("history", "--failed").stdout
    done = dbmigrate("up")
    assert done.exit_code == 0, done.stderr


def test_a_failed_repeatable_does_not_leave_a_migration_unfinished(dbmigrate, log, project):
    log("repeatable", "failed", in_transaction="false")
    project.migration("3_c", up="create table c ();")

    done = dbmigrate("up")

    assert done.exit_code == 0, done.stderr
    assert "2_b.sql" in dbmigrate("history", "--failed").stdout


def test_an_adopted_version_is_compared_with_its_file(dbmigrate, log, project, database_url, query):
    project.migration("2_b", up="create table b ();")
    query(database_url, "insert into schema_migrations values ('2')")
    log("adopt", details="""'{"origin": "flyway"}'""")

    done = dbmigrate("verify")

    assert done.exit_code == 1
    assert "2_b.sql" in done.stdout + done.stderr
