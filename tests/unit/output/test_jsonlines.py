"""What programs see: one JSON object per command on stdout, nothing else there."""

from __future__ import annotations

import io
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from dbmigrate.errors import ConfigError, MigrationFailed
from dbmigrate.events import StepDone, StepStarted
from dbmigrate.model import Direction, LogState, Place, Problem, Severity
from dbmigrate.output import Json, Streams
from dbmigrate.output.verbosity import Verbosity
from dbmigrate.reports import MigrationState, Report, SchemaFile, Status, StatusRow
from tests.support.values import outcome, step, unfinished


class Shown:
    """A renderer and what it wrote."""

    def __init__(self, verbosity: Verbosity = Verbosity.NORMAL) -> None:
        self._out, self._err = io.StringIO(), io.StringIO()
        self.json = Json(Streams(self._out, self._err), verbosity=verbosity)

    @property
    def value(self) -> dict[str, Any]:
        """The one object on stdout."""
        (line,) = self._out.getvalue().splitlines()
        value: dict[str, Any] = json.loads(line)
        return value

    @property
    def out(self) -> str:
        return self._out.getvalue()

    @property
    def err(self) -> str:
        return self._err.getvalue()


def test_a_report_lists_what_was_done() -> None:
    shown = Shown()

    shown.json.report(
        "up",
        Report(
            (outcome("1_a", seconds=0.0125, statements=2), outcome("2_b", Direction.DOWN)),
            (Problem("W1", "odd", Severity.NOTE, Place("f.sql", 2, 3), "fix it"),),
            current="1",
            schema=SchemaFile("db/schema.sql", 3, 1),
            seconds=1.5,
        ),
    )

    assert shown.value == {
        "format": "dbmigrate/1",
        "command": "up",
        "ok": True,
        "done": [
            {"version": "1", "file": "1_a.sql", "direction": "up", "statements": 2, "duration_ms": 12.5},
            {"version": "2", "file": "2_b.sql", "direction": "down", "statements": 1, "duration_ms": 500.0},
        ],
        "deferred": [],
        "version": "1",
        "schema_file": "db/schema.sql",
        "duration_ms": 1500.0,
        "problems": [
            {"code": "W1", "severity": "note", "message": "odd", "place": "f.sql:2:3", "hint": "fix it"},
        ],
    }


def test_with_nothing_to_do_the_lists_are_empty_and_all_keys_are_there() -> None:
    shown = Shown()

    shown.json.report("up", Report())

    value = shown.value
    assert (value["done"], value["problems"], value["version"], value["schema_file"]) == ([], [], None, None)


def test_status_has_counts_and_a_row_per_migration() -> None:
    shown = Shown()
    rows = (
        StatusRow("1", "1_a.sql", MigrationState.APPLIED),
        StatusRow("2", "2_b.sql", MigrationState.MISSING),
        StatusRow("3", "3_c.sql", MigrationState.UNFINISHED, unfinished=unfinished("3_c", LogState.FAILED)),
        StatusRow("4", "4_d.sql", MigrationState.PENDING),
    )

    shown.json.status(Status(rows, (Problem("W302", "odd"),)))

    value = shown.value
    assert (value["applied"], value["pending"], value["missing"]) == (1, 2, 1)
    assert [row["state"] for row in value["migrations"]] == ["applied", "missing", "unfinished", "pending"]
    assert [problem["code"] for problem in value["problems"]] == ["W302"]


def test_times_are_in_utc_whatever_the_session_says() -> None:
    shown = Shown()
    noon = datetime(2026, 3, 1, 12, 0, tzinfo=timezone(timedelta(hours=2)))

    shown.json.status(Status((StatusRow("1", "1_a.sql", MigrationState.APPLIED, noon, "deploy"),)))

    (row,) = shown.value["migrations"]
    assert (row["applied_at"], row["applied_by"]) == ("2026-03-01T10:00:00+00:00", "deploy")


def test_an_error_is_an_object_with_its_place_and_its_exit_code() -> None:
    error = MigrationFailed(
        "boom",
        code="E401",
        hint="fix it",
        place=Place("f.sql", 3, 18),
        details=(("DETAIL", "more"),),
        sqlstate="42704",
    )
    error.state = "rolled back"
    error.report = Report((outcome("1_a"),), current="1")
    shown = Shown()

    shown.json.error(error)

    value = shown.value
    assert (value["ok"], value["exit_code"], value["version"]) == (False, 4, "1")
    assert [done["version"] for done in value["done"]] == ["1"]
    assert value["error"] == {
        "code": "E401",
        "message": "boom",
        "hint": "fix it",
        "state": "rolled back",
        "sqlstate": "42704",
        "path": "f.sql",
        "line": 3,
        "column": 18,
        "details": {"DETAIL": "more"},
    }


def test_an_error_is_told_to_people_as_well() -> None:
    shown = Shown()

    shown.json.error(ConfigError("no database", code="E201"))

    assert shown.err == "error[E201]: no database\n"
    assert (shown.value["exit_code"], shown.value["error"]["path"]) == (2, None)


def test_progress_does_not_stand_between_the_json() -> None:
    shown = Shown()

    shown.json.on_event(StepStarted(step("1_a")))
    shown.json.on_event(StepDone(outcome("1_a")))

    assert shown.out == ""
    assert shown.err == "Applying: 1_a.sql\nApplied: 1_a.sql in 500ms\n"


def test_quiet_leaves_the_json_and_the_errors() -> None:
    shown = Shown(Verbosity.QUIET)

    shown.json.on_event(StepDone(outcome("1_a")))
    shown.json.suggestions("dbmigrate")
    shown.json.report("up", Report())

    assert shown.value["ok"]
    assert shown.err == ""


def test_a_script_stays_a_script() -> None:
    shown = Shown()

    shown.json.script(["begin;\n", "commit;\n"])

    assert shown.out == "begin;\ncommit;\n"


def test_a_new_file_is_an_object() -> None:
    shown = Shown()

    shown.json.created_file("db/migrations/1_a.sql")

    assert (shown.value["command"], shown.value["path"]) == ("new", "db/migrations/1_a.sql")


@pytest.mark.parametrize("text", ['"quoted"\\', "line\nfeed\t\x1b\x00", "größe 名前 \U0001f680", "\u2028", "\udcff"])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_whatever_a_message_holds_the_line_is_valid_json_in_every_encoding(text: str, encoding: str) -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding=encoding, errors="backslashreplace")

    Json(Streams(out, io.StringIO())).error(MigrationFailed(text, code="E401", details=((text, text),)))

    assert json.loads(raw.getvalue().decode(encoding))["error"]["message"] == text
    assert raw.getvalue().count(b"\n") == 1
