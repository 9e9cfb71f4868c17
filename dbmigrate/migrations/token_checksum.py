"""The checksum of a migration's tokens, which tells a change of what it does from a change of how it looks.

What counts is what is run: a redundant BEGIN and COMMIT around a whole section are left out. They counted once;
`TokenSum.equals` knows what was recorded then.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING

from dbmigrate.model import StatementKind
from dbmigrate.sql import SegmentKind
from dbmigrate.sql.plain_words import all_words
from dbmigrate.sql.statements import classify, is_bare

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dbmigrate.sql import Segment

_BEGINS = ("BEGIN", "BEGIN TRANSACTION", "BEGIN WORK", "START TRANSACTION")
_COMMITS = ("COMMIT", "COMMIT TRANSACTION", "COMMIT WORK", "END")
_CONTROL = frozenset(("BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "PREPARE"))
_MOST_PRODUCTS = 2  # sections whose wrappers may differ; of more the up and down sections are all written alike


def _joined(tokens: Iterable[str]) -> bytes:
    return "\0".join((*tokens, "")).encode("utf-8", "surrogatepass")


@dataclass(slots=True)
class _Section:
    """The tokens of one section. `controls` are the ordinals of statements that begin or end transactions."""

    header: bytes = b""
    transaction: bool = True
    statements: list[bytes] = field(default_factory=list)
    controls: dict[int, StatementKind] = field(default_factory=dict)

    @property
    def written(self) -> bytes:
        return b"".join((self.header, *self.statements))

    @property
    def inner(self) -> bytes:
        """The statements that are run: without a bare BEGIN and COMMIT around all of them (see `sections`)."""
        last = len(self.statements) - 1
        wrapper = {0: StatementKind.BEGIN, last: StatementKind.COMMIT}
        ends = self.controls.get(last) is StatementKind.COMMIT
        is_wrapped = self.transaction and ends and all(wrapper.get(at) is it for at, it in self.controls.items())
        redundant = self.controls if is_wrapped else ()
        return b"".join(tokens for ordinal, tokens in enumerate(self.statements) if ordinal not in redundant)

    def add(self, segment: Segment, data: Iterable[str]) -> None:
        is_statement = segment.kind is SegmentKind.STATEMENT
        tokens = all_words(segment.text) if is_statement else ("--migrate", *segment.text.split())
        kind = classify(segment.text) if tokens[0] in _CONTROL else StatementKind.PLAIN
        if kind in (StatementKind.BEGIN, StatementKind.COMMIT) and not is_bare(segment.text):
            kind = StatementKind.ROLLBACK  # as little to be left out as that
        if kind not in (StatementKind.PLAIN, StatementKind.OUTSIDE):
            self.controls[len(self.statements)] = kind
        self.statements.append(_joined(tokens) + "".join(data).encode("utf-8", "surrogatepass"))

    @property
    def run(self) -> bytes:
        return self.header + self.inner

    def as_counted_before(self) -> tuple[bytes, ...]:
        """The section as written, then with every wrapper that may have stood around it, always as many."""
        if not self.transaction:
            return (self.written,) * (len(_WRAPPERS) + 1)
        inner = self.inner
        return (self.written, *(b"".join((self.header, before, inner, behind)) for before, behind in _WRAPPERS))


def _wrapper(begin: str, commit: str) -> tuple[bytes, bytes]:
    return (_joined((*begin.split(), ";")) if begin else b""), (_joined((*commit.split(), ";")) if commit else b"")


_WRAPPERS = (
    (b"", b""),
    *(_wrapper(begin, commit) for begin, commit in product(("", *_BEGINS), _COMMITS)),
)


class TokenSum:
    """SHA-256 over statements, headers and COPY data; comments, white space and the case of words do not count."""

    def __init__(self) -> None:
        self._sections: list[_Section] = []

    def add(self, segment: Segment, data: Iterable[str]) -> None:
        """Add a segment of the file, and its COPY data if it has any."""
        if segment.kind is SegmentKind.REST:
            return
        if segment.kind is SegmentKind.HEADER:
            options = segment.text.removeprefix("--").split()
            self._sections.append(_Section(_joined(("--migrate", *options)), "transaction:false" not in options))
            return
        if not self._sections:
            self._sections.append(_Section())
        self._sections[-1].add(segment, data)

    def hexdigest(self) -> str:
        return _digest([section.run for section in self._sections])

    @property
    def is_empty(self) -> bool:
        """Whether there is no statement at all."""
        return not any(section.statements for section in self._sections)

    def equals(self, recorded: str) -> bool:
        """Whether `recorded` is the sum of these tokens, as this version or an earlier one has made it."""
        return recorded == self.hexdigest() or any(recorded == _digest(parts) for parts in self._counted_before())

    def _counted_before(self) -> Iterable[Sequence[bytes]]:
        choices = [section.as_counted_before() for section in self._sections]
        return product(*choices) if len(choices) <= _MOST_PRODUCTS else zip(*choices, strict=True)


def sum_of_plain(tokens: Iterable[str]) -> str:
    """What `TokenSum` makes of these tokens of whole sections, none of which begins or ends a transaction."""
    return _digest((_joined(tokens),))


def _digest(parts: Iterable[bytes]) -> str:
    made = hashlib.sha256()
    for part in parts:
        made.update(part)
    return made.hexdigest()
