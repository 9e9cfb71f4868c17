"""Rules for the statements that PostgreSQL runs in no transaction block, so that nobody can look at what they hold.

The locks are those of the documentation, under the name of each statement:
https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
The names in a statement are looked up by the server, before it runs, while the file's search_path is in force.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.connection import database
from dbmigrate.execution import leftover_partitions
from dbmigrate.frozen import frozen
from dbmigrate.impact.values import LockMode, TableImpact, quoted
from dbmigrate.sql import words
from dbmigrate.sql.statements import FALSE, IndexAction, IndexTarget, first_word, index_operation, option_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dbmigrate.connection.database import Connection
    from dbmigrate.impact.snapshot import Baseline, Known
    from dbmigrate.model import Statement
    from dbmigrate.sql.statements import IndexOperation

_OLDER_SNAPSHOTS = "all transactions that are older, whatever they read"
_USERS = "the transactions that use the table"
_LEAVES = "not run on the scratch database, because its effect would leave it"
_UNSEEN = "its locks cannot be seen, because it ends its own transactions"
_SERVER_WIDE = frozenset(("DATABASE", "SUBSCRIPTION", "SYSTEM", "TABLESPACE"))
_NAME = re.compile(r'(?:(?:\A|\.)(?:"(?:[^"]|"")+"|[^\W\d][\w$]*))+').fullmatch  # what to_regclass can read
_FULL = LockMode.ACCESS_EXCLUSIVE
_MILD = LockMode.SHARE_UPDATE_EXCLUSIVE


@frozen
class Rule:
    """What is known of one statement. `is_run` is False for what must not be run on a scratch database."""

    tables: tuple[TableImpact, ...] = ()
    waits_for: str | None = None
    note: str | None = None
    is_run: bool = True


def rule_for(conn: Connection, statement: Statement, baseline: Baseline) -> Rule:
    """The rule for a statement that is about to be run outside of a transaction."""
    statement = replace(statement, sql=statement.sent)
    tokens = tuple(word for word in words(statement.sql) if word != ";")
    operation = index_operation(statement.sql)
    if operation is not None:
        return _of_index(_Names(conn, baseline), operation)
    if _leaves(tokens):
        return Rule(note=_LEAVES, is_run=False)
    rule = _RULES.get(first_word(statement.sql))
    return rule(_Names(conn, baseline), statement, tokens) if rule else Rule(note=_UNSEEN)


def _leaves(tokens: tuple[str, ...]) -> bool:
    """Whether the effect is one on the server, or on another one."""
    if tokens[:1] in (("COMMIT",), ("ROLLBACK",)):  # PREPARED
        return True
    return tokens[0] in ("ALTER", "CREATE", "DROP") and tokens[1] in _SERVER_WIDE


class _Names:
    """What the names in a statement mean."""

    def __init__(self, conn: Connection, baseline: Baseline) -> None:
        self.conn = conn
        self.baseline = baseline

    def table(self, name: str) -> Known | None:
        """The table of that name, as it is written in SQL, or the table of the index of that name."""
        if not _NAME(name):
            return None
        rows = database.query(self.conn, "select pg_catalog.to_regclass(%s::pg_catalog.text)::oid::bigint", name)
        oid = self.baseline.table_of(int(str(rows[0][0]))) if rows[0][0] is not None else None
        return None if oid is None else self.baseline.relations[oid]

    def with_partitions(self, known: Known) -> list[Known]:
        """A table, and the partitions below it."""
        return [table for table in self.baseline.tables() if self._is_part(table, known)] or [known]

    def _is_part(self, table: Known, whole: Known) -> bool:
        oid: int | None = table.oid
        while oid is not None and oid != whole.oid:
            oid = self.baseline.relations[oid].parent if oid in self.baseline.relations else None
        return oid is not None


# -------------------------------------------------------------------------------------------------------- concurrently


def _of_index(names: _Names, operation: IndexOperation) -> Rule:
    """CREATE INDEX, DROP INDEX and REINDEX with CONCURRENTLY."""
    if operation.action is IndexAction.REINDEX and operation.target not in (IndexTarget.INDEX, IndexTarget.TABLE):
        schema = operation.name if operation.target is IndexTarget.SCHEMA else None
        return Rule(tuple(_rebuilt(known, names) for known in names.baseline.tables(schema)), _OLDER_SNAPSHOTS)
    named = operation.table if operation.action is IndexAction.CREATE else operation.name
    known = names.table(_quoted(operation.schema, named)) if named else None
    if known is None:
        return Rule()
    if operation.action is IndexAction.DROP:
        return Rule((TableImpact(known.relation, _MILD),), _USERS)
    if operation.action is IndexAction.CREATE:
        new = (operation.name or "a new index",)
        return Rule((TableImpact(known.relation, _MILD, is_scanned=True, new_indexes=new),), _OLDER_SNAPSHOTS)
    only = operation.name if operation.target is IndexTarget.INDEX else None
    return Rule(tuple(_rebuilt(part, names, only) for part in names.with_partitions(known)), _OLDER_SNAPSHOTS)


def _rebuilt(known: Known, names: _Names, only: str | None = None) -> TableImpact:
    indexes = (each.name for each in names.baseline.relations.values() if each.owner == known.oid and each.kind == "i")
    rebuilt = (only,) if only is not None else tuple(sorted(indexes))
    return TableImpact(known.relation, _MILD, is_scanned=True, rebuilt_indexes=rebuilt)


def _quoted(schema: str | None, name: str) -> str:
    return ".".join(quoted(part) for part in (schema, name) if part is not None)


# --------------------------------------------------------------------------------------------------------- the others


def _vacuum(names: _Names, statement: Statement, tokens: tuple[str, ...]) -> Rule:
    options, rest = option_list(tokens[1:])
    is_full = options.get("FULL", "FALSE") not in FALSE
    while rest[:1] and rest[0] in ("FULL", "FREEZE", "VERBOSE", "ANALYZE", "ANALYSE"):
        is_full = is_full or rest[0] == "FULL"
        rest = rest[1:]
    lock = _FULL if is_full else _MILD
    return Rule(
        tuple(
            TableImpact(known.relation, lock, is_rewritten=is_full, is_scanned=True) for known in _targets(names, rest)
        )
    )


def _reindex(names: _Names, statement: Statement, tokens: tuple[str, ...]) -> Rule:
    """REINDEX SCHEMA and DATABASE: each table in a transaction of its own, with its indexes locked against readers."""
    _, rest = option_list(tokens[1:])
    schema = _folded(rest[1]) if rest[:1] == ("SCHEMA",) and rest[1:] else None
    return Rule(
        tuple(
            TableImpact(known.relation, _FULL, through=f"the indexes of {known.name}", is_scanned=True)
            for known in names.baseline.tables(schema)
        )
    )


def _cluster(names: _Names, statement: Statement, tokens: tuple[str, ...]) -> Rule:
    """CLUSTER of every table that was clustered before."""
    return Rule(note="rewrites, under ACCESS EXCLUSIVE, every table that was clustered before")


def _alter(names: _Names, statement: Statement, tokens: tuple[str, ...]) -> Rule:
    """ALTER TABLE .. DETACH PARTITION .. CONCURRENTLY"""
    found = leftover_partitions.detachment(names.conn, statement.sql)
    wanted = ((found.table, _MILD), (found.partition, _FULL)) if found else ()
    known = names.baseline.relations
    tables = tuple(TableImpact(known[oid].relation, lock) for oid, lock in wanted if oid in known)
    return Rule(tables, "the transactions that use the partitioned table")


def _discard(names: _Names, statement: Statement, tokens: tuple[str, ...]) -> Rule:
    return Rule()


_RULES: Mapping[str, Callable[[_Names, Statement, tuple[str, ...]], Rule]] = {
    "ALTER": _alter,
    "CLUSTER": _cluster,
    "DISCARD": _discard,
    "REINDEX": _reindex,
    "VACUUM": _vacuum,
}


def _targets(names: _Names, tokens: tuple[str, ...]) -> list[Known]:
    """The tables of a list ``name [(columns)] [, ..]``, every table where there is none."""
    if not tokens:
        return names.baseline.tables()
    found = (names.table(name) for name in _listed(tokens))
    return [part for known in found if known is not None for part in names.with_partitions(known)]


def _listed(tokens: tuple[str, ...]) -> Iterator[str]:
    depth, name = 0, ""
    for word in (*tokens, ","):
        depth += {"(": 1, ")": -1}.get(word, 0)
        if word == "," and not depth:
            yield name
            name = ""
        elif not depth and word not in ("(", ")"):
            name += word


def _folded(word: str) -> str:
    return word[1:-1].replace('""', '"') if word.startswith('"') else word.lower()
