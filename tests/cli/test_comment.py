"""``check --comment``: one comment on the pull request, whatever is there and whatever the token may do."""

from __future__ import annotations

import json
import re

import pytest

from tests.support.git import Repository
from tests.support.github import TOKEN, GitHub, github, refusing
from tests.support.web import site, status

MARKER = "<!-- dbmigrate:check::db/migrations -->"
WITHOUT = ("--no-lint", "--no-dump-schema")


@pytest.fixture
def api():
    with github() as served:
        yield served


@pytest.fixture
def event(tmp_path_factory):
    """The file of an event, as the runner writes it."""

    def make(content):
        path = tmp_path_factory.mktemp("event") / "event.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    return make


@pytest.fixture
def check(run, server, api, event, tmp_path_factory):
    """Runs `check --comment` in a job for a pull request; `summary` of what it returns is that of the job."""
    summary = tmp_path_factory.mktemp("job") / "summary.md"
    summary.touch()

    def run_it(*arguments, env=None, content=None):
        environ = api.environ(event(content or {"action": "opened", "pull_request": {"number": 7}}))
        environ |= {"GITHUB_STEP_SUMMARY": str(summary), "DBMIGRATE_SCRATCH_URL": server.url("postgres"), **(env or {})}
        done = run("check", "--comment", *(arguments or WITHOUT), env=environ)
        assert TOKEN not in done.stdout + done.stderr + summary.read_text()
        assert not any(TOKEN in each["body"] for each in api.comments)
        return done

    run_it.summary = summary
    return run_it


@pytest.fixture
def good(project):
    project.migration("1_create_a", up="create table a (id bigint primary key);", down="drop table a;")


@pytest.fixture
def bad(good, project):
    project.migration("2_add_b", up="alter table a add b numeric(10, 2);", down="select 1;")


def bodies(api: GitHub) -> list[str]:
    return [each["body"] for each in api.comments]


def writes(api: GitHub) -> list[str]:
    return [call for call in api.calls if not call.startswith("GET")]


# -------------------------------------------------------------------------------------------------------- one comment


def test_the_comment_says_what_runs_what_it_locks_what_it_changes_and_what_was_found(check, bad, api):
    done = check()

    assert done.exit_code == 1
    (body,) = bodies(api)
    assert body.startswith(f"{MARKER}\n## dbmigrate: 2 errors\n")
    assert "1. `1_create_a.sql`\n2. `2_add_b.sql`\n" in body
    assert "| `alter table a add b numeric(10, 2)` | `a` | ACCESS EXCLUSIVE |" in body
    assert "```mermaid\nerDiagram\n    a {" in body
    assert "**error** `C103` · `db/migrations/2_add_b.sql:" in body
    assert "2 migrations applied" in body
    assert "(https://github.example/ann/shop/actions/runs/77)" in body


def test_two_runs_are_one_comment(check, bad, project, api):
    check()
    first = bodies(api)
    project.migration("2_add_b", up="alter table a add b int;", down="alter table a drop b;")
    done = check()

    assert done.exit_code == 0
    assert len(first) == len(bodies(api)) == 1
    assert "## dbmigrate: no findings" in bodies(api)[0]
    assert [call.split()[0] for call in writes(api)] == ["POST", "PATCH"]


def test_it_is_found_among_250_comments_on_three_pages(check, bad, api):
    for number in range(249):
        api.add(f"comment {number}", "User" if number % 2 else "Bot")
    api.add(f"{MARKER}\nof yesterday")

    check()

    assert len(api.comments) == 250
    assert "C103" in api.comments[249]["body"]
    assert [call.split()[0] for call in api.calls] == ["GET", "GET", "GET", "PATCH"]


def test_a_copy_by_a_person_and_a_quotation_by_a_bot_are_left_alone(check, bad, api):
    copies = (f"{MARKER}\nI have copied this", "User"), (f"> {MARKER}\nquoted", "Bot"), (f"{MARKER}x\nx", "Bot")
    for body, kind in copies:
        api.add(body, kind)

    check()
    check()

    assert bodies(api)[:3] == [body for body, _ in copies]
    assert len(api.comments) == 4


def test_each_directory_has_its_own(check, good, project, api, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "1_create_b.sql").write_text(
        "-- migrate:up\ncreate table b ();\n-- migrate:down\ndrop table b;\n"
    )

    check()
    check("-d", "other", *WITHOUT)
    check("-d", tmp_path / "other", *WITHOUT)

    assert [body.split("\n")[0] for body in bodies(api)] == [MARKER, "<!-- dbmigrate:check::other -->"]


def test_where_there_is_nothing_to_say_no_comment_is_made_and_an_old_one_is_changed(
    check, good, api, tmp_path, tmp_path_factory
):
    Repository.made(tmp_path, tmp_path_factory.mktemp("home")).commit()

    check("--since", "HEAD", *WITHOUT)
    assert api.comments == []
    api.add(f"{MARKER}\n1 error")
    check("--since", "HEAD", *WITHOUT)

    assert [body.split("\n")[1] for body in bodies(api)] == ["## dbmigrate: no findings"]


# ----------------------------------------------------------------------------------------------------- the environment


@pytest.fixture
def staging(database_url, run, project, query):
    """Staging has applied the first migration, and its table has rows."""
    project.migration("1_create_a", up="create table a (id bigint primary key, t text);", down="drop table a;")
    env = {"STAGING_DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"}
    assert run("-e", "staging", "up", env=env).exit_code == 0
    query(database_url, "insert into a select n, repeat('x', 500) from generate_series(1, 5000) n")
    query(database_url, "analyze a")
    project.migration("2_index_a", up="create index a_t on a (t);", down="drop index a_t;")
    return env


def test_with_an_environment_it_has_the_plan_its_hash_and_the_sizes_there(check, staging, run, api):
    check("-e", "staging", *WITHOUT, env=staging)
    dry = run("-e", "staging", "up", "--dry-run", "--json", env=staging)

    (body,) = bodies(api)
    assert body.startswith("<!-- dbmigrate:check::db/migrations:staging -->\n")
    assert "On `staging`, in this order:\n\n1. `2_index_a.sql` · in a transaction\n\n" in body
    assert f"`{json.loads(dry.stdout)['plan']}`" in body
    assert "≈ 5 k rows" in body
    assert "    a {" in body  # the picture is of what staging does not have


def test_a_plan_that_cannot_be_made_is_said_and_changes_nothing_else(check, staging, project, api):
    project.migration("1_create_a", up="create table a (id int, t text);", down="drop table a;")  # edited

    done = check("-e", "staging", *WITHOUT, env=staging)

    assert done.exit_code == 0
    assert "What is pending on `staging` is not known: " in bodies(api)[0]


# ------------------------------------------------------------------------------------------- what the token may not do


@pytest.mark.parametrize("code", [401, 403, 404])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_the_token_of_a_fork_may_not_is_in_the_summary(check, bad, api, code, method):
    api.fault = refusing(code, f"Resource not accessible by integration {TOKEN}", method)

    done = check()

    assert done.exit_code == 1
    assert "note[W775]: the token may not comment on the pull request" in done.stderr
    assert "Resource not accessible by integration ********" in done.stderr
    assert "## dbmigrate: 2 errors" in check.summary.read_text()
    assert "C103" in done.stdout


@pytest.mark.parametrize(
    "fault",
    [
        refusing(422, "Validation Failed", "POST"),
        refusing(500, "Server Error"),
        refusing(429, "slow down"),
        refusing(403, "You have exceeded a secondary rate limit", Retry_After="60"),
        refusing(200, "not a list", "GET"),
    ],
    ids=["422", "500", "429", "rate-limit", "not-a-list"],
)
def test_what_github_cannot_do_now_is_a_warning_and_in_the_summary(check, good, api, fault):
    api.fault = fault

    done = check()

    assert done.exit_code == 0
    assert "warning[W776]: the comment on the pull request could not be kept" in done.stderr
    assert "## dbmigrate: no findings" in check.summary.read_text()


def test_where_nobody_answers_it_is_a_warning(check, good):
    done = check(env={"GITHUB_API_URL": "http://127.0.0.1:1"})

    assert (done.exit_code, "W776" in done.stderr) == (0, True)


def test_the_token_is_sent_to_no_other_host(check, good, api):
    with site(status(200, "[]")) as other:
        api.fault = refusing(302, "moved", Location=other.url)
        moved = check()
        api.fault = lambda handler: False
        for number in range(101):
            api.add(f"comment {number}")
        api.url, real = other.url.removesuffix("/health"), api.url  # the links to the next page lead there
        paged = check(env={"GITHUB_API_URL": real})

    assert other.requests == []
    assert "W776" in moved.stderr
    assert "W776" in paged.stderr
    assert "on another host" in paged.stderr


def test_the_summary_has_it_where_no_other_summary_is_asked_for(check, bad, tmp_path):
    check()
    first = check.summary.read_text()
    check.summary.write_text("")
    check(*WITHOUT, "--summary", tmp_path / "own.md")

    assert "## dbmigrate: 2 errors" in first
    assert check.summary.read_text() == ""
    assert "## Check: 2 errors" in (tmp_path / "own.md").read_text()


def test_a_summary_that_cannot_be_written_is_a_warning(check, good, tmp_path):
    done = check(env={"GITHUB_STEP_SUMMARY": str(tmp_path)})

    assert done.exit_code == 0
    assert "warning[W776]: the summary of the job cannot be written" in done.stderr


def test_programs_that_the_check_starts_do_not_get_the_token(check, staging, tmp_path, api):
    shown = tmp_path / "environ"
    env = {**staging, "DBMIGRATE_PASSWORD_COMMAND": f"env > {shown}; echo x"}
    check("-e", "staging", *WITHOUT, env=env)

    assert "GITHUB_API_URL" in shown.read_text()
    assert TOKEN not in shown.read_text()
    assert len(api.comments) == 1


def test_the_answer_for_programs_stays_one_object(check, bad, api):
    api.fault = refusing(403, "no")

    done = check(*WITHOUT, "--json")

    assert json.loads(done.stdout)["errors"] == 2


# ------------------------------------------------------------------------------------------------------ a wrong set-up


def test_an_event_without_a_pull_request_is_a_note_and_in_the_summary(check, good, api):
    done = check(content={"ref": "refs/heads/main"}, env={"GITHUB_EVENT_NAME": "push"})

    assert (done.exit_code, api.calls) == (0, [])
    assert "note[W777]" in done.stderr
    assert "no findings" in check.summary.read_text()


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"GITHUB_TOKEN": ""}, "--comment needs GITHUB_TOKEN, which is not set"),
        ({"GITHUB_TOKEN": f"{TOKEN}\nX-Evil: 1"}, "GITHUB_TOKEN holds blanks"),
        ({"GITHUB_EVENT_PATH": ""}, "--comment needs GITHUB_EVENT_PATH"),
        ({"GITHUB_EVENT_PATH": "/nowhere/event.json"}, "cannot read /nowhere/event.json"),
        ({"GITHUB_REPOSITORY": "../../etc"}, "not of the form owner/name"),
        ({"GITHUB_API_URL": "ftp://x"}, "GITHUB_API_URL"),
        ({"GITHUB_API_URL": "http://me:secret@x"}, "GITHUB_API_URL"),
    ],
)
def test_what_is_missing_is_said_before_anything_runs(check, good, api, env, said):
    done = check(env=env)

    assert done.exit_code == 2
    assert f"error[E297]: {said}" in done.stderr or (done.stderr.startswith("error[E297]: ") and said in done.stderr)
    assert "secret" not in done.stderr
    assert (done.stdout, api.calls) == ("", [])


def test_an_event_that_is_not_json_is_said(check, good):
    done = check(content="{")

    assert done.exit_code == 2
    assert re.search(r"error\[E297\]: GITHUB_EVENT_PATH: .* is not JSON", done.stderr)


def test_the_sql_of_a_stranger_is_not_run_with_the_rights_of_the_repository(check, good, api):
    done = check(env={"GITHUB_EVENT_NAME": "pull_request_target"})

    assert done.exit_code == 7
    assert "error[E786]" in done.stderr
    assert (done.stdout, api.calls) == ("", [])


def test_it_is_not_for_the_check_of_two_branches(check, good):
    done = check("--branch", "main")

    assert done.exit_code == 2
    assert "--branch and --comment are two checks" in done.stderr
