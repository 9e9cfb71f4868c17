"""`up --dry-run --execute --on URL`: the plan runs on a clone, for good, and is measured there."""

from __future__ import annotations

import json
import re
import signal

import pytest

from tests.support.children import eventually
from tests.support.projects import Project

ON = ("up", "--dry-run", "--execute", "--on")
ROWS = "insert into users select n, 'u' || n from generate_series(1, 20000) n; analyze users"


@pytest.fixture
def env(database_url, cluster_cache) -> dict[str, str]:
    return {"DATABASE_URL": database_url, "XDG_CACHE_HOME": str(cluster_cache)}


@pytest.fixture
def applied(project: Project, run, env, query, database_url, twin_database_url) -> Project:
    """A project with one applied migration, on the target and on a clone with 20,000 rows."""
    project.migration("1_users", up="create table users (id int primary key, name text);", down="drop table users;")
    for url in (database_url, twin_database_url):
        assert run("up", "--no-dump-schema", env=env | {"DATABASE_URL": url}).exit_code == 0
    query(twin_database_url, ROWS)
    return project


def _by_line(done) -> dict[tuple[str, int], dict]:
    return {(each["version"], each["line"]): each for each in json.loads(done.stdout)["statements"]}


def _versions(query, url: str) -> list[str]:
    return [row[0] for row in query(url, "select version from schema_migrations order by 1")]


READER = "select name from users where id = 7"


def test_a_wait_in_a_lock_is_reported_with_its_statement_and_the_stalled_query(
    applied, run, env, query, database_url, twin_database_url
):
    applied.migration("2_mail", up="alter table users add mail text;\nselect pg_sleep(3);")
    summary = applied.root / "summary.md"

    done = run(*ON, twin_database_url, "--traffic", READER, "--json", "--summary", str(summary), env=env)

    assert done.exit_code == 0, done.stderr
    statements = _by_line(done)
    alter, sleep = statements["2", 2], statements["2", 3]
    (lock,) = alter["locks"]
    assert (lock["table"], lock["lock"]) == ("users", "ACCESS EXCLUSIVE")
    assert lock["held_ms"] == pytest.approx(3000, rel=0.2)
    assert sleep["duration_ms"] == pytest.approx(3000, rel=0.2)
    assert alter["duration_ms"] < 600
    assert sleep["locks"] == []
    assert sleep["while_holding"] == [{"table": "users", "lock": "ACCESS EXCLUSIVE"}]
    assert alter["stall_ms"] == pytest.approx(3000, rel=0.2)
    assert sleep["stall_ms"] is None
    stall = json.loads(done.stdout)["traffic"]["longest_stall"]
    assert (stall["query"], stall["table"]) == (READER, "users")
    assert stall["duration_ms"] == pytest.approx(3000, rel=0.2)
    text = summary.read_text()
    assert "| ⚠️ | 2_mail.sql:2 `alter table users add mail text` |" in text
    assert re.search(rf"longest stall [23]\.\d s: `{READER}`", text)
    assert "is migrated, and stays so" in done.stderr
    assert _versions(query, database_url) == ["1"]
    assert _versions(query, twin_database_url) == ["1", "2"]


def test_a_rollback_is_rehearsed_on_a_clone_and_measured_there(
    applied, run, env, query, database_url, twin_database_url
):
    summary = applied.root / "summary.md"
    back = ("rollback", *ON[1:])

    done = run(*back, twin_database_url, "--traffic", READER, "--json", "--summary", str(summary), env=env)
    alone = run("rollback", "--traffic", READER, env=env)
    target = run(*back, database_url, env=env)

    assert done.exit_code == 0, done.stderr
    (statement,) = _by_line(done).values()
    assert (statement["version"], statement["locks"][0]["lock"]) == ("1", "ACCESS EXCLUSIVE")
    assert "is rolled back, and stays so" in done.stderr
    assert "drop table users" in summary.read_text()
    assert query(twin_database_url, "select to_regclass('users')") == [(None,)]
    assert (_versions(query, database_url), _versions(query, twin_database_url)) == (["1"], [])
    assert (alone.exit_code, "--traffic needs --on" in alone.stderr) == (2, True)
    assert (target.exit_code, "error[E780]" in target.stderr) == (7, True)


def test_without_a_wait_there_is_no_stall_and_the_work_is_counted(applied, run, env, twin_database_url):
    applied.migration(
        "2_work",
        up="create table notes (id int);\nupdate users set name = name || 'x';\n"
        "insert into notes values (1);\ninsert into notes values (2);",
    )
    applied.migration("3_type", up="alter table users alter id type bigint;\ncreate index users_name on users (name);")
    applied.migration(
        "4_sort",
        up="set local work_mem = '64kB';\n"
        "do $$ begin perform 1 from (select md5(a.name) from users a, generate_series(1, 20) order by 1 offset 1) s;"
        " perform pg_sleep(0.1); end $$;",
    )
    applied.write(
        "5_index.sql",
        "-- migrate:up transaction:false\ncreate index concurrently users_id on users (id);\n"
        "vacuum full users;\nupdate users set name = 'y' where id < 11;\n-- migrate:down\n",
    )

    done = run(
        *ON, twin_database_url, "--traffic", "select 1", "--traffic", "table schema_migrations", "--json", env=env
    )

    assert done.exit_code == 0, done.stderr
    found, statements = json.loads(done.stdout), _by_line(done)
    assert found["traffic"]["longest_stall"] is None
    assert found["traffic"]["sessions"] == 2
    assert found["traffic"]["during"]["queries"] > 0
    assert statements["2", 3]["rows"] == 20000
    assert statements["2", 3]["wal_bytes"] > 20000 * 20
    assert (statements["2", 4]["rows"], statements["2", 4]["statements"]) == (2, 2)
    table, key = statements["3", 2]["rewritten"]
    assert key["index"] == "users_pkey"
    assert (table["table"], table["index"], table["rows"]) == ("users", None, 20000)
    assert table["bytes"] > 20000 * 20
    assert [each["index"] for each in statements["3", 3]["rewritten"]] == ["users_name"]
    assert found["temporary_bytes"] > 1 << 20
    assert statements["4", 3]["temporary_bytes"] > 1 << 20
    assert [each["index"] for each in statements["5", 2]["rewritten"]] == ["users_id"]
    assert [each["rows"] for each in statements["5", 3]["rewritten"] if each["index"] is None] == [20000]
    assert statements["5", 3]["locks"][0]["lock"] == "ACCESS EXCLUSIVE"
    assert statements["5", 4]["rows"] == 10
    assert statements["5", 4]["locks"][0]["lock"] == "ROW EXCLUSIVE"


def test_what_is_no_clone_is_refused_and_nothing_runs(
    applied, run, env, query, make_database, database_url, twin_database_url
):
    applied.migration("2_mail", up="alter table users add mail text;", down="alter table users drop column mail;")
    empty = make_database()

    def refused(url: str, *more: str, **variables: str):
        done = run(*ON, url, *more, env=env | variables)
        assert done.stdout == ""
        return done.exit_code, done.stderr

    code, text = refused(f"{database_url}&application_name=other")
    assert (code, "error[E780]" in text) == (7, True), text
    code, text = refused(twin_database_url, PRODUCTION_DATABASE_URL=twin_database_url, DBMIGRATE_PROTECTED="production")
    assert (code, "error[E781]: --on names the database of the protected environment production" in text) == (7, True)
    code, text = refused(empty)
    assert (code, "error[E782]" in text, "missing on the clone: 1" in text) == (7, True, True), text
    query(
        empty, "create table schema_migrations (version varchar primary key); insert into schema_migrations values (0)"
    )
    code, text = refused(empty)
    assert "missing on the clone: 1; only on the clone: 0" in text
    code, text = refused(twin_database_url, "--traffic", "select 1; table nowhere")
    assert (code, "error[E430]" in text, '"nowhere" does not exist: table nowhere' in text) == (4, True, True), text
    code, text = refused(twin_database_url, "--traffic", "begin; select 1")
    assert (code, "--traffic: BEGIN is not a query" in text) == (2, True), text
    code, text = refused(twin_database_url, "--traffic", "missing.sql")
    assert (code, "error[E207]" in text) == (2, True), text
    name = query(twin_database_url, "select current_database()")[0][0]
    query(twin_database_url, f"alter database {name} set default_transaction_read_only = on")
    code, text = refused(twin_database_url)
    assert (code, "error[E704]" in text, name in text) == (7, True, True), text

    for wrong in (ON[:2], ("up", "--traffic", "select 1"), (*ON[:3], "--in-place"), ("up", "--summary", "x")):
        arguments = (
            (*wrong, "--on", twin_database_url) if "--traffic" not in wrong and "--summary" not in wrong else wrong
        )
        done = run(*arguments, env=env)
        assert (done.exit_code, "error[E200]" in done.stderr) == (2, True), done.stderr
    assert _versions(query, database_url) == _versions(query, twin_database_url) == ["1"]
    assert _versions(query, empty) == ["0"]


def test_a_failure_on_the_clone_is_that_of_a_run(applied, run, env, query, database_url, twin_database_url):
    applied.migration("2_good", up="alter table users add mail text;")
    applied.write(
        "3_bad.sql",
        "-- migrate:check select count(*) = 0 from users\n-- migrate:up\nselect 1;\n-- migrate:down\n",
    )

    done = run(*ON, twin_database_url, "--traffic", READER, env=env)

    assert done.exit_code == 4
    assert "error[E413]" in done.stderr
    assert "this was a rehearsal: the database is as it was" in done.stderr
    assert _versions(query, database_url) == ["1"]
    assert _versions(query, twin_database_url) == ["1", "2"]


def test_a_role_without_special_rights_can_rehearse_and_is_told_what_it_cannot_see(
    project, run, env, query, make_database, server
):
    role = f"rehearser_{server.version}_{project.root.name[-12:]}".lower()
    target, clone = make_database(), make_database()
    query(target, f"create role \"{role}\" login password 'secret'")
    try:
        project.migration("1_users", up="create table users (id int primary key);\ninsert into users values (1);")
        urls = []
        for url in (target, clone):
            name = query(url, "select current_database()")[0][0]
            query(url, f'grant all on database {name} to "{role}"; create schema "{role}" authorization "{role}"')
            urls.append(url.replace(f"{server.superuser}@", f"{role}:secret@") if "@" in url else url)

        done = run(*ON, urls[1], "--traffic", "select 1", env=env | {"DATABASE_URL": urls[0]})

        assert done.exit_code == 0, done.stderr
        assert "note[W391]" in done.stderr
        assert f"the role {role} may not see the temporary files of single statements" in done.stderr
        assert "insert into users values (1)" in done.stdout
    finally:
        for url in (target, clone):
            query(url, f'drop owned by "{role}" cascade')
        query(target, f'drop role "{role}"')


def test_ctrl_c_ends_the_traffic_as_well(applied, start, env, query, database_url, twin_database_url):
    applied.migration("2_slow", up="alter table users add mail text;\nselect pg_sleep(30);")
    process = start(*ON, twin_database_url, "--traffic", READER, env=env)
    waiting = (
        "select 1 from pg_stat_activity where application_name like 'dbmigrate traffic%' and wait_event_type = 'Lock'"
    )
    assert eventually(lambda: query(twin_database_url, waiting))

    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=15)

    assert process.returncode == 130, errors
    assert "2_slow" in errors
    assert _versions(query, twin_database_url) == ["1"]
    ours = "select 1 from pg_stat_activity where application_name like 'dbmigrate%' and datname = current_database()"
    assert eventually(lambda: not query(twin_database_url, ours))
