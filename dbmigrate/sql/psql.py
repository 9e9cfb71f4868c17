"""How psql reads a statement, where that is known to be how the server reads it.

psql cuts a script into statements by a scanner of its own, line by line, and acts on what it finds outside of quotes:
``:name`` becomes the value of a variable, and a backslash begins a command, ``\\!`` one of the shell. Its scanner is a
copy of the server's, but not the same: https://github.com/postgres/postgres/blob/master/src/fe_utils/psqlscan.l

- It never sees that an E'' string is continued on a further line: to psql the next line begins a plain string.
- It counts BEGIN, CASE and END in CREATE FUNCTION by the word, also where they are names.
- A prefix that sticks to a number or a name belongs to a string in one version and not in another.

So this is a list of what is safe, not of what is known to go wrong.
"""

from __future__ import annotations

import re

from sqlparse import tokens as T  # noqa: N812 (sqlparse's own habit)

from dbmigrate.sql import scan
from dbmigrate.sql.tokens import META, SPACE, UnclosedAtError

# Nearly all statements: no colon but that of a cast, no quotes but plain strings that begin where no word ends
_PLAIN_STRING = re.compile(rf"(?<!{scan.NAME_PART})(?<!\$)'[^'\\]*+'")
_NOT_PLAIN = re.compile(r"""['"$\\:]|--|/\*|;(?=[\s\S])""").search
_ENDS_WORD = re.compile(rf"{scan.NAME_PART}|\$").match
_CREATES_ROUTINE = re.compile(rf"(?i:create){scan.BLANK}").match
# what can be swallowed as a further byte of the character before it, in an encoding that psql calls unsafe
_SWALLOWED = re.compile(r"""[^\x00-\x7f][\x00-\x09\x0b-\x7f]{0,2}?['"$\\/*:;()\-]""").search


def reads_alike(sql: str) -> bool:
    """Whether psql is known to send this one statement to the server as it stands, and nothing else.

    Under ``standard_conforming_strings = on``, in UTF-8, and for every psql since version 14.
    """
    if not _CREATES_ROUTINE(sql) and not _NOT_PLAIN(plain := _PLAIN_STRING.sub("", sql).replace("::", "")):
        return plain.count("(") == plain.count(")")
    try:
        return _Reading(sql).is_safe()
    except UnclosedAtError:
        return False


def without_empty(lead: str) -> str:
    """What comes before a statement, without the semicolons of empty ones.

    psql 18 stops reading a script, as if it had ended, at the end of a line with an empty statement after COPY data.
    """
    if ";" not in lead:
        return lead
    empty = [at for kind, at, _ in scan.spans(lead) if kind is T.Punctuation and lead[at] == ";"]
    ends = [*empty, len(lead)]
    return "".join(lead[begin:end] for begin, end in zip([0, *(at + 1 for at in empty)], ends, strict=True))


def may_be_read_otherwise(lead: str, sql: str) -> bool:
    """Whether a statement would be read otherwise, by psql or the server, under another encoding or string syntax."""
    if not sql.isascii() or _SWALLOWED(lead):
        return True
    try:
        return "\\" in sql and any(kind is T.String.Single and "\\" in sql[at:end] for kind, at, end in scan.spans(sql))
    except UnclosedAtError:
        return True


class _Reading:
    """psql's state while it reads one statement: open parentheses, and the blocks of a routine's SQL body."""

    def __init__(self, sql: str) -> None:
        self._sql = sql
        self._words: list[str] = []  # the first unquoted ones, as psql looks at them
        self._parentheses = 0
        self._blocks = 0

    def is_safe(self) -> bool:
        for kind, at, end in scan.spans(self._sql):
            if not self._takes(kind, at, end):
                return False
        return not self._parentheses and not self._blocks

    def _takes(self, kind: object, at: int, end: int) -> bool:
        """Whether a token means the same to psql."""
        if kind is META or kind is T.Error or kind is T.Whitespace:  # white space is reported inside E'' strings alone
            return False
        if kind is T.Name:
            return self._word(self._sql[at:end])
        if kind is T.Punctuation:
            return self._punctuation(at, end)
        if kind in T.String or kind is T.Literal:
            return self._quoted(kind, at, end)
        return True

    def _word(self, text: str) -> bool:
        if "$" in text:
            return False
        word = text.lower()
        self._words += [word] if len(self._words) < 4 else []
        if self._parentheses or not _is_routine(self._words):
            return True
        if word == "begin" or (word == "case" and self._blocks):
            self._blocks += 1
        elif word == "end" and self._blocks:
            self._blocks -= 1
        return True

    def _punctuation(self, at: int, end: int) -> bool:
        text = self._sql[at:end]
        if text in "()":
            self._parentheses += 1 if text == "(" else -1
            return self._parentheses >= 0
        if text == ":":
            return self._sql[end : end + 1] in SPACE  # psql knows no variable that begins with white space
        if text == ";":
            return end == len(self._sql) or bool(self._parentheses or self._blocks)
        return text[0] != "$" or text[1:].isdecimal()

    def _quoted(self, kind: object, at: int, end: int) -> bool:
        if at and _ENDS_WORD(self._sql, at - 1):
            return False
        if kind is T.Literal or kind is T.String.Symbol:
            return True
        if kind is T.String.Escape or self._sql[at] in "uU" or "\\" not in self._sql[at:end]:
            return True
        return scan.ends_alike(self._sql, self._sql.index("'", at), end)


def _is_routine(words: list[str]) -> bool:
    """psql's own rule: CREATE [OR REPLACE] FUNCTION or PROCEDURE."""
    rest = words[3:] if words[1:3] == ["or", "replace"] else words[1:]
    return words[:1] == ["create"] and rest[:1] in (["function"], ["procedure"])
