"""``--password-command``: where the password comes from a command, which is asked once and never shown."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from dbmigrate.connection.password_command import PasswordCommand
from tests.support.servers import PASSWORD, make_url

WORD = "s3cr'et %40 wörd"


@pytest.fixture
def role(server, database_url, query):
    """The URL, without a password, of a role that needs one."""
    if not server.is_ours:
        pytest.skip("makes a role with a password, which the server has to ask for")
    name = conninfo_to_dict(database_url)["dbname"]
    role = f"asked_{name}"
    literal = sql.Literal(WORD).as_string(server.admin)
    query(database_url, f"create role {role} login password {literal}; grant all on schema public to {role}")
    place = {"host": "127.0.0.1", "port": server.conninfo["port"]}
    yield make_url({**place, "user": role, "dbname": name})
    query(database_url, f"drop owned by {role} cascade; drop role {role}")


@pytest.fixture
def vault(tmp_path):
    """A command that prints what is in a file, and counts how often it is asked."""
    (tmp_path / "word").write_text(f"{WORD}\n")
    script = tmp_path / "vault"
    script.write_text(f'#!/bin/sh\necho "$PGHOST:$PGPORT $DBMIGRATE_ENV" >>{tmp_path}/asked\ncat {tmp_path}/word\n')
    script.chmod(0o755)
    return script


def asked(vault) -> list[str]:
    path = vault.parent / "asked"
    return path.read_text().splitlines() if path.exists() else []


def test_a_run_asks_once_for_all_its_connections_and_for_pg_dump(project, run, role, vault) -> None:
    project.migration("1_a", up="create table a (id int);")

    done = run("up", "--password-command", vault, env={"DATABASE_URL": role})

    assert done.exit_code == 0, done.stderr
    assert project.schema_file.exists()  # pg_dump has logged in, too
    assert len(asked(vault)) == 1


def test_the_variable_and_the_project_file_name_it_for_every_environment(
    project, run, role, vault, tmp_path, server
) -> None:
    project.migration("1_a", up="create table a (id int);")
    env = {"STAGING_DATABASE_URL": role, "DATABASE_URL": role}
    (tmp_path / "dbmigrate.toml").write_text(
        f'password-command = "echo wrong"\n[environments.staging]\npassword-command = "{vault}"\n'
    )

    of_environment = run("-e", "staging", "status", env=env)
    at_the_top = run("status", env=env)
    by_variable = run("status", env=env | {"DBMIGRATE_PASSWORD_COMMAND": str(vault)})

    assert [of_environment.exit_code, at_the_top.exit_code, by_variable.exit_code] == [0, 3, 0]
    place = f"127.0.0.1:{server.conninfo['port']}"
    assert asked(vault) == [f"{place} staging", f"{place} "]


def test_a_given_password_wins_over_it_but_for_the_option(project, run, role, vault) -> None:
    given = role.replace("@", f":{quote(WORD, safe='')}@", 1)
    project.migration("1_a", up="create table a (id int);")

    run("status", env={"DATABASE_URL": given, "DBMIGRATE_PASSWORD_COMMAND": str(vault)})
    run("status", env={"DATABASE_URL": role, "PGPASSWORD": WORD, "DBMIGRATE_PASSWORD_COMMAND": str(vault)})
    assert asked(vault) == []
    wrong = role.replace("@", ":wrong@", 1)
    done = run("status", "--password-command", vault, env={"DATABASE_URL": wrong})

    assert done.exit_code == 0, done.stderr
    assert len(asked(vault)) == 1


def test_the_password_is_shown_nowhere(project, run, role, vault, query, database_url) -> None:
    project.migration("1_a", up=f"select nonsense, $${WORD}$$;")
    (vault.parent / "failing").write_text(f"#!/bin/sh\ncat {vault.parent}/word\necho no {WORD!r} today >&2\nexit 3\n")
    (vault.parent / "failing").chmod(0o755)
    wrong = f"tr -d '\\n' <{vault.parent}/word; echo x"

    runs = [
        run("up", "--password-command", vault, "--no-dump-schema", env={"DATABASE_URL": role}),
        run("up", "--json", "--debug", "--password-command", vault, env={"DATABASE_URL": role}),
        run("status", "--debug", "--password-command", vault, env={"DATABASE_URL": role + "_no"}),
        run("status", "--debug", "--password-command", vault.parent / "failing", env={"DATABASE_URL": role}),
        run("status", "--json", "--debug", "--password-command", wrong, env={"DATABASE_URL": role}),
    ]

    assert [each.exit_code for each in runs] == [4, 4, 3, 2, 3]
    seen = "".join(each.stdout + each.stderr for each in runs)
    for spelling in (WORD, quote(WORD, safe=""), quote(WORD), json.dumps(WORD)[1:-1]):
        assert spelling not in seen
    assert "today" in runs[3].stderr


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("exit 3", "E224", "failed with status 3"),
        ("kill -9 $$", "E224", "was ended by signal 9"),
        ("/nonexistent/vault", "E224", "failed with status 127"),
        ("true", "E225", "printed nothing"),
        ("echo", "E225", "printed nothing"),
        ("printf 'one\\ntwo\\n'", "E225", "printed more than one line"),
        ("printf '\\377'", "E225", "printed what is not UTF-8"),
        ("printf 'a\\000b'", "E225", "printed a NUL character"),
    ],
)
def test_a_command_that_gives_no_password_is_one_clear_error(project, run, unused_port, command, code, message) -> None:
    url = f"postgres://me@127.0.0.1:{unused_port}/app"

    done = run("status", env={"DATABASE_URL": url, "DBMIGRATE_PASSWORD_COMMAND": command})

    assert done.exit_code == 2
    first, *rest = done.stderr.splitlines()
    assert first == f"error[{code}]: DBMIGRATE_PASSWORD_COMMAND (environment): the password command {message}"
    assert rest[-1].startswith("hint: run the command by hand")
    assert "two" not in done.stderr


def test_no_command_runs_for_what_needs_no_server(run, project, vault, unused_port) -> None:
    project.migration("1_a", up="create table a (id int);")
    env = {"DATABASE_URL": f"postgres://me@127.0.0.1:{unused_port}/app", "DBMIGRATE_PASSWORD_COMMAND": str(vault)}

    run("lint", env=env)
    run("new", "a table", env=env)
    run("graph", env=env)

    assert asked(vault) == []


def test_an_expired_password_is_asked_for_again(tmp_path, role, vault) -> None:
    """A token that was good for the first login, and not for a later one."""
    from dbmigrate.connection import database, dsn

    (tmp_path / "word").write_text("expired\n")
    target = dsn.parse(role)
    command = PasswordCommand(str(vault), origin="here", environ={"PATH": "/usr/bin:/bin"})
    target = dsn.Dsn(target.conninfo, password_command=command)
    assert command.password() == "expired"  # of an earlier login
    (tmp_path / "word").write_text(f"{WORD}\n")

    database.connect(target, command="test", on_event=lambda event: None).close()

    assert len(asked(vault)) == 2


def test_a_fresh_password_that_is_refused_is_not_asked_for_again(project, run, role, vault, tmp_path) -> None:
    (tmp_path / "word").write_text("wrong\n")

    done = run("status", "--password-command", vault, env={"DATABASE_URL": role})

    assert done.exit_code == 3
    assert "E301" in done.stderr
    assert "hint: the password is what --password-command printed: check the command" in done.stderr
    assert len(asked(vault)) == 1
    assert PASSWORD not in done.stderr
