"""A light grammar: from the words of a statement to its shape.

It is not a parser: it knows the beginnings of the statements that the rules need, as PostgreSQL's documentation spells
them, and a few words behind. Comments, strings and quoted bodies are not words, so they never match. A statement that
it does not know is `Other`.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from dbmigrate.lint.sql import columns
from dbmigrate.lint.sql.altering import alter_table
from dbmigrate.lint.sql.changing import changes
from dbmigrate.lint.sql.columns import names_in, texts
from dbmigrate.lint.sql.reading import Reader, folded, is_text, read, text_of
from dbmigrate.lint.sql.shape import (
    AddEnumValue,
    AlterObject,
    Block,
    Copy,
    CreateIndex,
    CreateObject,
    CreateRoutine,
    CreateTable,
    Drop,
    EnumType,
    Grant,
    LockTables,
    Maintenance,
    Name,
    Other,
    Revoke,
    Role,
    Shape,
    Truncate,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbmigrate.sql import Word

__all__ = ["shape_of"]

_ROLES = ("ROLE", "USER", "GROUP")
_TABLE_LIKE = ("TABLE", "FOREIGN TABLE", "MATERIALIZED VIEW", "VIEW")
# of GRANT and REVOKE .. ON; without one it is a table
_OBJECTS = frozenset(
    re.findall(
        r"\w+",
        "DATABASE DOMAIN FUNCTION LANGUAGE PARAMETER PROCEDURE ROUTINE SCHEMA SEQUENCE SERVER TABLE TABLESPACE TYPE "
        "WRAPPER",
    )
)
_TWO_WORDS = {
    ("MATERIALIZED", "VIEW"),
    ("FOREIGN", "TABLE"),
    ("FOREIGN", "DATA"),
    ("EVENT", "TRIGGER"),
    ("TEXT", "SEARCH"),
    ("OPERATOR", "CLASS"),
    ("OPERATOR", "FAMILY"),
    ("ACCESS", "METHOD"),
    ("DEFAULT", "PRIVILEGES"),
    ("USER", "MAPPING"),
    ("LARGE", "OBJECT"),
}


def shape_of(sql: str) -> Shape:
    """What the statement `sql` does; `sql` begins with its first word."""
    reader = read(sql)
    parse = _PARSERS.get(reader.peek())
    if parse is None:
        return Other(texts(reader.words[:6]))
    reader.next()
    return parse(reader)


def _kind(reader: Reader) -> str:
    """The kind of object that comes next, of one word or two."""
    if (reader.peek(), reader.peek(1)) in _TWO_WORDS:
        return f"{reader.next()} {reader.next()}"
    return reader.next()


# --------------------------------------------------------------------------------------------------------------- CREATE


def _create(reader: Reader) -> Shape:
    is_replacement = reader.take("OR", "REPLACE")
    reader.take_any("GLOBAL", "LOCAL")
    while reader.take_any("TEMP", "TEMPORARY", "UNLOGGED", "RECURSIVE", "TRUSTED", "PROCEDURAL", "CONSTRAINT"):
        pass
    if reader.peek() == "INDEX" or (reader.peek(), reader.peek(1)) == ("UNIQUE", "INDEX"):
        return _create_index(reader)
    kind = _kind(reader)
    if kind in ("TABLE", "MATERIALIZED VIEW", "FOREIGN TABLE"):
        return _create_table(reader)
    if kind in ("FUNCTION", "PROCEDURE"):
        return _create_routine(reader)
    if kind in _ROLES:
        return Role(folded(reader.next()), texts(reader.rest()))
    is_lenient = reader.take_if_exists() or is_replacement
    if kind == "USER MAPPING":
        return CreateObject(kind, None, texts(reader.rest()), is_lenient=is_lenient)
    name = reader.name()
    if kind == "TYPE" and name is not None and reader.take("AS", "ENUM"):
        return EnumType(name, tuple(text_of(word.text) for word in reader.group() if is_text(word.text)))
    on = _table_of(reader) if kind in ("TRIGGER", "POLICY", "RULE") else None
    return CreateObject(kind, name, texts(reader.rest()), on, is_lenient)


def _table_of(reader: Reader) -> Name | None:
    """The table after ON (that of a rule: TO), skipping what comes before it."""
    reader.until("ON", "TO")
    reader.next()
    return reader.name()


def _create_table(reader: Reader) -> Shape:
    is_lenient = reader.take_if_exists()
    table = reader.name()
    if table is None:
        return Other(("CREATE", "TABLE"))
    parent = reader.name() if reader.take("PARTITION", "OF") else None
    if reader.take("OF"):  # .. a composite type, which has the columns
        reader.name()
    inside = reader.group()
    defined = [] if reader.peek() == "AS" else list(Reader(inside).parts())  # (a, b) AS SELECT ..: names alone
    constraints = [columns.constraint(part) for part in defined if columns.is_constraint(part)]
    found = [columns.column(part) for part in defined if not columns.is_constraint(part) and part.peek() != "LIKE"]
    if parent is not None:
        reader.until("PARTITION", "USING", "WITH", "TABLESPACE")  # FOR VALUES .. may hold any expression
    rest = texts(reader.rest())
    return CreateTable(
        table,
        tuple(column for column in found if column is not None),
        tuple(constraint for constraint in constraints if constraint is not None),
        partition_of=parent,
        is_partitioned=("PARTITION", "BY") in pairwise(rest),
        is_lenient=is_lenient,
    )


def _create_index(reader: Reader) -> Shape:
    is_unique = reader.take("UNIQUE")
    reader.take("INDEX")
    is_concurrent = reader.take("CONCURRENTLY")
    is_lenient = reader.take_if_exists()
    name = None if reader.peek() == "ON" else reader.name()
    reader.take("ON")
    is_only = reader.take("ONLY")
    table = reader.name()
    if table is None:
        return Other(("CREATE", "INDEX"))
    if reader.take("USING"):
        reader.next()
    keys = reader.group()
    plain = _plain(keys)
    return CreateIndex(
        table,
        name.name if name else None,
        plain,
        is_unique=is_unique,
        is_concurrent=is_concurrent,
        is_lenient=is_lenient,
        is_partial="WHERE" in texts(reader.rest()),
        is_only=is_only,
        is_plain=len(plain) == len(list(Reader(keys).parts())),
    )


def _plain(keys: tuple[Word, ...]) -> tuple[str, ...]:
    """The leading keys of an index that are plain columns."""
    found = []
    for part in Reader(keys).parts():
        if part.peek() == "(" or part.peek(1) in ("(", "."):
            break
        found.append(folded(part.peek()))
    return tuple(found)


def _create_routine(reader: Reader) -> Shape:
    name = reader.name()
    if name is None:
        return Other(("CREATE", "FUNCTION"))
    reader.group()
    rest = texts(reader.rest())
    returns_trigger = ("RETURNS", "TRIGGER") in pairwise(rest)
    return CreateRoutine(name, rest, returns_trigger)


# ---------------------------------------------------------------------------------------------------------- ALTER, DROP


def _alter(reader: Reader) -> Shape:
    kind = _kind(reader)
    if kind in _TABLE_LIKE:
        return alter_table(reader)
    if kind in _ROLES:
        return Role(folded(reader.next()), texts(reader.rest()))
    reader.take_if_exists()
    name = reader.name()
    if name is None:
        return Other(("ALTER", kind))
    if kind in ("FUNCTION", "PROCEDURE", "ROUTINE", "AGGREGATE"):
        reader.group()
    if kind == "TYPE" and reader.take("ADD", "VALUE"):
        is_lenient, at = reader.take_if_exists(), reader.start
        return AddEnumValue(name, text_of(reader.next()) if is_text(reader.peek()) else "", at, is_lenient)
    on = _table_of(reader) if kind in ("TRIGGER", "POLICY", "RULE") else None
    at = reader.start
    return AlterObject(kind, on or name, texts(reader.rest()), at)


def _drop(reader: Reader) -> Shape:
    kind = _kind(reader)
    if kind in _ROLES:
        return Other(("DROP", kind))
    is_concurrent = reader.take("CONCURRENTLY")
    is_lenient = reader.take_if_exists()
    on: Name | None = None
    names: tuple[Name, ...]
    if kind in ("TRIGGER", "POLICY", "RULE"):
        name = reader.name()
        names = (name,) if name else ()
        on = reader.name() if reader.take("ON") else None
    else:
        names = _dropped(reader)
    return Drop(kind, names, is_concurrent, is_lenient, "CASCADE" in texts(reader.rest()), on)


def _dropped(reader: Reader) -> tuple[Name, ...]:
    """Names, each of which may have the arguments of a routine behind it."""
    found = []
    while (name := reader.name()) is not None:
        found.append(name)
        reader.group()
        if not reader.take(","):
            break
    return tuple(found)


# --------------------------------------------------------------------------------------------------------------- others


def _truncate(reader: Reader) -> Shape:
    reader.take("TABLE")
    return Truncate(reader.names(), "CASCADE" in texts(reader.rest()))


def _lock(reader: Reader) -> Shape:
    reader.take("TABLE")
    tables = reader.names()
    if not reader.take("IN"):
        return LockTables(tables)
    return LockTables(tables, " ".join(texts(reader.until("MODE"))))


def _maintenance(verb: str) -> Callable[[Reader], Shape]:
    def parse(reader: Reader) -> Shape:
        options = texts(reader.group())
        while option := reader.take_any("FULL", "FREEZE", "VERBOSE", "ANALYZE", "CONCURRENTLY"):
            options = (*options, option)
        target = ""
        if verb in ("REINDEX", "REFRESH"):
            target = _kind(reader)
        is_concurrent = reader.take("CONCURRENTLY") or "CONCURRENTLY" in options
        return Maintenance(verb, target, reader.name(), options, is_concurrent)

    return parse


def _grant(reader: Reader) -> Shape:
    rights = texts(reader.until("ON", "TO"))
    on = ""
    if reader.take("ON"):
        on = " ".join(texts(reader.until("TO")))
    reader.take("TO")
    to = names_in(reader.until("WITH", "GRANTED"))
    return Grant(rights, on, to)


def _revoke(reader: Reader) -> Shape:
    reader.take_any("GRANT", "ADMIN", "INHERIT", "SET") and reader.take("OPTION", "FOR")
    rights = texts(reader.until("ON", "FROM"))
    on, names = "", list[Name]()
    if reader.take("ON"):
        if reader.peek() == "ALL":
            on = " ".join(texts(reader.until("FROM"))).lower()
        else:
            on = _kind(reader).lower() if _OBJECTS.intersection((reader.peek(), reader.peek(1))) else "table"
        for part in Reader(reader.until("FROM")).parts():
            names += [name] if (name := part.name()) else []
    reader.take("FROM")
    return Revoke(rights, on, tuple(names), names_in(reader.until("GRANTED", "CASCADE", "RESTRICT")))


def _copy(reader: Reader) -> Shape:
    table = reader.name()
    reader.group()
    return Copy(table) if table is not None and reader.take("FROM") else Other(("COPY",))


_TAG = re.compile(r"\$[^$]*\$").match


def _do(reader: Reader) -> Shape:
    words = reader.words
    language = next((after.text for word, after in pairwise(words) if word.text == "LANGUAGE"), "")
    body = next((word for word in words if word.text.startswith("$")), None)
    tag = _TAG(body.text) if body else None
    if body is None or tag is None or folded(language.strip("'")) not in ("", "plpgsql"):
        return Block(None)
    return Block(text_of(body.text), body.start + tag.end())


_PARSERS: dict[str, Callable[[Reader], Shape]] = {
    "ALTER": _alter,
    "ANALYZE": _maintenance("ANALYZE"),
    "CLUSTER": _maintenance("CLUSTER"),
    "COPY": _copy,
    "CREATE": _create,
    "DELETE": changes,
    "DO": _do,
    "DROP": _drop,
    "GRANT": _grant,
    "INSERT": changes,
    "LOCK": _lock,
    "MERGE": changes,
    "REFRESH": _maintenance("REFRESH"),
    "REINDEX": _maintenance("REINDEX"),
    "REVOKE": _revoke,
    "TRUNCATE": _truncate,
    "UPDATE": changes,
    "VACUUM": _maintenance("VACUUM"),
    "WITH": changes,
}
