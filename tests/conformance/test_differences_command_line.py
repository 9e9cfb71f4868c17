"""Intended differences: options, commands, env files, URLs."""

from __future__ import annotations

import pytest

from tests.conformance.pooler import pooler
from tests.conformance.programs import database_of, lines, said, with_database
from tests.conformance.seen import scalar, tables, versions

INVALID = "invalid url, have you set your --url flag or DATABASE_URL environment variable?"
TRACKED = ["a", "schema_migrations"]


@pytest.fixture(autouse=True)
def _migration(project):
    project.migration("1_a", up="create table a (i int);", down="drop table a;")


# -- the command line


def test_cli_option_order(program, url):
    done = program("migrate", "-u", url)

    assert done.exit_code == program.expects(dbmate=2, dbmigrate=0)
    assert tables(url) == program.expects(dbmate=[], dbmigrate=TRACKED)


def test_cli_two_spellings(program, project, url):
    for path in (project.root / "a" / "1_a.sql", project.root / "b" / "2_b.sql"):
        path.parent.mkdir()
        path.write_text("-- migrate:up\n-- migrate:down\n")

    done = program("-d", "a", "--migrations-dir", "b", "status", url=url)

    assert done.exit_code == program.expects(dbmate=2, dbmigrate=0)
    assert lines(done.stdout, "[ ]") == program.expects(dbmate=[], dbmigrate=["[ ] 1_a.sql", "[ ] 2_b.sql"])


def test_cli_extra_arguments(program, url):
    program.ok("up", url=url)

    done = program("rollback", "3", url=url)

    assert done.exit_code == program.expects(dbmate=0, dbmigrate=2)
    assert tables(url) == program.expects(dbmate=["schema_migrations"], dbmigrate=TRACKED)


def test_cli_usage_errors(program):
    option, command = program("status", "--bogus"), program("bogus")

    assert ("USAGE:" in option.stdout) == program.expects(dbmate=True, dbmigrate=False)
    assert option.stderr.startswith(program.expects(dbmate="Error: ", dbmigrate="error[E200]: "))
    assert command.stderr.startswith(program.expects(dbmate="No help topic for 'bogus'\n", dbmigrate="error[E200]: "))
    assert command.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "url_", "theirs", "ours"),
    [
        pytest.param(["status", "--exit-code"], "{}", 1, 1, id="pending"),
        pytest.param(["status", "--bogus"], "{}", 2, 2, id="usage"),
        pytest.param(["bogus"], "{}", 3, 2, id="command"),
        pytest.param(["status"], "postgres://127.0.0.1:1/x?sslmode=disable", 2, 3, id="connection"),
        pytest.param(["-d", "failing", "up"], "{}", 2, 4, id="failed"),
        pytest.param(["-d", "half-done", "up"], "{}", 2, 5, id="half-done"),
        pytest.param(["up"], "{}&default_transaction_read_only=on", 2, 7, id="refused"),
    ],
)
def test_cli_exit_codes(program, project, url, arguments, url_, theirs, ours):
    for directory, option in (("failing", ""), ("half-done", " transaction:false")):
        (project.root / directory).mkdir()
        text = f"-- migrate:up{option}\ncreate table b ();\nselect 1/0;\n-- migrate:down\n"
        (project.root / directory / "1_a.sql").write_text(text)

    done = program(*arguments, url=url_.format(url))

    assert done.exit_code == program.expects(dbmate=theirs, dbmigrate=ours)


def test_cli_new_name(program, project):
    (project.migrations / "1_a.sql").unlink()

    program.ok("new", "Create", "Users")

    [file] = project.migrations.iterdir()
    assert file.name.partition("_")[2] == program.expects(dbmate="Create.sql", dbmigrate="create_users.sql")


def test_cli_new_name_with_blanks(program, project):
    (project.migrations / "1_a.sql").unlink()

    program.ok("new", "create users")

    [file] = project.migrations.iterdir()
    assert file.name.partition("_")[2] == program.expects(dbmate="create users.sql", dbmigrate="create_users.sql")


def test_cli_new_output(program, project):
    done = program.ok("new", "b")

    [path] = project.migrations.glob("*_b.sql")
    shown = path.relative_to(project.root)
    assert done.stdout == program.expects(dbmate=f"Creating migration: {shown}\n", dbmigrate=f"{shown}\n")


def test_cli_empty_url(program, url):
    done = program("--url", "", "migrate", url=url)

    assert done.exit_code == program.expects(dbmate=0, dbmigrate=2)
    assert tables(url) == program.expects(dbmate=TRACKED, dbmigrate=[])


@pytest.mark.parametrize(
    ("name", "variable", "theirs", "ours"),
    [
        ("staging", "STAGING_DATABASE_URL", 2, 0),
        ("STAGING_DATABASE_URL", "STAGING_DATABASE_URL", 0, 0),
        ("ANY_URL", "ANY_URL", 0, 0),
        ("ANY", "ANY", 0, 2),
    ],
)
def test_cli_environment(program, url, name, variable, theirs, ours):
    assert program("-e", name, "status", env={variable: url}).exit_code == program.expects(
        dbmate=theirs, dbmigrate=ours
    )


def test_cli_environment_that_is_not_set(program, url):
    done = program("-e", "production", "migrate", url=url)

    assert done.exit_code == 2
    assert program.expects(dbmate=INVALID, dbmigrate="PRODUCTION_DATABASE_URL is not set") in done.stderr
    assert tables(url) == []


@pytest.mark.parametrize(
    ("variables", "theirs", "ours"), [({}, ["1", "2"], ["2"]), ({"DBMATE_STRICT": "false"}, ["1", "2"], ["1", "2"])]
)
def test_cli_protected(program, project, url, variables, theirs, ours):
    environment = {"PRODUCTION_DATABASE_URL": url, **variables}
    consent = program.expects(dbmate=[], dbmigrate=["--yes"])
    late = (project.migrations / "1_a.sql").rename(project.root / "1_a.sql")
    project.migration("2_b", up="select 1;")
    program.ok("-e", "PRODUCTION_DATABASE_URL", "up", *consent, env=environment)
    late.rename(project.migrations / "1_a.sql")

    name = program.expects(dbmate="PRODUCTION_DATABASE_URL", dbmigrate="production")
    program("-e", name, "up", *consent, env=environment)

    assert versions(url) == program.expects(dbmate=theirs, dbmigrate=ours)


def test_cli_confirmation(program, project, url):
    project.migration("1_a", up="create table a ();")
    environment = {"PRODUCTION_DATABASE_URL": url}

    done = program("-e", "PRODUCTION_DATABASE_URL", "migrate", env=environment)

    assert done.exit_code == program.expects(dbmate=0, dbmigrate=7)
    assert tables(url) == program.expects(dbmate=TRACKED, dbmigrate=[])
    program.ok("-e", "PRODUCTION_DATABASE_URL", "drop", env={**environment, "DBMIGRATE_PROTECTED": "none"})


@pytest.mark.parametrize("names", ["DB_HOST DB_PORT DB_NAME DB_USER", "PGHOST PGPORT PGDATABASE PGUSER"])
def test_cli_no_url(program, url, server, names):
    values = (server.conninfo["host"], server.conninfo.get("port", "5432"), database_of(url), server.superuser)

    done = program("migrate", env=dict(zip(names.split(), values, strict=True)))

    assert done.exit_code == program.expects(dbmate=2, dbmigrate=0)
    assert tables(url) == program.expects(dbmate=[], dbmigrate=TRACKED)


def test_cli_other_databases(program, project):
    done = program("status", url="sqlite:data.sqlite3")

    assert done.exit_code == program.expects(dbmate=0, dbmigrate=2)


# -- env files


@pytest.mark.parametrize(("argument", "theirs", "ours"), [("--help", 3, 0), ("--version", 3, 0), ("status", 3, 2)])
def test_env_unreadable(program, project, argument, theirs, ours):
    (project.root / ".env").write_text("A=1\nNO ASSIGNMENT\n")

    done = program(argument)

    assert done.exit_code == program.expects(dbmate=theirs, dbmigrate=ours)
    assert (".env:2:1" in done.stderr) == program.expects(dbmate=False, dbmigrate=argument == "status")


def test_env_file_equals(program, project, url):
    (project.root / "x.env").write_text(f"DATABASE_URL={url}\n")

    assert program("--env-file=x.env", "status").exit_code == program.expects(dbmate=2, dbmigrate=0)
    assert program("--env-file", "x.env", "status").exit_code == 0


def test_env_file_names(program, project, url):
    (project.root / ".env").write_text("DBMATE_MIGRATIONS_TABLE=first\n")
    (project.root / ".env.dbmate").write_text(f"DBMATE_MIGRATIONS_TABLE=second\nDATABASE_URL={url}\n")

    done = program("migrate")

    assert done.exit_code == program.expects(dbmate=2, dbmigrate=0)
    assert tables(url) == program.expects(dbmate=[], dbmigrate=["a", "first"])


@pytest.mark.parametrize(
    ("text", "theirs"),
    [("x$A", "xone"), ("x${A}", "xone"), ("x$B", "x"), ("x${HOME}z", "xz"), ('"x$A"', "xone"), ("x\\$A", "x$A")],
)
def test_env_expansion(program, project, url, text, theirs):
    (project.root / ".env").write_text(f"A=one\nDBMATE_MIGRATIONS_TABLE={text}\n")

    program.ok("migrate", url=url)

    assert tables(url) == ["a", program.expects(dbmate=theirs, dbmigrate=text.strip('"'))]


@pytest.mark.parametrize(("text", "theirs", "ours"), [('"a\\tb"', "atb", "a\tb"), ('"a\\qb"', "aqb", "a\\qb")])
def test_env_escapes(program, project, url, text, theirs, ours):
    (project.root / ".env").write_text(f"DBMATE_MIGRATIONS_TABLE={text}\n")

    program.ok("migrate", url=url)

    assert tables(url) == ["a", program.expects(dbmate=theirs, dbmigrate=ours)]


def test_env_colon(program, project, url):
    (project.root / ".env").write_text("DBMATE_MIGRATIONS_TABLE: yaml\n")

    done = program("migrate", url=url)

    assert done.exit_code == program.expects(dbmate=0, dbmigrate=2)
    assert tables(url) == program.expects(dbmate=["a", "yaml"], dbmigrate=[])


def test_env_bom(program, project, url):
    (project.root / ".env").write_text(f"\ufeffDATABASE_URL={url}\n")

    assert program("status").exit_code == program.expects(dbmate=3, dbmigrate=0)


def test_env_empty_value(program, project, url):
    (project.root / ".env").write_text("DBMATE_MIGRATIONS_TABLE=\n")

    done = program("migrate", url=url)

    assert done.exit_code == program.expects(dbmate=2, dbmigrate=0)
    assert tables(url) == program.expects(dbmate=[], dbmigrate=TRACKED)


# -- URLs


def test_url_sslmode(program, tcp_url):
    done = program("status", url=tcp_url.replace("sslmode=disable", ""))

    assert done.exit_code == program.expects(dbmate=2, dbmigrate=0)
    assert ("SSL is not enabled on the server" in done.stderr) == program.expects(dbmate=True, dbmigrate=False)


def test_url_errors(program):
    done = program("status", url="postgres://username:otS33+tb/e4=@localhost:1/database")

    assert done.exit_code == 2
    assert ("otS33" in said(done)) == program.expects(dbmate=True, dbmigrate=False)


@pytest.fixture
def role(server, query, tcp_url):
    """A role whose password holds an @ and a #; its URL without the password."""
    name = f"role_{database_of(tcp_url)}"
    query(tcp_url, f"create role {name} login superuser password 'p@ss#'")
    yield tcp_url.replace(tcp_url[len("postgres://") : tcp_url.index("@")], f"{name}:{{}}")
    query(tcp_url, f"reassign owned by {name} to {server.superuser}; drop role {name}")


def test_url_at_sign(program, role):
    plain, encoded = program("status", url=role.format("p@ss%23")), program("status", url=role.format("p%40ss%23"))

    assert plain.exit_code == program.expects(dbmate=0, dbmigrate=2)
    assert encoded.exit_code == 0


def test_url_blanks(program, make_url, absent_name):
    url = make_url(absent_name("my db"))

    within, around = program("status", url=url.replace("%20", " ")), program("status", url=f" {url}\n")

    assert within.exit_code == program.expects(dbmate=0, dbmigrate=2)
    assert around.exit_code == program.expects(dbmate=2, dbmigrate=0)


def test_url_hash(program, role, tcp_url):
    in_password, at_the_end = program("status", url=role.format("p%40ss#")), program("status", url=f"{tcp_url}#x")

    # at the end it belongs to sslmode, whose value is then none that libpq knows
    assert (in_password.exit_code, at_the_end.exit_code) == program.expects(dbmate=(2, 0), dbmigrate=(0, 2))


def test_url_plus(program, project, url):
    project.migration("1_a", up="create table a as select current_setting('application_name') v;")

    program.ok("migrate", url=f"{url}&application_name=a+b%20c")

    assert scalar(url, "select v from a") == program.expects(dbmate="a b c", dbmigrate="a+b c")


@pytest.mark.parametrize("parameter", ["keepalives=1", "gssencmode=disable", "channel_binding=disable"])
def test_url_libpq_parameters(program, tcp_url, parameter):
    done = program("status", url=f"{tcp_url}&{parameter}")

    assert done.exit_code == program.expects(dbmate=2, dbmigrate=0)


@pytest.mark.parametrize("variable", ["PGCHANNELBINDING=prefer", "PGGSSENCMODE=disable", "PGREQUIREAUTH=!none"])
def test_url_libpq_variables(program, tcp_url, variable):
    name, _, value = variable.partition("=")

    assert program("status", url=tcp_url, env={name: value}).exit_code == program.expects(dbmate=2, dbmigrate=0)


def test_url_other_forms(program, server, tcp_url, unused_port):
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    place = f"127.0.0.1:{server.conninfo['port']}"
    several = program("status", url=tcp_url.replace(place, f"127.0.0.1:{unused_port},{place}"))
    keywords = program("status", url=make_conninfo("", **conninfo_to_dict(tcp_url)))

    assert (several.exit_code, keywords.exit_code) == program.expects(dbmate=(2, 2), dbmigrate=(0, 0))


def test_url_without_database(program, server, role, query, tcp_url):
    name = f"role_{database_of(tcp_url)}"

    done = program("create", url=with_database(role.format("p%40ss%23"), ""))

    made = query(tcp_url, "select datname from pg_database where datname = %s", [name])
    server.drop(name)
    assert done.exit_code == program.expects(dbmate=2, dbmigrate=0)
    assert made == program.expects(dbmate=[], dbmigrate=[(name,)])


def test_url_maintenance_database(program, lone_url, query):
    with_one = program("create", url=lone_url("first"))
    query(lone_url("template1"), "drop database postgres")

    without = program("create", url=lone_url("second"))

    assert with_one.exit_code == 0
    assert without.exit_code == program.expects(dbmate=2, dbmigrate=0)


def test_run_pooler(program, server, tcp_url):
    with pooler(host="127.0.0.1", port=int(server.conninfo["port"])) as port:
        pooled = tcp_url.replace(f":{server.conninfo['port']}/", f":{port}/")
        done = program("migrate", url=pooled)
        assert tables(tcp_url) == program.expects(dbmate=TRACKED, dbmigrate=[])
        program.ok(*program.expects(dbmate=(), dbmigrate=("--allow-pooler",)), "migrate", url=pooled)

    assert done.exit_code == program.expects(dbmate=0, dbmigrate=7)
    assert tables(tcp_url) == TRACKED
