"""The script of a dry run with a backfill: through psql it leaves what the tool leaves."""

from __future__ import annotations

import pytest

from dbmigrate.variables import Variables

from tests.support.backfills import counters, fill, migrator, project_of, versions
from tests.support.psql import psql

# tables with keys and values that are easily read otherwise: the table, its rows, and the statements
TABLES = {
    "strings like placeholders": (
        "create table t (id bigint primary key, n int not null default 0, s text)",
        "insert into t select g * 3, 0, 'a%b''c' from generate_series(1, 1000) g",
        "update t set n = n + 1, s = 'x :batch % {batch}0 $sql$' where s = 'a%b''c' and :batch -- the end;",
        "",
    ),
    "quotes and backslashes in a composite key": (
        'create table t (a int, "b%" text collate "C", n int not null default 0, primary key (a, "b%"))',
        "insert into t select g % 7, 'k''' || g || chr(92) from generate_series(1, 1000) g",
        'update t as "T x" set n = n + 1 where :batch("T x");\nselect count(*) from t, t u where :batch and :batch(u);',
        "",
    ),
    "times": (
        "create table t (id timestamptz primary key, n int not null default 0)",
        "insert into t select timestamptz '2024-01-01' + g * interval '1.000001 s' from generate_series(1, 1000) g",
        "update t set n = n + 1 where :batch;",
        "",
    ),
    "a domain over bytea": (
        "create domain d as bytea; create table t (id d primary key, n int not null default 0)",
        "insert into t select decode(md5(g::text), 'hex') from generate_series(1, 1000) g",
        "update t set n = n + 1 where :batch;",
        "",
    ),
    "another collation": (
        'create table t (id text not null, n int not null default 0); create unique index on t (id collate "C")',
        "insert into t select 'k' || g || chr(65 + g % 58) from generate_series(1, 1000) g",
        "update t set n = n + 1 where :batch;",
        "key:id",
    ),
}
ROWS = "select md5(string_agg(t::text, ',' order by t::text)), min(n), max(n) from t"
LOG = (
    "select step, state, direction, details - 'until' - 'round' - 'left' - 'rate' from schema_migrations_log"
    " where state <> 'failed' order by step nulls last"
)


@pytest.mark.parametrize("case", TABLES)
def test_the_script_leaves_what_the_tool_leaves(make_database, project, query, case):
    table, rows, up, options = TABLES[case]
    project_of(project, up, f"batch:334 target:1h pause:0 {options}")
    left = []
    for how in ("tool", "psql"):
        url = make_database()
        query(url, f"{table}; {rows}; analyze t")
        if how == "psql":
            done = psql(url, "".join(migrator(url, project).script_up()))
            assert done.exit_code == 0, done.stderr
        else:
            migrator(url, project).up()
        left.append((query(url, ROWS), versions(url), [row[:3] for row in query(url, LOG)]))
        assert query(url, "select min(n), max(n) from t") == [(1, 1)]

    assert left[0] == left[1]


def test_what_a_script_has_left_half_done_goes_on_at_its_cursor(database_url, project, query):
    fill(database_url, number=1000)
    project_of(project, "update t set n = n + 1 / (1500 - id) * 0 + 1 where :batch;", "batch:100 pause:0")
    stopped = psql(database_url, "".join(migrator(database_url, project).script_up()))
    assert "division by zero" in stopped.stderr
    assert query(database_url, "select count(*) from t where n = 1") == [(400,)]
    project_of(project, options="batch:100 pause:0")

    done = psql(database_url, "".join(migrator(database_url, project).script_up()))

    assert done.exit_code == 0, done.stderr
    assert counters(database_url) == (1, 1, 1000)
    assert versions(database_url) == ["1"]
    assert query(database_url, LOG)[0][3]["pages"] == 11


def test_a_script_makes_the_table_and_fills_it(database_url, project, query):
    project.migration("0_make", up="create table t (id int primary key, n int);\ninsert into t values (1, 0), (2, 0);")
    project_of(project)

    done = psql(database_url, "".join(migrator(database_url, project).script_up()))

    assert done.exit_code == 0, done.stderr
    assert counters(database_url) == (1, 1, 2)
    assert versions(database_url) == ["0", "1"]


def test_the_script_of_a_run_that_defers_records_that(database_url, project, query):
    fill(database_url, number=10)
    project_of(project)

    done = psql(database_url, "".join(migrator(database_url, project, defers=True).script_up()))

    assert done.exit_code == 0, done.stderr
    assert query(database_url, "select state, details from schema_migrations_log") == [("deferred", {"deferred": True})]
    migrator(database_url, project).backfill()
    assert counters(database_url) == (1, 1, 10)


def test_variables_come_to_the_script_from_the_environment(make_database, project, query):
    """As literals and as names, beside marks, and with values that look like the marks of the script."""
    text = "-- migrate:vars word, col\n-- migrate:up backfill:t batch:300 target:1h pause:0\n"
    up = (
        """update t set n = n + 1, :"col" = :'word' where :'word' <> 'no' and :batch -- :'word' is a comment\n"""
        """  and :batch and s is distinct from:'word';\nupdate t set m = length(:'word') where :batch;\n"""
    )
    project.write("1_fill.sql", f"{text}{up}-- migrate:down\n")
    values = {"word": "it's {batch}0 :batch \\ $sql$ :'col' \"é\" %s", "col": 'odd "name"'}
    left = []
    for how in ("tool", "psql"):
        url = make_database()
        fill(url, number=1000)
        query(url, """alter table t add s text, add "odd ""name\"\"" text, add m int; update t set s = 'x'""")
        runner = migrator(url, project, variables=Variables.of(values))
        if how == "psql":
            script = "".join(runner.script_up())
            assert values["word"] not in script
            done = psql(url, script, DBMIGRATE_VAR_WORD=values["word"], DBMIGRATE_VAR_COL=values["col"])
            assert done.exit_code == 0, done.stderr
        else:
            runner.up()
        assert query(url, "select distinct n, m, \"odd \"\"name\"\"\" from t") == [(1, len(values["word"]), values["word"])]
        left.append((query(url, ROWS), versions(url), [row[:3] for row in query(url, LOG)]))

    assert left[0] == left[1]


def test_a_script_with_variables_stops_where_they_are_not_set(database_url, project, query):
    fill(database_url, number=10)
    text = "-- migrate:vars word\n-- migrate:up backfill:t\nupdate t set n = length(:'word') where :batch;\n-- migrate:down\n"
    project.write("1_fill.sql", text)

    done = psql(database_url, "".join(migrator(database_url, project, variables=Variables.of({"word": "x"})).script_up()))

    assert done.exit_code == 3
    assert "set DBMIGRATE_VAR_WORD in the environment" in done.stderr
    assert counters(database_url) == (0, 0, 10)
