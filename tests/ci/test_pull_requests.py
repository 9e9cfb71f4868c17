"""What the workflows do in a pull request: with which rights, one comment, findings for code scanning."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

import dbmigrate
from tests.support import environment
from tests.support.git import Repository
from tests.support.github import TOKEN, github, refusing
from tests.support.workflows import Runner, load

ROOT = Path(dbmigrate.__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
EXAMPLES = sorted((ROOT / "examples").rglob("*.yml"))
CHECK, SCAN = (ROOT / ".github" / "workflows" / name for name in ("db-check.yml", "db-scan.yml"))
ACTION = ROOT / "action.yml"


@pytest.mark.parametrize("path", [*WORKFLOWS, *EXAMPLES], ids=lambda path: path.name)
def test_nothing_runs_the_sql_of_a_stranger_with_the_rights_of_the_repository(path):
    """`workflow_run` has these rights, too, and takes what a pull request has made for its own."""
    on = load(path).get(True) or {}  # YAML 1.1 reads `on` as a truth value

    assert not {"pull_request_target", "workflow_run", "issue_comment"} & set(on)


@pytest.mark.parametrize(
    ("path", "job", "permissions"),
    [
        (CHECK, "check", {"contents": "read", "pull-requests": "write"}),
        (SCAN, "scan", {"contents": "read", "actions": "read", "security-events": "write"}),
    ],
    ids=["check", "scan"],
)
def test_a_job_may_do_what_it_needs_and_no_more(path, job, permissions):
    document = load(path)

    assert document["permissions"] == {}
    assert document["jobs"][job]["permissions"] == permissions
    assert document["concurrency"]["group"] == f"{path.stem}-${{{{ github.ref }}}}"  # else there are two comments
    checkout = document["jobs"][job]["steps"][0]
    assert checkout["with"]["persist-credentials"] is False


def test_only_the_step_that_comments_gets_the_token():
    steps = load(CHECK)["jobs"]["check"]["steps"]

    assert [step.get("name") for step in steps if "token" in json.dumps(step)] == ["Check"]
    assert "--comment" in next(step for step in steps if step.get("name") == "Check")["run"]


def test_the_findings_are_uploaded_after_a_failure_but_not_from_a_fork():
    upload = load(SCAN)["jobs"]["scan"]["steps"][-1]

    assert upload["uses"].startswith("github/codeql-action/upload-sarif@")
    assert upload["if"].startswith("always() && ")
    assert "github.event.pull_request.head.repo.full_name == github.repository" in upload["if"]


# ------------------------------------------------------------------------------------------------------ the steps run


@pytest.fixture
def api():
    with github() as served:
        yield served


@pytest.fixture
def job(tmp_path, tmp_path_factory, project, server, database_url, api):
    """A runner in the checkout of a pull request that adds an index to what is on the main branch."""
    (tmp_path / "dbmigrate.toml").write_text("dump-schema = false\n[lint]\nsquawk = false\n")
    project.migration("1_create_a", up="create table a (id bigint primary key, t text);", down="drop table a;")
    repository = Repository.made(tmp_path, tmp_path_factory.mktemp("home"))
    repository.commit()
    repository.git("update-ref", "refs/remotes/origin/main", "HEAD")
    repository.git("checkout", "-q", "-b", "feature")
    project.migration("2_index_a", up="create index a_t on a (t);", down="drop index a_t;")
    repository.commit()
    temp = tmp_path_factory.mktemp("runner")
    (temp / "event.json").write_text('{"pull_request": {"number": 7}}')
    program = temp / "bin" / "dbmigrate"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dbmigrate "$@"\n')
    program.chmod(0o755)
    environ = {**environment.clean(os.environ, home=temp), **api.environ(str(temp / "event.json"))}
    environ |= {"PATH": f"{program.parent}:{environ['PATH']}", "DATABASE_URL": server.url("postgres")}
    del environ["GITHUB_TOKEN"]
    values = {
        "github.token": TOKEN,
        "env.DATABASE_URL": server.url("postgres"),
        "secrets.PRODUCTION_READ_URL": "",
        "github.base_ref": "main",
        "inputs.database-url": "",
        "inputs.version": "0",
        "inputs.token": TOKEN,
        "runner.temp": str(temp),
    }
    return Runner(tmp_path, temp, environ | {"BASE_REF": "origin/main"}, values)


def named(path, job, name):
    return next(step for step in load(path)["jobs"][job]["steps"] if step.get("name") == name)


def test_the_check_comments_once(job, api, project):
    codes = [job.run(named(CHECK, "check", "Check")) for _ in range(2)]

    assert codes == [1, 1], job.log
    (comment,) = api.comments
    assert comment["body"].startswith("<!-- dbmigrate:check::db/migrations -->\n## dbmigrate: 1 warning")
    assert "1. `2_index_a.sql`" in comment["body"]
    assert "1_create_a.sql" not in comment["body"]
    assert job.log.count("::warning file=db/migrations/2_index_a.sql") == 2
    assert TOKEN not in job.log + job.summary


def test_what_a_fork_may_not_is_in_the_summary(job, api):
    api.fault = refusing(403, "Resource not accessible by integration")

    code = job.run(named(CHECK, "check", "Check"))

    assert code == 1, job.log
    assert "## Check: 1 warning" in job.summary
    assert "## dbmigrate: 1 warning" in job.summary


def test_with_the_secret_the_comment_has_the_plan_for_production(job, api, run, database_url):
    migrated = run("up", "--to", "1", env={"DATABASE_URL": database_url})
    assert migrated.exit_code == 0, migrated.stderr
    job.values = {**job.values, "secrets.PRODUCTION_READ_URL": database_url}

    job.run(named(CHECK, "check", "Check"))

    (comment,) = api.comments
    assert "On `production`, in this order:\n\n1. `2_index_a.sql` · in a transaction\n" in comment["body"], job.log
    assert "Plan `sha256:" in comment["body"]


def test_the_scan_leaves_a_file_after_findings_and_without_them(job):
    job.environ["BASE_REF"] = "main"
    found = job.run(named(SCAN, "scan", "Lint"))
    log = json.loads((job.temp / "dbmigrate.sarif").read_text())
    job.environ["BASE_REF"] = ""  # after the merge
    Repository(job.directory, job.temp).git("update-ref", "refs/remotes/origin/main", "HEAD")
    Repository(job.directory, job.temp).git("remote", "add", "origin", "https://github.example/ann/shop")
    clean = job.run(named(SCAN, "scan", "Lint"))
    empty = json.loads((job.temp / "dbmigrate.sarif").read_text())

    assert (found, clean) == (1, 0), job.log
    assert [each["ruleId"] for each in log["runs"][0]["results"]] == ["L101"]
    assert empty["runs"][0]["results"] == []


# ----------------------------------------------------------------------------------------------------------- the action


@pytest.fixture
def action(job):
    """Run the action's step with this command; the exit code."""
    installed = job.temp / "dbmigrate" / "bin"
    shutil.copytree(job.temp / "bin", installed)
    (installed / "python").symlink_to(sys.executable)

    def run(command, **environ):
        job.environ |= environ
        job.values = {**job.values, "inputs.command": command}
        return job.run(next(step for step in load(ACTION)["runs"]["steps"] if step["name"] == "Run"))

    return run


def test_the_action_hands_the_token_to_the_command_that_comments(action, job, api):
    code = action("check --since origin/main --comment --no-lint")

    assert code == 0, job.log
    assert len(api.comments) == 1
    assert TOKEN not in job.log


def test_no_other_command_of_the_action_gets_the_token(action, job):
    shown = job.temp / "environ"
    action("status", DBMIGRATE_PASSWORD_COMMAND=f"env > {shown}; echo x")

    assert "DBMIGRATE_PASSWORD_COMMAND" in shown.read_text()
    assert TOKEN not in shown.read_text()


@pytest.mark.parametrize("option", ["--format sarif", "--format=sarif"])
def test_the_action_leaves_the_sarif_file_for_an_upload(action, job, option):
    code = action(f"lint --since origin/main {option}")

    assert code == 1, job.log
    path = Path(job.outputs["run"]["sarif"])
    assert path.parent == job.temp
    assert json.loads(path.read_text())["version"] == "2.1.0"


def test_another_format_leaves_no_sarif_file(action, job):
    action("lint --since origin/main")

    assert "sarif" not in job.outputs["run"]
    assert not (job.temp / "dbmigrate.sarif").exists()
