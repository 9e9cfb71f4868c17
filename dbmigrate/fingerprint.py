"""The checksum of a migration's tokens, which tells a change of what it does from a change of how it looks."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from dbmigrate.lexer import PieceKind, words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dbmigrate.lexer import Piece


class TokenSum:
    """SHA-256 over statements, headers and COPY data; comments, white space and the case of words do not count."""

    def __init__(self) -> None:
        self._sum = hashlib.sha256()

    def add(self, piece: Piece, data: Iterable[str]) -> None:
        """Add a piece of the file, and its COPY data if it has any."""
        if piece.kind is PieceKind.STATEMENT:
            self._update(words(piece.text))
        elif piece.kind is not PieceKind.REST:
            self._update(("--migrate", *piece.text.removeprefix("--").split()))
        for part in data:
            self._sum.update(part.encode("utf-8", "surrogatepass"))

    def _update(self, tokens: Iterable[str]) -> None:
        self._sum.update("\0".join((*tokens, "")).encode("utf-8", "surrogatepass"))

    def hexdigest(self) -> str:
        return self._sum.hexdigest()
