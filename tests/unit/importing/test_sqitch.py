"""Sqitch: the plan and its ids, reworked changes, and scripts that psql ran."""

from __future__ import annotations

import hashlib

import pytest

from dbmigrate.errors import ConfigError, MigrationFileError
from dbmigrate.importing.sqitch import TOOL
from dbmigrate.importing.values import Answers, HistoryTable, Row, State
from tests.support.importing_states import fixture, source

_BY = "2026-01-02T03:04:05Z Ada Byron <ada@harbour.example>"
_TABLE = HistoryTable(
    "sqitch", "changes", ("change_id", "script_hash", "change", "project", "committed_at", "planned_at")
)


def read(plan: str, answers: Answers | None = None, **files: str):
    scripts = {"sqitch.plan": f"%syntax-version=1.0.0\n%project=harbour\n\n{plan}", **files}
    return TOOL.read(source(**scripts), answers or Answers())


def script(sql: str, answers: Answers | None = None, **files: str):
    [migration] = read(f"x {_BY}\n", answers, **{"deploy/x.sql": sql, **files}).migrations
    return migration


# ----------------------------------------------------------------------------------------------------------------- plan


def test_the_order_is_the_plans_and_a_version_is_made_of_its_time() -> None:
    found = TOOL.read(fixture("sqitch"), Answers()).migrations

    assert [each.name for each in found][:3] == ["create_harbour", "trip_hours", "trips_index"]
    assert [each.stamp for each in found][:3] == ["20261130220947", "20261130220948", "20261130220948"]
    assert [each.sort_key for each in found] == [(position,) for position in range(7)]


def test_ids_are_those_of_the_real_table() -> None:
    found = {each.name: each.sums["change id"] for each in TOOL.read(fixture("sqitch"), Answers()).migrations}

    assert found["create_harbour"] == "e7c9a5064dd0043ca7c0e8988b54c81f75bd615f"
    assert found["trip_hours"] == "4d957c1fd240e1a47664681a2637294a816743a4"
    assert found["crew"] == "44ee8214d1e5e17dad4739c0acad79405af37014"
    assert found["piers"] == "1da3c086e03846f16b8a7f01c79cc745a0784b9a"


def test_an_id_is_made_of_notes_conflicts_and_projects_as_sqitch_does() -> None:
    plan = rf"a [b !c other:d harbour:e] {_BY} # one\ntwo \\ three" + "\n"
    [migration] = read(plan, **{"deploy/a.sql": "select 1;"}).migrations

    info = "project harbour\nchange a\nplanner Ada Byron <ada@harbour.example>\ndate 2026-01-02T03:04:05Z\n"
    info += "requires\n  + b\n  + other:d\n  + e\nconflicts\n  - c\n\none\ntwo \\ three"
    assert migration.sums["change id"] == hashlib.sha1(f"change {len(info)}\0{info}".encode()).hexdigest()


def test_a_reworked_change_is_two_migrations_with_scripts_of_their_own() -> None:
    plan = f"x {_BY}\n@v1 {_BY}\n@v2 {_BY}\nx [x@v1] {_BY.replace('04:05', '09:09')} # again\n@v3 {_BY}\n"
    files = {"deploy/x@v1.sql": "select 1;", "revert/x@v1.sql": "select -1;", "deploy/x.sql": "select 2;"}
    old, new = read(plan, **files).migrations

    assert (old.version, old.name, old.path, old.ups[0].sql) == ("x@v1", "x", "deploy/x@v1.sql", "select 1;")
    assert (new.version, new.name, new.path, new.ups[0].sql) == ("x", "x", "deploy/x.sql", "select 2;")
    assert old.downs is not None
    assert new.downs is None
    assert TOOL.matches(old, Row(old.sums["change id"], State.APPLIED, name="x"))
    assert not TOOL.matches(new, Row(old.sums["change id"], State.APPLIED, name="x"))


def test_the_first_tag_for_which_there_is_a_script_names_it() -> None:
    plan = f"x {_BY}\n@v1 {_BY}\n@v2 {_BY}\nx {_BY}\n"
    old, _ = read(plan, **{"deploy/x@v2.sql": "select 1;", "deploy/x.sql": "select 2;"}).migrations

    assert old.path == "deploy/x@v2.sql"


def test_names_may_hold_a_slash() -> None:
    [migration] = read(f"tables/boats {_BY}\n", **{"deploy/tables/boats.sql": "select 1;"}).migrations

    assert migration.path == "deploy/tables/boats.sql"


def test_the_configuration_says_where_scripts_are() -> None:
    conf = '[core]\n\ttop_dir = db\n\textension = ddl\n[engine "pg"]\n\tdeploy_dir = db/go ; x\n'.replace(" ; x", "")
    files = {"sqitch.conf": conf, "db/go/x.ddl": "select 1;", "db/revert/x.ddl": "select 2;"}
    [migration] = read(f"x {_BY}\n", **files).migrations

    assert migration.path == "db/go/x.ddl"
    assert migration.downs is not None


def test_a_missing_deploy_script_is_refused_with_the_line_of_the_plan() -> None:
    with pytest.raises(MigrationFileError, match=r"deploy/x\.sql is missing") as told:
        read(f"x {_BY}\n")

    assert str(told.value.place) == "old/sqitch.plan:4:1"


@pytest.mark.parametrize("line", ["x", f"-x {_BY}", "[alpha]", "x [y 2026-01-01T00:00:00Z A <a>"])
def test_a_line_that_is_none_of_a_plan_is_refused(line: str) -> None:
    with pytest.raises(MigrationFileError, match="not a line of a plan") as told:
        read(f"{line}\n")

    assert told.value.code == "E281"


def test_a_plan_with_crlf_comments_and_plus_signs_is_read() -> None:
    plan = f"# a comment\r\n+x {_BY}\r\n\r\n  y {_BY} # note\r\n"
    found = read(plan, **{"deploy/x.sql": "select 1;", "deploy/y.sql": "select 2;"}).migrations

    assert [each.name for each in found] == ["x", "y"]


def test_dependencies_on_other_projects_and_conflicts_are_said() -> None:
    [migration] = read(f"x [a other:b !c] {_BY}\n", **{"deploy/x.sql": "select 1;"}).migrations

    told = [each.message for each in migration.judgements]
    assert [("another project" in each, "conflicts" in each) for each in told] == [(True, False), (False, True)]


def test_what_a_change_requires_are_versions() -> None:
    later = _BY.replace("04:05", "09:09")
    plan = f"a {_BY}\n@v1 {_BY}\na [a@v1] {later}\nb [a harbour:a@v1 other:a !a] {_BY}\n"
    files = {"deploy/a@v1.sql": "select 1;", "deploy/a.sql": "select 2;", "deploy/b.sql": "select 3;"}
    found = read(plan, **files).migrations

    assert [each.depends for each in found] == [(), ("a@v1",), ("a", "a@v1")]


def test_verify_scripts_and_scripts_that_the_plan_does_not_name_are_named() -> None:
    files = {"deploy/x.sql": "select 1;", "verify/x.sql": "select 1;", "deploy/lost.sql": "select 1;"}
    reading = read(f"x {_BY}\n", **files)

    assert "verify script" in reading.left_out["verify/x.sql"]
    assert "plan" in reading.left_out["deploy/lost.sql"]


def test_a_change_is_skipped_by_its_name_or_its_script() -> None:
    for skip in ("x", "deploy/x.sql"):
        reading = read(f"x {_BY}\n", Answers(skip=frozenset({skip})), **{"deploy/x.sql": "'"})
        assert reading.migrations == ()


def test_a_change_without_a_script_is_left_out_when_told() -> None:
    with pytest.raises(MigrationFileError) as told:
        read(f"x {_BY}\n")

    assert told.value.hint == "--option skip=x"
    assert read(f"x {_BY}\n", Answers(options={"skip": "x"})).migrations == ()


# -------------------------------------------------------------------------------------------------------------- scripts


def test_begin_and_commit_around_all_is_a_transaction() -> None:
    migration = script("-- Deploy harbour:x to pg\n\nBEGIN;\nselect 1;\ninsert into t values (1);\nCOMMIT;\n-- end\n")

    assert migration.ups[0].transaction
    assert migration.judgements == ()
    assert migration.downs is None


def test_one_statement_that_refuses_a_transaction_has_none() -> None:
    assert not script("create index concurrently i on t (a);").ups[0].transaction


def test_several_statements_without_begin_were_not_atomic_and_will_be() -> None:
    migration = script("create table a ();\ncreate table b ();\n")

    assert migration.ups[0].transaction
    assert "statement by statement" in migration.judgements[0].message
    assert not migration.judgements[0].asks


def test_several_statements_one_of_which_refuses_a_transaction_stay_without() -> None:
    assert not script("create table a ();\nvacuum a;\n").ups[0].transaction


@pytest.mark.parametrize(
    "sql",
    [
        "begin;\nselect 1;\ncommit;\nselect 2;\n",
        "select 1;\nbegin;\nselect 2;\ncommit;\n",
        "begin;\nselect 1;\ncommit;\nbegin;\nselect 2;\ncommit;\n",
        "begin isolation level serializable;\nselect 1;\ncommit;\n",
    ],
)
def test_transactions_that_are_not_around_all_stay_as_psql_ran_them(sql: str) -> None:
    migration = script(sql)

    assert not migration.ups[0].transaction
    assert migration.ups[0].sql == sql
    assert "not around all" in migration.judgements[0].message
    assert migration.judgements[0].place is not None


def test_commands_that_only_show_something_are_left_out() -> None:
    sql = "\\set ON_ERROR_STOP 1\n\\echo hello; world\nselect 1;\n\\timing off\n"

    assert script(sql).ups[0].sql == "\n\nselect 1;\n\n"


@pytest.mark.parametrize("command", ["\\set who 'ann'", "\\copy t from 'x'", "\\gexec", "\\if true", "\\! rm x"])
def test_any_other_command_is_refused_with_its_place(command: str) -> None:
    with pytest.raises(MigrationFileError) as told:
        script(f"select 1;\n{command}\n")

    assert (told.value.code, told.value.place and told.value.place.line) == ("E281", 2)
    assert command.split()[0] in told.value.message


def test_an_included_file_takes_the_place_of_its_command() -> None:
    files = {"deploy/part.sql": "select 2;\n", "shared/all.sql": "select 3;\n"}

    assert script("\\ir part.sql\n\\i shared/all.sql\n", **files).ups[0].sql == "select 2;\n\nselect 3;\n\n"


def test_an_included_file_that_is_not_there_or_includes_itself_is_refused() -> None:
    with pytest.raises(MigrationFileError, match=r"gone\.sql"):
        script("\\i gone.sql\n")
    with pytest.raises(MigrationFileError, match=r"deploy/x\.sql"):
        script("\\ir x.sql\n")


def test_variables_are_asked_for_and_put_in_as_psql_does() -> None:
    sql = "grant select on :\"tab\" to :who; select :'text', a[1:n], b::text, ':no', $$ :no $$ -- :no\n"
    values = {"tab": 'a"b', "who": "ann", "text": "it's"}
    answered = script(sql, Answers(placeholders=values))

    unanswered = script(sql)
    assert [each.hint for each in unanswered.judgements if each.asks] == ["give its value: --placeholder who=VALUE"]
    assert unanswered.ups[0].sql == sql
    assert unanswered.variables == ("tab", "text")
    wanted = "grant select on \"a\"\"b\" to ann; select 'it''s', a[1:n], b::text, ':no', $$ :no $$ -- :no\n"
    assert answered.ups[0].sql == wanted
    assert not any(each.asks for each in answered.judgements)


def test_variables_come_from_the_configuration() -> None:
    conf = '[deploy "variables"]\n\twho = ann\n'

    assert script("grant a to :who;", **{"sqitch.conf": conf}).ups[0].sql == "grant a to ann;"


def test_a_backslash_in_a_value_is_kept() -> None:
    migration = script("select :'path';", Answers(placeholders={"path": "a\\b"}))

    assert migration.ups[0].sql == "select  E'a\\\\b';"


# -------------------------------------------------------------------------------------------------------------- history


def test_the_sum_is_sha_1_of_the_deploy_script_alone() -> None:
    migration = script("select 1;\n", **{"revert/x.sql": "select 2;"})
    checksum = hashlib.sha1(b"select 1;\n").hexdigest()

    assert TOOL.verifies(migration, Row("id", State.APPLIED, checksum=checksum))
    assert TOOL.verifies(migration, Row("id", State.APPLIED, checksum="0" * 40)) is False
    assert TOOL.verifies(migration, Row("id", State.APPLIED)) is None
    assert TOOL.verifies(migration, Row("id", State.APPLIED, checksum="id")) is None


def test_where_the_plan_was_edited_name_and_script_tell_a_row() -> None:
    migration = script("select 1;\n")
    checksum = hashlib.sha1(b"select 1;\n").hexdigest()

    assert TOOL.matches(migration, Row("other id", State.APPLIED, name="x", checksum=checksum))
    assert not TOOL.matches(migration, Row("other id", State.APPLIED, name="y", checksum=checksum))
    assert not TOOL.matches(migration, Row("other id", State.APPLIED, name="x"))
    assert TOOL.matches(migration, Row(migration.sums["change id (old)"], State.APPLIED))


def _answering(*projects: str):
    def query(sql: str, *parameters: object):
        if "distinct project" in sql:
            return [(project,) for project in projects]
        if "events" in sql:
            return []
        return [("id", "x", None, None, "Ada", "a@b")] if "project = 'b'" in sql else []

    return query


def test_one_of_several_projects_has_to_be_named() -> None:
    with pytest.raises(ConfigError, match="several projects: a, b") as told:
        TOOL.history(_answering("a", "b"), _TABLE, Answers())

    assert "--service" in (told.value.hint or "")
    [row] = TOOL.history(_answering("a", "b"), _TABLE, Answers(service="b"))
    assert (row.key, row.applied_by) == ("id", "Ada <a@b>")
    assert TOOL.history(_answering("b"), _TABLE, Answers())


def test_a_failure_counts_only_where_nothing_stands_after_it() -> None:
    def query(sql: str, *parameters: object):
        if "distinct project" in sql:
            return [("b",)]
        if "to_regclass" in sql:
            return [(1,)]
        if "distinct on" in sql:
            return [("one", "x", "fail", None), ("two", "y", "fail", None), ("three", "z", "revert", None)]
        return [("two", "y", None, None, "Ada", "a@b")]

    rows = {row.key: row for row in TOOL.history(query, _TABLE, Answers())}

    assert {key: row.state for key, row in rows.items()} == {"two": State.APPLIED, "one": State.PENDING}
    assert "failed" in rows["one"].remark


def test_it_is_told_by_its_plan_and_by_its_table() -> None:
    assert TOOL.recognises(fixture("sqitch"))
    assert not TOOL.recognises(fixture("liquibase"))
    assert TOOL.owns(_TABLE, frozenset())
    assert not TOOL.owns(HistoryTable("sqitch", "events", (*_TABLE.columns, "event")), frozenset())
