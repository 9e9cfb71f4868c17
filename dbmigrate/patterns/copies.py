"""A copy of a column, filled and kept equal while the application goes on: what a change of type and of name share.

NOT NULL, CHECKs, indexes, unique constraints and foreign keys of the column are made again for the copy. What else
depends on a column stays with the old one (a view goes on reading it, without a word), so that is refused.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.lint.fix.writing import quoted
from dbmigrate.lint.sql.reading import folded, words_of
from dbmigrate.patterns.refusals import refused

if TYPE_CHECKING:
    from dbmigrate.patterns.schema import Column, Schema, Table

__all__ = ["Copy", "Twin", "function_of", "key_copied", "literal", "renamed", "trigger_of"]

_NAME_BYTES = 63
_BEFORE_TYPES = ("::", "AS")  # a type may have the column's name


@frozen
class Twin:
    """Something of the old column and its equal for the copy, by their names as SQL has them.

    `add` makes it at once, NOT VALID, `build` outside of a transaction, `validate` after the rows are filled.
    """

    kind: str  # pg_constraint.contype, or "index"
    old: str
    new: str
    add: str = ""
    build: str = ""
    validate: str = ""


@frozen
class Copy:
    """The copy `name` of a column, of another type perhaps. Names are unquoted; `written` is the table."""

    schema: Schema
    table: Table
    column: Column
    name: str
    type: str
    twins: tuple[Twin, ...] = field(default=())

    @property
    def written(self) -> str:
        return self.table.written

    @property
    def old(self) -> str:
        """The old column as SQL has it."""
        return quoted(self.column.name)

    @property
    def new(self) -> str:
        """The copy as SQL has it."""
        return quoted(self.name)

    @property
    def not_null(self) -> str:
        """The CHECK that proves the copy NOT NULL."""
        return self.schema.free(self.table.name, self.name, suffix="not_null_check")

    @property
    def sync(self) -> str:
        """The name of the trigger that keeps the two equal."""
        return self.schema.free(self.table.name, self.column.name, suffix="_sync")


def suffixed(schema: Schema, name: str, suffix: str) -> str:
    """``<name>__<suffix>`` as SQL has it, within 63 bytes, not taken."""
    return schema.free(name, suffix=f"_{suffix}")


def column_name(table: Table, name: str, suffix: str) -> str:
    """The same for a column: unquoted, and unknown to the table."""
    for number in ("", *map(str, range(2, 100))):
        ending = f"__{suffix}{number}"
        found = name.encode()[: _NAME_BYTES - len(ending)].decode(errors="ignore") + ending
        if found not in table.columns:
            return found
    raise AssertionError(name)


def literal(text: str) -> str:
    """A text as a string literal."""
    return "'" + text.replace("'", "''") + "'"


def renamed(sql: str, old: str, new: str) -> str:
    """The text with another name in the place of a column's."""
    parts, at, before = [], 0, ""
    for word in words_of(sql):
        if folded(word.text) == old and word.text[:1] != "'" and before not in _BEFORE_TYPES:
            parts += [sql[at : word.start], quoted(new)]
            at = word.end
        before = word.text
    return "".join(parts) + sql[at:]


def copied(schema: Schema, table: Table, column: Column, name: str, type_: str) -> Copy:
    """A copy with what has to be made again for it. Raises Refused E770 for what cannot."""
    _refuse(table, column)
    return _copy(schema, table, column, name, type_)


def key_copied(schema: Schema, table: Table, column: Column, name: str, type_: str) -> Copy:
    """A copy of a primary key's column, whose index, sequence and referrers somebody else takes care of."""
    _refuse_kind(table, column)
    _refuse_dependents(table, column)
    return _copy(schema, table, column, name, type_)


def _copy(schema: Schema, table: Table, column: Column, name: str, type_: str) -> Copy:
    twins = [*_constraints(schema, table, column, name), *_indexes(schema, table, column, name)]
    return Copy(schema, table, column, name, type_, tuple(twins))


def _refuse(table: Table, column: Column) -> None:
    _refuse_kind(table, column)
    where = f"{table.written}.{quoted(column.name)}"
    if column.sequence:
        raise refused(f"{where} owns the sequence {column.sequence}", "serial-to-identity first, or a file of your own")
    if any(each.kind in "px" for each in table.constraints_on(column.name, "px")):
        raise refused(f"{where} is part of the primary key or of an EXCLUDE constraint of {table.written}")
    _refuse_dependents(table, column)
    if others := table.referrers_of(column.name):
        raise refused(f"foreign keys of {', '.join(others)} refer to {where}", "drop them in a migration before it")


def _refuse_kind(table: Table, column: Column) -> None:
    where = f"{table.written}.{quoted(column.name)}"
    if table.kind == "p" or table.is_inherited:
        raise refused(f"{table.written} is partitioned or inherits: a column of it cannot be replaced alone")
    if column.identity or column.generated:
        kind = "an identity column" if column.identity else "a generated column"
        raise refused(f"{where} is {kind}: its copy would not be one")


def _refuse_dependents(table: Table, column: Column) -> None:
    where = f"{table.written}.{quoted(column.name)}"
    others = [each.text for each in table.dependents if each.column == column.name and not each.is_remade]
    if others:
        raise refused(
            f"{len(others)} {'object depends' if len(others) == 1 else 'objects depend'} on {where} and would stay with"
            f" the old column: {', '.join(others)}",
            "drop them in a migration before it, and make them again after it",
        )


def _constraints(schema: Schema, table: Table, column: Column, name: str) -> list[Twin]:
    found = []
    for each in table.constraints_on(column.name, "cuf"):
        old, new = quoted(each.name), suffixed(schema, each.name, "new")
        alter, validate = f"alter table {table.written}", ""
        definition = each.definition.removesuffix(" NOT VALID")
        if each.kind == "u":
            keys = renamed(definition.removeprefix("UNIQUE "), column.name, name)
            if "DEFERRABLE" in definition:
                keys = keys[: keys.index(" DEFERRABLE")]
            build = f"create unique index concurrently {new} on {table.written} {_unique(keys)};"
            found.append(Twin("u", old, new, build=build))
            continue
        if each.is_valid:
            validate = f"{alter} validate constraint {new};"
        if each.kind == "f":
            begin, end = definition.split(")", 1)
            definition = f"{renamed(begin, column.name, name)}){end}"
        else:
            definition = renamed(definition, column.name, name)
        add = f"{alter} add constraint {new} {definition} not valid;"
        found.append(Twin(each.kind, old, new, add=add, validate=validate))
    return found


def _unique(keys: str) -> str:
    """An index says NULLS NOT DISTINCT behind its columns, a constraint before them."""
    words = "NULLS NOT DISTINCT "
    return f"{keys.removeprefix(words)} {words.strip()}" if keys.startswith(words) else keys


def _indexes(schema: Schema, table: Table, column: Column, name: str) -> list[Twin]:
    found = []
    for each in table.indexes_on(column.name):
        new = suffixed(schema, each.name, "new")
        unique = "unique " if each.is_unique else ""
        rest = each.definition[each.definition.index(" USING ") :]
        rest = renamed(rest, column.name, name).replace(" USING btree", "", 1)
        build = f"create {unique}index concurrently {new} on {table.written}{rest};"
        found.append(Twin("index", quoted(each.name), new, build=build))
    return found


def function_of(table: Table, name: str) -> str:
    """The name of a trigger's function: in the table's schema, if that is written."""
    prefix = table.written.rpartition(".")[0]
    return f"{prefix}.{name}" if prefix else name


def body(function: str, lines: tuple[str, ...], *, replaces: bool) -> str:
    """CREATE FUNCTION for a trigger."""
    create = "create or replace function" if replaces else "create function"
    inside = "\n".join(f"    {line}" for line in lines)
    return f"{create} {function}() returns trigger language plpgsql as $$\nbegin\n{inside}\n    return new;\nend\n$$;"


def trigger_of(table: Table, name: str, function: str) -> str:
    """CREATE TRIGGER for it: before the row is written, for the copy to be a part of it."""
    return (
        f"create trigger {name} before insert or update on {table.written} for each row execute function {function}();"
    )
