"""What a run costs, in counts that no busy machine changes: connections, round trips, transactions, dumps."""

from __future__ import annotations

import re
import sys

import pytest

from dbmigrate.schema.pgdump import Search, candidates
from tests.conftest import ENVIRON
from tests.support.proxy import TO_CLIENT, TO_SERVER, Proxy

READY = b"Z"
TERMINATE = b"X"


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


def round_trips(messages):
    """A server says that it is ready once after the login, and once after each message that it has answered."""
    return sum(message.direction is TO_CLIENT and message.kind == READY for message in messages)


def connections(messages):
    return len({message.connection for message in messages})


def sent(messages):
    """The SQL texts of a run, of simple and of prepared statements."""
    bodies = (message.body for message in messages if message.direction is TO_SERVER and message.kind in (b"Q", b"P"))
    return [body.strip(b"\0").decode() for body in bodies]


def test_a_small_migration_takes_two_round_trips(migrate, tables):
    tables(1, 1)
    migrate("--no-dump-schema", "up")
    tables(2, 3)
    two = migrate("--no-dump-schema", "up")
    tables(4, 13)

    ten = migrate("--no-dump-schema", "up")

    assert (round_trips(ten) - round_trips(two)) / 8 == 2


def test_undoing_a_small_migration_takes_two_round_trips(migrate, tables):
    tables(1, 14)
    migrate("--no-dump-schema", "up")

    two = migrate("--no-dump-schema", "rollback", "--steps", "2")
    ten = migrate("--no-dump-schema", "rollback", "--steps", "10")

    assert (round_trips(ten) - round_trips(two)) / 8 == 2


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


def test_what_is_asked_does_not_grow_with_what_is_applied(migrate, tables):
    tables(1, 3)
    migrate("--no-dump-schema", "up")
    few = {command: round_trips(migrate("--no-dump-schema", command)) for command in ("status", "up")}
    tables(4, 40)
    migrate("--no-dump-schema", "up")

    many = {command: round_trips(migrate("--no-dump-schema", command)) for command in ("status", "up")}

    assert many == few
    assert max(many.values()) <= 12


def test_a_further_batch_of_a_large_file_is_one_more_round_trip(migrate, project):
    project.migration("1_table", up="create table t (line text);")
    migrate("--no-dump-schema", "up")
    row = f"insert into t values ('{'x' * 1000}');\n"
    project.migration("2_one_batch", up=row * 200)
    one = migrate("--no-dump-schema", "up")
    project.migration("3_four_batches", up=row * 1000)

    four = migrate("--no-dump-schema", "up")

    assert round_trips(four) - round_trips(one) == 3


# --------------------------------------------------------------------------------------------------------- pg_dump


@pytest.fixture
def counted(tmp_path, server):
    """A pg_dump that notes each dump that is asked of it: the variables that choose it, and the notes."""
    real = next((found for found in candidates(Search.from_environ(ENVIRON)) if found.version[0] >= server.major), None)
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
