"""`check --branch`: two branches are applied in either order; the pair of files that does not commute is named."""

from __future__ import annotations

import json
import os

import pytest

from tests.support.git import Repository

BASE = "create table t (id int generated always as identity primary key, name text, size int);"


@pytest.fixture
def branches(project, runner, server):
    """Writes what both branches have, what ours adds, what main adds, and compares ours with main."""
    repository = Repository.made(project.root, runner.home)
    scratch = {"DBMIGRATE_SCRATCH_URL": server.url("postgres")}

    def make(ours, theirs, *, base=(("001_base", BASE),), seeds=()):
        for name, text in seeds:
            path = project.root / "db" / "seeds" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, "utf-8")
        _write(project, base)
        repository.commit()
        repository.git("branch", "ours")
        _write(project, theirs)
        repository.commit()
        repository.git("checkout", "-q", "ours")
        _write(project, ours)

    def compare(*arguments, env=scratch):
        return runner.run("check", "--branch", "main", *arguments, env=env)

    make.compare, make.repository = compare, repository
    return make


def _write(project, files):
    for name, up in files:
        project.migration(name, up=up)


def codes(done):
    return [each["code"] for each in json.loads(done.stdout)["findings"]]


def test_branches_that_each_add_a_table_can_be_merged(branches):
    branches([("002_a", "create table a ();")], [("003_b", "create table b ();")])

    done = branches.compare()

    assert done.exit_code == 0, done.stdout + done.stderr
    assert "1 migration of this branch, 1 of main: 2 runs on " in done.stdout
    assert "rows not compared" in done.stdout
    assert codes(branches.compare("--json")) == ["C133"]  # that there were no rows


def test_the_pair_that_does_not_commute_is_named(branches):
    ours = [
        ("002_a", "create table a ();"),
        ("004_name", "alter table t alter name set default 'x';"),
        ("006_c", "create table c ();"),
    ]
    theirs = [
        ("003_b", "create table b ();"),
        ("005_name", "alter table t alter name set default 'y';"),
        ("007_d", "create table d ();"),
    ]
    branches(ours, theirs)

    done = branches.compare()

    assert done.exit_code == 1
    assert "error[C130]: 004_name.sql (this branch) and 005_name.sql (main) do not commute" in done.stdout
    assert "with 005_name.sql first, default of column public.t.name is 'x'::text, was 'y'::text" in done.stdout
    assert "--> db/migrations/004_name.sql:1" in done.stdout


def test_a_migration_that_fails_after_the_other_branch_is_named_with_it(branches):
    branches(
        [("002_a", "create table a ();"), ("003_drop", "alter table t drop column size;")],
        [("004_index", "create index on t (size);"), ("005_b", "create table b ();")],
    )

    done = branches.compare()

    assert done.exit_code == 1
    assert "003_drop.sql (this branch) and 004_index.sql (main) do not commute" in done.stdout
    assert "with 003_drop.sql first, 004_index.sql fails: " in done.stdout
    assert 'column "size" does not exist' in done.stdout


def test_two_branches_that_make_the_same_table_are_named(branches):
    branches([("002_a", "create table x ();")], [("003_b", "create table x ();")])

    done = branches.compare()

    assert done.exit_code == 1
    assert "002_a.sql (this branch) and 003_b.sql (main) do not commute" in done.stdout
    assert 'relation "x" already exists' in done.stdout


def test_what_fails_whatever_the_order_is_not_blamed_on_the_other_branch(branches):
    branches([("002_a", "create table a ();")], [("003_b", "create table nowhere.b ();")])

    done = branches.compare()

    assert done.exit_code == 1
    assert "error[C131]: 003_b.sql fails whatever the order" in done.stdout
    assert "--> main:db/migrations/003_b.sql:2:14" in done.stdout
    assert "C130" not in done.stdout


def test_the_order_of_columns_alone_is_a_note(branches):
    branches([("002_a", "alter table t add a int;")], [("003_b", "alter table t add b int;")])

    done = branches.compare()

    assert done.exit_code == 0
    assert (
        "note[C132]: the order of the columns of table public.t depends on which branch is applied first" in done.stdout
    )


def test_a_file_that_sorts_among_those_of_both_branches_is_tried_there_too(branches):
    base = (("001_base", BASE), ("005_base", "alter table t alter name set default 'base';"))
    branches([("003_a", "alter table t alter name set default 'ours';")], [("006_b", "create table b ();")], base=base)

    done = branches.compare()

    assert done.exit_code == 1
    assert "003_a.sql (this branch) and 005_base.sql (both branches) do not commute" in done.stdout


def test_rows_of_the_seeds_show_what_a_schema_does_not(branches):
    branches(
        [("002_double", "update t set size = size * 2;")],
        [("003_add", "update t set size = size + 1;")],
        seeds=[("1_t.sql", "insert into t (name, size) values ('a', 1), ('b', 2);")],
    )

    done = branches.compare()

    assert done.exit_code == 1
    assert "002_double.sql (this branch) and 003_add.sql (main) do not commute" in done.stdout
    assert "rows of public.t differ in size" in done.stdout
    assert "rows compared" in done.stdout


def test_rows_that_no_two_runs_have_alike_are_no_difference(branches):
    base = [
        (
            "001_base",
            "create table t (id uuid default gen_random_uuid(), at timestamptz default clock_timestamp(), n int);",
        )
    ]
    branches(
        [("002_a", "create table a ();")],
        [("003_b", "update t set n = 2; insert into t (n) values (7);")],
        base=base,
        seeds=[("1_t.sql", "insert into t (n) values (1);")],
    )

    done = branches.compare("--json")

    assert done.exit_code == 0, done.stdout
    assert json.loads(done.stdout)["rows_compared"] is True


def test_seeds_that_fail_leave_the_rows_uncompared(branches):
    branches(
        [("002_a", "create table a ();")],
        [("003_b", "create table b ();")],
        seeds=[("1_t.sql", "insert into no values (1);")],
    )

    done = branches.compare()

    assert done.exit_code == 0
    assert "the rows were not compared: a seed fails: " in done.stdout
    assert "rows not compared" in done.stdout


def test_rows_of_a_dump(branches, project, run, database_url, tmp_path, server):
    import shutil

    if shutil.which("psql") is None:
        pytest.skip("psql is not installed")
    branches([("002_double", "update t set size = size * 2;")], [("003_add", "update t set size = size + 1;")])
    dump = tmp_path / "dump.sql"
    dump.write_text(
        "create table schema_migrations (version varchar primary key); insert into schema_migrations values ('001');"
        f"{BASE} insert into t (size) values (5);"
    )

    done = branches.compare("--load", str(dump))

    assert done.exit_code == 1, done.stdout + done.stderr
    assert "rows of public.t differ in size" in done.stdout


def test_repeatable_migrations_run_at_the_end(branches, project):
    branches([("002_a", "alter table t add a int;")], [("003_b", "alter table t add b int;")])
    folder = project.migrations / "repeatable"
    folder.mkdir()
    (folder / "v.sql").write_text("-- migrate:repeatable\ncreate or replace view v as select a, b from t;\n")

    assert branches.compare().exit_code == 0


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ("002_other", "both branches have version 002, in other files: "),
        ("002_a", "both branches have version 002, in other files: "),
    ],
)
def test_one_version_for_two_files_is_a_finding(branches, other, message):
    branches([("002_a", "create table a ();")], [(other, "create table b ();")])

    done = branches.compare()

    assert done.exit_code == 1
    assert f"error[C134]: {message}" in done.stdout
    assert f"db/migrations/002_a.sql and main:db/migrations/{other}.sql" in done.stdout
    assert "no migration was run" in done.stdout


def test_a_file_that_both_changed_is_a_finding_and_one_that_one_changed_is_taken_from_there(branches):
    base = (("001_base", BASE), ("0015_more", "create table m ();"))
    changed = (("0015_more", "create table m (a int);"),)
    branches(changed, (*changed, ("003_b", "alter table m add b int;")), base=base)
    assert branches.compare().exit_code == 0  # the same change

    _write_more = branches.repository.root / "db/migrations/0015_more.sql"
    _write_more.write_text(_write_more.read_text().replace("a int", "z int"))
    done = branches.compare()

    assert done.exit_code == 1
    assert "error[C134]: both branches changed 0015_more.sql" in done.stdout


def test_line_ends_of_a_work_tree_are_no_change(branches, project):
    branches([("002_a", "create table a ();")], [("001_base", BASE + " -- more"), ("003_b", "create table b ();")])
    path = project.migrations / "001_base.sql"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))

    assert branches.compare().exit_code == 0


def test_what_is_for_some_environments_is_left_out_and_named(branches, project):
    branches([("002_a", "create table a ();")], [("003_b", "create table b ();")])
    project.write("004_c.sql", "-- migrate:env dev\n-- migrate:up\ncreate table a ();\n-- migrate:down\n")

    done = branches.compare()

    assert done.exit_code == 0
    assert "note[C114]: 004_c.sql was not run: it is only for dev" in done.stdout
    assert "--> db/migrations/004_c.sql:1" in done.stdout


def test_an_unreadable_file_of_the_other_branch_is_named_where_it_is(branches):
    branches([("002_a", "create table a ();")], [("003_b", "select 'open;")])

    done = branches.compare()

    assert done.exit_code == 1
    assert "error[E217]" in done.stdout
    assert "--> main:db/migrations/003_b.sql:2:8" in done.stdout


def test_a_branch_without_new_migrations_needs_no_run(branches):
    branches([("002_a", "create table a ();")], [])

    done = branches.compare(env={"DBMIGRATE_SCRATCH_URL": "postgres://nobody@127.0.0.1:1/none"})

    assert done.exit_code == 0, done.stderr
    assert "main adds no migration that this branch does not have" in done.stdout
    assert "no migration was run" in done.stdout


def test_a_role_is_made_in_each_run_on_a_server_of_its_own(branches, cluster_cache):
    ours = [("002_role", "create role of_a_branch; grant select on t to of_a_branch;")]
    branches(ours, [("003_b", "create table b ();")])
    env = {"XDG_CACHE_HOME": str(cluster_cache), "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"}

    done = branches.compare(env=env)

    assert done.exit_code == 0, done.stdout + done.stderr
    refused = branches.compare()
    assert refused.exit_code == 1
    assert "error[C133]: not compared: migrations change what belongs to the whole server" in refused.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--branch", "nowhere"), "unknown git revision 'nowhere'"),
        (("--branch=--output=x",), "unknown git revision '--output=x'"),
        (("--branch", "main", "--since", "main"), "--branch and --since are two checks"),
        (("--branch", "main", "--queries", "*.sql"), "--branch and --queries are two checks"),
    ],
)
def test_what_cannot_be_compared_is_refused(branches, run, arguments, message):
    branches([], [])

    done = run("check", *arguments)

    assert done.exit_code == 2
    assert message in done.stderr


def test_the_merge_that_ci_checks_out_is_taken_apart(branches):
    branches(
        [("002_name", "alter table t alter name set default 'x';")],
        [("003_name", "alter table t alter name set default 'y';")],
    )
    repository = branches.repository
    repository.commit()
    repository.git("checkout", "-q", "--detach", "main")
    repository.git("merge", "-q", "--no-ff", "-m", "pull request", "ours")

    done = branches.compare()
    assert done.exit_code == 1, done.stdout
    assert "002_name.sql (this branch) and 003_name.sql (main) do not commute" in done.stdout
    assert "--> db/migrations/002_name.sql:1" in done.stdout

    repository.git("checkout", "-q", "-B", "main")  # what is merged already is compared with nothing
    assert "neither this branch nor main adds a migration" in branches.compare().stdout


def test_a_branch_into_which_the_other_one_was_merged_is_the_work_tree(branches):
    branches([("002_a", "create table a ();")], [("003_b", "create table b ();")])
    branches.repository.commit()
    branches.repository.git("merge", "-q", "-m", "main into ours", "main")

    done = branches.compare("--json")

    assert json.loads(done.stdout)["ours"] == ["002_a.sql"]
    assert json.loads(done.stdout)["theirs"] == []


def test_a_shallow_history_is_refused(branches, run, tmp_path):
    branches([("002_a", "create table a ();")], [("003_b", "create table b ();")])
    branches.repository.commit()
    clone = tmp_path / "shallow"
    url = f"file://{branches.repository.root}"
    branches.repository.git("clone", "-q", "--depth", "1", "--no-single-branch", "-b", "ours", url, str(clone))

    done = run("check", "--branch", "origin/main", cwd=clone)

    assert done.exit_code == 2
    assert "have no common ancestor" in done.stderr
    assert "shallow clone" in done.stderr


def test_a_directory_below_the_top_and_a_summary(branches, run, tmp_path, server):
    branches(
        [("002_a", "alter table t alter name set default 'x';")],
        [("003_b", "alter table t alter name set default 'y';")],
    )
    root = branches.repository.root
    summary = tmp_path / "summary.md"
    env = {"DBMIGRATE_SCRATCH_URL": server.url("postgres")}

    done = run(
        "check",
        "--branch",
        "main",
        "--summary",
        summary,
        "--format",
        "github",
        cwd=root / "db",
        env=env | {"DBMIGRATE_MIGRATIONS_DIR": "migrations"},
    )

    assert done.exit_code == 1, done.stderr
    assert "::error file=db/migrations/002_a.sql,line=1" in done.stdout
    assert "Merge with main" in summary.read_text("utf-8")
    assert os.listdir(root / "db") == ["migrations"]
