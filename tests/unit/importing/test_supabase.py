"""Supabase: which files its CLI reads, and the statements that its table keeps."""

from __future__ import annotations

from dbmigrate.importing.supabase import TOOL
from dbmigrate.importing.values import Answers, HistoryTable, Row, State
from tests.support.importing_states import fixture, source

_TABLE = HistoryTable("supabase_migrations", "schema_migrations", ("version", "statements", "name"))
_BODY = (
    "-- don't split at this ;\ncreate table a (note text default 'x;y');\n\n"
    "create function f() returns int language sql begin atomic select 1; select 2; end;\n"
    "/* ; */ do $$ begin perform 1; end $$"
)
_STATEMENTS = [
    "-- don't split at this ;\ncreate table a (note text default 'x;y')",
    "create function f() returns int language sql begin atomic select 1; select 2; end",
    "/* ; */ do $$ begin perform 1; end $$",
]


def read(**files: str | bytes):
    return TOOL.read(source(**files), Answers())


def row(statements: list[str] | None) -> Row:
    [found] = TOOL.history(lambda sql, *parameters: [("1", statements, "x")], _TABLE, Answers())
    return found


def test_a_file_is_a_migration_by_its_timestamp() -> None:
    reading = read(**{"20260201090000_create_harbour.sql": "select 1;", "seed.sql": "", "1x.sql": ""})

    [migration] = reading.migrations
    assert (migration.version, migration.name) == ("20260201090000", "create harbour")
    assert TOOL.matches(migration, Row("20260201090000", State.APPLIED))
    assert set(reading.left_out) == {"seed.sql", "1x.sql"}


def test_a_first_init_file_from_before_december_2021_is_passed_over() -> None:
    old = read(**{"20211208235959_init.sql": "x", "20220101000000_y.sql": "select 1;"})
    new = read(**{"20211209000000_init.sql": "select 1;"})
    second = read(**{"1_first.sql": "select 1;", "20200101000000_init.sql": "select 1;"})

    assert [each.version for each in old.migrations] == ["20220101000000"]
    assert "before December 2021" in old.left_out["20211208235959_init.sql"]
    assert len(new.migrations) == 1
    assert len(second.migrations) == 2


def test_names_sort_as_text() -> None:
    found = read(**{"10_b.sql": "select 1;", "9_a.sql": "select 1;"}).migrations

    assert [each.version for each in found] == ["10", "9"]


def test_the_statements_of_the_table_prove_the_file() -> None:
    [migration] = read(**{"1_x.sql": _BODY}).migrations

    assert TOOL.verifies(migration, row(_STATEMENTS))
    assert TOOL.verifies(migration, row([*_STATEMENTS[:2], "select 3"])) is False
    assert TOOL.verifies(migration, row(None)) is None


def test_crlf_and_a_comment_at_the_end_are_the_same_statements() -> None:
    [migration] = read(**{"1_x.sql": _BODY.replace("\n", "\r\n") + ";\r\n-- the end\r\n"}).migrations

    assert TOOL.verifies(migration, row([*_STATEMENTS, "-- the end"]))
    assert TOOL.verifies(migration, row(_STATEMENTS))


def test_a_lost_file_can_be_written_from_the_table() -> None:
    sql = row(_STATEMENTS).sql
    assert sql is not None
    [migration] = read(**{"1_x.sql": sql}).migrations

    assert TOOL.verifies(migration, row(_STATEMENTS))


def test_rows_without_statements_say_so() -> None:
    found = row(None)

    assert (found.state, found.sql, found.checksum) == (State.APPLIED, None, None)
    assert "repair" in found.remark


def test_there_is_no_down() -> None:
    assert all(each.downs is None for each in TOOL.read(fixture("supabase"), Answers()).migrations)


def test_one_statement_that_refuses_a_transaction_alone_runs_outside_of_one() -> None:
    [alone, several] = read(
        **{"1_x.sql": "create index concurrently i on t (a);", "2_y.sql": "select 1;\nvacuum;\n"}
    ).migrations

    assert not alone.ups[0].transaction
    assert alone.judgements == ()
    assert not several.ups[0].transaction
    assert "transaction:false" in several.judgements[0].message
    assert several.judgements[0].place is not None
    assert several.judgements[0].place.line == 2


def test_the_project_and_its_migrations_folder_read_alike() -> None:
    whole = TOOL.read(fixture("supabase"), Answers())
    folder = TOOL.read(fixture("supabase", "files/supabase/migrations"), Answers())

    assert [each.version for each in whole.migrations] == [each.version for each in folder.migrations]
    assert len(whole.migrations) == 7


def test_it_is_told_by_its_folder_and_by_its_table() -> None:
    assert TOOL.recognises(fixture("supabase"))
    assert not TOOL.recognises(source(**{"1_x.sql": "select 1;"}))
    assert TOOL.owns(_TABLE, frozenset())
    assert TOOL.owns(HistoryTable("supabase_migrations", "schema_migrations", ("version",)), frozenset())
    assert not TOOL.owns(HistoryTable("auth", "schema_migrations", ("version",)), frozenset())


def test_an_old_table_without_statements_and_names_is_read() -> None:
    asked: list[str] = []

    def query(sql: str, *parameters: object):
        asked.append(sql)
        return [("1", None, None)]

    [found] = TOOL.history(query, HistoryTable("supabase_migrations", "schema_migrations", ("version",)), Answers())

    assert found.key == "1"
    assert "null as statements, null as name" in asked[0]
