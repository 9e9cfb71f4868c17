"""Makes the text of pg_dump depend on the schema alone: not on the run, the pg_dump, or the way to that schema.

pg_dump 13 to 18 write one and the same schema of one server in different bytes, and one schema reached by migrations
differs from the same schema loaded from a file. `normalise` removes those differences and nothing else: it works on
whole top-level items, so that whatever is inside literals and bodies stays byte for byte, and what it does not
know passes through unchanged.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING

from dbmigrate.errors import DatabaseError
from dbmigrate.model import Problem
from dbmigrate.schema import columns
from dbmigrate.schema.expressions import settle
from dbmigrate.schema.items import Item, Kind, split

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["PREAMBLE", "TITLE", "normalise", "problems"]

# What pg_dump sets first, in the words that every server from 13 on understands: without transaction_timeout (17).
# The last two stand before whichever table comes first, and would move with it.
PREAMBLE = """\
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

SET default_tablespace = '';

SET default_table_access_method = heap;
"""

_RESTRICT = re.compile(r"\\(?:un)?restrict(?: [0-9A-Za-z]+)?")
_SESSION = re.compile(r"SET \w+ = |SELECT pg_catalog\.set_config\('search_path', ")
_DEFAULT = re.compile(r"SET (?:default_tablespace|default_table_access_method) = .*;")
_VOLATILE = re.compile(
    r"-- (?:PostgreSQL database dump$|Dumped (?:from|by) |Started on |Completed on |TOC entry |Dependencies: "
    r"|\*not\* creating schema)"
)
TITLE = re.compile(r"-- (?:Data for )?Name: (?P<name>.*); Type: (?P<type>[^;\n]*); Schema: (?P<schema>.*?); Owner: .*")
_USUAL_HEADER = re.compile(rf"--\n{TITLE.pattern}\n--")
_CONSTRAINT = re.compile(r'\bADD CONSTRAINT ("(?:[^"]|"")*"|\S+)')
_FOREIGN_COLUMN = re.compile(
    r'ALTER FOREIGN TABLE ONLY (?=(?:"(?:[^"]|"")*"|[\w.$])+ ALTER COLUMN (?:"(?:[^"]|"")*"|\S+) OPTIONS \()'
)
_TIED = ("CREATE OPERATOR ", "ALTER PUBLICATION ", "ALTER TABLE ", "ALTER FOREIGN TABLE ")
_DROPPED = ("COMMENT ON EXTENSION ", "CREATE USER MAPPING ")
_EMPTY_COMMENT = "COMMENT ON SCHEMA public IS '';"  # from pg_dump 15 on, for a public that was dropped and made again
_REPLACED = {"CREATE SCHEMA public;": "CREATE SCHEMA IF NOT EXISTS public;"}  # from --schema=public


def normalise(text: str) -> str:
    """The text of ``pg_dump --schema-only``, the same for the same schema.

    In: what pg_dump 13 to 18 wrote, or the result of an earlier call, which comes back unchanged. Out: text that psql
    and a plain query can load into any server from 13 on (as far as that server knows the schema's own features).

    Left out: ``\\restrict``, version and time comments, session settings, comments on extensions (they belong to the
    extension's version), what a server notes for itself among the options of a column (`columns`) and user mappings
    (they hold passwords in the clear; see `problems`). One spelling: settings, foreign table columns, expressions
    (`expressions.settle`), the order of objects of the same name.
    Raises `DatabaseError` (E404) for text that is cut off in the middle, for a psql command (CVE-2025-8714), and for a
    database whose ``standard_conforming_strings`` is off.
    """
    entries = _hoist(list(filter(_is_needed, _entries(split(text)))))
    return PREAMBLE + "\n" + "\n\n\n".join(_in_stable_order(entries)) + "\n\n"


def problems(text: str) -> tuple[Problem, ...]:
    """Warnings about secrets in pg_dump's text: what `normalise` leaves out, and what it cannot leave out."""
    found = []
    if "\nCREATE USER MAPPING " in text:
        found.append(Problem("W402", "user mappings are left out of the schema file: they hold passwords"))
    if re.search(r"\nCREATE SUBSCRIPTION .* CONNECTION '[^']*password", text):
        hint = "keep the password in a password file (passfile=...) of the subscriber's server"
        found.append(Problem("W403", "the schema file holds the password of a subscription", hint=hint))
    return tuple(found)


# -------------------------------------------------------------------------------------------------------- reading


class _Entry:
    """A comment block and the statements behind it: one entry of pg_dump's table of contents."""

    __slots__ = ("header", "statements", "title")

    def __init__(self) -> None:
        self.header: list[str] = []
        self.title: re.Match[str] | None = None  # what its comment says of the object
        self.statements: list[Item] = []

    def add_comment(self, comment: str) -> None:
        """Lines of the header, but for those that change from run to run."""
        if title := _USUAL_HEADER.fullmatch(comment):
            self.header.append(comment)
        else:
            lines = [line for line in comment.split("\n") if not _VOLATILE.match(line)]
            title = next(filter(None, map(TITLE.match, lines)), None)
            self.header += lines
        self.title = self.title or title

    @property
    def is_remark(self) -> bool:
        """Whether its comment says something without being the title of an object."""
        return not self.title and any(line != "--" for line in self.header)

    def __str__(self) -> str:
        header = "\n".join(self.header) if self.title or self.is_remark else ""
        body = _body(self.statements)
        return f"{header}\n\n{body}" if header and body else header or body


def _entries(items: Iterable[Item]) -> Iterator[_Entry]:
    entry = _Entry()
    in_preamble = True
    for item in items:
        if item.kind is Kind.COMMENT:
            if entry.statements or item.breaks > 1:
                yield entry
                entry = _Entry()
            entry.add_comment(item.text)
            in_preamble = in_preamble and not entry.title
        elif _belongs(item) and not (in_preamble and _is_session_setting(item)):
            if _DEFAULT.fullmatch(item.text):  # belongs to no entry: it stands before a table, behind anything
                yield entry
                entry = _Entry()
            entry.statements.append(item)
    yield entry


def _belongs(item: Item) -> bool:
    """False for ``\\restrict``; an error for what must not be in a schema file."""
    if item.kind is Kind.UNFINISHED:
        raise DatabaseError(f"pg_dump's output ends inside of {item.text[:60]!r}", code="E404")
    if item.kind is not Kind.COMMAND:
        return True
    if not _RESTRICT.fullmatch(item.text):
        raise DatabaseError(
            f"pg_dump wrote a psql command: {item.text[:60]!r}",
            code="E404",
            hint="leave out --create and the like: the schema file is loaded without psql",
        )
    return False


def _is_session_setting(item: Item) -> bool:
    if item.text == "SET standard_conforming_strings = off;":
        raise DatabaseError(
            "standard_conforming_strings is off in this database: its schema cannot be written portably",
            code="E404",
            hint="ALTER DATABASE ... SET standard_conforming_strings = on",
        )
    return _SESSION.match(item.text) is not None and (_is_in_preamble(item) or not _DEFAULT.fullmatch(item.text))


def _is_in_preamble(item: Item) -> bool:
    return f"\n{item.text}\n" in PREAMBLE


# -------------------------------------------------------------------------------------------------------- deciding


def _is_needed(entry: _Entry) -> bool:
    """Drops the statements that do not belong in the file; whether anything is left of the entry."""
    entry.statements = [item for item in entry.statements if not _is_dropped(item.text)]
    return bool(entry.statements) or entry.is_remark


def _is_dropped(statement: str) -> bool:
    return statement.startswith(_DROPPED) or statement == _EMPTY_COMMENT or not columns.settable(statement)


def _hoist(entries: Sequence[_Entry]) -> list[_Entry]:
    """The entries without the defaults that `PREAMBLE` sets, unless the schema uses several values of one of them."""
    settings = [item for entry in entries for item in entry.statements if _DEFAULT.fullmatch(item.text)]
    several = {_setting(item) for item in settings if not _is_in_preamble(item)}
    hoisted = {item.text for item in settings if _setting(item) not in several}
    for entry in entries:
        entry.statements = [item for item in entry.statements if item.text not in hoisted]
    return [entry for entry in entries if entry.statements or entry.is_remark]


def _setting(item: Item) -> str:
    return item.text.split(" ")[1]


def _in_stable_order(entries: Iterable[_Entry]) -> list[str]:
    """The texts; where only the objects' OIDs decided the order (pg_dump before August 2025), the text decides."""
    ordered: list[str] = []
    for key, group in groupby(entries, _tie):
        texts = list(map(str, group))
        ordered += sorted(texts) if key else texts
    return ordered


def _tie(entry: _Entry) -> tuple[str, ...]:
    """Equal for neighbours whose order pg_dump took from their OIDs; empty for an entry that has no such neighbour."""
    title = entry.title
    if not (title and entry.statements and entry.statements[0].text.startswith(_TIED)):
        return ()
    kind = title["type"]
    if kind.startswith("OPERATOR"):
        return (kind, title["schema"], title["name"])
    if kind.startswith("PUBLICATION TABLE"):
        return (kind,)
    if kind.endswith("CONSTRAINT") and (constraint := _CONSTRAINT.search(entry.statements[0].text)):
        return (kind, title["schema"], constraint[1])
    return ()


# --------------------------------------------------------------------------------------------------------- writing


def _body(statements: Sequence[Item]) -> str:
    """The statements with the line breaks between them, at most one blank line."""
    pieces = []
    for item in statements:
        pieces += ["\n" * min(item.breaks, 2) or " ", _spelling(item)]
    return "".join(pieces[1:])


def _spelling(item: Item) -> str:
    if item.kind is not Kind.STATEMENT:
        return item.text
    text = settle(_REPLACED.get(item.text) or columns.settable(item.text))
    return "ALTER FOREIGN TABLE " + text[match.end() :] if (match := _FOREIGN_COLUMN.match(text)) else text
