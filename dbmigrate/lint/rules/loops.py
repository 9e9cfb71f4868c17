"""L156, L158, L159: rows that are changed in batches, by loops in DO blocks and by backfills."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbmigrate.lint.context import Finding, units
from dbmigrate.lint.rule import file_rule, statement_rule
from dbmigrate.lint.sql.columns import texts
from dbmigrate.lint.sql.reading import folded, is_name, is_text, read, words_of
from dbmigrate.lint.sql.shape import ActionKind, AlterTable, Block, Changes, Verb
from dbmigrate.model import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.lint.context import File, StatementContext, Unit
    from dbmigrate.lint.sql.shape import Change, Words

_CONTROL = frozenset((";", "BEGIN", "THEN", "ELSE", "LOOP", ">>"))
_DEEPEST = 9  # nested loops: each one holds the words of all loops inside it
_ENDLESS = ("", "WHILE")  # loops whose own head does not end them: LOOP, and WHILE with a count of rows
_COUNTED = frozenset(("NOT", "FOUND", "IS", "NULL", "COALESCE", "(", ")", ",", "=", "<", "<=", ">", ">=", "<>", "OR"))
_CONSTANT_WORDS = frozenset(
    re.findall(
        r"\w+",
        "TRUE FALSE CURRENT_TIMESTAMP CURRENT_DATE CURRENT_TIME LOCALTIMESTAMP CURRENT_USER SESSION_USER DEFAULT "
        "INTERVAL DATE TIMESTAMP TIMESTAMPTZ AT TIME ZONE AND OR NOT ARRAY",
    )
)


@statement_rule("L156", "batches-in-one-transaction", "a DO block with batches that are one transaction")
def loops_in_one_transaction(context: StatementContext) -> Iterator[Finding]:
    block = context.shape
    if not isinstance(block, Block) or block.body is None:
        return
    words = texts(read(block.body).words)
    loops = any(word == "LOOP" and before != "END" for before, word in zip(["", *words], words, strict=False))
    if loops and "COMMIT" not in words and _changes_old_rows(context):
        yield Finding(
            0,
            "the batches of this DO block run in one transaction: rows stay locked until the last batch is done",
            "COMMIT after each batch, in a section with transaction:false; or one migration for each batch",
        )


def _changes_old_rows(context: StatementContext) -> bool:
    """Whether it changes rows of a table in use; INSERTs of literal rows are seeds, and fast."""
    for unit in units(context.unit.statement):
        for change in unit.shape.changes if isinstance(unit.shape, Changes) else ():
            if not context.is_new(change.table) and (change.verb is not Verb.INSERT or change.is_query):
                return True
    return False


# -------------------------------------------------------------------------------------------------------------- L158


@dataclass(frozen=True, slots=True)
class _Loop:
    """A loop of a PL/pgSQL body: what is before LOOP, its words, and where it begins and ends."""

    kind: str
    head: Words
    words: Words
    start: int
    end: int


@statement_rule("L158", "loop-never-ends", "a loop that never ends")
def never_ends(context: StatementContext) -> Iterator[Finding]:
    """An UPDATE that is repeated until it changes no row, but finds the same rows again."""
    block = context.shape
    if not isinstance(block, Block) or block.body is None:
        return
    inner = [unit for unit in units(context.unit.statement) if unit.is_nested]
    variables = _variables(texts(words_of(block.body)))
    for loop in _loops(block.body):
        first, last = block.at + loop.start, block.at + loop.end
        within = [unit for unit in inner if first < unit.offset < last and isinstance(unit.shape, Changes)]
        if len(within) != 1 or not _ends_by_count(loop, variables):
            continue
        unit = within[0]
        if isinstance(unit.shape, Changes) and [each.verb for each in unit.shape.changes] == [Verb.UPDATE]:
            change = unit.shape.changes[0]
            reason = _reason(context, unit, change, variables)
            if reason:
                yield Finding(unit.offset + change.at - context.unit.offset, f"this loop never ends: {reason}", _BY_KEY)


_BY_KEY = "go through the table by its key, batch by batch: see L156"


def _reason(context: StatementContext, unit: Unit, change: Change, variables: frozenset[str]) -> str | None:
    """Why the next iteration finds a row that was changed."""
    words = texts(read(unit.sql).words)
    assigned = {word for value in change.values for word in value}
    condition = _without_assignment(words)
    names = [
        folded(word)
        for word, before in zip(condition, ("", *condition), strict=False)
        if is_name(word) and before not in ("LIMIT", "FIRST", "NEXT")
    ]
    if not condition or variables.intersection(names) or variables.intersection(map(folded, filter(is_name, assigned))):
        return None
    if not set(change.sets).intersection(names):
        return f"its UPDATE of {change.table} does not change what its WHERE tests"
    for column, value in zip(change.sets, change.values, strict=False):
        if _tests_null(condition, column) and value and (gap := _null_of(context, change, value, condition)):
            return f"a row of {change.table} whose {gap} is NULL keeps its {column}, and is found again"
    return None


def _without_assignment(words: Words) -> Words:
    """A statement without the part between SET and FROM, WHERE or RETURNING."""
    depth = 0
    for at, word in enumerate(words):
        if word == "SET":
            for end in range(at + 1, len(words)):
                depth += (words[end] == "(") - (words[end] == ")")
                if not depth and words[end] in ("FROM", "WHERE", "RETURNING"):
                    return words[:at] + words[end:]
            return ()
    return ()


def _tests_null(condition: Words, column: str) -> bool:
    triples = zip(condition, condition[1:], condition[2:], strict=False)
    return any(
        is_name(word) and folded(word) == column and after == ("IS", "NULL")
        for word, *rest in triples
        if (after := tuple(rest))
    )


def _null_of(context: StatementContext, change: Change, value: Words, condition: Words) -> str | None:
    """A column that can make the value NULL."""
    if value == ("NULL",):
        return "value"
    if value[0] == "COALESCE" and (is_text(value[-2]) or value[-2][:1].isdigit() or value[-2] in _CONSTANT_WORDS):
        return None
    if value[0] == "CASE":
        return None if "ELSE" in value else "CASE without ELSE"
    for at, word in enumerate(value):
        is_call = value[at + 1 : at + 2] in (("(",), (".",))
        is_column = is_name(word) and not is_call and word not in _CONSTANT_WORDS and value[at - 1 : at] != ("::",)
        if (
            is_column
            and not _is_required(context, change, value[:at], word)
            and not _is_excluded(condition, folded(word))
        ):
            return folded(word)
    return None


def _is_required(context: StatementContext, change: Change, before: Words, word: str) -> bool:
    """Whether a word is a NOT NULL column of the table that is changed, and not of another one (``page.name``)."""
    if before[-1:] == (".",) and folded(before[-2]) != change.table.name:
        return False
    table = context.catalog.table(change.table)
    return table is not None and table.proves_not_null(folded(word))


def _is_excluded(condition: Words, column: str) -> bool:
    """Whether the condition has ``column IS NOT NULL``, or compares the column."""
    for at, word in enumerate(condition):
        if is_name(word) and folded(word) == column:
            after = condition[at + 1 : at + 4]
            if after == ("IS", "NOT", "NULL") or after[:1] in (("=",), ("<",), (">",), ("<>",), ("LIKE",), ("IN",)):
                return True
    return False


def _ends_by_count(loop: _Loop, variables: frozenset[str]) -> bool:
    """Whether the loop ends only when no row was changed."""
    if loop.kind not in _ENDLESS or "RETURN" in loop.words:
        return False
    conditions = [loop.head] if loop.kind == "WHILE" else []
    for at, word in enumerate(loop.words):
        if word == "EXIT":
            conditions.append(_condition_of_exit(loop.words, at))
    counted = {folded(word) for word in _row_counts(loop.words)}
    return bool(conditions) and all(_is_count(condition, counted, variables) for condition in conditions)


def _condition_of_exit(words: Words, at: int) -> Words:
    """``EXIT WHEN ..;`` or ``IF .. THEN EXIT``; empty where there is none."""
    if words[at + 1 : at + 2] == ("WHEN",):
        rest = words[at + 2 :]
        return rest[: rest.index(";")] if ";" in rest else rest
    before = words[:at]
    if before[-1:] == ("THEN",) and "IF" in before:
        start = len(before) - before[::-1].index("IF")
        return before[start:-1]
    return ()


def _row_counts(words: Words) -> Iterator[str]:
    """The variables of GET DIAGNOSTICS x = ROW_COUNT."""
    for at, word in enumerate(words):
        if word == "ROW_COUNT":
            yield next((each for each in words[at - 1 :: -1] if each not in (":", "=", ":=")), "")


def _is_count(condition: Words, counted: set[str], variables: frozenset[str]) -> bool:
    """Whether it consists of FOUND, a row count, numbers and the size of a batch."""
    names = [word for word in condition if is_name(word) and word not in _COUNTED]
    has_count = "FOUND" in condition or any(folded(word) in counted for word in names)
    return has_count and all(folded(word) in counted or folded(word) in variables for word in names)


def _variables(words: Words) -> frozenset[str]:
    """What DECLARE declares, and what FOR counts with."""
    found = set[str]()
    is_declaring, is_first = False, False
    for at, word in enumerate(words):
        if word in ("DECLARE", "BEGIN"):
            is_declaring, is_first = word == "DECLARE", True
        elif is_declaring:
            found.update((folded(word),) if is_first and is_name(word) else ())
            is_first = word == ";"
        elif word in ("FOR", "FOREACH") and words[at + 2 : at + 3] == ("IN",):
            found.add(folded(words[at + 1]))
    return frozenset(found)


def _loops(body: str) -> Iterator[_Loop]:
    """The loops of a body, inner ones first; the words of an outer one hold those of its inner ones."""
    words = words_of(body)
    open_: list[tuple[str, Words, int]] = []
    first = 0  # where the statement begins that ends with LOOP
    for at, word in enumerate(words):
        before = words[at - 1].text if at else ""
        if word.text == "LOOP" and before != "END":
            head = texts(words[first:at])
            open_.append((_kind(head), head[1:], at))
        elif word.text == "LOOP" and open_:
            kind, head, start = open_.pop()
            if len(open_) >= _DEEPEST:
                continue
            yield _Loop(kind, head, texts(words[start + 1 : at - 1]), words[start].start, word.end)
        if word.text in _CONTROL:
            first = at + 1


def _kind(head: Sequence[str]) -> str:
    return head[0] if head and head[0] in ("FOR", "FOREACH", "WHILE") else ""


# -------------------------------------------------------------------------------------------------------------- L159

_NEEDS_ROWS = {
    ActionKind.SET_NOT_NULL: "NOT NULL of {}.{} needs",
    ActionKind.VALIDATE: "a constraint that is validated on {0} needs",
    ActionKind.DROP_COLUMN: "dropping {}.{} breaks",
}


@file_rule("L159", "not-behind-backfill", "a change that has to wait for a backfill", Severity.ERROR)
def overtakes_backfill(file: File) -> Iterator[Finding]:
    """A deferred backfill runs after what is written behind it, unless that says what it depends on.

    Also one of an applied file: another environment may have deferred it.
    """
    named = {word.strip() for each in file.migration.annotated("depends") for word in each.value.split(",")}
    for unit in file.ups:
        if not isinstance(unit.shape, AlterTable):
            continue
        for action in unit.shape.actions:
            for version, table, said in file.catalog.backfills:
                if action.kind not in _NEEDS_ROWS or version in named:
                    continue
                if table.means(unit.shape.table) and (action.kind is ActionKind.VALIDATE or action.name in said):
                    what = _NEEDS_ROWS[action.kind].format(unit.shape.table, action.name)
                    message = f"{what} the backfill of {version}, which can be deferred"
                    yield Finding(action.at, message, f"add `-- migrate:depends {version}` above the header", unit)
