"""Scripts that the old tool ran with psql: its commands, its variables, and what was a transaction in them."""

from __future__ import annotations

import re
from itertools import pairwise
from posixpath import join, normpath
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.importing.texts import (
    Text,
    controls_transaction,
    folder,
    read_text,
    refuses_transaction,
    statements,
)
from dbmigrate.importing.values import Judgement, Part
from dbmigrate.importing.variables import mark
from dbmigrate.model import StatementKind
from dbmigrate.sql.statements import is_bare
from dbmigrate.sql.tokeniser import placed_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dbmigrate.importing.texts import Statement
    from dbmigrate.importing.values import Source, SourceFile
    from dbmigrate.sql import Word

__all__ = ["Script", "convert"]

# how psql shows something, or what ON_ERROR_STOP does: a migration always stops at an error
_HARMLESS = re.compile(
    r"\\(?:set\s+(?:ON_ERROR_STOP|QUIET|ECHO|VERBOSITY)\b.*|unset\s+(?:ON_ERROR_STOP|QUIET|ECHO)\b.*"
    r"|echo\b.*|qecho\b.*|warn\b.*|timing\b.*|pset\b.*|x\b.*|encoding\s+utf-?8)",
    re.IGNORECASE,
)
# one word without anything that psql would put in, or one quoted text without escapes
_SET = re.compile(r"\\set[ \t]+([A-Za-z_][A-Za-z0-9_]*)[ \t]+('(?:[^'\\]|'')*'|[^\s'\"`:\\]+)")
_INCLUDE = re.compile(r"\\(ir|include_relative|i|include)\s+'?([^'\s]+)'?\s*")
_NAME = re.compile(r"[A-Za-z0-9_\u0080-\uffff]+")
_DEEPEST = 8  # files that include files


@frozen
class Script:
    """A script as SQL: what runs together, and what has to be said about it."""

    part: Part
    judgements: tuple[Judgement, ...] = ()


def convert(source: Source, file: SourceFile, variables: Mapping[str, str]) -> Script:
    """Raises MigrationFileError E281 for a command of psql that has no counterpart."""
    whole = read_text(source, file)
    own = _set_first(whole)
    text = _with_commands(source, file, _without_set(whole, len(own)), _DEEPEST)
    filled, unset = _with_variables(text, {**variables, **own})
    found = statements(filled)
    questions = tuple(
        Judgement(
            f"{file.path}: no value for the psql variable :{name}",
            filled.place(line),
            f"give its value: --placeholder {name}=VALUE",
            asks=True,
        )
        for name, line in unset
    )
    transaction, judged = _transaction(filled, found)
    return Script(Part(filled.text, transaction), (*questions, *judged))


# ------------------------------------------------------------------------------------------------------------- commands


def _set_first(text: Text) -> dict[str, str]:
    """Variables that a file sets before its first statement, so that all of it sees one value. In their order."""
    found: dict[str, str] = {}
    for each in statements(text):
        setting = _SET.fullmatch(each.sql.strip())
        if not each.is_command:
            break
        if setting and not _HARMLESS.fullmatch(each.sql.strip()):
            if setting[1] in found:
                break
            found[setting[1]] = setting[2][1:-1].replace("''", "'") if setting[2].startswith("'") else setting[2]
    return found


def _without_set(text: Text, number: int) -> Text:
    sql = text.text
    sets = [each for each in statements(text) if each.is_command and _SET.fullmatch(each.sql.strip())]
    for each in reversed([each for each in sets if not _HARMLESS.fullmatch(each.sql.strip())][:number]):
        sql = sql[: each.offset] + sql[each.offset + len(each.sql) :]
    return text.with_text(sql)


def _with_commands(source: Source, file: SourceFile, text: Text, depth: int) -> Text:
    """Without the commands that only show something, and with the files that are included."""
    sql = text.text
    for each in reversed([each for each in statements(text) if each.is_command]):
        command = each.sql.strip()
        include = _INCLUDE.fullmatch(command)
        if include:
            new = _included(source, file, text, (include[1], include[2], each.line), depth)
        elif _HARMLESS.fullmatch(command):
            new = ""
        else:
            raise text.error(
                f"the psql command {command.split()[0]} cannot be converted",
                each.line,
                hint=f"leave the file out, and write its migration by hand: --skip {file.path}",
            )
        sql = sql[: each.offset] + new + sql[each.offset + len(each.sql) :]
    return text.with_text(sql)


def _included(source: Source, file: SourceFile, text: Text, what: tuple[str, str, int], depth: int) -> str:
    """``\\ir`` is beside the file, ``\\i`` in the directory where psql runs."""
    command, name, line = what
    path = normpath(join(folder(file.path), name)) if "r" in command[1:2] or "relative" in command else normpath(name)
    other = next((each for each in source.files if each.path == path), None)
    if other is None or depth == 0:
        raise text.error(f"{path}, which is included here, is not below {source.directory}", line)
    return _with_commands(source, other, read_text(source, other), depth - 1).text


# ------------------------------------------------------------------------------------------------------------ variables


def _with_variables(text: Text, values: Mapping[str, str]) -> tuple[Text, list[tuple[str, int]]]:
    """psql puts values in outside of quotes and comments; ``:name`` without one stays, which is right in ``[1:n]``."""
    statements(text)  # a quote without an end is reported with its place
    sql = text.text
    unset: list[tuple[str, int]] = []
    edits: list[tuple[int, int, str]] = []
    for colon, word, is_slice in _variables(list(placed_words(sql))):
        quoted = sql[word.start : word.end]
        name = quoted.strip("'\"")
        if not _NAME.fullmatch(name):
            continue
        if name in values:
            edits.append((colon.start, word.end, _written(quoted[0], values[name])))
        elif quoted[0] in "'\"" and (marked := _marked(text, name, colon.start, word.end)):
            edits.append((colon.start, word.end, quoted[0] + marked + quoted[0]))
        elif not is_slice or quoted[0] in "'\"":
            unset.append((name, text.line_of(colon.start)))
    for start, end, new in reversed(edits):
        sql = sql[:start] + new + sql[end:]
    return text.with_text(sql), list({name: (name, line) for name, line in reversed(unset)}.values())[::-1]


def _variables(words: Sequence[Word]) -> Iterator[tuple[Word, Word, bool]]:
    """A colon, the word that sticks to it, and whether this is inside brackets."""
    depth = 0
    for colon, word in pairwise(words):
        depth += {"[": 1, "]": -1}.get(colon.text, 0)
        if colon.text == ":" and word.start == colon.end:
            yield colon, word, depth > 0


def _marked(text: Text, name: str, begin: int, end: int) -> str | None:
    return mark(name, text.text[begin:end], text.place(text.line_of(begin)))


def _written(quote: str, value: str) -> str:
    if quote == '"':
        return '"' + value.replace('"', '""') + '"'
    if quote != "'":
        return value
    doubled = value.replace("'", "''")
    return " E'" + doubled.replace("\\", "\\\\") + "'" if "\\" in value else f"'{doubled}'"


# --------------------------------------------------------------------------------------------------------- transactions


def _transaction(text: Text, found: Sequence[Statement]) -> tuple[bool, tuple[Judgement, ...]]:
    """psql runs statement by statement; only BEGIN and COMMIT make a transaction."""
    if _is_wrapped(found):
        return True, ()
    if controls_transaction(found):
        line = next(each.line for each in found if controls_transaction([each]))
        message = "BEGIN and COMMIT are not around all of the script: converted to transaction:false, as psql ran it"
        return False, (Judgement(message, text.place(line)),)
    if refuses_transaction(found):
        return False, ()
    if len(found) > 1:
        message = "psql ran this script statement by statement, without BEGIN; it will run in one transaction"
        return True, (Judgement(message, text.place(found[0].line)),)
    return True, ()


def _is_wrapped(found: Sequence[Statement]) -> bool:
    if len(found) < 2 or controls_transaction(found[1:-1]):
        return False
    kinds = (found[0].kind, found[-1].kind)
    return kinds == (StatementKind.BEGIN, StatementKind.COMMIT) and is_bare(found[0].sql) and is_bare(found[-1].sql)
