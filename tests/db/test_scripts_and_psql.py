"""What psql would read otherwise than the server never gets into a script as it is, and never runs a command."""

from __future__ import annotations

import re

import psycopg
import pytest

from dbmigrate.errors import Error, MigrationFileError
from tests.db.test_dry_run import Twins
from tests.support.catalog import fingerprint
from tests.support.psql import programs, psql

# `up` runs each of these; psql reads each otherwise than the server, or acts on a piece of it
MISREAD = {
    "a_continued_escape_string": "create table et as select E'a'\n'\\' \\! touch PWNED\n --' as v;",
    "a_continuation_behind_a_comment": "create table et as select E'a' -- '\n -- x\n '\\'; \\! touch PWNED\n --' as v;",
    "a_string_continued_twice": "create table et as select e'a'\n'\\\\'\n'\\' \\! touch PWNED \n\\\\' as v;",
    "a_slice": "create table et as select (array[10,20,30])[1:PORT] as v from (values (2)) as x (PORT);",
    "a_slice_of_text": "create table et as select (array[10,20,30])[1:'2'] as v, ':''USER''' as u;",
    "a_slice_by_a_quoted_name": 'create table et as select (array[10,20,30])[1:"USER"] as v from (values (2)) as x ("USER");',
    "a_slice_behind_a_cast": "create table et as select (array[10,20,30])[1::int:port] as v from (values (2)) x (port);",
    "a_function_called_begin": "create function begin() returns int language sql as 'select 1';\ncreate table et (v int);",
    "a_label_called_end": (
        "create function f() returns int begin atomic select 1 as end; select 2; end;\ncreate table et as select f();"
    ),
    "an_argument_called_case": (
        "create function f(a int) returns int language sql return case when a > 1 then 2 else 3 end;\n"
        "create table et as select f(1);"
    ),
    "a_statement_without_an_end": "create table et as select (array[10,20,30])[1:port] as v from (values (2)) as x (port)",
    "its_own_tag": "create table et as select (array[10])[1:port] as v, $sql$x$sql$ as t from (values (2)) as x (port);",
}
# `up` runs each of these, and psql reads it as the server does
ODD = {
    "an_escape_string": r"create table et as select E'\' \\! touch PWNED \'\\' as v, E'\x41' as w;",
    "a_plain_string": r"create table et as select '\' as v, ' \! touch PWNED :USER :''HOST''' as w, 'C:\' as x;",
    "a_continued_plain_string": "create table et as select 'a\\'\n'\\! touch PWNED' as v;",
    "unicode_escapes": r"""create table et as select U&'\0061\\' as v, U&'!0061' UESCAPE '!' as w, U&"\0061" from (values (1)) x (a);""",
    "quoted_names": 'create table et (":x" int, "a\\" int, "\\! touch PWNED" int, "it\'s" int);',
    "national_and_bit_strings": r"create table et as select N'\' as v, B'01' as b, X'1F' as x;",
    "dollar_quotes": "create table et as select $$\\! touch PWNED\n' :PORT$$ as v, $a$ $$ \\q $a$ as w;",
    "comments": "/* \\! touch PWNED /* ' */ :PORT */ create table et (v int); -- \\! touch PWNED '\n/* \" */ select 1; -- :x",
    "psqls_own_words": "create table et as select 1 as quit, 2 as help, 3 as exit;\nselect 1 as \"\\q\";",
    "casts_and_parameters": "prepare p as select $1::int; create table et as select 1::int::text as v;",
}
# read alike only as long as standard_conforming_strings is on: a quote behind a backslash
AS_A_TEXT = {"a_plain_string", "a_continued_plain_string", "national_and_bit_strings"}


@pytest.fixture
def twins(database_url, twin_database_url, project):
    return Twins(database_url, twin_database_url, project.migrations)


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """Where psql runs; a command of the shell would leave its file here."""
    path = tmp_path / "here"
    path.mkdir()
    monkeypatch.chdir(path)
    yield path
    assert list(path.iterdir()) == []


@pytest.mark.parametrize("options", ["", "transaction:false"])
@pytest.mark.parametrize("sql", [*MISREAD.values(), *ODD.values()], ids=[*MISREAD, *ODD])
def test_the_script_leaves_the_same_rows_and_runs_no_command(server, twins, project, sql, options):
    if server.major < 14 and ("begin atomic" in sql or "sql return" in sql):
        pytest.skip("functions with a body in SQL came with PostgreSQL 14")
    project.migration("1_a", up=sql, up_options=options, down="drop table et;")

    twins.migrated.up()
    twins.run_script("".join(twins.scripted.script_up()))


@pytest.mark.parametrize("name", sorted(set(ODD) - AS_A_TEXT))
def test_what_is_read_alike_stands_in_the_script_as_in_the_file(twins, project, name):
    sql = ODD[name]
    project.migration("1_a", up=sql)

    script = "".join(twins.scripted.script_up())

    assert sql.removesuffix("-- :x").strip() in script
    assert "\\gexec" not in script


def test_every_psql_of_this_machine_leaves_the_same(server, make_database, twins, project):
    for number, (name, sql) in enumerate({**MISREAD, **ODD}.items(), 1):
        if server.major < 14 and ("begin atomic" in sql or "sql return" in sql):
            continue
        project.migration(
            f"{number:03}_{name}",
            up=f"{sql}\n;alter table et rename to et{number}; drop function if exists f(), f(int);",
        )
    twins.migrated.up()
    script = "".join(twins.scripted.script_up())

    for path in programs("psql"):
        url = make_database()
        done = psql(url, script, path=path)
        assert done.exit_code == 0, done.stderr
        assert fingerprint(url) == fingerprint(twins.migrated_url)


def test_a_file_cannot_mislead_a_psql_that_has_variables_of_these_names(twins, project):
    project.migration("1_a", up=MISREAD["a_slice"])
    twins.migrated.up()

    done = psql(
        twins.scripted_url,
        "".join(twins.scripted.script_up()),
        *("-v", "PORT=1] as v; drop table schema_migrations; --", "-v", "FETCH_COUNT=1", "-v", "SINGLELINE=on"),
    )

    assert done.exit_code == 0, done.stderr
    assert fingerprint(twins.scripted_url) == fingerprint(twins.migrated_url)


def test_an_error_in_a_statement_that_is_sent_as_a_text_stops_the_script(twins, project):
    project.migration("1_a", up="create table a (v int);\nselect (array[1])[1:port] from nowhere;\ncreate table b ();")

    done = psql(twins.scripted_url, "".join(twins.scripted.script_up()))

    assert done.exit_code == 3
    assert 'relation "nowhere" does not exist' in done.stderr
    assert fingerprint(twins.scripted_url).rows == {}


def test_data_follows_a_copy_that_is_sent_as_a_text(twins, project):
    project.migration(
        "1_a",
        up="create table et (v int[]);\ncopy et from stdin where v[1:1] = (select '{1}'::int[])[1:1];\n{1,2}\n{2,3}\n\\.\n"
        "copy et from stdin where (v)[1:array_length(v, 1)] is not null;\n{7}\n\\.\nselect 1;",
    )

    with pytest.raises(Error):  # no subqueries there
        twins.migrated.up()
    project.migration(
        "1_a",
        up="create table et (v int[]);\ncopy et from stdin where (v)[1:array_length(v, 1)] is not null;\n{7}\n\\.\nselect 1;",
    )
    twins.migrated.up()
    script = "".join(twins.scripted.script_up())
    assert "\\gexec" in script
    assert psql(twins.scripted_url, script).exit_code == 0
    assert fingerprint(twins.scripted_url).rows == fingerprint(twins.migrated_url).rows


# ---------------------------------------------------------------------------------------- how the text itself is read

SWITCHES = {
    "set": "set standard_conforming_strings = off;",
    "set_local": "set local standard_conforming_strings to off;",
    "set_session": "set session standard_conforming_strings to 'off';",
    "an_encoding": "set client_encoding = 'SJIS';",
    "names": "set names 'latin1';",
}
HIDDEN = {
    "set_config": "select set_config('standard_conforming_strings', 'off', false);",
    "set_config_local": "select pg_catalog.set_config('standard_conforming_strings', 'off', true);",
    "a_do_block": "do $$ begin set standard_conforming_strings = off; end $$;",
    "a_do_block_that_hides_it": "do $$ begin execute 'set standard_conform' || 'ing_strings = off'; end $$;",
    "a_function": (
        "create function f() returns void language plpgsql as $$ begin execute 'set standard_conform'"
        " || 'ing_strings = off'; end $$;\nselect f();"
    ),
    "pg_settings": "update pg_settings set setting = 'off' where name = 'standard_conforming_strings';",
    "a_trigger": (
        "create table x (t text); create function f() returns trigger language plpgsql as $$ begin"
        " perform set_config('standard_conforming_strings', 'off', false); return new; end $$;\n"
        "create trigger t before insert on x for each row execute function f();\ninsert into x values ('a');"
    ),
    "a_quoted_name": 'set "standard_conforming_strings" = off;',
    "an_encoding": "do $$ begin perform set_config('client_encoding', 'SJIS', false); end $$;",
}
AFTERWARDS = "create table et as select '\\' || ' \\! touch PWNED\n --' as v, 'あ' as w;"


@pytest.fixture
def old_strings(server):
    """PostgreSQL 19 has standard strings only."""
    if server.major > 18:
        pytest.skip("standard_conforming_strings cannot be switched off")


@pytest.mark.parametrize("options", ["", "transaction:false"])
@pytest.mark.parametrize("sql", SWITCHES.values(), ids=SWITCHES)
def test_a_file_that_says_how_it_is_read_is_no_script(old_strings, run, twins, project, sql, options):
    if "local" in sql and options:
        sql = f"begin; {sql} select 1; commit;"
    project.migration("1_a", up=f"select 1;\n{sql}\n{AFTERWARDS}", up_options=options)

    done = run("up", "--dry-run", env={"DATABASE_URL": twins.scripted_url})

    assert (done.exit_code, done.stdout) == (2, "")
    assert "error[E270]" in done.stderr
    assert "1_a.sql:3:" in done.stderr


@pytest.mark.parametrize("options", ["", "transaction:false"])
@pytest.mark.parametrize("sql", [*SWITCHES.values(), *HIDDEN.values()], ids=[*SWITCHES, *HIDDEN])
def test_a_run_refuses_a_file_that_changes_how_it_is_read(old_strings, twins, project, sql, options):
    if "true" in sql or "local" in sql:
        options = ""  # the setting ends with its statement
    project.migration("1_a", up=sql, up_options=options)

    with pytest.raises(Error) as caught:
        twins.migrated.up()

    assert caught.value.code in ("E406", "E501")
    assert "sets " in caught.value.message
    assert fingerprint(twins.migrated_url).versions == ()


@pytest.mark.parametrize("options", ["", "transaction:false"])
@pytest.mark.parametrize("sql", HIDDEN.values(), ids=HIDDEN)
def test_a_script_stops_before_a_text_that_would_be_read_otherwise(old_strings, twins, project, sql, options):
    if "true" in sql:
        options = ""
    project.migration("1_a", up=f"{sql}\n{AFTERWARDS}", up_options=options)

    try:
        script = "".join(twins.scripted.script_up())
    except MigrationFileError as exc:  # a name in quotes is the same setting
        assert exc.code == "E270"
        return
    done = psql(twins.scripted_url, script)

    assert done.exit_code == 3
    assert "changed how its text is read" in done.stderr
    assert "public.et" not in fingerprint(twins.scripted_url).rows
    assert fingerprint(twins.scripted_url).versions == ()


def test_a_database_whose_default_is_the_old_strings_has_the_same_script(old_strings, twins, project, query):
    for url in (twins.migrated_url, twins.scripted_url):
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute(f'alter database "{conn.info.dbname}" set standard_conforming_strings = off')
    project.migration("1_a", up=ODD["a_plain_string"])
    project.migration("2_b", up="create table b as select 'C:\\' as v;", up_options="transaction:false")

    twins.migrated.up()
    twins.run_script("".join(twins.scripted.script_up()))


def test_settings_that_stay_as_they_have_to_be_are_fine(twins, project):
    """pg_dump writes them."""
    project.migration(
        "1_a",
        up="SET client_encoding = 'UTF8'; SET standard_conforming_strings = on;\n" + ODD["a_plain_string"],
    )
    project.migration("2_b", up="discard all; reset all; create table b as select 'é' as v;", up_options="transaction:false")

    twins.migrated.up()
    twins.run_script("".join(twins.scripted.script_up()), PGCLIENTENCODING="LATIN1")


# ------------------------------------------------------------------------------------------------- names of databases

NAMES = [
    "a=b",
    "dbname=postgres",
    "postgres://localhost/postgres",
    "host='nowhere'",
    "it's",
    'a "quoted" name',
    "-",
    "with  blanks ",
    "back\\slash",
    "a:b:USER",
    "\\! touch PWNED",
    "`touch PWNED`",
    "é✓",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_script_makes_a_database_of_any_name_and_goes_on_in_it(server, run, project, query, name):
    name = f"{name} dbmigrate" if name in ("-", "it's") else name
    url = server.url(name)
    project.migration("1_a", up="create table here (v text);")

    script = run("up", "--dry-run", env={"DATABASE_URL": url})
    assert script.exit_code == 0, script.stderr
    try:
        done = psql(server.url("postgres"), script.stdout, PGCLIENTENCODING="LATIN1")
        assert done.exit_code == 0, done.stderr
        assert query(url, "select current_database()::text, count(*) from here") == [(name, 0)]
        assert query(url, "select version from schema_migrations") == [("1",)]
    finally:
        run("drop", "--yes", env={"DATABASE_URL": url})


def test_a_name_that_psql_cannot_connect_to_is_said(server, run, project):
    project.migration("1_a", up="select 1;")

    done = run("up", "--dry-run", env={"DATABASE_URL": server.url("a\nb")})

    assert (done.exit_code, done.stdout) == (2, "")
    assert "error[E271]" in done.stderr


# --------------------------------------------------------------------------------------------- for people who read it


def test_what_is_the_same_for_every_migration_stands_there_once(twins, project):
    for number in range(10):
        project.migration(f"{number}_a", up=f"create table t{number} (id int);", down="select 1;\n" * 50)

    script = "".join(twins.scripted.script_up())
    head, *migrations = re.split(r"^-- =+\n-- .*\n-- =+\n", script, flags=re.MULTILINE)

    assert head.count("RESET SESSION AUTHORIZATION") == 2  # to begin a migration, and to end it
    assert [len(text.split("COMMIT;")[0].splitlines()) for text in migrations] == [9] * 10
