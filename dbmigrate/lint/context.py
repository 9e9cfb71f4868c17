"""What a rule gets: a statement or a file, what runs in the same transaction, and what exists already."""

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
    Other,
    Shape,
    Truncate,
    Verb,
)
from dbmigrate.sql import LexerError, placed_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dbmigrate.lint.catalog import Catalog
    from dbmigrate.model import Migration, Statement
    from dbmigrate.sql import Word

__all__ = [
    "MOST_LOCKED",
    "File",
    "Finding",
    "StatementContext",
    "Transaction",
    "Unit",
    "created",
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
_TIME_ZONE = frozenset(("TIMEZONE", "ZONE"))
MOST_LOCKED = 2  # tables in use that one transaction may lock


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


class Finding(NamedTuple):
    """What a rule finds.

    `at` is an offset in the text of `unit`, which a statement rule need not name. Without a unit a file rule means the
    file: `at` is then a line.
    """

    at: int
    message: str
    hint: str | None = None
    unit: Unit | None = None


def units(statement: Statement) -> Iterator[Unit]:
    """A statement, and after it the ones inside if it is a DO block; also those that EXECUTE runs from a string."""
    shape = shape_of(statement.sql)
    yield Unit(statement, statement.sql, shape)
    if isinstance(shape, Block) and shape.body is not None:
        for start, end in _inner(shape.body):
            sql, offset = shape.body[start:end], shape.at + start
            yield Unit(statement, sql, shape_of(sql), offset)
            for at, text in executed(sql):
                yield Unit(statement, text, shape_of(text), offset + at)


def _inner(body: str) -> Iterator[tuple[int, int]]:
    """Where the statements of a PL/pgSQL body begin and end. Those that are not SQL become `Other`."""
    found: list[Word] = []
    try:
        found.extend(islice(placed_words(body), _LONGEST_BLOCK))
    except LexerError:  # the server reports it
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
class Transaction:
    """What a transaction has done so far: collected statement by statement, not searched for each rule.

    `altered` is the first table in use that it has locked, `filled` the first change of rows in a table in use.
    `locked` are the first of the locked tables in use, `moved` those that got rows from a query. `parents` are the
    tables that new foreign keys refer to. `is_slow`: something slow came after one of these locks. `unproven` are the
    tables with a NOT VALID constraint, by its name (empty for none). `is_utc`: SET LOCAL has made UTC the time zone.
    """

    altered: Name | None = None
    filled: Change | None = None
    locked: list[Name] = field(default_factory=list)
    moved: list[Name] = field(default_factory=list)
    parents: list[Name] = field(default_factory=list)
    is_slow: bool = False
    unproven: dict[str, list[Name]] = field(default_factory=dict)
    enum_values: dict[str, AddEnumValue] = field(default_factory=dict)
    is_utc: bool = False

    def add(self, context: StatementContext) -> None:
        """Add the next unit; the catalog does not know it yet."""
        self.is_slow |= bool(self.altered or self.parents) and any(True for _ in context.slow())
        self.altered = self.altered or context.altered()
        self.filled = self.filled or next(context.filled(), None)
        if len(self.locked) <= MOST_LOCKED:
            self.locked += [name for name in context.locked() if not any(name.means(other) for other in self.locked)]
        self.parents += context.referred()
        shape = context.shape
        if isinstance(shape, Changes):
            self.moved += [change.table for change in shape.changes if change.is_query]
        elif isinstance(shape, AddEnumValue):
            self.enum_values[shape.value] = shape
        elif isinstance(shape, Other) and shape.words[:1] == ("SET",) and _TIME_ZONE.intersection(shape.words):
            self.is_utc = shape.words[-1].upper() in ("'UTC'", "UTC")
        elif isinstance(shape, AlterTable):
            for name in unproven(shape):
                self.unproven.setdefault(name, []).append(shape.table)


def unproven(shape: AlterTable) -> Iterator[str]:
    """The names of the constraints that are added as NOT VALID."""
    for action in shape.actions:
        if action.constraint is not None and action.constraint.not_valid:
            yield action.constraint.name or ""


@frozen
class StatementContext:
    """One unit of an up section. `transaction` is what came before it in its transaction.

    `created` are all objects that the migration's up sections create, by their bare names. `catalog` is what exists
    before this unit. `new_versions` are the migrations whose tables nobody uses yet: this one, and those that are not
    applied anywhere. `server` is PostgreSQL's major version.

    A table is "in use" if an earlier migration outside `new_versions` created it, or if nothing is known of it.
    """

    unit: Unit
    transaction: Transaction
    created: Mapping[str, Sequence[Name]]
    catalog: Catalog
    new_versions: frozenset[str]
    server: int

    @property
    def shape(self) -> Shape:
        return self.unit.shape

    def is_new(self, name: Name) -> bool:
        """Whether a table was created by this migration, or by one before it that is not applied anywhere yet."""
        table = self.catalog.table(name)
        return table is not None and table.version in self.new_versions

    def actions(self, *kinds: ActionKind) -> Iterator[tuple[Name, Action]]:
        """The sub-commands of these kinds, if this is an ALTER of a table in use."""
        if isinstance(self.shape, AlterTable) and not self.is_new(self.shape.table):
            for action in self.shape.actions:
                if action.kind in kinds:
                    yield self.shape.table, action

    def altered(self) -> Name | None:
        """The table in use that this unit locks until the transaction ends."""
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
        """The tables in use that this unit locks."""
        if isinstance(self.shape, Truncate):
            yield from (name for name in self.shape.tables if not self.is_new(name))
        elif isinstance(self.shape, Drop) and self.shape.kind == "TABLE":
            yield from (name for name in self.shape.names if not self.is_new(name))
        elif name := self.altered():
            yield name

    def referred(self) -> Iterator[Name]:
        """The tables in use that a new foreign key refers to: it blocks writes to them."""
        for constraint in references(self.shape):
            if constraint.references and not self.is_new(constraint.references):
                yield constraint.references

    def slow(self) -> Iterator[Change]:
        """The changes that take longer the more rows there are in tables in use."""
        for change in self.shape.changes if isinstance(self.shape, Changes) else ():
            is_old = not self.is_new(change.table) and (change.verb is not Verb.INSERT or change.is_query)
            if is_old or any(not self.is_new(name) for name in change.sources):
                yield change

    def filled(self) -> Iterator[Change]:
        """The changes of rows in tables in use, except INSERTs of literal rows."""
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


def created(found: Iterable[Unit]) -> dict[str, list[Name]]:
    """The objects that units create, by bare name."""
    names: dict[str, list[Name]] = {}
    for unit in found:
        for name in _created(unit.shape):
            names.setdefault(name.name, []).append(name)
    return names


def _created(shape: Shape) -> Iterator[Name]:
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
    """A whole migration. `comments` are its line comments, each with its line.

    `catalog` is what exists after it; for a project rule, after the last migration, and `all` are the migrations.
    `created` are the objects that its up sections create, by their bare names.
    """

    migration: Migration
    ups: Sequence[Unit]
    downs: Sequence[Unit]
    comments: Sequence[tuple[int, str]]
    new_versions: frozenset[str]
    catalog: Catalog
    created: Mapping[str, Sequence[Name]]
    changed: Sequence[Name] = ()  # the older tables that it alters, each once
    all: Sequence[Migration] = ()

    def is_new(self, name: Name) -> bool:
        """Whether a table was created by this migration, or by one that is not applied anywhere yet."""
        table = self.catalog.table(name)
        return table is not None and table.version in self.new_versions
