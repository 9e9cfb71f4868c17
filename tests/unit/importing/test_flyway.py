"""Flyway's files and table: each rule of its documentation and source that decides on what a project means."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pytest

from dbmigrate.errors import MigrationFileError
from dbmigrate.importing import convert, read_source
from dbmigrate.importing.convert import Conversion, MissingDown, Present
from dbmigrate.importing.flyway import TOOL, crc32
from dbmigrate.importing.flyway_history import settled
from dbmigrate.importing.values import Answers, HistoryTable, Kind, Reading, Row, Source, SourceFile, State
from dbmigrate.model import Order

FIXTURES = Path(__file__).parents[2] / "importing" / "fixtures"
COLUMNS = ("installed_rank", "version", "description", "type", "script", "checksum", "installed_by", "installed_on")
COLUMNS = (*COLUMNS, "execution_time", "success")


def source(files: Mapping[str, str | bytes]) -> Source:
    made = (SourceFile(path, text if isinstance(text, bytes) else text.encode()) for path, text in files.items())
    return Source("sql", tuple(sorted(made, key=lambda file: file.path)))


def read(files: Mapping[str, str | bytes], **answers: object) -> Reading:
    return TOOL.read(source(files), Answers(**answers))  # type: ignore[arg-type]


def converted(files: Mapping[str, str | bytes], **answers: object) -> Conversion:
    project = source(files)
    reading = TOOL.read(project, Answers(**answers))  # type: ignore[arg-type]
    style = (MissingDown.IRREVERSIBLE, Order.NAME)
    return convert.convert("flyway", project, reading, present=Present("db/migrations", {}), style=style)


def told(reading: Reading) -> list[str]:
    every = [*reading.judgements, *(each for migration in reading.migrations for each in migration.judgements)]
    return [each.message for each in every]


# --------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize("path", ["V1__x.sql", "V1_2__x.sql", "V1.2__x.sql", "sub/V3__x.sql", "R__x.sql", "V1__x.SQL"])
def test_files_are_recognised_by_their_names(path: str) -> None:
    assert TOOL.recognises(source({path: "select 1"}))


@pytest.mark.parametrize(
    "path", ["001_x.sql", "v1__x.sql", "V1_x.sql", "Vx__y.sql", "1_x.up.sql", "README.md", "R_x.sql"]
)
def test_other_names_are_not_taken_for_its_files(path: str) -> None:
    assert not TOOL.recognises(source({path: "select 1"}))


def test_underscores_are_dots_in_versions_and_blanks_in_descriptions() -> None:
    (found,) = read({"V3_1__more_piers.sql": ""}).migrations

    assert (found.version, found.name) == ("3.1", "more piers")


def test_sub_folders_are_searched_and_stay_in_the_path() -> None:
    assert [each.path for each in read({"a/V2__x.sql": "", "b/c/V1__y.sql": ""}).migrations] == [
        "b/c/V1__y.sql",
        "a/V2__x.sql",
    ]


def test_versions_are_ordered_number_by_number() -> None:
    names = ("V10__a.sql", "V9__a.sql", "V1.10__a.sql", "V1.9__a.sql", "V1.9.1__a.sql")

    assert [each.version for each in read(dict.fromkeys(names, "")).migrations] == ["1.9", "1.9.1", "1.10", "9", "10"]


@pytest.mark.parametrize(
    ("one", "other"), [("V1__a.sql", "V001__b.sql"), ("V1__a.sql", "V1.0__b.sql"), ("V1_1__a.sql", "x/V1.1__a.sql")]
)
def test_two_files_of_one_version_are_refused_with_both_names(one: str, other: str) -> None:
    with pytest.raises(MigrationFileError) as caught:
        read({one: "", other: ""})

    assert caught.value.code == "E281"
    assert one in caught.value.message
    assert other in caught.value.message


def test_the_text_of_a_version_keeps_its_zeros() -> None:
    assert read({"V001__x.sql": ""}).migrations[0].version == "001"


def test_repeatable_ones_come_last_in_the_order_of_their_descriptions() -> None:
    found = read({"R__b.sql": "", "R__a.sql": "", "V1__z.sql": ""}).migrations

    assert [(each.kind, each.name) for each in found] == [
        (Kind.VERSIONED, "z"),
        (Kind.REPEATABLE, "a"),
        (Kind.REPEATABLE, "b"),
    ]


@pytest.mark.parametrize(
    "name", ["beforeMigrate.sql", "afterEachMigrate__x.sql", "afterMigrateError.sql", "beforeValidate.sql"]
)
def test_callbacks_are_named_and_left_out(name: str) -> None:
    found = read({name: "select 1", "V1__x.sql": ""})

    assert "callback" in found.left_out[name]
    assert len(found.migrations) == 1


def test_sql_files_with_other_names_are_left_out_and_named() -> None:
    assert read({"schema.sql": "", "V1__x.sql": ""}).left_out == {"schema.sql": "its name is none of Flyway's"}


def test_prefixes_separator_and_suffixes_are_the_projects() -> None:
    conf = "flyway.sqlMigrationPrefix=M\nflyway.sqlMigrationSeparator=-\nflyway.sqlMigrationSuffixes=.sql,.pks\n"
    found = read({"flyway.conf": conf, "M1-x.sql": "", "M2-y.pks": "", "V3__z.sql": ""})

    assert [each.path for each in found.migrations] == ["M1-x.sql", "M2-y.pks"]


def test_an_undo_file_is_the_down_of_its_version() -> None:
    found = read({"V1.2__x.sql": "create table a ();", "U1_2__x.sql": "drop table a;"}).migrations[0]

    assert found.downs is not None
    assert found.downs[0].sql == "drop table a;"


def test_an_undo_file_without_its_version_is_left_out() -> None:
    assert "U2__x.sql" in read({"V1__x.sql": "", "U2__x.sql": ""}).left_out


def test_a_version_without_an_undo_file_has_no_down() -> None:
    assert read({"V1__x.sql": ""}).migrations[0].downs is None


# -------------------------------------------------------------------------------------------------- a script's settings


def test_a_script_runs_outside_a_transaction_if_its_conf_says_so() -> None:
    found = read({"V1__x.sql": "select 1;", "V1__x.sql.conf": "executeInTransaction=false\n"})

    assert not found.migrations[0].ups[0].transaction


def test_the_conf_of_an_undo_file_is_its_own() -> None:
    found = read({"V1__x.sql": "a;", "U1__x.sql": "b;", "U1__x.sql.conf": "executeInTransaction=false"}).migrations[0]

    assert found.ups[0].transaction
    assert found.downs is not None
    assert not found.downs[0].transaction


def test_a_script_is_read_in_the_encoding_of_its_conf() -> None:
    found = read({"V1__x.sql": "select 'Möwe'".encode("latin-1"), "V1__x.sql.conf": "encoding=ISO-8859-1"})

    assert found.migrations[0].ups[0].sql == "select 'Möwe'"


def test_an_invalid_byte_is_told_with_its_place() -> None:
    with pytest.raises(MigrationFileError) as caught:
        read({"V1__x.sql": b"select 1;\nselect '\xff';"})

    assert (caught.value.code, str(caught.value.place)) == ("E210", "V1__x.sql:2:9")


def test_an_encoding_that_does_not_exist_is_told() -> None:
    with pytest.raises(MigrationFileError) as caught:
        read({"V1__x.sql": "", "V1__x.sql.conf": "\nencoding=klingon"})

    assert str(caught.value.place) == "V1__x.sql.conf:2:1"


def test_placeholders_stay_where_the_conf_switches_them_off() -> None:
    found = read({"V1__x.sql": "select '${x}'", "V1__x.sql.conf": "placeholderReplacement=false"})

    assert found.migrations[0].ups[0].sql == "select '${x}'"


def test_a_script_that_is_never_executed_is_left_out() -> None:
    found = read({"V1__x.sql": "", "V1__x.sql.conf": "shouldExecute=false", "V2__y.sql": ""})

    assert [each.version for each in found.migrations] == ["2"]
    assert "shouldExecute" in found.left_out["V1__x.sql"]


def test_a_condition_for_a_script_is_a_question() -> None:
    found = read({"V1__x.sql": "", "V1__x.sql.conf": 'shouldExecute="${env}"=="prod"'})

    (asked,) = [each for each in found.migrations[0].judgements if each.asks]
    assert "--skip V1__x.sql" in (asked.hint or "")


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE INDEX CONCURRENTLY i ON t (a);",
        "create unique index concurrently i on t (a);",
        "DROP INDEX CONCURRENTLY i;",
        "VACUUM t;",
        "REINDEX SCHEMA public;",
        "CREATE DATABASE x;",
        "DROP TABLESPACE x;",
        "ALTER SYSTEM SET work_mem = '1MB';",
        "DISCARD ALL;",
    ],
)
def test_what_it_runs_outside_a_transaction_by_itself_runs_so_here(sql: str) -> None:
    (file,) = converted({"V1__x.sql": f"-- why\n{sql}\n"}).files

    assert f"-- migrate:up transaction:false\n-- why\n{sql}\n" in file.text


def test_a_mixed_script_runs_without_a_transaction_as_a_whole() -> None:
    files = {
        "flyway.conf": "flyway.mixed=true",
        "V1__x.sql": "create table t (a int);\nvacuum t;\n",
        "V2__y.sql": "select 1;",
    }

    assert [each.ups[0].transaction for each in read(files).migrations] == [False, True]


# --------------------------------------------------------------------------------------------------------- placeholders


def test_placeholders_are_replaced_in_strings_names_and_bodies() -> None:
    sql = "create table ${t} (a text default 'x ${t} y'); do $$ begin perform '${t}'; end $$;"
    found = read({"V1__x.sql": sql}, placeholders={"t": "boats"}).migrations[0]

    assert found.ups[0].sql == sql.replace("${t}", "boats")
    assert "for good" in told(Reading((found,)))[0]


def test_a_placeholder_without_a_value_is_asked_for_once_with_its_place() -> None:
    found = read({"V1__x.sql": "select 1;\nselect '1 ${a}', '${a}';"}).migrations[0]

    (asked,) = found.judgements
    assert (asked.asks, str(asked.place), asked.hint) == (True, "V1__x.sql:2:1", "--placeholder a=VALUE")


def test_the_projects_files_give_values_and_the_command_line_wins() -> None:
    files = {
        "flyway.conf": "flyway.placeholders.a=1\nflyway.placeholders.b=2\n",
        "flyway.toml": '[flyway.placeholders]\nb = "3"\n',
        "V1__x.sql": "${a} ${b} ${C}",
    }
    found = read(files, placeholders={"c": "4"}).migrations[0]

    assert found.ups[0].sql == "1 3 4"


def test_the_name_of_the_file_is_known_and_other_built_in_ones_are_asked_for() -> None:
    found = read({"d/V1__x.sql": "${flyway:filename} ${flyway:defaultSchema}"}).migrations[0]

    assert found.ups[0].sql == "V1__x.sql ${flyway:defaultSchema}"
    assert [each.hint for each in found.judgements if each.asks] == ["--placeholder flyway:defaultSchema=VALUE"]


def test_the_marks_of_placeholders_are_the_projects() -> None:
    conf = "flyway.placeholderPrefix=%%\nflyway.placeholderSuffix=%%\nflyway.placeholders.x=1"

    assert read({"flyway.conf": conf, "V1__x.sql": "%%x%% ${x}"}).migrations[0].ups[0].sql == "1 ${x}"


# ----------------------------------------------------------------------------------------------------------- statements


def test_the_last_statement_may_lack_its_semicolon() -> None:
    (file,) = converted({"V1__x.sql": "select 1;\nselect 2"}).files

    assert "select 2\n\n-- migrate:down" in file.text


def test_inline_data_of_copy_arrives_as_it_was() -> None:
    data = "COPY t (a) FROM stdin;\n1\n-- migrate:down\n2; x\n\\.\n"
    (file,) = converted({"V1__x.sql": data}).files

    assert data in file.text


# ------------------------------------------------------------------------------------------------------------ the table


def row(
    version: str | None, kind: str = "SQL", checksum: int | None = 1, *, name: str = "x", success: bool = True
) -> tuple[object, ...]:
    return (version, name, kind, checksum, "ada", datetime(2026, 1, 1), success)


def the(*rows: tuple[object, ...]) -> list[tuple[str, State]]:
    return [(each.key, each.state) for each in settled(rows)]


def test_its_table_is_told_by_its_columns() -> None:
    assert TOOL.owns(HistoryTable("public", "any_name", COLUMNS), frozenset())
    assert not TOOL.owns(HistoryTable("public", "flyway_schema_history", ("version", "success")), frozenset())


def test_rows_say_who_applied_what_and_when() -> None:
    (found,) = settled([row("1.1")])

    assert (found.key, found.state, found.applied_by, found.applied_at, found.checksum) == (
        "1.1", State.APPLIED, "ada", datetime(2026, 1, 1), "1",
    )  # fmt: skip


def test_the_last_row_of_a_repeatable_one_counts() -> None:
    found = settled([row(None, checksum=1, name="v"), row("1"), row(None, checksum=2, name="v")])

    assert [(each.key, each.checksum) for each in found] == [("1", "1"), ("R v", "2")]


def test_the_row_of_the_schema_means_nothing() -> None:
    assert the(row(None, "SCHEMA"), row("1")) == [("1", State.APPLIED)]


def test_an_undone_version_is_pending_until_it_is_applied_again() -> None:
    assert the(row("1"), row("1", "UNDO_SQL")) == [("1", State.PENDING)]
    assert the(row("1"), row("1", "UNDO_SQL"), row("1")) == [("1", State.APPLIED)]


def test_the_sum_of_an_undo_file_is_compared_with_nothing() -> None:
    assert settled([row("1", "UNDO_SQL", 5)])[0].checksum is None


def test_a_deleted_version_does_not_count_any_more() -> None:
    assert the(row("1"), row("2"), row("1", "DELETE")) == [("2", State.APPLIED)]


def test_a_row_without_success_is_a_failure() -> None:
    assert the(row("1"), row("2", success=False)) == [("1", State.APPLIED), ("2", State.FAILED)]


def test_code_that_ran_is_applied_and_named() -> None:
    (found,) = settled([row("1", "JDBC", None)])

    assert (found.state, found.remark) == (State.APPLIED, "code (JDBC)")


@pytest.mark.parametrize("kind", ["BASELINE", "SQL_BASELINE"])
def test_a_baseline_covers_its_version_and_what_is_below(kind: str) -> None:
    (found,) = settled([row("2", kind, None)])
    versions = {
        each.version: each for each in read(dict.fromkeys(("V1__a.sql", "V2__b.sql", "V2.1__c.sql"), "")).migrations
    }

    assert [version for version, each in versions.items() if TOOL.matches(each, found)] == ["1", "2"]


def test_a_row_is_found_by_the_number_of_its_version() -> None:
    (migration,) = read({"V3_1__x.sql": ""}).migrations

    assert TOOL.matches(migration, Row("3.1", State.APPLIED))
    assert TOOL.matches(migration, Row("3.1.0", State.APPLIED))
    assert not TOOL.matches(migration, Row("3.10", State.APPLIED))


def test_a_repeatable_one_is_found_by_its_description() -> None:
    (migration,) = read({"R__lit_piers.sql": ""}).migrations

    assert TOOL.matches(migration, Row("R lit piers", State.APPLIED))
    assert not TOOL.matches(migration, Row("R piers", State.APPLIED))


# ----------------------------------------------------------------------------------------------------------------- sums


def recorded(folder: str) -> dict[str, str]:
    """The sums that Flyway itself wrote, by script; of an undone one the first."""
    lines = (FIXTURES / folder / "history.sql").read_text().splitlines()
    rows = [line.split("\t") for line in lines if line.count("\t") == 9]
    return {each[4]: each[5] for each in rows if each[5] != "\\N" and each[3] == "SQL"}


@pytest.mark.parametrize("folder", ["flyway", "flyway-odd", "flyway-failed"])
def test_the_sums_are_those_that_flyway_wrote(folder: str) -> None:
    project = read_source.read(str(FIXTURES / folder / "files"))
    reading = TOOL.read(project, Answers(placeholders={"home_port": "Sula", "long_from": "700"}))
    sums = {each.path: each.sums["crc32"] for each in reading.migrations}
    rows = recorded(folder)

    assert rows
    assert {script: sums[script] for script in rows} == rows


@pytest.mark.parametrize("text", ["a\nb\n", "a\r\nb\r\n", "\ufeffa\nb", "a\rb", "a\nb"])
def test_line_ends_and_a_byte_order_mark_do_not_count(text: str) -> None:
    assert crc32(text) == crc32("a\nb")


def test_only_javas_line_ends_end_a_line() -> None:
    assert crc32("a\x0bb\x0c\u2028c") != crc32("a\nb\nc")


def test_a_sum_is_a_signed_number() -> None:
    assert (crc32("a"), crc32("b")) == ("-390611389", "1908338681")


def test_a_repeatable_ones_sum_is_taken_after_its_placeholders_and_the_raw_one_is_good_as_well() -> None:
    (found,) = read({"R__v.sql": "select ${a}"}, placeholders={"a": "1"}).migrations

    assert TOOL.verifies(found, Row("R v", State.APPLIED, checksum=crc32("select 1")))
    assert TOOL.verifies(found, Row("R v", State.APPLIED, checksum=crc32("select ${a}")))
    assert TOOL.verifies(found, Row("R v", State.APPLIED, checksum="7")) is False


def test_a_versioned_ones_sum_is_of_the_raw_text() -> None:
    (found,) = read({"V1__v.sql": "select ${a}"}, placeholders={"a": "1"}).migrations

    assert TOOL.verifies(found, Row("1", State.APPLIED, checksum=crc32("select ${a}")))
    assert TOOL.verifies(found, Row("1", State.APPLIED, checksum=crc32("select 1"))) is False


def test_a_row_without_a_sum_verifies_nothing() -> None:
    (found,) = read({"V1__v.sql": "select 1"}).migrations

    assert TOOL.verifies(found, Row("1", State.APPLIED)) is None
    assert TOOL.verifies(found, Row("1", State.BASELINE, checksum="5")) is None


# ---------------------------------------------------------------------------------------------------- what is no SQL


def test_a_migration_that_is_code_is_a_question() -> None:
    found = read({"V2__import.java": "class V2__import {}", "V1__x.sql": ""})

    (asked,) = found.judgements
    assert asked.asks
    assert "--sql V2__import.java=FILE" in (asked.hint or "")


def test_the_sql_that_was_given_for_code_takes_its_place() -> None:
    files = {"V2__import.java": "class V2__import {}", "V1__x.sql": "", "/tmp/two.sql": "select 2;"}
    found = read(files, sql_of={"V2__import.java": "/tmp/two.sql"})

    assert [(each.path, each.ups[0].sql) for each in found.migrations] == [
        ("V1__x.sql", ""),
        ("V2__import.java", "select 2;"),
    ]
    assert TOOL.verifies(found.migrations[1], Row("2", State.APPLIED, checksum="9")) is None


def test_other_code_is_none_of_its_migrations() -> None:
    assert read({"build.py": "", "V1__x.sql": ""}).judgements == ()


def test_a_baseline_script_that_nothing_else_stands_for_becomes_the_first_migration() -> None:
    found = read({"B5__all.sql": "create table a ();", "V6__x.sql": ""}).migrations

    assert [(each.version, each.kind) for each in found] == [("5", Kind.BASELINE), ("6", Kind.VERSIONED)]


def test_a_baseline_script_beside_the_files_that_it_stands_for_is_left_out() -> None:
    found = read({"B5__all.sql": "", "V1__a.sql": "", "V5__b.sql": ""})

    assert [each.version for each in found.migrations] == ["1", "5"]
    assert "B5__all.sql" in found.left_out
