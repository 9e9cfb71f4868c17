"""``connect``: psql on the target database, with its settings, and without a password that others can read."""

from __future__ import annotations

import os
import stat

import pytest

from tests.support.psql import program
from tests.support.servers import PASSWORD


@pytest.fixture
def connect(run, tmp_path):
    """`connect(arguments..., url=...)` on a psql that is found on the PATH of this machine."""

    def connect(*arguments, url, **env):
        return run("connect", *arguments, env={"DATABASE_URL": url, **env})

    return connect


@pytest.fixture
def spy(tmp_path):
    """A psql that is newer than all others: it writes down its process, its words and its environment."""
    directory = tmp_path / "spied"
    directory.mkdir()
    script = directory / "psql"
    script.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo "psql (PostgreSQL) 99.0" && exit\n'
        f"echo $$ >{directory}/pid\nenv >{directory}/env\n"
        f'tr "\\0" "\\n" </proc/$$/cmdline >{directory}/words\nexec {program("psql")} -X "$@"\n'
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return directory


def name_of(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


def with_spy(spy) -> dict[str, str]:
    return {"PATH": f"{spy}:{os.environ['PATH']}"}


def test_the_table_is_shown_that_psql_would_show(connect, database_url, query) -> None:
    query(database_url, "create table t (id int primary key, name text not null)")

    done = connect("-c", r"\d t", url=database_url)

    assert done.exit_code == 0, done.stderr
    assert 'Table "public.t"' in done.stdout
    assert '"t_pkey" PRIMARY KEY' in done.stdout
    assert f"/{name_of(database_url)} · psql " in done.stderr


def test_arguments_of_psql_stand_behind_two_dashes(connect, database_url) -> None:
    done = connect("-q", "-c", "select 1", "-c", "select 2", "--", "-XtA", "-v", "ON_ERROR_STOP=1", url=database_url)

    assert (done.exit_code, done.stdout, done.stderr) == (0, "1\n2\n", "")


def test_a_script_comes_from_a_pipe(run, database_url) -> None:
    done = run("connect", "-q", "--", "-XtA", env={"DATABASE_URL": database_url}, input="select 'piped';\n")

    assert (done.exit_code, done.stdout) == (0, "piped\n")


def test_the_exit_code_is_that_of_psql(connect, database_url) -> None:
    assert connect("-c", "select nonsense", "--", "-X", url=database_url).exit_code == 1
    assert connect("--", "-X", "-c", "\\set ON_ERROR_STOP", "-f", "/nonexistent", url=database_url).exit_code in (1, 2)


def test_the_settings_of_the_url_hold_in_psql(connect, database_url, query) -> None:
    query(database_url, "create schema app; create table app.inside (id int)")
    settings = "search_path=app&lock_timeout=3s&statement_timeout=7s&role=pg_monitor&sslmode=prefer&keepalives_idle=17"
    names = ("search_path", "role", "lock_timeout", "statement_timeout")
    shown = f"select concat_ws(' ', {', '.join(f'current_setting({name!r})' for name in names)})"

    done = connect("-q", "-c", shown, "--", "-XtA", url=f"{database_url}&{settings}")

    assert done.exit_code == 0, done.stderr
    assert done.stdout == "app pg_monitor 3s 7s\n"


def test_psql_takes_the_place_of_the_process(start, database_url, spy) -> None:
    process = start("connect", "-c", "select 1", env={"DATABASE_URL": database_url, **with_spy(spy)})
    process.communicate(timeout=30)

    assert process.returncode == 0
    assert int((spy / "pid").read_text()) == process.pid


def test_no_password_stands_on_the_command_line_of_psql(server, connect, database_url, spy) -> None:
    if not server.is_ours:
        pytest.skip("needs a login with a password")
    url = server.tcp_url(name_of(database_url)) + "?sslpassword=s3cret&tcp_user_timeout=9000"

    done = connect("-c", "select 1", url=url, **with_spy(spy))

    assert done.exit_code == 0, done.stderr
    words = (spy / "words").read_text()
    assert "tcp_user_timeout=9000" in words
    assert PASSWORD not in words + done.stdout + done.stderr
    assert "s3cret" not in words + done.stderr
    assert "warning[W404]: psql does not get sslpassword" in done.stderr
    assert f"PGPASSWORD={PASSWORD}" in (spy / "env").read_text()


def test_the_service_of_the_environment_does_not_lead_elsewhere(connect, database_url, spy) -> None:
    done = connect("-c", "select 1", url=database_url, PGSERVICE="", **with_spy(spy))

    assert done.exit_code == 0
    assert "PGSERVICE" not in (spy / "env").read_text()


def test_a_password_command_is_asked_for_psql(server, run, database_url) -> None:
    if not server.is_ours:
        pytest.skip("needs a login with a password")
    url = f"postgres://{server.superuser}@127.0.0.1:{server.conninfo['port']}/{name_of(database_url)}"
    env = {"DATABASE_URL": url, "DBMIGRATE_PASSWORD_COMMAND": f"echo '{PASSWORD}'"}

    done = run("connect", "-q", "-c", "select 1", "--", "-XtA", env=env)

    assert (done.exit_code, done.stdout) == (0, "1\n")


def test_an_environment_is_not_taken_for_a_database(connect, database_url) -> None:
    done = connect("staging", url=database_url)

    assert done.exit_code == 2
    assert "-e staging names an environment" in done.stderr


def test_an_embedded_server_runs_for_as_long_as_psql(run, open_tmp_path) -> None:
    url = f"embedded:{open_tmp_path}/postgres?dbname=postgres"

    done = run("connect", "-q", "-c", "select 'embedded'", "--", "-XtA", env={"DATABASE_URL": url})

    assert done.exit_code == 0, done.stderr
    assert done.stdout == "embedded\n"


def test_a_server_that_cannot_be_reached_is_for_psql_to_say(connect, unused_port) -> None:
    done = connect("--", "-X", url=f"postgres://me@127.0.0.1:{unused_port}/app")

    assert done.exit_code == 2
    assert f"port {unused_port} failed" in done.stderr
