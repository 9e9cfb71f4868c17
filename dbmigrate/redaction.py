"""Hiding passwords in texts that people will see."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["redact", "spellings"]

_MASK = "********"
_WORD = re.compile(r"\S+")
_LOGIN = re.compile(r"://[^\s:/@]*:")
_NAMED_PASSWORD = re.compile(
    r"\b((?:ssl)?password|passwd|oauth_client_secret|scram_(?:client|server)_key|PGPASSWORD)=('(?:[^'\\]|\\.)*'|[^\s&'\"]+)",
    re.IGNORECASE,
)
_SHORT = 4


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


def _without_url_password(word: re.Match[str]) -> str:
    """``scheme://user:...@`` up to the last ``@``, since nobody encodes the one in a password when it matters."""
    login, at, rest = word[0].rpartition("@")
    found = _LOGIN.search(login)
    return f"{login[: found.end()]}{_MASK}{at}{rest}" if found else word[0]


def spellings(secret: str) -> set[str]:
    """A secret as it may be echoed: as given, percent-decoded, percent-encoded."""
    decoded = unquote_to_bytes(secret).decode("utf-8", "replace")
    forms = {secret, decoded}
    for text in (secret, decoded):
        forms |= {quote(text, safe=""), quote(text), quote_plus(text)}
    return forms - {""}
