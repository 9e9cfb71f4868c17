"""Liquibase's formatted SQL: changes, their options, their ends of statements, rollbacks, sums and questions."""

from __future__ import annotations

import pytest

from dbmigrate.errors import LockNotAcquired, MigrationFileError
from dbmigrate.importing.convert import MissingDown, Present, convert
from dbmigrate.importing.liquibase import TOOL
from dbmigrate.importing.liquibase_filter import holds, is_for_postgresql
from dbmigrate.importing.values import Answers, ForeignMigration, HistoryTable, Kind, Row, State
from dbmigrate.model import Order
from tests.support.importing_states import fixture, source

_HEAD = "--liquibase formatted sql\n"
_TABLE = HistoryTable(
    "public",
    "databasechangelog",
    ("id", "author", "filename", "dateexecuted", "orderexecuted", "exectype", "md5sum", "comments"),
)


def read(text: str, answers: Answers | None = None):
    return TOOL.read(source(**{"a.sql": _HEAD + text}), answers or Answers())


def change(text: str, answers: Answers | None = None) -> ForeignMigration:
    [migration] = read(f"--changeset ada:1 {text}", answers).migrations
    return migration


def up(text: str) -> str:
    [part] = change(text).ups
    return part.sql


def down(text: str) -> str:
    downs = change(text).downs
    assert downs is not None
    [part] = downs
    return part.sql


def questions(migration: ForeignMigration) -> list[str]:
    return [each.message for each in migration.judgements if each.asks]


# ------------------------------------------------------------------------------------------------------------- changes


def test_each_change_of_a_file_is_a_migration_known_by_file_id_and_author() -> None:
    found = read("\n--changeset ada:1\nselect 1;\n\n--changeset ben:two\nselect 2;\n").migrations

    assert [(each.version, each.name, each.path) for each in found] == [
        ("a.sql::1::ada", "ada 1", "a.sql"),
        ("a.sql::two::ben", "ben two", "a.sql"),
    ]
    assert [each.ups[0].sql for each in found] == ["select 1;\n", "select 2;\n"]


@pytest.mark.parametrize(
    "line",
    ['--changeset "ada byron":"id one"', '-- changeset "ada byron":"id one"', '  --CHANGESET "ada byron":"id one"'],
)
def test_author_and_id_may_be_quoted_and_blanks_after_the_dashes_are_legal(line: str) -> None:
    [migration] = read(f"{line}\nselect 1;\n").migrations

    assert migration.version == "a.sql::id one::ada byron"


def test_a_logical_path_takes_the_place_of_the_files() -> None:
    text = "--liquibase formatted sql logicalFilePath:db/all.sql\n--changeset ada:1\nselect 1;\n"
    text += "--changeset ada:2 logicalFilePath:classpath:other.sql\nselect 2;\n"
    found = TOOL.read(source(**{"a.sql": text}), Answers()).migrations

    assert [each.version for each in found] == ["db/all.sql::1::ada", "other.sql::2::ada"]


def test_a_row_matches_with_and_without_classpath_and_a_longer_path() -> None:
    migration = change("\nselect 1;\n")

    def row(path: str) -> Row:
        columns = ("1", "ada", path, "EXECUTED", None, None, None)
        [found] = TOOL.history(lambda sql, *_: [columns] if "filename" in sql else [], _TABLE, Answers())
        return found

    assert TOOL.matches(migration, row("a.sql"))
    assert TOOL.matches(migration, row("classpath:a.sql"))
    assert TOOL.matches(migration, row("db/changelog/a.sql"))
    assert not TOOL.matches(migration, row("ba.sql"))


def test_crlf_and_a_byte_order_mark_are_read() -> None:
    text = b"\xef\xbb\xbf--liquibase formatted sql\n--changeset ada:1\nselect 1;\nselect 2;\n--rollback select 3;\n"
    text = text.replace(b"\n", b"\r\n")
    [migration] = TOOL.read(source(**{"a.sql": text}), Answers()).migrations

    assert migration.ups[0].sql == "select 1;\nselect 2;\n"
    assert migration.downs is not None
    assert migration.downs[0].sql == "select 3;\n"


def test_the_same_change_twice_is_refused() -> None:
    with pytest.raises(MigrationFileError, match="is there twice") as told:
        read("--changeset ada:1\nselect 1;\n--changeset ada:1\nselect 2;\n")

    assert str(told.value.place) == "old/a.sql:4:1"


@pytest.mark.parametrize("line", ["-changeset ada:2", "--changeset ada", "- rollback drop table t", "-comment x"])
def test_a_line_that_liquibase_refuses_is_refused(line: str) -> None:
    with pytest.raises(MigrationFileError) as told:
        read(f"--changeset ada:1\nselect 1;\n{line}\n")

    assert (told.value.code, told.value.place and told.value.place.line) == ("E281", 4)


def test_sql_before_the_first_change_never_runs_and_is_left_out_with_a_word() -> None:
    reading = read("drop table t;\n--changeset ada:1\nselect 1;\n")

    assert len(reading.migrations) == 1
    assert "never runs" in reading.judgements[0].message


def test_comments_of_other_kinds_are_sql() -> None:
    text = "\n--comment: about it\n-- a note\nselect 1; -- the end\n--validCheckSum: 9:abc\n"

    assert up(text) == "-- a note\nselect 1; -- the end\n"


def test_ignored_lines_are_left_out() -> None:
    text = "\nselect 1;\n--ignoreLines:2\nselect 2;\nselect 3;\nselect 4;\n"
    text += "--ignoreLines:start\nselect 5;\n--ignoreLines:end\n"

    assert up(text) == "select 1;\nselect 4;\n"


def test_a_psql_command_is_refused_with_its_place() -> None:
    with pytest.raises(MigrationFileError, match=r"\\i") as told:
        change("runWith:psql\nselect 1;\n\\i other.sql\n")

    assert told.value.place is not None
    assert told.value.place.line == 4


# -------------------------------------------------------------------------------------------------------------- options


def test_run_in_transaction_false_counts_for_both_directions() -> None:
    migration = change("runInTransaction:false\nvacuum;\n--rollback vacuum;\n")

    assert not migration.ups[0].transaction
    assert migration.downs is not None
    assert not migration.downs[0].transaction


def test_run_on_change_is_repeatable() -> None:
    assert change("runOnChange:true\ncreate or replace view v as select 1;\n").kind is Kind.REPEATABLE
    assert change("runOnChange:false\nselect 1;\n").kind is Kind.VERSIONED


def test_run_always_is_asked_about_whatever_the_table_says() -> None:
    asked = change("runAlways:true\nselect 1;\n")
    answered = change("runAlways:true\nselect 1;\n", Answers(options={"run": "a.sql::1::ada"}))

    [question] = [each for each in asked.judgements if each.asks]
    assert not question.settled_by_row
    assert "--option run=a.sql::1::ada" in (question.hint or "")
    assert answered.kind is Kind.REPEATABLE
    assert questions(answered) == []


@pytest.mark.parametrize(
    ("options", "reason"),
    [("ignore:true", "ignore:true"), ("dbms:oracle", "PostgreSQL"), ("dbms:!postgresql", "PostgreSQL")],
)
def test_what_never_runs_on_postgresql_is_left_out(options: str, reason: str) -> None:
    reading = read(f"--changeset ada:1 {options}\nselect 1;\n")

    assert reading.migrations == ()
    assert reason in reading.left_out["a.sql::1::ada"]


@pytest.mark.parametrize("options", ["context:prod", 'labels:"a,b"', "failOnError:false", "contextFilter:x"])
def test_what_may_have_no_row_is_asked_about_unless_there_is_one(options: str) -> None:
    [question] = [each for each in change(f"{options}\nselect 1;\n").judgements if each.asks]

    assert question.settled_by_row
    assert "--option skip=a.sql::1::ada" in (question.hint or "")


def test_a_change_is_asked_about_once_with_all_its_reasons() -> None:
    [question] = change("context:prod labels:a failOnError:false\nselect 1;\n").judgements

    assert [word in question.message for word in ("context:prod", "labels:a", "failOnError")] == [True] * 3
    assert (question.hint or "").count("--option run=") == 1


def test_contexts_that_were_given_decide() -> None:
    text = (
        "--changeset ada:1 context:prod\nselect 1;\n--changeset ada:2 context:!prod\nselect 2;\n--changeset ada:3\n;\n"
    )
    reading = read(text, Answers(options={"contexts": "prod"}))
    every = read(text, Answers(options={"contexts": ""}))

    assert [each.version for each in reading.migrations] == ["a.sql::1::ada", "a.sql::3::ada"]
    assert "context:!prod" in reading.left_out["a.sql::2::ada"]
    assert all(not questions(each) for each in (*reading.migrations, *every.migrations))
    assert len(every.migrations) == 3


def test_an_answer_by_key_skips_or_converts() -> None:
    text = "failOnError:false\nselect 1;\n"

    assert questions(change(text, Answers(options={"run": "all"}))) == []
    assert read(f"--changeset ada:1 {text}", Answers(options={"skip": "a.sql::1::ada"})).migrations == ()


@pytest.mark.parametrize("on_fail", ["MARK_RAN", "CONTINUE"])
def test_a_precondition_that_marks_is_asked_about(on_fail: str) -> None:
    migration = change(
        f"\n--preconditions onFail:{on_fail} onError:HALT\n"
        "--precondition-sql-check expectedResult:0 select 1\nselect 2;\n"
    )

    [question] = [each for each in migration.judgements if each.asks]
    assert question.settled_by_row
    assert "sql-check expectedResult:0 select 1" in question.message
    assert migration.ups[0].sql == "select 2;\n"


@pytest.mark.parametrize(
    ("checks", "query"),
    [
        ("expectedResult:0 select count(*) from a;", "(select count(*) from a)::text = '0'"),
        ('expectedResult:"it\'s" SELECT x FROM a', "(SELECT x FROM a)::text = 'it''s'"),
        ("expectedResult:'a b' select x from a", "(select x from a)::text = 'a b'"),
        ("expectedResult:t select true", "(select true)::text IN ('t', 'true')"),
        (
            "expectedResult:1 select 1\n--precondition-sql-check expectedResult:2 select ';' || 2",
            "(select 1)::text = '1' AND (select ';' || 2)::text = '2'",
        ),
    ],
)
@pytest.mark.parametrize("on_fail", ["", " onFail:HALT", " onFail:halt onError:CONTINUE"])
def test_queries_that_have_to_hold_become_a_precondition(on_fail: str, checks: str, query: str) -> None:
    migration = change(f"\n--preconditions{on_fail}\n--precondition-sql-check {checks}\nselect 2;\n")

    assert migration.require == f"SELECT {query}"
    assert not questions(migration)
    [judgement] = migration.judgements
    assert "its preconditions become `-- migrate:require`" in judgement.message


@pytest.mark.parametrize(
    ("on_fail", "check"),
    [
        ("onFail:WARN", "sql-check expectedResult:0 select 1"),
        ("", "table-exists tableName:a"),
        ("", "sql-check expectedResult:0 select 1; select 2"),
        ("", "sql-check expectedResult:0 select 1 -- why"),
        ("", "sql-check expectedResult:0 select 'open"),
        ("", "sql-check expectedResult:0 select 1) or (select 2"),
        ("", "sql-check expectedResult:0 update a set x = 1 returning 1"),
    ],
)
def test_any_other_precondition_is_left_out_with_a_word(on_fail: str, check: str) -> None:
    migration = change(f"\n--preconditions {on_fail}\n--precondition-{check}\nselect 2;\n")

    assert migration.require is None
    assert not questions(migration)
    [judgement] = migration.judgements
    assert "its preconditions are left out" in judgement.message


def test_a_precondition_stands_above_the_up_section() -> None:
    text = "\n--preconditions\n--precondition-sql-check expectedResult:0 select 1\nselect 2;\n--rollback select 3;\n"
    old = source(**{"a.sql": f"{_HEAD}--changeset ada:1 {text}"})
    style = (MissingDown.EMPTY, Order.NAME)
    made = convert("liquibase", old, TOOL.read(old, Answers()), present=Present("db", {}), style=style)

    assert made.files[0].text == (
        "-- imported: liquibase a.sql::1::ada a.sql\n-- migrate:require SELECT (select 1)::text = '0'\n"
        "-- migrate:up\nselect 2;\n\n-- migrate:down\nselect 3;\n"
    )


def test_expressions_of_contexts() -> None:
    assert holds("prod and !test", {"prod"})
    assert not holds("prod and test", {"prod"})
    assert holds("(a or b) and c", {"b", "c"})
    assert holds("a, PROD", {"prod"})
    assert not holds("not prod", {"prod"})


def test_lists_of_databases() -> None:
    assert is_for_postgresql(None)
    assert is_for_postgresql("oracle,postgresql")
    assert is_for_postgresql("!oracle")
    assert is_for_postgresql("all")
    assert not is_for_postgresql("none")
    assert not is_for_postgresql("mysql, mariadb")


# --------------------------------------------------------------------------------------------------- ends of statements


def test_without_an_end_delimiter_lines_go_and_slash_end_a_statement_too() -> None:
    text = "\nselect 1\nGO\nselect 2;\n/\nselect 6 /\n2\n  go  \nselect '\n/\n';\n-- GO\n"

    assert up(text) == "select 1\n;\nselect 2;\n\nselect 6 /\n2\n  ;  \nselect '\n/\n';\n-- GO\n"


def test_where_liquibase_does_not_split_no_line_ends_a_statement() -> None:
    """A division, whose sign stands on a line of its own."""
    sql = "select 10\n/\n2;\n"
    undone = change(f"splitStatements:false rollbackSplitStatements:false\n{sql}/* liquibase rollback\n{sql}*/\n")

    assert undone.ups[0].sql == sql
    assert undone.downs is not None
    assert undone.downs[0].sql == sql
    assert change(f"\n{sql}").ups[0].sql != sql


def test_what_another_program_ran_is_asked_about_unless_there_is_a_row() -> None:
    asked = change("runWith:psql\nselect 1;\n")

    [question] = questions(asked)
    assert "psql runs it" in question
    assert all(each.settled_by_row for each in asked.judgements if each.asks)
    assert not questions(change("runWith:jdbc\nselect 1;\n"))
    assert not questions(change("runWith:psql\nselect 1;\n", Answers(options={"run": "all"})))


@pytest.mark.parametrize(
    ("delimiter", "written"),
    [
        ("/", "\n/"),
        (r"\n/", "\n/"),
        (r"\n/\s*$", "\n/ "),
        ("GO", "\nGO"),
        (r"^GO$", "\ngo"),
        ("//", "//"),
        ("@@", " @@"),
    ],
)
def test_an_end_delimiter_becomes_a_semicolon(delimiter: str, written: str) -> None:
    text = (
        f"endDelimiter:{delimiter}\nselect 4 / 2{written}\ndo $$ begin perform 1; end $$;{written}\nselect 3{written}\n"
    )

    assert [line.strip() for line in up(text).split("\n") if line.strip() not in ("", ";")] in (
        ["select 4 / 2", "do $$ begin perform 1; end $$;", "select 3"],
        ["select 4 / 2;", "do $$ begin perform 1; end $$;", "select 3;"],
        ["select 4 / 2 ;", "do $$ begin perform 1; end $$;", "select 3 ;"],
    )
    assert up(text).count(";") == 4


def test_an_end_delimiter_that_is_more_than_a_text_is_refused() -> None:
    with pytest.raises(MigrationFileError, match="regular expression"):
        change("endDelimiter:(//|@@)\nselect 1//\n")


def test_an_end_delimiter_inside_quotes_is_text() -> None:
    assert up("endDelimiter:@@\nselect '@@', $$ @@ $$ -- @@\n@@\n") == "select '@@', $$ @@ $$ -- @@\n;\n"


# ------------------------------------------------------------------------------------------------------------- rollback


def test_rollback_lines_add_up() -> None:
    assert (
        down("\nselect 1;\n--rollback drop table b;\n-- rollback drop table a;\n") == "drop table b;\ndrop table a;\n"
    )


def test_a_rollback_block_keeps_its_lines() -> None:
    text = "\nselect 1;\n/* liquibase rollback\ndrop table b; -- the last\ndrop table a;\n*/\n"

    assert down(text) == "drop table b; -- the last\ndrop table a;\n"


def test_a_rollback_block_that_is_not_closed_is_refused() -> None:
    with pytest.raises(MigrationFileError, match="not closed") as told:
        change("\nselect 1;\n/* liquibase rollback\ndrop table b;\n")

    assert told.value.place is not None
    assert told.value.place.line == 4


@pytest.mark.parametrize("said", ["empty", "not required", "NOT REQUIRED because"])
def test_an_empty_rollback_is_an_empty_down(said: str) -> None:
    assert change(f"\nselect 1;\n--rollback {said}\n").downs == ()


def test_no_rollback_is_no_down() -> None:
    assert change("\nselect 1;\n").downs is None


def test_a_rollback_by_another_change_is_that_changes_sql() -> None:
    text = "--changeset ada:1\ncreate table a ();\n--changeset ben:2\ndrop table a;\n"
    text += "--rollback changesetId:1 changesetAuthor:ada\n"
    second = read(text).migrations[1]

    assert second.downs is not None
    assert second.downs[0].sql == "create table a ();\n"


def test_a_rollback_by_a_change_that_is_not_there_is_refused() -> None:
    with pytest.raises(MigrationFileError, match="no change 9 of ada"):
        change("\nselect 1;\n--rollback changesetId:9 changesetAuthor:ada\n")


def test_the_delimiter_of_a_change_ends_its_rollback_lines() -> None:
    first = TOOL.read(fixture("liquibase"), Answers()).migrations[3]

    assert first.version == "harbour.sql::4::ben"
    assert first.downs is not None
    assert first.downs[0].sql == "DELETE FROM trips;\nDELETE FROM boats;\n"


# ----------------------------------------------------------------------------------------------------------- properties


def test_properties_are_put_in_and_the_first_one_counts() -> None:
    text = "--property name:who value:ann\n--property name:who value:ben\n--changeset ada:1\nselect '${who}';\n"
    [migration] = read(text).migrations

    assert migration.ups[0].sql == "select 'ann';\n"


def test_answers_come_before_properties_and_properties_of_a_file_before_nothing() -> None:
    files = {
        "a.sql": _HEAD + "--property name:b value:file\n--changeset ada:1\nselect '${a} ${b} ${c}';\n",
        "liquibase.properties": "url: jdbc\nparameter.a=conf\nparameter.c: other\n",
    }
    [migration] = TOOL.read(source(**files), Answers(placeholders={"c": "given"})).migrations

    assert migration.ups[0].sql == "select 'conf file given';\n"


def test_a_placeholder_without_a_value_is_asked_for() -> None:
    asked = questions(change("\nselect ${who};\n--rollback select '1 ${back}';\n"))

    assert ["${who}" in asked[0], "${back}" in asked[1], len(asked)] == [True, True, 2]


def test_a_placeholder_of_a_precondition_is_asked_for() -> None:
    text = (
        "\n--preconditions onFail:HALT\n--precondition-sql-check expectedResult:0 select count(*) from ${t}\nselect 1;"
    )

    [question] = questions(change(text))

    assert "${t}" in question


def test_the_sum_of_a_change_with_a_variable_needs_its_value() -> None:
    """Liquibase takes the sum after it has put the value in."""
    text = "\nselect '${who}';\n"
    with_value = change(text, Answers(placeholders={"who": "ann"}))
    known = change(text, Answers(value_of={"who": "ann"}.get))

    assert known.variables == ("who",)
    assert known.sums == with_value.sums
    assert change(text).sums == {}


def test_a_placeholder_can_be_said_to_be_text() -> None:
    answers = Answers(placeholders={"who": "${who}"})

    assert questions(change("\nselect '${who}';\n", answers)) == []


# ----------------------------------------------------------------------------------------------------------------- sums


def test_the_sum_counts_neither_blanks_nor_options_nor_rollbacks() -> None:
    first = change("\nselect  1;\n\n")
    second = change("runInTransaction:false\n--comment: x\n\tselect\n1 ;\r\n--rollback select 2;\n")
    other = change("\nselect 2;\n")

    assert first.sums["md5 (9)"] == second.sums["md5 (9)"] != other.sums["md5 (9)"]
    assert first.sums["md5 (9)"].startswith("9:")


@pytest.mark.parametrize("checksum", [None, "8:c8f866fa29dd8ea748978c8a4fa83bf1", "7:c8f866"])
def test_sums_of_older_versions_and_none_cannot_be_verified(checksum: str | None) -> None:
    assert TOOL.verifies(change("\nselect 1;\n"), Row("x", State.APPLIED, checksum=checksum)) is None


def test_a_valid_checksum_that_the_file_names_is_accepted() -> None:
    named = change("\n--validCheckSum: 9:abc\nselect 1;\n")
    every = change("\n--validCheckSum: any\nselect 1;\n")
    row = Row("x", State.APPLIED, checksum="9:abc")

    assert TOOL.verifies(named, row)
    assert TOOL.verifies(every, row) is None
    assert TOOL.verifies(change("\nselect 1;\n"), row) is False


# ------------------------------------------------------------------------------------------------------- files and rows


def test_the_root_changelog_gives_the_order() -> None:
    files = {
        "root.xml": '<?xml version="1.0"?><databaseChangeLog xmlns="http://x"><property name="p" value="v"/>'
        '<include file="b.sql" relativeToChangelogFile="true"/><includeAll path="more/"/></databaseChangeLog>',
        "b.sql": _HEAD + "--changeset ada:1\nselect '${p}';\n",
        "more/y.sql": _HEAD + "--changeset ada:2\nselect 2;\n",
        "more/x.sql": _HEAD + "--changeset ada:3\nselect 3;\n",
        "a.sql": _HEAD + "--changeset ada:4\nselect 4;\n",
    }
    reading = TOOL.read(source(**files), Answers())

    assert [each.path for each in reading.migrations] == ["b.sql", "more/x.sql", "more/y.sql"]
    assert reading.migrations[0].ups[0].sql == "select 'v';\n"
    assert reading.left_out == {"a.sql": "no changelog includes it"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("r.yaml", "databaseChangeLog:\n  - include:\n      file: db/b.sql\n  - include:\n      file: db/a.sql\n"),
        ("r.json", '{"databaseChangeLog":[{"include":{"file":"db/b.sql"}},{"include":{"file":"db/a.sql"}}]}'),
    ],
)
def test_a_root_in_yaml_or_json_gives_the_order(name: str, text: str) -> None:
    files = {name: text, "a.sql": _HEAD + "--changeset a:1\n;\n", "b.sql": _HEAD + "--changeset a:2\n;\n"}

    assert [each.path for each in TOOL.read(source(**files), Answers()).migrations] == ["b.sql", "a.sql"]


def test_changes_that_are_not_sql_are_asked_about() -> None:
    files = {
        "root.xml": '<databaseChangeLog><changeSet id="1" author="a"><tagDatabase tag="v"/></changeSet>'
        '<include file="gone.sql"/></databaseChangeLog>'
    }
    reading = TOOL.read(source(**files), Answers())

    assert [each.asks for each in reading.judgements] == [False, True]
    assert "gone.sql" in reading.judgements[0].message
    assert "from-schema" in (reading.judgements[1].hint or "")


_PRINTED = """-- *********************************************************************
-- Update Database Script
-- *********************************************************************
-- Lock Database
UPDATE public.databasechangeloglock SET LOCKED = TRUE WHERE ID = 1 AND LOCKED = FALSE;

SET SEARCH_PATH TO public, "$user","public";

-- Changeset root.xml::1::ada
SET SEARCH_PATH TO public, "$user","public";

CREATE TABLE public.boats (note TEXT DEFAULT 'databasechangelog; x');

INSERT INTO public.databasechangelog (ID, AUTHOR, FILENAME) VALUES ('1', 'ada', 'root.xml');

-- Changeset a.sql::2::ben
select 2;

INSERT INTO public.databasechangelog (ID, AUTHOR, FILENAME) VALUES ('2', 'ben', 'a.sql');

-- Changeset root.xml::3::ada
CREATE INDEX CONCURRENTLY i ON public.boats (note);

INSERT INTO public.databasechangelog (ID, AUTHOR, FILENAME) VALUES ('3', 'ada', 'root.xml');

-- Release Database Lock
UPDATE public.databasechangeloglock SET LOCKED = FALSE WHERE ID = 1;
"""


def test_what_update_sql_prints_stands_for_changes_that_are_not_sql() -> None:
    root = (
        '<databaseChangeLog><changeSet id="1" author="ada"/><include file="a.sql"/>'
        '<changeSet id="3" author="ada"/></databaseChangeLog>'
    )
    files = {"root.xml": root, "a.sql": _HEAD + "--changeset ben:2\nselect 2; -- kept\n--rollback select 1;\n"}
    files["update.sql"] = _PRINTED
    reading = TOOL.read(source(**files), Answers(sql_of={"root.xml": "update.sql"}))

    first, second, third = reading.migrations
    assert reading.judgements == ()
    assert [each.version for each in reading.migrations] == ["root.xml::1::ada", "a.sql::2::ben", "root.xml::3::ada"]
    assert first.ups[0].sql == "CREATE TABLE public.boats (note TEXT DEFAULT 'databasechangelog; x');\n"
    assert (first.ups[0].transaction, third.ups[0].transaction) == (True, False)
    assert second.ups[0].sql == "select 2; -- kept\n"
    assert second.downs is not None
    assert first.downs is None
    row = Row("x", State.APPLIED, checksum="9:abc")
    assert TOOL.verifies(first, row) is None
    assert TOOL.verifies(second, row) is False


def test_a_file_that_update_sql_did_not_print_is_refused() -> None:
    files = {"root.xml": '<databaseChangeLog><changeSet id="1" author="a"/></databaseChangeLog>', "x.sql": "select 1;"}
    with pytest.raises(MigrationFileError, match="update-sql"):
        TOOL.read(source(**files), Answers(sql_of={"root.xml": "x.sql"}))


def test_a_file_that_was_skipped_is_not_missed() -> None:
    files = {"root.xml": '<databaseChangeLog><include file="a.sql"/></databaseChangeLog>'}

    assert TOOL.read(source(**files), Answers(skip=frozenset({"a.sql"}))).judgements == ()


def test_without_a_root_changelog_files_run_in_the_order_of_their_paths() -> None:
    files = {"b.sql": _HEAD + "--changeset a:1\n;\n", "a.sql": _HEAD + "--changeset a:2\n;\n", "c.sql": "select 1;"}
    reading = TOOL.read(source(**files), Answers())

    assert [each.path for each in reading.migrations] == ["a.sql", "b.sql"]
    assert "order of their paths" in reading.judgements[0].message


@pytest.mark.parametrize(
    ("exectype", "state"),
    [("EXECUTED", State.APPLIED), ("RERAN", State.APPLIED), ("MARK_RAN", State.MARKED), ("FAILED", State.FAILED)],
)
def test_what_the_row_says(exectype: str, state: State) -> None:
    columns = ("1", "ada", "a.sql", exectype, None, None, None)
    [row] = TOOL.history(lambda sql, *_: [columns] if "filename" in sql else [], _TABLE, Answers())

    assert row.state is state


def test_a_lock_that_is_held_stops() -> None:
    def query(sql: str, *parameters: object):
        return [(1,)] if "to_regclass" in sql else [("host (10.0.0.1)", "2026-01-01")]

    with pytest.raises(LockNotAcquired, match=r"host \(10\.0\.0\.1\)"):
        TOOL.history(query, _TABLE, Answers())


def test_it_is_told_by_the_first_line_and_by_its_table() -> None:
    assert TOOL.recognises(fixture("liquibase"))
    assert TOOL.recognises(source(**{"a.sql": "\n\n-- LIQUIBASE formatted sql\n"}))
    assert not TOOL.recognises(source(**{"a.sql": "select 1;\n--liquibase formatted sql\n"}))
    assert TOOL.owns(_TABLE, frozenset())
    assert TOOL.owns(HistoryTable("x", "DATABASECHANGELOG", tuple(map(str.upper, _TABLE.columns))), frozenset())
    assert not TOOL.owns(HistoryTable("public", "databasechangeloglock", ("id", "locked")), frozenset())
