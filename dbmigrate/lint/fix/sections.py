"""A section with rewritten statements, put together again: what stays one transaction becomes a block.

A section is cut only where a form needs it. What depends on being one transaction is refused: SET LOCAL, for one, does
nothing in a section without a transaction, silently.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.lint.fix.actions import comments_in
from dbmigrate.lint.fix.conditions import annotation
from dbmigrate.lint.sql.grammar import shape_of
from dbmigrate.lint.sql.reading import words_of
from dbmigrate.lint.sql.shape import Block, Changes, Copy, LockTables
from dbmigrate.migrations import headers
from dbmigrate.model import StatementKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.lint.fix.pieces import Piece, SectionText
    from dbmigrate.lint.fix.values import Rewrite, Sql
    from dbmigrate.lint.fix.writing import Writer

__all__ = ["Item", "Layout", "dependence", "layout", "split_tail", "without_transaction"]

_OPTION = re.compile(r"[ \t]transaction:(true|false)(?=\s|$)")
_HEADER = re.compile(r"--[ \t\f]*migrate:(?:up|down)")
_NOW = frozenset(
    re.findall(
        r"\w+",
        """
        NOW CURRENT_TIMESTAMP CURRENT_TIME CURRENT_DATE LOCALTIME LOCALTIMESTAMP TRANSACTION_TIMESTAMP TXID_CURRENT
        PG_CURRENT_XACT_ID
        """,
    )
)
_REQUIRE = "migrate:require"
_TEMPORARY = ("TEMP", "TEMPORARY")


@frozen
class Item:
    """A statement and what takes its place. `is_apart`: a new step begins with it."""

    piece: Piece
    rewrite: Rewrite | None = None
    is_apart: bool = False


@frozen
class _Run:
    """Statements that stay together, or the steps of a rewritten one."""

    items: tuple[Item, ...]

    @property
    def rewrite(self) -> Rewrite | None:
        return self.items[0].rewrite

    @property
    def changes_data(self) -> bool:
        return any(isinstance(shape_of(item.piece.sql), Changes) for item in self.items)


@frozen
class Layout:
    """The new section. `steps` is the number of its steps, 1 while it is one transaction. `is_split`: changes of rows
    stand in more than one of them.
    """

    text: str
    steps: int
    is_split: bool


def dependence(pieces: Sequence[Piece]) -> str:
    """Why these statements have to stay one transaction; empty if they need not."""
    nows = 0
    for piece in pieces:
        words = [word.text for word in words_of(piece.sql)]
        first, second = (*words, "", "")[:2]
        if (first, second) in (("SET", "LOCAL"), ("SET", "TRANSACTION"), ("SET", "CONSTRAINTS")):
            return f"{first} {second} holds until the transaction ends"
        if first in ("SAVEPOINT", "RELEASE", "DECLARE", "FETCH", "PREPARE") or (
            first == "ROLLBACK" and "TO" in words[1:3]
        ):
            return f"{first} means something in its transaction only"
        if isinstance(shape_of(piece.sql), LockTables):
            return "LOCK TABLE holds until the transaction ends"
        if first == "CREATE" and not set(_TEMPORARY).isdisjoint(words[1:3]):
            return "a temporary table is gone when an interrupted run is resumed"
        if "SET_CONFIG" in words and not {"TRUE", "'true'", "'on'"}.isdisjoint(words):
            return "set_config(.., true) holds until the transaction ends"
        if any(word.startswith(("PG_ADVISORY_XACT_LOCK", "PG_TRY_ADVISORY_XACT")) for word in words):
            return "an advisory lock holds until the transaction ends"
        nows += isinstance(shape_of(piece.sql), Changes) and not _NOW.isdisjoint(words)
    return "several statements use the time or the number of their transaction" if nows > 1 else ""


def without_transaction(header: str) -> str:
    """The header line with ``transaction:false``."""
    if _OPTION.search(header):
        return _OPTION.sub(" transaction:false", header)
    found = _HEADER.match(header)
    assert found is not None
    return f"{header[: found.end()]} transaction:false{header[found.end() :]}"


def _prevents_asking(piece: Piece) -> bool:
    """Whether rows change before the last step, or the author has a precondition himself."""
    return _REQUIRE in piece.lead or isinstance(shape_of(piece.sql), Changes | Copy | Block)


def layout(section: SectionText, items: Sequence[Item], write: Writer) -> Layout:
    """The section with what takes the place of its statements."""
    is_transactional = headers.parse(section.header.rstrip("\r\n")).transaction
    if not is_transactional or not any(item.rewrite and item.rewrite.needs_cut for item in items):
        text = "".join(_inline(item, write, is_block=not is_transactional) for item in items)
        return Layout(section.header + text + section.rest, 1, is_split=False)
    runs = _runs(_unwrapped(items))
    steps = sum(len(run.rewrite.steps) if run.rewrite else 1 for run in runs)
    parts = [_rewritten(run.items[0], run.rewrite, write) if run.rewrite else _block(run, write) for run in runs]
    text = "".join(_on_new_line(parts, write))
    header = without_transaction(section.header)
    if not header.endswith("\n"):
        header += write.newline
    conditions = [each for item in items if item.rewrite for each in item.rewrite.conditions]
    if conditions and not any(_prevents_asking(item.piece) for item in items):
        header += annotation(conditions, write.newline)
    return Layout(header + text + section.rest, steps, is_split=sum(run.changes_data for run in runs) > 1)


def _on_new_line(parts: Sequence[str], write: Writer) -> list[str]:
    """Each part begins a line, where the author may have written two statements on one."""
    found: list[str] = []
    for number, part in enumerate(parts):
        is_last = number == len(parts) - 1
        found.append(part if is_last or part.endswith("\n") else part + write.newline)
    return [
        part if number == 0 else part.lstrip(" \t") if _is_bare(part) else part for number, part in enumerate(found)
    ]


def _is_bare(part: str) -> bool:
    return part[:1] in (" ", "\t")


def _unwrapped(items: Sequence[Item]) -> list[Item]:
    """Without BEGIN and COMMIT around the whole section; their comments stay."""
    kept: list[Item] = []
    lead = ""
    for item in items:
        if item.piece.kind in (StatementKind.BEGIN, StatementKind.COMMIT):
            tail = item.piece.tail.lstrip(" \t")
            lead += item.piece.lead + ("" if not tail.strip() else tail)
            continue
        kept.append(_with_lead(item, lead + item.piece.lead))
        lead = ""
    if lead.strip() and kept:
        last = kept[-1]
        kept[-1] = Item(_with(last.piece, tail=last.piece.tail + lead), last.rewrite, last.is_apart)
    return kept


def _with_lead(item: Item, lead: str) -> Item:
    return Item(_with(item.piece, lead=lead), item.rewrite, item.is_apart)


def _with(piece: Piece, *, lead: str | None = None, tail: str | None = None) -> Piece:
    return type(piece)(piece.lead if lead is None else lead, piece.sql, piece.tail if tail is None else tail, piece.at)


def _runs(items: Sequence[Item]) -> list[_Run]:
    runs: list[_Run] = []
    for item in items:
        is_alone = item.rewrite is not None or item.is_apart or item.piece.kind is StatementKind.OUTSIDE
        if not runs or is_alone or runs[-1].rewrite or runs[-1].items[-1].piece.kind is StatementKind.OUTSIDE:
            runs.append(_Run((item,)))
        else:
            runs[-1] = _Run((*runs[-1].items, item))
    return runs


# --------------------------------------------------------------------------------------------------------------- texts


def _block(run: _Run, write: Writer) -> str:
    """Statements as they are; several of them between BEGIN and COMMIT."""
    if len(run.items) == 1:
        return run.items[0].piece.text
    first, last = run.items[0].piece, run.items[-1].piece
    between = "".join(item.piece.text for item in run.items[1:-1])
    begin = f"{first.lead}{write('begin')};{write.newline}{_indent(first)}{first.sql}{first.tail}"
    closed = last.sql if last.is_closed else f"{last.sql};"
    tail = last.tail if last.tail.endswith("\n") else last.tail + write.newline
    return f"{begin}{between}{last.lead}{closed}{tail}{write('commit')};{write.newline}"


def _indent(piece: Piece) -> str:
    line = piece.lead.rpartition("\n")[2]
    return line if not line.strip() else ""


def _rewritten(item: Item, rewrite: Rewrite, write: Writer) -> str:
    """The steps, one statement on a line; the author's comment stays at his own words."""
    piece, indent = item.piece, _indent(item.piece)
    comment, ending = split_tail(piece.tail)
    lines: list[str] = []
    for number, step in enumerate(rewrite.steps):
        own = comment if number == rewrite.main else ""
        if step.is_block:
            lines.append(f"{write('begin')};")
        for at, statement in enumerate(step.statements):
            lines += _lines(statement, own if at == 0 else "")
        if step.is_block:
            lines.append(f"{write('commit')};")
    return piece.lead + f"{write.newline}{indent}".join((*_lost(piece, lines), *lines)) + ending


def _lost(piece: Piece, lines: Sequence[str]) -> list[str]:
    """Comments inside the statement that have no place in what it became: they stand above it."""
    kept = "\n".join(lines)
    return [comment for comment in comments_in(piece.sql) if comment not in kept]


def _lines(statement: Sql, comment: str) -> list[str]:
    return [*statement.lead, f"{statement.text}{statement.tail}{comment}"]


def split_tail(tail: str) -> tuple[str, str]:
    """The comment behind a statement, and the end of its line."""
    comment = tail.rstrip("\r\n")
    return (comment, tail[len(comment) :]) if comment.strip() else ("", tail)


def _inline(item: Item, write: Writer, *, is_block: bool) -> str:
    """In a section that is not cut: where it has no transaction, blocks keep their BEGIN and COMMIT."""
    if item.rewrite is None:
        return item.piece.text
    if is_block:
        return _rewritten(item, item.rewrite, write)
    piece, indent = item.piece, _indent(item.piece)
    comment, ending = split_tail(piece.tail)
    found = [statement for step in item.rewrite.steps for statement in step.statements]
    lines = [line for statement in found for line in _lines(statement, comment if statement is found[-1] else "")]
    return piece.lead + f"{write.newline}{indent}".join((*_lost(piece, lines), *lines)) + ending
