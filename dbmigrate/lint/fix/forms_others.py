"""The other forms: views, enum values, time zones; and what has no safe form at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.lint.fix.actions import head_of, name_at, slices, words_between
from dbmigrate.lint.fix.values import Refusal, Rewrite, Sql, Step, code_at
from dbmigrate.lint.sql.reading import folded, words_of
from dbmigrate.lint.sql.shape import (
    ActionKind,
    AddEnumValue,
    AlterObject,
    AlterTable,
    Generated,
    Maintenance,
)

if TYPE_CHECKING:
    from dbmigrate.lint.fix.actions import Slice
    from dbmigrate.lint.fix.facts import Relation
    from dbmigrate.lint.fix.values import Target

__all__ = ["enum_value", "impossible", "refreshed", "time_zone"]

_ZONED, _PLAIN = "timestamp with time zone", "timestamp without time zone"
_ZONED_WORDS = (("TIMESTAMPTZ",), ("TIMESTAMP", "WITH", "TIME", "ZONE"))
_PLAIN_WORDS = (("TIMESTAMP",), ("TIMESTAMP", "WITHOUT", "TIME", "ZONE"))
_UTC = ("'UTC'", "'utc'")


def refreshed(target: Target) -> Rewrite | Refusal | None:
    """REFRESH MATERIALIZED VIEW CONCURRENTLY, which may run in a transaction."""
    shape, sql = target.shape, target.piece.sql
    if not isinstance(shape, Maintenance) or shape.verb != "REFRESH" or "L114" not in target.codes or not shape.name:
        return None
    view = target.before.relation(shape.name)
    if view is None:
        return None
    words = [word.text for word in words_of(sql)]
    if "NO" in words and words[words.index("NO") : words.index("NO") + 2] == ["NO", "DATA"]:
        return None
    if not any(each.is_unique and each.is_whole for each in target.before.indexes_of(view)):
        return Refusal(
            "REFRESH .. CONCURRENTLY needs a unique index over columns and all rows", f"create one on {shape.name}"
        )
    end = next(word.end for word in words_of(sql) if word.text == "VIEW")
    text = f"{sql[:end]} {target.write('concurrently')}{sql[end:]}"
    own = text if target.piece.is_closed else f"{text};"
    return Rewrite((Step((Sql(own),)),), frozenset(("L114",)), needs_cut=False)


def enum_value(target: Target) -> Rewrite | Refusal | None:
    """ADD VALUE as a step of its own: what comes after it may use the value. `found` are those of the section."""
    if not isinstance(target.shape, AddEnumValue) or "L152" not in target.codes:
        return None
    own = target.piece.sql if target.piece.is_closed else f"{target.piece.sql};"
    return Rewrite((Step((Sql(own),)),), frozenset(("L152",)))


def time_zone(target: Target) -> Rewrite | Refusal | None:
    """timestamp and timestamptz are the same bytes where the time zone is UTC: the server then rewrites nothing.

    It knows that only without USING: ``ATColumnChangeRequiresRewrite`` in tablecmds.c.
    """
    shape, sql, write = target.shape, target.piece.sql, target.write
    if not isinstance(shape, AlterTable) or "L112" not in target.codes:
        return None
    found = slices(sql, shape)
    table = target.before.relation(shape.table)
    texts = [_without_using(target, each, table) for each in found]
    if table is None or any(text is None for text in texts):
        return None
    local = f"{write('set local timezone to')} 'UTC';"
    altered = f"{head_of(sql, shape)} {', '.join(str(text) for text in texts)};"
    step = Step((Sql(local), Sql(altered)), is_block=True)
    return Rewrite((step,), frozenset(("L112",)), needs_cut=False)


def _without_using(target: Target, found: Slice, table: Relation | None) -> str | None:
    """The action without its USING, if that says UTC and nothing else."""
    action, sql = found.action, target.piece.sql
    if action.kind is not ActionKind.SET_TYPE or table is None or action.name not in table.columns:
        return None
    old = table.columns[action.name].type
    wanted = _ZONED_WORDS if old == _PLAIN else _PLAIN_WORDS if old == _ZONED else ()
    words = words_between(sql, found.begin, found.end)
    texts = [word.text for word in words]
    if action.type not in wanted or "USING" not in texts:
        return None
    using = texts.index("USING")
    expected = ["AT", "TIME", "ZONE"]
    rest = [text for text in texts[using + 1 :] if text not in ("(", ")")]
    if len(rest) != 5 or folded(rest[0]) != action.name or rest[1:4] != expected or rest[4] not in _UTC:
        return None
    return sql[found.begin : words[using - 1].end]


def impossible(target: Target) -> Refusal | None:
    """What cannot be made safe by rewriting the file, and why."""
    shape = target.shape
    match shape:
        case AlterObject(kind="DOMAIN", words=("ADD", *_)):
            return Refusal(
                "a CHECK of a domain has no safe form: VALIDATE takes the same locks and reads the same rows"
            )
        case Maintenance(verb="CLUSTER") if "L113" in target.codes:
            return Refusal("CLUSTER copies the table under its strongest lock", _REPACK)
        case Maintenance(verb="VACUUM") if "L113" in target.codes:
            return Refusal("VACUUM FULL copies the table under its strongest lock", _REPACK)
        case AlterTable():
            return next(
                filter(None, (_impossible_action(target, each) for each in slices(target.piece.sql, shape))), None
            )
        case _:
            return None


_REPACK = "pg_repack and pg_squeeze do it while the table is used"


def _impossible_action(target: Target, found: Slice) -> Refusal | None:
    codes, action = code_at(target, found.begin, found.end), found.action
    table = name_at(target.piece.sql, target.shape.table.at) if isinstance(target.shape, AlterTable) else ""
    if "L113" in codes:
        what = "SET TABLESPACE" if action.kind is ActionKind.MOVE else " ".join(action.words[:2])
        return Refusal(f"{what} copies the table under its strongest lock", _REPACK)
    if "L111" in codes and action.column is not None:
        if action.column.generated is Generated.STORED:
            return Refusal(
                "a STORED column has no safe form that ends in the same schema",
                "from PostgreSQL 18 on, VIRTUAL reads no row",
            )
        return Refusal("the rows have to be filled by a backfill: put it in a file of its own")
    if "L112" in codes:
        return Refusal(_TWO_DEPLOYMENTS, f"dbmigrate new --pattern change-type {table} {action.name} TYPE")
    if "L123" in codes:
        return Refusal(
            _TWO_DEPLOYMENTS, f"dbmigrate new --pattern rename-column {table} {action.name} {action.new_name}"
        )
    if "L124" in codes:
        return Refusal(_TWO_DEPLOYMENTS, f"dbmigrate new --pattern rename-table {table} {action.new_name}")
    if "L121" in codes:
        return Refusal(_TWO_DEPLOYMENTS, f"dbmigrate new --pattern drop-column {table} {action.name}")
    if "L137" in codes and action.kind is ActionKind.DROP_CONSTRAINT:
        return Refusal(
            "only the author knows whether another key takes the place of the primary key",
            f"another one: dbmigrate new --pattern change-primary-key {table} COLUMN; none, of a published table:"
            f" first `alter table {table} replica identity using index` with a unique index over NOT NULL columns",
        )
    return None


_TWO_DEPLOYMENTS = "the application has to be deployed between two files, which no rewrite can know"
