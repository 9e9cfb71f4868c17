"""The lexer's statements, judged by the server's own parser.

The extended protocol takes one statement per message. So a segment that we cut is a whole statement if the server neither
finds a second one in it nor misses its end, and two neighbours in one message must be refused as two.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import psycopg
import pytest
from psycopg import pq

from dbmigrate.sql import SegmentKind, PostgresLexer, PostgresSplitter
from tests.unit.sql.lexer_cases import CASES, Case

MANY = "cannot insert multiple commands into a prepared statement"
SYNTAX_ERROR = "42601"


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def verdict(conn: psycopg.Connection, sql: str) -> str:
    """What the server's scanner and grammar say about one message; empty if they take it as one statement.

    Errors of later stages (no such table) mean that the text was parsed.
    """
    result = conn.pgconn.prepare(b"", sql.encode())
    if result.status == pq.ExecStatus.COMMAND_OK or result.error_field(pq.DiagnosticField.SQLSTATE) != b"42601":
        return ""
    return (result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b"").decode()


def cut(text: str) -> list[str]:
    found = PostgresSplitter().process(PostgresLexer().get_tokens(text))
    return [segment.text for segment in found if segment.kind is SegmentKind.STATEMENT]


def disagreements(conn: psycopg.Connection, case: Case) -> list[str]:
    found = cut(case.source)
    wrong = [f"{text!r}: {said}" for text in found if (said := verdict(conn, text))]
    for first, second in pairwise(found):
        said = verdict(conn, first + "\n" + second)
        if said != MANY:
            wrong.append(f"{first!r} and {second!r} are one: {said or 'accepted'}")
    if len(found) > 1 and verdict(conn, case.source) != MANY:
        wrong.append("the whole is one statement")
    return wrong


def test_the_server_takes_every_piece_as_one_statement(conn: psycopg.Connection):
    conn.execute("SET client_min_messages = error")
    version = conn.info.server_version // 10000
    cases = [case for case in CASES if case.since <= version]

    wrong = {case.name: found for case in cases if (found := disagreements(conn, case))}

    assert wrong == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT 1; SELECT 2;", MANY),
        ("CREATE RULE r AS ON DELETE TO t DO (SELECT 1;", "syntax error at end of input"),
        ("SELECT 'x", 'unterminated quoted string at or near "\'x"'),
        ("SELECT 1 FROM no_such_table;", ""),
    ],
)
def test_the_verdict_tells_one_statement_from_others(conn: psycopg.Connection, text: str, said: str):
    assert verdict(conn, text) == said
