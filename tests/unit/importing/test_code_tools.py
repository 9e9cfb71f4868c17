"""Alembic, Django, knex, TypeORM, Rails: recognised, their files named as code, and the SQL that a person gives."""

from __future__ import annotations

from importlib import import_module

import pytest

from dbmigrate.errors import LockNotAcquired, MigrationFileError
from dbmigrate.importing.alembic import TOOL as ALEMBIC
from dbmigrate.importing.django import TOOL as DJANGO
from dbmigrate.importing.knex import TOOL as KNEX
from dbmigrate.importing.rails import TOOL as RAILS
from dbmigrate.importing.typeorm import TOOL as TYPEORM
from dbmigrate.importing.values import Answers, HistoryTable, Row, State, Tool
from tests.support.importing_states import fixture, source

TOOLS: dict[str, Tool] = {
    "alembic": ALEMBIC,
    "django": DJANGO,
    "knex": KNEX,
    "rails": RAILS,
    "typeorm": TYPEORM,
}
OTHERS = ("sqlx", "diesel", "prisma", "supabase", "tern", "liquibase", "sqitch", "graphile-migrate")
each_tool = pytest.mark.parametrize("name", TOOLS)


def revision(name: str, before: str, more: str = "") -> str:
    return f"revision: str = {name!r}\ndown_revision = {before}\n{more}\ndef upgrade():\n    pass\n"


def given(tool: Tool, sql: str, path: str, code: str):
    files = {path: code, "given.sql": sql}
    return tool.read(source(**files), Answers(sql_of={path: "given.sql"}))


@each_tool
def test_files_are_named_as_code_with_the_ways_out(name: str) -> None:
    reading = TOOLS[name].read(fixture(name), Answers())

    assert reading.migrations == ()
    assert len(reading.left_out) == 7
    [question] = reading.judgements
    assert question.asks
    assert question.message.startswith("7 files are ")
    assert "and 2 more" in question.message
    assert "`dbmigrate baseline --from-schema`" in (question.hint or "")
    assert "--sql FILE=SQLFILE" in (question.hint or "")


@each_tool
def test_each_of_them_is_recognised_by_its_own_files_alone(name: str) -> None:
    recognised = [other for other in (*TOOLS, *OTHERS) if TOOLS[name].recognises(fixture(other))]

    assert recognised == [name]


@pytest.mark.parametrize("other", OTHERS)
def test_no_tool_of_sql_recognises_a_project_of_code(other: str) -> None:
    tool: Tool = import_module(f"dbmigrate.importing.{other.replace('-', '_')}").TOOL

    assert [name for name in TOOLS if tool.recognises(fixture(name))] == []
    assert tool.recognises(fixture(other))


@pytest.mark.parametrize("other", OTHERS)
def test_a_project_of_sql_is_recognised_by_one_tool_alone(other: str) -> None:
    tools: dict[str, Tool] = {
        name: import_module(f"dbmigrate.importing.{name.replace('-', '_')}").TOOL for name in OTHERS
    }

    assert [name for name, tool in tools.items() if tool.recognises(fixture(other))] == [other]


@each_tool
def test_skipped_files_are_not_asked_about(name: str) -> None:
    paths = TOOLS[name].read(fixture(name), Answers()).left_out

    reading = TOOLS[name].read(fixture(name), Answers(skip=frozenset(paths)))

    assert reading.judgements == ()
    assert set(reading.left_out.values()) == {"left out, as asked"}


def test_the_sql_that_was_given_is_the_migration_without_what_concerns_the_old_table() -> None:
    sql = "BEGIN;\n\ncreate table t ();;\n\nINSERT INTO alembic_version (version_num) VALUES ('a');\n\nCOMMIT;\n"
    [migration] = given(ALEMBIC, sql, "versions/a_first_table.py", revision("a", "None")).migrations

    assert migration.ups[0].sql == "BEGIN;\n\ncreate table t ();;\n\nCOMMIT;\n"
    assert (migration.version, migration.name, migration.downs) == ("a", "first table", None)


def test_the_others_are_still_asked_about() -> None:
    files = {"a.py": revision("a", "None"), "b.py": revision("b", "'a'"), "given.sql": "select 1;"}
    reading = ALEMBIC.read(source(**files), Answers(sql_of={"a.py": "given.sql"}))

    assert [each.version for each in reading.migrations] == ["a"]
    assert "a file is Python" in reading.judgements[0].message
    assert "b.py" in reading.judgements[0].message


def test_given_sql_that_refuses_a_transaction_alone_runs_outside_of_one() -> None:
    code = "exports.up = (knex) => knex.raw('');\nexports.down = () => {};\n"
    [migration] = given(KNEX, "create index concurrently i on t (a);", "m/20260101000000_x.js", code).migrations

    assert not migration.ups[0].transaction


# -------------------------------------------------------------------------------------------------------------- Alembic


def test_revisions_are_in_the_order_of_what_comes_before_them() -> None:
    files = {
        "z.py": revision("z", "None"),
        "b.py": revision("b", "'z'"),
        "a.py": revision("a", "('b', 'c')"),
        "c.py": revision("c", "'z'", "depends_on = 'b'"),
    }
    sql = {f"{name}.py": "given.sql" for name in "zbac"}
    found = ALEMBIC.read(source(**files, **{"given.sql": "select 1;"}), Answers(sql_of=sql)).migrations

    assert [each.version for each in found] == ["z", "b", "c", "a"]


def test_a_head_stands_for_all_of_its_ancestors_and_none_beside_them() -> None:
    files = {
        "z.py": revision("z", "None"),
        "b.py": revision("b", "'z'"),
        "c.py": revision("c", "'z'"),
        "d.py": revision("d", "'c'"),
    }
    sql = {f"{name}.py": "given.sql" for name in "zbcd"}
    found = ALEMBIC.read(source(**files, **{"given.sql": "select 1;"}), Answers(sql_of=sql)).migrations

    assert [each.version for each in found if ALEMBIC.matches(each, Row("c", State.APPLIED))] == ["z", "c"]
    assert [each.version for each in found if ALEMBIC.matches(each, Row("b", State.APPLIED))] == ["z", "b"]


def test_a_circle_of_revisions_keeps_the_order_of_names() -> None:
    files = {"a.py": revision("a", "'b'"), "b.py": revision("b", "'a'")}

    assert set(ALEMBIC.read(source(**files), Answers()).left_out) == {"a.py", "b.py"}


@pytest.mark.parametrize("code", ["down_revision = None\n", "revision = 'a\ndown_revision = None\n"])
def test_a_revision_that_cannot_be_read_is_refused(code: str) -> None:
    with pytest.raises(MigrationFileError) as told:
        ALEMBIC.read(source(**{"a.py": code}), Answers())

    assert told.value.code == "E281"


def test_a_project_of_alembic_is_read_and_never_run() -> None:
    code = revision("a", "None") + "raise SystemExit('run')\n"

    assert set(ALEMBIC.read(source(**{"a.py": code}), Answers()).left_out) == {"a.py"}


# ----------------------------------------------------------------------------------------------------------- the others


def squash(*, with_old: bool) -> dict[str, str]:
    """A squashed migration of two, and one that follows it."""
    head = "class Migration(migrations.Migration):\n"
    files = {
        "harbour/migrations/0001_squashed_0002.py": head
        + "    replaces = [('harbour', '0001_boats'), ('harbour', '0002_piers')]\n",
        "harbour/migrations/0003_lamps.py": head
        + "    dependencies = [migrations.swappable_dependency(x), ('harbour', '0001_squashed_0002')]\n",
    }
    if with_old:
        files["harbour/migrations/0001_boats.py"] = head + "    pass\n"
        files["harbour/migrations/0002_piers.py"] = head + "    dependencies = [('harbour', '0001_boats')]\n"
    return files


def test_a_squashed_migration_of_django_is_what_it_replaces_once_that_is_gone() -> None:
    files = squash(with_old=False)
    reading = DJANGO.read(source(**files, **{"x.sql": "select 1;"}), Answers(sql_of=dict.fromkeys(files, "x.sql")))

    first, second = reading.migrations
    assert (first.version, second.version) == ("harbour.0001_squashed_0002", "harbour.0003_lamps")
    for key in ("harbour.0001_boats", "harbour.0002_piers", "harbour.0001_squashed_0002"):
        assert DJANGO.matches(first, Row(key, State.APPLIED))
        assert not DJANGO.matches(second, Row(key, State.APPLIED))


def test_a_squashed_migration_of_django_is_left_out_beside_what_it_replaces() -> None:
    """And what depends on it follows the last of those."""
    files = squash(with_old=True)
    reading = DJANGO.read(source(**files, **{"x.sql": "select 1;"}), Answers(sql_of=dict.fromkeys(files, "x.sql")))

    assert [each.version for each in reading.migrations] == [
        "harbour.0001_boats",
        "harbour.0002_piers",
        "harbour.0003_lamps",
    ]
    assert list(reading.left_out) == ["harbour/migrations/0001_squashed_0002.py"]
    assert reading.judgements == ()


def test_migrations_of_several_apps_of_django_follow_their_dependencies() -> None:
    def code(*depends: tuple[str, str]) -> str:
        return f"class Migration(migrations.Migration):\n    dependencies = {list(depends)}\n"

    files = {
        "a/migrations/0001_x.py": code(("b", "0001_y")),
        "b/migrations/0001_y.py": code(("auth", "0012_z")),
        "a/migrations/0002_w.py": code(("a", "0001_x")),
        "a/migrations/__init__.py": "",
        "given.sql": "select 1;",
    }
    sql = {path: "given.sql" for path in files if path.endswith(".py")}
    found = DJANGO.read(source(**files), Answers(sql_of=sql)).migrations

    assert [each.version for each in found] == ["b.0001_y", "a.0001_x", "a.0002_w"]
    assert DJANGO.matches(found[0], Row("b.0001_y", State.APPLIED))


def test_the_app_is_known_also_where_its_migrations_folder_is_the_source() -> None:
    reading = DJANGO.read(fixture("django", "files/harbour"), Answers())

    assert len(reading.left_out) == 7


def test_a_row_of_knex_matches_a_file_that_was_compiled_since() -> None:
    code = "export async function up(knex) {}\n"
    [migration] = given(KNEX, "select 1;", "20260101000000_x.ts", code).migrations

    assert KNEX.matches(migration, Row("20260101000000_x.ts", State.APPLIED))
    assert KNEX.matches(migration, Row("20260101000000_x.js", State.APPLIED))
    assert not KNEX.matches(migration, Row("20260101000000_y.js", State.APPLIED))


def test_a_lock_that_knex_holds_stops() -> None:
    table = HistoryTable("public", "knex_migrations", ("id", "name", "batch", "migration_time"))
    asked: list[str] = []

    def query(sql: str, *parameters: object):
        asked.append(sql)
        return [(1,)]

    with pytest.raises(LockNotAcquired, match="knex_migrations_lock") as told:
        KNEX.history(query, table, Answers())

    assert "unlock" in (told.value.hint or "")
    assert any('"knex_migrations_lock" where is_locked = 1' in sql for sql in asked)


def test_files_of_node_pg_migrate_and_sequelize_are_none_of_knex() -> None:
    assert not KNEX.recognises(source(**{"1_x.js": "exports.up = (pgm) => { pgm.createTable('t', {}); };"}))
    assert not KNEX.recognises(source(**{"1_x.js": "exports.up = (queryInterface) => {};"}))


@pytest.mark.parametrize(
    "code",
    [
        "export class Crew1780000005000 implements MigrationInterface {}",
        "exports.Crew1780000005000 = class { async up(queryRunner) {} }",
        "module.exports = class X { name = 'Crew1780000005000'; async up(queryRunner) {} }",
    ],
)
def test_a_migration_of_typeorm_is_known_by_its_class(code: str) -> None:
    [migration] = given(TYPEORM, "select 1;", "1780000005000-Crew.ts", code).migrations

    assert (migration.version, migration.name) == ("1780000005000", "Crew")
    assert TYPEORM.matches(migration, Row("Crew1780000005000", State.APPLIED))


def test_versions_of_rails_compare_as_numbers() -> None:
    [migration] = given(
        RAILS, "select 1;", "db/migrate/001_x.rb", "class X < ActiveRecord::Migration[7.1]\n"
    ).migrations

    assert RAILS.matches(migration, Row("1", State.APPLIED))


def test_the_tables() -> None:
    ours = HistoryTable("public", "schema_migrations", ("version",))

    assert RAILS.owns(ours, frozenset({"ar_internal_metadata"}))
    assert not RAILS.owns(ours, frozenset({"boats"}))
    assert ALEMBIC.owns(HistoryTable("public", "alembic_version", ("version_num",)), frozenset())
    assert DJANGO.owns(HistoryTable("public", "django_migrations", ("id", "app", "name", "applied")), frozenset())
    assert TYPEORM.owns(HistoryTable("public", "migrations", ("id", "timestamp", "name")), frozenset())
    assert not TYPEORM.owns(HistoryTable("public", "migrations", ("id", "name")), frozenset())
    assert KNEX.owns(HistoryTable("public", "knex", ("id", "name", "batch", "migration_time")), frozenset())
