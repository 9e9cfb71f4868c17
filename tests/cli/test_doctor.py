"""``doctor``: names what is wrong with a set-up in one line each, with the way out, and shows no secret."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from tests.conformance.pooler import pooler
from tests.support import faults
from tests.support.proxy import TO_CLIENT, TO_SERVER, Action, Fault, Message, Proxy
from tests.support.servers import PASSWORD, make_url

HOURS = 3


@pytest.fixture
def doctor(project, run):
    """`doctor(url, options...)`: its run, in a project with one migration."""
    project.migration("1_a", up="create table a (id int);")

    def doctor(url, *options, **env):
        return run("doctor", *options, env={"DATABASE_URL": url, **env})

    return doctor


def name_of(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


def failures(done) -> list[str]:
    """The lines about what does not work."""
    return [line for line in done.stdout.splitlines() if line.startswith("failed")]


def way_out(done, line: str) -> str:
    """The hint, which is the next line."""
    lines = done.stdout.splitlines()
    hint = lines[lines.index(line) + 1]
    assert hint.startswith("          hint: ")
    return hint.removeprefix("          hint: ")


def only_failure(done) -> str:
    assert len(failures(done)) == 1, done.stdout + done.stderr
    return failures(done)[0]


def test_a_sound_set_up_has_no_failure(doctor, database_url) -> None:
    done = doctor(database_url)

    assert (done.exit_code, done.stderr) == (0, "")
    assert failures(done) == []
    subjects = [line[8:].partition(":")[0] for line in done.stdout.splitlines() if line.startswith("ok ")]
    assert {"login", "database", "version", "pooler", "read-only", "rights", "clock", "disk"} <= set(subjects)
    assert "ok      history: 0 applied, 1 pending" in done.stdout


def test_an_unfinished_migration_is_a_warning(doctor, database_url, run, project) -> None:
    project.migration("2_half", up="create table half ();\nselect nothing;", up_options="transaction:false")
    run("up", env={"DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"})

    done = doctor(database_url)

    line = "warning history: 1 applied, 1 pending, 1 of them unfinished"
    assert (done.exit_code, line in done.stdout) == (0, True), done.stdout
    assert way_out(done, line) == "`dbmigrate status` says where it stopped, `dbmigrate resume` continues"


def test_it_leaves_nothing_behind(doctor, database_url, query, project, tmp_path) -> None:
    before = sorted(path for path in tmp_path.rglob("*"))

    doctor(database_url)

    assert query(database_url, "select relname from pg_class where relnamespace = 'public'::regnamespace") == []
    assert query(database_url, "select relname from pg_class where relname like 'dbmigrate%'") == []
    assert sorted(path for path in tmp_path.rglob("*")) == before


# ---------------------------------------------------------------------------------------------- twelve broken set-ups


def test_a_wrong_port(doctor, unused_port) -> None:
    done = doctor(f"postgres://me@127.0.0.1:{unused_port}/app")

    line = only_failure(done)
    assert done.exit_code == 3
    assert line == f"failed  TCP: port {unused_port} of 127.0.0.1 cannot be reached: connection refused"
    assert "is the port right?" in way_out(done, line)


def test_a_host_that_is_not_in_dns(doctor) -> None:
    done = doctor("postgres://me@db.nowhere.invalid/app")

    line = only_failure(done)
    assert done.exit_code == 3
    assert line.startswith("failed  DNS: the host name db.nowhere.invalid cannot be resolved: ")
    assert "check the host in the URL" in way_out(done, line)


def test_a_server_without_tls(doctor, server, database_url) -> None:
    with Proxy(server) as proxy:  # which declines encryption
        done = doctor(proxy.url(name_of(database_url), sslmode="require"))

    line = only_failure(done)
    assert done.exit_code == 3
    assert line == "failed  TLS: server does not support SSL, but SSL was required (E301)"
    assert "sslmode=disable" in way_out(done, line)


def test_a_wrong_password(doctor, server, database_url) -> None:
    with faults.plain_role(server, database_url) as url:
        done = doctor(url.replace(":x@", ":not-x@"))

    line = only_failure(done)
    assert done.exit_code == 3
    assert line.startswith("failed  login: FATAL: password authentication failed for user ")
    assert "check user and password" in way_out(done, line)
    assert "not-x" not in done.stdout


def test_a_database_that_does_not_exist(doctor, server) -> None:
    done = doctor(server.url("dbmigrate_test_not_there"))

    line = only_failure(done)
    assert done.exit_code == 3
    assert line == 'failed  database: database "dbmigrate_test_not_there" does not exist (E303)'
    assert "`dbmigrate create`" in way_out(done, line)


def test_missing_rights(doctor, server, database_url, query) -> None:
    with faults.plain_role(server, database_url) as url:
        role = conninfo_to_dict(url)["user"]
        query(database_url, f"revoke all on schema public from {role}, public; grant usage on schema public to {role}")
        done = doctor(url)

        line = only_failure(done)
        assert done.exit_code == 1
        assert line == f"failed  rights: role {role} may not make the tracking table in schema public"
        grant = way_out(done, line).partition(": ")[2]
        query(database_url, grant)
        assert doctor(url).exit_code == 0


def test_a_pooler(doctor, server, database_url) -> None:
    target = conninfo_to_dict(server.tcp_url(name_of(database_url)))
    if not str(target["host"])[:1].isdigit():
        pytest.skip("needs a server that listens on TCP")
    with pooler(host=str(target["host"]), port=int(target["port"])) as port:
        given = {key: str(value) for key, value in target.items()}
        url = make_url({**given, "port": str(port), "sslmode": "disable"})
        done = doctor(url)
        allowed = doctor(url, "--allow-pooler")

    line = only_failure(done)
    assert done.exit_code == 1
    assert line.startswith("failed  pooler: connected through a connection pooler at ")
    assert "use the server's direct URL" in way_out(done, line)
    assert allowed.exit_code == 0
    assert "ok      pooler: through a pooler, which --allow-pooler allows" in allowed.stdout


def test_an_old_server(doctor, server, database_url) -> None:
    announced = (server.admin.info.parameter_status("server_version") or "").encode()
    text, instead = b"server_version\0" + announced + b"\0", b"server_version\x009.6.24\0"
    with Proxy(server) as proxy:
        fault = proxy.arm(Fault(TO_CLIENT, Action.REPLACE, text=text, kind=b"S", instead=instead))
        done = doctor(proxy.url(name_of(database_url)))

    assert fault.happened
    line = only_failure(done)
    assert done.exit_code == 3
    assert "failed  version: " in line
    assert "is PostgreSQL 9.6.24; dbmigrate needs 13 or newer (E304)" in line
    assert "upgrade the server" in way_out(done, line)


@pytest.mark.parametrize("script", [None, "#!/bin/sh\necho 'pg_dump (PostgreSQL) 12.1'\n"], ids=["missing", "too old"])
def test_no_pg_dump_that_can_dump_the_server(doctor, database_url, tmp_path, script) -> None:
    program = tmp_path / "pg_dump"
    if script:
        program.write_text(script)
        program.chmod(0o755)

    done = doctor(database_url, DBMIGRATE_PG_DUMP=str(program))
    without = doctor(database_url, "--no-dump-schema", DBMIGRATE_PG_DUMP=str(program))

    line = only_failure(done)
    assert done.exit_code == 2
    assert line.startswith("failed  pg_dump: ")
    assert ("and the newest pg_dump here is 12.1" if script else "which does not run") in line
    assert "install PostgreSQL's client programs" in way_out(done, line)
    assert (without.exit_code, failures(without)) == (0, [])  # nothing is configured that needs it
    assert "warning pg_dump: " in without.stdout


class Ahead(Proxy):
    """A server whose clock is some hours ahead: its answers to questions for the time are."""

    def due(self, message: Message) -> Fault | None:
        if message.direction is TO_CLIENT and message.kind == b"D" and message.body[:6] == b"\0\1\0\0\0\x08":
            (microseconds,) = struct.unpack("!q", message.body[6:])
            if abs(microseconds / 1e6 - time.time()) < 600:
                later = message.body[:6] + struct.pack("!q", microseconds + HOURS * 3_600_000_000)
                return Fault(TO_CLIENT, Action.REPLACE, text=message.body, instead=later)
        return super().due(message)


def test_a_clock_that_differs(doctor, server, database_url) -> None:
    with Ahead(server) as proxy:
        done = doctor(proxy.url(name_of(database_url)))

    lines = [line for line in done.stdout.splitlines() if "clock" in line]
    assert done.exit_code == 0  # it hurts, and stops nothing
    assert lines[0].startswith("warning clock: the server's clock is ")
    assert " ahead of that of this machine" in lines[0]
    assert "2 h 59 min" in lines[0] or "3 h 0 min" in lines[0]
    assert "NTP" in way_out(done, lines[0])


def test_a_read_only_database(doctor, database_url, query) -> None:
    query(database_url, f"alter database {name_of(database_url)} set default_transaction_read_only = on")

    done = doctor(database_url)

    line = only_failure(done)
    assert done.exit_code == 1
    assert line.startswith("failed  read-only: ")
    assert "is read-only (default_transaction_read_only is on) (E704)" in line
    assert "use the primary's URL" in way_out(done, line)


def test_a_full_disk_that_the_server_reports(doctor, server, database_url) -> None:
    """A real error of the server with the SQLSTATE of a full disk, at the statement that needs room."""
    with Proxy(server) as proxy:
        fault = proxy.arm(Fault(TO_SERVER, Action.REFUSE, text=b"dbmigrate_room", sqlstate="53100"))
        done = doctor(proxy.url(name_of(database_url)))

    assert fault.happened
    line = only_failure(done)
    assert done.exit_code == 1
    assert line.startswith("failed  disk: the server's disk is full: ")
    assert "free or add space on the server" in way_out(done, line)


@contextmanager
def small_disk(path: Path, megabytes: int, owner: int) -> Iterator[Path]:
    """A file system of its own that is soon full; only root can make one."""
    path.mkdir()
    options = f"size={megabytes}m,uid={owner},mode=700"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no small file system can be mounted: {mounted.stderr.strip() or mounted.returncode}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=True)


def test_a_full_disk_of_the_server(doctor, server, open_tmp_path) -> None:
    if not server.is_ours or shutil.which("mount") is None:
        pytest.skip("needs a server on this machine, and mount")
    data = str(server.admin.execute("show data_directory").fetchone()[0])
    with small_disk(open_tmp_path / "small", 9, os.stat(data).st_uid) as disk:
        name = sql.Identifier(f"dbmigrate_test_small_{os.getpid()}")
        server.admin.execute(sql.SQL("create tablespace {} location {}").format(name, sql.Literal(str(disk))))
        try:
            server.admin.execute(sql.SQL("create database {} tablespace {} template template0").format(name, name))
            done = doctor(server.url(name.as_string(server.admin).strip('"')))
        finally:
            server.admin.execute(sql.SQL("drop database if exists {} with (force)").format(name))
            server.admin.execute(sql.SQL("drop tablespace {}").format(name))

    line = only_failure(done)
    assert done.exit_code == 1
    assert line.startswith("failed  disk: the server's disk is full: could not extend file ")
    assert "No space left on device" in line


def test_a_full_disk_of_this_machine(run, database_url, open_tmp_path) -> None:
    with small_disk(open_tmp_path / "small", 1, os.geteuid()) as disk:
        (disk / "db" / "migrations").mkdir(parents=True)
        (disk / "filler").write_bytes(b"x" * 500_000)
        done = run("doctor", env={"DATABASE_URL": database_url}, cwd=disk)

    line = only_failure(done)
    assert done.exit_code == 2
    assert line == (
        "failed  disk: the disk of this machine is full: there is no room for the schema file db/schema.sql"
    )


# --------------------------------------------------------------------------------------------------- more that is wrong


def test_no_database_is_configured(project, run) -> None:
    done = run("doctor")

    line = failures(done)[0]
    assert done.exit_code == 2
    assert line.startswith("failed  configuration: invalid url")
    assert "(E201)" in line
    assert "set DATABASE_URL" in way_out(done, line)
    assert "pg_dump: " in done.stdout  # what needs no server is looked at


def test_a_socket_that_is_not_there(doctor, tmp_path) -> None:
    done = doctor(f"postgres:///app?host={tmp_path}")

    assert done.exit_code == 3
    assert only_failure(done) == f"failed  socket: {tmp_path}/.s.PGSQL.5432: no such file or directory"


def test_a_password_command_that_fails(doctor, server, database_url) -> None:
    url = f"postgres://me@127.0.0.1:{server.conninfo['port']}/{name_of(database_url)}"

    done = doctor(url, DBMIGRATE_PASSWORD_COMMAND="echo s3cret; echo expired s3cret >&2; exit 3")

    assert done.exit_code == 2
    assert only_failure(done).startswith("failed  password command: DBMIGRATE_PASSWORD_COMMAND (environment): the")
    assert "failed with status 3; STDERR: expired ********" in done.stdout
    assert "s3cret" not in done.stdout + done.stderr


def test_settings_that_hurt_are_warnings(doctor, database_url, query) -> None:
    name = name_of(database_url)
    query(database_url, f"alter database {name} set default_transaction_isolation = 'serializable'")

    done = doctor(f"{database_url}&statement_timeout=30s&session_replication_role=replica")

    assert done.exit_code == 0
    for line in (
        "warning settings: default_transaction_isolation = serializable (database): ",
        "warning settings: session_replication_role = replica (client): ",
        "warning settings: statement_timeout = 30s is in the URL: it ends migrations that take longer",
    ):
        assert line in done.stdout


def test_a_search_path_to_nowhere(doctor, database_url) -> None:
    done = doctor(f"{database_url}&search_path=nowhere")

    assert done.exit_code == 1
    assert "failed  rights: the search_path names no schema that exists" in done.stdout


def test_a_tracking_table_that_cannot_be_read_is_named(doctor, server, database_url, query) -> None:
    query(database_url, "create table schema_migrations (version varchar primary key)")
    with faults.plain_role(server, database_url) as url:
        done = doctor(url)

    assert done.exit_code == 1
    line = next(line for line in failures(done) if "rights" in line)
    assert "may not select, insert, delete in public.schema_migrations" in line
    assert "GRANT SELECT, INSERT, DELETE ON public.schema_migrations TO" in way_out(done, line)


def test_a_tracking_table_that_is_a_trap_is_named(doctor, database_url, query) -> None:
    query(
        database_url,
        "create table schema_migrations (version varchar primary key);"
        "create function f() returns trigger language plpgsql as 'begin return null; end';"
        "create trigger t before insert on schema_migrations for each row execute function f()",
    )

    done = doctor(database_url)

    assert done.exit_code == 1
    assert "failed  tracking table: " in done.stdout
    assert "E705" in done.stdout or "E714" in done.stdout


def test_a_migrations_directory_that_is_missing(run, database_url) -> None:
    done = run("doctor", env={"DATABASE_URL": database_url})

    assert done.exit_code == 2
    assert only_failure(done) == "failed  files: the migrations directory ./db/migrations does not exist"


def test_a_server_that_accepts_and_never_answers(doctor, server, database_url) -> None:
    with Proxy(server) as proxy:
        proxy.is_silent = True
        done = doctor(proxy.url(name_of(database_url), connect_timeout="2"))

    assert done.exit_code == 3
    assert only_failure(done).startswith("failed  login: ")
    assert "timeout" in only_failure(done)


def test_one_host_of_several_is_enough(doctor, server, database_url, unused_port) -> None:
    target = conninfo_to_dict(server.tcp_url(name_of(database_url)))
    if not str(target["host"])[:1].isdigit():
        pytest.skip("needs a server that listens on TCP")
    hosts, ports = f"127.0.0.1,{target['host']}", f"{unused_port},{target['port']}"
    password = {"password": str(target["password"])} if "password" in target else {}
    done = doctor(
        make_url({**password, "host": hosts, "port": ports, "user": target["user"], "dbname": target["dbname"]})
    )

    assert (done.exit_code, failures(done)) == (0, [])
    assert f"warning TCP: port {unused_port} of 127.0.0.1 cannot be reached" in done.stdout


@pytest.mark.matrix
def test_an_embedded_server_is_looked_at_too(run, project, open_tmp_path) -> None:
    done = run("doctor", env={"DATABASE_URL": f"embedded:{open_tmp_path}/postgres?dbname=postgres"})

    assert done.exit_code == 0, done.stdout
    assert "ok      history: 0 applied, 0 pending" in done.stdout
    assert "ok      settings: none that hurts" in done.stdout
    url = f"embedded:{open_tmp_path}/postgres?dbname=postgres&synchronous_commit=off"
    assert "warning settings: synchronous_commit = off (client): " in run("doctor", env={"DATABASE_URL": url}).stdout


# ------------------------------------------------------------------------------------- what is shown, and what is not


def test_a_url_from_variables_is_shown_with_the_origin_of_its_parts(project, run, tmp_path, unused_port) -> None:
    (tmp_path / ".env").write_text("DB_HOST=127.0.0.1\nDB_PASSWORD='s3cr%t w'\n")
    env = {"DB_USER": "app", "DB_PORT": str(unused_port), "PGSSLMODE": "disable", "PGOPTIONS": "-c search_path=shop"}

    done = run("doctor", env=env)

    lines = done.stdout.splitlines()
    assert lines[0] == f"postgres://app:********@127.0.0.1:{unused_port}/postgres?sslmode=disable&search_path=shop"
    assert [tuple(line.split(maxsplit=2)) for line in lines[1:8]] == [
        ("host", "127.0.0.1", "DB_HOST (.env:1)"),
        ("port", str(unused_port), "DB_PORT (environment)"),
        ("user", "app", "DB_USER (environment)"),
        ("password", "********", "DB_PASSWORD (.env:2)"),
        ("dbname", "postgres", "default of DB_NAME"),
        ("sslmode", "disable", "PGSSLMODE (environment)"),
        ("search_path", "shop", "PGOPTIONS (environment)"),
    ]
    assert "s3cr" not in done.stdout + done.stderr


def test_the_line_for_psql_works_and_has_no_password(doctor, server, database_url) -> None:
    url = server.tcp_url(name_of(database_url)) + ("&" if "?" in server.tcp_url("x") else "?") + "search_path=shop"

    done = doctor(url)

    line = next(line for line in done.stdout.splitlines() if line.startswith("psql "))
    shown = subprocess.run(["/bin/sh", "-c", f"printf %s {line.removeprefix('psql ')}"], capture_output=True, text=True)
    with psycopg.connect(shown.stdout, **({"password": PASSWORD} if server.is_ours else {})) as conn:
        assert conn.execute("show search_path").fetchone() == ("shop",)
    assert PASSWORD not in done.stdout
    assert "for%20tests" not in done.stdout


def test_a_report_has_versions_and_neither_names_nor_secrets(doctor, server, database_url) -> None:
    with faults.plain_role(server, database_url) as url:
        role = conninfo_to_dict(url)["user"]
        reports = [doctor(url, "--report"), doctor(url.replace(":x@", ":s3cret@"), "--report")]

    for done in reports:
        lines = done.stdout.splitlines()
        assert (lines[0], lines[-1]) == ("```text", "```")
        assert lines[1].startswith("dbmigrate ")
        assert "psycopg " in lines[2]
        for hidden in (role, name_of(database_url), "s3cret", pwd.getpwuid(os.geteuid()).pw_name + "@"):
            assert hidden not in done.stdout
        assert "postgres://ROLE:********@" in done.stdout
    assert [done.exit_code for done in reports] == [0, 3]


def test_settings_that_sound_secret_and_addresses_are_left_out(doctor, unused_port) -> None:
    secrets = "sslpassword=hidden1&app.jwt_secret=hidden2&app.tenant=7"
    url = f"postgres://carla@127.0.0.1:{unused_port}/shop?hostaddr=127.0.0.9&{secrets}"

    shown = [doctor(url, *more) for more in ((), ("--report",), ("--json",))]

    for done in shown:
        assert "hidden" not in done.stdout + done.stderr
        assert "app.tenant" in done.stdout
    assert "carla" not in shown[1].stdout


def test_a_connection_that_is_lost_meanwhile_is_named(doctor, server, database_url) -> None:
    with Proxy(server) as proxy:
        fault = proxy.arm(Fault(TO_SERVER, Action.CUT, text=b"dbmigrate_room"))
        done = doctor(proxy.url(name_of(database_url)))

    assert fault.happened
    assert done.exit_code == 3
    assert only_failure(done).startswith("failed  connection: the connection was lost")


def test_waiting_first_and_in_vain_still_shows_why(doctor, unused_port) -> None:
    url = f"postgres://me@127.0.0.1:{unused_port}/app"

    done = doctor(url, "--wait", "--wait-timeout", "100ms", "--wait-interval", "50ms")

    assert done.exit_code == 3
    assert only_failure(done).startswith("failed  TCP: ")


def test_a_service_file_is_named_as_the_origin(project, run, tmp_path, unused_port) -> None:
    (tmp_path / "services").write_text(f"[shop]\nhost=127.0.0.1\nport={unused_port}\nuser=app\npassword=s3cret\n")

    done = run("doctor", env={"PGSERVICE": "shop", "PGSERVICEFILE": str(tmp_path / "services"), "PGDATABASE": "x"})

    shown = {line.split()[0]: line.split(maxsplit=2)[1:] for line in done.stdout.splitlines()[1:7]}
    assert shown["host"] == ["127.0.0.1", "service file"]
    assert shown["password"] == ["********", "service file"]
    assert shown["dbname"] == ["x", "PGDATABASE (environment)"]
    assert "s3cret" not in done.stdout


def test_a_program_gets_the_same_as_data(doctor, unused_port) -> None:
    done = doctor(f"postgres://me:s3cret@127.0.0.1:{unused_port}/app", "--json")

    value = json.loads(done.stdout)
    assert done.exit_code == 3
    assert (value["command"], value["ok"]) == ("doctor", True)
    assert value["url"] == f"postgres://me:********@127.0.0.1:{unused_port}/app"
    assert value["psql"] == f"psql postgres://me@127.0.0.1:{unused_port}/app"
    assert {"name": "user", "value": "me", "origin": "DATABASE_URL (environment)"} in value["parts"]
    check = next(each for each in value["checks"] if each["subject"] == "TCP")
    assert check["result"] == "failed"
    assert check["hint"]
    assert "s3cret" not in done.stdout
