"""A migration file as text: read once, decoded strictly, hashed on the way; and the places in it that errors name."""

from __future__ import annotations

import codecs
import hashlib
import os
from collections import deque
from typing import TYPE_CHECKING, Self

from dbmigrate.errors import ConfigError, MigrationFileError
from dbmigrate.model import Excerpt, Place
from dbmigrate.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

_CHUNK = 1 << 20


class Cursor:
    """A place in a text, moved over it piece by piece. Lines end at ``\\n``, as psql and the server count them."""

    def __init__(self) -> None:
        self.line = 1
        self.column = 1
        self.offset = 0

    def advance(self, text: str) -> None:
        self.offset += len(text)
        breaks = text.count("\n")
        if breaks:
            self.line += breaks
            self.column = len(text) - text.rfind("\n")
        else:
            self.column += len(text)

    def after(self, text: str) -> tuple[int, int]:
        """Line and column that `advance(text)` would lead to."""
        there = Cursor()
        there.line, there.column = self.line, self.column
        there.advance(text)
        return there.line, there.column


class Source:
    """A file, read from its beginning to its end. Use it as a context manager.

    A leading byte order mark is dropped; everything else, carriage returns too, stays as it is.
    """

    def __init__(self, path: str) -> None:
        """Raises ConfigError E207."""
        self._path = path
        try:
            self._file = open(path, "rb")  # noqa: SIM115 (closed by __exit__)
            self.size = os.fstat(self._file.fileno()).st_size
        except OSError as exc:
            raise _unreadable(path, exc) from exc
        self._sum = hashlib.sha256()
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._decoded_length = 0  # in characters

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def read(self, size: int) -> str:
        """At least one character of the next `size` bytes; nothing at the end. Raises MigrationFileError E210."""
        text = ""
        while not text:
            chunk = self._bytes(max(size, 4))
            text = self._decoded(chunk)
            if not chunk:
                break
        return text

    def read_all(self) -> str:
        """Everything that is left. Raises MigrationFileError E210."""
        return "".join(iter(lambda: self.read(_CHUNK), ""))

    def finish(self) -> str:
        """Read what is left without decoding it; return the SHA-256 (hex) of the file's bytes."""
        while self._bytes(_CHUNK):
            pass
        return self._sum.hexdigest()

    def _bytes(self, size: int) -> bytes:
        try:
            chunk = self._file.read(size)
        except OSError as exc:
            raise _unreadable(self._path, exc) from exc
        self._sum.update(chunk)
        return chunk

    def _decoded(self, chunk: bytes) -> str:
        try:
            text = self._decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as exc:
            raise self._invalid_byte(exc) from exc
        nul = text.find("\0")
        if nul >= 0:
            self._decoded_length += nul
            raise self._error("a NUL character: the server would ignore everything after it", "remove it")
        self._decoded_length += len(text)
        return text

    def _invalid_byte(self, exc: UnicodeDecodeError) -> MigrationFileError:
        self._decoded_length += len(exc.object[: exc.start].decode())
        if self._decoded_length == 0 and exc.object[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return self._error("the file is UTF-16", "save it as UTF-8")
        return self._error(
            f"not valid UTF-8: byte 0x{exc.object[exc.start]:02x}", "save the file as UTF-8, or remove the byte"
        )

    def _error(self, message: str, hint: str) -> MigrationFileError:
        return Origin(self._path).error("E210", message, self._place(), hint=hint)

    def _place(self) -> tuple[int, int]:
        """Line and column of what comes next, counted only when something has to be said about it."""
        cursor = Cursor()
        left = self._decoded_length
        try:
            with open(self._path, encoding="utf-8-sig", errors="replace", newline="") as file:
                while left and (text := file.read(min(left, _CHUNK))):
                    cursor.advance(text)
                    left -= len(text)
        except OSError as exc:
            raise _unreadable(self._path, exc) from exc
        return cursor.line, cursor.column


def checksum(path: str) -> str:
    """The SHA-256 (hex) of a file's bytes, read as a stream. Raises ConfigError E207."""
    with Source(path) as source:
        return source.finish()


def _unreadable(path: str, exc: OSError) -> ConfigError:
    return ConfigError(f"cannot read {path}: {exc.strerror}", code="E207")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a text came from: a file, or `text` itself under the name `path`."""

    path: str
    text: str | None = None

    def place(self, at: tuple[int, int]) -> Place:
        return Place(self.path, *at)

    def error(
        self, code: str, message: str, at: tuple[int, int], *, hint: str | None = None, width: int = 1
    ) -> MigrationFileError:
        """A MigrationFileError at a line and column, with the lines around it."""
        return MigrationFileError(
            message, code=code, hint=hint, place=self.place(at), excerpt=self._excerpt(*at, width=width)
        )

    def _excerpt(self, line: int, column: int, *, width: int) -> Excerpt | None:
        last = deque(enumerate(self._lines(line), 1), maxlen=3)
        if not last or last[-1][0] != line:
            return None
        return Excerpt(tuple((number, text.rstrip("\r")) for number, text in last), column, width)

    def _lines(self, count: int) -> Iterator[str]:
        """The first `count` lines; none where the file cannot be read any more."""
        if self.text is not None:
            yield from self.text.split("\n", count)[:count]
            return
        try:
            with open(self.path, "rb") as file:
                for _, raw in zip(range(count), _raw_lines(file), strict=False):
                    yield raw.decode("utf-8", errors="replace").rstrip("\n")
        except OSError:
            return


def _raw_lines(file: Iterable[bytes]) -> Iterator[bytes]:
    for number, raw in enumerate(file):
        yield raw.removeprefix(codecs.BOM_UTF8) if number == 0 else raw
