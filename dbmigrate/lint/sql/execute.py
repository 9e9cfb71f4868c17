"""EXECUTE in PL/pgSQL: the statements in a literal string. A string that is built at run time is unknown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrate.lint.sql.reading import Reader, is_text, read, text_of, words_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.sql import Word

__all__ = ["executed"]

_ENDS = ("", "INTO", "USING")
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]*").fullmatch
_PLACEHOLDER = re.compile(r"%(?:(?P<percent>%)|[ILs])")


def executed(sql: str) -> Iterator[tuple[int, str]]:
    """Each statement that ``EXECUTE 'literal'`` or ``EXECUTE format('literal', 'literal', ..)`` runs.

    With it comes the offset in `sql` where it begins, or a character near it where the string doubles its quotes.
    """
    reader = read(sql)
    if not reader.take("EXECUTE"):
        return
    literal = reader.words[1] if len(reader.words) > 1 else None
    if literal is not None and is_text(literal.text) and reader.peek(1) in _ENDS:
        text = text_of(literal.text)
        begin = literal.start + literal.text.index(text[:1]) if text else literal.start
        for start, end in _statements(text):
            yield begin + start, text[start:end]
    elif reader.take("FORMAT") and (formatted := _formatted(reader.group())):
        for start, end in _statements(formatted):
            yield reader.words[0].start, formatted[start:end]


def _statements(text: str) -> Iterator[tuple[int, int]]:
    """Where the statements in a text begin and end."""
    first: Word | None = None
    last: Word | None = None
    for word in words_of(text):
        if word.text == ";" and first is not None:
            yield first.start, word.end
            first = None
        elif word.text != ";":
            first, last = first or word, word
    if first is not None and last is not None:
        yield first.start, last.end


def _formatted(arguments: Sequence[Word]) -> str | None:
    """What format() makes of literals; None if an argument is not a literal."""
    given: list[str] = []
    for part in Reader(arguments).parts():
        if len(part.words) != 1 or not is_text(part.words[0].text):
            return None
        given.append(text_of(part.words[0].text))
    if not given or len(_PLACEHOLDER.findall(given[0])) - given[0].count("%%") != len(given) - 1:
        return None
    rest = iter(given[1:])
    return _PLACEHOLDER.sub(lambda found: "%" if found["percent"] else _written(found[0], next(rest)), given[0])


def _written(placeholder: str, argument: str) -> str:
    """An argument as %I, %L or %s writes it."""
    if placeholder == "%L":
        return "'" + argument.replace("'", "''") + "'"
    if placeholder == "%I" and not _PLAIN_NAME(argument):
        return '"' + argument.replace('"', '""') + '"'
    return argument
