"""Settings about watching: metrics, notices, the form of messages, maintenance windows, what counts as slow."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError
from dbmigrate.frozen import frozen
from dbmigrate.settings import durations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbmigrate.settings.project_file import Project
    from dbmigrate.settings.project_watching import NotifyTable
    from dbmigrate.settings.sources import Choice, Value
    from dbmigrate.settings.windows import Window

__all__ = ["LOG_FORMATS", "Watching", "is_traced", "log_format", "read"]

LOG_FORMATS = ("text", "json", "logfmt")
_TRACE_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


@frozen
class Watching:
    """Where metrics go, the form of messages, and ``[notify]`` with what its variables hold (None: not set).

    What depends on the environment is asked for by its name.
    """

    metrics_file: str | None
    log_format: str
    notify: NotifyTable | None
    url: str | None = field(repr=False)
    secret: str | None = field(repr=False)
    _slow_after: Value = field(repr=False)
    _slow_is_general: bool = field(repr=False)
    _project: Project = field(repr=False)

    def is_idle(self, environment: str | None, environ: Mapping[str, str]) -> bool:
        """Whether nothing of a run is watched, and it may run at any time. Raises ConfigError E205."""
        is_reported = self.metrics_file is not None or self.notify is not None or is_traced(environ)
        return not (is_reported or self.windows(environment) or self.slow_after(environment))

    def windows(self, environment: str | None) -> tuple[Window, ...]:
        """When the environment may be changed; empty: always."""
        return self._project.windows.get(environment or "", ())

    def slow_after(self, environment: str | None) -> float | None:
        """After how many seconds a migration is slow; None: never. What the project file says of the environment wins
        over its key at the top. Raises ConfigError E205."""
        own = self._project.slow_after.get(environment or "") if self._slow_is_general else None
        if own is not None:
            return durations.duration(own.text, f"{own.key} ({own.origin})") or None
        value = self._slow_after
        return durations.duration(value.text, value.name) or None if value.text else None


def is_traced(environ: Mapping[str, str]) -> bool:
    """Whether OpenTelemetry's variables say where traces go."""
    return any(environ.get(name) for name in _TRACE_VARIABLES)


def read(choice: Choice, project: Project, metrics_file: str | None, log_format_given: str | None) -> Watching:
    """The settings; the last two are flags. Raises ConfigError E205."""
    slow = choice.value("DBMIGRATE_SLOW_AFTER")
    general = project.values.get("DBMIGRATE_SLOW_AFTER")
    table = project.notify
    return Watching(
        metrics_file=_path(choice, metrics_file),
        log_format=log_format(choice.value("DBMIGRATE_LOG_FORMAT", log_format_given)),
        notify=table,
        url=choice.secret(table.url_env) if table else None,
        secret=choice.secret(table.secret_env) if table and table.secret_env else None,
        _slow_after=slow,
        _slow_is_general=slow.origin in ("default", general.origin if general else ""),
        _project=project,
    )


def log_format(value: Value) -> str:
    """Raises ConfigError E205 for an unknown one."""
    found = value.text.strip()
    if found not in LOG_FORMATS:
        hint = f"use {', '.join(LOG_FORMATS[:-1])} or {LOG_FORMATS[-1]}"
        raise ConfigError(f"{value.name}: unknown format {found!r}", code="E205", hint=hint)
    return found


def _path(choice: Choice, flag: str | None) -> str | None:
    """An empty flag is an error: it comes from an unset variable of a shell."""
    value = choice.value("DBMIGRATE_METRICS_FILE", flag)
    if value.origin == "default":
        return None
    if not value.text.strip() or "\0" in value.text:
        hint = "name a file, such as /var/lib/node_exporter/textfile/dbmigrate.prom"
        raise ConfigError(f"{value.name} is empty", code="E205", hint=hint)
    return value.text
