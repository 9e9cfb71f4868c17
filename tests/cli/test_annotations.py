"""What files say of themselves in `-- migrate:KEY VALUE`: dependencies, breaking changes, and what is refused."""

from __future__ import annotations

import json

import pytest

from dbmigrate import Migrator, Options
from dbmigrate.errors import MigrationFileError
from dbmigrate.model import Policy

COMMANDS = [("up",), ("migrate",), ("up", "--dry-run", "--no-locks"), ("up", "--dry-run", "--json", "--no-locks")]


@pytest.fixture
def production(run, database_url):
    environ = {"PRODUCTION_DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"}
    return lambda *arguments: run("-e", "production", *arguments, env=environ)


@pytest.fixture
def versions(query, database_url):
    def read():
        (found,) = query(database_url, "select to_regclass('schema_migrations') is not null")
        rows = query(database_url, "select version from schema_migrations order by version") if found[0] else []
        return [row[0] for row in rows]

    return read


def write(project, name, said, *, down="", table=None):
    table = table or f"t{name.partition('_')[0]}"
    text = f"{said}\n-- migrate:up\ncreate table {table} ();\n-- migrate:down\n{down}drop table {table};\n"
    return project.write(f"{name}.sql", text)


# --------------------------------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("-- migrate:depend 1", "E290"),
        ("-- migrate:depends 1\n-- migrate:depends 1", "E291"),
        ("-- migrate:repeatable", "E275"),
        ("-- migrate:depends billing:1", "E293"),
    ],
)
def test_a_pending_file_with_a_wrong_annotation_stops_the_run_before_it_begins(
    command, project, versions, arguments, said, code
):
    write(project, "1_a", "-- the first")
    path = write(project, "2_b", said)

    done = command(*arguments)

    assert done.exit_code == 2
    assert f"error[{code}]" in done.stderr
    assert f"{path.name}:{said.count(chr(10)) + 1}:1" in done.stderr
    assert versions() == []


# what is wrong with an annotation whose value has the right form, for each key and a good value of it
MISSPELT = {
    "depends 1": ["-- migrate:depend 1", "-- migrate:dependz 1", "-- Migrate:depends 1", "-- migrate:depends: 1"],
    "env dev": ["-- migrate:evn dev", "-- migrate:envs dev", "-- migrate: env dev", "-- migrate:ENV=dev"],
    "vars a, b": ["-- migrate:var a, b", "-- migrate:vras a", "-- migrate:vars: a", "--migrate :vars a"],
    "replaces 0": ["-- migrate:replace 0", "-- migrate:repalces 0-7", "-- Migrate:replaces 0"],
    "require select true": [
        "-- migrate:requires select true",
        "-- migrate:requrie SELECT true",
        "-- migrate: require select 1",
    ],
    "check select true": ["-- migrate:chekc select true", "-- migrate:checks select true", "-- migrate:CHECK select 1"],
    "breaking it": ["-- migrate:braking it", "-- MIGRATE:breaking it", "-- migrate:breaking:it"],
}
_UP = "-- migrate:up\n"
_SQL = "create table b ();\n"
_DOWN = "-- migrate:down\ndrop table b;\n"
IN_DOWN = _UP + _SQL + "-- migrate:down\n{0}\ndrop table b;\n"  # where conditions may stand
FORMS = {
    "twice": "{0}\n{0}\n" + _UP + _SQL + _DOWN,
    "twice, above and below the header": "{0}\n" + _UP + "{0}\n" + _SQL + _DOWN,
    "indented": _UP + " {0}\n" + _SQL + _DOWN,
    "behind SQL": _UP + "create table b (); {0}\n" + _DOWN,
    "below SQL": _UP + _SQL + "{0}\n" + _DOWN,
    "inside SQL": _UP + "create table b (\n{0}\n);\n" + _DOWN,
    "in the down section": IN_DOWN,
    "at the end of the file": _UP + _SQL + _DOWN + "{0}",
}


@pytest.mark.parametrize("good", MISSPELT)
def test_every_wrong_annotation_is_an_error_with_its_place_before_anything_runs(project, database_url, query, good):
    said = f"-- migrate:{good}"
    forms = [form for form in FORMS.values() if form != IN_DOWN or not good.startswith(("require", "check"))]
    table = [("E291", form.format(said), said) for form in forms]
    table += [("E290", f"-- x\n{wrong}\n{_UP}{_SQL}{_DOWN}", wrong) for wrong in MISSPELT[good]]
    write(project, "1_a", "")
    options = Options(directories=(str(project.migrations),), policy=Policy(environment="dev"))

    for code, text, wrong in table:
        path = project.write("2_b.sql", text)
        with pytest.raises(MigrationFileError) as caught:
            Migrator(database_url, options).up()
        assert (caught.value.code, caught.value.exit_code) == (code, 2), text
        assert (caught.value.place.path, caught.value.place.line) == (
            str(path),
            text[: text.rindex(wrong)].count("\n") + 1,
        ), text
        assert query(database_url, "select to_regclass('schema_migrations')") == [(None,)]

    project.write("2_b.sql", f"{said}\n{_UP}{_SQL}{_DOWN}")
    assert len(Migrator(database_url, options).up().done) == 2


@pytest.mark.parametrize("said", ["-- migrate:depend 1", "-- migrate:require select false;;", "-- migrate:depends 9"])
def test_a_file_that_is_applied_already_stops_nothing(command, project, versions, said):
    write(project, "1_a", "-- as dbmate applied it")
    assert command("up").exit_code == 0
    write(project, "1_a", said)
    write(project, "2_b", "-- migrate:depends 1")

    assert command("up").exit_code == 0
    assert versions() == ["1", "2"]
    assert command("status").exit_code == 0
    assert command("rollback", "--all").exit_code == 0
    assert versions() == []


def test_drift_runs_applied_files_whatever_they_say(command, project):
    write(project, "1_a", "-- as dbmate applied it")
    assert command("up").exit_code == 0
    write(project, "1_a", "-- migrate:depends 9")

    done = command("drift", "--against", "migrations")

    assert done.exit_code == 0, done.stderr


def test_check_names_every_wrong_annotation(command, project):
    write(project, "1_a", "-- migrate:depends 2")
    write(project, "2_b", "-- migrate:depend 1")
    write(project, "3_c", "-- migrate:depends 8, 9")

    done = command("check", "--no-lint")

    assert done.exit_code == 1
    assert done.stdout.count("error[E290]") == 1
    assert done.stdout.count("error[E293]") == 3
    assert "1_a.sql:1:1" in done.stdout
    assert "depends on 8" in done.stdout
    assert "depends on 9" in done.stdout


# --------------------------------------------------------------------------------------------------------- dependencies


def test_dependencies_that_come_before_are_no_obstacle(command, project, versions):
    write(project, "1_a", "")
    write(project, "2_b", "-- migrate:depends 1")
    write(project, "3_c", "-- migrate:depends 1,\n--   2")

    assert command("up", "--to", "2").exit_code == 0
    assert command("up").exit_code == 0
    assert versions() == ["1", "2", "3"]
    assert command("rollback", "--to", "1").exit_code == 0
    assert versions() == ["1"]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    ("named", "words"),
    [("9", "9, which does not exist"), ("3", "3, which comes later"), ("2", "itself"), ("1, 9", "9, which does not")],
)
def test_a_dependency_that_cannot_be_met_is_refused(command, project, versions, arguments, named, words):
    write(project, "1_a", "")
    write(project, "2_b", f"-- migrate:depends {named}")
    write(project, "3_c", "")

    done = command(*arguments)

    assert done.exit_code == 2
    assert "error[E293]" in done.stderr
    assert words in done.stderr
    assert "2_b.sql:1:1" in done.stderr
    assert versions() == []


def test_a_version_without_its_zeros_is_meant_to_be_the_file_s(command, project):
    write(project, "001_a", "", table="a")
    write(project, "002_b", "-- migrate:depends 1", table="b")

    assert "did you mean 001?" in command("up").stderr


def test_an_applied_dependency_whose_file_is_gone_is_met(command, project, versions):
    gone = write(project, "1_a", "")
    assert command("up").exit_code == 0
    gone.unlink()
    write(project, "2_b", "-- migrate:depends 1")

    assert command("up").exit_code == 0
    assert versions() == ["1", "2"]


def test_later_means_later_in_the_order_of_the_project(command, project, versions):
    write(project, "9_a", "")
    write(project, "10_b", "-- migrate:depends 9")

    assert command("up").exit_code == 2
    assert command("up", "--version-order", "numeric").exit_code == 0
    assert versions() == ["10", "9"]


def test_what_an_applied_migration_depends_on_is_not_rolled_back_alone(command, project, versions):
    write(project, "9_a", "")
    write(project, "10_b", "-- migrate:depends 9")
    assert command("up", "--version-order", "numeric").exit_code == 0

    for more in ((), ("--dry-run", "--no-locks")):  # by name 9_a.sql is the last one
        done = command("rollback", *more)
        assert done.exit_code == 7
        assert "error[E730]" in done.stderr
        assert "10_b.sql:1:1" in done.stderr
        assert versions() == ["10", "9"]

    assert command("rollback", "--steps", "2").exit_code == 0
    assert versions() == []


# ----------------------------------------------------------------------------------------------------- breaking changes

BREAKING = ["-- migrate:breaking orders.note is gone", "-- ⚠️ BREAKING CHANGE: orders.note is gone"]


@pytest.mark.parametrize("said", BREAKING)
def test_a_breaking_change_of_a_protected_environment_has_to_be_allowed(production, project, versions, said):
    write(project, "1_a", "")
    write(project, "2_b", said)

    done = production("up", "--yes")

    assert done.exit_code == 7
    assert "error[E731]: 2_b.sql is a breaking change: orders.note is gone" in done.stderr
    assert "2_b.sql:1:" in done.stderr
    assert versions() == []
    assert production("up", "--yes", "--to", "1").exit_code == 0
    assert production("up", "--yes", "--allow-breaking").exit_code == 0
    assert versions() == ["1", "2"]
    assert production("redo", "--yes").exit_code == 0
    assert production("rollback", "--yes").exit_code == 0


def test_deploy_needs_the_same_permission(production, project, versions):
    write(project, "1_a", BREAKING[0])

    assert production("deploy", "--yes", "--no-backup").exit_code == 7
    assert versions() == []
    done = production("deploy", "--yes", "--no-backup", "--allow-breaking")
    assert done.exit_code == 0, done.stderr


def test_elsewhere_a_breaking_change_is_applied_with_a_warning(command, project, versions):
    write(project, "1_a", BREAKING[0])

    done = command("up")

    assert done.exit_code == 0
    assert "warning[W700]: 1_a.sql is a breaking change: orders.note is gone" in done.stderr
    assert versions() == ["1"]


def test_status_and_dry_run_show_what_breaks(command, project):
    write(project, "1_a", "")
    write(project, "2_b", BREAKING[0])

    def breaking(*arguments):
        answer = json.loads(command(*arguments).stdout)
        return [each["breaking"] for each in answer.get("migrations") or answer["steps"]]

    status = command("status")
    assert status.stdout == "[ ] 1_a.sql\n[ ] 2_b.sql\n\nApplied: 0\nPending: 2\n"
    assert "breaking change: orders.note is gone" in status.stderr
    assert breaking("status", "--json") == [None, "orders.note is gone"]
    assert "W700" in command("up", "--dry-run", "--no-locks").stderr
    assert breaking("up", "--dry-run", "--json", "--no-locks") == [None, "orders.note is gone"]

    assert command("up").exit_code == 0
    assert breaking("status", "--json") == [None, None]


def test_a_pending_file_that_cannot_be_read_does_not_stop_status(command, project):
    project.write("1_a.sql", "-- migrate:breaking x\nno headers\n")
    project.write("2_b.sql", "")

    assert command("status").exit_code == 0
