"""A span for a run, and one for each migration in it.

Attributes: https://opentelemetry.io/docs/specs/semconv/cli/cli-spans/ and
https://opentelemetry.io/docs/specs/semconv/database/postgresql/. Never the text of a query. The spans are exported at
the end of the run, beside it: a collector that does not answer holds the exit up for two seconds and no longer.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from dbmigrate.events import StepDone, StepFailed, StepStarted
from dbmigrate.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

    from dbmigrate.events import Event
    from dbmigrate.model import Step
    from dbmigrate.reports import RunResult

__all__ = ["RunSpans", "otlp_exporter"]

LIMIT = 2.0  # seconds


class _Kept(SpanProcessor):
    """Keeps the spans that have ended."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


def otlp_exporter() -> SpanExporter:
    """The exporter that OpenTelemetry's variables configure. It logs nothing: a run says itself what failed."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    logger = logging.getLogger("opentelemetry")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return OTLPSpanExporter(timeout=int(LIMIT))


class RunSpans:
    """The spans of one run of `command`; its parent is the span that the caller's TRACEPARENT names."""

    def __init__(self, command: str, environ: Mapping[str, str], exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._kept = _Kept()
        named = {} if environ.get("OTEL_SERVICE_NAME") else {"service.name": "dbmigrate"}
        provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
        provider.add_span_processor(self._kept)
        self._tracer = provider.get_tracer("dbmigrate", __version__)
        carrier = {name: environ[name.upper()] for name in ("traceparent", "tracestate") if name.upper() in environ}
        parent = TraceContextTextMapPropagator().extract(carrier)
        attributes: dict[str, Any] = {"process.executable.name": "dbmigrate", "process.pid": os.getpid()}
        self._run = self._tracer.start_span(f"dbmigrate {command}", parent, SpanKind.INTERNAL, attributes)
        self._server: dict[str, Any] = {}
        self._open: Any = None
        self._failed_at: int | None = None

    def connected(self, database: str, host: str, port: int) -> None:
        """The server is known."""
        self._server = {"db.namespace": database, "server.address": host, "server.port": port}

    def on_event(self, event: Event) -> None:
        """A migration begins or ends. One that fails is ended with the run, which knows why."""
        if isinstance(event, StepStarted) and event.step.runs_sql:
            self._begin(event.step)
        elif isinstance(event, StepDone) and self._open is not None:
            self._open.end()
            self._open = None
        elif isinstance(event, StepFailed) and self._open is not None:
            self._failed_at = time.time_ns()

    def _begin(self, step: Step) -> None:
        if self._open is not None:  # another run did it meanwhile
            self._open.end()
        attributes = {
            "db.system.name": "postgresql",
            **self._server,
            "dbmigrate.version": step.version,
            "dbmigrate.direction": step.direction.value,
        }
        name = f"{step.direction.value} {step.version or step.name}"
        self._open = self._tracer.start_span(name, set_span_in_context(self._run), SpanKind.CLIENT, attributes)

    def ended(self, result: RunResult) -> str | None:
        """End the spans and export them. Why they were not exported; None if they were."""
        if self._open is not None:
            if result.sqlstate is not None:
                self._open.set_attribute("db.response.status_code", result.sqlstate)
            self._open.set_attribute("error.type", result.sqlstate or result.error_code or "interrupted")
            self._open.set_status(Status(StatusCode.ERROR))
            self._open.end(self._failed_at)
        self._run.set_attribute("process.exit.code", result.exit_code)
        if result.exit_code != 0:
            self._run.set_attribute("error.type", result.error_code or "crash")
            self._run.set_status(Status(StatusCode.ERROR))
        self._run.end()
        return self._export()

    def _export(self) -> str | None:
        results: list[SpanExportResult] = []
        spans = tuple(self._kept.spans)
        thread = threading.Thread(
            target=lambda: results.append(self._exporter.export(spans)), name="traces", daemon=True
        )
        thread.start()
        thread.join(LIMIT)
        if thread.is_alive():
            return f"no answer within {LIMIT:.0f} s"
        return None if results == [SpanExportResult.SUCCESS] else "the collector did not take them"
