"""The project file: what it may say, where a value is from, and what is refused with which place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dbmigrate.errors import ConfigError
from dbmigrate.settings import load as config
from dbmigrate.settings import project_file
from dbmigrate.settings.load import Flags
from dbmigrate.settings.variables import VARIABLES

ROOT = Path(__file__).parents[3]


@pytest.fixture
def load(tmp_path):
    """`load(toml, environ, flags...)`; other files with `files={"pyproject.toml": ...}`"""

    def load(text=None, environ=None, *, files=None, **flags):
        named = {**({} if text is None else {"dbmigrate.toml": text}), **(files or {})}
        for name, content in named.items():
            (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return config.load(Flags(**flags), environ or {}, str(tmp_path))

    return load


@pytest.fixture
def refused(load):
    def refused(text=None, **arguments):
        with pytest.raises(ConfigError) as caught:
            load(text, **arguments)
        return caught.value

    return refused


# --------------------------------------------------------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("line", "setting", "expected"),
    [
        ('migrations-dir = "a"', "migrations_dirs", ("a",)),
        ('migrations-dir = ["a", "b"]', "migrations_dirs", ("a", "b")),
        ('migrations-table = "app.migrations"', "migrations_table", "app.migrations"),
        ('schema-file = "x.sql"', "schema_file", "x.sql"),
        ("dump-schema = false", "dump_schema", False),
        ("dump-schema = true", "dump_schema", True),
        ('schema-versions = "scattered"', "schema_versions", "scattered"),
        ("wait = true", "wait", True),
        ('wait-timeout = "1m30s"', "wait_timeout", 90.0),
        ('wait-interval = "500ms"', "wait_interval", 0.5),
        ("lock-wait = 0", "lock_wait", 0.0),
        ('lock-timeout = "3s"', "lock_timeout", 3.0),
        ("lock-timeout = 0", "lock_timeout", 0.0),
        ('timeout = "30m"', "timeout", 1800.0),
        ("allow-pooler = true", "allow_pooler", True),
        ("strict = true", "strict", True),
        ('protected = ["a", "B-c"]', "protected", {"a", "b_c"}),
        ('protected = "a, b"', "protected", {"a", "b"}),
        ("protected = []", "protected", set()),
    ],
)
def test_a_key_sets_what_its_option_sets(load, line, setting, expected):
    assert getattr(load(line), setting) == expected


@pytest.mark.parametrize("text", ["[tool.dbmigrate]\nstrict = true", "[tool]\ndbmigrate = {strict = true}"])
def test_pyproject_has_the_same_keys_in_a_section(load, text):
    settings = load(files={"pyproject.toml": text})

    assert settings.strict is True
    assert settings.project.path == "pyproject.toml"


@pytest.mark.parametrize(
    "text",
    ["", "[project]\nname = 'x'\ndependencies = ['dbmigrate']", "[tool.ruff]\nline-length = 3", "this is not TOML"],
)
def test_a_pyproject_of_others_says_nothing(load, text):
    assert load(files={"pyproject.toml": text}).project == project_file.Project(
        path="pyproject.toml" if "dbmigrate" in text else ""
    )


def test_without_a_file_everything_is_as_it_was(load):
    assert load().project == project_file.Project()


def test_dbmigrate_toml_wins_whole_with_a_note(load):
    settings = load("strict = true", files={"pyproject.toml": "[tool.dbmigrate]\nwait = true"})

    assert (settings.strict, settings.wait) == (True, False)
    assert [problem.code for problem in settings.project.problems] == ["W620"]


def test_a_pyproject_without_the_section_is_no_reason_for_a_note(load):
    settings = load("", files={"pyproject.toml": "[project]\ndependencies = ['dbmigrate']\n# tool.dbmigrate"})

    assert settings.project.problems == ()


def test_flag_over_environment_over_env_file_over_project_file(load):
    file = 'schema-file = "project.sql"'

    assert load(file).schema_file == "project.sql"
    assert load(file, files={".env": "DBMATE_SCHEMA_FILE=env.sql"}).schema_file == "env.sql"
    assert load(file, {"DBMATE_SCHEMA_FILE": "process.sql"}).schema_file == "process.sql"
    assert load(file, {"DBMATE_SCHEMA_FILE": "process.sql"}, schema_file="flag.sql").schema_file == "flag.sql"


def test_a_variable_that_is_set_to_nothing_leaves_the_project_file_its_say(load):
    assert load("strict = true", {"DBMIGRATE_STRICT": ""}).strict is True


def test_a_flag_can_take_back_what_the_file_says(load):
    assert load("strict = true", strict=False).strict is False


def test_every_value_knows_its_line(load):
    settings = load('# a comment\n\nstrict = true\n"lock-wait"= "1s"\nmigrations-dir = [\n  "a",\n]\n')

    assert settings.origins["DBMIGRATE_STRICT"] == "dbmigrate.toml:3"
    assert settings.origins["DBMIGRATE_LOCK_WAIT"] == "dbmigrate.toml:4"
    assert settings.origins["DBMIGRATE_MIGRATIONS_DIR"] == "dbmigrate.toml:5"
    assert settings.origins["DBMIGRATE_WAIT"] == "default"


def test_the_line_is_that_of_the_section(load):
    text = "[tool.other]\nstrict = 1\n\n[ tool . dbmigrate ] # here\nwait = true\nstrict = true\n"

    assert load(files={"pyproject.toml": text}).origins["DBMIGRATE_STRICT"] == "pyproject.toml:6"


def test_a_dotted_key_has_a_line_too(load):
    assert load("environments.production.require-applied-in = 'x'", environment="production").required.origin == (
        "dbmigrate.toml:1"
    )


def test_crlf_and_a_byte_order_mark_are_no_trouble(load):
    settings = load(b'\xef\xbb\xbf# \xc3\xa4\r\nstrict = true\r\nschema-file = """a\r\nb"""\r\n')

    assert settings.strict is True
    assert settings.schema_file == "a\nb"


def test_tables_are_handed_on_as_they_are(load):
    found = load(
        "[lint]\ndisable = ['L101']\n[lint.severity]\nL102 = 'note'\n[deploy]\nhealth-url = 'http://x'"
    ).project

    assert found.lint == {"disable": ["L101"], "severity": {"L102": "note"}}
    assert found.deploy == {"health-url": "http://x"}


def test_environments_have_an_order_and_requirements(load):
    text = "[environments]\norder = ['qa', 'eu-west']\n[environments.production]\nrequire-applied-in = 'staging'\n"

    settings = load(text, environment="PRODUCTION_DATABASE_URL")

    assert settings.project.order == ("qa", "eu-west")
    assert settings.required == project_file.Requirement("staging", "dbmigrate.toml:4")
    assert load(text, environment="qa").required is None
    assert load(text).required is None


def test_how_long_others_may_wait_is_said_for_all_or_for_one_environment(load, refused):
    text = "max-blocked = '9s'\n[environments.production]\nmax_blocked = '2s'\n[env.qa]\nmax-blocked = 0\n"
    url = {"DATABASE_URL": "postgres://h/a", "PRODUCTION_DATABASE_URL": "postgres://h/a"}

    assert load(text).max_blocked == 9.0
    assert load(text, environment="production").max_blocked == 2.0
    assert load(text, url).max_blocked == 2.0
    assert load(text, environment="qa").max_blocked is None
    assert load(text, {"DBMIGRATE_MAX_BLOCKED": "3s"}, environment="production").max_blocked == 3.0
    assert load("").max_blocked is None
    assert refused("[environments.production]\nmax-blocked = 2").code == "E255"
    with pytest.raises(ConfigError, match=r"environments.production.max-blocked \(dbmigrate.toml:2\): .soon."):
        assert load("[environments.production]\nmax-blocked = 'soon'", environment="production").max_blocked


@pytest.mark.parametrize("heading", ["environments.eu-west", "env.eu-west", "env.EU_WEST", "env.'eu.west'"])
@pytest.mark.parametrize("key", ["require-applied-in", "require_applied_in"])
def test_one_table_of_an_environment_has_two_names(load, heading, key):
    settings = load(f"[env]\norder = ['qa']\n\n[{heading}]\n{key} = 'staging'\n", environment="EU_WEST_DATABASE_URL")

    assert settings.required == project_file.Requirement("staging", "dbmigrate.toml:5")
    assert settings.project.order == ("qa",)


def test_underscores_in_keys_are_hyphens(load):
    settings = load(
        "migrations_dir = ['a']\nlock_wait = '7s'\n[lint]\npg_version = 15\n[deploy]\nhealth_url = 'http://x'\n"
    )

    assert (settings.migrations_dirs, settings.lock_wait) == (("a",), 7.0)
    assert settings.origins["DBMIGRATE_LOCK_WAIT"] == "dbmigrate.toml:2"
    assert settings.project.lint == {"pg-version": 15}
    assert settings.project.deploy == {"health-url": "http://x"}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("lock-wait = '1s'\nlock_wait = '1s'", 1),
        ("[lint]\npg-version = 15\npg_version = 15", 2),
        ("[deploy]\non_failure = 'keep'\non-failure = 'keep'", 2),
        ("[env.a]\nrequire-applied-in = 'x'\nrequire_applied_in = 'x'", 2),
        ("[environments.a]\n[env.a]", 2),
        ("[env.a]\n[environments.a]", 1),
        ("[environments.eu-west]\n\n[environments.EU_WEST]", 3),
        ("[environments]\norder = []\n[env]\norder = []", 4),
    ],
)
def test_two_spellings_of_one_thing_are_an_error(refused, text, line):
    error = refused(text)

    assert error.code == "E209"
    assert error.place.path == "dbmigrate.toml"
    assert error.place.line in (line, text.count("\n") + 1)


def test_the_environment_of_runs_that_name_none(load, refused):
    assert load("env-default = 'EU-West'").target_environment == "eu_west"
    assert load("env-default = 'dev'", environment="qa").target_environment == "qa"
    assert load("env-default = 'dev'", {"DBMIGRATE_ENV": "PRODUCTION_URL"}).target_environment == "production"
    assert load("env-default = 'dev'", environment="DATABASE_URL").target_environment == "dev"
    assert load("").target_environment is None
    for text in ("''", "['dev']", "'a b'", "1"):
        assert refused(f"env-default = {text}").code == "E255"


def test_the_database_of_a_protected_environment_is_not_that_of_runs_that_name_none(load):
    url = {"DATABASE_URL": "postgres://h/a", "PRODUCTION_DATABASE_URL": "postgres://h/a"}

    assert load("env-default = 'dev'", url).target_environment == "production"
    assert load("env-default = 'dev'", url | {"DATABASE_URL": "postgres://h/b"}).target_environment == "dev"


def test_an_environment_may_be_called_order(load):
    settings = load("[environments.order]\nrequire-applied-in = 'x'", environment="order")

    assert (settings.project.order, settings.required.environment) == ((), "x")


# ----------------------------------------------------------------------------------------------------------- protection


@pytest.mark.parametrize(
    ("environment", "protected", "expected"),
    [
        ("production", None, True),
        ("PRODUCTION_DATABASE_URL", None, True),
        ("Prod", None, True),
        ("staging", None, False),
        (None, None, False),
        ("staging", "Staging", True),
        ("production", "staging", False),
        ("eu-west.prod", "EU_WEST_PROD_DATABASE_URL", True),
        ("EU_WEST_PROD_DATABASE_URL", "eu-west.prod", True),
        ("ANY_URL", "any_url", True),
        ("production", ",", False),
    ],
)
def test_what_is_protected(load, environment, protected, expected):
    environ = {} if protected is None else {"DBMIGRATE_PROTECTED": protected}

    settings = load(None, environ, environment=environment)

    assert settings.is_protected is expected
    assert settings.strict is expected


# ------------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("strickt = true", "did you mean strict?"),
        ("migration_dir = 'a'", "did you mean migrations-dir?"),
        ("LOCK_TIMEOUT = '1s'", "did you mean lock-timeout?"),
        ("[tool.dbmigrate]\nstrict = true", "remove [tool.dbmigrate]: in dbmigrate.toml"),
        ("[environments.production]\nrequire-aplied-in = 'x'", "did you mean require-applied-in?"),
        ("xyzzy = 1", "the keys are "),
    ],
)
def test_an_unknown_key_is_an_error_that_names_the_nearest_one(refused, text, hint):
    error = refused(text)

    assert error.code == "E254"
    assert hint in error.hint
    assert error.place.path == "dbmigrate.toml"
    assert error.place.line == (1 if text.startswith("[tool") else text.count("\n") + 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("strict = 'true'", "strict must be true or false"),
        ("strict = 1", "strict must be true or false"),
        ("lock-wait = 5", 'lock-wait must be a duration such as "30s"'),
        ("lock-wait = false", 'lock-wait must be a duration such as "30s"'),
        ("lock-wait = 2026-01-01", 'lock-wait must be a duration such as "30s"'),
        ("schema-file = ['a']", "schema-file must be a string"),
        ("schema-file = ''", "schema-file must be a string, not empty"),
        ('schema-file = "a\\u0000"', "schema-file must be a string, not empty"),
        ("migrations-dir = ['a', 1]", "migrations-dir must be a list of strings"),
        ("migrations-dir = 1", "migrations-dir must be a string or a list of strings"),
        ("lint = 1", "lint must be a table"),
        ("[[deploy]]", "deploy must be a table"),
        ("environments = ['a']", "environments must be a table"),
        ("[environments]\norder = 'a'", "environments.order must be a list of strings"),
        ("[environments]\nproduction = 'a'", "environments.production must be a table"),
        (
            "[environments.p]\nrequire-applied-in = ['a']",
            "environments.p.require-applied-in must be the name of an environment",
        ),
    ],
)
def test_a_value_of_the_wrong_type_names_file_and_key(refused, text, message):
    error = refused(text)

    assert (error.code, error.message) == ("E255", f"dbmigrate.toml: {message}")


def test_the_section_itself_has_to_be_a_table(refused):
    assert refused(files={"pyproject.toml": "[tool]\ndbmigrate = 5"}).code == "E255"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lock-wait = '5'", 'lock-wait (dbmigrate.toml:1): "5" is not a duration'),
        ("schema-versions = 'x'", "schema-versions (dbmigrate.toml:1): unknown layout 'x'"),
        ("migrations-dir = []", "migrations-dir (dbmigrate.toml:1) is empty"),
    ],
)
def test_an_impossible_value_is_told_like_that_of_a_variable(refused, text, message):
    error = refused(text)

    assert (error.code, error.message) == ("E205", message)


@pytest.mark.parametrize(
    "key",
    ["url", "URL", "database-url", "DATABASE_URL", "production_database_url", "password", "db_password", "host", "dsn"],
)
def test_where_a_database_is_does_not_belong_there(refused, key):
    error = refused(f'{key} = "postgres://u:s3cret@h/d"')

    assert error.code == "E256"
    assert "s3cret" not in f"{error.message}{error.hint}"


def test_neither_does_it_belong_to_an_environment(refused):
    error = refused("[environments.production]\nurl = 'postgres://u:s3cret@h/d'")

    assert (error.code, str(error.place)) == ("E256", "dbmigrate.toml:2:1")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("strict = true\nstrict = false\n", "dbmigrate.toml:2:15"),
        ("strict = \n", "dbmigrate.toml:1:10"),
        ("strict = true\nlint = {", "dbmigrate.toml:2:9"),
        ("\n\n<<<<<<< HEAD\n", "dbmigrate.toml:3:1"),
        (b"strict = true\n# \xff\n", "dbmigrate.toml:2:1"),
    ],
)
def test_what_is_not_toml_is_told_with_its_place(refused, text, place):
    error = refused(text)

    assert (error.code, str(error.place)) == ("E253", place)


def test_brackets_without_end_are_an_error_and_no_crash(refused):
    assert refused("lint = " + "[" * 100_000).code == "E253"


def test_a_pyproject_that_mentions_us_has_to_be_toml(refused):
    assert refused(files={"pyproject.toml": "[tool.dbmigrate\n"}).code == "E253"


def test_a_file_that_cannot_be_opened_is_an_error(tmp_path, refused):
    (tmp_path / "dbmigrate.toml").mkdir()

    assert refused().code == "E207"


# ------------------------------------------------------------------------------------------------------------ the table


def test_keys_are_words_with_dashes_and_say_nothing_of_databases():
    keys = [variable.key for variable in VARIABLES.values() if variable.key]

    assert len(set(keys)) == len(keys)
    assert [key for key in keys if not re.fullmatch(r"[a-z]+(-[a-z]+)*", key)] == []
    assert not set(keys) & {"url", "env", "driver", "lint", "deploy", "environments"}


def test_the_example_of_the_documentation_is_accepted(load):
    text = (ROOT / "docs/reference/configuration.md").read_text("utf-8")
    example = text.split("```toml\n# dbmigrate.toml;")[1].split("```")[0]

    assert load(f"# {example}").project.order == ("dev", "staging", "production")
