"""ADD COLUMN whose default differs from row to row: the column, its default for new rows, a backfill for the old ones.

Its file becomes three pairs of sections, because a backfill is a section of its own. The author's down section stays
with the first one; those of the others are empty.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.lint.fix.actions import head_of, name_at, slices, words_between
from dbmigrate.lint.fix.values import Refusal, code_at
from dbmigrate.lint.fix.writing import quoted
from dbmigrate.lint.sql.shape import ActionKind, AlterTable, Generated
from dbmigrate.lint.sql.types import SERIALS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.lint.fix.actions import Slice
    from dbmigrate.lint.fix.values import Target
    from dbmigrate.sql import Word

__all__ = ["Filled", "filled"]

_CLAUSES = frozenset(
    re.findall(
        r"\w+", "CONSTRAINT NOT NULL CHECK DEFAULT GENERATED UNIQUE PRIMARY REFERENCES COLLATE STORAGE COMPRESSION"
    )
)
_KNOWN = frozenset(("DEFAULT", "NOT", "NULL", "COLLATE"))
_INTEGERS = {"smallint": " as smallint", "integer": " as integer"}


@frozen
class Filled:
    """The statements before the backfill, its table and statement, and those that make the column NOT NULL."""

    before: tuple[str, ...]
    table: str
    fill: str
    after: tuple[str, ...]

    def pairs(self, newline: str) -> str:
        """The pairs of sections behind the first one."""
        fill = ("-- migrate:up backfill:" + self.table + " batch:1000", self.fill, "", "-- migrate:down")
        required = ("", "-- migrate:up transaction:false", *self.after, "", "-- migrate:down") if self.after else ()
        return newline.join((*fill, *required, ""))


def filled(target: Target) -> Filled | Refusal | None:
    """What becomes of the one ADD COLUMN of a statement."""
    shape, sql = target.shape, target.piece.sql
    if not isinstance(shape, AlterTable) or "L111" not in target.codes:
        return None
    found = slices(sql, shape)
    part = next(each for each in found if "L111" in code_at(target, each.begin, each.end))
    column = part.action.column
    if column is None or column.generated is Generated.STORED:
        return None
    if column.generated is Generated.IDENTITY:
        return Refusal(
            "an identity column gives every row a number, and its sequence changes hands under a lock",
            f"dbmigrate new --pattern add-identity {name_at(sql, shape.table.at)} {part.action.name}",
        )
    table = target.before.relation(shape.table)
    reason = _reason(target, found, part)
    if reason or table is None:
        return Refusal(reason) if reason else None
    if not target.before.constraints_of(table, "p"):
        return Refusal(f"a backfill follows the primary key, and {shape.table} has none")
    return _made(target, part)


def _reason(target: Target, found: Sequence[Slice], part: Slice) -> str:
    if len(found) > 1:
        return "ADD COLUMN stands beside other actions: the backfill has to come between them"
    if part.action.is_lenient:
        return "with IF NOT EXISTS the column may be there already"
    clauses = dict(_clauses(target, part))
    unknown = sorted(set(clauses) - _KNOWN - {""})
    return f"its {unknown[0]} has to be a statement of its own" if unknown else ""


def _made(target: Target, part: Slice) -> Filled | Refusal:
    assert isinstance(target.shape, AlterTable)
    sql, write, action = target.piece.sql, target.write, part.action
    head, table = head_of(sql, target.shape), name_at(sql, target.shape.table.at)
    clauses = dict(_clauses(target, part))
    words = words_between(sql, part.begin, part.end)
    at = 2 if words[1].text == "COLUMN" else 1
    name = sql[words[at].start : words[at].end]
    type_, default, sequence = clauses[""], clauses.get("DEFAULT", ""), tuple[str, ...]()
    if action.column is not None and action.column.type[:1] in SERIALS:
        after = target.after.relation(target.shape.table)
        known = after.columns.get(action.name) if after else None
        if known is None or not known.sequence:
            return Refusal("the sequence that the server makes for it is not certain")
        of = _INTEGERS.get(known.type, "")
        create = f"{write('create sequence')} {known.sequence}{of} {write('owned by')} {table}.{name};"
        type_, default, sequence = known.type, f"nextval('{_doubled(known.sequence)}')", (create,)
    collate = f" {write('collate')} {clauses['COLLATE']}" if "COLLATE" in clauses else ""
    added = f"{head} {sql[words[0].start : words[at].end]} {type_}{collate};"
    alter = f"{head} {write('alter column')} {name}"
    where = f"{write('where')} {name} {write('is null and')} :batch"
    fill = f"{write('update')} {table} {write('set')} {name} = {default} {where};"
    is_required = "NOT" in clauses or bool(sequence)
    before = (added, *sequence, f"{alter} {write('set default')} {default};")
    return Filled(before, table, fill, _required(target, head, name) if is_required else ())


def _required(target: Target, head: str, name: str) -> tuple[str, ...]:
    write, action = target.write, slices(target.piece.sql, _altered(target))[0].action
    check = quoted(write.free_name(_altered(target).table.name, action.name, suffix="not_null_check"))
    condition = f"{write('check')} ({name} {write('is not null')}) {write('not valid')}"
    return (
        f"{head} {write('add constraint')} {check} {condition};",
        f"{head} {write('validate constraint')} {check};",
        f"{write('begin')};",
        f"{head} {write('alter column')} {name} {write('set not null')};",
        f"{head} {write('drop constraint')} {check};",
        f"{write('commit')};",
    )


def _altered(target: Target) -> AlterTable:
    assert isinstance(target.shape, AlterTable)
    return target.shape


def _doubled(text: str) -> str:
    return text.replace("'", "''")


def _clauses(target: Target, part: Slice) -> Iterator[tuple[str, str]]:
    """The clauses of the column by their first words, without these; under the empty one its type."""
    if part.action.kind is not ActionKind.ADD_COLUMN:
        return
    sql, words = target.piece.sql, words_between(target.piece.sql, part.begin, part.end)
    begin = 3 if words[1].text == "COLUMN" else 2
    starts = [begin, *_starts(words, begin)]
    for start, end in zip(starts, [*starts[1:], len(words)], strict=True):
        if start == end:
            continue
        first = "" if start == begin else words[start].text
        inside = words[start:end] if not first else words[start + 1 : end]
        yield first, sql[inside[0].start : inside[-1].end] if inside else ""


def _starts(words: Sequence[Word], begin: int) -> Iterator[int]:
    depth = 0
    for number in range(begin, len(words)):
        text = words[number].text
        is_second = text == "NULL" and words[number - 1].text in ("NOT", "DEFAULT")
        if depth == 0 and text in _CLAUSES and not is_second:
            yield number
        depth += (text == "(") - (text == ")")
