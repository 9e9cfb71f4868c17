"""Preconditions and postconditions of migrations: `-- migrate:require SELECT ...` and `-- migrate:check SELECT ...`."""

from __future__ import annotations

import json

import pytest

from dbmigrate.api.migrator import Options
from dbmigrate.api.records import Upkeep
from dbmigrate.errors import NeedsAttention
from dbmigrate.execution.resume import Decision
from tests.support.psql import psql
from tests.support.rehearsals import tell

SUBJECT = {"require": "precondition", "check": "postcondition"}
FAILS = {"require": (7, "E734", "E735"), "check": (4, "E413", "E414")}
keys = pytest.mark.parametrize("key", ["require", "check"])


@pytest.fixture
def state(query, database_url):
    """Versions, log entries, and the tables of the migrations."""

    def read():
        tables = "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'S')"
        names = sorted(row[0] for row in query(database_url, tables) if not row[0].startswith("schema_migrations"))
        if query(database_url, "select to_regclass('schema_migrations')") == [(None,)]:
            return [], [], names
        versions = query(database_url, "select version from schema_migrations order by 1")
        entries = query(
            database_url, "select version, direction, step, state from schema_migrations_log order by event_id"
        )
        return [row[0] for row in versions], entries, names

    return read


def write(project, name, *, above="", up="", down="", options="", sql=None):
    """A migration that creates table tN; `up` and `down` stand below the headers."""
    number = name.partition("_")[0]
    sql = sql if sql is not None else f"create table t{number} (id int);"
    text = f"{above}-- migrate:up{options}\n{up}{sql}\n-- migrate:down{options}\n{down}drop table t{number};\n"
    return project.write(f"{name}.sql", text)


def said(key, query):
    return f"-- migrate:{key} {query}\n"


# ----------------------------------------------------------------------------------------------------- in a transaction


def test_conditions_see_the_database_where_they_stand(command, project, state):
    write(
        project,
        "1_a",
        up=said("require", "select to_regclass('t1') is null") + said("check", "select to_regclass('t1') is not null"),
    )
    write(
        project,
        "2_b",
        above="-- migrate:require select count(*) = 0\n--   from t1 -- of the file before;\n--   where id > 0; -- no\n",
        sql="create table t2 (id int); insert into t2 values (1);",
        up=said("check", "SELECT count(*) = 1 FROM t2;"),
        down=said("require", "select count(*) = 1 from t2") + said("check", "select to_regclass('t2') is null"),
    )

    done = command("up")

    assert done.exit_code == 0, done.stderr
    assert state()[0] == ["1", "2"]
    assert command("redo").exit_code == 0
    assert command("rollback").exit_code == 0
    assert state()[0] == ["1"]


@keys
def test_a_condition_that_is_not_true_leaves_nothing_of_its_migration(command, project, state, key):
    write(project, "1_a")
    path = write(project, "2_b", above=said(key, "select count(*) = 1 from t1"))
    write(project, "3_c")
    exit_code, code, _ = FAILS[key]

    done = command("up", "--json")

    assert done.exit_code == exit_code, done.stderr
    assert f"error[{code}]: the {SUBJECT[key]} of 2_b.sql is not true: it is false" in done.stderr
    assert f"{path.name}:1:1" in done.stderr
    assert "state: rolled back; nothing of 2_b.sql was applied" in done.stderr
    answer = json.loads(done.stdout)
    assert [each["version"] for each in answer["done"]] == ["1"]
    assert answer["error"]["code"] == code
    assert (answer["error"]["line"], answer["error"]["column"]) == (1, 1)
    assert answer["error"]["details"] == {"condition": SUBJECT[key], "query": "select count(*) = 1 from t1"}
    assert state() == (["1"], [("1", "up", None, "done")], ["t1"])

    again = command("up")
    assert again.exit_code == exit_code
    assert state() == (["1"], [("1", "up", None, "done")], ["t1"])


OTHER_ANSWERS = {
    "select null::boolean": (True, "it is NULL"),
    "select true where false": (True, "it returned no row"),
    "select true from generate_series(1, 2)": (False, "it returns several rows instead of one"),
    "select true, true": (False, "it returns 2 columns instead of one"),
    "select": (False, "it returns 0 columns instead of one"),
    "select count(*) from t0": (False, "it returns bigint instead of boolean"),
    "select 'true'": (False, "it returns text instead of boolean"),
    "select mood from t0": (False, "it returns mood instead of boolean"),
}
FAILING_QUERIES = {
    "select true\n--   and exists (select from nowhere)": ((3, 30), 'relation "nowhere" does not exist (42P01)'),
    "SELECT 'äö', --\n--       %s%% = :x": ((3, 10), "syntax error"),
    "select 1 / 0 = 1": (None, "division by zero"),
    "select true into t2": (None, "INTO"),
    "select nextval('s') > 0": (None, "cannot execute nextval() in a read-only transaction"),
    "select write()": (None, "cannot execute INSERT in a read-only transaction"),
    "select exists (with w as (delete from t0 returning 1) select from w)": (None, "must be at the top level"),
    "select true from t0 for update": (None, "cannot execute SELECT FOR UPDATE in a read-only transaction"),
    "select set_config('transaction_read_only', 'off', true) = 'off'": (None, "read-write mode"),
    "select true from": (None, "syntax error"),
    "select $a$;$a$ = ':x' and E'\\';' = U&'\\0061' and 3": (None, "must be type boolean, not type integer"),
}


@pytest.fixture
def furnished(query, database_url):
    """A database with what the queries below are about."""
    query(database_url, "create type mood as enum ('glad'); create table t0 (id int, mood mood)")
    query(database_url, "insert into t0 values (1, 'glad')")
    query(database_url, "create sequence s")
    query(database_url, "create function write() returns bool language sql as 'insert into t0 values (2); select true'")
    return database_url


@keys
def test_only_one_true_is_true(furnished, project, state, key):
    exit_code, untrue, invalid = FAILS[key]
    for asked, (is_answer, words) in OTHER_ANSWERS.items():
        write(project, "1_a", up=said(key, asked))

        told = tell(furnished, project, lambda migrator: migrator.up())

        assert (told.exit_code, told.error.code) == (exit_code, untrue if is_answer else invalid), asked
        assert told.error.message.endswith(words)
        assert (told.error.place.line, told.error.place.column) == (2, 1)
        assert state() == ([], [], ["s", "t0"])


@keys
def test_a_query_that_fails_is_told_with_its_place_and_writes_nothing(furnished, project, state, query, key):
    exit_code, _, invalid = FAILS[key]
    for asked, (place, words) in FAILING_QUERIES.items():
        write(project, "1_a", up=said(key, asked))

        told = tell(furnished, project, lambda migrator: migrator.up())

        assert (told.exit_code, told.error.code) == (exit_code, invalid), asked
        assert told.error.message.startswith(f"the {SUBJECT[key]} of 1_a.sql cannot be evaluated: ")
        assert words in told.error.message
        assert told.error.excerpt is not None
        assert told.error.sqlstate
        if place:
            assert (told.error.place.line, told.error.place.column) == place
        else:
            assert told.error.place.line == 2
            assert told.error.place.column >= len(f"-- migrate:{key} ")
        assert state() == ([], [], ["s", "t0"])
    assert query(furnished, "select count(*) from t0") == [(1,)]
    assert query(furnished, "select is_called from s") == [(False,)]


HARMLESS = """-- migrate:{} select set_config('role', 'pg_monitor', false) is not null
--   and set_config('search_path', 'pg_temp', false) = 'pg_temp' and set_config('TimeZone', 'Asia/Tokyo', true) <> ''
"""


def test_what_a_condition_sets_does_not_last(furnished, project, state, query):
    write(
        project,
        "1_a",
        up=HARMLESS.format("require") + HARMLESS.format("check"),
        sql="create table public.t1 as select current_user as u, current_setting('search_path') as p;\n"
        "insert into t0 (id) values (7)",
    )

    told = tell(furnished, project, lambda migrator: migrator.up())

    assert told.error is None
    assert state()[0] == ["1"]
    assert query(furnished, "select u = current_user, p = current_setting('search_path') from t1") == [(True, True)]


def test_a_postcondition_sees_the_settings_and_the_role_that_the_file_left(furnished, project):
    asked = "select current_user = 'pg_monitor' and current_schemas(false) = '{own}' and to_regclass('x') is not null"
    sql = "create schema own; set search_path = own; create table x (); grant usage on schema own to pg_monitor;"
    write(project, "1_a", up=said("check", asked), sql=f"{sql} set local role pg_monitor;")
    write(project, "2_b", up=said("require", "select current_user <> 'pg_monitor' and to_regclass('x') is null"))

    assert tell(furnished, project, lambda migrator: migrator.up()).error is None


def test_a_precondition_has_the_settings_of_the_session(furnished, project):
    write(project, "1_a", sql="set search_path = own; create table public.t1 ();")
    write(project, "2_b", up=said("require", "select current_setting('search_path') = 'public, own'"))

    assert tell(furnished, project, lambda migrator: migrator.up()).exit_code == 7
    assert tell(f"{furnished}&search_path=public,own", project, lambda migrator: migrator.up()).exit_code == 7
    assert tell(f"{furnished}&search_path=public,%20own", project, lambda migrator: migrator.up()).error is None


BROKEN = {
    "select true; drop table t0": "a second statement begins here",
    "select true) x; drop table t0; select * from (select true": "this `)` closes nothing",
    "select (true": "the `(` that stands here is not closed",
    "select 'a": "the string that begins here is not closed",
    "select $1": "there is no parameter $1",
    "select true \\g": "a backslash outside of a string",
}


@pytest.mark.parametrize(
    ("key", "arguments"), [("require", ("up",)), ("check", ("up", "--dry-run", "--no-locks"))], ids=str
)
def test_what_is_not_one_query_is_refused_before_anything_runs(command, project, state, key, arguments):
    asked, words = "select true;\n--    drop table t0", "a second statement begins here"
    write(project, "1_a")
    path = write(project, "2_b", up=said(key, asked))

    done = command(*arguments)

    assert done.exit_code == 2
    assert f"error[E296]: the {SUBJECT[key]} of 2_b.sql: {words}" in done.stderr
    assert f"{path.name}:3:7" in done.stderr
    assert state() == ([], [], [])


def test_every_way_out_of_the_query_is_refused(furnished, project, state):
    for asked, words in BROKEN.items():
        write(project, "1_a", up=said("check", asked))

        told = tell(furnished, project, lambda migrator: migrator.up())

        assert (told.error.code, told.error.exit_code) == ("E296", 2)
        assert told.error.message.endswith(words)
        assert told.error.excerpt is not None
    write(project, "1_a")
    assert tell(furnished, project, lambda migrator: migrator.up()).error is None
    write(project, "1_a", down=said("require", "select true; select false"))

    told = tell(furnished, project, lambda migrator: migrator.rollback())

    assert told.error.code == "E296"
    assert state()[0] == ["1"]


def test_conditions_of_several_pairs_are_asked_where_they_stand(database_url, project, state):
    text = """-- migrate:require select {}
-- migrate:up
create table t1 (id int);
-- migrate:down
-- migrate:check select to_regclass('t1') is null
drop table t1;
-- migrate:up
-- migrate:require select count(*) = 0 from t1
-- migrate:check select {} from t1
insert into t1 values (1);
-- migrate:down
-- migrate:require select count(*) = 1 from t1
delete from t1;
"""
    up = lambda migrator: migrator.up()  # noqa: E731
    project.write("1_a.sql", text.format("false", "count(*) = 1"))
    assert tell(database_url, project, up).error.code == "E734"
    project.write("1_a.sql", text.format("true", "count(*) = 2"))
    assert tell(database_url, project, up).error.code == "E413"
    assert state() == ([], [], [])
    project.write("1_a.sql", text.format("true", "count(*) = 1"))
    assert tell(database_url, project, up).error is None
    assert state()[2] == ["t1"]
    assert tell(database_url, project, lambda migrator: migrator.rollback()).error is None
    assert state()[2] == []


def test_a_postcondition_above_the_first_header_is_asked_after_all_sections(database_url, project, state):
    pair = "-- migrate:up{0}\n{1}\n-- migrate:down\n"
    for option in ("", " transaction:false"):
        number = "2" if option else "1"
        sql = (f"create table u{number} ();", f"create table v{number} ();")
        project.write(
            f"{number}_a.sql",
            said("require", f"select to_regclass('u{number}') is null")
            + said("check", f"select to_regclass('v{number}') is not null")
            + "".join(pair.format(option, each) for each in sql),
        )
    assert tell(database_url, project, lambda migrator: migrator.up()).error is None
    assert state()[0] == ["1", "2"]


def test_an_empty_section_can_have_conditions(database_url, project, state):
    write(project, "1_a", up=said("check", "select true"), sql="-- nothing")
    write(project, "2_b", up=said("check", "select false"), sql="-- nothing", options=" transaction:false")

    told = tell(database_url, project, lambda migrator: migrator.up())

    assert told.error.code == "E413"
    assert state()[0] == ["1"]


@pytest.mark.parametrize("direction", ["up", "down"])
def test_conditions_of_both_directions(database_url, project, state, direction):
    write(project, "1_a", down=said("require", "select false"))
    assert tell(database_url, project, lambda migrator: migrator.up()).error is None
    before = state()
    told = tell(database_url, project, lambda migrator: migrator.rollback())
    assert (told.exit_code, told.error.code) == (7, "E734")
    assert state() == before

    write(project, "1_a", down=said("check", "select to_regclass('t1') is not null"))
    told = tell(database_url, project, lambda migrator: migrator.redo())
    assert (told.exit_code, told.error.code) == (4, "E413")
    assert told.error.state == "rolled back; nothing of 1_a.sql was undone"
    assert state() == before


def test_a_false_precondition_of_a_redo_leaves_the_rollback_that_came_before(database_url, project, state):
    write(project, "1_a")
    assert tell(database_url, project, lambda migrator: migrator.up()).error is None
    write(project, "1_a", up=said("require", "select false"))

    told = tell(database_url, project, lambda migrator: migrator.redo())

    assert (told.exit_code, told.done) == (7, ["1"])
    assert state()[0] == []


# --------------------------------------------------------------------------------------------- without a transaction

STEPS = "create table t1 (id int);\ncreate index concurrently i on t1 (id);\ninsert into t1 values (1);"


def test_a_false_precondition_of_steps_leaves_nothing_not_even_in_the_log(database_url, project, state):
    write(project, "1_a", up=said("require", "select false"), sql=STEPS, options=" transaction:false")

    told = tell(database_url, project, lambda migrator: migrator.up())

    assert (told.exit_code, told.error.code) == (7, "E734")
    assert told.error.state == "nothing of 1_a.sql was done"
    assert state() == ([], [], [])


@pytest.mark.parametrize("asked", ["select count(*) = 2 from t1", "select from x"])
def test_a_false_postcondition_of_steps_leaves_the_migration_unfinished(
    command, project, state, query, database_url, asked
):
    above = said("require", "select to_regclass('t1') is null")  # not asked again by resume
    write(project, "1_a", above=above, up=said("check", asked), sql=STEPS, options=" transaction:false")

    done = command("up", "--json")

    assert done.exit_code == 5
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "E511"
    assert error["line"] == 3
    assert error["details"]["query"] == asked
    assert error["state"] == "1_a.sql is unfinished: statements 1 to 3 are done"
    assert "dbmigrate resume" in error["hint"]
    assert state()[0] == []
    status = json.loads(command("status", "--json").stdout)["migrations"][0]
    assert status["state"] == "unfinished"
    assert "the postcondition of 1_a.sql" in status["unfinished"]["error"]
    assert "the postcondition of 1_a.sql" in command("history", "--json").stdout
    assert command("up").exit_code == 5

    again = command("resume")
    assert again.exit_code == 5
    assert "error[E511]" in again.stderr
    query(database_url, "insert into t1 values (2)")
    write(
        project,
        "1_a",
        above=above,
        up=said("check", "select count(*) = 2 from t1"),
        sql=STEPS,
        options=" transaction:false",
    )
    assert command("resume").exit_code == 0
    assert state()[0] == ["1"]
    assert query(database_url, "select count(*) from t1") == [(2,)]


def test_conditions_between_steps_are_asked_once_the_steps_before_are_done(database_url, project, state, query):
    text = """-- migrate:up transaction:false
-- migrate:require select to_regclass('t1') is null
-- migrate:check select count(*) = 0 from t1
create table t1 (id int);
-- migrate:down
-- migrate:up
-- migrate:require select {} from t1
insert into t1 values (1);
insert into t1 values (2);
-- migrate:down
-- migrate:up transaction:false
-- migrate:check select count(*) = 3 from t1
insert into t1 values (3);
-- migrate:down
"""
    project.write("1_a.sql", text.format("count(*) = 5"))

    told = tell(database_url, project, lambda migrator: migrator.up())
    assert (told.exit_code, told.error.code) == (5, "E510")
    assert told.error.state == "1_a.sql is unfinished: statement 1 is done"
    assert told.error.place.line == 7
    assert query(database_url, "select count(*) from t1") == [(0,)]
    upkeep = Upkeep(database_url, Options(directories=(str(project.migrations),)))
    with pytest.raises(NeedsAttention) as caught:
        upkeep.resume(Decision())
    assert caught.value.code == "E510"

    project.write("1_a.sql", text.format("count(*) = 0"))
    upkeep.resume(Decision())
    assert state()[0] == ["1"]
    assert query(database_url, "select count(*) from t1") == [(3,)]


def test_resume_asks_nothing_of_the_steps_before(database_url, project, state, query):
    text = """-- migrate:require select to_regclass('t1') is null
-- migrate:up transaction:false
-- migrate:check select count(*) = 0 from t1
create table t1 (id int);
-- migrate:down
-- migrate:up transaction:false
insert into t1 values (1);
insert into t1 values (1 / {});
-- migrate:down
"""
    project.write("1_a.sql", text.format(0))
    assert tell(database_url, project, lambda migrator: migrator.up()).error.code == "E501"
    project.write("1_a.sql", text.format(1))

    Upkeep(database_url, Options(directories=(str(project.migrations),))).resume(Decision())

    assert state()[0] == ["1"]
    assert query(database_url, "select count(*) from t1") == [(2,)]


def test_the_condition_of_a_down_section_counts_where_its_file_is_gone(command, project, state):
    path = write(project, "1_a", down=said("require", "select false"))
    assert command("up").exit_code == 0
    path.unlink()

    done = command("rollback")

    assert done.exit_code == 7
    assert "error[E734]" in done.stderr
    assert state()[0] == ["1"]


def test_an_unfinished_migration_whose_postcondition_is_false_can_be_undone(database_url, project, state):
    write(project, "1_a", up=said("check", "select false"), options=" transaction:false")
    assert tell(database_url, project, lambda migrator: migrator.up()).error.code == "E511"

    Upkeep(database_url, Options(directories=(str(project.migrations),))).undo()

    assert state()[0] == []
    assert state()[2] == []
    assert tell(database_url, project, lambda migrator: migrator.up()).error.code == "E511"


def test_windows_line_ends_savepoints_of_the_same_name_and_domains(database_url, project, state, query):
    query(database_url, "create domain d as boolean")
    path = write(
        project,
        "1_a",
        up="-- migrate:require select\n--   true::d\n-- migrate:check select false\n--   or {}\n",
        sql="savepoint dbmigrate_condition; create table t1 (); set default_transaction_read_only = on;",
    )
    text = path.read_text().replace("\n", "\r\n")
    path.write_bytes(text.replace("{}", "nope").encode())
    told = tell(database_url, project, lambda migrator: migrator.up())
    assert told.error.code == "E414"
    assert (told.error.place.line, told.error.place.column) == (5, 9)

    path.write_bytes(text.replace("{}", "true::d").encode())
    assert tell(database_url, project, lambda migrator: migrator.up()).error is None
    assert state()[0] == ["1"]


def test_conditions_of_a_large_file(database_url, project, state):
    rows = "insert into t1 values (1, '" + "x" * 200 + "');\n"
    sql = "create table t1 (id int, text text);\n" + rows * 6000
    for number, code in ((5999, "E413"), (6000, None)):
        above = said("require", "select to_regclass('t1') is null")
        write(project, "1_a", above=above, up=said("check", f"select count(*) = {number} from t1"), sql=sql)

        told = tell(database_url, project, lambda migrator: migrator.up())

        assert (told.error and told.error.code) == code
        assert state()[0] == ([] if code else ["1"])


# ------------------------------------------------------------------------------------------------------------- dry runs


# where it stands, its options, and a query that is true or not
PLANS = {
    "require": ("", "select {} -- \\! :x $1 ' not closed"),
    "check": ("", "select (count(*) = 0) = {} from t2 where ':x' <> $sql$'; \\q :x $sql$"),
    "require, steps": (" transaction:false", "select E'\\'' <> 'x' and {}"),
    "check, steps": (
        " transaction:false",
        "select (select count(*) = 0 from t2) = {} and '{{:x}}' <> ''",
    ),
}


@pytest.mark.parametrize("name", PLANS)
def test_the_script_of_a_dry_run_stops_where_a_run_would(command, project, state, query, database_url, name):
    key, (options, asked) = name.partition(",")[0], PLANS[name]
    write(project, "1_a")
    answers = {"false": (3, ["t1", "t2"] if name == "check, steps" else ["t1"]), "true": (0, ["t1", "t2"])}
    for answer, (exit_code, tables) in answers.items():
        query(database_url, "drop table if exists t1, t2, schema_migrations, schema_migrations_log")
        write(project, "2_it's \\ a", up=said(key, asked.format(answer)), options=options)

        script = command("up", "--dry-run", "--no-locks")
        replayed = psql(database_url, script.stdout)

        assert script.exit_code == 0
        assert replayed.exit_code == exit_code, replayed.stderr
        assert state()[2] == tables
        assert state()[0] == ["1", "2"][: len(tables) if answer == "true" else 1]
        if answer == "false":
            assert f"the {SUBJECT[key]} of 2_it's \\ a.sql (line 2) is not true" in replayed.stderr


@keys
def test_the_script_takes_no_other_answer_for_true(command, project, state, database_url, key):
    for asked in ("select 1", "select true, true", "select true from generate_series(1, 2)", "select null::boolean"):
        write(project, "1_a", up=said(key, asked))

        replayed = psql(database_url, command("up", "--dry-run", "--no-locks").stdout)

        assert replayed.exit_code == 3
        assert state() == ([], [], [])


def test_a_query_that_would_write_stops_the_script(command, project, state, query, database_url):
    query(database_url, "create sequence s")
    write(project, "1_a", up=said("require", "select nextval('s') > 0"))

    replayed = psql(database_url, command("up", "--dry-run", "--no-locks").stdout)

    assert replayed.exit_code == 3
    assert "read-only" in replayed.stderr
    assert query(database_url, "select is_called from s") == [(False,)]


def test_a_condition_is_part_of_the_plan_that_is_reviewed(command, project):
    write(project, "1_a", up=said("require", "select true"))
    digest = json.loads(command("up", "--dry-run", "--json", "--no-locks").stdout)["plan"]
    write(project, "1_a", up=said("require", "select 1 = 1"))

    assert command("up", "--expect-plan", digest).exit_code == 7
    assert command("up").exit_code == 0
    write(project, "1_a", up=said("require", "select 2 = 2"))
    done = command("up")
    assert done.exit_code == 0
    assert "W304" in command("verify").stdout + command("verify").stderr + done.stderr


# ------------------------------------------------------------------------------------------------- on scratch databases


@pytest.fixture
def scratch(cluster_cache):
    return {"XDG_CACHE_HOME": str(cluster_cache)}


def test_a_rehearsal_on_a_copy_notes_what_the_rows_would_decide(command, project, scratch, query, database_url, state):
    write(project, "1_a")
    assert command("up").exit_code == 0
    query(database_url, "insert into t1 values (1)")
    asked = ("select count(*) = 1 from t1", "select 1 / (select count(*) from t1) = 1")
    write(project, "2_b", up=said("require", asked[0]) + said("check", asked[1]))
    write(project, "3_c", up=said("require", asked[0]) + said("check", asked[1]), options=" transaction:false")
    before = state()

    done = command("up", "--dry-run", "--execute", env=scratch)

    assert done.exit_code == 0, done.stderr
    assert done.stderr.count("note[W320]") == 4
    assert "the precondition of 2_b.sql is not true on a database without rows: it is false" in done.stderr
    assert "the postcondition of 3_c.sql is not true on a database without rows: division by zero" in done.stderr
    assert command("up", "--dry-run", "--execute", "--in-place", "--to", "2").exit_code == 0
    assert state() == before
    assert command("up").exit_code == 0


@pytest.mark.parametrize(("key", "exit_code"), [("require", 7), ("check", 4)])
def test_a_rehearsal_in_place_counts_the_rows(command, project, state, key, exit_code):
    write(project, "1_a")
    write(project, "2_b", up=said(key, "select count(*) = 1 from t1"))

    done = command("up", "--dry-run", "--execute", "--in-place")

    assert done.exit_code == exit_code
    assert f"error[{FAILS[key][1]}]" in done.stderr
    assert "state: this was a rehearsal: the database is as it was" in done.stderr
    assert state() == ([], [], [])


@pytest.mark.parametrize(
    ("key", "asked", "words"),
    [
        ("require", "select true from nowhere", 'relation "nowhere" does not exist'),
        ("check", "select 1", "it returns integer instead of boolean"),
        pytest.param("check", "select true from nowhere", '"nowhere" does not exist', marks=pytest.mark.matrix),
        pytest.param("require", "select 1", "it returns integer instead of boolean", marks=pytest.mark.matrix),
    ],
)
def test_on_a_scratch_database_a_condition_has_to_be_a_boolean_query(command, project, scratch, key, asked, words):
    path = write(project, "1_a", up=said(key, asked))

    for arguments, exit_code in ((("up", "--dry-run", "--execute"), 4), (("check", "--no-lint"), 1)):
        done = command(*arguments, env=scratch)
        assert done.exit_code == exit_code
        assert words in done.stdout + done.stderr
        assert f"{path.name}:2:" in done.stdout + done.stderr


def test_check_notes_each_condition_once(command, project, scratch):
    write(
        project,
        "1_a",
        up=said("check", "select exists (table t1)"),
        down=said("require", "select exists (table t1)"),
    )
    write(project, "2_b", up=said("require", "select exists (table t1)"), options=" transaction:false")

    done = command("check", "--no-lint", env=scratch)

    assert done.exit_code == 0, done.stdout + done.stderr
    assert done.stdout.count("note[W320]") == 3


def test_drift_asks_nothing_of_applied_files(command, project, scratch):
    write(project, "1_a")
    assert command("up").exit_code == 0
    write(project, "1_a", up=said("require", "select 1") + said("check", "select true from nowhere"))

    assert command("drift", "--against", "migrations", env=scratch).exit_code == 0


@keys
def test_check_reports_what_is_not_one_query(command, project, scratch, key):
    write(project, "1_a", up=said(key, "select true; drop table t1"))

    done = command("check", "--no-lint", env=scratch)

    assert done.exit_code == 1
    assert "error[E296]" in done.stdout
    assert "Traceback" not in done.stderr


@keys
def test_a_deployment_ends_with_the_exit_code_of_the_condition(command, project, state, key):
    write(project, "1_a", up=said(key, "select false"))

    done = command("deploy", "--yes", "--no-backup")

    assert done.exit_code == FAILS[key][0]
    assert f"error[{FAILS[key][1]}]" in done.stderr
    assert "the database is as it was before the deployment" in done.stderr
    assert state() == ([], [], [])


def test_the_locks_of_a_condition_are_gone_before_the_sql_runs(furnished, project, query):
    locks = "select count(*) from pg_locks where pid = pg_backend_pid() and relation = 't0'::regclass"
    write(project, "1_a", up=said("require", "select count(*) = 1 from t0"), sql=f"create table t1 as {locks};")

    assert tell(furnished, project, lambda migrator: migrator.up()).error is None
    assert query(furnished, "select * from t1") == [(0,)]
