"""What a file of plain SQL meant for transactions, by how the old tool sent it, and how that is kept."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.importing.texts import controls_transaction, refuses_transaction, statements
from dbmigrate.importing.values import Judgement, Part
from dbmigrate.model import StatementKind
from dbmigrate.sql.statements import is_bare, label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.errors import MigrationFileError
    from dbmigrate.importing.texts import Statement, Text

_ENDS = (StatementKind.ROLLBACK, StatementKind.TWO_PHASE)


class Sending(StrEnum):
    """How the old tool sent a file."""

    MESSAGE = "in one message"  # PostgreSQL runs the statements of one simple query in one transaction
    STATEMENTS = "statement by statement"  # as psql does: each by itself, unless it stands between BEGIN and COMMIT
    TRANSACTION = "in a transaction"
    WITHOUT = "without a transaction, as its mark says"


@frozen
class Script:
    """A file as parts to be run, and what was decided about it."""

    parts: tuple[Part, ...] = ()
    judgements: tuple[Judgement, ...] = ()


def script(text: Text, sending: Sending) -> Script:
    """What a file has run, without a BEGIN and COMMIT around all of it.

    Raises MigrationFileError E281: a psql command, a quote that is not closed, a transaction that is not committed.
    """
    found = statements(text)
    for each in found:
        if each.is_command:
            raise psql_command(text, each)
    if not found:
        return Script((Part(text.text),) if text.text.strip() else ())
    if controls_transaction(found):
        return _controlled(text, found)
    return _plain(text, found, sending)


def script_of_code(text: Text) -> Script:
    """SQL that a person gives for code, of which nobody knows how it was sent."""
    return script(text, Sending.STATEMENTS if refuses_transaction(statements(text)) else Sending.TRANSACTION)


def psql_command(text: Text, command: Statement) -> MigrationFileError:
    """The error for a command of psql, which means nothing to the server."""
    word = command.sql.split()[0]
    hint = "write what it does as SQL, or leave the file out: --skip FILE"
    return text.error(f"`{word}` is a psql command", command.line, hint=hint)


def _plain(text: Text, found: Sequence[Statement], sending: Sending) -> Script:
    """A file without BEGIN and COMMIT."""
    if sending is Sending.WITHOUT:
        return Script((Part(text.text, transaction=False),))
    if not refuses_transaction(found):
        if sending is Sending.STATEMENTS and len(found) > 1:
            message = "it has no BEGIN: its statements were run one by one, and dbmigrate runs them in one transaction"
            return Script((Part(text.text),), (Judgement(message, text.place(found[0].line)),))
        return Script((Part(text.text),))
    refused = next(each for each in found if each.kind is StatementKind.OUTSIDE)
    message = f"{label(refused.sql)} cannot run in a transaction: the file gets transaction:false"
    if sending is Sending.TRANSACTION or (sending is Sending.MESSAGE and len(found) > 1):
        message += f"; sent {sending.value}, as the old tool does, it can only have failed"
    return Script((Part(text.text, transaction=False),), (Judgement(message, text.place(refused.line)),))


def _controlled(text: Text, found: Sequence[Statement]) -> Script:
    """A file that begins or ends transactions of its own."""
    kinds = [each.kind for each in found]
    controls = [each for each in found if controls_transaction([each])]
    last = found[-1]
    ends_bare = last.kind is StatementKind.COMMIT and is_bare(last.sql)
    if controls == [last] and ends_bare:
        return _without(text, [last], "a COMMIT at its end, with no BEGIN before it, is left out")
    if controls == [found[0], last] and ends_bare and kinds[0] is StatementKind.BEGIN and is_bare(found[0].sql):
        if refuses_transaction(found):
            raise _refused_inside(text, found)
        return _without(text, controls, "BEGIN and COMMIT around the file are left out: dbmigrate begins and commits")
    _check_blocks(text, found)
    message = "its BEGIN and COMMIT are not around all of the file: it gets transaction:false, and keeps them"
    return Script((Part(text.text, transaction=False),), (Judgement(message, text.place(controls[0].line)),))


def _without(text: Text, left_out: Sequence[Statement], message: str) -> Script:
    sql = text.text
    for each in reversed(left_out):
        sql = _cut(sql, each)
    judgement = Judgement(message, text.place(left_out[0].line))
    if not [each for each in statements(text.with_text(sql)) if each.sql.strip(";")]:
        return Script((), (judgement,))
    return Script((Part(sql),), (judgement,))


def _cut(sql: str, statement: Statement) -> str:
    """Without a statement; where nothing else stands on its line, without the blank lines that set it off."""
    above, below = sql[: statement.offset], sql[statement.offset + len(statement.sql) :]
    rest, line_end, after = below.partition("\n")
    if above.rpartition("\n")[2].strip() or rest.strip():
        return above + below
    if statement.kind is StatementKind.COMMIT:
        return re.sub(r"(?:[ \t]*\r?\n)*?[ \t]*(\r?\n)(?:[ \t]*\r?\n)*[ \t]*\Z", r"\1", above) + after
    return above.rstrip(" \t") + re.sub(r"\A(?:[ \t\r]*\n)+", "", after if line_end else "")


def _check_blocks(text: Text, found: Sequence[Statement]) -> None:
    """Raises MigrationFileError E281 for what would not be the same below ``transaction:false``."""
    begun: Statement | None = None
    for each in found:
        if each.kind in _ENDS:
            raise text.error(
                f"{label(each.sql)} undoes or suspends what stands before it",
                each.line,
                hint="keep what is to stay, and leave the rest out: change a copy of the file, or --skip FILE",
            )
        if each.kind is StatementKind.OUTSIDE and begun is not None:
            raise _refused_inside(text, found)
        if each.kind is StatementKind.BEGIN and begun is None:
            begun = each
        elif each.kind is StatementKind.BEGIN:
            raise text.error("BEGIN inside a transaction", each.line, hint="take one of the two out")
        elif each.kind is StatementKind.COMMIT and begun is None:
            raise text.error("COMMIT with no BEGIN before it", each.line, hint="take it out: it ends nothing")
        elif each.kind is StatementKind.COMMIT:
            begun = None
    if begun is not None:
        raise text.error(
            "BEGIN has no COMMIT: all that follows was rolled back when the connection was closed",
            begun.line,
            hint="add COMMIT at the end of a copy, or leave the file out: --skip FILE",
        )


def _refused_inside(text: Text, found: Sequence[Statement]) -> MigrationFileError:
    refused = next(each for each in found if each.kind is StatementKind.OUTSIDE)
    return text.error(
        f"{label(refused.sql)} between BEGIN and COMMIT: PostgreSQL refuses that",
        refused.line,
        hint="it cannot have run like this: take BEGIN and COMMIT out of a copy, or leave the file out: --skip FILE",
    )
