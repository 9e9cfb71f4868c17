"""What a statement means for transactions and for recovery, decided from its tokens. Pure: text in, values out.

Quoted names never count as keywords, nor does anything in strings and comments. The list of what PostgreSQL refuses
inside a transaction block follows the calls of ``PreventInTransactionBlock`` in its source, and was measured on 13-18.
"""

from __future__ import annotations

import re
from enum import StrEnum
from itertools import islice, pairwise, takewhile
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.model import StatementKind
from dbmigrate.sql import LexerError, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

__all__ = [
    "FALSE",
    "IndexAction",
    "IndexOperation",
    "IndexTarget",
    "classify",
    "first_word",
    "index_operation",
    "is_bare",
    "is_plain",
    "label",
    "option_list",
    "releases_slot",
    "sets_session",
]

Words = tuple[str, ...]

_KEYWORD = re.compile(r"[A-Za-z_]++(?![^\x00-#%-/:-@\[-\^`{-\x7f])").match
_NAME = re.compile(r"[^\x00-@\[-\^`{-\x7f][^\x00-#%-/:-@\[-\^`{-\x7f]*+").fullmatch
_SECOND_WORD = re.compile(r"[A-Za-z]++[ \t\n\r\f\v]++([A-Za-z_]++)(?![^\x00-#%-/:-@\[-\^`{-\x7f])").match
_MAY_DETACH = re.compile("[dD][eE][tT][aA][cC][hH]").search
_LONGEST_HEAD = 12  # words: ALTER TABLE IF EXISTS ONLY database.schema.table DETACH PARTITION
_SET_CONFIG = re.compile(r"SELECT (PG_CATALOG \. )?SET_CONFIG \( [^()]* \)").fullmatch
FALSE = frozenset(("FALSE", "OFF", "0"))
# after these PL/pgSQL begins a statement
_OPENERS = frozenset((";", "BEGIN", "THEN", "ELSE", "LOOP", ">>"))
_LABELS = re.compile(
    "ALL|AND|CHAIN|CONCURRENTLY|DATABASE|FULL|INDEX|PREPARED|SCHEMA|SUBSCRIPTION|SYSTEM|TABLE|TABLESPACE|TRANSACTION"
    "|UNIQUE|WORK"
).fullmatch
_ESCAPES = {"n": "\n", "t": " ", "r": "\n", "b": " ", "f": " "}
_NAME_BYTES = 63  # NAMEDATALEN - 1: longer names are cut off by the server


def first_word(sql: str) -> str:
    """The word that a statement begins with, in upper case; empty where it begins with something else."""
    match = _KEYWORD(sql)
    return match.group().upper() if match else ""


def classify(sql: str) -> StatementKind:
    """What kind of statement this is; `sql` begins with its first word, as `Statement.sql` does.

    OUTSIDE are those that the server always refuses inside a transaction block (SQLSTATE 25001), and a DO block that
    commits (2D000). What depends on the database (REINDEX of a partitioned table, CALL) is PLAIN.
    """
    first = first_word(sql)
    if first in _CONTROLS:
        return _CONTROLS[first](_head(sql, 3))
    is_refused = _REFUSED.get(first)
    return StatementKind.OUTSIDE if is_refused and is_refused(sql) else StatementKind.PLAIN


def is_plain(sql: str) -> bool:
    """Whether a statement means nothing for the transaction that it runs in, nor for what comes after it."""
    return classify(sql) is StatementKind.PLAIN and not releases_slot(sql)


def is_bare(sql: str) -> bool:
    """Whether a BEGIN or COMMIT has no options: ``BEGIN WORK``, but not ``BEGIN READ ONLY`` or ``COMMIT AND CHAIN``."""
    tokens = " ".join(_without_semicolon(words(sql)))
    return (
        re.fullmatch(r"(BEGIN|COMMIT|END)( WORK| TRANSACTION)?( AND NO CHAIN)?|START TRANSACTION", tokens) is not None
    )


def label(sql: str) -> str:
    """How a message names a statement: its first keywords, without the names in it."""
    head = _head(sql, _LONGEST_HEAD)
    tokens = [*head[:1], *takewhile(_LABELS, head[1:])]
    if tokens == ["ALTER", "TABLE"] and "DETACH" in head:
        tokens += ["... DETACH PARTITION CONCURRENTLY"]
    elif tokens == ["DO"]:
        tokens += ["with a COMMIT or ROLLBACK in its body"]
    return " ".join(tokens)


def releases_slot(sql: str) -> bool:
    """Whether this is ALTER SUBSCRIPTION .. SET (slot_name = NONE), after which DROP SUBSCRIPTION needs no slot."""
    if sql[:5].upper() != "ALTER" or _second_word(sql) != "SUBSCRIPTION":
        return False
    return _options(tuple(words(sql))).get("SLOT_NAME") == "NONE"


def sets_session(sql: str) -> bool:
    """Whether a statement does nothing but change settings or the role of the session, beyond its transaction."""
    head = _head(sql, _LONGEST_HEAD)
    if head[:1] == ("SET",):
        return head[1] not in ("LOCAL", "TRANSACTION", "CONSTRAINTS") if len(head) > 1 else False
    return head[:1] == ("RESET",) or _SET_CONFIG(" ".join(_without_semicolon(head))) is not None


# ----------------------------------------------------------------------------------------------- transaction control


def _head(sql: str, count: int) -> Words:
    return tuple(islice(words(sql), count))


def _without_semicolon(tokens: Iterable[str]) -> Words:
    return tuple(word for word in tokens if word != ";")


def _start(head: Words) -> StatementKind:
    return StatementKind.BEGIN if head[1:2] == ("TRANSACTION",) else StatementKind.PLAIN


def _commit(head: Words) -> StatementKind:
    return StatementKind.OUTSIDE if head[1:2] == ("PREPARED",) else StatementKind.COMMIT


def _rollback(head: Words) -> StatementKind:
    if head[1:2] == ("PREPARED",):
        return StatementKind.OUTSIDE
    return StatementKind.PLAIN if "TO" in head[1:3] else StatementKind.ROLLBACK


def _prepare(head: Words) -> StatementKind:
    """PREPARE TRANSACTION 'id'; but ``PREPARE transaction AS ...`` is a prepared statement of that name."""
    is_two_phase = head[1:2] == ("TRANSACTION",) and head[2:3] not in (("AS",), ("(",))
    return StatementKind.TWO_PHASE if is_two_phase else StatementKind.PLAIN


_CONTROLS: dict[str, Callable[[Words], StatementKind]] = {
    "ABORT": lambda _: StatementKind.ROLLBACK,
    "BEGIN": lambda _: StatementKind.BEGIN,
    "COMMIT": _commit,
    "END": lambda _: StatementKind.COMMIT,
    "PREPARE": _prepare,
    "ROLLBACK": _rollback,
    "START": _start,
}


# ------------------------------------------------------------------------------------- refused in a transaction block


def _second_word(sql: str) -> str:
    """Found without a look at every token, because it is enough for most statements."""
    match = _SECOND_WORD(sql)
    return match[1].upper() if match else "".join(_head(sql, 2)[1:])


def _create(sql: str) -> bool:
    second = _second_word(sql)
    if second == "SUBSCRIPTION":
        options = _options(tuple(words(sql)))
        return options.get("CREATE_SLOT", options.get("CONNECT")) not in FALSE
    if second == "INDEX":
        return _head(sql, 3)[2:] == ("CONCURRENTLY",)
    if second == "UNIQUE":
        return _head(sql, 4)[2:] == ("INDEX", "CONCURRENTLY")
    return second in ("DATABASE", "TABLESPACE")


def _drop(sql: str) -> bool:
    second = _second_word(sql)
    if second == "INDEX":
        return _head(sql, 3)[2:] == ("CONCURRENTLY",)
    return second in ("DATABASE", "TABLESPACE", "SUBSCRIPTION")


def _alter(sql: str) -> bool:
    second = _second_word(sql)
    if second == "SUBSCRIPTION":
        return _alters_live_subscription(_without_semicolon(words(sql)))
    if second == "TABLE":
        return _detaches_concurrently(sql)
    return second == "SYSTEM" or (second == "DATABASE" and _head(sql, 5)[3:] == ("SET", "TABLESPACE"))


def _detaches_concurrently(sql: str) -> bool:
    if not _MAY_DETACH(sql) or ("DETACH", "PARTITION") not in pairwise(_head(sql, _LONGEST_HEAD)):
        return False
    return _without_semicolon(words(sql))[-1] == "CONCURRENTLY"


def _alters_live_subscription(tokens: Words) -> bool:
    action, options = tokens[3:5], _options(tokens)
    if action[:1] == ("REFRESH",):
        return True
    if action[1:] == ("PUBLICATION",):  # SET, ADD, DROP
        return options.get("REFRESH") not in FALSE
    return action[:1] == ("SET",) and not {"FAILOVER", "TWO_PHASE"}.isdisjoint(options)


def _reindex(sql: str) -> bool:
    options, rest = option_list(_without_semicolon(words(sql))[1:])
    is_concurrent = rest[1:2] == ("CONCURRENTLY",) or _is_concurrent(options)
    return is_concurrent or rest[:1] in (("SCHEMA",), ("DATABASE",), ("SYSTEM",))


def _cluster(sql: str) -> bool:
    """CLUSTER, and REPACK of PostgreSQL 19, of all tables."""
    options, rest = option_list(_without_semicolon(words(sql))[1:])
    tables = rest[1:] if rest[:1] == ("VERBOSE",) else rest
    return _is_concurrent(options) or tables[:1] in ((), ("USING",))


def _discard(sql: str) -> bool:
    return _second_word(sql) == "ALL"


def _do(sql: str) -> bool:
    """Whether a DO block in PL/pgSQL has a COMMIT or ROLLBACK of its own."""
    tokens = tuple(words(sql))
    language = next((word for before, word in pairwise(tokens) if before == "LANGUAGE"), "plpgsql")
    bodies = [word for before, word in pairwise(tokens) if before != "LANGUAGE" and _is_text(word)]
    if not bodies or language.strip("'\"").upper() != "PLPGSQL":
        return False
    try:
        body = ("BEGIN", *words(_unquoted(bodies[0])))
    except LexerError:
        return False  # the server will say what is wrong with it
    return any(
        word in ("COMMIT", "ROLLBACK") and before in _OPENERS and after in (";", "AND")
        for before, word, after in zip(body, body[1:], body[2:], strict=False)
    )


_REFUSED: dict[str, Callable[[str], bool]] = {
    "ALTER": _alter,
    "CLUSTER": _cluster,
    "CREATE": _create,
    "DISCARD": _discard,
    "DO": _do,
    "DROP": _drop,
    "REINDEX": _reindex,
    "REPACK": _cluster,
    "VACUUM": lambda _: True,
}


# ----------------------------------------------------------------------------------------------- options and literals


def _options(tokens: Words) -> dict[str, str]:
    """The options in the first parentheses of a statement, names in upper case."""
    return option_list(tokens[tokens.index("(") :])[0] if "(" in tokens else {}


def option_list(tokens: Words) -> tuple[dict[str, str], Words]:
    """``(NAME [=] value, ..)`` at the beginning of `tokens`, and what comes after it. No value means TRUE."""
    if tokens[:1] != ("(",):
        return {}, tokens
    end = tokens.index(")") if ")" in tokens else len(tokens)
    found: dict[str, str] = {}
    name = ""
    for before, word in pairwise(tokens[:end]):
        if before in ("(", ","):
            name = word
            found[name] = "TRUE"
        elif word not in ("=", ","):
            found[name] = word.strip("'").upper()
    return found, tokens[end + 1 :]


def _is_concurrent(options: Mapping[str, str]) -> bool:
    return options.get("CONCURRENTLY", "FALSE") not in FALSE


def _is_text(word: str) -> bool:
    return word[:1] == "$" or word[:1] == "'" or word[:2] in ("E'", "e'")


def _unquoted(literal: str) -> str:
    """The text of a string literal; of its escapes only those that matter for telling words apart."""
    if literal.startswith("$"):
        tag = literal[: literal.index("$", 1) + 1]
        return literal[len(tag) : -len(tag)]
    text = literal[literal.index("'") + 1 : -1].replace("''", "'")
    if literal.startswith("'"):
        return text
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), text, flags=re.DOTALL)


# --------------------------------------------------------------------------------------- concurrent index operations


class IndexAction(StrEnum):
    CREATE = "create"
    DROP = "drop"
    REINDEX = "reindex"


class IndexTarget(StrEnum):
    """What the name in the statement is the name of."""

    INDEX = "index"
    TABLE = "table"
    SCHEMA = "schema"
    DATABASE = "database"
    SYSTEM = "system"


@frozen
class IndexOperation:
    """A CREATE INDEX, DROP INDEX or REINDEX with CONCURRENTLY, its names folded and unquoted as the server does.

    `name` is that of `target`; None for CREATE INDEX without a name and for REINDEX of the current database. For
    CREATE INDEX `table` is the table and `schema` the table's, which will be the index's. `schema` is None where the
    statement leaves it to search_path. `is_lenient`: IF NOT EXISTS or IF EXISTS.
    """

    action: IndexAction
    target: IndexTarget
    schema: str | None = None
    name: str | None = None
    table: str | None = None
    is_unique: bool = False
    is_lenient: bool = False


def index_operation(sql: str) -> IndexOperation | None:
    """The concurrent index operation that `sql` is; None if it is another statement, or its names are unknown."""
    parse = _INDEX_PARSERS.get(first_word(sql))
    if parse is None:
        return None
    try:
        return parse(_Cursor(islice(words(sql), 64)))
    except _NotUnderstoodError:
        return None


class _NotUnderstoodError(Exception):
    """The words do not follow the grammar that was tried."""


class _Cursor:
    """Words taken one after the other."""

    def __init__(self, tokens: Iterator[str]) -> None:
        self._tokens = tuple(tokens)
        self._at = 0

    def take(self, *expected: str) -> bool:
        """Step over these words if they come next."""
        found = self._tokens[self._at : self._at + len(expected)] == expected
        if found:
            self._at += len(expected)
        return found

    def need(self, *expected: str) -> None:
        if not self.take(*expected):
            raise _NotUnderstoodError

    def rest(self) -> Words:
        return self._tokens[self._at :]

    def skip_to(self, rest: Words) -> None:
        self._at = len(self._tokens) - len(rest)

    def name(self) -> str:
        rest = self.rest()
        if not rest:
            raise _NotUnderstoodError
        self._at += 1
        return _folded(rest[0])

    def qualified(self) -> tuple[str | None, str]:
        """``[[database.]schema.]name``"""
        parts = [self.name()]
        while self.take("."):
            parts.append(self.name())
        return (parts[-2] if len(parts) > 1 else None), parts[-1]


def _folded(word: str) -> str:
    if word.startswith('"'):
        name = word[1:-1].replace('""', '"')
    elif _NAME(word):
        name = re.sub("[A-Z]+", lambda match: match.group().lower(), word)  # ASCII only, as the server folds
    else:  # a U&"" name, or no name at all
        raise _NotUnderstoodError
    return name.encode()[:_NAME_BYTES].decode(errors="ignore")


def _parse_create(cursor: _Cursor) -> IndexOperation:
    cursor.need("CREATE")
    is_unique = cursor.take("UNIQUE")
    cursor.need("INDEX", "CONCURRENTLY")
    is_lenient = cursor.take("IF", "NOT", "EXISTS")
    name = None if cursor.rest()[:1] == ("ON",) else cursor.name()
    cursor.need("ON")
    cursor.take("ONLY")
    schema, table = cursor.qualified()
    return IndexOperation(
        IndexAction.CREATE, IndexTarget.INDEX, schema, name, table, is_unique=is_unique, is_lenient=is_lenient
    )


def _parse_drop(cursor: _Cursor) -> IndexOperation:
    cursor.need("DROP", "INDEX", "CONCURRENTLY")
    is_lenient = cursor.take("IF", "EXISTS")
    schema, name = cursor.qualified()
    return IndexOperation(IndexAction.DROP, IndexTarget.INDEX, schema, name, is_lenient=is_lenient)


def _parse_reindex(cursor: _Cursor) -> IndexOperation:
    cursor.need("REINDEX")
    options, rest = option_list(cursor.rest())
    cursor.skip_to(rest)
    target = cursor.name()
    if target not in IndexTarget.__members__.values():
        raise _NotUnderstoodError
    if not cursor.take("CONCURRENTLY") and not _is_concurrent(options):
        raise _NotUnderstoodError
    schema, name = cursor.qualified() if cursor.rest() not in ((), (";",)) else (None, None)
    return IndexOperation(IndexAction.REINDEX, IndexTarget(target), schema, name)


_INDEX_PARSERS: dict[str, Callable[[_Cursor], IndexOperation]] = {
    "CREATE": _parse_create,
    "DROP": _parse_drop,
    "REINDEX": _parse_reindex,
}
