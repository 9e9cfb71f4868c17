"""Asks queries about a catalog in one message and from one snapshot; prepares those that are asked again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import psycopg
from psycopg.pq import TransactionStatus

from dbmigrate.connection import database

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dbmigrate.connection.database import Connection

Rows = list[tuple[object, ...]]

# Everything but PostgreSQL's own is written with its schema; a temporary table called pg_class deceives nobody.
# Constants in expressions and bounds of partitions are written alike by every session. Describing a view or an index
# takes ACCESS SHARE on its table: nobody is to wait behind that for long.
_SETTINGS = "SELECT " + ", ".join(
    f"pg_catalog.set_config('{name}', '{value}', true)"
    for name, value in (
        ("search_path", "pg_catalog, pg_temp"),
        ("quote_all_identifiers", "off"),
        ("standard_conforming_strings", "on"),
        ("DateStyle", "ISO"),
        ("IntervalStyle", "postgres"),
        ("TimeZone", "UTC"),
        ("extra_float_digits", "1"),
        ("bytea_output", "hex"),
        ("jit", "off"),
        ("plan_cache_mode", "force_generic_plan"),
        ("lock_timeout", "10s"),
    )
)
_ALONE = (f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {_SETTINGS}", "COMMIT")
_INSIDE = (
    f"SAVEPOINT dbmigrate_catalog; {_SETTINGS}",
    "ROLLBACK TO SAVEPOINT dbmigrate_catalog; RELEASE SAVEPOINT dbmigrate_catalog",
)


def in_open_transaction(query: str) -> tuple[str, str, str]:
    """What is sent before a query, it, and what is sent behind it, to be answered inside an open transaction."""
    return f"{_INSIDE[0]};\n", f"{query};\n", f"{_INSIDE[1]};\n"


def in_own_transaction(query: str) -> tuple[str, str, str]:
    """The same where no transaction is open."""
    return f"{_ALONE[0]};\n", f"{query};\n", f"{_ALONE[1]};\n"


def is_alone(conn: Connection) -> bool:
    """Whether queries get a transaction of their own, because none is open."""
    return conn.autocommit and conn.info.transaction_status == TransactionStatus.IDLE


def answers(conn: Connection, statements: Iterable[str]) -> list[Rows]:
    """The rows of every query, in one message and from one snapshot.

    Raises psycopg.Error; what was open before is still open then, but failed, as after any error.
    """
    has_begun = is_alone(conn)
    before, after = _ALONE if has_begun else _INSIDE
    try:
        cursor = database.run(conn, "; ".join((before, *statements, after)))
    except psycopg.Error:
        if has_begun and not conn.closed:
            database.run(conn, "ROLLBACK")
        raise
    found = []
    while True:
        if cursor.description is not None:
            found.append(cursor.fetchall())
        if not cursor.nextset():
            return found[1:]  # the first one is about the settings


class Query(NamedTuple):
    """SQL, and the types of its parameters."""

    text: str
    types: str = ""


class Question(NamedTuple):
    """SQL that asks a query that the session of its plans has prepared; another session needs the preparation first."""

    text: str
    preparation: str


class Plans:
    """Queries that one session asks again and again, as prepared statements; made again when somebody discarded them.

    Each is prepared when it is asked for the first time.
    """

    def __init__(self, name: str, queries: Sequence[Query]) -> None:
        self._name = name
        self._queries = queries
        self._generation = 1  # new names each time: after an error nobody knows which of the old ones there are
        self._prepared: set[int] = set()

    def answers(self, conn: Connection, wanted: Sequence[tuple[int, str]]) -> list[Rows]:
        """The rows of the queries of these numbers, each with its arguments as SQL, as `answers` gives them."""
        try:
            return self._asked(conn, wanted)
        except psycopg.errors.InvalidSqlStatementName:  # a migration has discarded them
            if conn.info.transaction_status == TransactionStatus.INERROR:
                database.run(conn, _INSIDE[1])
            return self._asked(conn, wanted)

    def question(self, conn: Connection, number: int, arguments: str) -> Question:
        """A query, which is prepared from now on, for somebody's message; call `forget` if that fails."""
        if number not in self._prepared:
            database.run(conn, self._preparation(number))
            self._prepared.add(number)
        return Question(f"EXECUTE {self._label(number)}{arguments}", self._preparation(number))

    def forget(self) -> None:
        """Prepare all queries again, under new names, because some may be gone."""
        self._generation += 1
        self._prepared.clear()

    def _asked(self, conn: Connection, wanted: Sequence[tuple[int, str]]) -> list[Rows]:
        try:
            found = answers(conn, [text for number, arguments in wanted for text in self._texts(number, arguments)])
        except psycopg.Error:
            self.forget()
            raise
        self._prepared.update(number for number, _ in wanted)
        return found

    def _texts(self, number: int, arguments: str) -> Iterator[str]:
        if number not in self._prepared:
            yield self._preparation(number)
        yield f"EXECUTE {self._label(number)}{arguments}"

    def _preparation(self, number: int) -> str:
        query = self._queries[number]
        return f"PREPARE {self._label(number)}{query.types} AS {query.text}"

    def _label(self, number: int) -> str:
        return f"dbmigrate_{self._name}_{self._generation}_{number}"
