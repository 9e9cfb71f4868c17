"""The checklist in a summary: a tick where the check has proved something, and nowhere else."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from dbmigrate.lint import registry
from dbmigrate.output import checklist
from dbmigrate.output.checklist import DOWN, DURATION, GROUPS, MERGES, QUERIES, ROWS, RULES, SCHEMA, UP
from tests.support.git import Repository

GOOD = ("create table users (id bigint primary key, name text);", "drop table users;")


@pytest.fixture
def ticked(run, project, tmp_path, server):
    """Runs `check` and returns the boxes with a tick, without their evidence."""

    def check(*arguments):
        env = {"DBMIGRATE_SCRATCH_URL": server.url("postgres")}
        done = run("check", "--summary", "out.md", *arguments, env=env)
        assert done.exit_code in (0, 1), done.stderr
        text = (tmp_path / "out.md").read_text("utf-8")
        (tmp_path / "out.md").unlink()
        assert [line[6:].split(": ")[0] for line in re.findall(r"^- \[[x ]\] .*", text, re.MULTILINE)]
        lines = re.findall(r"^- \[x\] (.*)", text, re.MULTILINE)
        return {box for boxes in GROUPS.values() for box in boxes for line in lines if line.startswith(f"{box}: ")}

    return check


def good(project):
    up, down = GOOD
    return project.migration("20260101000000_create_users", up=up, down=down)


def test_what_ran_is_ticked_and_what_is_for_people_is_not(project, ticked):
    good(project)

    found = ticked("--no-lint", "--no-dump-schema")

    assert found == {UP, DOWN}
    for title in ("Before", "Reviewed", "Deployed", "After"):
        assert not found & set(GROUPS[title])


def test_lint_ticks_its_own_boxes(project, ticked):
    good(project)

    assert ticked("--no-dump-schema") == {UP, DOWN, *RULES}


@pytest.mark.parametrize(
    ("up", "lost"),
    [
        ("alter table users drop column name;", 2),
        ("create index on users (name);", 1),
        ("-- dbmigrate:ignore L101: small\ncreate index on users (name);", len(RULES)),
        ("alter table users add x int; -- squawk-ignore prefer-bigint", len(RULES)),
    ],
)
def test_a_finding_or_a_comment_that_hides_one_leaves_boxes_open(project, ticked, up, lost):
    good(project)
    project.migration("20260102000000_change_users", up=up, down="select 1;")

    assert len(ticked("--no-dump-schema") & set(RULES)) == len(RULES) - lost


def test_a_rule_that_is_off_proves_nothing(project, ticked):
    good(project)
    (project.root / "dbmigrate.toml").write_text('[lint]\ndisable = ["L101", "L173"]\n', "utf-8")

    missing = set(RULES) - ticked("--no-dump-schema")

    assert {RULES[box].split()[0] for box in missing} == {"L100", "L173"}


def test_a_down_section_that_fails_leaves_its_box_open(project, ticked):
    good(project)
    project.migration("20260102000000_b", up="create table b ();", down="select 1;")

    assert ticked("--no-lint", "--no-dump-schema") == {UP}


def test_an_irreversible_migration_has_no_down_that_was_tried(project, ticked):
    good(project)
    project.migration("20260102000000_b", up="create table b ();", down_options="irreversible:true")

    assert ticked("--no-lint", "--no-dump-schema") == {UP}


@pytest.mark.parametrize("up", ["create table b (;", "create table nowhere.b ();"])
def test_what_fails_ticks_nothing(project, ticked, up):
    good(project)
    project.migration("20260102000000_b", up=up, down="drop table b;")

    assert ticked("--no-lint", "--no-dump-schema") == set()


def test_what_is_for_some_environments_was_not_tried(project, ticked):
    good(project)
    project.write("20260102000000_b.sql", "-- migrate:env dev\n-- migrate:up\nselect 1;\n-- migrate:down\nselect 1;\n")

    assert ticked("--no-lint", "--no-dump-schema") == set()


def test_the_schema_file(project, ticked, run, server):
    good(project)
    assert SCHEMA not in ticked("--no-lint")  # there is none
    run("dump", "--from-migrations", env={"DBMIGRATE_SCRATCH_URL": server.url("postgres")})

    assert SCHEMA in ticked("--no-lint")
    project.schema_file.write_text(project.schema_file.read_text("utf-8").replace("text", "int"), "utf-8")
    assert SCHEMA not in ticked("--no-lint")


def test_queries_and_durations(project, ticked):
    good(project)
    (project.root / "q.sql").write_text("select name from users;", "utf-8")

    assert {QUERIES, DURATION} <= ticked("--no-lint", "--no-dump-schema", "--queries", "q.sql", "--max-duration", "1h")
    project.migration("20260102000000_slow", up="select pg_sleep(0.01);", down="select 1;")
    (project.root / "q.sql").write_text("select nothing from users;", "utf-8")
    found = ticked("--no-lint", "--no-dump-schema", "--queries", "q.sql", "--max-duration", "5ms")
    assert not found & {QUERIES, DURATION}


def test_rows_count_where_what_was_checked_ran_on_them(project, ticked, tmp_path):
    if shutil.which("psql") is None:
        pytest.skip("psql is not installed")
    good(project)
    dump = tmp_path / "dump.sql"
    dump.write_text("select 1;", "utf-8")
    assert ROWS in ticked("--no-lint", "--no-dump-schema", "--load", str(dump))
    dump.write_text(
        "create table schema_migrations (version varchar primary key);"
        f"insert into schema_migrations values ('20260101000000'); {GOOD[0]}",
        "utf-8",
    )

    assert ROWS not in ticked("--no-lint", "--no-dump-schema", "--load", str(dump))


def test_nothing_that_changed_is_nothing_that_is_proved(project, ticked, runner):
    good(project)
    repository = Repository.made(project.root, runner.home)
    repository.commit()

    assert ticked("--since", "HEAD", "--no-dump-schema") == set()


def test_branches_that_commute(project, ticked, runner):
    good(project)
    repository = Repository.made(project.root, runner.home)
    repository.commit()
    repository.git("branch", "ours")
    project.migration("20260102000000_b", up="alter table users alter name set default 'b';")
    repository.commit()
    repository.git("checkout", "-q", "ours")
    project.migration("20260103000000_c", up="create table c ();")

    assert ticked("--branch", "main") == {MERGES}
    assert ticked("--branch", "ours") == set()
    project.migration("20260103000000_c", up="alter table users alter name set default 'c';")
    assert ticked("--branch", "main") == set()


def test_the_template_of_a_pull_request_has_the_same_boxes() -> None:
    template = (Path(__file__).parents[2] / "examples" / "pull_request_template.md").read_text("utf-8")

    boxes = re.findall(r"^- \[ \] (.*)", template, re.MULTILINE)
    assert boxes == [box for boxes in GROUPS.values() for box in boxes]
    assert len(set(boxes)) == len(boxes)


def test_the_rules_of_the_boxes_exist() -> None:
    for rules in checklist.RULES.values():
        assert set(rules.split()) <= set(registry.RULES)
        assert not any(registry.RULES[code].is_optional for code in rules.split())


def test_a_dry_run_ticks_what_lint_proves_of_the_files_that_would_run(run, project, database_url):
    env = {"DATABASE_URL": database_url}
    project.migration("1_create_users", up="create table users (id bigint primary key);", down="drop table users;")
    assert run("up", env=env).exit_code == 0
    project.migration("2_drop_name", up="alter table users drop column id;", down="alter table users add id bigint;")
    plain = run("up", "--dry-run", "--no-locks", env=env)

    shown = run("up", "--dry-run", "--no-locks", "--verbose", env=env)

    assert shown.exit_code == 0, shown.stderr
    assert "Checklist" not in plain.stderr
    assert "    [ ] `lint`: nothing destroys data\n" in shown.stderr
    assert "    [x] `lint`: no password, key or personal data in the file: no finding\n" in shown.stderr
    boxes = re.findall(r"^    \[[ x]\] (.*?)(?:: no finding)?$", shown.stderr, re.MULTILINE)
    assert boxes == [box for group in GROUPS.values() for box in group]


def test_a_dry_run_of_nothing_has_no_checklist(run, project, database_url):
    project.migration("1_create_users", up="create table users (id bigint primary key);", down="drop table users;")
    env = {"DATABASE_URL": database_url}
    assert run("up", env=env).exit_code == 0

    shown = run("up", "--dry-run", "--verbose", env=env)

    assert shown.exit_code == 0
    assert "Checklist" not in shown.stderr
