"""Takes fingerprints of one database, one after the other: what did not change is not hashed again.

Each change of a row of a catalog makes another version of it, whose xmin is the id of the transaction that made it. If
nothing was seen of the oldest transaction in progress, nor of any later one, when all rows were hashed, each row that
is visible later and is older than that one was visible then; and if there are as many of those as there were rows, they
are the same. Then only the newer ones are hashed, and added. Otherwise, catalog by catalog, all rows are hashed again.
https://www.postgresql.org/docs/current/ddl-system-columns.html

What the server changes in place (heap_inplace_update: numbers of pages and rows, flags that there may be indexes or
triggers) does not belong to a fingerprint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dbmigrate.catalog import fingerprint, prepared
from dbmigrate.catalog.prepared import Plans, Query, Question
from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dbmigrate.connection.database import Connection

_WHOLE, _SINCE, _UNCHANGED, _FIRST_GROUP = range(4)
_TRUE = (True, "t")
_XIDS = 1 << 32  # a row knows the lower half of a transaction's id


class _Rows(NamedTuple):
    """How many rows there are, and the sum of the hashes of those that count."""

    number: int
    hashes: int


@frozen
class _Known:
    """All rows as they were before the transaction `oldest` and all later ones, group by group."""

    rows: Sequence[_Rows]
    oldest: int

    @property
    def text(self) -> str:
        return _text(self.rows)


class Asked(NamedTuple):
    """A question with one row for an answer, and what finds the fingerprint in it; that is None if it is not there."""

    question: Question
    fingerprint: Callable[[Sequence[object]], str | None]


class _Found(NamedTuple):
    """The rows that a query saw, group by group. Of the groups of `again` all rows have to be hashed again.

    `is_unseen`: the transaction `oldest` and all later ones had done nothing that it saw.
    """

    oldest: int
    is_unseen: bool
    rows: list[_Rows]
    again: Sequence[int] = ()

    @property
    def text(self) -> str:
        return _text(self.rows)


class Fingerprints:
    """Those of the database of one session."""

    def __init__(self, conn: Connection) -> None:
        version = conn.info.server_version
        self._conn = conn
        groups = fingerprint.groups(version)
        self._kinds = [(group.is_versioned, group.is_naming) for group in groups]
        whole = [fingerprint.whole(group, version) for group in groups]
        since = [fingerprint.since(group, version) for group in groups]
        unchanged = [fingerprint.unchanged(group, version) for group in groups]
        self._plans = Plans(
            "fingerprint",
            (
                Query(f"select {fingerprint.SNAPSHOT}, {', '.join(whole)}"),
                Query(f"select {fingerprint.SNAPSHOT}, {', '.join(since)}", "(int4)"),
                Query(f"select {fingerprint.SNAPSHOT}, {', '.join(unchanged)}", "(int4)"),
                *(Query(f"select {text}") for text in whole),
            ),
        )
        self._known: _Known | None = None

    def take(self) -> str:
        """A text that is the same as an earlier one if the catalog is, and another one if it is not."""
        is_alone = prepared.is_alone(self._conn)
        found = self._whole() if self._known is None else self._since(self._known)
        if is_alone:  # otherwise it is about what may be rolled back
            self._remember(found)
        return found.text

    # -- as a part of somebody's message, or in another session

    def question(self) -> Asked | None:
        """The query that `take` would ask now, as far as one query does; None where it does not."""
        return self._about(_SINCE, self._newer)

    def question_if_unchanged(self) -> Asked | None:
        """The same in half of the time, with an answer only if nothing has changed since `take`, or `remember`."""
        return self._about(_UNCHANGED, self._unchanged)

    def remember(self, row: Sequence[object]) -> str | None:
        """The fingerprint by an answer to `question` in a transaction of its own; None where `take` has to ask."""
        found = self._answered(row)
        if found is not None:
            self._remember(found)
        return None if found is None else found.text

    def _about(self, number: int, read: Callable[[Sequence[object]], str | None]) -> Asked | None:
        if self._known is None:
            return None
        return Asked(self._plans.question(self._conn, number, _age(self._known)), read)

    def _newer(self, row: Sequence[object]) -> str | None:
        found = self._answered(row)
        return None if found is None else found.text

    def _unchanged(self, row: Sequence[object]) -> str | None:
        assert self._known is not None
        for (is_versioned, _), before, text in zip(self._kinds, self._known.rows, row[2:], strict=True):
            count, new, hashes = _numbers(text)
            if (count, new) != (before.number, 0) if is_versioned else hashes != before.hashes:
                return None
        return self._known.text

    def _answered(self, row: Sequence[object]) -> _Found | None:
        assert self._known is not None
        found = _compared(self._known, self._kinds, row)
        return None if found is None or found.again else found

    def failed(self) -> None:
        """The message with the question failed: nobody knows whether its plan is still there."""
        self._plans.forget()

    # -- in messages of its own

    def _whole(self) -> _Found:
        row = self._asked(_WHOLE)
        return _Found(int(str(row[0])), row[1] in _TRUE, [_all(text) for text in row[2:]])

    def _since(self, known: _Known) -> _Found:
        found = _compared(known, self._kinds, self._asked(_SINCE, _age(known)))
        if found is None:
            return self._whole()
        wanted = [(_FIRST_GROUP + number, "") for number in found.again]
        answers = self._plans.answers(self._conn, wanted) if wanted else []
        for number, answer in zip(found.again, answers, strict=True):
            found.rows[number] = _all(answer[0][0])
        return found

    def _asked(self, number: int, arguments: str = "") -> tuple[object, ...]:
        return self._plans.answers(self._conn, [(number, arguments)])[0][0]

    def _remember(self, found: _Found) -> None:
        self._known = _Known(found.rows, found.oldest) if found.is_unseen else None


def _text(rows: Sequence[_Rows]) -> str:
    return " ".join(str(each.hashes) for each in rows)


def _age(known: _Known) -> str:
    return f"(age('{known.oldest % _XIDS}'::xid))"


def _compared(known: _Known, kinds: Sequence[tuple[bool, bool]], row: Sequence[object]) -> _Found | None:
    """What an answer about the newer rows says; None if all rows have to be hashed again."""
    rows, again = [], []
    for number, ((is_versioned, is_naming), before, text) in enumerate(zip(kinds, known.rows, row[2:], strict=True)):
        count, new, hashes = _numbers(text)
        is_kept = count - new == before.number if is_versioned else hashes == before.hashes
        if is_naming and not is_kept:
            return None
        if is_versioned and not is_kept:
            again.append(number)
        rows.append(_Rows(count, before.hashes + hashes if is_versioned else hashes))
    return _Found(int(str(row[0])), row[1] in _TRUE, rows, again)


def _numbers(text: object) -> tuple[int, int, int]:
    count, new, hashes = map(int, str(text).split(":"))
    return count, new, hashes


def _all(text: object) -> _Rows:
    count, _, hashes = _numbers(text)
    return _Rows(count, hashes)
