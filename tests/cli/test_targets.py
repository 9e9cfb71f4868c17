"""One command on several targets: databases and schemas, some of which fail."""

from __future__ import annotations

import json

import psycopg
import pytest

from dbmigrate.execution import run_lock

UP = ("up", "--parallel", "2")


@pytest.fixture
def two(project):
    """Two migrations."""
    project.migration("101_a", up="create table a (id int);\ninsert into a values (1);", down="drop table a;")
    project.migration("102_b", up="create table b (id int);", down="drop table b;")
    return project


@pytest.fixture
def listed(tmp_path):
    """`listed(line, ...)` writes a list of targets and returns its path."""

    def write(*lines: str) -> str:
        (tmp_path / "targets.txt").write_text("".join(f"{line}\n" for line in lines))
        return "targets.txt"

    return write


def schemas(count: int) -> list[str]:
    return [f"schema:tenant_{number:02}" for number in range(1, count + 1)]


def objects(text: str) -> dict[str, dict]:
    """The lines of a report by their target."""
    return {value["target"]: value for value in map(json.loads, text.splitlines()) if "target" in value}


def rows(query, url: str) -> dict[str, int]:
    """How often the first migration ran, by schema."""
    found = query(url, "select nspname::text from pg_namespace where nspname like 'tenant%'")
    return {name: query(url, f"select count(*) from {name}.a")[0][0] for (name,) in found}


def is_current(command, path: str) -> bool:
    return command("status", "--targets", path, "--exit-code").exit_code == 0


# -- what is done


def test_every_schema_gets_its_own_tables_and_history(command, two, listed, query, database_url):
    path = listed(*schemas(3))

    done = command(*UP, "--targets", path)

    assert done.exit_code == 0
    assert [line.split()[:4] for line in sorted(done.stdout.splitlines()) if line.startswith("done")] == [
        ["done", name, "2", "applied"] for name in schemas(3)
    ]
    assert done.stdout.splitlines()[-1].startswith("3 targets: 3 done · ")
    assert rows(query, database_url) == {"tenant_01": 1, "tenant_02": 1, "tenant_03": 1}
    assert query(database_url, "select count(*) from tenant_02.schema_migrations") == [(2,)]
    assert not two.schema_file.exists()


def test_databases_that_are_missing_are_made_by_up(command, two, listed, server, make_database, query, database_url):
    names = [f"{database_url.partition('?')[0].rpartition('/')[2]}_{letter}" for letter in "ab"]
    path = listed(*(f"database:{name}" for name in names))
    try:
        done = command(*UP, "--targets", path)

        assert done.exit_code == 0
        assert [query(server.url(name), "select count(*) from a") for name in names] == [[(1,)], [(1,)]]
    finally:
        for name in names:
            server.drop(name)


def test_urls_need_no_configured_database(run, two, listed, database_url, twin_database_url, query):
    path = listed(database_url, twin_database_url)

    done = run("migrate", "--targets", path)

    assert done.exit_code == 0, done.stderr
    assert [query(url, "select count(*) from a") for url in (database_url, twin_database_url)] == [[(1,)], [(1,)]]


def test_a_second_run_has_nothing_to_do(command, two, listed, query, database_url):
    path = listed(*schemas(2))
    command(*UP, "--targets", path)

    again = command(*UP, "--targets", path)

    assert again.exit_code == 0
    assert again.stdout.count("nothing to do") == 2
    assert rows(query, database_url) == {"tenant_01": 1, "tenant_02": 1}


def test_a_query_names_the_targets(command, two, query, database_url):
    query(database_url, "create schema tenant_b; create schema tenant_a; create schema other")
    selected = "select 'schema:' || nspname from pg_namespace where nspname like 'tenant%'"

    done = command("up", "--targets-query", selected, "--json")

    assert sorted(objects(done.stdout)) == ["schema:tenant_a", "schema:tenant_b"]
    assert rows(query, database_url) == {"tenant_a": 1, "tenant_b": 1}


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("select 'schema:a', 1", "E273"),
        ("select null::text", "E273"),
        ("select 1", "E273"),
        ("select 'schema:a' where false", "E273"),
        ("create table made (id int)", "E402"),
        ("select nonsense", "E402"),
    ],
)
def test_a_query_that_names_no_targets_is_refused(command, two, statement, code):
    assert f"error[{code}]" in command("up", "--targets-query", statement).stderr


def test_the_list_may_come_from_standard_input(runner, two, database_url, query):
    env = {"DATABASE_URL": database_url}

    done = runner.run("up", "--targets", "-", env=env, input="schema:tenant_01\r\n# and no other\r\n")

    assert done.exit_code == 0
    assert rows(query, database_url) == {"tenant_01": 1}


def test_rollback_arrives_at_a_version_everywhere(command, two, listed, query, database_url):
    path = listed(*schemas(2))
    command(*UP, "--targets", path)

    first, second = (command("rollback", "--to", "101", "--targets", path) for _ in range(2))

    assert (first.exit_code, first.stdout.count("1 rolled back")) == (0, 2)
    assert (second.exit_code, second.stdout.count("nothing to do")) == (0, 2)
    assert rows(query, database_url) == {"tenant_01": 1, "tenant_02": 1}


def test_questions_have_a_line_for_each_target(command, two, listed, query, database_url):
    path = listed(*schemas(2))
    command("up", "--to", "101", "--targets", path)
    query(database_url, "update tenant_02.schema_migrations_log set checksum = repeat('0', 64), token_checksum = null")

    status = command("status", "--targets", path, "--exit-code")
    verify = command("verify", "--targets", path)

    assert status.exit_code == 1
    lines = sorted(line.partition(" in ")[0] for line in status.stdout.splitlines())
    assert lines[1:] == [f"no         {name}  1 applied · 1 pending" for name in schemas(2)]
    assert verify.exit_code == 1
    assert "done       schema:tenant_01  files and history agree in " in verify.stdout
    assert "no         schema:tenant_02  1 disagreement in " in verify.stdout


def test_drift_compares_each_database(command, two, make_database, listed, query):
    urls = [make_database(), make_database()]
    path = listed(*urls)
    command("up", "--targets", path)
    query(urls[1], "create table surplus (id int)")

    found = command("drift", "--against", "migrations", "--targets", path)

    assert found.exit_code == 1
    assert sorted(line.split()[0] for line in found.stdout.splitlines()) == ["2", "done", "no"]


def test_backfills_run_everywhere(command, project, listed, query, database_url):
    project.migration("101_a", up="create table a (id int primary key, n int);\ninsert into a values (1), (2);")
    project.write(
        "102_n.sql", "-- migrate:up backfill:a\nupdate a set n = id where n is null and :batch;\n\n-- migrate:down\n"
    )
    path = listed(*schemas(2))
    deferred = command("up", "--defer-backfills", "--targets", path)

    done = command("backfill", "--targets", path)

    assert (deferred.exit_code, done.exit_code) == (0, 0)
    assert deferred.stdout.count("1 backfill deferred") == 2
    assert [query(database_url, f"select sum(n) from tenant_0{n}.a") for n in (1, 2)] == [[(3,)], [(3,)]]


# -- what fails


def test_of_forty_tenants_three_fail_and_a_second_run_does_the_rest_alone(
    command, two, listed, query, database_url, twin_database_url, unused_port
):
    unreachable = f"postgres://nobody:s3cret@127.0.0.1:{unused_port}/tenant_40?sslmode=disable"
    path = listed(*schemas(39), unreachable)
    query(database_url, "create schema tenant_07; create table tenant_07.b (id int)")
    key = run_lock.key_for("tenant_11.schema_migrations")
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute(f"select pg_advisory_lock({key.sql})".encode())

        first = command("up", "--targets", path, "--lock-wait", "3s", "--json", timeout=120)

    found = objects(first.stdout)
    assert first.exit_code == 4
    assert len(found) == 40
    wrong = {name: (value["exit_code"], value["error"]["code"]) for name, value in found.items() if not value["ok"]}
    bare = unreachable.replace(":s3cret", "")
    assert wrong == {"schema:tenant_07": (4, "E401"), "schema:tenant_11": (6, "E601"), bare: (3, "E301")}
    total = json.loads(first.stdout.splitlines()[-1])
    assert (total["targets"], total["results"], total["exit_code"]) == (40, {"done": 37, "failed": 3}, 4)
    assert "waiting    schema:tenant_11" in first.stderr
    for name in wrong:
        assert f"FAILED     {name}" in first.stderr
    assert "s3cret" not in first.stdout + first.stderr
    assert query(database_url, "select count(*) from tenant_07.schema_migrations") == [(1,)]

    query(database_url, "drop table tenant_07.b")
    report = [line.replace(bare, twin_database_url) for line in first.stdout.splitlines()]
    second = command("up", "--targets", listed(*report), "--json", timeout=120)

    assert second.exit_code == 0
    changed = {name: len(value["done"]) for name, value in objects(second.stdout).items() if value["done"]}
    assert sorted(changed.values()) == [1, 2, 2]
    assert {"schema:tenant_07", "schema:tenant_11"} < set(changed)
    assert set(rows(query, database_url).values()) == {1}
    assert query(database_url, "select count(*) from tenant_11.schema_migrations") == [(2,)]
    assert is_current(command, listed(*schemas(39), twin_database_url))


def test_people_see_what_failed_where_and_what_to_do(command, two, listed, query, database_url):
    query(database_url, "create schema tenant_02; create table tenant_02.b (id int)")
    path = listed(*schemas(3))

    done = command(*UP, "--targets", path)

    assert done.exit_code == 4
    assert 'FAILED     schema:tenant_02  E401 relation "b" already exists' in done.stderr
    assert "102_b.sql:2:14 · rolled back" in done.stderr
    *_, total, failure, again = done.stdout.splitlines()
    assert total.startswith("3 targets: 2 done, 1 failed · ")
    assert failure.startswith("FAILED     schema:tenant_02  E401 ")
    assert again == f"go on with: dbmigrate up --parallel 2 --targets {path}"


def test_after_the_allowed_failures_no_target_starts(command, project, listed, query, database_url):
    project.migration("101_a", up="select 1/0;")

    done = command("up", "--targets", listed(*schemas(6)), "--parallel", "1", "--max-failures", "2")

    assert done.exit_code == 4
    assert "2 failed, 4 not started" in done.stdout
    assert "not started (2 failed, and --max-failures is 2): schema:tenant_03, " in done.stdout


def test_a_wrong_file_stops_the_run(command, project, listed):
    project.write("101_a.sql", "-- migrate:up\nselect 'open;\n\n-- migrate:down\n")

    done = command("up", "--targets", listed(*schemas(6)), "--parallel", "1")

    assert done.exit_code == 2
    assert "1 failed, 5 not started" in done.stdout
    assert "a file or a setting is wrong" in done.stdout


def test_more_than_ten_failures_are_counted(command, project, listed):
    project.migration("101_a", up="select 1/0;")

    done = command("up", "--targets", listed(*schemas(12)))

    assert done.stdout.count("FAILED") == 10
    assert "and 2 more; all of them: 12 x 22012" in done.stdout


def test_no_files_is_one_error(command, project, listed):
    done = command("up", "--targets", listed(*schemas(3)))

    assert done.exit_code == 2
    assert done.stderr.count("error[E230]") == 1
    assert done.stdout == ""


# -- canaries


def test_without_a_terminal_the_canary_needs_yes(command, two, listed, query, database_url):
    path = listed(*schemas(5))

    done = command("up", "--targets", path, "--canary", "2")

    assert done.exit_code == 7
    assert "error[E706]" in done.stderr
    assert f"go on with: dbmigrate up --targets {path} --canary 2 --yes" in done.stderr
    assert "2 done, 3 not started" in done.stdout
    assert rows(query, database_url) == {"tenant_01": 1, "tenant_02": 1}

    more = command("up", "--targets", path, "--canary", "2", "--yes")

    assert more.exit_code == 0
    assert len(rows(query, database_url)) == 5


@pytest.mark.parametrize(("typed", "code", "count"), [("y\n", 0, 3), ("\n", 7, 1)])
def test_on_a_terminal_the_canary_is_followed_by_a_question(
    runner, two, listed, query, database_url, typed, code, count
):
    done = runner.run_typing(
        "up", "--targets", listed(*schemas(3)), "--canary", "1", typed=typed, env={"DATABASE_URL": database_url}
    )

    assert "up on the other 2? [y/N]" in done.stderr
    assert (done.exit_code, len(rows(query, database_url))) == (code, count)


def test_after_a_failed_canary_nobody_is_asked(command, two, listed, query, database_url):
    query(database_url, "create schema tenant_02; create table tenant_02.a (id int)")

    done = command("up", "--targets", listed(*schemas(5)), "--canary", "2", "--yes")

    assert done.exit_code == 4
    assert "1 done, 1 failed, 3 not started" in done.stdout
    assert "not started (the canary failed)" in done.stdout


# -- protected environments


def protected(url: str) -> dict[str, str]:
    return {"PRODUCTION_DATABASE_URL": url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"}


def test_a_protected_environment_is_confirmed_once_for_all(runner, two, listed, query, database_url):
    words = ("-e", "production", "up", "--targets", listed(*schemas(2)))
    env = protected(database_url)

    refused = runner.run(*words, env=env)
    other = runner.run_typing(*words, typed="prod\n", env=env)
    done = runner.run_typing(*words, typed="production\n", env=env)

    assert (refused.exit_code, "error[E707]" in refused.stderr, refused.stdout) == (7, True, "")
    assert (other.exit_code, "error[E709]" in other.stderr) == (7, True)
    assert "Type production to run up on 2 targets" in done.stderr
    assert (done.exit_code, len(rows(query, database_url))) == (0, 2)


def test_the_url_of_a_protected_database_is_not_confirmed_by_being_in_a_list(run, two, listed, query, database_url):
    done = run("up", "--targets", listed(database_url), env=protected(database_url))

    assert done.exit_code == 7
    assert "E707" in done.stderr
    assert query(database_url, "select to_regclass('a')") == [(None,)]


# -- the list


def test_a_database_under_two_names_is_changed_once(run, server, two, listed, query, database_url):
    name = database_url.partition("?")[0].rpartition("/")[2]
    url = server.tcp_url(name)
    twin = url.replace("127.0.0.1", "localhost") if "127.0.0.1" in url else url + "?application_name=x"
    two.migration("103_c", up="select pg_sleep(0.3), 1/0;")

    done = run("up", "--targets", listed(url, twin), "--json")

    found = objects(done.stdout)
    if len(found) == 2:
        assert sorted(value["error"]["code"] for value in found.values()) == ["E401", "E757"]
    assert query(database_url, "select count(*) from a") == [(1,)]
    assert query(database_url, "select count(*) from schema_migrations_log where sqlstate is not null") == [(1,)]


def test_what_is_listed_twice_runs_once(command, two, listed):
    done = command("up", "--targets", listed("schema:tenant_01", "schema:tenant_02", "schema:tenant_01"))

    assert done.exit_code == 0
    assert "warning[W750]: targets are listed twice, and run once: schema:tenant_01" in done.stderr
    assert "2 targets: 2 done" in done.stdout


@pytest.fixture
def gone(command, two, listed):
    """Three schemas in which a migration is applied whose file is gone."""
    assert command("up", "--targets", listed(*schemas(3))).exit_code == 0
    two.migrations.joinpath("101_a.sql").unlink()
    two.migration("103_c", up="create table c ();", down="drop table c;")


def warnings(done, code):
    return [line for line in done.stderr.splitlines() if f"warning[{code}]" in line]


@pytest.mark.parametrize(("number", "who"), [(3, "all 3 targets"), (4, "3 of 4 targets")])
@pytest.mark.parametrize("name", ["up", "status"])
def test_a_warning_that_targets_share_is_counted_at_the_end(command, gone, listed, name, number, who):
    done = command(name, "--targets", listed(*schemas(number)), "--parallel", "1")

    first, last = warnings(done, "W670")
    assert first == "schema:tenant_01: warning[W670]: the file of an applied migration is missing: 101_a.sql"
    assert last == first.replace("schema:tenant_01", who)
    assert done.stderr.index(last) > done.stderr.index(first)


def test_a_warning_of_one_target_is_its_own(command, gone, listed):
    done = command("up", "--targets", listed("schema:tenant_01", "schema:tenant_09"))

    assert [line.partition(":1")[0].partition(": ")[0] for line in warnings(done, "W670")] == ["schema:tenant_01"]


def test_a_warning_of_several_targets_is_counted_for_programs(command, gone, listed):
    done = command("up", "--targets", listed(*schemas(4)), "--json", "--log-format", "json")

    shared = [line for line in map(json.loads, done.stderr.splitlines()) if "targets" in line]
    assert [(line["code"], line["targets"]) for line in shared] == [("W670", 3)]
    problems = {name: [each["code"] for each in value["problems"]] for name, value in objects(done.stdout).items()}
    assert problems == {**{name: ["W670"] for name in schemas(3)}, "schema:tenant_04": []}


def test_of_warnings_that_differ_three_are_shown_and_the_others_counted(command, two, listed, query, database_url):
    for name in schemas(5):
        schema = name.removeprefix("schema:")
        query(database_url, f"create schema {schema}; create table {schema}.other ()")

    done = command("up", "--targets", listed(*schemas(5)), "--parallel", "1")

    *shown, more = warnings(done, "W666")
    assert [line.partition(": warning")[0] for line in shown] == schemas(3)
    assert more == "2 more targets: warning[W666]: one of their own; --json shows each"


@pytest.mark.parametrize("words", [("status",), ("history",), ("wait", "--for", "current"), ("up",)], ids=" ".join)
def test_without_the_list_a_command_says_how_to_name_targets(command, two, listed, words):
    assert command("up", "--targets", listed(*schemas(2))).exit_code == 0

    done = command(*words)

    assert done.exit_code == 7
    assert (
        "hint: if they are targets: `dbmigrate status --targets FILE`, or one alone with"
        " --url URL?search_path=tenant_01; to use that history: " in done.stderr
    )


def test_one_target_alone_is_found_as_the_hint_says(command, two, listed, database_url):
    assert command("up", "--targets", listed(*schemas(2))).exit_code == 0
    url = f"{database_url}{'&' if '?' in database_url else '?'}search_path=tenant_02"

    for words in (("status",), ("history",), ("wait", "--for", "current")):
        assert command("--url", url, *words).exit_code == 0


def test_a_command_for_one_target_has_to_name_it(command, project, listed):
    project.migration("1_a", up="create table a ();\nselect nothing;", up_options="transaction:false")

    done = command("up", "--targets", listed("schema:tenant_01"))

    assert "`dbmigrate --url URL resume`; `dbmigrate status --targets targets.txt` shows" in done.stderr


def test_shards_together_are_the_whole(command, two, listed, query, database_url):
    path = listed(*schemas(8))
    found = [set(objects(command("up", "--targets", path, "--shard", f"{n}/3", "--json").stdout)) for n in (1, 2, 3)]

    assert sum(map(len, found)) == 8
    assert len(rows(query, database_url)) == 8


def test_a_shard_without_targets_is_no_failure(command, two, listed):
    path = listed("schema:tenant_01")
    done = [command("up", "--targets", path, "--shard", f"{number}/2") for number in (1, 2)]

    assert [each.exit_code for each in done] == [0, 0]
    assert sum("W751" in each.stderr for each in done) == 1


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("up", "--parallel", "2"), "E200"),
        (("up", "--canary", "2"), "E200"),
        (("up", "--targets", "t", "--targets-query", "select 1"), "E200"),
        (("up", "--targets", "missing.txt"), "E207"),
        (("up", "--targets", "t", "--shard", "0/4"), "E205"),
        (("up", "--targets", "t", "--shard", "5/4"), "E205"),
        (("up", "--targets", "t", "--shard", "a"), "E205"),
        (("up", "--targets", "t", "--dry-run"), "E274"),
        (("up", "--targets", "t", "--expect-plan", "abc"), "E274"),
        (("up", "--targets", "t", "--backup", "d"), "E274"),
        (("up", "--targets", "t", "--schema-file", "s.sql"), "E274"),
        (("up", "--targets", "t", "--steps", "1"), "E274"),
        (("up", "--targets", "t", "--migrations-table", "app.versions"), "E274"),
        (("rollback", "--targets", "t"), "E274"),
        (("rollback", "--targets", "t", "--to", "101", "--confirm", "x"), "E274"),
        (("status", "--targets", "t", "--all"), "E274"),
        (("status", "--targets", "t", "--all-services"), "E274"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_done(command, two, tmp_path, query, database_url, words, code):
    (tmp_path / "t").write_text("schema:tenant_01\n")

    done = command(*words)

    assert f"error[{code}]" in done.stderr
    assert done.exit_code == 2
    assert query(database_url, "select count(*) from pg_namespace where nspname like 'tenant%'") == [(0,)]


@pytest.mark.parametrize("name", ['Ten"ant; drop table x', "tenant-1", "TENANT", "ten ant", "mandant_ä"])
def test_hostile_names_are_names(command, two, listed, query, database_url, name):
    done = command("up", "--targets", listed(f"schema:{name}"))

    assert done.exit_code == 0, done.stderr
    assert query(database_url, "select count(*) from pg_tables where schemaname = %s and tablename = 'a'", [name]) == [
        (1,)
    ]


# -- what is printed


def test_quiet_prints_the_end_alone(command, two, listed):
    done = command("up", "-q", "--targets", listed(*schemas(2)))

    assert (done.stdout.count("\n"), done.stderr) == (1, "")


def test_a_pipe_gets_lines_and_no_carriage_returns(command, two, listed):
    done = command("up", "--targets", listed(*schemas(3)))

    assert "\r" not in done.stdout + done.stderr
    assert done.stderr == "up on 3 targets · 3 at a time\n"
