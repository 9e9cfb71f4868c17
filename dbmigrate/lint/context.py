"""What a rule is shown: a statement, what stands around it, and what there is already."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from dbmigrate.frozen import frozen
from dbmigrate.lint.sql.execute import executed
from dbmigrate.lint.sql.grammar import shape_of
from dbmigrate.lint.sql.reading import folded
from dbmigrate.lint.sql.shape import (
    Action,
    ActionKind,
    AddEnumValue,
    AlterObject,
    AlterTable,
    Block,
    Change,
    Changes,
    Constraint,
    ConstraintKind,
    CreateIndex,
    CreateObject,
    CreateRoutine,
    CreateTable,
    Drop,
    EnumType,
    Name,
    Shape,
    Truncate,
    Verb,
)
from dbmigrate.sql import LexerError, placed_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dbmigrate.lint.catalog import Catalog, Table
    from dbmigrate.model import Migration, Statement
    from dbmigrate.sql import Word

__all__ = [
    "MOST_LOCKED",
    "Before",
    "Ending",
    "File",
    "Found",
    "Seen",
    "Unit",
    "made",
    "references",
    "units",
    "unproven",
]

# after these PL/pgSQL begins a statement
_OPENERS = frozenset((";", "BEGIN", "THEN", "ELSE", "LOOP", ">>"))
# ... if they belong to one of these, and not to a CASE in an expression
_CONTROLS = frozenset(
    ("IF", "ELSIF", "ELSEIF", "CASE", "WHEN", "FOR", "FOREACH", "WHILE", "EXCEPTION", "DECLARE", "END", "<<")
)
_LONGEST_BLOCK = 20_000  # words
_VALIDATE = ActionKind.VALIDATE
MOST_LOCKED = 2  # tables in use that one transaction may lock


class Found(NamedTuple):
    """What a rule has to say. `at` is an offset in the text of its unit."""

    at: int
    message: str
    hint: str | None = None


@frozen
class Unit:
    """A statement, or one inside a DO block; `offset` is where it begins in the statement of the file."""

    statement: Statement
    sql: str
    shape: Shape
    offset: int = 0

    @property
    def is_nested(self) -> bool:
        return self.sql is not self.statement.sql


def units(statement: Statement) -> Iterator[Unit]:
    """A statement, and after it those inside of it if it is a DO block; also those that it executes from a string."""
    shape = shape_of(statement.sql)
    yield Unit(statement, statement.sql, shape)
    if isinstance(shape, Block) and shape.body is not None:
        for start, end in _inner(shape.body):
            sql, offset = shape.body[start:end], shape.at + start
            yield Unit(statement, sql, shape_of(sql), offset)
            for at, text in executed(sql):
                yield Unit(statement, text, shape_of(text), offset + at)


def _inner(body: str) -> Iterator[tuple[int, int]]:
    """Where the statements of a PL/pgSQL body begin and end; what is no SQL among them has no shape."""
    found: list[Word] = []
    try:
        found.extend(islice(placed_words(body), _LONGEST_BLOCK))
    except LexerError:  # the server will say what is wrong with it
        return
    first: Word | None = None
    for word in found:
        if word.text == ";" and first is not None:
            yield first.start, word.end
        if word.text in _OPENERS and (word.text == ";" or first is None or first.text in _CONTROLS):
            first = None
        elif first is None:
            first = word


@dataclass(slots=True)
class Before:
    """What happened earlier in a transaction, as far as rules ask: gathered on the way, not searched for each time.

    `altered` is the first table that others may be using and that is locked against them, `filled` the first change of
    rows that others may be using. `locked` are the first of such tables, `moved` those that got rows from a query.
    `parents` are the tables that new foreign keys refer to. `is_held_up`: something slow came after one of these locks.
    `unproven` are the tables with a NOT VALID constraint, by its name (empty for none).
    """

    altered: Name | None = None
    filled: Change | None = None
    locked: list[Name] = field(default_factory=list)
    moved: list[Name] = field(default_factory=list)
    parents: list[Name] = field(default_factory=list)
    is_held_up: bool = False
    unproven: dict[str, list[Name]] = field(default_factory=dict)
    enum_values: dict[str, AddEnumValue] = field(default_factory=dict)

    def add(self, seen: Seen) -> None:
        """The next unit, looked at before the catalog has learnt of it."""
        self.is_held_up |= bool(self.altered or self.parents) and any(True for _ in seen.slow())
        self.altered = self.altered or seen.altered()
        self.filled = self.filled or next(seen.filled(), None)
        if len(self.locked) <= MOST_LOCKED:
            self.locked += [name for name in seen.locked() if not any(name.means(other) for other in self.locked)]
        self.parents += seen.referred()
        shape = seen.shape
        if isinstance(shape, Changes):
            self.moved += [change.table for change in shape.changes if change.is_query]
        elif isinstance(shape, AddEnumValue):
            self.enum_values[shape.value] = shape
        elif isinstance(shape, AlterTable):
            for name in unproven(shape):
                self.unproven.setdefault(name, []).append(shape.table)


def unproven(shape: AlterTable) -> Iterator[str]:
    """The names of the constraints that are added as NOT VALID."""
    for action in shape.actions:
        if action.constraint is not None and action.constraint.not_valid:
            yield action.constraint.name or ""


@frozen
class Seen:
    """One unit of an up section. `before` is what takes effect together with it.

    `made` are the objects that the migration makes anywhere in its up sections, by their bare names. `catalog` is what
    there is before this unit. `fresh` are the versions whose tables nobody else can be using: this migration's, and
    those that are applied nowhere yet. `server` is PostgreSQL's major version.
    """

    unit: Unit
    before: Before
    made: Mapping[str, Sequence[Name]]
    catalog: Catalog
    fresh: frozenset[str]
    server: int

    @property
    def shape(self) -> Shape:
        return self.unit.shape

    def is_new(self, name: Name) -> bool:
        """Whether a table was made by this migration, or by one before it that is not applied anywhere yet."""
        table = self.catalog.table(name)
        return table is not None and table.version in self.fresh

    def old_table(self, name: Name) -> Table | None:
        """What is known of a table that others may be using."""
        return None if self.is_new(name) else self.catalog.table(name)

    def actions(self, *kinds: ActionKind) -> Iterator[tuple[Name, Action]]:
        """The sub-commands of these kinds of an ALTER of a table that others may be using."""
        if isinstance(self.shape, AlterTable) and not self.is_new(self.shape.table):
            for action in self.shape.actions:
                if action.kind in kinds:
                    yield self.shape.table, action

    def altered(self) -> Name | None:
        """The table that others may be using and that this unit locks against them until the transaction ends."""
        name = None
        match self.shape:
            case AlterTable(table=table, actions=actions) if any(each.kind is not _VALIDATE for each in actions):
                name = table
            case CreateIndex(table=table, is_concurrent=False):
                name = table
            case CreateObject(kind="TRIGGER", on=on):
                name = on
            case _:
                pass
        return name if name is not None and not self.is_new(name) else None

    def locked(self) -> Iterator[Name]:
        """The tables that others may be using and that this unit locks against them."""
        if isinstance(self.shape, Truncate):
            yield from (name for name in self.shape.tables if not self.is_new(name))
        elif isinstance(self.shape, Drop) and self.shape.kind == "TABLE":
            yield from (name for name in self.shape.names if not self.is_new(name))
        elif name := self.altered():
            yield name

    def referred(self) -> Iterator[Name]:
        """The tables that others may be using and that a new foreign key refers to: no one else writes to them."""
        for constraint in references(self.shape):
            if constraint.references and not self.is_new(constraint.references):
                yield constraint.references

    def slow(self) -> Iterator[Change]:
        """The changes whose time depends on how many rows there are in tables that others may be using."""
        for change in self.shape.changes if isinstance(self.shape, Changes) else ():
            is_old = not self.is_new(change.table) and (change.verb is not Verb.INSERT or change.is_query)
            if is_old or any(not self.is_new(name) for name in change.sources):
                yield change

    def filled(self) -> Iterator[Change]:
        """The changes of rows in tables that others may be using, but for rows that are written out."""
        if isinstance(self.shape, Changes):
            for change in self.shape.changes:
                if (change.verb is not Verb.INSERT or change.is_query) and not self.is_new(change.table):
                    yield change


def references(shape: Shape) -> Iterator[Constraint]:
    """The foreign keys that a statement adds."""
    found: list[Constraint] = []
    if isinstance(shape, CreateTable):
        found = [*shape.constraints, *(each for column in shape.columns for each in column.constraints)]
    elif isinstance(shape, AlterTable):
        for action in shape.actions:
            found += [action.constraint] if action.constraint else []
            found += action.column.constraints if action.column else ()
    yield from (each for each in found if each.kind is ConstraintKind.FOREIGN)


def made(found: Iterable[Unit]) -> dict[str, list[Name]]:
    """What units make, by bare name."""
    names: dict[str, list[Name]] = {}
    for unit in found:
        for name in _made(unit.shape):
            names.setdefault(name.name, []).append(name)
    return names


def _made(shape: Shape) -> Iterator[Name]:
    match shape:
        case CreateRoutine(name=name) | EnumType(name=name) | CreateTable(table=name):
            yield name
        case CreateObject(name=Name() as name):
            yield name
        case AlterTable(table=table, actions=actions):
            yield from (Name(table.schema, each.new_name) for each in actions if each.kind is ActionKind.RENAME)
        case AlterObject(name=name, words=("RENAME", "TO", new_name)):
            yield Name(name.schema, folded(new_name))
        case _:
            return


@frozen
class File:
    """A whole migration. `comments` are its line comments, each with its line; `catalog` is what there is after it.

    `made` are the objects that its up sections make, by their bare names.
    """

    migration: Migration
    ups: Sequence[Unit]
    downs: Sequence[Unit]
    comments: Sequence[tuple[int, str]]
    fresh: frozenset[str]
    catalog: Catalog
    made: Mapping[str, Sequence[Name]]
    changed: Sequence[Name] = ()  # the tables that were there before it and that it alters, once each

    def is_new(self, name: Name) -> bool:
        """Whether a table was made by this migration, or by one that is not applied anywhere yet."""
        table = self.catalog.table(name)
        return table is not None and table.version in self.fresh


@frozen
class Ending:
    """All migrations that were looked at, and what there is after the last one."""

    files: Sequence[File]
    catalog: Catalog
