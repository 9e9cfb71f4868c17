"""A text that has to be one query, because it is put between parentheses and sent to the server."""

from __future__ import annotations

from sqlparse import tokens as T  # noqa: N812 (sqlparse's own habit)

from dbmigrate.sql import scan
from dbmigrate.sql.tokens import META, UnclosedAtError

__all__ = ["NotOneQueryError", "one_query"]

_OPENED = {")": "(", "]": "["}


class NotOneQueryError(Exception):
    """A text is not one query; `offset` is the character where that shows."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


def one_query(text: str) -> str:
    """The query that `text` consists of, without a semicolon at its end. Raises NotOneQueryError.

    Only what could leave the parentheses around it is looked at; the rest is for the server to say.
    """
    end = len(text)
    opened: list[tuple[str, int]] = []
    try:
        for kind, begin, stop in scan.spans(text):
            if kind in T.Comment and kind is not META:
                continue
            if end < len(text):
                raise NotOneQueryError("a second statement begins here", begin)
            if kind is META:
                raise NotOneQueryError("a backslash outside of a string", begin)
            if kind is T.Punctuation:
                end = _follow(text[begin:stop], begin, opened, end)
    except UnclosedAtError as exc:
        raise NotOneQueryError(exc.what.value[0], exc.position) from None
    if opened:
        raise NotOneQueryError(f"the `{opened[-1][0]}` that stands here is not closed", opened[-1][1])
    return text[:end]


def _follow(token: str, at: int, opened: list[tuple[str, int]], end: int) -> int:
    """Take in a punctuation mark; returns where the query ends as far as is known."""
    if token in "([":
        opened.append((token, at))
    elif token in _OPENED:
        if not opened or opened.pop()[0] != _OPENED[token]:
            raise NotOneQueryError(f"this `{token}` closes nothing", at)
    elif token == ";" and not opened:
        return at
    elif token[0] == "$":
        raise NotOneQueryError(f"there is no parameter {token}", at)
    return end
