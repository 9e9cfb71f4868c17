"""Messages as structured lines: every line of stderr is one, and stdout stays as it is."""

from __future__ import annotations

import json
import re

import pytest

A = "create table a (id int);"


def lines(done):
    return [json.loads(line) for line in done.stderr.splitlines()]


def without_run(text):
    """A script without the id of its run."""
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", text)


def pairs(line):
    """A line of logfmt, read as its readers do."""
    found = re.findall(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|\S*)(?: |$)', line)
    assert "".join(f"{key}={value} " for key, value in found).rstrip() == line
    return {key: json.loads(value) if value.startswith('"') else value for key, value in found}


def test_a_run_says_what_an_operator_looks_for(command, project):
    project.migration("1_a", up=A)
    project.migration("2_b", up="do $$begin raise notice 'hello'; end$$;")

    done = command("up", "--log-format", "json")

    assert done.exit_code == 0
    found = lines(done)
    messages = [line["message"] for line in found]
    assert messages[0].startswith("Starting: ")
    assert messages[1:] == [
        "Found 2 pending migrations",
        "Applying migration 1_a",
        "Successfully applied migration 1_a",
        "Applying migration 2_b",
        "hello",
        "Successfully applied migration 2_b",
        "All migrations completed successfully",
    ]
    assert {line["logger"] for line in found} == {"dbmigrate"}
    assert {line["level"] for line in found} == {"info"}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]) for line in found)
    assert found[3]["version"] == "1"
    assert found[3]["file"] == "1_a.sql"
    assert found[3]["duration_ms"] > 0
    assert re.fullmatch(r"Applied: 1_a\.sql in \S+\nApplied: 2_b\.sql in \S+\n", done.stdout)


def test_without_anything_to_do(command, project):
    project.migration("1_a", up=A)
    command("up")

    done = command("up", "--log-format", "json")

    assert [line["message"] for line in lines(done)][1:] == ["Found 0 pending migrations", "Nothing to do"]


def test_a_rollback(command, project):
    project.migration("1_a", up=A, down="drop table a;")
    command("up")

    done = command("rollback", "--log-format", "json")

    assert [line["message"] for line in lines(done)][1:] == [
        "Found 1 migration to roll back",
        "Rolling back migration 1_a",
        "Successfully rolled back migration 1_a",
        "All migrations completed successfully",
    ]


def test_a_failure_is_one_line_of_level_error(command, project):
    project.migration("1_a", up="create table a (id int);\nselect 1 from missing;")

    done = command("up", "--log-format", "json")

    assert done.exit_code == 4
    failed, error = lines(done)[-2:]
    assert (failed["level"], failed["message"]) == ("error", "Failed migration 1_a")
    assert error["level"] == "error"
    assert (error["code"], error["exit_code"], error["sqlstate"]) == ("E401", 4, "42P01")
    assert (error["path"], error["line"]) == ("db/migrations/1_a.sql", 3)
    assert "missing" in error["message"]
    assert error["hint"]


def test_logfmt_has_the_same_in_pairs(command, project):
    project.migration("1_a", up='create table "we=ird" (id int); do $$begin raise notice E\'a "b"\\nc=d\'; end$$;')

    done = command("up", "--log-format", "logfmt")

    found = [pairs(line) for line in done.stderr.splitlines()]
    assert [line["message"] for line in found][1:] == [
        "Found 1 pending migration",
        "Applying migration 1_a",
        'a "b"\nc=d',
        "Successfully applied migration 1_a",
        "All migrations completed successfully",
    ]
    assert found[-2]["file"] == "1_a.sql"


def test_with_json_stdout_is_one_object_and_stderr_has_lines(command, project):
    project.migration("1_a", up=A)

    done = command("up", "--json", "--log-format", "json")

    assert json.loads(done.stdout)["ok"] is True
    assert "Successfully applied migration 1_a" in [line["message"] for line in lines(done)]


@pytest.mark.parametrize(
    "arguments",
    [("status",), ("up", "--dry-run", "--no-locks"), ("verify",), ("history",), ("up", "--nonsense"), ("wait",)],
    ids=" ".join,
)
def test_every_line_of_stderr_is_json_and_stdout_is_as_without(command, project, arguments):
    project.migration("1_a", up=A)
    project.write("notes.txt", "no migration")

    done = command(*arguments, env={"DBMIGRATE_LOG_FORMAT": "json"})

    lines(done)
    assert without_run(done.stdout) == without_run(command(*arguments).stdout)


def test_configuration_errors_are_lines_too(run, project):
    (project.root / "dbmigrate.toml").write_text("colour = 1\n")

    done = run("status", "--log-format", "json")

    assert done.exit_code == 2
    assert [line["code"] for line in lines(done)] == ["E254"]


def test_quiet_leaves_errors(command, project):
    project.migration("1_a", up=A)

    assert command("up", "--quiet", "--log-format", "json").stderr == ""
    project.migration("2_a", up=A)
    done = command("up", "--quiet", "--log-format", "json")
    assert [line["level"] for line in lines(done)][-1] == "error"


@pytest.mark.parametrize("source", ["option", "variable", "project file"])
def test_an_unknown_format_is_refused(run, project, source):
    if source == "project file":
        (project.root / "dbmigrate.toml").write_text('log-format = "xml"\n')
    options = ("--log-format", "xml") if source == "option" else ()

    done = run("status", *options, env={"DBMIGRATE_LOG_FORMAT": "xml"} if source == "variable" else {})

    assert done.exit_code == 2
    assert "E205" in done.stderr
    assert "text, json or logfmt" in done.stderr


def test_the_project_file_chooses_it(command, project):
    project.migration("1_a", up=A)
    (project.root / "dbmigrate.toml").write_text('log-format = "logfmt"\n')

    done = command("up")

    assert all(pairs(line)["logger"] == "dbmigrate" for line in done.stderr.splitlines())
    assert "Applied: 1_a.sql" in done.stdout
    assert "level=info" not in command("status", "--log-format", "text").stderr


def test_a_password_is_in_no_line(run, project, unused_port):
    project.migration("1_a", up=A)

    done = run("up", "--log-format", "json", env={"DATABASE_URL": f"postgres://u:s3cr3tpw@127.0.0.1:{unused_port}/x"})

    assert done.exit_code == 3
    lines(done)
    assert "s3cr3tpw" not in done.stderr


def test_a_file_name_cannot_forge_a_line(command, project):
    project.migration('1_a\n{"level": "error"}', up=A)

    done = command("up", "--log-format", "json")

    assert done.exit_code == 0, done.stderr
    assert {line["level"] for line in lines(done)} == {"info"}


def test_on_several_targets_every_message_is_a_line_too(command, project, tmp_path):
    project.migration("1_a", up=A)
    project.migration("2_b", up="select nothing;")
    (tmp_path / "t").write_text("schema:x\nschema:y\n")

    done = command("up", "--targets", "t", "--log-format", "json")

    assert done.exit_code == 4
    first, *failed = lines(done)
    assert first["message"] == "up on 2 targets · 2 at a time"
    assert sorted(line["target"] for line in failed) == ["schema:x", "schema:y"]
    for line in failed:
        assert line["message"] == 'column "nothing" does not exist (42703)'
        assert (line["level"], line["code"], line["sqlstate"], line["result"]) == ("error", "E401", "42703", "failed")
        assert line["place"] == "db/migrations/2_b.sql:2:8"
        assert line["state"] == "rolled back; nothing of 2_b.sql was applied"
        assert line["hint"].startswith("correct the file, then run `dbmigrate up --targets t` again;")
        assert line["duration_ms"] > 0


@pytest.mark.parametrize(("form", "read"), [("json", json.loads), ("logfmt", pairs)])
def test_no_line_is_padded_for_people(command, project, tmp_path, form, read):
    project.migration("1_a", up=A)
    (tmp_path / "t").write_text("schema:x\nschema:y\nschema:x\n")
    canary = command("up", "--targets", "t", "--canary", "1", "--yes", "--log-format", form)
    deployed = command("deploy", "--no-backup", "--log-format", form)

    messages = [read(line)["message"] for line in (canary.stderr + deployed.stderr).splitlines()]

    assert "The canary is done" in messages
    assert [message for message in messages if "  " in message] == []
