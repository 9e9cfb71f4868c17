"""Indexes: created, dropped and rebuilt CONCURRENTLY."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.lint.fix.actions import name_at, name_end
from dbmigrate.lint.fix.conditions import no_duplicates
from dbmigrate.lint.fix.values import Refusal, Rewrite, Sql, Step
from dbmigrate.lint.fix.writing import quoted
from dbmigrate.lint.sql.reading import words_of
from dbmigrate.lint.sql.shape import CreateIndex, Drop, Maintenance

if TYPE_CHECKING:
    from dbmigrate.lint.fix.facts import Index, Relation
    from dbmigrate.lint.fix.values import Target

__all__ = ["created", "dropped", "rebuilt"]

_CREATED, _GONE = frozenset(("L101",)), frozenset(("L102",))
_UNNAMED = "the name that the server gives to it is not certain"


def created(target: Target) -> Rewrite | Refusal | None:
    """CREATE INDEX, also of a partitioned table: then one for each partition, and the author's own adopts them."""
    shape = target.shape
    if not isinstance(shape, CreateIndex) or shape.is_concurrent or "L101" not in target.codes:
        return None
    table = target.before.relation(shape.table)
    if table is None or table.persistence == "t" or table.is_of_extension:
        return None
    if table.kind == "p" and not shape.is_only:
        return _on_partitions(target, shape)
    name = shape.name or target.given.get((target.piece.at, 0))
    if name is None:
        return Refusal(_UNNAMED)
    text = _inserted(target.piece.sql, "INDEX", target.write("concurrently"))
    if shape.name is None:
        text = _inserted(text, "CONCURRENTLY", quoted(name))
    return Rewrite((Step((Sql(_closed(text)),)),), _CREATED, conditions=_unique(target, shape, table))


def _unique(target: Target, shape: CreateIndex, table: Relation) -> tuple[str, ...]:
    """That no two rows are the same: a build that fails leaves an invalid index."""
    is_known = all(column in table.columns for column in shape.columns)
    if not (shape.is_unique and shape.is_plain and shape.columns and is_known) or shape.is_partial or shape.is_only:
        return ()
    distinct = [word.text for word in words_of(target.piece.sql)].count("DISTINCT") == 0
    return no_duplicates(name_at(target.piece.sql, shape.table.at), shape.columns, are_nulls_distinct=distinct)


def _on_partitions(target: Target, shape: CreateIndex) -> Rewrite | Refusal:
    name = shape.name or target.given.get((target.piece.at, 0))
    after = target.after.relation(shape.table)
    parent = next((each for each in target.after.indexes_of(after) if each.name == name), None) if after else None
    if parent is None or after is None:
        return Refusal(_UNNAMED)
    if shape.is_lenient:
        return Refusal("with IF NOT EXISTS the index may be there already, and those of the partitions would be new")
    steps = []
    for leaf in target.after.leaves(after):
        part = target.after.index_of_leaf(parent, leaf)
        if part is None or leaf.kind == "f":
            return Refusal(f"the partition {leaf.name} has no part of the index")
        if not target.before.has_index(part):
            steps.append(Step((Sql(_for_leaf(target, shape, leaf, part)),)))
    own = _closed(target.piece.sql)
    return Rewrite((*steps, Step((Sql(own),))), _CREATED, main=len(steps))


def _for_leaf(target: Target, shape: CreateIndex, leaf: Relation, part: Index) -> str:
    sql, write = target.piece.sql, target.write
    rest = sql[name_end(sql, shape.table.at) :].rstrip().removesuffix(";")
    is_qualified = shape.table.schema is not None or leaf.schema not in target.after.path[:1]
    table = f"{quoted(leaf.schema)}.{quoted(leaf.name)}" if is_qualified else quoted(leaf.name)
    head = write("create unique index concurrently" if shape.is_unique else "create index concurrently")
    return f"{head} {quoted(part.name)} {write('on')} {table}{rest};"


def dropped(target: Target) -> Rewrite | Refusal | None:
    """DROP INDEX: one statement for each name, because CONCURRENTLY takes no more."""
    shape, sql = target.shape, target.piece.sql
    if not isinstance(shape, Drop) or shape.kind != "INDEX" or shape.is_concurrent or "L102" not in target.codes:
        return None
    if shape.cascades:
        return Refusal("DROP INDEX CONCURRENTLY knows no CASCADE")
    steps = []
    for name in shape.names:
        index = target.before.index(name)
        if index is None and not shape.is_lenient:
            return None
        if index is not None and index.kind == "I":
            return Refusal(f"{name} is the index of a partitioned table, which cannot be dropped CONCURRENTLY")
        if index is not None and (index.is_of_constraint or index.is_referred):
            return None  # the statement fails
        lenient = f" {target.write('if exists')}" if shape.is_lenient else ""
        drop = target.write("drop index concurrently")
        steps.append(Step((Sql(f"{drop}{lenient} {name_at(sql, name.at)};"),)))
    return Rewrite(tuple(steps), _GONE, main=len(steps) - 1)


def rebuilt(target: Target) -> Rewrite | Refusal | None:
    """REINDEX; its options stay."""
    shape = target.shape
    if not isinstance(shape, Maintenance) or shape.verb != "REINDEX" or "L102" not in target.codes:
        return None
    if shape.target == "SYSTEM":
        return Refusal("REINDEX SYSTEM cannot run CONCURRENTLY")
    text = _inserted(target.piece.sql, shape.target, target.write("concurrently"))
    return Rewrite((Step((Sql(_closed(text)),)),), _GONE)


def _inserted(sql: str, after: str, text: str) -> str:
    """The statement with something behind the first word that is `after`."""
    end = next(word.end for word in words_of(sql) if word.text == after)
    return f"{sql[:end]} {text}{sql[end:]}"


def _closed(sql: str) -> str:
    return sql if sql.endswith(";") else f"{sql};"
