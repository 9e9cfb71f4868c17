"""Traces of a run, where OpenTelemetry's variables say where to send them and the extra is installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from dbmigrate.cli.watcher import Watcher
from dbmigrate.model import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dbmigrate.events import Event
    from dbmigrate.execution.session import Session
    from dbmigrate.reports import RunResult
    from dbmigrate.tracing.spans import RunSpans

__all__ = ["Traces", "traces"]

_NEEDED = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


class Traces(Watcher):
    """The spans of the run."""

    def __init__(self, spans: RunSpans) -> None:
        self._spans = spans

    def started(self, session: Session, so_far: RunResult) -> None:
        """The server is known from now on."""
        known = session.conn.info
        self._spans.connected(so_far.database, known.host, known.port)

    def on_event(self, event: Event) -> None:
        """A span for each migration."""
        self._spans.on_event(event)

    def ended(self, result: RunResult) -> Sequence[Problem]:
        """Export them."""
        failure = self._spans.ended(result)
        if failure is None:
            return ()
        return (Problem("W785", f"the traces could not be sent: {failure}", hint="the run is not affected"),)


def traces(command: str, environ: Mapping[str, str]) -> Iterator[Traces]:
    """Nobody, if OpenTelemetry is switched off or the extra is not installed."""
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or environ.get("OTEL_TRACES_EXPORTER") == "none":
        return
    if not _is_installed():
        return
    from dbmigrate.tracing.spans import RunSpans, otlp_exporter

    yield Traces(RunSpans(command, environ, otlp_exporter()))


def _is_installed() -> bool:
    try:
        return all(find_spec(name) is not None for name in _NEEDED)
    except ModuleNotFoundError:  # a package above it
        return False
