"""A migration file as text: read once, decoded strictly, hashed on the way; and the places in it that errors name."""

from __future__ import annotations

import codecs
import hashlib
import os
import stat
from collections import deque
from typing import TYPE_CHECKING, Self

from dbmigrate.errors import ConfigError, MigrationFileError
from dbmigrate.frozen import frozen, remembered
from dbmigrate.model import Excerpt, Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import TracebackType

_CHUNK = 1 << 20


def byte_length(text: str) -> int:
    """The length of a text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


class Cursor:
    """A place in a text, moved over it segment by segment. Lines end at ``\\n``, as psql and the server count them.

    `offset` is that of the place in characters, `size` in bytes.
    """

    def __init__(self, line: int = 1, column: int = 1) -> None:
        self.line = line
        self.column = column
        self.offset = 0
        self.size = 0

    def advance(self, text: str) -> None:
        length = len(text)
        self.offset += length
        self.size += length if text.isascii() else len(text.encode())
        breaks = text.count("\n")
        if breaks:
            self.line += breaks
            self.column = length - text.rfind("\n")
        else:
            self.column += length

    def after(self, text: str) -> tuple[int, int]:
        """Line and column that `advance(text)` would lead to."""
        there = Cursor(self.line, self.column)
        there.advance(text)
        return there.line, there.column


class Source:
    """A file, read from its beginning to its end. Use it as a context manager.

    A leading byte order mark is dropped; everything else, carriage returns too, stays as it is. `marks` are the sums of
    the file's beginnings, one for each segment of 1 MiB that was read.
    """

    def __init__(self, path: str, expected: Sequence[bytes] = ()) -> None:
        """With the marks of an earlier reading, nothing is given out that is different now.

        Raises ConfigError E207.
        """
        self._path = path
        self._expected = expected
        self.marks: list[bytes] = []
        try:
            self._file = open(path, "rb", opener=_at_once)  # noqa: SIM115 (closed by __exit__)
            status = os.fstat(self._file.fileno())
        except OSError as exc:
            raise _unreadable(path, exc) from exc
        if not stat.S_ISREG(status.st_mode):
            self._file.close()
            raise ConfigError(f"cannot read {path}: it is not a regular file", code="E207")
        self.size = status.st_size
        self._sum = hashlib.sha256()
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._decoded_length = 0  # in characters
        self._segment = b""  # what `slices` has at hand, and where it begins
        self._begin = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def read(self, size: int) -> str:
        """About `size` characters, at least one; nothing at the end. Raises MigrationFileError E210, E222."""
        parts = []
        while size > 0 and (chunk := self._bytes()):
            parts.append(self._decoded(chunk))
            size -= len(chunk)
        return "".join(parts) or self._decoded(b"")

    def read_all(self) -> str:
        """Everything that is left. Raises MigrationFileError E210, E222."""
        return "".join(iter(lambda: self.read(_CHUNK), ""))

    def slices(self, begin: int, end: int) -> Iterator[bytes]:
        """The bytes from `begin` to `end`, counted without a byte order mark, in some parts; never backwards, and not
        together with `read`. Raises MigrationFileError E222.
        """
        while begin < end:
            if begin < self._begin + len(self._segment):
                part = self._segment[begin - self._begin : end - self._begin]
                begin += len(part)
                yield part
            else:
                self._advance()

    def finish(self) -> str:
        """Read what is left without decoding it; return the SHA-256 (hex) of the file's bytes.

        Raises MigrationFileError E222.
        """
        while self._bytes():
            pass
        return self._sum.hexdigest()

    def _advance(self) -> None:
        self._begin += len(self._segment)
        self._segment = self._bytes()
        if not self._segment:
            raise changed(Origin(self._path))
        if len(self.marks) == 1:
            self._segment = self._segment.removeprefix(codecs.BOM_UTF8)

    def _bytes(self) -> bytes:
        """The next segment of the file; nothing at its end."""
        try:
            chunk = self._file.read(_CHUNK)
        except OSError as exc:
            raise _unreadable(self._path, exc) from exc
        self._sum.update(chunk)
        if chunk:
            self.marks.append(self._sum.digest())
        if self._expected and not self._is_expected(is_end=not chunk):
            raise changed(Origin(self._path))
        return chunk

    def _is_expected(self, *, is_end: bool) -> bool:
        number = len(self.marks)
        if is_end:
            return number == len(self._expected)
        return number <= len(self._expected) and self.marks[-1] == self._expected[number - 1]

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
            with open(self._path, encoding="utf-8-sig", errors="replace", newline="", opener=_at_once) as file:
                while left and (text := file.read(min(left, _CHUNK))):
                    cursor.advance(text)
                    left -= len(text)
        except OSError as exc:
            raise _unreadable(self._path, exc) from exc
        return cursor.line, cursor.column


@remembered
def checksum(path: str) -> str:
    """The SHA-256 (hex) of a file's bytes, read as a stream. Raises ConfigError E207."""
    with Source(path) as source:
        return source.finish()


def _at_once(path: str, flags: int) -> int:
    """Open without waiting for somebody who writes, should it be a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def _unreadable(path: str, exc: OSError) -> ConfigError:
    return ConfigError(f"cannot read {path}: {exc.strerror}", code="E207")


def changed(origin: Origin) -> MigrationFileError:
    """The error for a file that is not the one that was checked any more."""
    return origin.error(
        "E222",
        "the file changed while it was being run",
        (1, 1),
        hint="run the command again when nobody is editing it",
    )


@frozen
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
            with open(self.path, "rb", opener=_at_once) as file:
                for _, raw in zip(range(count), _raw_lines(file), strict=False):
                    yield raw.decode("utf-8", errors="replace").rstrip("\n")
        except OSError:
            return


def _raw_lines(file: Iterable[bytes]) -> Iterator[bytes]:
    for number, raw in enumerate(file):
        yield raw.removeprefix(codecs.BOM_UTF8) if number == 0 else raw
