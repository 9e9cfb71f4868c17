"""Collects what a run does, for those who watch it: a listener of its events."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from dbmigrate.events import StepDone, StepFailed, StepStarted
from dbmigrate.reports import RunResult, StepResult

if TYPE_CHECKING:
    from dbmigrate.errors import Error
    from dbmigrate.events import Event
    from dbmigrate.model import Step

__all__ = ["Recorder"]


class Recorder:
    """Steps with their times; `result` is what came of the run."""

    def __init__(self, command: str, environment: str | None, service: str | None) -> None:
        self._command = command
        self._environment = environment
        self._service = service
        self._began = time.monotonic()
        self._steps: list[StepResult] = []
        self._running: tuple[Step, float] | None = None
        self.has_begun = False
        self.database = ""
        self.run_id: str | None = None
        self.git_commit: str | None = None
        self.outside_window = False

    def on_event(self, event: Event) -> None:
        """Steps that only record something do not count."""
        if isinstance(event, StepStarted) and event.step.runs_sql:
            self.has_begun = True
            self._running = (event.step, time.monotonic())
        elif isinstance(event, StepDone) and event.outcome.step.runs_sql:
            self._add(event.outcome.step, event.outcome.seconds, is_done=True)
        elif isinstance(event, StepFailed) and event.step.runs_sql:
            self._add(event.step, event.seconds, is_done=False)

    @property
    def running(self) -> tuple[Step, float] | None:
        """The step that runs now, and for how many seconds."""
        return self._running and (self._running[0], time.monotonic() - self._running[1])

    def _add(self, step: Step, seconds: float, *, is_done: bool) -> None:
        self._running = None
        self._steps.append(StepResult(step.version, step.name, step.direction.value, seconds, is_done))

    def result(self, error: Error | None = None, exit_code: int = 0) -> RunResult:
        """What is known so far; at the end with the failure."""
        place = error.place if error is not None else None
        return RunResult(
            command=self._command,
            environment=self._environment,
            database=self.database,
            service=self._service,
            steps=tuple(self._steps),
            seconds=time.monotonic() - self._began,
            exit_code=exit_code if error is None else error.exit_code,
            has_begun=self.has_begun,
            run_id=self.run_id,
            git_commit=self.git_commit,
            line=place.line if place is not None else None,
            sqlstate=error.sqlstate if error is not None else None,
            error_code=error.code if error is not None else None,
            outside_window=self.outside_window,
        )
