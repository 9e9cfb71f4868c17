"""Protected environments: what has to be typed or said, and that nothing happens without it."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import psycopg
import pytest

from tests.support.catalog import fingerprint
from tests.support.children import eventually

USERS = "create table users (id bigint primary key);"


def name_of(url):
    return psycopg.conninfo.conninfo_to_dict(url)["dbname"]


def exists(server, url):
    return bool(server.admin.execute("select 1 from pg_database where datname = %s", [name_of(url)]).fetchall())


@pytest.fixture
def environ(database_url):
    return {"PRODUCTION_DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"}


@pytest.fixture
def production(run, environ):
    def command(*arguments, env=None):
        return run("-e", "production", *arguments, env={**environ, **(env or {})})

    return command


@pytest.fixture
def typing(runner, environ):
    def command(*arguments, typed):
        return runner.run_typing("-e", "production", *arguments, typed=typed, env=environ)

    return command


@pytest.fixture
def applied(production, project):
    """One migration is applied in production, one is pending."""
    project.migration("1_a", up=USERS, down="drop table users;")
    done = production("up", "--yes")
    assert done.exit_code == 0, done.stderr
    project.migration("2_b", up="create table b (id int);", down="drop table b;")
    return project


@pytest.fixture
def versions(query, database_url):
    return lambda: [row[0] for row in query(database_url, "select version from schema_migrations order by version")]


# ---------------------------------------------------------------------------------------------------------- no terminal

CHANGES = [
    ("up",),
    ("migrate",),
    ("rollback",),
    ("rollback", "--all"),
    ("redo",),
    ("mark", "applied", "2", "--reason", "x"),
    ("mark", "pending", "1", "--reason", "x"),
    ("drop",),
    ("load",),
]


@pytest.mark.parametrize("command", CHANGES, ids=" ".join)
def test_without_a_terminal_and_without_yes_nothing_happens(production, applied, database_url, command):
    (applied.root / "db" / "schema.sql").write_text("create table loaded ();")
    before = fingerprint(database_url)

    refused = production(*command)

    assert refused.exit_code == 7
    assert "error[E707]: production is protected; confirm the change" in refused.stderr
    assert "state: nothing was changed" in refused.stderr
    assert fingerprint(database_url) == before


@pytest.mark.parametrize(
    "spelling",
    [
        ("-e", "production"),
        ("-e", "PRODUCTION"),
        ("-e", "Production"),
        ("-e", "PRODUCTION_DATABASE_URL"),
        ("--env=production",),
    ],
    ids=" ".join,
)
def test_every_spelling_of_the_environment_is_protected(run, project, environ, database_url, spelling):
    project.migration("1_a", up=USERS)
    before = fingerprint(database_url)

    assert run(*spelling, "up", env=environ).exit_code == 7
    assert fingerprint(database_url) == before


@pytest.mark.parametrize("name", ["production", "PRODUCTION_DATABASE_URL", "prod", "live"])
def test_the_environment_may_come_from_a_variable(run, project, database_url, name):
    project.migration("1_a", up=USERS)
    variable = name if name.endswith("_URL") else f"{name.upper()}_DATABASE_URL"

    assert run("up", env={"DBMIGRATE_ENV": name, variable: database_url}).exit_code == 7


def test_an_odd_variable_that_reads_like_production_is_protected_too(run, project, database_url):
    project.migration("1_a", up=USERS)

    refused = run("up", "-e", "production_DATABASE_URL", env={"production_DATABASE_URL": database_url})

    assert refused.exit_code == 7


def test_a_url_besides_the_environment_does_not_take_the_protection_away(run, project, environ, database_url):
    project.migration("1_a", up=USERS)

    assert run("-e", "production", "--url", database_url, "up", env=environ).exit_code == 7


def test_a_plain_database_url_has_no_name_and_is_not_protected(run, project, database_url):
    project.migration("1_a", up=USERS)

    assert run("up", env={"DATABASE_URL": database_url}).exit_code == 0


def test_other_environments_are_not_protected(run, project, database_url):
    project.migration("1_a", up=USERS, down="drop table users;")
    env = {"STAGING_DATABASE_URL": database_url}

    assert run("-e", "staging", "up", env=env).exit_code == 0
    assert run("-e", "staging", "rollback", "--all", env=env).exit_code == 0
    assert run("-e", "staging", "drop", env=env).exit_code == 0


def test_which_ones_are_protected_can_be_said(run, project, environ, database_url):
    project.migration("1_a", up=USERS)
    env = {**environ, "STAGING_DATABASE_URL": database_url, "DBMIGRATE_PROTECTED": "staging, eu-west"}

    assert run("-e", "staging", "up", env=env).exit_code == 7
    assert run("-e", "EU_WEST_DATABASE_URL", "up", env={**env, "EU_WEST_DATABASE_URL": database_url}).exit_code == 7
    assert run("-e", "production", "up", env={**environ, "DBMIGRATE_PROTECTED": "staging, eu-west"}).exit_code == 0


def test_the_project_file_can_say_it_and_can_say_none(run, project, environ, database_url):
    project.migration("1_a", up=USERS)
    file = project.root / "dbmigrate.toml"
    file.write_text('protected = ["staging"]\n')
    assert run("-e", "staging", "up", env={"STAGING_DATABASE_URL": database_url}).exit_code == 7
    file.write_text("protected = []\n")

    assert run("-e", "production", "up", env=environ).exit_code == 0


# ------------------------------------------------------------------------------------------------------------------ yes


def test_yes_is_enough_for_everything_that_keeps_the_database(production, applied, versions):
    assert production("up", "--yes").exit_code == 0
    assert versions() == ["1", "2"]
    assert production("redo", "--yes").exit_code == 0
    assert production("rollback", "-y").exit_code == 0
    assert versions() == ["1"]
    assert production("mark", "applied", "2", "--reason", "by hand", "--yes").exit_code == 0
    assert versions() == ["1", "2"]


def test_a_single_migration_can_be_rolled_back_with_yes(production, applied, versions):
    assert production("rollback", "--yes").exit_code == 0
    assert versions() == []


@pytest.mark.parametrize("how_much", [("--all",), ("-n", "2"), ("-n", "99")], ids=" ".join)
def test_yes_is_not_enough_to_undo_everything(production, applied, versions, database_url, how_much):
    production("up", "--yes")

    refused = production("rollback", *how_much, "--yes")

    assert refused.exit_code == 7
    assert "hint: --yes is not enough: pass --confirm DBNAME" in refused.stderr
    assert versions() == ["1", "2"]
    assert production("rollback", *how_much, "--confirm", name_of(database_url)).exit_code == 0
    assert versions() == []


@pytest.mark.parametrize("command", [("drop",), ("load",), ("rollback", "--all"), ("rollback",)], ids=" ".join)
def test_the_name_of_another_database_is_refused(production, applied, database_url, command):
    before = fingerprint(database_url)

    refused = production(*command, "--confirm", "shop")

    assert refused.exit_code == 7
    assert f"error[E709]: --confirm names 'shop', but the database is '{name_of(database_url)}'" in refused.stderr
    assert fingerprint(database_url) == before


def test_another_name_is_refused_where_none_is_needed_as_well(run, database_url, query):
    refused = run("drop", "--confirm", "shop", env={"DATABASE_URL": database_url})

    assert refused.exit_code == 7
    assert query(database_url, "select 1") == [(1,)]


def test_drop_with_the_name_drops_and_says_first_where(production, database_url, server):
    done = production("drop", "--confirm", name_of(database_url))

    assert done.exit_code == 0, done.stderr
    first, *_ = done.stderr.splitlines()
    assert re.fullmatch(rf"production · \S+@\S+/{name_of(database_url)} · drop the database", first)
    assert not exists(server, database_url)


def test_drop_says_where_it_goes_everywhere(run, database_url):
    done = run("drop", env={"DATABASE_URL": database_url})

    assert done.exit_code == 0
    assert re.match(rf"\S+@\S+/{name_of(database_url)} · drop the database\n", done.stderr)


def test_load_with_the_name_loads(production, project, database_url, query):
    project.schema_file.write_text("create table public.loaded (id int);")

    assert production("load", "--confirm", name_of(database_url)).exit_code == 0
    assert query(database_url, "select count(*) from loaded") == [(0,)]


# ------------------------------------------------------------------------------------------------------- nothing to ask


def test_questions_and_dry_runs_ask_nothing(production, applied):
    for command in (("status",), ("verify",), ("history",), ("up", "--dry-run"), ("rollback", "--all", "--dry-run")):
        done = production(*command)
        assert done.exit_code == 0, done.stderr


def test_where_nothing_is_to_be_done_nothing_is_asked(production, applied):
    production("up", "--yes")

    assert production("up").exit_code == 0
    assert production("repair").exit_code == 0


def test_a_database_is_created_without_a_question_but_not_filled(production, project, database_url, server, versions):
    project.migration("1_a", up=USERS)
    server.drop(name_of(database_url))

    assert production("up").exit_code == 7
    assert not exists(server, database_url)
    assert production("create").exit_code == 0
    assert production("up").exit_code == 7
    server.drop(name_of(database_url))
    assert production("up", "--yes").exit_code == 0
    assert versions() == ["1"]


def test_repair_and_baseline_need_it_too(production, applied, versions, query, database_url):
    path = applied.migrations / "1_a.sql"
    path.write_text(path.read_text().replace("bigint", "int"))

    assert production("repair").exit_code == 7
    assert production("verify").exit_code == 1
    assert production("repair", "--yes").exit_code == 0
    assert production("verify").exit_code == 0
    query(database_url, "drop table schema_migrations, schema_migrations_log")
    assert production("baseline", "1").exit_code == 7
    assert production("baseline", "1", "--yes").exit_code == 0
    assert versions() == ["1"]


def test_resume_needs_it_before_it_touches_anything(production, project, database_url, query, versions):
    query(database_url, "create table t (a int); insert into t values (1), (1)")
    project.migration(
        "1_a",
        up="create table log ();\ncreate unique index concurrently t_a on t (a);",
        up_options="transaction:false",
        down="drop table log;",
    )
    assert production("up", "--yes", "--allow-existing").exit_code == 5
    query(database_url, "delete from t")
    before = fingerprint(database_url)

    assert production("resume").exit_code == 7
    assert fingerprint(database_url) == before
    assert production("resume", "--undo").exit_code == 7
    assert fingerprint(database_url) == before
    assert production("resume", "--yes").exit_code == 0
    assert versions() == ["1"]


def test_the_demonstration_runs_whatever_the_environment_is(run, open_tmp_path):
    done = run("demo", cwd=open_tmp_path, env={"DBMIGRATE_ENV": "production"})

    assert done.exit_code == 0, done.stderr


# ----------------------------------------------------------------------------------------------------------- a terminal


def test_the_name_of_the_environment_is_typed(typing, applied, versions, database_url):
    done = typing("up", typed="production\n")

    assert done.exit_code == 0, done.stderr
    assert versions() == ["1", "2"]
    banner, note, step, question, *_ = done.stderr.splitlines()
    assert note.startswith("note[W713]: the files are in no git work tree")
    assert re.fullmatch(rf"production · \S+@\S+/{name_of(database_url)} · 1 pending", banner)
    assert step == "  apply 2_b.sql"
    assert question.startswith("Type production to continue: ")


@pytest.mark.parametrize("typed", ["\n", "y\n", "Production\n", "staging\n", "\x04", "production x\n"])
def test_anything_else_changes_nothing(typing, applied, database_url, typed):
    before = fingerprint(database_url)

    refused = typing("up", typed=typed)

    assert refused.exit_code == 7
    assert "error[E709]: 'production' was not typed" in refused.stderr
    assert fingerprint(database_url) == before


def test_the_question_is_whole_with_quiet_and_on_stderr_with_json(typing, applied, versions):
    quiet = typing("--quiet", "rollback", typed="\n")

    assert quiet.exit_code == 7
    assert re.match(r"production · \S+@\S+\n  undo 1_a.sql\nType production to continue: ", quiet.stderr)
    done = typing("--json", "up", typed="production\n")
    assert done.exit_code == 0
    assert done.stdout.startswith('{"format": "dbmigrate/1", "command": "up", "ok": true')


def test_the_name_of_the_database_is_typed_where_all_is_at_stake(typing, production, applied, versions, database_url):
    production("up", "--yes")

    assert typing("rollback", "--all", typed="production\n").exit_code == 7
    assert typing("drop", typed="production\n").exit_code == 7
    assert versions() == ["1", "2"]
    done = typing("rollback", "--all", typed=f"{name_of(database_url)}\n")
    assert done.exit_code == 0, done.stderr
    assert f"  undo 2_b.sql\n  undo 1_a.sql\nType {name_of(database_url)} to continue: " in done.stderr
    assert typing("drop", typed=f"{name_of(database_url)}\n").exit_code == 0


def test_a_database_that_is_missing_is_asked_for_once_and_created_after_the_answer(
    typing, project, server, database_url, versions
):
    project.migration("1_a", up=USERS)
    server.drop(name_of(database_url))

    assert typing("up", typed="no\n").exit_code == 7
    assert not exists(server, database_url)
    done = typing("up", typed="production\n")
    assert done.exit_code == 0, done.stderr
    assert done.stderr.count("Type production to continue") == 1
    assert versions() == ["1"]


def test_what_is_said_after_an_unanswered_question_begins_a_line_of_its_own(typing, applied):
    done = typing("up", typed="\x04")

    assert done.exit_code == 7
    assert "\nType production to continue: \nerror[E709]: " in done.stderr


def test_repair_asks_once(typing, applied):
    path = applied.migrations / "1_a.sql"
    path.write_text(path.read_text().replace("bigint", "int"))

    done = typing("repair", typed="production\n")

    assert done.exit_code == 0, done.stderr
    assert done.stderr.count("continue: ") == 1
    assert "[y/N]" not in done.stderr


@pytest.fixture
def waiting(runner, environ, applied):
    """`up` at a terminal, with its question asked and not answered yet."""
    keyboard, terminal = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "dbmigrate", "-e", "production", "up"],
        env=runner._environment(environ),
        cwd=runner.cwd,
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    runner.started.append(process)
    seen = b""
    while b"to continue: " not in seen:
        byte = process.stderr.read(1)
        assert byte, seen
        seen += byte
    yield process, lambda text: os.write(keyboard, text.encode())
    os.close(keyboard)
    os.close(terminal)


def test_others_can_migrate_while_a_person_thinks_and_then_the_answer_does_not_count(
    waiting, production, versions, database_url
):
    process, answer = waiting

    assert production("up", "--yes", "--lock-wait", "0").exit_code == 0
    before = fingerprint(database_url)
    answer("production\n")
    _, complaints = process.communicate(timeout=30)

    assert process.returncode == 2
    assert b"error[E239]: the plan changed after it was shown" in complaints
    assert fingerprint(database_url) == before


def test_a_file_that_is_edited_while_a_person_thinks_runs_as_it_was_shown(waiting, applied, query, database_url):
    process, answer = waiting
    applied.migration("2_b", up="create table something_else ();")

    answer("production\n")
    process.communicate(timeout=30)

    assert process.returncode == 0
    assert query(database_url, "select to_regclass('b') is not null, to_regclass('something_else')") == [(True, None)]


def test_a_connection_that_is_lost_while_a_person_thinks_is_an_error(waiting, server, database_url, versions):
    process, answer = waiting
    sessions = "from pg_stat_activity where datname = %s and application_name like 'dbmigrate%%'"
    server.admin.execute(f"select pg_terminate_backend(pid) {sessions}", [name_of(database_url)])
    assert eventually(lambda: not server.admin.execute(f"select 1 {sessions}", [name_of(database_url)]).fetchall())

    answer("production\n")
    _, complaints = process.communicate(timeout=30)

    assert process.returncode == 3, complaints
    assert versions() == ["1"]


# ---------------------------------------------------------------------------------------------- applied elsewhere first


@pytest.fixture
def both(environ, twin_database_url):
    return {**environ, "STAGING_DATABASE_URL": twin_database_url}


REQUIRED = ("--require-applied-in", "staging", "--yes")


def test_what_is_not_applied_in_staging_does_not_reach_production(run, project, both, database_url):
    project.migration("1_a", up=USERS)
    project.migration("2_b", up="create table b ();")
    run("-e", "staging", "up", "-n", "1", env=both)
    before = fingerprint(database_url)

    refused = run("-e", "production", "up", *REQUIRED, env=both)

    assert refused.exit_code == 7
    assert "error[E708]: not applied in staging: 2_b.sql\n" in refused.stderr
    assert fingerprint(database_url) == before
    assert run("-e", "production", "up", "-n", "1", *REQUIRED, env=both).exit_code == 0
    run("-e", "staging", "up", env=both)
    assert run("-e", "production", "migrate", *REQUIRED, env=both).exit_code == 0
    assert run("-e", "production", "up", *REQUIRED, env=both).exit_code == 0  # nothing to do


def test_an_edited_file_is_not_what_staging_has(run, project, both):
    project.migration("1_a", up=USERS)
    run("-e", "staging", "up", env=both)
    project.migration("1_a", up=USERS.replace("bigint", "int"))

    refused = run("-e", "production", "up", *REQUIRED, env=both)

    assert refused.exit_code == 7
    assert "applied in staging, but from another file of that version: 1_a.sql" in refused.stderr


def test_where_staging_has_no_log_its_versions_count(run, project, both, twin_database_url, query):
    project.migration("1_a", up=USERS)
    query(twin_database_url, "create table schema_migrations (version varchar primary key)")
    query(twin_database_url, "insert into schema_migrations values ('1')")

    assert run("-e", "production", "up", *REQUIRED, env=both).exit_code == 0


@pytest.mark.parametrize("fault", ["refused", "missing"])
def test_a_staging_that_cannot_be_asked_is_a_refusal(run, project, both, unused_port, server, fault, database_url):
    project.migration("1_a", up=USERS)
    url = f"postgres://u:s3cret@127.0.0.1:{unused_port}/x" if fault == "refused" else server.url("no_such")

    refused = run("-e", "production", "up", *REQUIRED, env={**both, "STAGING_DATABASE_URL": url})

    assert refused.exit_code == 7
    assert "error[E710]: cannot read the history of staging: " in refused.stderr
    assert "s3cret" not in refused.stderr


def test_a_staging_that_is_not_known_is_a_mistake_in_the_configuration(run, project, environ):
    project.migration("1_a", up=USERS)

    refused = run("-e", "production", "up", *REQUIRED, env=environ)

    assert refused.exit_code == 2
    assert "STAGING_DATABASE_URL is not set" in refused.stderr


def test_the_environment_itself_is_no_proof(run, project, environ):
    project.migration("1_a", up=USERS)

    refused = run("-e", "production", "up", "--require-applied-in", "PRODUCTION", "--yes", env=environ)

    assert (refused.exit_code, "error[E205]" in refused.stderr) == (2, True)


def test_the_project_file_can_require_it(run, project, both):
    project.migration("1_a", up=USERS)
    (project.root / "pyproject.toml").write_text(
        '[tool.dbmigrate.environments.production]\nrequire-applied-in = "staging"\n'
    )

    refused = run("-e", "production", "up", "--yes", env=both)

    assert (refused.exit_code, "error[E708]" in refused.stderr) == (7, True)
    assert run("-e", "staging", "up", env=both).exit_code == 0
    assert run("-e", "production", "up", "--yes", env=both).exit_code == 0
    assert run("-e", "production", "rollback", "--yes", env=both).exit_code == 0


def test_two_environments_for_a_command_that_works_on_one_are_refused(run, project, make_database):
    urls = {"DEV_DATABASE_URL": make_database(), "STAGING_DATABASE_URL": make_database()}
    project.migration("1_a", up="create table a (id int);")

    refused = run("-e", "dev", "up", "-e", "staging", env=urls)
    same = run("-e", "dev", "status", "-e", "dev", env=urls)

    assert refused.exit_code == 2
    assert "this command works on one environment, not on -e dev, -e staging" in refused.stderr
    assert same.exit_code == 0, same.stderr
