"""What URLs mean, shown by a server: the connection that psycopg makes of them, and the one that pg_dump makes."""

import os
import subprocess

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from dbmigrate.connection import dsn
from dbmigrate.settings import load
from dbmigrate.settings.load import Flags
from dbmigrate.connection.programs import Search, find_server
from dbmigrate.connection.libpq_keywords import foreign
from tests.support import psql
from tests.support.servers import PASSWORD


def show(target, *names):
    """The values of settings in a session of `target`."""
    with psycopg.connect(**target.conninfo_for_connect("dbmigrate test")) as conn:
        return [conn.execute("select current_setting(%s)", [name]).fetchone()[0] for name in names]


def place(target):
    """Where a session of `target` is: database, and whether it came through a socket."""
    with psycopg.connect(**target.conninfo_for_connect("dbmigrate test")) as conn:
        return conn.execute("select current_database(), inet_client_addr() is null").fetchone()


def with_query(url, query):
    return f"{url}{'&' if '?' in url else '?'}{query}"


@pytest.fixture
def parts(database_url):
    """libpq's keywords for the database of this test."""
    return {key: str(value) for key, value in conninfo_to_dict(database_url).items()}


@pytest.fixture
def tcp_url(server, parts):
    if not server.is_ours:
        pytest.skip("only a server of our own has a password that is known")
    return server.tcp_url(parts["dbname"])


@pytest.fixture
def pg_dump():
    return find_server(Search.from_environ(os.environ)).bindir / "pg_dump"


def test_a_socket_is_reached_by_every_spelling_of_its_directory(server, parts):
    if not parts["host"].startswith("/"):
        pytest.skip("this server has no socket")
    directory, port, name = parts["host"], parts["port"], parts["dbname"]
    encoded = directory.replace("/", "%2F")

    for url in (
        f"postgres://{server.superuser}@{encoded}:{port}/{name}",
        f"postgres://{server.superuser}@/{name}?host={directory}&port={port}",
        f"postgres://{server.superuser}@localhost:1/{name}?socket={directory}&port={port}",
        f"host={directory} port={port} user={server.superuser} dbname='{name}'",
    ):
        assert place(dsn.parse(url)) == (name, True)


def test_a_password_with_special_characters_works_through_tcp(tcp_url, parts):
    target = dsn.parse(tcp_url)

    assert target.conninfo["password"] == PASSWORD
    assert place(target) == (parts["dbname"], False)


def test_the_db_variables_reach_the_server(tcp_url, tmp_path):
    parts = conninfo_to_dict(tcp_url)
    environ = {
        "DB_HOST": parts["host"],
        "DB_PORT": str(parts["port"]),
        "DB_USER": parts["user"],
        "DB_PASSWORD": PASSWORD,
        "DB_NAME": parts["dbname"],
    }

    assert place(load.load(Flags(), environ, str(tmp_path)).target()) == (parts["dbname"], False)


def test_a_service_file_reaches_the_server(parts, tmp_path):
    (tmp_path / "services").write_text("[mine]\n" + "".join(f"{key}={value}\n" for key, value in parts.items()))
    environ = {"PGSERVICEFILE": str(tmp_path / "services"), "PGSERVICE": "mine", "PGHOST": "nowhere.invalid"}

    target = load.load(Flags(), environ, str(tmp_path)).target()

    assert target.database == parts["dbname"]
    assert place(target)[0] == parts["dbname"]


def test_the_first_host_that_answers_is_taken(server, parts):
    if not parts["host"].startswith("/"):
        pytest.skip("this server has no socket")
    hosts = f"%2Fnowhere:1,{parts['host'].replace('/', '%2F')}:{parts['port']}"

    assert place(dsn.parse(f"postgres://{server.superuser}@{hosts}/{parts['dbname']}")) == (parts["dbname"], True)


def test_an_embedded_server_is_reached_whatever_the_environment_says(parts, monkeypatch):
    monkeypatch.setenv("PGHOSTADDR", "192.0.2.1")  # a documentation address: nobody is there
    served = dsn.parse("embedded:?lock_timeout=3s").served_by(parts)

    assert show(served, "lock_timeout") == ["3s"]


def test_unknown_parameters_are_settings_of_the_session(database_url):
    url = with_query(database_url, "lock_timeout=3s&search_path=%22My%20App%22,public&app.tenant=a%5Cb%20c'd&tz=UTC")

    values = show(dsn.parse(url), "lock_timeout", "search_path", "app.tenant", "TimeZone")

    assert values == ["3s", '"My App",public', "a\\b c'd", "UTC"]


def test_a_setting_survives_whatever_its_value(database_url):
    value = " \\ -c x=y \\\\ \t 'q' \"d\" --z é\n"

    assert show(dsn.from_keywords({**conninfo_to_dict(database_url), "app.odd": value}), "app.odd") == [value]


def test_options_of_the_url_work_beside_its_settings(database_url):
    url = with_query(
        database_url, "options=-c%20app.odd%3Da%5C%20b%20-c%20lock_timeout%3D1s%20-S%2077777&lock_timeout=2s"
    )

    assert show(dsn.parse(url), "app.odd", "lock_timeout", "work_mem") == ["a b", "2s", "77777kB"]


def test_the_name_and_the_encoding_of_the_session_are_ours(database_url):
    url = with_query(database_url, "client_encoding=latin1")

    assert show(dsn.parse(url), "application_name", "client_encoding") == ["dbmigrate test", "UTF8"]


def test_an_unknown_setting_is_refused_by_the_server_and_not_ignored(database_url):
    target = dsn.parse(with_query(database_url, "lock_timeot=3s"))

    with pytest.raises(psycopg.OperationalError, match='unrecognized configuration parameter "lock_timeot"'):
        show(target, "lock_timeout")


def test_search_path_is_split_as_the_server_splits_it(database_url, query):
    query(database_url, 'create schema "My, ""App"; create schema lower')
    target = dsn.parse(with_query(database_url, "search_path=%22My%2C%20%22%22App%22%20,LOWER"))

    with psycopg.connect(**target.conninfo_for_connect("dbmigrate test")) as conn:
        assert conn.execute("select current_schemas(false)").fetchone()[0] == list(target.search_path)


def test_another_database_of_the_same_server(make_database):
    first, second = make_database(), make_database()
    other = str(conninfo_to_dict(second)["dbname"])

    assert place(dsn.parse(first).with_database(other))[0] == other


def test_pg_dump_reaches_the_server_by_its_environment_alone(tcp_url, query, pg_dump):
    query(tcp_url, "create schema app; create table app.only_here (id int)")
    target = dsn.parse(
        with_query(tcp_url, "search_path=app&lock_timeout=3s&app.odd=a%5Cb%20c&binary_parameters=yes&keepalives=1")
    )

    done = subprocess.run([pg_dump, "-s"], env=target.environment(), capture_output=True, text=True)

    assert done.stderr == ""
    assert "CREATE TABLE app.only_here" in done.stdout


def test_psql_gets_the_settings_of_the_url(tcp_url):
    target = dsn.parse(with_query(tcp_url, "search_path=app,public&lock_timeout=3s"))

    done = subprocess.run(
        [psql.program("psql"), "-XAtc", "select current_setting('search_path'), current_setting('lock_timeout')"],
        env=target.environment(),
        capture_output=True,
        text=True,
    )

    assert (done.stdout, done.stderr) == ("app,public|3s\n", "")


def test_pg_dump_gets_neither_search_path_nor_time_outs(run, project, tcp_url, pg_dump, tmp_path):
    project.migration("1_a", up="create table a (id int);")
    seen, program = tmp_path / "seen", tmp_path / "pg_dump"
    program.write_text(f'#!/bin/sh\necho "$PGOPTIONS" >> {seen}\nexec {pg_dump} "$@"\n')
    program.chmod(0o755)
    url = with_query(tcp_url, "search_path=public&lock_timeout=3s&statement_timeout=9s&work_mem=8MB")

    done = run("up", env={"DATABASE_URL": url, "DBMIGRATE_PG_DUMP": str(program)})

    assert done.exit_code == 0, done.stderr
    assert set(seen.read_text().splitlines()) == {"-c work_mem=8MB"}


def test_a_program_connects_where_the_service_says_although_it_has_another_one(parts, tmp_path, pg_dump):
    (tmp_path / "services").write_text("[mine]\nhost=nowhere.invalid\nuser=nobody\n")
    environ = {"PGSERVICEFILE": str(tmp_path / "services"), "PGSERVICE": "mine", "PGHOST": "nowhere.invalid"}
    settings = load.load(Flags(url=" ".join(f"{key}='{value}'" for key, value in parts.items())), environ, "/")

    child = {**settings.environ, **settings.target().environment()}
    done = subprocess.run([pg_dump, "-s"], env=child, capture_output=True, text=True)

    assert done.stderr == ""
    assert "PostgreSQL database dump complete" in done.stdout


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("lock_timeot=3s", "lock_timeot is from the database URL"),
        ("lock_timeout=3x", "lock_timeout is from the database URL"),
        ("shared_buffers=1GB", "shared_buffers is from the database URL"),
    ],
)
def test_a_setting_that_is_refused_at_the_login_is_said_to_come_from_the_url(run, project, database_url, query, named):
    done = run("status", env={"DATABASE_URL": with_query(database_url, query)})

    assert done.exit_code == 3
    assert f"hint: {named}" in done.stderr


def test_no_setting_of_the_server_is_taken_for_a_parameter_of_another_program(database_url, query):
    names = [name for (name,) in query(database_url, "select name from pg_settings where context in ('user','superuser')")]

    assert [name for name in names if foreign(name, "x")] == []
