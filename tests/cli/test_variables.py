"""Variables of migrations: `-- migrate:vars NAME`, with values from the environment and the project file."""

from __future__ import annotations

import json
import re

import pytest

from dbmigrate.api.migrator import Migrator, Options
from dbmigrate.errors import Error
from dbmigrate.variables import Variables
from tests.support.catalog import fingerprint
from tests.support.psql import psql

ODD = r"""o'Brien \ "x" :'name' $$ -- ;"""
SECRET = r"""s3cr'et\value-4711"""


@pytest.fixture
def command(run, database_url):
    def run_it(*arguments, url=None, **env):
        values = {"DATABASE_URL": url or database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"}
        given = {f"DBMIGRATE_VAR_{name.upper()}": value for name, value in env.items()}
        return run(*arguments, env=values | given)

    return run_it


def succeeded(done):
    assert done.exit_code == 0, done.stderr
    return done


TRANSACTIONAL = """\
-- migrate:vars tbl, name
-- migrate:require select to_regclass(quote_ident(:'tbl')) is null -- it's :'name' \\
--   and ':''name''' <>:'name'
-- migrate:up
-- migrate:check select count(*) = 1 from :"tbl" where name = :'name'
create table :"tbl" (id int, name text default :'name');
insert into :"tbl" values (1, :'name'), (2, ':''name'''), (3, $$:'name'$$); -- :'name'
/* :'name' */ comment on table :"tbl" is :'name';
-- migrate:down
delete from :"tbl" where name = :'name';
drop table :"tbl";
"""
PAIRS = """\
-- migrate:vars tbl, name
-- migrate:up
create table :"tbl" (id int, name text default :'name');
-- migrate:down
drop table :"tbl";
-- migrate:up
insert into :"tbl" values (1, :'name'), (2, ':''name'''), (3, $$:'name'$$);
comment on table :"tbl" is :'name';
-- migrate:down
delete from :"tbl" where name = :'name';
"""
STEPWISE = """\
-- migrate:vars tbl, name, index, cond
-- migrate:require select :'cond'::int = 41
-- migrate:up transaction:false
-- migrate:check select count(*) = 1 from :"tbl" where name = :'name'
create table :"tbl" (id int, name text default :'name');
begin;
insert into :"tbl" values (1, :'name'), (2, ':''name'''), (3, $$:'name'$$);
comment on table :"tbl" is :'name';
commit;
create index concurrently :"index" on :"tbl" (name) where name <> :'name';
-- migrate:down transaction:false
drop index concurrently :"index";
drop table :"tbl";
"""
ODD_TEXT = """\
-- migrate:vars tbl, name,
--   index
-- migrate:up
begin;
create table :"tbl" (id int, name text default:'name');
copy :"tbl" (id, name) from stdin;
2\t:'name'
3\t:'name'
\\.
insert into:"tbl"select 1, (array['a',:'name'])[2] /* :'name' */from (values (1)) as v (lo)
where (array[1])[lo:'1'] is not null
-- it is not "done"
and E'\\' :' <> :'name';
comment on table :"tbl" is :'name';
create view "v:'name'" as select $$:"tbl"$$ as a, :'name'::varchar(100) || '\\:' as ":""tbl"" " from :"tbl" as:"index";
commit;
-- migrate:down
drop view "v:'name'"; drop table :"tbl";
""".replace("\n", "\r\n")
FORMS = {"transactional": TRANSACTIONAL, "pairs": PAIRS, "stepwise": STEPWISE, "odd": ODD_TEXT}
GIVEN = {"tbl": 'A "tbl', "name": ODD, "index": "é index", "cond": "41"}
ROWS = 'select id, name from "A ""tbl" order by id'
DESCRIPTION = """select obj_description('"A ""tbl"'::regclass)"""


def without_hashes(url):
    """Each entry salts its own."""
    return re.sub(rf"'({'|'.join(GIVEN)})': '[0-9a-f]{{64}}'", r"\1", repr(fingerprint(url)))


@pytest.mark.parametrize("form", FORMS)
def test_values_take_the_place_of_placeholders_in_a_run_and_in_a_script(
    command, project, query, database_url, twin_database_url, form
):
    project.write("1_a.sql", FORMS[form])

    succeeded(command("up", **GIVEN))

    assert query(database_url, ROWS) == [(1, ODD), (2, ":'name'"), (3, ":'name'")]
    assert query(database_url, DESCRIPTION)[0][0] == ODD
    script = succeeded(command("up", "--dry-run", "--no-locks", url=twin_database_url, **GIVEN)).stdout
    assert "Brien" not in script
    assert 'A "' not in script
    given = {f"DBMIGRATE_VAR_{name.upper()}": value for name, value in GIVEN.items()}
    replayed = psql(twin_database_url, script, **given)
    assert replayed.exit_code == 0, replayed.stderr
    assert without_hashes(twin_database_url) == without_hashes(database_url)
    assert query(twin_database_url, ROWS) == query(database_url, ROWS)

    for url in (database_url, twin_database_url):  # a rollback accepts the hashes of both
        succeeded(command("rollback", url=url, **GIVEN))
        assert query(url, "select version from schema_migrations") == []


def test_a_script_stops_without_a_variable(command, project, query, database_url):
    project.write("1_a.sql", TRANSACTIONAL)
    script = succeeded(command("up", "--dry-run", "--no-locks", **GIVEN)).stdout

    replayed = psql(database_url, script, DBMIGRATE_VAR_TBL="t")

    assert replayed.exit_code == 3
    assert "set DBMIGRATE_VAR_NAME in the environment" in replayed.stderr
    assert query(database_url, "select to_regclass('schema_migrations')") == [(None,)]


def test_a_script_sets_a_value_exactly(command, project, query, database_url, twin_database_url):
    values = ["a\nb\n", "x\n\n", "'", "\\", "$sql$", "`false`", "%s", "-n", ":'v0'", ":v0", "é\\'"]
    names = [f"v{number}" for number in range(len(values))]
    # psql reads the second statement in another way than the server does: it goes as a string
    inserts = "".join(
        f"insert into t values (:'{name}', 'x');\ninsert into t values ('x',:'{name}'  || $sql$é\\$sql$);\n"
        for name in names
    )
    project.write(
        "1_a.sql",
        f"-- migrate:vars {', '.join(names)}\n"
        f"-- migrate:up\ncreate table t (v text, w text);\n{inserts}-- migrate:down\n",
    )
    given = dict(zip(names, values, strict=True))
    succeeded(command("up", **given))
    expected = [row for value in values for row in ((value, "x"), ("x", value + "é\\"))]
    assert query(database_url, "select v, w from t") == expected
    script = succeeded(command("up", "--dry-run", "--no-locks", url=twin_database_url, **given)).stdout
    replayed = psql(
        twin_database_url, script, **{f"DBMIGRATE_VAR_{name.upper()}": value for name, value in given.items()}
    )
    assert replayed.exit_code == 0, replayed.stderr
    assert query(twin_database_url, "select v, w from t") == expected


def test_a_literal_may_be_empty_and_comes_from_the_project_file_alone(command, project, query, database_url):
    project.write("1_a.sql", "-- migrate:vars v\n-- migrate:up\ncreate view t as select :'v' as v;\n-- migrate:down\n")
    (project.root / "dbmigrate.toml").write_text('[vars]\nv = ""\n')
    succeeded(command("up"))
    assert query(database_url, "select v from t") == [("",)]


def test_the_variables_of_conditions_count_as_used(command, project, query, database_url):
    project.write(
        "1_a.sql",
        "-- migrate:vars a, b\n-- migrate:up\ncreate table t (id int);\n"
        "-- migrate:down\n-- migrate:require select :'b' = 'x'\ndrop table t;\n",
    )
    project.write("2_b.sql", "-- migrate:vars c\n-- migrate:check select :'c' = 'x'\n-- migrate:up\n-- migrate:down\n")

    done = command("up", b="x")
    assert done.exit_code == 2, done.stderr
    assert "error[E298]: the variable c of 2_b.sql has no value" in done.stderr
    assert query(database_url, "select to_regclass('t')") == [(None,)]

    done = succeeded(command("up", c="x"))
    assert "declares the variable a and does not use it" in done.stderr
    assert done.stderr.count("W330") == 1
    assert "the variable b of 1_a.sql has no value" in command("rollback", "--all").stderr
    refused = command("rollback", "--all", b="y", c="x")
    assert (refused.exit_code, "E734" in refused.stderr) == (7, True), refused.stderr


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ("require select 1 = :'pw'::int", "E735"),
        ('check select exists (select from :"pw")', "E414"),
        ("require select :'pw' = 'x'", "E734"),
    ],
)
def test_a_condition_that_fails_shows_no_value_and_its_place(command, project, condition, code):
    text = f"-- migrate:vars pw\n-- migrate:up\n-- migrate:{condition}\nselect 1;\n-- migrate:down\n"
    project.write("1_a.sql", text)

    for options in ((), ("--dry-run", "--execute", "--in-place")):
        done = command("up", "--json", *options, pw=SECRET)

        assert f"[{code}]" in done.stderr, done.stderr
        assert "4711" not in done.stdout + done.stderr
        assert "1_a.sql:3:" in done.stderr
        assert f"-- migrate:{condition}" in done.stderr


# ----------------------------------------------------------------------------------------------------- where values are


def test_the_environment_wins_over_env_files_and_these_over_the_project_file(command, project, query, database_url):
    def value(name, **env):
        select = f"create view {name} as select :'the_Name'::text;"
        text = f"-- migrate:vars the_Name\n-- migrate:up\n{select}\n-- migrate:down\n"
        project.write(f"{name}.sql".replace("v", ""), text)
        succeeded(command("up", **env))
        return query(database_url, f"select * from {name}")[0][0]

    (project.root / "dbmigrate.toml").write_text('[vars.the_Name]\nvalue = "project"\ncheck = "check"\n')
    assert value("v1") == "project"
    (project.root / ".env").write_text("DBMIGRATE_VAR_THE_NAME='env file'\n")
    assert value("v2") == "env file"
    assert value("v3", the_name="environment") == "environment"
    (project.root / ".env").unlink()
    assert value("v4", the_name="") == "project"  # an empty variable is not set


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('vars = "x"', "vars must be a table"),
        ("[vars]\na = 1", "vars.a must be a string"),
        ('[vars]\n"a-b" = "x"', "letters, digits and _"),
        ('[vars.a]\nvalues = "x"', "unknown key vars.a.values"),
        ("[vars.a]\nvalue = 1", "vars.a.value must be a string"),
        ('[vars]\na = "\\u0000"', "vars.a must be a string"),
    ],
)
def test_a_wrong_table_of_variables_is_an_error_with_its_place(command, project, text, words):
    (project.root / "dbmigrate.toml").write_text(text)

    done = command("status")

    assert done.exit_code == 2
    assert words in done.stderr
    assert "dbmigrate.toml:" in done.stderr


# ----------------------------------------------------------------------------------------------------- what is refused


def test_a_variable_without_a_value_stops_before_anything_runs(command, project, query, database_url):
    project.migration("1_a", up="create table a ()")
    project.write("2_b.sql", "-- a\n" + TRANSACTIONAL)

    for arguments in (("up",), ("migrate",), ("up", "--dry-run", "--no-locks"), ("up", "--dry-run", "--execute")):
        done = command(*arguments, tbl="t")
        assert done.exit_code == 2
        assert "error[E298]: the variable name of 2_b.sql has no value" in done.stderr
        assert "2_b.sql:2:1" in done.stderr
        assert "DBMIGRATE_VAR_NAME" in done.stderr
        assert 'name = "..." below [vars]' in done.stderr
    assert query(database_url, "select to_regclass('a')") == [(None,)]

    succeeded(command("up", "--to", "1"))
    succeeded(command("status"))
    succeeded(command("mark", "applied", "2", "--reason", "x"))
    succeeded(command("up"))  # it is not pending any more
    assert command("rollback", "--steps", "1", tbl="t").exit_code == 2


def test_a_variable_that_only_the_down_section_uses_is_needed_by_it_alone(command, project):
    project.write("1_a.sql", "-- migrate:vars a\n-- migrate:up\nselect 1;\n-- migrate:down\nselect :'a';\n")

    assert "W330" not in succeeded(command("up")).stderr
    assert "E298" in command("rollback").stderr
    succeeded(command("rollback", a="x"))


def test_an_undeclared_placeholder_is_what_it_is_and_an_unused_variable_a_warning(command, project):
    project.write("1_a.sql", "-- migrate:vars a\n-- migrate:up\nselect ':''a''', :'b';\n-- migrate:down\n")

    done = command("up", b="x")

    assert done.exit_code == 4
    assert "1_a.sql:3:18" in done.stderr
    assert "warning[W330]: 1_a.sql declares the variable a and does not use it" in done.stderr


@pytest.mark.parametrize(
    ("placeholder", "value", "words"),
    [
        (':"v"', "", "is empty"),
        (':"v"', "é" * 32, "has 64 bytes"),
        (":'v'", "a\0b", "NUL"),
        (":'v'", "a\udcffb", "not valid UTF-8"),
    ],
)
def test_what_cannot_be_a_value_is_refused(project, query, database_url, placeholder, value, words):
    project.write("1_a.sql", f"-- migrate:vars v\n-- migrate:up\nselect {placeholder};\n-- migrate:down\n")
    options = Options((str(project.migrations),), variables=Variables.of({"v": value}))

    with pytest.raises(Error) as caught:
        Migrator(database_url, options).up()

    assert (caught.value.code, caught.value.exit_code) == ("E299", 2)
    assert words in caught.value.message
    assert query(database_url, "select to_regclass('schema_migrations')") == [(None,)]


@pytest.mark.parametrize("form", ["transactional", pytest.param("stepwise", marks=pytest.mark.matrix)])
def test_a_rollback_with_another_value_stops(command, project, query, database_url, form):
    project.write("1_a.sql", FORMS[form])
    succeeded(command("up", **GIVEN))
    other = GIVEN | {"tbl": "other"}

    for arguments in (("rollback",), ("redo",), ("rollback", "--dry-run", "--no-locks")):
        done = command(*arguments, **other)
        assert done.exit_code == 7
        assert "error[E740]: the variable tbl of 1_a.sql had another value" in done.stderr
    assert len(query(database_url, ROWS)) == 3
    succeeded(command("redo", **GIVEN))
    (project.migrations / "1_a.sql").unlink()  # the log knows what the file declared
    assert command("rollback", **other).exit_code == 7
    succeeded(command("rollback", **GIVEN))
    assert query(database_url, "select version from schema_migrations") == []


def test_a_password_that_changed_since_does_not_stop_a_rollback_that_does_not_need_it(command, project):
    project.write(
        "1_a.sql",
        "-- migrate:vars a, pw\n-- migrate:up\ncreate view :\"a\" as select :'pw'::text;\n"
        '-- migrate:down\ndrop view :"a";\n',
    )
    succeeded(command("up", a="x", pw="old"))

    succeeded(command("rollback", a="x", pw="new"))


def test_resume_goes_on_with_the_same_values_alone(command, project, query, database_url):
    text = (
        "-- migrate:vars i, v\n-- migrate:up transaction:false\ncreate table t (a text);\n"
        "insert into t values (:'v');\ncreate unique index concurrently :\"i\" on t (a);\n-- migrate:down\n"
    )
    project.write("1_a.sql", text.replace("(:'v')", "(:'v'), (:'v')"))
    given = {"i": "the index", "v": "value-12345"}
    done = command("up", **given)
    assert done.exit_code == 5
    assert "value-12345" not in done.stderr
    query(database_url, "delete from t where ctid = (select min(ctid) from t)")

    assert command("resume", i="the index", v="other").exit_code == 7
    succeeded(command("resume", **given))

    found = query(database_url, "select indisvalid from pg_index where indexrelid = '\"the index\"'::regclass")
    assert found == [(True,)]


# --------------------------------------------------------------------------------------------------------- the grammar


def test_colons_of_sql_stay_what_they_are(command, project, query, database_url):
    project.write(
        "1_a.sql",
        "-- migrate:vars x, lo, hi\n-- migrate:up\n"
        "create table t as select (array[10,20,30])[1:'2'] as a, (array[:'x', :'x'])[lo:hi] as b, :'x'::text as c,\n"
        "  '{\"a\": 1}'::jsonb ? ':''x''' as d, (array[10,20])[:'2'] as e, make_interval(days := 1) as f\n"
        "  from (values (1, 1)) as v (lo, hi);\n-- migrate:down\ndrop table t;\n",
    )

    succeeded(command("up", x="v"))

    assert query(database_url, "select a, b, c, d, e from t") == [([10, 20], ["v"], "v", False, [10, 20])]


# ------------------------------------------------------------------------------------------------------------ secrecy


class Written:
    """Runs commands, and keeps everything that they write."""

    def __init__(self, command):
        self.command = command
        self.texts = []

    def run(self, *arguments, code=0, table=SECRET):
        done = self.command(*arguments, t=table)
        assert code is None or done.exit_code == code, done.stderr
        self.texts.append(done.stdout + done.stderr)
        return done.stderr

    def refuse_value(self, query, url):
        rows = query(url, "select l::text from schema_migrations_log l")
        text = "".join(self.texts) + "".join(row[0] for row in rows)
        assert "s3cr" not in text
        assert "4711" not in text
        assert "********" in text


HEAD = '-- migrate:vars pw, t\n-- migrate:up{}\ncreate table if not exists :"t" (a text unique, b int);\n'
TAIL = '-- migrate:down{}\ndrop table :"t";\n'
FAILING = [
    "insert into :\"t\" values (:'pw', 1);",
    "insert into :\"t\" values (:'pw' || '-', :'pw'::int);",
    'select * from :"t" where nothing;',
    'alter table :"t" add a int;',
    "select :'pw'::json;",
    "comment on table :\"t\" is :'pw'; do $$ begin raise exception 'x'; end $$;",
    "select :'pw' from nowhere;",
    'drop schema :"pw";',
]


@pytest.fixture
def written(command, project, query, database_url):
    """Over a table that has the secret as its name, and in a row."""
    (project.root / ".env").write_text(f"DBMIGRATE_VAR_PW={json.dumps(SECRET)}\n")
    project.write("1_a.sql", HEAD.format("") + "insert into :\"t\" values (:'pw', 1);\n" + TAIL.format(""))
    found = Written(command)
    yield found
    found.refuse_value(query, database_url)


def test_a_value_is_in_nothing_that_is_written(written, project, query, database_url):
    written.run("up", "--dry-run")  # with its lock report
    written.run("up", "-v")
    project.write("2_x.sql", HEAD.format("") + FAILING[0] + "\n" + TAIL.format(""))
    assert "2_x.sql:4:" in written.run("up", "--verbose", "--debug", code=4)
    written.run("up", "--dry-run", "--json")
    written.run("history", "--json")
    written.run("rollback", "--debug", code=7, table="another")
    entries = "select up_sql, details from schema_migrations_log where version = '1' and step is null"
    entry = query(database_url, entries)[0]
    assert ":'pw'" in entry[0]
    assert {len(each) for each in entry[1]["vars"].values()} == {64}


@pytest.mark.matrix
@pytest.mark.parametrize("statement", FAILING)
def test_a_failure_shows_no_value(written, project, statement):
    written.run("up", "--dry-run", "--execute")
    written.run("up")
    project.write("2_x.sql", HEAD.format("") + statement + "\n" + TAIL.format(""))
    assert "2_x.sql:4:" in written.run("up", "--verbose", "--debug", code=4)
    written.run("up", "--json", code=4)
    written.run("up", "--dry-run", "--execute", "--debug", code=None)  # the copy has no rows
    written.run("up", "--dry-run")
    written.run("history")
    project.write("2_x.sql", HEAD.format(" transaction:false") + statement + "\n" + TAIL.format(" transaction:false"))
    written.run("up", "--verbose", "--debug", code=5)
    written.run("status", "-v")
    written.run("status", "--json")
    written.run("history", "--json", "--failed")
    written.run("resume", "--debug", code=5)
    written.run("rollback", code=5)


def test_an_error_has_its_place_in_the_file_whatever_the_values_are(command, project):
    for value in ("v", "v" * 60):
        project.write(
            "1_a.sql",
            "-- migrate:vars v\n-- migrate:up\nselect 1, :'v', 2;\nselect :'v', :'v',\n  é, :'v'; select 2;\n"
            "-- migrate:down\n",
        )
        done = command("up", v=value)
        assert "1_a.sql:5:3" in done.stderr
        project.write("1_a.sql", "-- migrate:vars v\n-- migrate:up\nselect :'v', :'v'::int ;\n-- migrate:down\n")
        done = command("up", v=value)
        assert "1_a.sql:3:14" in done.stderr
        assert "             ^^^^" in done.stderr


def test_the_plan_and_the_checksums_do_not_depend_on_values(command, project):
    project.write("1_a.sql", TRANSACTIONAL)

    def plan(given):
        return json.loads(command("up", "--dry-run", "--json", "--no-locks", **given).stdout)["plan"]

    assert plan(GIVEN) == plan(GIVEN | {"name": "x"})


# --------------------------------------------------------------------------------------------- on scratch databases


NAMED = """\
-- migrate:vars tbl, day
-- migrate:up
create table :"tbl" (d date default :'day', note text default 'x');
-- migrate:down
drop table :"tbl";
"""


def test_check_and_lint_use_what_stands_in_for_a_value(command, project):
    project.write("1_a.sql", NAMED)

    done = command("check", "--no-lint", day="2020-01-01")

    assert done.exit_code == 1
    assert 'invalid input syntax for type date: "var_day"' in done.stdout
    assert "1_a.sql:3:37" in done.stdout
    (project.root / "dbmigrate.toml").write_text('[vars.day]\ncheck = "2020-01-01"\n[vars]\ntbl = "secret_name"\n')
    (project.root / "dbmigrate.toml").write_text('[vars]\ntbl = "secret"\n[vars.day]\ncheck = "2020-01-01"\n')
    assert command("check", "--no-lint").exit_code == 0
    project.write(
        "2_b.sql",
        NAMED.replace("create table", "create table if not exists").replace(
            "-- migrate:vars tbl, day\n", "-- migrate:vars tbl, day, gone\n"
        ),
    )
    done = command("check")
    assert "warning[W330]" in done.stdout
    assert "2_b.sql:1:1" in done.stdout
    assert "secret" not in done.stdout


@pytest.mark.parametrize("value", ["", 'tbl = { check = "a_longer_name_than_the_placeholder" }'])
def test_lint_finds_places_in_the_file(command, project, value):
    (project.root / "dbmigrate.toml").write_text(f"[vars]\n{value}\n")
    project.migration("1_a", up="create table orders (id bigint primary key);", down="drop table orders;")
    project.write(
        "2_b.sql",
        "-- migrate:vars tbl, pw\n-- migrate:up\ncreate role a password :'pw';\n"
        'alter table :"tbl" rename to b; alter table orders drop column "id";\n'
        "create role b password 'hunter22';\n-- migrate:down\n",
    )

    done = command("lint", "--all")

    assert "2_b.sql:4:" in done.stdout
    assert "L161" in done.stdout
    assert "2_b.sql:5:24" in done.stdout
    assert done.stdout.count("[L161]") == 1
    assert "syntax-error" not in done.stdout
    dropped = next(line for line in done.stdout.splitlines() if "2_b.sql:4:" in line)
    assert ":4:20" in dropped


def test_drift_builds_what_the_values_make(command, project, query, database_url):
    project.write("1_a.sql", NAMED)
    given = {"tbl": "orders", "day": "2020-01-01"}
    succeeded(command("up", **given))

    assert command("drift", "--against", "migrations", **given).exit_code == 0
    assert command("drift", "--against", "migrations", day="2020-01-01").exit_code == 1


def test_a_deployment_says_beforehand_that_it_cannot_be_rolled_back(command, project):
    project.write("1_a.sql", "-- migrate:vars a\n-- migrate:up\nselect 1;\n-- migrate:down\nselect :'a';\n")
    (project.root / "dbmigrate.toml").write_text('[deploy]\nhealth-command = "true"\n')

    done = command("deploy", "--yes", "--no-backup")

    assert "warning[W630]: 1_a.sql has no value for the variable a" in done.stderr


def test_a_value_hides_no_word_of_the_program_s_own_proofs(command, project):
    project.write(
        "1_a.sql",
        "-- migrate:vars v\n-- migrate:up\n"
        "create function f() returns trigger language plpgsql as 'begin return null; end';\n"
        "create trigger t before insert on schema_migrations for each row execute function f();\n"
        "select :'v';\n-- migrate:down\n",
    )

    done = command("up", v="rows of the version")

    assert done.exit_code == 4
    assert "its version was not recorded" in done.stderr


@pytest.mark.parametrize("value", ["", "\udcff\udcfe"])
def test_an_odd_value_of_another_section_does_not_disturb_a_message(project, database_url, value):
    text = "-- migrate:vars v\n-- migrate:up\nselect nothing;\n-- migrate:down\nselect :'v';\n"
    project.write("1_a.sql", text)
    options = Options((str(project.migrations),), variables=Variables.of({"v": value}))

    with pytest.raises(Error) as caught:
        Migrator(database_url, options).up()

    assert caught.value.message == 'column "nothing" does not exist (42703)'
