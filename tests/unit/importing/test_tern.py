"""tern: numbers without gaps, up and down in one file, marks and templates."""

from __future__ import annotations

import pytest

from dbmigrate.errors import ConfigError, MigrationFileError
from dbmigrate.importing.tern import TOOL
from dbmigrate.importing.values import Answers, HistoryTable, Row, State
from tests.support.importing_states import fixture, source

_BETWEEN = "---- create above / drop below ----"


def read(answers: Answers | None = None, **files: str | bytes):
    return TOOL.read(source(**files), answers or Answers())


def test_up_and_down_are_split_at_the_first_line_between_them() -> None:
    [migration] = read(**{"1_x.sql": f"select 1;\n\n{_BETWEEN}\n\nselect 2;\n-- {_BETWEEN}\n"}).migrations

    assert migration.ups[0].sql == "select 1;\n"
    assert migration.downs is not None
    assert migration.downs[0].sql == f"select 2;\n-- {_BETWEEN}\n"


def test_without_that_line_there_is_no_down() -> None:
    crew = TOOL.read(fixture("tern"), Answers()).migrations[4]

    assert crew.name == "crew"
    assert crew.downs is None


def test_the_mark_counts_for_its_own_half() -> None:
    up, down = read(
        **{
            "1_x.sql": f"---- tern: disable-tx ----\nvacuum;\n{_BETWEEN}\nselect 2;\n",
            "2_y.sql": f"select 1;\r\n{_BETWEEN}\r\n---- tern: disable-tx ----\r\nvacuum;\r\n",
        }
    ).migrations

    assert up.downs is not None
    assert down.downs is not None
    assert (up.ups[0].transaction, up.downs[0].transaction) == (False, True)
    assert (down.ups[0].transaction, down.downs[0].transaction) == (True, False)
    assert up.ups[0].sql == "vacuum;\n"
    assert down.downs[0].sql == "vacuum;\n"


def test_the_mark_counts_only_alone_on_its_line() -> None:
    [migration] = read(**{"1_x.sql": "select 1; ---- tern: disable-tx ----\n"}).migrations

    assert migration.ups[0].transaction


def test_numbers_sort_as_numbers() -> None:
    files = {f"{number}_x.sql": "select 1;" for number in range(1, 12)}

    assert [each.version for each in read(**files).migrations] == [str(number) for number in range(1, 12)]


def test_a_gap_is_refused() -> None:
    with pytest.raises(MigrationFileError, match="number 2 is missing") as told:
        read(**{"001_x.sql": "select 1;", "003_y.sql": "select 1;"})

    assert (told.value.code, str(told.value.place)) == ("E281", "old/003_y.sql:1:1")


def test_a_number_that_is_there_twice_is_refused() -> None:
    with pytest.raises(MigrationFileError, match="two files of number 1"):
        read(**{"001_x.sql": "select 1;", "1_y.sql": "select 1;"})


def test_a_skipped_file_may_leave_a_gap() -> None:
    reading = read(Answers(skip=frozenset({"2_y.sql"})), **{"1_x.sql": "select 1;", "2_y.sql": "", "3_z.sql": ""})

    assert [each.version for each in reading.migrations] == ["1", "3"]


def test_one_row_is_that_of_every_migration_up_to_its_number() -> None:
    migrations = TOOL.read(fixture("tern"), Answers()).migrations
    row = Row("5", State.APPLIED)

    assert [TOOL.matches(each, row) for each in migrations] == [True] * 5 + [False] * 2
    assert not any(TOOL.matches(each, Row("0", State.APPLIED)) for each in migrations)


def test_a_value_of_a_template_is_asked_for_and_put_in() -> None:
    sql = "select 1;\ngrant select on t to {{.reader}};\n"
    [asked] = read(**{"1_x.sql": sql}).migrations
    [answered] = read(Answers(placeholders={"reader": "ann"}), **{"1_x.sql": sql}).migrations

    [question] = asked.judgements
    assert question.asks
    assert question.hint == "give its value: --placeholder reader=VALUE"
    assert str(question.place) == "old/1_x.sql:2:1"
    assert answered.ups[0].sql == "select 1;\ngrant select on t to ann;\n"
    assert answered.judgements == ()


def test_values_come_from_tern_conf_with_their_case() -> None:
    conf = "[database]\nhost = localhost\n[data]\nReader = a%b\n"
    [migration] = read(**{"1_x.sql": "select '{{ .Reader }}';", "tern.conf": conf}).migrations

    assert migration.ups[0].sql == "select 'a%b';\n"


def test_another_file_is_put_in_for_its_template() -> None:
    reading = read(**{"1_x.sql": '{{ template "shared/v1.sql" . }}\n', "shared/v1.sql": "create view v as select 1;"})

    assert reading.migrations[0].ups[0].sql == "create view v as select 1;\n"
    assert "sub folder" in reading.left_out["shared/v1.sql"]


@pytest.mark.parametrize("action", ["{{ if .x }}", '{{ template "gone.sql" . }}', "{{ .a | upper }}", "{{- now }}"])
def test_any_other_template_is_asked_about(action: str) -> None:
    [migration] = read(**{"1_x.sql": f"select 1;\n{action}\n"}).migrations

    [question] = migration.judgements
    assert question.asks
    assert "tern print-migrations" in (question.hint or "")


def test_the_sql_that_was_given_stands_for_a_template() -> None:
    files = {"1_x.sql": "{{ if .x }}", "printed.sql": f"select 1;\n{_BETWEEN}\nselect 2;"}
    [migration] = read(Answers(sql_of={"1_x.sql": "printed.sql"}), **files).migrations

    assert migration.ups[0].sql == "select 1;\n"
    assert migration.judgements == ()


def test_sql_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"gone\.sql was not found"):
        read(Answers(sql_of={"1_x.sql": "gone.sql"}), **{"1_x.sql": "{{ if .x }}"})


def test_a_template_that_is_not_closed_is_refused_with_its_place() -> None:
    with pytest.raises(MigrationFileError, match="not closed") as told:
        read(**{"1_x.sql": "select 1;\n{{ if\n"})

    assert told.value.place is not None
    assert told.value.place.line == 2


def test_a_quote_that_is_not_closed_in_the_down_half_is_told_with_the_line_of_the_file() -> None:
    with pytest.raises(MigrationFileError) as told:
        read(**{"1_x.sql": f"select 1;\n{_BETWEEN}\nselect 2;\nselect 'open;\n"})

    assert str(told.value.place) == "old/1_x.sql:4:8"


def test_it_is_told_by_the_line_and_by_its_table() -> None:
    assert TOOL.recognises(fixture("tern"))
    assert not TOOL.recognises(fixture("sqlx"))
    assert TOOL.owns(HistoryTable("public", "schema_version", ("version",)), frozenset())
    assert not TOOL.owns(HistoryTable("public", "schema_migrations", ("version",)), frozenset())
