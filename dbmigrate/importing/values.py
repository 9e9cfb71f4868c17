"""What an importer reads and says. Frozen, pure; a tool's module returns these, and nothing else knows its format."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from dbmigrate.model import Place


class Kind(StrEnum):
    """What a file of another tool is."""

    VERSIONED = "versioned"
    REPEATABLE = "repeatable"  # run again whenever it changed
    BASELINE = "baseline"  # what was there before the first migration


class State(StrEnum):
    """What the old tool's table says of a migration."""

    APPLIED = "applied"
    FAILED = "failed"  # a dirty or failed row: a person has to say which it is
    BASELINE = "baseline"  # counted as applied, and never run: it and everything below it was there before
    MARKED = "marked"  # counted as applied without being run; the catalog says whether that is so
    PENDING = "pending"  # undone, or never run


@frozen
class SourceFile:
    """One file of the old project: its path below SOURCE with ``/``, and its bytes."""

    path: str
    content: bytes


@frozen
class Source:
    """The old project, read once: every file below the directory, in the order of their paths."""

    directory: str
    files: tuple[SourceFile, ...]


def _no_value(name: str) -> str | None:
    return None


@frozen
class Answers:
    """What a person has answered by options: placeholder values, the service, how a missing down is written."""

    placeholders: Mapping[str, str] = field(default_factory=dict)
    service: str | None = None
    skip: frozenset[str] = frozenset()
    sql_of: Mapping[str, str] = field(default_factory=dict)  # a file that is code -> the file with its SQL
    options: Mapping[str, str] = field(default_factory=dict)  # a tool's own settings, such as x-multi-statement
    value_of: Callable[[str], str | None] = field(default=_no_value, repr=False)  # of a variable: some old sums need it


@frozen
class Judgement:
    """Something that a conversion decided and a person should know; `asks` when it cannot go on without an answer.

    `settled_by_row`: a row of the old table for this migration is the answer, whatever the row says.
    """

    message: str
    place: Place | None = None
    hint: str | None = None
    asks: bool = False
    settled_by_row: bool = False


@frozen
class Part:
    """SQL of one direction that runs together: as it was written, and whether in a transaction."""

    sql: str
    transaction: bool = True


@frozen
class ForeignMigration:
    """A migration of the old tool, its SQL as it was written.

    `version` and `name` are the old tool's (`name` is the description), `path` is where it was read from, below SOURCE.
    `downs` is None where the old tool has no down; an empty tuple is an empty one. `sort_key` orders migrations
    as the old tool does. `sums` are the checksums that the old tool may have recorded, by algorithm. `stamp` are digits
    that a new version can be made of where the old one is not a number, such as the time at which it was planned.
    `depends` are versions of the old tool that have to be applied before this one, for `-- migrate:depends`; `require`
    is a query on one line that has to be true before it runs, for `-- migrate:require`. `variables` are names for
    `-- migrate:vars`.
    """

    version: str
    name: str
    path: str
    ups: tuple[Part, ...]
    downs: tuple[Part, ...] | None
    sort_key: tuple[object, ...]
    kind: Kind = Kind.VERSIONED
    sums: Mapping[str, str] = field(default_factory=dict)
    judgements: tuple[Judgement, ...] = ()
    stamp: str | None = None
    depends: tuple[str, ...] = ()
    require: str | None = None
    variables: tuple[str, ...] = ()


@frozen
class Reading:
    """What a tool's files say: migrations in the old tool's order, and what is not one (`left_out`: path -> reason)."""

    migrations: tuple[ForeignMigration, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    judgements: tuple[Judgement, ...] = ()


@frozen
class Row:
    """What the old table says of one migration. `key` finds it among the files (see `Tool.matches`)."""

    key: str
    state: State
    applied_at: datetime | None = None
    applied_by: str | None = None
    checksum: str | None = None
    name: str | None = None
    sql: str | None = None  # where the old table keeps the statements
    remark: str = ""


@frozen
class HistoryTable:
    """A table of the catalog, by the names of its columns in their order."""

    schema: str
    name: str
    columns: tuple[str, ...]


class Query(Protocol):
    """Asks the target database: SQL and its parameters to rows. Only SELECT is ever sent."""

    def __call__(self, sql: str, *parameters: object) -> Sequence[tuple[object, ...]]: ...


class Tool(Protocol):
    """Another migration tool. One module, one value of this shape, one line in `importing.tools.TOOLS`."""

    @property
    def name(self) -> str:
        """As ``--from`` takes it: ``golang-migrate``."""

    def recognises(self, source: Source) -> bool:
        """Whether the files are of this tool, from their names and marks alone. Several tools may say yes."""

    def read(self, source: Source, answers: Answers) -> Reading:
        """The migrations of the files. Raises MigrationFileError with its place for what cannot be understood."""

    def owns(self, table: HistoryTable, neighbours: frozenset[str]) -> bool:
        """Whether a table is this tool's history, by its columns and the tables beside it."""

    def history(self, query: Query, table: HistoryTable, answers: Answers) -> tuple[Row, ...]:
        """The rows of the old table, oldest first. Reads only."""

    def matches(self, migration: ForeignMigration, row: Row) -> bool:
        """Whether a row is that migration's."""

    def verifies(self, migration: ForeignMigration, row: Row) -> bool | None:
        """Whether the old checksum is that of the file; None where there is none, or its algorithm is not known."""
