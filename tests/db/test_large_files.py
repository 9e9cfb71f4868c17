"""Files of many megabytes: memory stays bounded on both sides, errors name their line, a changing file is noticed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.support import faults
from tests.support.children import eventually

MEGABYTE = 1 << 20
TEXT = "ü" + "x" * 180


@dataclass(frozen=True, slots=True)
class Peak:
    """The most memory that was used, in bytes, and how the command ended."""

    client: int
    server: int
    exit_code: int
    stdout: str
    stderr: str


def inserts(size: int) -> Iterator[str]:
    """INSERT lines of `size` bytes together."""
    line = f"insert into big values (0000000, '{TEXT}; -- ''');\n"
    for number in range(size // len(line.encode())):
        yield line.replace("0000000", f"{number:07}")


def copied(size: int) -> Iterator[str]:
    """A COPY with data of `size` bytes."""
    line = f"0000000\t{TEXT}\\\\; --\n"
    yield "copy big from stdin;\n"
    for number in range(size // len(line.encode())):
        yield line.replace("0000000", f"{number:07}")
    yield "\\.\n"


def write(path: Path, lines: Iterator[str], *, up_options: str = "", last: str = "") -> int:
    """A migration that makes the table `big` and fills it; returns the number of its lines up to `last`, inclusive."""
    head = f"-- migrate:up {up_options}\ncreate table big (id int, t text);\n"
    number = head.count("\n")
    with path.open("w", encoding="utf-8") as file:
        file.write(head)
        for line in lines:
            file.write(line)
            number += line.count("\n")
        file.write(f"{last}\n-- migrate:down\ndrop table big;\n")
    return number + 1


def status_of(pid: int | str, name: str) -> int:
    """A size of /proc/PID/status in bytes; 0 for a process that is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), 0)


def private_memory(pid: int) -> int:
    """What a server process has for itself: its shared buffers do not count."""
    return status_of(pid, "RssAnon")


def run_and_watch(start, url: str, *arguments: str, env: dict[str, str] | None = None) -> Peak:
    """Run a command and look at its memory, and at that of its server process."""
    process = start(*arguments, env=env or {"DATABASE_URL": url})
    client = server = 0
    with psycopg.connect(url, autocommit=True) as conn:
        while process.poll() is None:
            client = max(client, status_of(process.pid, "VmHWM"))
            pids = conn.execute("select pid from pg_stat_activity where application_name like 'dbmigrate up%'")
            server = max([server, *(private_memory(pid) for (pid,) in pids)])
            time.sleep(0.05)
    return Peak(client, server, process.returncode, process.stdout.read(), process.stderr.read())


SIZES = [pytest.param(24 * MEGABYTE, id="24MB"), pytest.param(100 * MEGABYTE, id="100MB", marks=(pytest.mark.slow, pytest.mark.matrix))]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("lines", "options"), [(inserts, ""), (copied, ""), (copied, "transaction:false")])
def test_memory_does_not_grow_with_the_file(start, project, server, database_url, query, size, lines, options):
    if not server.is_ours:
        pytest.skip("the server's processes are not on this machine")
    write(project.migrations / "0_small.sql", lines(2 * MEGABYTE), up_options=options, last="drop table big;")
    small = run_and_watch(start, database_url, "up", "--no-dump-schema")
    write(project.migrations / "1_big.sql", lines(size), up_options=options)

    peak = run_and_watch(start, database_url, "up", "--no-dump-schema")

    assert peak.exit_code == 0, peak.stderr
    assert query(database_url, "select count(*), count(distinct id) from big where t like '%; --%'")[0][0] > size // 256
    assert peak.client - small.client < 10 * MEGABYTE
    assert 0 < peak.server < 20 * MEGABYTE


@pytest.mark.parametrize("size", [1_200_000, pytest.param(24 * MEGABYTE, marks=pytest.mark.matrix)])
def test_a_large_file_with_variables_is_a_stream_too(start, project, server, database_url, query, size):
    path = project.migrations / "1_big.sql"
    line = "insert into big values (0, :'v' || '{\"k\":\"v\"}: ;');\n"
    env = {"DATABASE_URL": database_url, "DBMIGRATE_VAR_V": "value" * 10}

    def failing(length: int) -> tuple[int, Peak]:
        number = write(path, (line for _ in range(length // len(line))), last="insert into big values (1, :'v'::int);")
        path.write_text(f"-- migrate:vars v\n{path.read_text()}")
        return number, run_and_watch(start, database_url, "up", "--no-dump-schema", env=env)

    _, small = failing(1_100_000)
    number, failed = failing(size)

    assert f"1_big.sql:{number + 1}:28" in failed.stderr
    assert "value" * 10 not in failed.stderr
    assert failed.client - small.client < 10 * MEGABYTE
    assert failed.server < 20 * MEGABYTE


@pytest.mark.parametrize(
    ("lines", "last", "column"),
    [
        (inserts, "insert into big values (1, nothing);", 28),
        (inserts, "insert into big values (1 / 0, '');", 1),
        (copied, "insert into big values (1, nothing);", 28),
    ],
)
def test_an_error_in_the_last_line_names_that_line(run, project, database_url, query, lines, last, column):
    number = write(project.migrations / "1_big.sql", lines(3 * MEGABYTE), last=last)

    done = run("up", env={"DATABASE_URL": database_url})

    assert done.exit_code == 4
    assert f"1_big.sql:{number}:{column}" in done.stderr
    assert query(database_url, "select to_regclass('big')") == [(None,)]


@pytest.mark.parametrize(("encoding", "newline"), [("utf-8", "\n"), ("utf-8-sig", "\r\n")])
@pytest.mark.parametrize(
    ("wrong", "line", "column"),
    [
        ("insert into big\n  values (1, 'ü'), (2, nothing);", 1, 24),  # it has a position
        ("select 1;\n select 'ü', 1 / 0;", 1, 2),  # it has none
        ("copy big from stdin;\n1\tx\none\tx\n\\.", 0, 1),
        ("\n".join(["-- ü"] * 1500) + "\nselect nothing;", 1500, 8),
    ],
)
def test_an_error_in_the_middle_names_its_place(
    run, project, database_url, query, encoding, newline, wrong, line, column
):
    path = project.migrations / "1_big.sql"
    write(path, inserts(2 * MEGABYTE), last=wrong)
    up, _, down = path.read_text().partition(wrong)
    head = up.count("\n") + 1
    text = up + wrong + "\n" + "".join(inserts(2 * MEGABYTE)) + down
    path.write_bytes(text.replace("\n", newline).encode(encoding))

    done = run("up", env={"DATABASE_URL": database_url})

    assert done.exit_code == 4
    assert f"1_big.sql:{head + line}:{column}" in done.stderr
    assert query(database_url, "select to_regclass('big')") == [(None,)]


def test_a_character_that_the_database_does_not_have_is_found(run, project, server, make_database):
    name = make_database().partition("?")[0].rpartition("/")[2]
    server.drop(name)
    server.admin.execute(f"create database \"{name}\" template template0 encoding 'LATIN1' locale 'C'")
    write(project.migrations / "1_big.sql", inserts(MEGABYTE // 8), last="select 'ü', '€';")
    number = (project.migrations / "1_big.sql").read_text().partition("€")[0].count("\n") + 1

    done = run("up", env={"DATABASE_URL": server.url(name)})

    assert (done.exit_code, "22P05" in done.stderr) == (4, True), done.stderr
    assert f"1_big.sql:{number}:14" in done.stderr


def test_a_file_that_becomes_a_pipe_while_others_run_is_no_reason_to_wait(start, project, database_url, query):
    project.migration("1_a", up="create table a ();\nselect pg_sleep(2);")
    path = project.migrations / "2_big.sql"
    write(path, inserts(2 * MEGABYTE))
    process = start("up", "--no-dump-schema", env={"DATABASE_URL": database_url})
    faults.backend(database_url, doing="%pg_sleep%")
    path.unlink()
    os.mkfifo(path)

    _, errors = process.communicate(timeout=30)

    assert "E222" in errors
    assert query(database_url, "select version from schema_migrations") == [("1",)]


def test_begin_and_commit_around_a_large_section_are_left_out(run, project, database_url, query):
    path = project.migrations / "1_big.sql"
    write(path, inserts(2 * MEGABYTE), last="commit;")
    path.write_text(path.read_text().replace("create table", "begin;\ncreate table", 1))

    done = run("up", env={"DATABASE_URL": database_url})

    assert done.exit_code == 0, done.stderr
    assert "BEGIN and COMMIT around the whole section are not run" in done.stdout + done.stderr
    assert query(database_url, "select count(*) from big") == [(len(list(inserts(2 * MEGABYTE))),)]


def test_an_error_in_data_of_copy_names_the_row(run, project, database_url, query):
    rows = "copy big from stdin;\n" + "1\tx\n" * 500_000 + "one\tx\n\\.\n"
    write(project.migrations / "1_big.sql", iter([rows]))

    done = run("up", env={"DATABASE_URL": database_url})

    assert done.exit_code == 4
    assert "1_big.sql:3:1" in done.stderr
    assert "COPY big, line 500001, column id" in done.stderr
    assert query(database_url, "select to_regclass('big')") == [(None,)]


@pytest.mark.parametrize(
    "change", [lambda text: text.replace(b"x", b"y"), lambda text: text[:-MEGABYTE]], ids=["edited", "cut"]
)
@pytest.mark.parametrize(
    ("lines", "options", "exit_code", "state"),
    [
        (inserts, "", 2, "rolled back; nothing of 1_big.sql was applied"),
        (copied, "", 2, "rolled back; nothing of 1_big.sql was applied"),
        (copied, "transaction:false", 5, "1_big.sql is unfinished"),
    ],
    ids=["inserts", "copied", "copied_without_a_transaction"],
)
def test_a_file_that_changes_while_it_runs_is_noticed(
    start, project, database_url, query, lines, options, exit_code, state, change
):
    """It is checked before anything runs, and read again when it is run."""
    path = project.migrations / "1_big.sql"
    write(path, lines(3 * MEGABYTE), up_options=options)
    with psycopg.connect(database_url, autocommit=True) as gate:
        gate.execute("create table gate (id int)")
        path.write_text(path.read_text().replace("create table big", "select * from gate; create table big", 1))
        with gate.transaction():
            gate.execute("lock table gate")
            process = start("up", "--lock-timeout", "0", "--no-dump-schema", env={"DATABASE_URL": database_url})
            assert eventually(lambda: waits_for_a_lock(database_url, query))
            path.write_bytes(change(path.read_bytes()))
    stdout, stderr = process.communicate(timeout=60)

    assert process.returncode == exit_code, stderr
    assert "the file changed while it was being run" in stderr or "has no end" in stderr
    assert state in stderr
    assert stdout == ""
    assert query(database_url, "select count(*) from schema_migrations") == [(0,)]
    assert (query(database_url, "select to_regclass('big')") == [(None,)]) is (options == "")


def waits_for_a_lock(url: str, query) -> bool:
    statement = (
        "select 1 from pg_stat_activity where wait_event_type = 'Lock' and application_name like 'dbmigrate up%'"
    )
    return query(url, statement) != []


def test_a_script_of_a_large_file_is_made_as_a_stream(start, project, database_url):
    small = peak_of_script(start, project, database_url, 2 * MEGABYTE)

    assert peak_of_script(start, project, database_url, 24 * MEGABYTE) - small < 10 * MEGABYTE


def peak_of_script(start, project, database_url, size: int) -> int:
    """The most memory that a dry run of a file of so many bytes used."""
    write(project.migrations / "1_big.sql", copied(size))
    seen: list[int] = []

    process = start("up", "--dry-run", env={"DATABASE_URL": database_url})
    reader = threading.Thread(
        target=lambda: seen.extend(len(piece) for piece in iter(lambda: process.stdout.read(MEGABYTE), ""))
    )
    reader.start()
    peak = 0
    while process.poll() is None:
        peak = max(peak, status_of(process.pid, "VmHWM"))
        time.sleep(0.02)
    reader.join()

    assert process.returncode == 0, process.stderr.read()
    assert sum(seen) > size - MEGABYTE
    return peak


def test_a_large_file_of_many_blocks_and_data_runs_without_a_transaction(run, project, database_url, query):
    """Its statements are read again when they run, block by block, with the data in between."""
    lines = [
        f"begin;\ninsert into big values ({number}, '{TEXT}');\ncopy big from stdin;\n{number}\t{TEXT}\n\\.\ncommit;\n"
        for number in range(400)
    ]
    write(project.migrations / "1_big.sql", iter(lines), up_options="transaction:false")

    done = run("up", env={"DATABASE_URL": database_url})

    assert done.exit_code == 0, done.stderr
    assert query(database_url, "select count(*), count(distinct id) from big") == [(800, 400)]
    steps = "select count(*), min(step), max(step) from schema_migrations_log where step is not null"
    assert query(database_url, steps) == [(401, 1, 1 + 1 + 399 * 4)]
