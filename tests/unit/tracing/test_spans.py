"""Spans of a run: their kinds, names, attributes, and what they never have."""

from __future__ import annotations

import json
import time

import pytest

pytest.importorskip("opentelemetry.sdk", reason="the extra otel is not installed")

from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from dbmigrate.events import StepDone, StepFailed, StepStarted
from dbmigrate.migrations import parser
from dbmigrate.model import Action, Direction, MigrationFile, Step
from dbmigrate.reports import Outcome, RunResult
from dbmigrate.tracing.spans import RunSpans


def step(version: str, tmp_path) -> Step:
    path = tmp_path / f"{version}_a.sql"
    path.write_text("-- migrate:up\nselect 'hidden';\n-- migrate:down\n")
    migration = parser.read(MigrationFile(version, path.name, str(path)))
    return Step(version, path.name, Direction.UP, Action.RUN, migration)


def test_a_run_has_a_span_and_each_migration_one_below_it(tmp_path) -> None:
    exporter = InMemorySpanExporter()
    spans = RunSpans("up", {}, exporter)
    spans.connected("shop", "db.example.com", 5432)
    one, two = step("1", tmp_path), step("2", tmp_path)
    spans.on_event(StepStarted(one))
    spans.on_event(StepDone(Outcome(one, 0.1)))
    spans.on_event(StepStarted(two))
    spans.on_event(StepFailed(two, 0.1))

    failure = spans.ended(
        RunResult("up", "production", "shop", exit_code=4, has_begun=True, sqlstate="42P01", error_code="E401")
    )

    assert failure is None
    first, second, run = exporter.get_finished_spans()
    assert (run.name, run.kind, run.parent) == ("dbmigrate up", SpanKind.INTERNAL, None)
    assert run.attributes["process.exit.code"] == 4
    assert run.attributes["error.type"] == "E401"
    assert run.attributes["process.executable.name"] == "dbmigrate"
    assert run.status.status_code is StatusCode.ERROR
    assert (first.name, first.kind) == ("up 1", SpanKind.CLIENT)
    assert first.parent.span_id == run.context.span_id
    assert dict(first.attributes) == {
        "db.system.name": "postgresql",
        "db.namespace": "shop",
        "server.address": "db.example.com",
        "server.port": 5432,
        "dbmigrate.version": "1",
        "dbmigrate.direction": "up",
    }
    assert second.attributes["db.response.status_code"] == second.attributes["error.type"] == "42P01"
    assert second.status.status_code is StatusCode.ERROR
    assert "hidden" not in json.dumps([json.loads(span.to_json()) for span in (first, second, run)])


def test_the_parent_is_the_span_of_the_caller() -> None:
    exporter = InMemorySpanExporter()
    environ = {"TRACEPARENT": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}

    RunSpans("up", environ, exporter).ended(RunResult("up", None, "shop"))

    (run,) = exporter.get_finished_spans()
    assert f"{run.context.trace_id:x}" == "af7651916cd43dd8448eb211c80319c"
    assert f"{run.parent.span_id:x}" == "b7ad6b7169203331"
    assert "error.type" not in run.attributes
    assert run.resource.attributes["service.name"] == "dbmigrate"


class Stuck(SpanExporter):
    def export(self, spans) -> SpanExportResult:
        time.sleep(20)
        return SpanExportResult.SUCCESS


def test_a_collector_that_does_not_answer_holds_the_exit_up_for_two_seconds() -> None:
    spans = RunSpans("up", {}, Stuck())
    began = time.monotonic()

    failure = spans.ended(RunResult("up", None, "shop"))

    assert failure == "no answer within 2 s"
    assert time.monotonic() - began < 10
