"""A run that is watched: maintenance windows, slow migrations, metrics, notices, traces.

Nothing here stops a run but the window. What cannot be written or sent is a warning, and the exit code stays.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from dbmigrate.cli import messages
from dbmigrate.cli.recorder import Recorder
from dbmigrate.errors import ConfigError, Error, Interrupted
from dbmigrate.events import StepDone, StepFailed
from dbmigrate.model import Problem
from dbmigrate.settings.watching import is_traced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from dbmigrate.api.migrator import Options
    from dbmigrate.cli.watcher import Watcher
    from dbmigrate.cli.window import Guard
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.events import Event
    from dbmigrate.execution.session import Session
    from dbmigrate.model import History, Plan
    from dbmigrate.settings.load import Settings

__all__ = ["Watch", "keep_window", "note_window", "watched"]


class Command(Protocol):
    """What is needed of an invocation."""

    outside_window: str | None
    watch: Watch | None

    def settings(self) -> Settings: ...

    def warn(self, problems: Iterable[Problem]) -> None: ...


class Watch:
    """What surrounds the run of one command."""

    def __init__(self, call: Command, recorder: Recorder, watchers: Sequence[Watcher]) -> None:
        settings = call.settings()
        self._call = call
        self._recorder = recorder
        self._watchers = watchers
        self._slow_after = settings.watching.slow_after(settings.target_environment)
        self._slow_said: str | None = None
        self._guard = guard(call, settings)

    @contextmanager
    def around(self, dsn: Dsn, options: Options) -> Iterator[Options]:
        """The options for a run that is watched, while its server can be reached."""
        self._recorder.database = dsn.database
        reason = options.reason
        if self._guard is not None and self._guard.is_outside:
            from dbmigrate.cli import window

            reason = window.reason(reason, self._guard.allowed or "")
        hooks = (*options.before_run, self._before_run)
        try:
            yield replace(options, reason=reason, approve=self._approving(options.approve), before_run=hooks)
        finally:
            for watcher in self._watchers:
                watcher.before_close(dsn, options)

    def on_event(self, event: Event) -> None:
        """A listener beside the renderer."""
        if isinstance(event, StepDone | StepFailed):
            self._look_at_clock()
        self._recorder.on_event(event)
        for watcher in self._watchers:
            watcher.on_event(event)
        self._look_at_clock()

    def ended(self, error: Error | None, exit_code: int) -> None:
        """Tell everybody how it ended."""
        result = self._recorder.result(error, exit_code)
        for watcher in self._watchers:
            self._call.warn(watcher.ended(result))

    def _approving(
        self, approve: Callable[[Plan, History], Callable[[], None] | None] | None
    ) -> Callable[[Plan, History], Callable[[], None] | None] | None:
        """The window is looked at before somebody is asked."""
        if self._guard is None:
            return approve

        def approved(plan: Plan, history: History) -> Callable[[], None] | None:
            self._refuse_outside(plan)
            return approve(plan, history) if approve is not None else None

        return approved

    def _refuse_outside(self, plan: Plan) -> None:
        if self._guard is not None and any(step.runs_sql for step in plan.steps):
            self._guard.check(datetime.now(UTC))

    def _before_run(self, session: Session, plan: Plan) -> None:
        self._refuse_outside(plan)
        if not any(step.runs_sql for step in plan.steps):
            return
        if self._guard is not None and self._guard.is_outside:
            self._recorder.outside_window = True
            self._call.warn((self._guard.warning,))
        if self._watchers:
            self._recorder.run_id, self._recorder.git_commit = session.run_id, session.run.git_commit
        for watcher in self._watchers:
            watcher.started(session, self._recorder.result())

    def _look_at_clock(self) -> None:
        """Warn once of a migration that takes too long; it goes on."""
        running = self._recorder.running
        if self._slow_after is None or running is None:
            return
        step, seconds = running
        if seconds < self._slow_after or self._slow_said == step.name:
            return
        from dbmigrate.settings.durations import shown

        self._slow_said = step.name
        message = f"{step.name} takes longer than slow-after ({shown(self._slow_after)})"
        self._call.warn((Problem("W780", message, hint="it goes on; `dbmigrate locks` shows whether it waits"),))
        for watcher in self._watchers:
            watcher.slow(step.name, self._recorder.result())


@contextmanager
def watched(call: Command, command: str) -> Iterator[None]:
    """Watch the run of `command` in the block, however it ends."""
    settings = call.settings()
    recorder = Recorder(command, settings.target_environment, messages.service(settings))
    with suppress(ConfigError):  # which the command itself reports
        recorder.database = settings.target().database
    watch = Watch(call, recorder, tuple(_watchers(command, settings)))
    call.watch = watch
    failure: Error | None = None
    code = 1  # of what nobody foresaw
    try:
        yield
        code = 0
    except Error as exc:
        failure = exc
        raise
    except KeyboardInterrupt as exc:
        failure = Interrupted.by(exc, "interrupted")
        raise
    finally:
        call.watch = None
        watch.ended(failure, code)


def guard(call: Command, settings: Settings) -> Guard | None:
    """The windows of the environment; None if it has none. Raises ConfigError E200 for an option without a reason."""
    found = settings.watching.windows(settings.target_environment)
    allowed = call.outside_window
    if not found and allowed is None:
        return None
    from dbmigrate.cli import window
    from dbmigrate.settings import windows

    if allowed is not None:
        window.reason(None, allowed)
    is_open = windows.is_open(found, datetime.now(UTC))
    return window.Guard(settings.target_environment or "", found, allowed, is_open)


def keep_window(call: Command) -> Callable[[], None]:
    """Refuse to change a database as a whole outside of its window, as `load` and `drop` do; no plan says what runs.

    The answer does it again, after somebody was asked. Raises Refused E788, E789.
    """
    found = guard(call, call.settings())
    if found is None:
        return _go_on
    kept = found.unlogged()
    kept.check(datetime.now(UTC))
    if kept.is_outside:
        call.warn((kept.warning,))
    return lambda: kept.check(datetime.now(UTC))


def _go_on() -> None:
    """There is no window."""


def note_window(call: Command) -> None:
    """What a dry run says about the window."""
    found = guard(call, call.settings())
    if found is not None:
        call.warn(found.notes(datetime.now(UTC)))


def _watchers(command: str, settings: Settings) -> Iterator[Watcher]:
    """Those who are asked for; nobody else's module is imported."""
    watching = settings.watching
    if watching.metrics_file is not None:
        from dbmigrate.cli.metrics import MetricsFile

        yield MetricsFile(watching.metrics_file)
    if is_traced(settings.environ):
        from dbmigrate.cli.traces import traces

        yield from traces(command, settings.environ)
    if watching.notify is not None:
        from dbmigrate.cli.notices import notifier

        yield notifier(watching, watching.notify, settings.environ)
