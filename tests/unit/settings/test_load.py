"""Settings: which source wins, which database is meant, and what is refused."""

import os
from pathlib import Path

import pytest

from dbmigrate.errors import ConfigError
from dbmigrate.schema.versions import Layout
from dbmigrate.settings import load as config
from dbmigrate.settings import sources
from dbmigrate.settings.load import Flags

ROOT = Path(__file__).parents[3]
URL = "postgres://u@h/app"


@pytest.fixture
def load(tmp_path):
    """`load(environ, flags..., files={".env": "..."})`"""

    def load(environ=None, *, files=None, **flags):
        for name, content in (files or {}).items():
            (tmp_path / name).write_text(content)
        return config.load(Flags(**flags), environ or {}, str(tmp_path))

    return load


def refusal(function, *arguments, **options):
    with pytest.raises(ConfigError) as caught:
        function(*arguments, **options)
    return caught.value


# ------------------------------------------------------------------------------------------------------------ defaults


def test_the_defaults_are_those_of_dbmate(load):
    settings = load()

    assert settings.migrations_dirs == ("./db/migrations",)
    assert settings.migrations_table == "schema_migrations"
    assert settings.schema_file == "./db/schema.sql"
    assert (settings.wait, settings.wait_timeout, settings.wait_interval) == (False, 60.0, 1.0)
    assert (settings.dump_schema, settings.strict, settings.verbose) == (True, False, False)
    assert settings.driver == ""


def test_the_other_defaults(load):
    settings = load()

    assert (settings.lock_wait, settings.lock_timeout, settings.timeout) == (300.0, None, None)
    assert (settings.schema_versions, settings.environment) == ("dbmate", None)


def test_a_pg_dump_of_an_env_file_is_in_the_environment_of_programs(load):
    settings = load(files={".env": "DBMIGRATE_PG_DUMP='docker exec db pg_dump'\n"})

    assert settings.environ["DBMIGRATE_PG_DUMP"] == "docker exec db pg_dump"


def test_the_layouts_are_those_of_the_schema_file():
    assert list(sources.LAYOUTS) == [layout.value for layout in Layout]


def test_the_defaults_stand_in_the_table_of_variables(load):
    origins = load().origins

    assert set(origins) <= set(config.VARIABLES)
    assert set(origins.values()) == {"default"}


# ---------------------------------------------------------------------------------------------------------- precedence

SPELLINGS = [
    ("migrations_dirs", "DBMATE_MIGRATIONS_DIR", "a", ("a",)),
    ("migrations_table", "DBMATE_MIGRATIONS_TABLE", "app.migrations", "app.migrations"),
    ("schema_file", "DBMATE_SCHEMA_FILE", "x.sql", "x.sql"),
    ("dump_schema", "DBMATE_NO_DUMP_SCHEMA", "true", False),
    ("wait", "DBMATE_WAIT", "1", True),
    ("wait_timeout", "DBMATE_WAIT_TIMEOUT", "1m30s", 90.0),
    ("wait_interval", "DBMATE_WAIT_INTERVAL", "500ms", 0.5),
    ("driver", "DBMATE_DRIVER", "postgres", "postgres"),
    ("strict", "DBMATE_STRICT", "t", True),
    ("verbose", "DBMATE_VERBOSE", "T", True),
    ("lock_wait", "DBMIGRATE_LOCK_WAIT", "0", 0.0),
    ("lock_timeout", "DBMIGRATE_LOCK_TIMEOUT", "3s", 3.0),
    ("lock_timeout", "DBMIGRATE_LOCK_TIMEOUT", "0", 0.0),
    ("timeout", "DBMIGRATE_TIMEOUT", "30m", 1800.0),
    ("schema_versions", "DBMIGRATE_SCHEMA_VERSIONS", "scattered", "scattered"),
    ("environment", "DBMIGRATE_ENV", "staging", "staging"),
]


@pytest.mark.parametrize(("setting", "name", "text", "expected"), SPELLINGS)
def test_a_variable_of_the_environment_is_read(load, setting, name, text, expected):
    assert getattr(load({name: text}), setting) == expected


@pytest.mark.parametrize(("setting", "name", "text", "expected"), SPELLINGS)
def test_a_variable_of_an_env_file_is_read(load, setting, name, text, expected):
    assert getattr(load(files={".env": f"{name}='{text}'"}), setting) == expected


@pytest.mark.parametrize(("setting", "name", "text", "expected"), SPELLINGS)
def test_every_variable_of_dbmate_has_a_name_of_ours_that_wins(load, setting, name, text, expected):
    ours = name.replace("DBMATE_", "DBMIGRATE_")

    assert getattr(load({ours: text}), setting) == expected
    if ours != name:
        assert getattr(load({ours: text, name: "nonsense"}), setting) == expected


@pytest.mark.parametrize("name", [name for name in config.VARIABLES if name.startswith("DBMIGRATE_")])
def test_a_variable_that_is_set_to_nothing_counts_as_not_set(load, name):
    assert load({name: ""}).origins == load().origins


def test_flag_over_environment_over_env_file_over_default(load):
    files = {".env": "DBMATE_SCHEMA_FILE=file.sql"}
    environ = {"DBMATE_SCHEMA_FILE": "environment.sql"}

    assert load(files=files).schema_file == "file.sql"
    assert load(environ, files=files).schema_file == "environment.sql"
    assert load(environ, files=files, schema_file="flag.sql").schema_file == "flag.sql"


def test_the_environment_wins_over_a_file_even_by_the_name_of_dbmate(load):
    settings = load({"DBMATE_SCHEMA_FILE": "environment.sql"}, files={".env": "DBMIGRATE_SCHEMA_FILE=file.sql"})

    assert settings.schema_file == "environment.sql"


def test_a_variable_set_to_nothing_hides_the_env_file(load):
    settings = load({"DATABASE_URL": ""}, files={".env": f"DATABASE_URL={URL}"})

    assert refusal(settings.target).code == "E201"


def test_the_second_default_file_adds_to_the_first(load):
    files = {".env": "DBMATE_WAIT=true", ".env.dbmate": "DBMATE_WAIT=false\nDBMATE_STRICT=true"}

    settings = load(files=files)

    assert (settings.wait, settings.strict) == (True, True)
    assert settings.env_files == (".env", ".env.dbmate")


def test_chosen_env_files_replace_the_default_ones(load):
    settings = load(
        files={".env": "DBMATE_WAIT=true", "a": "DBMATE_STRICT=true", "b": ""}, env_files=["a", "b", "gone"]
    )

    assert (settings.wait, settings.strict) == (False, True)
    assert settings.env_files == ("a", "b")


def test_a_broken_env_file_is_an_error(load):
    assert refusal(load, files={".env": "oops"}).code == "E204"


def test_the_origin_of_every_setting_is_known(load):
    settings = load({"DBMATE_WAIT": "1"}, files={".env": "\nDBMIGRATE_STRICT=1"}, schema_file="x")

    assert settings.origins["DBMIGRATE_WAIT"] == "DBMATE_WAIT (environment)"
    assert settings.origins["DBMIGRATE_STRICT"] == ".env:2"
    assert settings.origins["DBMIGRATE_SCHEMA_FILE"] == "--schema-file"
    assert settings.origins["DBMIGRATE_LOCK_WAIT"] == "default"


@pytest.mark.parametrize(
    ("flags", "environ", "expected"),
    [
        (["a", "b"], {}, ("a", "b")),
        (["a,b", "c"], {}, ("a", "b", "c")),
        ([], {"DBMATE_MIGRATIONS_DIR": "a, b,"}, ("a", "b")),
        (["a"], {"DBMATE_MIGRATIONS_DIR": "b"}, ("a",)),
    ],
)
def test_several_directories(load, flags, environ, expected):
    assert load(environ, migrations_dirs=flags).migrations_dirs == expected


@pytest.mark.parametrize("table", ["app.t", "camelSchema.testMigrations", "custom-schema.custom@table@name", "a.b.c"])
def test_a_table_may_have_a_schema_and_more_dots(load, table):
    assert load(migrations_table=table).migrations_table == table


@pytest.mark.parametrize(
    ("environ", "flags", "message"),
    [
        ({"DBMATE_WAIT": "yes"}, {}, 'DBMATE_WAIT (environment): "yes" is neither true nor false'),
        ({"DBMATE_WAIT_TIMEOUT": "5"}, {}, 'DBMATE_WAIT_TIMEOUT (environment): "5" is not a duration'),
        ({}, {"wait_timeout": "soon"}, '--wait-timeout: "soon" is not a duration'),
        ({}, {"wait_timeout": ""}, '--wait-timeout: "" is not a duration'),
        ({}, {"wait_interval": "0"}, "the wait interval is 0"),
        ({}, {"lock_timeout": "1us"}, '--lock-timeout: "1us" is out of range'),
        ({}, {"migrations_dirs": [""]}, "--migrations-dir is empty"),
        ({}, {"migrations_dirs": [","]}, "the migrations directory is empty"),
        ({}, {"migrations_table": ".t"}, "the migrations table '.t' has no name on one side of the dot"),
        ({}, {"migrations_table": ""}, "--migrations-table is empty"),
        ({"DBMIGRATE_SCHEMA_VERSIONS": "x"}, {}, "DBMIGRATE_SCHEMA_VERSIONS (environment): unknown layout 'x'"),
        ({}, {"environment": ""}, "--env: the name of the environment is empty or invalid"),
        ({}, {"environment": "a b"}, "--env: the name of the environment is empty or invalid"),
    ],
)
def test_an_impossible_value_is_an_error_that_names_its_source(load, environ, flags, message):
    error = refusal(load, environ, **flags)

    assert (error.code, error.message) == ("E205", message)
    assert error.hint


def test_an_impossible_value_of_an_env_file_is_named_with_its_line(load):
    error = refusal(load, files={".env": "# comment\nDBMATE_WAIT=yes"})

    assert error.message == 'DBMATE_WAIT (.env:2): "yes" is neither true nor false'


# -------------------------------------------------------------------------------------------------------- the database


def display(settings):
    return settings.target().display


def test_a_command_that_needs_no_database_needs_no_url(load):
    assert load().migrations_dirs == ("./db/migrations",)


def test_without_anything_the_error_says_what_to_set(load):
    error = refusal(load().target)

    assert error.code == "E201"
    assert error.message == "invalid url, have you set your --url flag or DATABASE_URL environment variable?"
    assert "DATABASE_URL=postgres://" in error.hint
    assert "dbmigrate demo" in error.hint


def test_the_url_flag_wins_over_everything(load):
    settings = load({"DATABASE_URL": "postgres://u@other/x"}, url=URL, environment="production")

    assert (display(settings), settings.origin) == ("u@h:5432/app", "--url")


def test_an_empty_url_flag_is_an_error_and_no_wish_for_the_default(load):
    assert refusal(load({"DATABASE_URL": URL}, url="").target).code == "E202"


def test_database_url_is_the_default(load):
    settings = load({"DATABASE_URL": URL, "DB_HOST": "x", "PGHOST": "y"})

    assert (display(settings), settings.origin) == ("u@h:5432/app", "DATABASE_URL (environment)")


def test_a_url_of_an_env_file_tells_its_line(load):
    settings = load(files={".env": f"\n\nDATABASE_URL='{URL}'"})

    assert (display(settings), settings.origin) == ("u@h:5432/app", ".env:3")


@pytest.mark.parametrize(
    ("name", "variable", "canonical"),
    [
        ("production", "PRODUCTION_DATABASE_URL", "production"),
        ("dev", "DEV_DATABASE_URL", "dev"),
        ("Staging", "STAGING_DATABASE_URL", "staging"),
        ("eu-west.1", "EU_WEST_1_DATABASE_URL", "eu_west_1"),
        ("STAGING_DATABASE_URL", "STAGING_DATABASE_URL", "staging"),
        ("CUSTOM_URL", "CUSTOM_URL", "CUSTOM_URL"),
        ("DATABASE_URL", "DATABASE_URL", "DATABASE_URL"),
    ],
)
def test_an_environment_names_its_variable(load, name, variable, canonical):
    environ = {"DATABASE_URL": "postgres://u@default/x", variable: URL}

    for settings in (load(environ, environment=name), load({**environ, "DBMIGRATE_ENV": name})):
        assert display(settings) == "u@h:5432/app"
        assert settings.environment == canonical
        assert settings.origin == f"{variable} (environment)"


@pytest.mark.parametrize("value", [{}, {"STAGING_DATABASE_URL": ""}, {"STAGING_DATABASE_URL": "  "}])
@pytest.mark.parametrize("name", ["staging", "STAGING_DATABASE_URL"])
def test_an_environment_without_its_variable_is_an_error_and_never_another_database(load, name, value):
    environ = {"DATABASE_URL": URL, "DB_HOST": "h", "PGHOST": "h", "DEV_DATABASE_URL": URL, **value}

    error = refusal(load(environ, files={".env": "A=1"}, environment=name).target)

    assert error.code == "E203"
    assert error.message == (
        "STAGING_DATABASE_URL is not set (looked in the environment and .env; .env.dbmate not found)"
    )
    assert error.hint == "set STAGING_DATABASE_URL, or choose one of: -e dev"


def test_the_flag_wins_over_the_variable_that_names_an_environment(load):
    environ = {"DBMIGRATE_ENV": "production", "PRODUCTION_DATABASE_URL": "postgres://u@prod/x", "DEV_DATABASE_URL": URL}

    assert display(load(environ, environment="dev")) == "u@h:5432/app"


def test_the_known_environments_are_found_in_all_sources(load):
    environ = {"DATABASE_URL": URL, "DEV_DATABASE_URL": URL, "PRODUCTION_DATABASE_URL_FILE": "/x", "X_DATABASE_URL": ""}

    assert load(environ, files={".env": f"STAGING_DATABASE_URL={URL}"}).environments() == (
        "dev",
        "production",
        "staging",
    )


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"DB_HOST": "h"}, "postgres@h:5432/postgres"),
        ({"DB_NAME": "app"}, "postgres@localhost:5432/app"),
        ({"DB_HOST": "/run/pg", "DB_PORT": "5433", "DB_USER": "u", "DB_NAME": "app"}, "u@/run/pg:5433/app"),
        ({"DB_USER": "u", "PGHOST": "x", "PGPASSWORD": "p"}, "u@localhost:5432/postgres"),
    ],
)
def test_without_a_url_the_db_variables_say_it(load, environ, expected):
    settings = load(environ)

    assert (display(settings), settings.origin) == (expected, "DB_* variables")


def test_a_password_of_the_db_variables_is_taken_as_it_is(load):
    target = load({"DB_PASSWORD": "p%40/ s#", "DB_SSLMODE": "require"}).target()

    assert (target.conninfo["password"], target.conninfo["sslmode"]) == ("p%40/ s#", "require")
    assert target.redact("got p%40/ s#") == "got ********"


def test_a_wrong_port_of_the_db_variables_is_an_error(load):
    error = refusal(load({"DB_PORT": "five"}).target)

    assert error.message == "invalid url from the DB_* variables: the port is not a number from 1 to 65535"


@pytest.mark.parametrize(
    "environ",
    [{"PGHOST": "h"}, {"PGHOSTADDR": "10.0.0.1"}, {"PGPORT": "1"}, {"PGUSER": "u"}, {"PGDATABASE": "d"}],
)
def test_at_last_libpqs_own_variables_say_it(load, environ):
    settings = load(environ)

    assert settings.target().conninfo
    assert settings.origin == "PG* variables"


def test_a_password_alone_is_no_database(load):
    assert refusal(load({"PGPASSWORD": "x", "PGSSLMODE": "require"}).target).code == "E201"


def test_libpqs_variables_may_stand_in_an_env_file(load):
    target = load(files={".env": "PGHOST=h\nPGUSER=u\nPGPASSWORD=s3cret\nPGDATABASE=app"}).target()

    assert target.display == "u@h:5432/app"
    assert target.environment()["PGPASSWORD"] == "s3cret"


def test_libpqs_variables_complete_a_url(load):
    target = load({"DATABASE_URL": "postgres://h/app", "PGUSER": "me", "PGSSLMODE": "require"}).target()

    assert target.display == "me@h:5432/app"
    assert target.conninfo["sslmode"] == "require"


def test_a_service_is_read_from_the_users_file(load, tmp_path):
    (tmp_path / ".pg_service.conf").write_text(
        "# mine\n[other]\nhost=x\n\n[prod]\nhost=h\ndbname=app\nuser=u\n[last]\n"
    )

    for environ in ({"PGSERVICE": "prod"}, {"DATABASE_URL": "postgres:///?service=prod"}):
        target = load({"HOME": str(tmp_path), "PGDATABASE": "ignored", **environ}).target()

        assert target.display == "u@h:5432/app"
        assert "PGSERVICE" not in target.environment()


@pytest.mark.parametrize("content", ["", "[prod]\nldap://ldap.example.com/x\n", "[prod]\nhost=h\nnonsense=1\n"])
def test_a_service_that_we_do_not_understand_is_left_to_libpq(load, tmp_path, content):
    (tmp_path / "services").write_text(content)

    target = load({"PGSERVICEFILE": str(tmp_path / "services"), "PGSERVICE": "prod", "PGPORT": "7"}).target()

    assert target.conninfo == {"service": "prod"}
    assert target.environment()["PGSERVICE"] == "prod"


def test_programs_get_the_environment_without_a_service(load):
    settings = load({"PGSERVICE": "prod", "PATH": "/bin"}, files={".env": "DBMIGRATE_PG_DUMP=x\nSECRET=y"})

    assert settings.environ == {"PATH": "/bin", "DBMIGRATE_PG_DUMP": "x"}


def test_the_embedded_server_needs_nothing_from_the_environment(load):
    target = load({"DATABASE_URL": "embedded:", "PGHOST": "elsewhere"}).target()

    assert (target.embedded, dict(target.conninfo)) == (".dbmigrate/postgres", {"dbname": "app"})


def test_a_driver_is_checked_when_a_database_is_needed(load):
    assert load(url="foo://u@h/app", driver="postgres").target().database == "app"
    assert refusal(load(url=URL, driver="notadriver").target).message == "unsupported driver: notadriver"


def test_a_wrong_url_says_where_it_is_from_and_keeps_the_password(load):
    error = refusal(load(files={".env": "\nDATABASE_URL='postgres://u:s3cret word@h/d'"}).target)

    assert error.message == "invalid url from .env:2: it contains a blank"


# ----------------------------------------------------------------------------------------------------- URLs from files


@pytest.mark.parametrize("prefix", ["", "STAGING_"])
def test_a_url_may_stand_in_a_file(load, tmp_path, prefix):
    (tmp_path / "secret").write_text(f"\ufeff{URL}\r\n")
    name = f"{prefix}DATABASE_URL_FILE"

    settings = load({name: "secret"}, environment="staging" if prefix else None)

    assert (display(settings), settings.origin) == ("u@h:5432/app", f"{name} (environment)")


def test_a_file_named_by_the_environment_wins_over_a_url_in_an_env_file(load, tmp_path):
    (tmp_path / "secret").write_text(URL)

    settings = load({"DATABASE_URL_FILE": str(tmp_path / "secret")}, files={".env": "DATABASE_URL=postgres://x@y/z"})

    assert display(settings) == "u@h:5432/app"


@pytest.mark.parametrize(
    ("environ", "code", "words"),
    [
        ({"DATABASE_URL_FILE": "gone"}, "E207", "gone cannot be read: No such file or directory"),
        ({"DATABASE_URL_FILE": "."}, "E207", "cannot be read: Is a directory"),
        ({"DATABASE_URL_FILE": "a\0b"}, "E207", "cannot be read: the name contains a NUL character"),
        ({"DATABASE_URL_FILE": "empty"}, "E202", "empty is empty"),
        ({"DATABASE_URL_FILE": "empty", "DATABASE_URL": URL}, "E205", "are both set"),
    ],
)
def test_a_file_without_a_url_is_an_error(load, environ, code, words):
    error = refusal(load(environ, files={"empty": "\n"}).target)

    assert error.code == code
    assert words in error.message


# ------------------------------------------------------------------------------------------------- the project's files


def test_settings_and_flags_do_not_show_urls_in_a_repr(load):
    url = "postgres://u:s3cret@h/d"

    settings = load({"DATABASE_URL": url}, files={".env": f"X={url}"}, url=url)

    assert "s3cret" not in repr(settings)
    assert "s3cret" not in repr(Flags(url=url))


def test_the_environment_of_the_process_is_not_changed(load):
    before = dict(os.environ)

    load({"DATABASE_URL": URL}, files={".env": "PGHOST=x"}).target()

    assert dict(os.environ) == before


def test_the_example_env_file_works_as_it_is(tmp_path):
    settings = config.load(Flags(env_files=[str(ROOT / ".env.example")]), {}, str(tmp_path))

    assert display(settings) == "postgres@localhost:5432/app"
    assert settings.environments() == ("dev",)


def test_the_example_env_file_shows_the_defaults_when_uncommented(tmp_path):
    shown, _, rest = (ROOT / ".env.example").read_text().partition("# Everything below shows its default.")
    defaults, _, _ = rest.partition("# Set these only")
    lines = [line.removeprefix("# ") for line in defaults.splitlines() if line.startswith("# DBMIGRATE_")]

    assert lines
    assert "DATABASE_URL=" in shown
    for name, _, value in (line.partition("=") for line in lines):
        assert value == config.VARIABLES[name].default
