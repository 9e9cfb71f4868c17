"""Old migrations are history: whose findings make `dbmigrate lint` fail, and what is only counted."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.projects import Project

BAD = "create index i{0} on t (a);"
BASELINE = "dbmigrate-lint-baseline.json"


@pytest.fixture(autouse=True)
def _own_rules(tmp_path: Path) -> None:
    (tmp_path / "dbmigrate.toml").write_text("[lint]\nsquawk = false\n")


@pytest.fixture
def git(tmp_path: Path):
    def run(*arguments: str, cwd: Path = tmp_path) -> None:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main")
        subprocess.run(["git", "-C", cwd, *identity, *arguments], check=True, capture_output=True)

    return run


@pytest.fixture
def add(project: Project):
    """Writes a migration with a finding."""

    def write(number: int, up: str = BAD) -> Path:
        return project.migration(f"{number}_add_i", up=up.format(number), down_options="irreversible:true")

    return write


@pytest.fixture
def branch(git, add, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A branch of a clone whose remote has two migrations with a finding each; the remote's directory."""
    add(1)
    add(2)
    remote = tmp_path_factory.mktemp("remote")
    git("init", "-q", "--bare", cwd=remote)
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    git("branch", "-M", "main")
    git("remote", "add", "origin", str(remote))
    git("push", "-q", "origin", "main")
    git("checkout", "-q", "-b", "feature")
    return remote


def findings(done) -> list[tuple[str, str]]:
    return [(each["code"], Path(each["path"]).name) for each in json.loads(done.stdout)["findings"]]


def test_on_a_branch_only_its_own_files_fail(branch, run, add) -> None:
    done = run("lint")
    assert (done.exit_code, done.stdout) == (
        0,
        "no findings in 0 files\nnot counted: 2 warnings in 2 older files · show them: `dbmigrate lint --all`\n",
    )

    add(3)
    done = run("lint", "--json")
    assert (done.exit_code, findings(done)) == (1, [("L101", "3_add_i.sql")])
    assert json.loads(done.stdout)["history"] == {"errors": 0, "warnings": 2, "notes": 0}


def test_a_file_that_is_edited_counts_again(branch, run, add, git) -> None:
    add(2, f"-- edited\n{BAD}")
    git("add", ".")
    git("commit", "-q", "-m", "an edit")

    assert findings(run("lint", "--json")) == [("L101", "2_add_i.sql")]


def test_what_came_to_the_default_branch_later_is_not_ours(branch, run, add, git, project: Project) -> None:
    git("checkout", "-q", "main")
    theirs = add(3)
    git("add", ".")
    git("commit", "-q", "-m", "theirs")
    git("push", "-q", "origin", "main")
    git("checkout", "-q", "feature")
    assert not theirs.exists()
    add(4)

    assert findings(run("lint", "--json")) == [("L101", "4_add_i.sql")]


def test_the_default_branch_is_the_one_that_the_remote_names(branch, run, add, git) -> None:
    add(3)
    git("add", ".")
    git("commit", "-q", "-m", "third")
    git("push", "-q", "origin", "feature:trunk")
    git("fetch", "-q", "origin")
    git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk")

    assert findings(run("lint", "--json")) == []


def test_a_remote_and_a_branch_may_have_other_names(branch, run, git) -> None:
    git("push", "-q", "origin", "main:master")
    git("remote", "rename", "origin", "upstream")
    git("update-ref", "-d", "refs/remotes/upstream/main")
    git("fetch", "-q", "upstream", "master:refs/remotes/upstream/master")

    assert run("lint").stdout.startswith("no findings in 0 files\nnot counted: 2 warnings")


def test_all_counts_every_file(branch, run) -> None:
    done = run("lint", "--all", "--json")

    assert (done.exit_code, findings(done)) == (1, [("L101", "1_add_i.sql"), ("L101", "2_add_i.sql")])
    assert json.loads(done.stdout)["history"] == {"errors": 0, "warnings": 0, "notes": 0}


@pytest.mark.parametrize("is_repository", [True, False])
def test_every_file_counts_where_there_is_no_remote(is_repository: bool, run, add, git) -> None:
    add(1)
    if is_repository:
        git("init", "-q")
        git("add", ".")
        git("commit", "-q", "-m", "first")

    assert run("lint").exit_code == 1


def test_two_files_of_one_version_stop_every_run_and_so_always_count(branch, run, project: Project) -> None:
    project.migration("1_again", up="select 1;")

    assert "E221" in run("lint").stdout


def test_a_broken_file_of_the_history_is_counted(branch, run, add, git, project: Project) -> None:
    project.migration("1_add_i", up="vacuum;", down_options="irreversible:true")
    git("commit", "-q", "-a", "-m", "broken")
    git("push", "-q", "origin", "feature:main")
    git("fetch", "-q", "origin")
    done = run("lint")

    assert done.exit_code == 0
    assert "not counted: 1 error, 1 warning in 2 older files" in done.stdout


@pytest.mark.parametrize(
    "arguments", [("--all", "--since", "HEAD"), ("--all", "x.sql"), ("--write-baseline", "--since", "HEAD")]
)
def test_only_one_way_to_choose_files_may_be_given(arguments: tuple[str, ...], run, add) -> None:
    add(1)
    done = run("lint", *arguments)

    assert done.exit_code == 2
    assert "E200" in done.stderr


# ------------------------------------------------------------------------------------------------------- the database


def test_with_a_database_what_it_has_applied_is_history(run, project: Project, add, database_url: str) -> None:
    project.migration("1_add_t", up="create table t (a int); create table u (a int);", down_options="irreversible:true")
    add(2)
    assert run("up", "--no-dump-schema", env={"DATABASE_URL": database_url}).exit_code == 0
    add(3)
    project.migration("4_index_u", up="create table v (a int);", down_options="irreversible:true")
    project.migration("5_index_v", up="create index on v (a);", down_options="irreversible:true")

    done = run("--url", database_url, "lint", "--json")

    assert (done.exit_code, findings(done)) == (1, [("L101", "3_add_i.sql")])  # and v is used by nobody yet
    assert json.loads(done.stdout)["history"]["warnings"] == 1
    # a database that is only configured is not asked
    assert findings(run("lint", "--json", env={"DATABASE_URL": "postgres://127.0.0.1:1/none"}))[0][1] == "2_add_i.sql"


def test_a_pending_file_that_cannot_be_read_counts(run, project: Project, add, database_url: str) -> None:
    project.migration("1_add_t", up="create table t (a int);", down_options="irreversible:true")
    assert run("up", "--no-dump-schema", env={"DATABASE_URL": database_url}).exit_code == 0
    project.migration("2_add_i", up="vacuum;", down_options="irreversible:true")
    done = run("--url", database_url, "lint", "--json")

    assert (done.exit_code, findings(done)) == (1, [("E220", "2_add_i.sql")])


def test_an_environment_that_is_named_is_asked(run, project: Project, add, database_url: str) -> None:
    project.migration("1_add_t", up="create table t (a int);", down_options="irreversible:true")
    assert run("up", "--no-dump-schema", env={"DATABASE_URL": database_url}).exit_code == 0
    add(2)
    done = run("-e", "stage", "lint", "--json", env={"STAGE_DATABASE_URL": database_url})

    assert (done.exit_code, findings(done)) == (1, [("L101", "2_add_i.sql")]), done.stderr


# ------------------------------------------------------------------------------------------------------- the baseline


def test_what_is_in_the_baseline_is_accepted_and_what_is_new_is_not(run, add, tmp_path: Path) -> None:
    add(1)
    done = run("lint", "--write-baseline")
    assert (done.exit_code, done.stdout) == (0, f"1 finding written to {BASELINE}\n")
    assert json.loads((tmp_path / BASELINE).read_text()) == {
        "version": 1,
        "findings": {"db/migrations/1_add_i.sql": {"L101": 1}},
    }

    assert run("lint").exit_code == 0
    add(1, f"select 1;\n\n{BAD}")  # elsewhere in the file
    assert run("lint").exit_code == 0
    add(1, f"{BAD} create index j on t (b);")
    assert findings(run("lint", "--json")) == [("L101", "1_add_i.sql")]
    add(2)
    assert run("lint").exit_code == 1


def test_an_entry_that_is_no_longer_needed_is_a_note(run, add) -> None:
    add(1)
    add(2)
    run("lint", "--write-baseline")
    add(1, "create table x ();")
    done = run("lint")

    assert done.exit_code == 0
    assert (
        "note[W656]: the baseline lists findings that no longer exist: L101 in db/migrations/1_add_i.sql" in done.stdout
    )
    assert "W656" not in run("lint", "db/migrations/2_add_i.sql").stdout  # the other file was not looked at
    run("lint", "--write-baseline")
    assert run("lint").stdout == "no findings in 2 files\n"


def test_no_baseline_accepts_a_file_that_up_would_refuse(run, project: Project) -> None:
    project.migration("1_a", up="vacuum;", down_options="irreversible:true")
    assert run("lint", "--write-baseline").stdout.startswith("0 findings")

    assert run("lint").exit_code == 1


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"version": 2, "findings": {}}',
        '{"version": 1}',
        '{"version": 1, "findings": {"a": 1}}',
        '{"version": 1, "findings": {"a": {"L101": "x"}}}',
    ],
)
def test_a_baseline_that_cannot_be_read_is_an_error(content: str, run, add, tmp_path: Path) -> None:
    add(1)
    (tmp_path / BASELINE).write_text(content)
    done = run("lint")

    assert done.exit_code == 2
    assert f"error[E250]: {BASELINE}: " in done.stderr


def test_a_hook_names_files_that_are_committed(branch, run, add) -> None:
    """As pre-commit does: the files that it names count, whatever git says of them."""
    assert run("lint", "db/migrations/1_add_i.sql").exit_code == 1


def test_check_leaves_old_files_and_the_baseline_alone(branch, run, add, git, project, database_url: str) -> None:
    env = {"DBMIGRATE_SCRATCH_URL": database_url}
    project.migration("0_add_t", up="create table t (a int);", down="drop table t;")
    git("add", ".")
    git("commit", "-q", "-m", "the table")
    git("push", "-q", "origin", "feature:main")

    def of_lint() -> list[tuple[str, str]]:
        done = run("check", "--json", "--no-dump-schema", env=env)
        return [finding for finding in findings(done) if finding[0].startswith("L")]

    assert of_lint() == []

    add(3)
    assert of_lint() == [("L101", "3_add_i.sql")]

    run("lint", "--write-baseline")
    assert of_lint() == []
