"""Results: of runs, of `status` and `verify`, of backups and health checks. Frozen values, pure."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.model import LogState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from dbmigrate.model import Applied, MigrationFile, Problem, Step, Unfinished
    from dbmigrate.services import Service


@frozen
class Backup:
    """An archive in pg_dump's custom format: where it is, how many bytes it has, how many seconds it took.

    `restore` is a shell command that reads it into a new, empty database; no password is in it.
    """

    path: str
    size: int
    seconds: float
    restore: str


@frozen
class BackupFile:
    """A file that is named as a backup. `stem` is the first part of its name, `database` what the archive says.

    `fault` is why pg_restore cannot read all of it. Both are None before it was read.
    """

    path: str
    stem: str
    taken_at: datetime
    size: int
    database: str | None = None
    fault: str | None = None

    @property
    def is_good(self) -> bool:
        """Whether it was read to its end."""
        return self.database is not None and self.fault is None


@frozen
class Restored:
    """A backup in a database of its own: what its history says, and the SQL that puts it in the place of the target.

    `previous` is the name that the target has then, None where there is no target. `applied` and `pending` are numbers.
    """

    path: str
    database: str
    renames: tuple[str, ...]
    previous: str | None = None
    current: str | None = None
    applied: int = 0
    pending: int = 0
    seconds: float = 0.0


@frozen
class Answer:
    """The result of one try: ``200``, ``exit 1``, ``timed out``; `output` is what the application answered."""

    result: str
    output: str = ""
    is_healthy: bool = field(default=False, kw_only=True)


@frozen
class HealthOutcome:
    """The outcome of a check: its name without secrets, the last answer, how many tries and seconds it took."""

    name: str
    answer: Answer
    tries: int
    seconds: float

    @property
    def is_healthy(self) -> bool:
        return self.answer.is_healthy

    @property
    def summary(self) -> str:
        """``https://shop.example.com/health: 200 after 2 tries``"""
        tries = f"after {self.tries} {'try' if self.tries == 1 else 'tries'}"
        return f"{self.name}: {self.answer.result} {tries}"


class Deviation(StrEnum):
    """How files and history disagree."""

    CHANGED = "changed"  # an applied file is not what was applied
    COSMETIC = "cosmetic"  # ... but only comments, white space, line ends or letter case differ
    OTHER_FILE = "other-file"  # ... and has another name too: the version was applied from another file
    MISSING = "missing"  # the file of an applied version is gone
    RENAMED = "renamed"  # ... and a pending file has the same content
    OUT_OF_ORDER = "out-of-order"  # pending, though a higher version is applied
    UNFINISHED = "unfinished"  # a non-transactional migration stopped partway


@frozen
class FileSum:
    """The checksums of a file as it is now; see `Migration`."""

    file: MigrationFile
    checksum: str
    token_checksum: str | None = None


@frozen
class Finding:
    """One disagreement. `applied` is what the history knows, `file` what the directory has."""

    deviation: Deviation
    version: str
    name: str
    applied: Applied | None = None
    file: FileSum | None = None
    changed_in: str | None = None  # the last git commit of the file, in one line
    restorable_from: str | None = None  # a git commit that has the bytes which were applied
    was_at: str | None = None  # the path of a file that is gone, in that commit

    @property
    def restoring(self) -> str:
        """How what was applied comes back: the command, if a commit has it."""
        path = self.was_at if self.file is None else self.file.file.path
        if self.restorable_from is None or path is None:
            return "restore the file"
        import shlex

        return f"git checkout {self.restorable_from[:12]} -- {shlex.quote(path)}"

    @property
    def is_serious(self) -> bool:
        """Whether somebody has to act; a cosmetic edit needs nothing."""
        return self.deviation not in (Deviation.COSMETIC, Deviation.OUT_OF_ORDER)


@frozen
class Tracking:
    """The files among some that git does not track; those that it was told to ignore are apart."""

    untracked: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


@frozen
class Outcome:
    """One step that was done. `rows` is the number from the last statement's command tag, None if it has none."""

    step: Step
    seconds: float
    statements: int = 0
    rows: int | None = None


@frozen
class SchemaFile:
    """The schema file after a run: where it is, and how many lines came and went."""

    path: str
    added: int = 0
    removed: int = 0


@frozen
class Report:
    """What a run did. `current` is the newest applied version in file-name order.

    The backfills of `deferred` were left for later.
    """

    done: tuple[Outcome, ...] = ()
    problems: tuple[Problem, ...] = ()
    current: str | None = None
    schema: SchemaFile | None = None
    seconds: float = 0.0
    deferred: tuple[Step, ...] = ()


@frozen
class StepResult:
    """A migration of a run that has ended: how long it took, and whether it is done."""

    version: str
    file: str
    direction: str
    seconds: float
    is_done: bool = True


@frozen
class RunResult:
    """A run as those see it who watch: what it did to which database, and how it ended. No secrets, no SQL.

    `has_begun` says that a step was started: before that nothing can have changed. `line`, `sqlstate`
    and `error_code` are those of the failure.
    """

    command: str
    environment: str | None
    database: str
    service: str | None = None
    steps: tuple[StepResult, ...] = ()
    seconds: float = 0.0
    exit_code: int = 0
    has_begun: bool = False
    run_id: str | None = None
    git_commit: str | None = None
    line: int | None = None
    sqlstate: str | None = None
    error_code: str | None = None
    outside_window: bool = False

    @property
    def result(self) -> str:
        """``refused`` is what was refused before it began."""
        if self.exit_code == 0:
            return "success"
        return "refused" if self.exit_code == 7 and not self.has_begun else "failure"

    @property
    def failed(self) -> StepResult | None:
        return next((step for step in reversed(self.steps) if not step.is_done), None)

    @property
    def has_rolled_back(self) -> bool:
        return any(step.is_done and step.direction == "down" for step in self.steps)


@frozen
class LogEntry:
    """One log entry, for people and programs to read. Times have a zone; `duration` is in seconds.

    `details` depends on `kind`: the objects that were there before a step, where an adopted version is from.
    """

    event_id: int
    run_id: str
    version: str
    file: str | None
    kind: str
    step: int | None
    state: LogState
    started_at: datetime
    duration: float | None
    error: str | None
    sqlstate: str | None
    db_role: str
    os_user: str | None
    tool_version: str | None
    git_commit: str | None
    git_dirty: bool | None
    reason: str | None
    details: Mapping[str, object] | None = None

    @property
    def outcome(self) -> str:
        """`state` as it is shown: unknown after a failure that may have left something behind."""
        return "unknown" if self.state is LogState.STARTED and self.error is not None else self.state.value


@frozen
class Description:
    """What a file says that it does. `fields` are lines of its header, such as ``Purpose: ...``, for people alone."""

    text: str = ""
    tickets: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()


class MigrationState(StrEnum):
    APPLIED = "applied"
    PENDING = "pending"
    ELSEWHERE = "elsewhere"  # not applied, and only for other environments
    UNFINISHED = "unfinished"
    MISSING = "missing"  # applied, but its file is gone
    DEFERRED = "deferred"  # its backfill was left for later, or paused


@frozen
class StatusRow:
    """A migration in `status`: what is recorded of it, and what its file says where it is pending."""

    version: str
    name: str
    state: MigrationState
    applied_at: datetime | None = None
    applied_by: str | None = None
    unfinished: Unfinished | None = None
    edited: bool = False  # whether the file is not what was applied
    breaking: str | None = None  # what it breaks, if it is pending and says so
    replaces: int | None = None  # how many applied versions it stands for, which `up` will forget
    description: Description | None = None  # what its file says that it does, where somebody asked
    conditions: tuple[tuple[str, str], ...] = ()  # kind and query of what `up` will ask, where somebody wants to know
    env: tuple[str, ...] = ()  # the environments that it is for, if it is not applied and says so


@frozen
class Status:
    """Every migration of the directories and of the database, in file-name order; repeatable ones by name.

    A repeatable one that was changed is pending. `environment` is the target's, `target` shows the database without
    secrets, `locations` are the migrations directories. `updated_at`: when a migration was last applied, undone or
    recorded, as far as the log knows. `service` is the one whose they are.
    """

    rows: tuple[StatusRow, ...]
    problems: tuple[Problem, ...] = ()
    repeatables: tuple[StatusRow, ...] = ()
    environment: str | None = None
    target: str = ""
    locations: tuple[str, ...] = ()
    updated_at: datetime | None = None
    service: Service | None = None

    @property
    def current(self) -> str | None:
        """The newest applied version."""
        applied = (MigrationState.APPLIED, MigrationState.MISSING)
        return next((row.version for row in reversed(self.rows) if row.state in applied), None)

    @property
    def next(self) -> StatusRow | None:
        """What `up` would run first."""
        return next(iter(self.pending), None)

    def count(self, state: MigrationState) -> int:
        return sum(row.state is state for row in self.rows)

    @property
    def applied(self) -> tuple[StatusRow, ...]:
        return tuple(row for row in self.rows if row.state is MigrationState.APPLIED)

    @property
    def pending(self) -> tuple[StatusRow, ...]:
        """What `up` would run: pending ones, repeatable ones too, and those that a crash left unfinished."""
        waiting = (MigrationState.PENDING, MigrationState.UNFINISHED)
        return tuple(row for row in (*self.rows, *self.repeatables) if row.state in waiting)


@frozen
class ServiceStatus:
    """One of several services in a database.

    `pending` are the versions that `up` would run, `failed` those whose last run failed or is unfinished. `status` is
    None, and `failure` says why, where its migrations cannot be read; `recorded` is what its table holds, in order.
    """

    service: Service
    status: Status | None = None
    recorded: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    failure: str | None = None

    @property
    def version(self) -> str | None:
        """The newest applied version."""
        return self.status.current if self.status else next(reversed(self.recorded), None)

    @property
    def pending(self) -> tuple[str, ...]:
        return tuple(row.version for row in self.status.pending) if self.status else ()

    @property
    def is_current(self) -> bool:
        """Whether nothing is pending, failed, or without its file."""
        is_whole = self.status is not None and not self.status.count(MigrationState.MISSING)
        return is_whole and not (self.pending or self.failed)
