"""The words of one statement, read from left to right. Keywords are in upper case; a quoted name never equals one."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from dbmigrate.lint.sql.shape import Name
from dbmigrate.sql import LexerError, Word, placed_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["MOST_WORDS", "Reader", "folded", "is_name", "is_text", "read", "spelled", "text_of", "words_of"]

MOST_WORDS = 20_000  # of a statement; what comes after them are rows of data
_OPENING, _CLOSING = ("(", "["), (")", "]")


def read(sql: str) -> Reader:
    """A reader of a statement; of one that is longer than `MOST_WORDS`, or not closed, only the beginning."""
    return Reader(word for word in words_of(sql) if word.text != ";")


@lru_cache(maxsize=2)  # several rules read the same statement
def words_of(sql: str) -> tuple[Word, ...]:
    """All words of a text, the semicolons too; of a long one the first `MOST_WORDS`."""
    found: list[Word] = []
    with suppress(LexerError):  # the body of a routine may be in any language
        found.extend(islice(placed_words(sql), MOST_WORDS))
    return tuple(found)


class Reader:
    """A position in a sequence of words. `take`, `next` and the like move it; `peek` does not."""

    def __init__(self, found: Iterable[Word]) -> None:
        self._words = tuple(found)
        self._at = 0

    @property
    def words(self) -> tuple[Word, ...]:
        """All of them, whatever was taken."""
        return self._words

    @property
    def start(self) -> int:
        """Where in the statement the next word begins; the end of the last one if there is none left."""
        if self._at < len(self._words):
            return self._words[self._at].start
        return self._words[-1].end if self._words else 0

    @property
    def is_done(self) -> bool:
        return self._at >= len(self._words)

    def peek(self, ahead: int = 0) -> str:
        """The text of a word to come; empty beyond the end."""
        at = self._at + ahead
        return self._words[at].text if at < len(self._words) else ""

    def next(self) -> str:
        """Take one word."""
        text = self.peek()
        self._at += 1
        return text

    def take(self, *expected: str) -> bool:
        """Step over these words if they come next."""
        if all(self.peek(ahead) == text for ahead, text in enumerate(expected)):
            self._at += len(expected)
            return True
        return False

    def take_any(self, *options: str) -> str:
        """Step over one of these words; which one, or nothing."""
        text = self.peek()
        if text in options:
            self._at += 1
            return text
        return ""

    def take_if_exists(self) -> bool:
        """``IF EXISTS`` or ``IF NOT EXISTS``"""
        return self.take("IF", "NOT", "EXISTS") or self.take("IF", "EXISTS")

    def name(self) -> Name | None:
        """``[[database.]schema.]name``; None, and nothing taken, if no name comes next."""
        if not is_name(self.peek()):
            return None
        at, parts = self.start, [folded(self.next())]
        while self.peek() == "." and is_name(self.peek(1)):
            self._at += 1
            parts.append(folded(self.next()))
        return Name(parts[-2] if len(parts) > 1 else None, parts[-1], at)

    def names(self) -> tuple[Name, ...]:
        """Names with commas between them, as of tables: ``ONLY a, b *, ONLY (c)``."""
        found = []
        while (name := self._table()) is not None:
            found.append(name)
            self.take("*")
            if not self.take(","):
                break
        return tuple(found)

    def _table(self) -> Name | None:
        """A name, or ``ONLY`` before one that may stand in parentheses."""
        if not self.take("ONLY") or self.peek() != "(":
            return self.name()
        inside = Reader(self.group())
        return inside.name()

    def group(self) -> tuple[Word, ...]:
        """The words between the parentheses that open next; empty if none do."""
        if self.peek() != "(":
            return ()
        inside = self.until(")", from_inside=1)
        self.take(")")
        return inside

    def until(self, *stops: str, from_inside: int = 0) -> tuple[Word, ...]:
        """The words before the next of `stops` that is in no parentheses but the first `from_inside` ones."""
        self._at += from_inside
        start, depth = self._at, 0
        while self._at < len(self._words):
            text = self._words[self._at].text
            if not depth and text in stops:
                break
            depth += (text in _OPENING) - (text in _CLOSING)
            self._at += 1
        return self._words[start : self._at]

    def rest(self) -> tuple[Word, ...]:
        """All that is left."""
        return self.until()

    def parts(self) -> Iterator[Reader]:
        """A reader for each of the parts that commas separate, up to the end."""
        while not self.is_done:
            yield Reader(self.until(","))
            self.take(",")


def is_name(text: str) -> bool:
    """Whether a word can name something: a word, or a quoted name."""
    first = text[:1]
    if text[-1:] == "'":
        return False
    return first == '"' or first.isalpha() or first == "_" or first > "\x7f"


def is_text(text: str) -> bool:
    """Whether a word is a string literal of any form."""
    return text[-1:] == "'" or (text[:1] == "$" and text[-1:] == "$" and len(text) > 1)


def folded(text: str) -> str:
    """The name that a word stands for; unlike the server's, not cut off."""
    if text.endswith('"'):
        return text[text.index('"') + 1 : -1].replace('""', '"')
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)


def text_of(literal: str) -> str:
    """The text of a string literal; escapes of E'' stay as they are."""
    if literal.startswith("$"):
        tag = literal.index("$", 1) + 1
        return literal[tag:-tag]
    return literal[literal.index("'") + 1 : -1].replace("''", "'")


def spelled(words: Iterable[str]) -> str:
    """Words in one line as people write them: ``numeric(12, 2)``, ``app.mood[]``."""
    return re.sub(r" ?([(\[.]) ?| (?=[)\],])", lambda found: found[1] or "", " ".join(words))
