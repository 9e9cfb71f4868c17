"""`dbmigrate lint --fix` and `new --pattern` from the command line: what is written, what is not, the exit codes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.projects import Project

TABLE = "create table t (id int primary key, a text, b text);"
UNSAFE = "create index t_a on t (a); -- for the search"


@pytest.fixture
def two(project: Project, tmp_path: Path) -> Path:
    """A project of two files; the path of the unsafe one."""
    (tmp_path / "dbmigrate.toml").write_text("[lint]\nsquawk = false\n")
    project.migration("1_add_t", up=TABLE, down="drop table t;")
    return project.migration("2_index_t", up=UNSAFE, down="drop index t_a;")


def test_check_and_diff_write_nothing_and_fix_writes_once(run, two: Path, database_url: str) -> None:
    env, old = {"DBMIGRATE_SCRATCH_URL": database_url}, two.read_bytes()

    checked = run("lint", "--fix", "--check", two, env=env)
    shown = run("lint", "--fix", "--diff", two, env=env)

    assert (checked.exit_code, shown.exit_code) == (1, 0)
    assert two.read_bytes() == old
    assert "+create index concurrently t_a on t (a); -- for the search\n" in shown.stdout
    done = run("lint", "--fix", two, "--json", env=env)
    answer = json.loads(done.stdout)["files"][0]
    assert (done.exit_code, answer["changed"], answer["rewritten"]) == (0, True, [{"line": 2, "codes": ["L101"]}])
    assert [each["dangerous"] for each in answer["locks_before"]] == [True]
    assert [each["dangerous"] for each in answer["locks_after"]] == [False]
    new = two.read_bytes()
    assert new != old
    assert run("lint", "--fix", "--check", two, env=env).stdout == "nothing to rewrite\n"
    assert two.read_bytes() == new


def test_applied_files_are_not_rewritten(run, two: Path, database_url: str) -> None:
    env, old = {"DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"}, two.read_bytes()
    assert run("up", env=env).exit_code == 0

    done = run("lint", "--fix", two, env=env)

    assert (done.exit_code, done.stdout) == (0, "nothing to rewrite\n")
    assert "W371" in done.stderr
    assert two.read_bytes() == old


def test_it_has_to_be_known_which_files_are_pending(run, two: Path, database_url: str) -> None:
    env = {"DBMIGRATE_SCRATCH_URL": database_url}

    unknown = run("lint", "--fix", env=env)
    pending = run("lint", "--fix", "--check", env={**env, "DATABASE_URL": database_url})

    assert (unknown.exit_code, "error[E265]" in unknown.stderr) == (2, True)
    assert (pending.exit_code, "2_index_t.sql: 1 statement would be rewritten" in pending.stdout) == (1, True)


@pytest.mark.parametrize("option", ["--diff", "--check", "--allow-split"])
def test_the_options_of_fix_need_it(option: str, run, two: Path) -> None:
    assert run("lint", option).exit_code == 2
    assert run("lint", "--fix", "--write-baseline", option).exit_code == 2


def test_a_pattern_writes_its_files_or_says_why_not(run, two: Path, project: Project, database_url: str) -> None:
    env = {"DBMIGRATE_SCRATCH_URL": database_url}

    made = run("new", "--pattern", "drop-column", "t", "b", env=env)
    wrong = run("new", "--pattern", "drop-column", "t", "nix", env=env)
    unknown = run("new", "--pattern", "drop-everything", "t", env=env)

    assert (made.exit_code, wrong.exit_code, unknown.exit_code) == (0, 2, 2)
    path = Path(made.stdout.strip())
    assert "alter table t drop column b;" in (project.root / path).read_text()
    assert "error[E266]: t has no column nix" in wrong.stderr
    assert "rename-column" in unknown.stderr
    assert sorted(each.name for each in two.parent.iterdir()) == ["1_add_t.sql", path.name, "2_index_t.sql"]


def test_the_files_of_a_pattern_can_be_numbered(run, two: Path, project: Project, database_url: str) -> None:
    env = {"DBMIGRATE_SCRATCH_URL": database_url}
    project.write(
        "1_add_t.sql", "-- migrate:up\ncreate table t (a int primary key, b int);\n-- migrate:down\ndrop table t;\n"
    )

    made = run("new", "--sequential", "--pattern", "rename-column", "t", "b", "c", env=env)

    assert made.exit_code == 0, made.stderr
    first, second = (Path(line).name for line in made.stdout.splitlines())
    assert (first.split("_")[0], second.split("_")[0]) == ("3", "4")
    assert "-- migrate:depends 3\n" in (two.parent / second).read_text()


def test_numbers_are_refused_where_all_files_have_times(run, two: Path, project: Project, database_url: str) -> None:
    for path in list(two.parent.iterdir()):
        path.rename(path.with_name(f"2026010100000{path.name}"))

    refused = run(
        "new", "--sequential", "--pattern", "drop-column", "t", "b", env={"DBMIGRATE_SCRATCH_URL": database_url}
    )

    assert refused.exit_code == 2
    assert "error[E237]" in refused.stderr
    assert len(list(two.parent.iterdir())) == 2


def test_only_what_is_new_in_git_is_rewritten(
    run, two: Path, tmp_path: Path, project: Project, database_url: str
) -> None:
    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
        subprocess.run(["git", "-C", tmp_path, *identity, *arguments], check=True, capture_output=True)

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    new = project.migration("3_index_b", up="create index t_b on t (b);", down="drop index t_b;")
    done = run("lint", "--fix", "--since", "HEAD", env={"DBMIGRATE_SCRATCH_URL": database_url})

    assert done.exit_code == 0, done.stderr
    assert "concurrently" in new.read_text()
    assert "concurrently" not in two.read_text()
