"""`dbmigrate lint` and `dbmigrate explain`: no database anywhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.projects import Project

BAD = "create index i on t (a);"
OFF = "[lint]\nsquawk = false\n"


@pytest.fixture(autouse=True)
def _own_rules(tmp_path: Path) -> None:
    (tmp_path / "dbmigrate.toml").write_text(OFF)


def test_findings_are_results_and_the_exit_code_says_that_there_are_some(run, project: Project) -> None:
    project.migration("1_add_i", up=BAD, down_options="irreversible:true")
    done = run("lint")

    assert done.exit_code == 1
    assert "warning[L101]" in done.stdout
    assert "db/migrations/1_add_i.sql:2:1" in done.stdout
    assert done.stderr == ""


def test_without_findings_the_exit_code_is_0(run, project: Project) -> None:
    project.migration("1_add_t", up="create table t (a int);", down="drop table t;")
    done = run("lint")

    assert (done.exit_code, done.stdout) == (0, "no findings in 1 file\n")


@pytest.mark.parametrize(("threshold", "exit_code"), [("note", 1), ("warning", 0), ("error", 0)])
def test_notes_fail_only_where_it_is_wanted(threshold: str, exit_code: int, run, project: Project) -> None:
    project.migration("1_update", up="create table t (a int);", down="drop table t;")

    assert run("lint", "--fail-on", threshold).exit_code == exit_code


def test_a_file_that_is_named_is_looked_at_with_the_others_as_context(run, project: Project) -> None:
    project.migration("1_add_t", up="create table t (a varchar(9)); create index on u (a);", down="drop table t;")
    widened = project.migration("2_widen_a", up="alter table t alter a type text;", down_options="irreversible:true")
    done = run("lint", widened)

    assert (done.exit_code, done.stdout) == (0, "no findings in 1 file\n")


def test_every_broken_file_is_told(run, project: Project) -> None:
    project.migration("1_a", up="vacuum;", down_options="irreversible:true")
    project.write("2_b.sql", "no header")
    project.migration("3_add_i", up=BAD, down_options="irreversible:true")
    found = json.loads(run("lint", "--json").stdout)["findings"]

    assert [(each["code"], each["line"]) for each in found] == [("E220", 2), ("E214", 1), ("L101", 2)]


def test_a_file_that_is_no_migration_is_told(run, project: Project) -> None:
    stray = project.write("add_i.sql", "select 1;")
    project.migration("1_add_t", up="select 1;", down_options="irreversible:true")
    done = run("lint", stray, "--json")

    assert done.exit_code == 1
    assert [each["code"] for each in json.loads(done.stdout)["findings"]] == ["E252"]


def test_two_files_of_one_version_are_told(run, project: Project) -> None:
    project.migration("1_a", up="select 1;")
    project.migration("1_b", up="select 1;")
    done = run("lint", "--format", "json")

    assert done.exit_code == 1
    assert [each["code"] for each in json.loads(done.stdout)["findings"]] == ["E221"]


@pytest.mark.parametrize("arguments", [("nowhere.sql",), ("--since", "HEAD", "x.sql"), ("--since", "no-such-revision")])
def test_what_cannot_be_meant_is_exit_code_2(arguments: tuple[str, ...], run, project: Project) -> None:
    assert run("lint", *arguments).exit_code == 2


def test_since_a_revision_only_what_changed_is_reported(run, project: Project, tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
        subprocess.run(["git", "-C", tmp_path, *identity, *arguments], check=True, capture_output=True)

    git("init", "-q")
    project.migration("1_add_i", up=BAD, down_options="irreversible:true")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    project.migration("2_add_x", up="create table x (a int);", down="drop table x;")
    project.migration("3_index_x", up="create index on x (a); create index on t (b);", down="drop index x_a_idx;")
    found = json.loads(run("lint", "--since", "HEAD", "--json").stdout)

    assert found["files"] == 2
    assert [(each["code"], Path(each["path"]).name, each["column"]) for each in found["findings"]] == [
        ("L101", "3_index_x.sql", 24)
    ]


def test_formats_for_ci_and_a_summary(run, project: Project, tmp_path: Path) -> None:
    project.migration("1_add_i", up=BAD, down_options="irreversible:true")

    github = run("lint", "--format", "github", "--summary", "summary.md")
    gitlab = run("lint", "--format", "gitlab", "--summary", "summary.md")

    assert github.exit_code == gitlab.exit_code == 1
    assert github.stdout.startswith("::warning file=db/migrations/1_add_i.sql,line=2,col=1,title=L101::")
    assert [entry["check_name"] for entry in json.loads(gitlab.stdout)] == ["L101"]
    assert (tmp_path / "summary.md").read_text().count("## Lint: 1 warning") == 2  # appended


def test_settings_of_the_project_file_count(run, project: Project, tmp_path: Path) -> None:
    project.migration("1_add_i", up=BAD, down_options="irreversible:true")

    (tmp_path / "dbmigrate.toml").write_text(f'{OFF}disable = ["L101"]\n')
    assert run("lint").exit_code == 0

    (tmp_path / "dbmigrate.toml").write_text(f'{OFF}disable = ["L1001"]\n')
    done = run("lint")
    assert done.exit_code == 2
    assert "error[E250]: dbmigrate.toml: lint: disable: unknown rule L1001" in done.stderr


def test_the_example_project_is_clean(run) -> None:
    directory = Path(__file__).parents[2] / "db" / "migrations"
    done = run("lint", "--all", "-d", directory)

    assert (done.exit_code, done.stdout) == (0, "no findings in 18 files\n")


def test_a_full_disk_is_an_error_and_no_traceback(runner) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "dbmigrate", "explain"],
            cwd=runner.cwd,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
        )

    assert (done.returncode, done.stderr) == (2, "error[E207]: the output cannot be written: No space left on device\n")


def test_explain_prints_a_page_or_the_list(run) -> None:
    assert run("explain", "l101").stdout.startswith("L101: CREATE INDEX without CONCURRENTLY\n")
    assert "\nE301                " in run("explain").stdout
    assert json.loads(run("explain", "W401", "--json").stdout)["code"] == "W401"
    assert run("explain", "X1").exit_code == 2


def test_dependencies_that_no_order_can_meet_are_errors(run, project):
    for number, said in ((1, "2"), (2, "9"), (3, "1")):
        project.write(
            f"{number}_add_table{number}.sql",
            f"-- migrate:depends {said}\n-- migrate:up\ncreate table t{number} ();\n"
            f"-- migrate:down\ndrop table t{number};\n",
        )

    done = run("lint", "--all")

    assert done.exit_code == 1
    assert done.stdout.count("error[E293]") == 2
    assert "1_add_table1.sql depends on 2, which comes later" in done.stdout
    assert "2_add_table2.sql depends on 9, which does not exist" in done.stdout
    (project.migrations / "9_broken.sql").write_text("-- migrate:up\n'")
    assert "error[E293]" not in run("lint", "--all").stdout
