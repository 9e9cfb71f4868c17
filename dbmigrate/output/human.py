"""The renderer for people, and for scripts that were written for dbmate: in a pipe its lines are dbmate's."""

from __future__ import annotations

import sys
import time
from functools import cached_property
from typing import TYPE_CHECKING

from dbmigrate.events import (
    BackfillProgress,
    Created,
    Dropped,
    Event,
    PhaseDone,
    Planned,
    Progress,
    Retrying,
    RunStarted,
    SchemaLoaded,
    SchemaRead,
    SchemaWritten,
    ServerNotice,
    StepDone,
    StepFailed,
    StepStarted,
    Targeted,
    Waiting,
    Warned,
)
from dbmigrate.model import Direction
from dbmigrate.output import tables, text
from dbmigrate.output.colour import Line, Style
from dbmigrate.output.verbosity import Verbosity
from dbmigrate.reports import MigrationState, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from dbmigrate.errors import Error
    from dbmigrate.impact.values import LockReport
    from dbmigrate.model import Plan
    from dbmigrate.output.renderer import Streams
    from dbmigrate.reports import Finding, LogEntry, Report, Status, StatusRow

_ACTIVITY = {Direction.UP: "Applying", Direction.DOWN: "Rolling back"}
_RESULT = {Direction.UP: "Applied:", Direction.DOWN: "Rolled back:"}
_BESIDE_AN_EXCERPT = 12  # columns for the line number and the margin
_PIPE_REPORT_EVERY = 30.0
_SUGGESTIONS = (
    ("rollback", "undo the last migration"),
    ("up --dry-run", "print the SQL that would run, as a psql script"),
    ("up", "apply it again"),
    ('new "add a table"', "start a migration of your own"),
)
_MARKS = {
    MigrationState.APPLIED: (Style.SUCCESS, "[X]"),
    MigrationState.PENDING: (Style.WARNING, "[ ]"),
    MigrationState.ELSEWHERE: (Style.LABEL, "[-]"),
    MigrationState.UNFINISHED: (Style.ERROR, "[!]"),
    MigrationState.MISSING: (Style.ERROR, "[?]"),
    MigrationState.DEFERRED: (Style.WARNING, "[~]"),
}


class Human:
    """Lines of text. On a terminal a running statement is shown in one live line below them."""

    def __init__(
        self, streams: Streams, *, verbosity: Verbosity = Verbosity.NORMAL, hide: Callable[[str], str] = str
    ) -> None:
        self._streams = streams
        self._hide = hide  # masks the secrets that SQL may hold
        self._verbosity = verbosity
        self._is_live = streams.err.isatty()
        self._live_length = 0
        self._reported = time.monotonic()
        self._warned: set[tuple[Line, ...]] = set()

    def on_event(self, event: Event) -> None:
        self._handlers[type(event)](event)

    @cached_property
    def _handlers(self) -> Mapping[type, Callable[..., None]]:
        return {
            BackfillProgress: self._backfill_progress,
            Created: self._created,
            Dropped: self._dropped,
            PhaseDone: self._phase_done,
            Planned: self._planned,
            Progress: self._progress,
            Retrying: self._retrying,
            RunStarted: self._run_started,
            SchemaLoaded: self._schema_loaded,
            SchemaRead: self._schema_read,
            SchemaWritten: self._schema_written,
            ServerNotice: self._notice,
            StepDone: self._step_done,
            StepFailed: self._step_failed,
            StepStarted: self._step_started,
            Targeted: self._targeted,
            Waiting: self._waiting,
            Warned: self._warned_of,
        }

    def report(self, command: str, report: Report) -> None:
        self._message(text.closing_line(command, report))
        self._streams.report_lost_messages()

    def status(self, status: Status) -> None:
        """dbmate's lines. What dbmate does not show has marks of its own, and does not count in dbmate's totals.

        What it opens with goes to stderr, so that in a pipe there are dbmate's lines alone.
        """
        for line in tables.status_heading(status):
            self._message(text.one_line(line))
        if status.service is not None and self._verbosity >= Verbosity.VERBOSE:
            from dbmigrate.output import services

            self._message(services.about(status.service))
        for row in status.rows:
            style, mark = _MARKS[row.state]
            self._streams.answer(text.labelled(style, mark, text.one_line(row.name)))
            self._explain(row)
            if row.state is MigrationState.ELSEWHERE:
                self._message(f"    not for {status.environment}: only for {', '.join(row.env)}")
        self._streams.answer()
        self._streams.answer(f"Applied: {len(status.applied)}")
        self._streams.answer(f"Pending: {len(status.pending)}")
        if status.repeatables:
            self._streams.answer()
        for row in status.repeatables:
            style, mark = _MARKS[row.state]
            self._streams.answer(text.labelled(style, mark, text.one_line(row.name)))
        for found in status.problems:
            self._warned_of(Warned(found))

    def findings(self, findings: Sequence[Finding]) -> None:
        for finding in findings:
            for line in tables.finding_lines(finding):
                self._streams.answer(text.block(line))
        serious = sum(finding.is_serious for finding in findings)
        self._message(f"{text.count(serious, 'disagreement')}" if serious else "Files and history agree")

    def log_entries(self, entries: Sequence[LogEntry]) -> None:
        for line in tables.entry_lines(entries, self._verbosity):
            self._streams.answer(text.block(self._hide(line)))

    def answer(self, command: str, lines: Iterable[Line | str], value: Mapping[str, object]) -> None:
        for line in lines:
            self._streams.answer(_safe(line))

    def outcome(self, command: str, lines: Iterable[Line | str], value: Mapping[str, object]) -> None:
        for line in lines:
            self._streams.result(_safe(line))
        self._streams.report_lost_messages()

    def plan(self, plan: Plan) -> None:
        for step in plan.steps:
            self._streams.message(text.one_line(f"  {tables.correction(step)}"))
        if not plan.steps:
            self._message("Nothing to change")

    def locks(self, report: LockReport) -> None:
        from dbmigrate.output import impact

        for found in report.problems:
            self._warned_of(Warned(found))
        if report.measured:
            for line in impact.lines(report.statements):
                self._message(self._hide(line))

    def notes(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._message(line)

    def ask(self, question: str) -> str:
        self._streams.draw(question)
        if self._streams.lost_messages is not None:
            return ""  # nobody can confirm a question that nobody could read
        answer = ""
        try:
            answer = sys.stdin.readline()
        finally:
            if not answer.endswith("\n"):  # Ctrl-C, Ctrl-D: what follows begins on a line of its own
                self._streams.message("")
        return answer

    def finished(self, command: str) -> None:
        """Print nothing: the exit code says it."""

    def created_file(self, path: str) -> None:
        self._streams.result(path)
        command = self._streams.complete("`dbmigrate up`").strip("`")
        self._message(f"Write the change below migrate:up and its undo below migrate:down, then: {command}")

    def script(self, pieces: Iterable[str]) -> None:
        self._streams.raw(pieces)

    def suggestions(self, program: str) -> None:
        self._message()
        self._message("Try next:")
        for arguments, effect in _SUGGESTIONS:
            self._message(f"  {program} {arguments:<24} # {effect}")

    def error(self, error: Error) -> None:
        self._erase()
        columns = max(_columns() - _BESIDE_AN_EXCERPT, 20) if self._is_live else text.WIDEST
        lines = tuple(text.error_lines(error, columns, hide=self._hide))
        self._streams.message(*lines)
        if self._streams.lost_messages is not None and not self._streams.is_script:
            self._streams.result(*lines)
        if error.report is not None and error.report.done:
            self._message(f"before the failure: {text.closing_line('', error.report)}")

    # -- events

    def _run_started(self, event: RunStarted) -> None:
        self._message(f"{event.where} · {tables.amount(event.plan)}")
        for found in event.plan.problems:
            self._warned_of(Warned(found))

    def _planned(self, event: Planned) -> None:
        digest = event.plan.digest
        self._message(f"plan sha256:{digest}")
        if event.plan.steps:
            self._message(f"hint: run exactly this plan with --expect-plan {digest[:12]}")

    def _step_started(self, event: StepStarted) -> None:
        if event.step.runs_sql:
            self._message(f"{_ACTIVITY[event.step.direction]}: {text.one_line(event.step.name)}")

    def _step_done(self, event: StepDone) -> None:
        self._erase()
        outcome = event.outcome
        self._rows_affected(outcome)
        if self._verbosity > Verbosity.QUIET:
            self._streams.result(text.labelled(Style.SUCCESS, *self._done(outcome)))

    def _done(self, outcome: Outcome) -> tuple[str, str]:
        """The label and the rest of the line for a step that is done.

        In a pipe the line is dbmate's, with its digits: scripts that were written for dbmate read it.
        """
        if not outcome.step.runs_sql:
            return "Recorded:", text.one_line(tables.corrected(outcome.step))
        shown = text.duration if self._streams.out.isatty() else text.go_duration
        return _RESULT[outcome.step.direction], f"{text.one_line(outcome.step.name)} in {shown(outcome.seconds)}"

    def _rows_affected(self, outcome: Outcome) -> None:
        """dbmate's line of ``--verbose``."""
        if self._verbosity >= Verbosity.VERBOSE and outcome.statements:
            self._streams.result(f"Rows affected: {outcome.rows or 0}")

    def _step_failed(self, event: StepFailed) -> None:
        rest = f"{text.one_line(event.step.name)} after {text.duration(event.seconds)}"
        self._print(text.labelled(Style.ERROR, "Failed:", rest))

    def _notice(self, event: ServerNotice) -> None:
        detail = f" ({event.detail})" if event.detail else ""
        self._message(f"  {event.severity}: {event.message}{detail}")

    def _created(self, event: Created) -> None:
        self._message(f"Creating: {event.name}" if event.kind == "database" else f"Creating {event.kind}: {event.name}")

    def _dropped(self, event: Dropped) -> None:
        self._message(f"Dropping: {event.name}")

    def _targeted(self, event: Targeted) -> None:
        self._message(f"{event.where} · {event.action}")

    def _phase_done(self, event: PhaseDone) -> None:
        from dbmigrate.output import deploying

        self._message(deploying.line(event))

    def _schema_read(self, event: SchemaRead) -> None:
        self._message(f"Reading: {event.path}")

    def _schema_loaded(self, event: SchemaLoaded) -> None:
        recorded = "" if event.recorded is None else f" · {text.count(event.recorded, 'migration')} recorded"
        self._message(f"Loaded: {event.path} into {event.where}{recorded}")

    def _schema_written(self, event: SchemaWritten) -> None:
        self._message(f"Writing: {event.schema.path}")

    def _waiting(self, event: Waiting) -> None:
        waited = f" ({text.duration(event.seconds)} so far)" if event.seconds >= 1 else ""
        self._message(f"Waiting for {event.what}{waited}")

    def _retrying(self, event: Retrying) -> None:
        blocked = f": {'; '.join(event.blockers)}" if event.blockers else ""
        self._message(f"  {event.step.name} did not get a lock in time (try {event.attempt}), trying again{blocked}")

    def _warned_of(self, event: Warned) -> None:
        lines = tuple(text.problem_lines(event.problem))
        if lines not in self._warned:
            self._warned.add(lines)
            self._print(*lines)

    def _progress(self, event: Progress) -> None:
        detail = f" · {event.detail}" if event.detail else ""
        which = f"statement {event.number}"
        if event.last > event.number:
            which = f"one of the statements {event.number} to {event.last}"
        shown = f" · {self._hide(event.sql)}" if event.sql else ""
        line = text.one_line(f"  {event.step.name} · {which}{shown} · {text.duration(event.seconds)}{detail}")
        if self._is_live:
            self._redraw(line)
        elif time.monotonic() - self._reported >= _PIPE_REPORT_EVERY:
            self._message(line)

    def _backfill_progress(self, event: BackfillProgress) -> None:
        from dbmigrate.output import backfills

        line = text.one_line(f"  {backfills.line(event)}")
        if event.waiting is not None:
            self._message(line)
        elif self._is_live:
            self._redraw(line)
        elif time.monotonic() - self._reported >= _PIPE_REPORT_EVERY:
            self._message(line)

    # -- printing

    def _message(self, line: str = "") -> None:
        self._print(text.block(line))

    def _print(self, *lines: Line | str) -> None:
        """Print messages that are safe already."""
        self._erase()
        if self._verbosity > Verbosity.QUIET:
            self._reported = time.monotonic()
            self._streams.message(*lines)

    def _redraw(self, line: str) -> None:
        if self._verbosity > Verbosity.QUIET:
            line = text.cut(line, max(_columns() - 1, 20))
            length = text.cells(line)
            self._streams.draw(f"\r{line}{' ' * (self._live_length - length)}")
            self._live_length = length

    def _erase(self) -> None:
        if self._live_length:
            self._streams.draw(f"\r{' ' * self._live_length}\r")
            self._live_length = 0

    def _explain(self, row: StatusRow) -> None:
        if row.state is MigrationState.MISSING:
            self._message(f"    {text.one_line(row.name)} is applied, but its file is gone")
        elif row.unfinished is not None:
            for line in tables.unfinished_lines(row.unfinished):
                self._message(f"    {self._hide(line)}")
        if row.replaces is not None:
            self._message(f"    replaces {text.count(row.replaces, 'applied migration')}: `up` records that")
        if row.description is not None:
            for line in tables.description_lines(row.description):
                self._message(f"    {text.one_line(self._hide(line))}")
        for kind, query in row.conditions:
            self._message(f"    {kind}: {text.one_line(self._hide(' '.join(query.split())))}")
        if row.breaking is not None:
            self._print(text.labelled(Style.ERROR, "    breaking change:", text.one_line(row.breaking)))


def _safe(line: Line | str) -> Line | str:
    return text.block(line) if isinstance(line, str) else line


def _columns() -> int:
    """How wide the terminal is."""
    import shutil

    return shutil.get_terminal_size().columns
