"""The effects that a migration has outside its database: on the server, on files and other servers, or unknown.

Roles, tablespaces, settings, and the privileges and comments of a database belong to the server: a migration that
changes them in a scratch database changes them for the target beside it. So only statements of kinds that are known to
stay inside their database count as such; everything else is `Effects.SERVER`, and a false alarm costs no more than
another server. Code is read as well: the bodies of functions and DO blocks. SQL that is put together when it runs, and
code in languages that are not read here, is `Effects.DYNAMIC_SQL`.
https://www.postgresql.org/docs/current/manage-ag-overview.html
"""

from __future__ import annotations

import mmap
import re
from contextlib import closing
from enum import Flag, auto
from functools import reduce
from itertools import islice
from operator import or_
from typing import TYPE_CHECKING

from dbmigrate.connection import database
from dbmigrate.errors import ConfigError, Refused
from dbmigrate.migrations import conditions, parser, plain_sql
from dbmigrate.model import Place, Statement
from dbmigrate.sql import LexerError, words
from dbmigrate.sql.statements import FALSE, first_word, option_list

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dbmigrate.connection.database import Connection
    from dbmigrate.model import Migration


class Effects(Flag):
    """What a text may do outside the database that it runs in."""

    NONE = 0
    SERVER = auto()  # change what belongs to the whole server
    DATABASE = auto()  # name a database, which has another name on a scratch server
    DYNAMIC_SQL = auto()  # run SQL that is not in the text
    EXTERNAL = auto()  # run programs, read or write files, connect to other servers
    NO_TRANSACTION = auto()  # what one of its statements did stays when another one fails
    SETTINGS = (
        auto()
    )  # ALTER SYSTEM, subscriptions that connect: `impact.measure` leaves them out, a rehearsal would run them


BEYOND_DATABASE = Effects.SERVER | Effects.DYNAMIC_SQL | Effects.EXTERNAL | Effects.SETTINGS

# -------------------------------------------------------------------------------------------------------- whole texts

_GAP = r"(?:\s|--[^\n]*\n|/\*.{0,1000}?\*/)+"  # between two words
_SHARED = r"(?:role|user(?!\s+mapping)|group|tablespace|database|system|subscription|parameter)\b"
_FORMS = (
    rf"(?:create|alter|drop)~{_SHARED}",
    rf"(?:comment~on|security~label~(?:for~\S+~)?on)~{_SHARED}",
    rf"(?:grant|revoke)\b[^;]{{1,500}}?\bon~{_SHARED}",
    r"grant\b(?:(?!\bon\b)[^;]){1,500}?\bto\b",  # a role to a role
    r"revoke\b(?:(?!\bon\b)[^;]){1,500}?\bfrom\b",
    r"(?:drop|reassign)~owned\b",  # takes privileges on databases and tablespaces as well
    r"(?:update|insert~into|delete~from)~(?:only~)?(?:pg_catalog\.)?"
    r"pg_(?:authid|auth_members|database|db_role_setting|tablespace|shdescription|shseclabel|subscription)\b",
    r"pg_(?:create|drop|copy)_\w*replication_slot|pg_replication_\w+|pg_logical_\w+|pg_(?:sync|wal)_replication_\w+",
    r"pg_(?:reload_conf|terminate_backend|cancel_backend|promote|switch_wal|rotate_logfile|create_restore_point)\b",
    r"pg_(?:wal_replay|backup|start_backup|stop_backup|stat_reset|file|log_backend)\w*",
    r"prepare~transaction\b",
)
_ON_SERVER = re.compile(rf"\b(?:{'|'.join(_FORMS)})".replace("~", _GAP).encode(), re.IGNORECASE | re.DOTALL)
_NAMES_DATABASE = re.compile(
    r"\b(?:alter|drop|on)~database~(?!current\b)\S".replace("~", _GAP).encode(), re.IGNORECASE | re.DOTALL
)
# a text without any of these words needs no closer look: data files have millions of statements
_SUSPECT = re.compile(
    rb"\bexecute\b|_to_xml|\bts_(?:stat|rewrite)|\blanguage\b|\bcopy\b|dblink|pg_read_|pg_ls_|pg_stat_file|pg_file_|lo_"
    rb"|\bimport\b|\bmapping\b|\bload\b|\bsubscription\b|\bsystem\b|U&|\bforeign\b|http|\bcron\b|crosstab|connectby",
    re.IGNORECASE,
)

# ---------------------------------------------------------------------------------------------- statement by statement

_WORDS = re.compile(r"\S+").findall
_INSIDE = frozenset(
    _WORDS(
        "INSERT UPDATE DELETE MERGE SELECT WITH VALUES TABLE COPY TRUNCATE ANALYZE ANALYSE VACUUM REINDEX CLUSTER"
        " REFRESH LOCK SET RESET SHOW BEGIN START COMMIT END ROLLBACK ABORT SAVEPOINT RELEASE DECLARE FETCH MOVE"
        " CLOSE DISCARD DEALLOCATE EXPLAIN NOTIFY LISTEN UNLISTEN DO CALL GRANT REVOKE"
    )
)
_OF_OBJECTS = frozenset(("CREATE", "ALTER", "DROP", "COMMENT", "SECURITY"))
_OBJECTS = frozenset(
    _WORDS(
        "TABLE INDEX VIEW MATERIALIZED SEQUENCE TYPE DOMAIN SCHEMA FUNCTION PROCEDURE ROUTINE TRIGGER RULE POLICY"
        " AGGREGATE OPERATOR CAST COLLATION CONVERSION STATISTICS TEXT EXTENSION PUBLICATION COLUMN EVENT FOREIGN"
        " SERVER TRANSFORM LARGE DEFAULT USER CONSTRAINT"
    )
)
_BEFORE_OBJECT = frozenset(
    (
        "OR",
        "REPLACE",
        "TEMP",
        "TEMPORARY",
        "UNLOGGED",
        "GLOBAL",
        "LOCAL",
        "UNIQUE",
        "RECURSIVE",
        "ON",
        "LABEL",
    )
)
# extensions that make nothing but objects in their database
_KNOWN_EXTENSIONS = frozenset(
    _WORDS(
        "amcheck autoinc bloom btree_gin btree_gist citext cube dict_int dict_xsyn earthdistance fuzzystrmatch"
        " hstore insert_username intagg intarray isn lo ltree moddatetime pageinspect pg_buffercache"
        " pg_freespacemap pg_stat_statements pg_trgm pg_visibility pgcrypto pgrowlocks pgstattuple plpgsql refint"
        " seg sslinfo tablefunc tcn tsm_system_rows tsm_system_time unaccent uuid-ossp vector xml2 postgis"
    )
)
_READ_LANGUAGES = frozenset(("SQL", "PLPGSQL", "'SQL'", "'PLPGSQL'", '"SQL"', '"PLPGSQL"'))
_CODE = frozenset(("FUNCTION", "PROCEDURE"))
_EXTERNAL = re.compile(
    r"\bCOPY\b[^;]{0,4000}?\b(?:FROM|TO)\s+(?:PROGRAM\b|E?'|\$)|\bDBLINK\w*\"?\s*\(|\bPG_READ_(?:BINARY_)?FILE\b"
    r"|\bPG_LS_\w+|\bPG_STAT_FILE\b|\bPG_FILE_\w+|\bLO_(?:IMPORT|EXPORT)\b|\bIMPORT\s+FOREIGN\s+SCHEMA\b"
    r"|\bCREATE\s+USER\s+MAPPING\b|\bCREATE\s+FOREIGN\s+TABLE\b[^;]*\b(?:PROGRAM|FILENAME)\b|\bHTTP_\w+\s*\("
    r"|\bNET\s*\.\s*HTTP|\bCRON\s*\.\s*\w+\s*\(",
    re.IGNORECASE | re.DOTALL,
)
_RUNS_DYNAMIC_SQL = re.compile(
    r"\b\w+_TO_XML\w*|\bTS_(?:STAT|REWRITE)\b|\bCROSSTAB\w*|\bCONNECTBY\b|\bU&", re.IGNORECASE
)
# what EXECUTE is given whole: a literal, or format() of one with quoted parts only
_CONSTANT = re.compile(r"'(?:[^'\\]|'')*'|\$(\w*)\$.*\$\1\$", re.DOTALL).fullmatch
_QUOTED_FORMAT = re.compile(r"(?:[^%]|%%|%(?:\d+\$)?-?\d*[IL])*", re.DOTALL).fullmatch
_AFTER_CONSTANT = frozenset((";", "USING", "INTO", "LOOP"))
_BODY = re.compile(r"\$(\w*)\$(.*)\$\1\$|[eE]?'(.*)'", re.DOTALL).fullmatch
_FUNCTIONS = """
select p.prosrc, l.lanname::text from pg_catalog.pg_proc p join pg_catalog.pg_language l on l.oid = p.prolang
where p.pronamespace not in
    (select oid from pg_catalog.pg_namespace where nspname in ('pg_catalog', 'information_schema'))
  and not exists (select from pg_catalog.pg_depend d
    where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = p.oid and d.deptype = 'e')
"""
_FOREIGN_ACCESS = """
select exists (select from pg_catalog.pg_foreign_server)
       or exists (select from pg_catalog.pg_extension
         where extname ~ '(fdw|^dblink|^pl.*u|^plsh|^plr|^adminpack|^http|^pg_net|^pg_cron)')
"""

# by path and checksum: a command asks more than once, and a file may have millions of statements
_seen: dict[tuple[str, str], Effects] = {}


def of_all(migrations: Iterable[Migration]) -> Effects:
    """What any of them may do. Raises ConfigError E207."""
    return reduce(or_, map(of, migrations), Effects.NONE)


def of(migration: Migration) -> Effects:
    """What one of its directions may do. Raises ConfigError E207."""
    key = (migration.file.path, migration.checksum)
    if key not in _seen:
        is_whole = all(section.transaction for section in migration.sections)
        _seen[key] = _of_file(migration) | (Effects.NONE if is_whole else Effects.NO_TRANSACTION)
    return _seen[key]


def _of_file(migration: Migration) -> Effects:
    texts = [text for text in (migration.up_sql, migration.down_sql) if text]
    if texts:
        texts += [query.sql for query in _queries(migration)]  # one above the first header is in no section
        return reduce(or_, (_of_text(text.encode()) for text in texts)) | _closely(migration, "".join(texts).encode())
    try:  # the text of a large file is not kept; it is looked at where it is, without being read into memory
        with open(migration.file.path, "rb") as file, closing(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)) as text:
            return _of_text(text) | _closely(migration, text)
    except OSError as exc:
        raise ConfigError(f"cannot read {migration.file.path}: {exc.strerror}", code="E207") from exc


def of_sql(text: str) -> Effects:
    """What a text without sections, as a schema file, may do."""
    found = _of_text(text.encode())
    return found | reduce(or_, (_of_statement(each.sql, is_suspect=True) for each in plain_sql.split_sql(text)), found)


def of_functions(conn: Connection) -> Effects:
    """What functions that are in a database already may do when a migration calls them, or one of their triggers."""
    found = Effects.NONE
    for source, language in database.query(conn, _FUNCTIONS):
        if str(language).upper() not in _READ_LANGUAGES:
            found |= Effects.DYNAMIC_SQL
            continue
        text = str(source or "")
        found |= _of_text(text.encode()) | _of_code(list(_words(text)))
    if database.query(conn, _FOREIGN_ACCESS) == [(True,)]:
        found |= Effects.EXTERNAL
    return found


def refuse_external_effects(migration: Migration, *, also: Effects = Effects.NONE) -> None:
    """Raise Refused E722 with the place if a migration runs programs, uses files or connects to other servers."""
    unwanted = Effects.EXTERNAL | also
    if not of(migration) & unwanted:
        return
    place = Place(migration.file.path, 1)
    for statement in _sent(migration):
        if place.line == 1 and _of_statement(statement.sql, is_suspect=True) & unwanted:
            place = Place(migration.file.path, statement.line, statement.column)
    raise not_tried(f"{migration.name} runs a program, uses files of the server or connects to other servers", place)


def not_tried(why: str, place: Place | None) -> Refused:
    """The error for a migration that is not run, because of what it could do outside of the scratch database."""
    error = Refused(
        f"not run on a scratch database: {why}",
        code="E722",
        place=place,
        hint="review the SQL; if it may run on a server, name that one with --scratch-url",
    )
    error.state = "nothing was changed"
    return error


def _of_text(text: bytes | mmap.mmap) -> Effects:
    found = Effects.SERVER if _ON_SERVER.search(text) else Effects.NONE
    return found | Effects.DATABASE if _NAMES_DATABASE.search(text) else found


def _closely(migration: Migration, text: bytes | mmap.mmap) -> Effects:
    is_suspect = _SUSPECT.search(text) is not None
    found = Effects.NONE
    for statement in _sent(migration):
        found |= _of_statement(statement.sql, is_suspect=is_suspect)
    return found


def _sent(migration: Migration) -> Iterator[Statement]:
    """The statements, and the queries of the conditions."""
    for section in migration.sections:
        yield from parser.statements(migration, section)
    yield from _queries(migration)


def _queries(migration: Migration) -> Iterator[Statement]:
    for annotation in migration.annotations:
        if annotation.key in conditions.KEYS:
            yield Statement(annotation.value, annotation.place.line, annotation.place.column)


def _of_statement(sql: str, *, is_suspect: bool) -> Effects:
    word = first_word(sql)
    if word in _INSIDE and not is_suspect and word != "DO":
        return Effects.NONE
    head = tuple(islice(_words(sql), 12))
    found = _of_head(head)
    if word == "DO" or (word == "CREATE" and _CODE & {*head[:4]}):
        return found | _of_program(list(_words(sql)))
    if not is_suspect:
        return found
    tokens = list(_words(sql))
    code = [token for token in tokens if not _is_literal(token) or word == "COPY"]
    return found | _of_code(code) | _of_options(sql, head)


def _of_head(head: Sequence[str]) -> Effects:
    """Whether the statement is of a kind that stays inside the database."""
    word = head[0] if head else ""
    if word in _INSIDE or word in ("", ";", "("):
        return Effects.NONE
    if word not in _OF_OBJECTS:
        return Effects.SERVER
    rest = [token for token in head[1:] if token not in _BEFORE_OBJECT]
    kind = rest[0] if rest else ""
    if kind == "EXTENSION" and word == "CREATE":
        named = [token for token in rest[1:] if token not in ("IF", "NOT", "EXISTS")]
        is_known = named and named[0].strip('"').lower() in _KNOWN_EXTENSIONS
        return Effects.NONE if is_known else Effects.SERVER
    if kind == "USER" and rest[1:2] != ["MAPPING"]:
        return Effects.SERVER
    return Effects.NONE if kind in _OBJECTS else Effects.SERVER


def _of_options(sql: str, head: Sequence[str]) -> Effects:
    if head[:2] == ("ALTER", "SYSTEM"):
        return Effects.SETTINGS
    if head[:2] == ("CREATE", "SUBSCRIPTION"):
        tokens = tuple(_words(sql))
        options, _ = option_list(tokens[tokens.index("WITH") + 1 :] if "WITH" in tokens else ())
        return Effects.NONE if options.get("CONNECT") in FALSE else Effects.SETTINGS
    return Effects.EXTERNAL if head[:1] == ("LOAD",) else Effects.NONE


def _of_program(tokens: Sequence[str]) -> Effects:
    """A DO block or the making of a function: its language, and what its body says."""
    found = Effects.NONE
    for token, following in zip(tokens, [*tokens[1:], ""], strict=True):
        if token == "LANGUAGE" and following.upper() not in _READ_LANGUAGES:
            found |= Effects.DYNAMIC_SQL
        if (text := _unquoted(token)) is not None:
            found |= _of_code(list(_words(text)))
            found |= Effects.DYNAMIC_SQL if token[:1] in "eE" and "\\" in token else found
    return found | _of_code([token for token in tokens if not _is_literal(token)])


def _of_code(tokens: Sequence[str]) -> Effects:
    """What tokens of SQL or PL/pgSQL may do."""
    text = " ".join(tokens)
    found = Effects.EXTERNAL if _EXTERNAL.search(text) else Effects.NONE
    if _RUNS_DYNAMIC_SQL.search(text):
        found |= Effects.DYNAMIC_SQL
    for number, token in enumerate(tokens):
        if token == "EXECUTE" and tokens[number + 1 : number + 2] not in (["FUNCTION"], ["PROCEDURE"], ["ON"]):
            found |= _of_executed(tokens, number + 1)
    return found


def _of_executed(tokens: Sequence[str], start: int) -> Effects:
    """What ``EXECUTE`` is given: known where it is one literal, or one with names and values that format() quotes."""
    token = tokens[start] if start < len(tokens) else ""
    end = start + 1
    is_format = token == "FORMAT" and tokens[start + 1 : start + 2] == ["("]
    if is_format:
        token, end = tokens[start + 2] if start + 2 < len(tokens) else "", _closing(tokens, start + 1)
    if not _CONSTANT(token) or (tokens[end] if end < len(tokens) else ";") not in _AFTER_CONSTANT:
        return Effects.DYNAMIC_SQL
    text = _unquoted(token) or ""
    if is_format and not _QUOTED_FORMAT(text):
        return Effects.DYNAMIC_SQL
    inner = list(_words(text))
    if first_word(text.lstrip()) == "DO" or _CODE & {*inner[:4]}:
        return Effects.DYNAMIC_SQL
    return _of_head(inner[:12]) | _of_code(inner)


def _closing(tokens: Sequence[str], start: int) -> int:
    """The place behind the bracket that closes the one at `start`."""
    depth = 0
    for number in range(start, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[number], 0)
        if depth == 0:
            return number + 1
    return len(tokens)


def _unquoted(token: str) -> str | None:
    """What a literal holds; None for what is none."""
    body = _BODY(token)
    if body is None:
        return None
    return body[2] if body[2] is not None else body[3].replace("''", "'")


def _is_literal(token: str) -> bool:
    return token[:1] in ("'", "$") or token[:2] in ("E'", "e'", "N'", "n'", "B'", "b'", "X'", "x'")


def _words(text: str) -> Iterator[str]:
    """The tokens of code; what cannot be read as such is nothing that the server would run."""
    try:
        yield from words(text)
    except LexerError:
        yield from ("EXECUTE", "?")
