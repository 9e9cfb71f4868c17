"""The application's queries: read from files or from pg_stat_statements, and prepared, which runs nothing.

PREPARE finds out whether every table, column, function and type exists (it parses and analyses a statement), in a
tenth of a millisecond and without reading a row: https://www.postgresql.org/docs/current/sql-prepare.html
"""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import pq, sql

from dbmigrate.connection import database
from dbmigrate.errors import ConfigError, Error, PlanError
from dbmigrate.frozen import frozen
from dbmigrate.migrations import plain_sql
from dbmigrate.model import Place, Problem, Severity, StatementKind
from dbmigrate.sql import LexerError, placed_words
from dbmigrate.sql.statements import first_word

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dbmigrate.connection.database import Connection

PREPARABLE = frozenset(("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES", "WITH", "TABLE"))
_OPENING = re.compile(r"[\s(]*")
_SHOWN = 80
_LOAD = "run CREATE EXTENSION pg_stat_statements, and add it to the server's shared_preload_libraries"

# parameters as drivers write them: psycopg's %s and %(name)s, JDBC's ?, and :name of many
_PERCENT = re.compile(r"%\((?P<name>\w+)\)[sbt]|(?<!%)%[sbt]\b")
_MARK = re.compile(r"(?<![?@|&<>])\?(?![?|&])")
_COLON = re.compile(r"(?<![:\w$\])]):(?P<name>[A-Za-z_]\w*)")


@frozen
class Query:
    """One statement. `place` is where it stands in a file, None for one from pg_stat_statements."""

    sql: str
    place: Place | None = None

    @property
    def name(self) -> str:
        """What to call it: its beginning, in one line."""
        line = " ".join(self.sql.split())
        return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"


@frozen
class Collection:
    """The queries that can be prepared; `problems` are about those that cannot."""

    queries: tuple[Query, ...]
    problems: tuple[Problem, ...] = ()


def from_files(patterns: Sequence[str]) -> Collection:
    """The statements of all files that match a pattern (``queries/**/*.sql``).

    Raises PlanError E249 for a pattern that no file matches, ConfigError E207 for a file that cannot be read.
    """
    queries: list[Query] = []
    problems: list[Problem] = []
    for path in _paths(patterns):
        try:
            found = [
                item for item in plain_sql.split_sql(read_text(path), path=path) if item.kind is not StatementKind.META
            ]
        except Error as exc:
            if not exc.place:
                raise
            problems.append(_unchecked(exc.message, exc.place))
            continue
        for statement in found:
            place = Place(path, statement.line, statement.column)
            word = _verb(statement.sql)
            if word in PREPARABLE:
                queries.append(Query(statement.sql.rstrip().removesuffix(";"), place))
            else:
                problems.append(_unchecked(f"{word} cannot be prepared: it was not checked", place))
    return Collection(tuple(queries), tuple(problems))


def _paths(patterns: Sequence[str]) -> list[str]:
    paths: dict[str, None] = {}
    for pattern in patterns:
        matching = [path for path in sorted(glob.glob(pattern, recursive=True)) if os.path.isfile(path)]
        if not matching:
            raise PlanError(f"no file matches {pattern!r}", code="E249", hint="quote the pattern: 'queries/**/*.sql'")
        paths |= dict.fromkeys(map(os.path.normpath, matching))
    return list(paths)


def read_text(path: str) -> str:
    """The text of a file of SQL. Raises ConfigError E207."""
    try:
        return Path(path).read_bytes().decode("utf-8-sig")
    except OSError as exc:
        raise ConfigError(f"cannot read {path}: {exc.strerror}", code="E207") from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path} is not valid UTF-8", code="E207") from exc


def _verb(text: str) -> str:
    """The first word, behind parentheses."""
    opening = _OPENING.match(text)
    return first_word(text[opening.end() if opening else 0 :]) or "this"


def _unchecked(message: str, place: Place | None) -> Problem:
    return Problem("C112", message, Severity.NOTE, place)


def from_statistics(conn: Connection) -> Collection:
    """The statements of the connected database in pg_stat_statements.

    Raises PlanError E249 if the extension is not installed, or cannot be read.
    """
    schema = database.query(
        conn,
        "select n.nspname::text from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace"
        " where e.extname = 'pg_stat_statements'",
    )
    if not schema:
        raise PlanError("pg_stat_statements is not installed in the database", code="E249", hint=_LOAD)
    query = sql.SQL(
        "select distinct query::text from {} where dbid = (select oid from pg_catalog.pg_database"
        " where datname = pg_catalog.current_database()) and query is not null order by 1"
    ).format(sql.Identifier(str(schema[0][0]), "pg_stat_statements"))
    try:
        texts = [str(row[0]) for row in conn.execute(query)]
    except psycopg.Error as exc:
        reason = exc.diag.message_primary or str(exc)
        raise PlanError(f"pg_stat_statements cannot be read: {reason}", code="E249", hint=_LOAD) from exc
    queries = tuple(Query(text.rstrip().removesuffix(";")) for text in texts if _verb(text) in PREPARABLE)
    return Collection(queries)


# ------------------------------------------------------------------------------------------------------------ preparing


@frozen
class Refusal:
    """Why the server did not prepare a statement."""

    message: str
    sqlstate: str


def prepare(conn: Connection, text: str) -> Refusal | None:
    """Prepare one statement without a name, so that the next one replaces it. None if it works."""
    result = conn.pgconn.prepare(b"", text.encode())
    if result.status == pq.ExecStatus.COMMAND_OK:
        return None
    message = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or result.error_message
    state = result.error_field(pq.DiagnosticField.SQLSTATE) or b""
    return Refusal(message.decode(errors="replace").strip(), state.decode())


def spellings(text: str) -> Iterator[str]:
    """The statement itself, and what it is if ``?``, ``%s`` or ``:name`` in it are parameters: these become ``$1`` ...

    The text does not show which of them it is: ``?`` is an operator of jsonb, ``a %s`` may be a remainder. Strings,
    quoted names and comments are not changed.
    """
    yield text
    known = {text}
    for styles in ((_COLON,), (_PERCENT,), (_MARK,), (_COLON, _PERCENT, _MARK)):
        translated = _translated(text, styles)
        if translated not in known:
            known.add(translated)
            yield translated


def _translated(text: str, styles: Iterable[re.Pattern[str]]) -> str:
    plain = _masked(text)
    found = sorted((match for style in styles for match in style.finditer(plain)), key=lambda match: match.start())
    numbers: dict[str, int] = {}
    pieces, position = [], 0
    for match in found:
        name = match.groupdict().get("name") or f"?{len(numbers)}"
        number = numbers.setdefault(name, len(numbers) + 1)
        pieces += [text[position : match.start()], f"${number}"]
        position = match.end()
    return "".join((*pieces, text[position:]))


def _masked(text: str) -> str:
    """The text with blanks in place of quoted parts and comments."""
    masked = [" "] * len(text)
    try:
        for word in placed_words(text):
            if not any(quote in word.text for quote in "'\"") and not re.match(r"\$\D*\$", word.text):
                masked[word.start : word.end] = text[word.start : word.end]
    except LexerError:  # the server reports it
        return " " * len(text)
    return "".join(masked)
