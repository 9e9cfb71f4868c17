"""The values that the parts of dbmigrate exchange: places, files, history, plans. Frozen, without I/O."""

from __future__ import annotations

import os
import re
from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from dbmigrate.variables import Bound, Filled

# ---------------------------------------------------------------------------------------------- places and problems


@frozen
class Place:
    """A place in a text file. Line and column are 1-based; columns count characters."""

    path: str
    line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


@frozen
class Excerpt:
    """The source lines to show with an error: the line at fault, at most two before it, and the caret's column."""

    lines: tuple[tuple[int, str], ...]
    column: int
    width: int = 1


class Severity(StrEnum):
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


@frozen
class Problem:
    """A warning or note: it does not stop the run. `code` is stable and documented, `data` the same for programs."""

    code: str
    message: str
    severity: Severity = Severity.WARNING
    place: Place | None = None
    hint: str | None = None
    excerpt: Excerpt | None = None
    data: Mapping[str, object] | None = None


# --------------------------------------------------------------------------------------------------- migration files

SortKey = tuple[int, str, bytes]
_DIGITS = re.compile("[0-9]*")


class Order(StrEnum):
    """How file names and versions are ordered: the one place that decides what is higher, newer or last.

    dbmate sorts by the bytes of the file name, so that ``10_b.sql`` runs before ``9_a.sql``; so do we, unless
    ``version-order = "numeric"`` says that the number of the version counts. A version counts as a name of digits.
    """

    NAME = "name"
    NUMERIC = "numeric"

    def key(self, text: str) -> SortKey:
        """The sort key of a file name or a version. Names with the same number are ordered by their bytes."""
        digits = leading_number(text) if self is Order.NUMERIC else ""
        return len(digits), digits, os.fsencode(text)

    def highest(self, versions: Iterable[str]) -> str:
        """The version that comes last; empty if there is none."""
        return max(versions, key=self.key, default="")


def leading_number(text: str) -> str:
    """The number that a text begins with, as text, without zeros before it: `int` refuses more than 4300 digits."""
    found = _DIGITS.match(text)
    return found[0].lstrip("0") if found else ""


class FileRange(NamedTuple):
    """Statements that are sent in one batch: `number` of them, from byte `begin` to `end` of the file's text, after a
    byte order mark. `line` and `column` are those of the first one, `ordinal` its number in the section, from 0. `data`
    is the range of bytes of the inline data of the last one, if that is a COPY with data.
    """

    begin: int
    end: int
    number: int
    line: int
    column: int
    ordinal: int
    data: tuple[int, int] | None = None


@frozen
class Batch:
    """Consecutive statements that are sent in one message.

    `sql` is their text in UTF-8, from the first word to the last semicolon, and `count` their number. `split` returns
    them one by one, with their places; only a failure needs that. `copy_data` is the inline data of the last one, if
    that is a COPY; it can be read once, before the next batch is asked for. `shown` is the text without values.
    """

    sql: bytes
    count: int
    split: Callable[[], Sequence[Statement]]
    copy_data: Iterable[bytes] | None = None
    shown: bytes = b""

    @property
    def copies(self) -> bool:
        """Whether the batch ends in a COPY with inline data."""
        return self.copy_data is not None

    @property
    def title(self) -> str:
        """How its first statement begins, in one line."""
        head = (self.shown or self.sql)[:1000].decode(errors="ignore")
        return " ".join(head.partition(";\n")[0].split())[:60]  # such a semicolon is hardly in a string


class Direction(StrEnum):
    UP = "up"
    DOWN = "down"

    @property
    def past(self) -> str:
        """What a migration of this direction was: applied or undone."""
        return "applied" if self is Direction.UP else "undone"


class StatementKind(StrEnum):
    """What a statement means for transactions, decided from its first words."""

    PLAIN = "plain"  # can run inside a transaction block
    OUTSIDE = "outside"  # PostgreSQL refuses it inside a transaction block
    BEGIN = "begin"  # BEGIN, START TRANSACTION
    COMMIT = "commit"  # COMMIT, END
    ROLLBACK = "rollback"  # ROLLBACK, ABORT (not ROLLBACK TO SAVEPOINT)
    TWO_PHASE = "two-phase"  # PREPARE TRANSACTION
    META = "meta"  # \restrict, \unrestrict, \connect as pg_dump writes them: a line for psql, not for the server


@frozen
class Statement:
    """One SQL statement, verbatim.

    `sql` runs from its first word to its closing semicolon (or to the end of the section); `lead` is what stood
    between the previous statement and it: comments and white space. `line` and `column` are those of `sql` in the
    file. `copy_data` is the inline data of a ``COPY ... FROM stdin``, without the closing ``\\.``; it may be read
    once only, and before the next statement is asked for. `filled` is what is sent where that is another text.
    """

    sql: str
    line: int
    column: int
    kind: StatementKind = StatementKind.PLAIN
    lead: str = ""
    copy_data: Iterable[str] | None = None
    filled: Filled | None = None


@frozen
class Section:
    """One ``-- migrate:up`` or ``-- migrate:down`` section.

    `number` counts the sections of the file from 0; `statements` is None where the file is too large to keep in
    memory (`parser.statements` reads them again). `redundant` holds the ordinals, from 0 and as written, of wrapper
    statements (``BEGIN;`` ... ``COMMIT;``) that are not run, because the section runs in a transaction of our own;
    `count` is the number of those that are run. `batch_ranges` says where the batches are in a file whose statements
    are not kept; None also where there would be too many. `fault` is why it cannot run, where only the others are to.
    """

    direction: Direction
    number: int
    line: int
    transaction: bool = True
    irreversible: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    count: int = 0
    redundant: frozenset[int] = frozenset()
    statements: tuple[Statement, ...] | None = None
    batch_ranges: tuple[FileRange, ...] | None = None
    fault: str | None = None

    @property
    def is_backfill(self) -> bool:
        return "backfill" in self.options


@frozen
class Annotation:
    """What a comment ``-- migrate:KEY VALUE`` says about one direction; `section` is -1 above the first header."""

    key: str
    value: str
    place: Place
    direction: Direction
    section: int = 0


@frozen
class MigrationFile:
    """A file that counts as a migration by its name alone: ``^(\\d+).*\\.sql$``. Its content has not been read.
    Of a repeatable one `version` is the file's name, and `name` has its folder: ``repeatable/views.sql``."""

    version: str
    name: str
    path: str
    is_repeatable: bool = False


@frozen
class Migration:
    """A migration file that was read and checked.

    `checksum` is the SHA-256 (hex) of the file's bytes. `token_checksum` is the SHA-256 of its tokens without
    comments, white space and letter case of unquoted words; None for files above 1 MiB. `up_sql` and `down_sql` are
    the verbatim texts of the sections, None above 1 MiB. `marks` are SHA-256 sums of longer and longer beginnings of a
    file whose statements are not kept, by which a change is noticed. `annotation_faults` are errors about annotations,
    which stop only applying the file; `head`: see `migrations.head`.
    """

    file: MigrationFile
    sections: tuple[Section, ...]
    checksum: str
    token_checksum: str | None = None
    up_sql: str | None = None
    down_sql: str | None = None
    problems: tuple[Problem, ...] = ()
    marks: tuple[bytes, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    annotation_faults: tuple[Problem, ...] = ()
    head: str = ""
    bound: Bound | None = None

    @property
    def version(self) -> str:
        return self.file.version

    @property
    def name(self) -> str:
        return self.file.name

    def run_order(self, direction: Direction) -> tuple[Section, ...]:
        """The sections of one direction in the order in which they run: ups as written, downs from the last."""
        sections = tuple(section for section in self.sections if section.direction is direction)
        return sections if direction is Direction.UP else sections[::-1]

    def is_transactional(self, direction: Direction) -> bool:
        """Whether the whole direction runs in one transaction (no section says ``transaction:false``)."""
        return all(section.transaction for section in self.run_order(direction))

    def annotated(self, key: str, direction: Direction = Direction.UP) -> tuple[Annotation, ...]:
        """The annotations of this key for one direction."""
        return tuple(each for each in self.annotations if each.key == key and each.direction is direction)

    @property
    def is_irreversible(self) -> bool:
        return any(section.irreversible for section in self.sections)


# ---------------------------------------------------------------------------------------------------- what was recorded


class LogState(StrEnum):
    STARTED = "started"
    DONE = "done"
    FAILED = "failed"
    DEFERRED = "deferred"  # left for later, as the run was asked to: neither applied nor unfinished


@frozen
class Applied:
    """An applied version, or one of `History.undone`, with time, person and `reason` of its rollback.

    All but `version` comes from the log, and is None where only dbmate has been at work.
    """

    version: str
    name: str | None = None
    checksum: str | None = None
    token_checksum: str | None = None
    down_sql: str | None = None
    applied_at: datetime | None = None
    applied_by: str | None = None
    git_commit: str | None = None
    reason: str | None = None


@frozen
class StepRecord:
    """A logged step of a non-transactional migration. `number` counts from 1; `before` is `step_outcome.Before`.

    `progress` is how far a backfill is, see `backfill.cursor`.
    """

    number: int
    state: LogState
    checksum: str
    sql: str | None = None
    error: str | None = None
    before: frozenset[str] | None = None
    progress: Mapping[str, object] | None = None


@frozen
class Unfinished:
    """A non-transactional migration that was started and neither finished nor undone; or whose backfill waits."""

    version: str
    name: str
    direction: Direction
    started_at: datetime
    steps: tuple[StepRecord, ...]
    error: str | None = None
    is_deferred: bool = False

    @property
    def progress(self) -> Mapping[str, object] | None:
        """How far the backfill is that is not done yet."""
        return next((s.progress for s in self.steps if s.progress and s.state is not LogState.DONE), None)

    @property
    def done(self) -> frozenset[int]:
        return frozenset(step.number for step in self.steps if step.state is LogState.DONE)

    @property
    def stopped_at(self) -> StepRecord | None:
        """The statement that failed or whose outcome is unknown, if any."""
        return next((step for step in self.steps if step.state is not LogState.DONE), None)


@frozen
class History:
    """What the database records, read at once: `undone` was rolled back and not applied again.

    `stale`: ids of open entries of runs that died and did nothing. Only for who asks: what the `last_run` applied, and
    what was recorded since.
    """

    applied: tuple[Applied, ...] = ()
    unfinished: tuple[Unfinished, ...] = ()
    deferred: tuple[Unfinished, ...] = ()
    undone: tuple[Applied, ...] = ()
    stale: tuple[int, ...] = ()
    last_run: tuple[str, ...] = ()
    recorded_since: tuple[str, ...] = ()
    updated_at: datetime | None = None

    def __contains__(self, version: object) -> bool:
        return any(applied.version == version for applied in self.applied)


# --------------------------------------------------------------------------------------------------------------- plans


class Action(StrEnum):
    """What a step does. All but RUN and UNDO change only the records; the direction says which way."""

    RUN = "run"  # run the SQL of the direction, and record it
    UNDO = "undo"  # run the down SQL of a migration that was never recorded
    RECORD = "record"  # insert or delete the version row, running nothing
    ACCEPT = "accept"  # log the file as it is now as what was applied


class LogKind(StrEnum):
    """What a log entry is about: its column ``direction``."""

    UP = "up"
    DOWN = "down"
    MARK = "mark"
    BASELINE = "baseline"
    REPAIR = "repair"
    ADOPT = "adopt"  # recorded as applied, because the history of another tool has it
    REPLACE = "replace"  # recorded in the place of others, which are forgotten
    REPEATABLE = "repeatable"  # a file that runs again whenever it changed; it has no row in the tracking table


class Turn(StrEnum):
    """When the backfills of a migration run."""

    NOW = "now"
    LATER = "later"  # they are recorded as deferred
    DEFERRED = "deferred"  # now, after they were deferred: where they stop, they stay deferred


@frozen
class Step:
    """One migration in one direction. `done` are the statement numbers that an earlier, interrupted run completed,
    `begun` those that it began. `kind` is how the log calls it, `replaces` what is forgotten in the same transaction.
    """

    version: str
    name: str
    direction: Direction
    action: Action = Action.RUN
    migration: Migration | None = None
    done: frozenset[int] = frozenset()
    kind: LogKind | None = None
    begun: frozenset[int] = frozenset()
    replaces: tuple[Step, ...] = ()
    turn: Turn = Turn.NOW

    @property
    def log_kind(self) -> LogKind:
        return self.kind or LogKind(self.direction.value)

    @property
    def has_backfill(self) -> bool:
        return self.migration is not None and any(section.is_backfill for section in self.migration.sections)

    @property
    def runs_sql(self) -> bool:
        return self.action in (Action.RUN, Action.UNDO)


@frozen
class Plan:
    """What a command will do, in order, with warnings about it; `digest` is made by `plan_hash`."""

    steps: tuple[Step, ...] = ()
    problems: tuple[Problem, ...] = ()
    digest: str = ""


@frozen
class Goal:
    """How far to go: everything, a number of migrations, up to a version, `only` one, or what the last run applied."""

    steps: int | None = None
    version: str | None = None
    only: str | None = None
    last_run: bool = False


ALL = Goal()
LAST = Goal(steps=1)


@frozen
class Policy:
    """Rules that a plan keeps: `strict` refuses what is pending at or below the highest applied version in `order`;
    `environment` is the target's, by which files with ``env`` are chosen; `defers_backfills` records them for later."""

    strict: bool = False
    order: Order = Order.NAME
    environment: str | None = None
    defers_backfills: bool = False
