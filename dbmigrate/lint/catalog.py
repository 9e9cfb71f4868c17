"""What earlier statements have created: tables, columns, indexes, types.

A linter has no database. But most projects have all their migrations in one directory, and these define what exists:
which type a column has now, whether a valid CHECK proves a SET NOT NULL. What no migration defines is unknown, and each
rule decides what that means.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dbmigrate.lint.sql.reading import folded
from dbmigrate.lint.sql.shape import (
    ActionKind,
    AlterObject,
    AlterTable,
    ConstraintKind,
    CreateIndex,
    CreateObject,
    CreateRoutine,
    CreateTable,
    Drop,
    EnumType,
    Name,
    Words,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dbmigrate.lint.sql.shape import Action, Column, Constraint, Shape

__all__ = ["Catalog", "Index", "Table"]

_NAMED = {
    ConstraintKind.CHECK: "check",
    ConstraintKind.UNIQUE: "key",
    ConstraintKind.EXCLUDE: "excl",
    ConstraintKind.FOREIGN: "fkey",
    ConstraintKind.NOT_NULL: "not_null",
}
_TABLES = ("TABLE", "MATERIALIZED VIEW", "FOREIGN TABLE")


@dataclass(slots=True)
class Index:
    """An index: its leading plain columns, and the migration that created it."""

    name: str
    columns: tuple[str, ...]
    version: str
    is_partial: bool = False
    is_unique: bool = False


@dataclass(slots=True)
class Table:
    """A table as it is now. `types` are words; `version` is the migration that created it."""

    name: Name
    version: str
    is_partitioned: bool = False
    types: dict[str, Words] = field(default_factory=dict)
    column_versions: dict[str, str] = field(default_factory=dict)
    required: set[str] = field(default_factory=set)
    constraints: dict[str, Constraint] = field(default_factory=dict)
    valid: set[str] = field(default_factory=set)
    indexes: dict[str, Index] = field(default_factory=dict)
    primary: set[str] = field(default_factory=set)  # names of its primary keys, also of one that is dropped
    identity: str | None = None  # the index that is its replica identity
    policies: set[str] = field(default_factory=set)
    parent: Name | None = None  # whose partition it is

    def proves_not_null(self, column: str) -> bool:
        """Whether no row can have a NULL there: SET NOT NULL then reads nothing."""
        if column in self.required:
            return True
        return any(
            name in self.valid and _says_not_null(constraint, column) for name, constraint in self.constraints.items()
        )

    def valid_checks(self) -> Iterable[Constraint]:
        """The CHECK constraints that every row is known to satisfy."""
        return [
            found
            for name, found in self.constraints.items()
            if name in self.valid and found.kind is ConstraintKind.CHECK
        ]

    def has_index_for(self, columns: tuple[str, ...]) -> bool:
        """Whether rows with these values are found by an index: it begins with the columns, in any order, or it is
        unique and some of them are all of its columns, so that it leads to one row at most.
        """
        wanted = set(columns)
        return any(
            set(index.columns[: len(columns)]) == wanted
            or (index.is_unique and len(index.columns) > 0 and wanted.issuperset(index.columns))
            for index in self.indexes.values()
            if not index.is_partial
        )

    def add_constraint(self, found: Constraint, version: str) -> None:
        name = found.name or self._default_name(found)
        self.constraints[name] = found
        if not found.not_valid:
            self.valid.add(name)
        if found.kind is ConstraintKind.PRIMARY:
            self.primary.add(name)
        if found.kind in (ConstraintKind.PRIMARY, ConstraintKind.NOT_NULL) and not found.not_valid:
            self.required.update(found.columns)
        if found.kind in (ConstraintKind.PRIMARY, ConstraintKind.UNIQUE) and not found.using_index:
            self.indexes[name] = Index(name, found.columns, version, is_unique=True)

    def _default_name(self, found: Constraint) -> str:
        """As the server names it (ChooseConstraintName), but for the number behind a name that is taken."""
        if found.kind is ConstraintKind.PRIMARY:
            return f"{self.name.name}_pkey"
        columns = found.columns or tuple(column for column in self.types if column.upper() in found.condition)
        if found.kind is ConstraintKind.CHECK and len(columns) != 1:
            columns = ()
        return "_".join((self.name.name, *columns, _NAMED[found.kind]))

    def act(self, action: Action, version: str) -> None:
        """A sub-command of ALTER TABLE."""
        match action.kind:
            case ActionKind.ADD_COLUMN if action.column is not None:
                self.add_column(action.column, version)
            case ActionKind.ADD_CONSTRAINT if action.constraint is not None:
                self.add_constraint(action.constraint, version)
            case ActionKind.RENAME:
                self.name = Name(self.name.schema, action.new_name)
            case ActionKind.SET_SCHEMA:
                self.name = Name(action.new_name, self.name.name)
            case ActionKind.VALIDATE:
                self.valid.add(action.name)
            case ActionKind.DROP_CONSTRAINT:
                self.constraints.pop(action.name, None)
                self.indexes.pop(action.name, None)
                self.valid.discard(action.name)
            case ActionKind.OTHER if action.words[:2] == ("REPLICA", "IDENTITY"):
                self.identity = folded(action.words[-1]) if "INDEX" in action.words else None
            case _:
                self._act_on_column(action)

    def _act_on_column(self, action: Action) -> None:
        match action.kind:
            case ActionKind.DROP_COLUMN:
                _forget_column(self, action.name)
            case ActionKind.RENAME_COLUMN:
                _rename_column(self, action.name, action.new_name)
            case ActionKind.SET_TYPE:
                self.types[action.name] = action.type
            case ActionKind.SET_NOT_NULL:
                self.required.add(action.name)
            case ActionKind.DROP_NOT_NULL:
                self.required.discard(action.name)
            case _:
                pass

    def add_column(self, column: Column, version: str) -> None:
        self.types[column.name] = column.type
        self.column_versions[column.name] = version
        for constraint in column.constraints:
            self.add_constraint(constraint, version)


def _says_not_null(constraint: Constraint, column: str) -> bool:
    if constraint.kind is ConstraintKind.NOT_NULL:
        return column in constraint.columns
    words = [word.strip('"').lower() for word in constraint.condition if word not in ("(", ")")]
    if "or" in words:
        return False
    wanted = [column.lower(), "is", "not", "null"]
    return any(words[at : at + 4] == wanted for at in range(len(words)))


class Catalog:
    """The state after the statements that were applied to it."""

    def __init__(self) -> None:
        self._tables: dict[str, list[Table]] = {}  # by bare name
        self._enums: list[tuple[Name, str]] = []
        self._routines: list[tuple[CreateRoutine, str]] = []
        self.owners: set[str] = set()  # roles that own something
        # backfills: their version, their table, and the words of their statements, as the server folds them
        self.backfills: list[tuple[str, Name, frozenset[str]]] = []

    def table(self, name: Name) -> Table | None:
        """The table that a name means; None if no statement created it."""
        return next((table for table in reversed(self._tables.get(name.name, ())) if table.name.means(name)), None)

    def leaves(self, table: Table) -> list[Table]:
        """The partitions that hold rows, as far as statements created or attached them."""
        found: list[Table] = []
        for each in (each for tables in self._tables.values() for each in tables):
            if each.parent is not None and each.parent.means(table.name):
                found += self.leaves(each) if each.is_partitioned else [each]
        return found

    def leaves_have_index(self, table: Table, columns: tuple[str, ...]) -> bool:
        """Whether each partition has an index over these columns already, which a new one of the table takes over."""
        leaves = self.leaves(table)
        return bool(leaves and columns) and all(
            any(index.columns == columns and not index.is_partial for index in leaf.indexes.values()) for leaf in leaves
        )

    def leaves_have_reference(self, table: Table, columns: tuple[str, ...]) -> bool:
        """The same for a valid foreign key."""
        leaves = self.leaves(table)
        return bool(leaves and columns) and all(
            any(
                found.columns == columns and found.references is not None and name in leaf.valid
                for name, found in leaf.constraints.items()
            )
            for leaf in leaves
        )

    def index(self, name: Name) -> tuple[Table, Index] | None:
        """An index, and its table."""
        for table in (table for tables in self._tables.values() for table in tables):
            if name.name in table.indexes and name.schema in (None, table.name.schema, *_unknown(table)):
                return table, table.indexes[name.name]
        return None

    def enum_version(self, name: Name) -> str | None:
        """The migration that created an enum type."""
        return next((version for found, version in reversed(self._enums) if found.means(name)), None)

    def routine(self, name: Name) -> CreateRoutine | None:
        return next((found for found, _ in reversed(self._routines) if found.name.means(name)), None)

    def has_policy(self, name: Name) -> bool:
        """Whether a policy of a table was created and not dropped."""
        table = self.table(name)
        return table is not None and bool(table.policies)

    def was_primary(self, name: Name, constraint: str) -> bool:
        """Whether a constraint is, or was until it was dropped, the primary key of a table."""
        table = self.table(name)
        known = table.primary if table else ()
        return constraint in known or (not known and constraint.endswith("_pkey"))

    def identity_of(self, index: Name) -> Name | None:
        """The table whose replica identity an index is, or was until it was dropped."""
        tables = (table for tables in self._tables.values() for table in tables)
        return next((table.name for table in tables if table.identity == index.name), None)

    def apply(self, shape: Shape, version: str) -> None:
        """What a statement of the migration `version` changes."""
        match shape:
            case CreateTable():
                self._create(shape, version)
            case AlterTable():
                self._alter(shape, version)
            case CreateIndex():
                table = self._known(shape.table)
                name = shape.name or "_".join((shape.table.name, *shape.columns, "idx"))
                table.indexes[name] = Index(
                    name, shape.columns, version, shape.is_partial, shape.is_unique and shape.is_plain
                )
            case AlterObject(words=("OWNER", "TO", role)) | CreateObject(words=("AUTHORIZATION", role)):
                self.owners.add(folded(role))
            case CreateObject(kind="POLICY", name=Name(name=policy), on=Name() as on):
                self._known(on).policies.add(policy)
            case Drop(kind="POLICY", on=Name() as on):
                self._known(on).policies.difference_update(name.name for name in shape.names)
            case Drop():
                self._drop(shape)
            case EnumType():
                self._enums.append((shape.name, version))
            case CreateRoutine():
                self._routines.append((shape, version))
            case _:
                pass

    def _create(self, shape: CreateTable, version: str) -> None:
        if shape.is_lenient and self.table(shape.table) is not None:
            return
        table = Table(shape.table, version, shape.is_partitioned, parent=shape.partition_of)
        for column in shape.columns:
            table.add_column(column, version)
        for constraint in shape.constraints:
            table.add_constraint(constraint, version)
        self._remember(table)

    def _remember(self, table: Table) -> None:
        self._tables.setdefault(table.name.name, []).append(table)

    def _known(self, name: Name) -> Table:
        """The table; one that no statement created is added as unknown, so that it can be altered."""
        table = self.table(name)
        if table is None:
            table = Table(name, "")
            self._remember(table)
        return table

    def _alter(self, shape: AlterTable, version: str) -> None:
        table = self._known(shape.table)
        for action in shape.actions:
            self._act(table, action, version)
            if action.words[:2] == ("OWNER", "TO"):
                self.owners.add(folded(action.words[-1]))

    def _act(self, table: Table, action: Action, version: str) -> None:
        if action.kind in (ActionKind.ATTACH, ActionKind.DETACH) and action.partition is not None:
            self._known(action.partition).parent = table.name if action.kind is ActionKind.ATTACH else None
        elif action.kind is ActionKind.RENAME:
            self._tables[table.name.name].remove(table)
            table.act(action, version)
            self._remember(table)
        else:
            table.act(action, version)

    def _drop(self, shape: Drop) -> None:
        for name in shape.names:
            if shape.kind in _TABLES:
                self._tables[name.name] = [
                    table for table in self._tables.get(name.name, ()) if not table.name.means(name)
                ]
            elif shape.kind == "INDEX" and (found := self.index(name)) is not None:
                del found[0].indexes[name.name]
            elif shape.kind in ("FUNCTION", "PROCEDURE", "ROUTINE"):
                self._routines = [pair for pair in self._routines if not pair[0].name.means(name)]


def _unknown(table: Table) -> tuple[str, ...]:
    """Where a table was named without its schema, an index may be named with any."""
    return () if table.name.schema else ("public",)


def _forget_column(table: Table, name: str) -> None:
    table.types.pop(name, None)
    table.column_versions.pop(name, None)
    table.required.discard(name)
    gone = [key for key, index in table.indexes.items() if name in index.columns]
    for key in gone:
        del table.indexes[key]


def _rename_column(table: Table, old: str, new: str) -> None:
    if old in table.types:
        table.types[new] = table.types.pop(old)
    if old in table.column_versions:
        table.column_versions[new] = table.column_versions.pop(old)
    if old in table.required:
        table.required.remove(old)
        table.required.add(new)
    for index in table.indexes.values():
        index.columns = tuple(new if column == old else column for column in index.columns)
