"""Hides passwords in texts that people see."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dbmigrate.model import Excerpt

__all__ = ["masked", "quoted", "redact", "spellings", "without"]

_MASK = "********"
_WORD = re.compile(r"\S+")
_LOGIN = re.compile(r"://[^\s:/@]*:")
_NAMED_PASSWORD = re.compile(
    r"\b((?:ssl)?password|passwd|oauth_client_secret|scram_(?:client|server)_key|PGPASSWORD)=('(?:[^'\\]|\\.)*'|[^\s&'\"]+)",
    re.IGNORECASE,
)
_SHORT = 4
_LONGEST = 10_000  # characters of one text of the server that are shown and logged
_PART = 8  # characters of a value that are taken for a part of it
_MARGIN = 4_000  # so much more is read, for secrets across the cut


def quoted(text: str, hide: Callable[[str], str]) -> str:
    """The beginning of `text`, and how much is left out. Cut after `hide`, which does not find half a secret."""
    if len(text) <= _LONGEST:
        return hide(text)
    begin = hide(text[: _LONGEST + _MARGIN])[:_LONGEST]
    return f"{begin}… ({len(text[_LONGEST:].encode(errors='replace')):,} bytes more)"


def masked(shown: Excerpt, hide: Callable[[str], str]) -> Excerpt:
    """An excerpt without secrets; its caret is still below the same token."""
    lines = tuple((number, hide(line)) for number, line in shown.lines)
    if lines == shown.lines:
        return shown
    last, at = shown.lines[-1][1], shown.column - 1
    before, token = hide(last[:at]), hide(last[at : at + shown.width])
    column = min(len(before), len(lines[-1][1])) + 1
    return replace(shown, lines=lines, column=column, width=max(len(token), 1))


def redact(text: str, *, secrets: Iterable[str] = (), public: Iterable[str] = ()) -> str:
    """Replace secrets by ``********``: those given, passwords in URLs, and values after ``password=``.

    A secret that is short, or part of a `public` name, is replaced as a whole word only; one that is a public name
    itself is not.
    """
    names = set(public)
    for secret in secrets:
        if secret in names:
            continue
        pattern = re.escape(secret)
        if len(secret) < _SHORT or any(secret in name for name in names):
            pattern = rf"(?<!\w){pattern}(?!\w)"
        text = re.sub(pattern, _MASK, text)
    return _NAMED_PASSWORD.sub(rf"\1={_MASK}", _WORD.sub(_without_url_password, text))


def without(text: str, values: Iterable[str]) -> str:
    """Mask values of variables, longest first, and parts of them: the server quotes some values cut or in pieces.

    A short one is masked as a whole word only.
    """
    for given in values:
        value = given.encode(errors="ignore").decode()  # an environment variable can hold any bytes
        if not value:
            continue
        for form in sorted(spellings(value) | {value.replace('"', '""')}, key=len, reverse=True):
            edges = (r"(?<!\w)", r"(?!\w)") if len(form) < _SHORT else ("", "")
            text = re.sub(re.escape(form).join(edges), _MASK, text)
        text = _without_parts(text, value)
    return text


def _without_parts(text: str, value: str) -> str:
    kept, at = [], 0
    while at < len(text):
        end = at + _PART
        if end > len(text) or text[at:end] not in value:
            kept.append(text[at])
            at += 1
            continue
        while end < len(text) and text[at : end + 1] in value:
            end += 1
        kept.append(_MASK)
        at = end
    return "".join(kept)


def _without_url_password(word: re.Match[str]) -> str:
    """``scheme://user:...@`` up to the last ``@``, because an ``@`` in a password is often not encoded."""
    login, at, rest = word[0].rpartition("@")
    found = _LOGIN.search(login)
    return f"{login[: found.end()]}{_MASK}{at}{rest}" if found else word[0]


def spellings(secret: str) -> set[str]:
    """A secret as it may be echoed: as given, percent-decoded, percent-encoded, and as SQL quotes it."""
    decoded = unquote_to_bytes(secret).decode("utf-8", "replace")
    forms = {secret, decoded}
    for text in (secret, decoded):
        forms |= {quote(text, safe=""), quote(text), quote_plus(text)}
        forms |= {text.replace("'", "''"), text.replace("'", "''").replace("\\", "\\\\")}
    return forms - {""}
