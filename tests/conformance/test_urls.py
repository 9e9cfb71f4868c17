"""U1 to U5: which database, from which option or variable, reached how."""

from __future__ import annotations

import sys
from urllib.parse import unquote, urlsplit

import pytest

from tests.conformance.programs import Name, database_of, lines, said, with_parameters
from tests.conformance.seen import scalar, tables

INVALID = "invalid url, have you set your --url flag or DATABASE_URL environment variable?"


@pytest.fixture(autouse=True)
def _migration(project):
    project.migration("1_a", up="create table a (i int);", down="drop table a;")


# -- U1


def test_u1_without_flags_the_url_is_that_of_database_url(program, url):
    program.ok("migrate", env={"DATABASE_URL": url})

    assert tables(url) == ["a", "schema_migrations"]


def test_u1_env_names_another_variable(program, url, twin_url):
    program.ok("-e", "CUSTOM_URL", "migrate", env={"DATABASE_URL": twin_url, "CUSTOM_URL": url})

    assert (tables(url), tables(twin_url)) == (["a", "schema_migrations"], [])


def test_u1_url_beats_env(program, url, twin_url):
    program.ok("-u", url, "-e", "CUSTOM_URL", "migrate", env={"DATABASE_URL": twin_url, "CUSTOM_URL": twin_url})

    assert (tables(url), tables(twin_url)) == (["a", "schema_migrations"], [])


@pytest.mark.parametrize("form", [["--url={}"], ["-url", "{}"], ["-url={}"], ["-u={}"]])
def test_u1_options_are_written_as_go_programs_write_them(program, url, form):
    program.ok(*(word.format(url) for word in form), "migrate")

    assert tables(url) == ["a", "schema_migrations"]


# -- U2


@pytest.mark.parametrize("wrong", ["", "//hi"])
def test_u2_what_is_no_url_is_an_error(program, wrong):
    done = program("status", url=wrong)

    assert done.exit_code == 2
    assert INVALID in done.stderr


def test_u2_no_url_at_all_is_the_same_error(program):
    done = program("status")

    assert done.exit_code == 2
    assert INVALID in done.stderr


@pytest.mark.parametrize(
    ("options", "variables"),
    [
        ([], {}),
        (["--driver", "foo"], {}),
        ([], {"DBMATE_DRIVER": "foo"}),
        (["--driver", "foo"], {"DBMATE_DRIVER": "x"}),
    ],
)
def test_u2_an_unknown_driver_is_refused(program, options, variables):
    url = "foo://bar" if not options and not variables else "postgres://localhost:1/x"

    done = program(*options, "status", url=url, env=variables)

    assert done.exit_code == 2
    assert "unsupported driver: foo" in done.stderr


def test_u2_a_driver_stands_in_for_a_foreign_scheme(program, url):
    program.ok("--driver", "postgres", "migrate", url=url.replace("postgres://", "whatever://"))

    assert tables(url) == ["a", "schema_migrations"]


def test_u2_the_drivers_variable_counts_and_the_flag_beats_it(program, url):
    foreign = url.replace("postgres://", "whatever://")

    program.ok("migrate", url=foreign, env={"DBMATE_DRIVER": "postgresql"})
    program.ok("--driver", "postgres", "status", url=foreign, env={"DBMATE_DRIVER": "nonsense"})

    assert tables(url) == ["a", "schema_migrations"]


# -- U3


@pytest.mark.parametrize(
    "url",
    [
        "postgres://username:otS33%2Btb%2Fe4=@local host:1/database",
        "postgres://username:otS33%2Btb%2Fe4=@localhost:abc/database",
        "postgres://username:otS33%2Btb%2Fe4=@127.0.0.1:1/database",
    ],
)
def test_u3_no_password_in_a_message(program, url):
    done = program("status", url=url)

    assert done.exit_code != 0
    assert "otS33" not in said(done)


# -- U4: these reach the server, or name in their message what they tried to reach


@pytest.mark.skipif(sys.platform != "linux", reason="the default socket directory is that of Linux")
def test_u4_without_a_host_the_socket_is_the_systems(program):
    done = program("status", url="postgres:///foo?port=1&sslmode=disable")

    assert "/var/run/postgresql/.s.PGSQL.1" in done.stderr


@pytest.mark.parametrize("key", ["socket", "host"])
def test_u4_a_parameter_names_the_socket_directory(program, key):
    done = program("status", url=f"postgres:///foo?{key}=/nowhere/at-all&port=7&sslmode=disable")

    assert "/nowhere/at-all/.s.PGSQL.7" in done.stderr


def test_u4_host_and_port_parameters_override_the_urls(program, tcp_url, server):
    wrong = tcp_url.replace(f"127.0.0.1:{server.conninfo['port']}", "wrong.invalid:1")

    program.ok("migrate", url=with_parameters(wrong, host="127.0.0.1", port=server.conninfo["port"]))

    assert tables(tcp_url) == ["a", "schema_migrations"]


def test_u4_the_password_is_percent_decoded(program, tcp_url):
    program.ok("migrate", url=tcp_url)

    assert tables(tcp_url) == ["a", "schema_migrations"]


def test_u4_a_user_without_a_host(program, make_url, server):
    url = make_url()
    assert url.startswith(f"postgres://{server.superuser}@/")

    program.ok("migrate", url=url)

    assert tables(url) == ["a", "schema_migrations"]


def test_u4_redshift_has_a_port_of_its_own(program):
    done = program("status", url="redshift://127.0.0.1/foo?sslmode=disable&connect_timeout=2")

    assert done.exit_code != 0
    assert "5439" in done.stderr


def test_u4_spanner_speaks_postgres(program, url):
    program.ok("migrate", url=url.replace("postgres://", "spanner-postgres://"))

    assert tables(url) == ["a", "schema_migrations"]


@pytest.mark.parametrize("name", ["my db", "a/b", "Ünïcode", 'quo"te', "Upper"])
def test_u4_database_names_are_percent_decoded(program, make_url, absent_name, name):
    url = make_url(absent_name(name))

    program.ok("drop", url=url)
    created = program.ok("up", url=url)

    assert f"Creating: {database_of(url)}" in said(created)
    assert tables(url) == ["a", "schema_migrations"]


def test_u4_unknown_parameters_are_server_settings(program, project, url):
    project.migration("2_b", up="create table seen as select current_setting('work_mem') || current_setting('a.b') v;")

    program.ok("migrate", url=with_parameters(url, work_mem="7MB", **{"a.b": "x y"}))

    assert scalar(url, "select v from seen") == "7MBx y"


def test_u4_a_setting_that_the_server_does_not_know_fails(program, url):
    done = program("migrate", url=with_parameters(url, no_such_setting="1"))

    assert done.exit_code != 0
    assert 'unrecognized configuration parameter "no_such_setting"' in done.stderr


def test_u4_options_that_only_gos_driver_knows_are_accepted(program, url):
    program.ok("migrate", url=with_parameters(url, binary_parameters="yes", disable_prepared_binary_result="no"))

    assert tables(url) == ["a", "schema_migrations"]


def test_u4_libpqs_variables_fill_in_what_the_url_leaves_out(program, tcp_url, server):
    bare = f"postgres:///{database_of(tcp_url)}?sslmode=disable"
    login = urlsplit(tcp_url)
    variables = {
        "PGHOST": "127.0.0.1",
        "PGPORT": server.conninfo["port"],
        "PGUSER": server.superuser,
        "PGPASSWORD": unquote(login.password or ""),
    }

    program.ok("migrate", url=bare, env=variables)

    assert tables(tcp_url) == ["a", "schema_migrations"]


# -- U5


@pytest.mark.parametrize(
    ("options", "variables"),
    [
        (["--wait-interval", "100ms"], {}),
        ([], {"DBMATE_WAIT_INTERVAL": "100ms"}),
        (["--wait-interval", "100ms"], {"DBMATE_WAIT_INTERVAL": "10s"}),
    ],
)
def test_u5_the_pause_between_tries(program, unused_port, options, variables):
    dead = f"postgres://127.0.0.1:{unused_port}/x?sslmode=disable"

    done = program("--wait-timeout", "1950ms", *options, "wait", url=dead, env=variables)

    assert 3 <= attempts(program.name, said(done)) <= 20  # two with the default; a busy machine makes them fewer


def test_u5_the_pause_is_a_second_by_default(program, unused_port):
    dead = f"postgres://127.0.0.1:{unused_port}/x?sslmode=disable"

    done = program("--wait-timeout", "450ms", "wait", url=dead)

    assert attempts(program.name, said(done)) <= 1


def attempts(name: Name, text: str) -> int:
    """dbmate prints a dot for each, dbmigrate a line."""
    if name is Name.DBMATE:
        return text.count(".") - text.partition("Error:")[2].count(".")
    return len(lines(text, "Waiting for "))
