"""Migration files: their order, sections and statements. Frozen, without I/O."""

from __future__ import annotations

import os
import re
from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from dbmigrate.model.places import Place, Problem
    from dbmigrate.variables import Bound, Filled

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

    @property
    def sent(self) -> str:
        """What is sent of it: its text, or the one with the values of variables."""
        return self.sql if self.filled is None else self.filled.text


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
    statements: Sequence[Statement] | None = None
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
