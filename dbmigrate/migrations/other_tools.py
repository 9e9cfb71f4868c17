"""Other migration tools, as data: how their files, their folders and their tables look. Pure; nothing is read here.

Several tools share the name ``schema_migrations``: a table is recognised by its columns and by what stands beside it.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = [
    "CANDIDATES",
    "IMPORTED",
    "NUMBERED",
    "HistoryTable",
    "is_dbmates",
    "is_of_platform",
    "pair",
    "project_of",
    "tool_of_comment",
    "tool_of_file",
    "tool_of_folder",
    "tool_of_table",
    "way_in",
]

NUMBERED = "numbered files"  # no tool: psql runs them, in an order that a script knows

# the tools whose projects `dbmigrate import` takes over, and what its --from calls them
IMPORTED = {
    "Diesel": "diesel",
    "Flyway": "flyway",
    "Liquibase": "liquibase",
    "Prisma": "prisma",
    "Sqitch": "sqitch",
    "Supabase": "supabase",
    "golang-migrate": "golang-migrate",
    "goose": "goose",
    "graphile-migrate": "graphile-migrate",
    "node-pg-migrate": "node-pg-migrate",
    NUMBERED: "numbered",
    "sql-migrate": "sql-migrate",
    "sqlx": "sqlx",
    "tern": "tern",
}


def way_in(tool: str | None, source: str = "SOURCE", *options: str) -> str | None:
    """The command that takes over what looks like a tool's; None where there is none for it."""
    name = IMPORTED.get(tool or "")
    return None if name is None else " ".join(("`dbmigrate import", source, "--from", name, *options)) + "`"


# --------------------------------------------------------------------------------------------------- comments and files

# Lines that a tool reads: goose parser.go, sql-migrate sqlparse.go, node-pg-migrate sqlMigration.ts, tern migrate.go,
# Liquibase AbstractFormattedChangeLogParser, Sqitch's templates, graphile-migrate header.ts, sqlx source.rs
_COMMENTS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("goose", re.compile(r"--[ \t]*\+goose[ \t]+(?:Up|Down|StatementBegin|NO TRANSACTION)\b", re.IGNORECASE)),
    ("sql-migrate", re.compile(r"--[ \t]*\+migrate[ \t]+(?:Up|Down|StatementBegin)\b", re.IGNORECASE)),
    ("node-pg-migrate", re.compile(r"--[\s-]*(?:up|down)\s+migration\b", re.IGNORECASE)),
    ("tern", re.compile(r"---- create above / drop below ----")),
)
_HEADS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("Liquibase", re.compile(r"\s*--[ \t]*liquibase[ \t]+formatted[ \t]+sql", re.IGNORECASE)),
    ("graphile-migrate", re.compile(r"--![ \t]*(?:Previous|Hash|Message):")),
    ("Sqitch", re.compile(r"\s*--[ \t]*(?:Deploy|Revert|Verify)[ \t]+\S+:\S+")),
    ("sqlx", re.compile(r"--[ \t]*no-transaction")),
    ("Atlas", re.compile(r"--[ \t]*atlas:(?:txmode|delimiter|checkpoint|txtar)")),
)
# A pair fits golang-migrate, sqlx, bun and node-pg-migrate's loader for SQL alike; it is called after the best known.
_NAMES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("Flyway", re.compile(r"[VUB][0-9][0-9._]*__.*\.sql|R__.*\.sql", re.IGNORECASE)),
    ("Flyway", re.compile(r"(?:before|after)(?:Each)?(?:Migrate|Clean|Validate|Undo|Repair|Info)\w*\.sql")),
    ("golang-migrate", re.compile(r".*[._](?:up|down)\.sql", re.IGNORECASE)),
    ("Diesel", re.compile(r"(?:up|down)\.sql")),
    ("Prisma", re.compile(r"migration\.sql")),
    (NUMBERED, re.compile(r"(?:rollback|undo|down|revert)[-_.]?[0-9]+.*\.sql", re.IGNORECASE)),
    (NUMBERED, re.compile(r"(?:v|version|migration|step)[-_.]?[0-9]+.*\.sql", re.IGNORECASE)),
)
_HALF = re.compile(r"(.*)[._](up|down)\.sql", re.IGNORECASE)
_UNDONE = re.compile(r"(.*)[._-](?:rollback|undo|down|revert)\.sql", re.IGNORECASE)
_FOLDERS = {"up.sql": "Diesel", "migration.sql": "Prisma"}


def tool_of_comment(comment: str) -> str | None:
    """The tool whose marker a line comment is."""
    return next((tool for tool, marker in _COMMENTS if marker.match(comment)), None)


def tool_of_file(name: str, head: str = "") -> str | None:
    """The tool whose format a file has, by its name and the beginning of its text; None where nothing is known."""
    by_head = next((tool for tool, marker in _HEADS if marker.match(head.removeprefix("\ufeff"))), None)
    by_line = (tool_of_comment(line.strip()) for line in head.splitlines() if line.lstrip().startswith("--"))
    return by_head or next(filter(None, by_line), None) or _tool_of_name(name)


def _tool_of_name(name: str) -> str | None:
    return next((tool for tool, pattern in _NAMES if pattern.fullmatch(name)), None)


def project_of(path: str) -> str:
    """The directory of the migrations that a file belongs to: some tools keep each one in a folder."""
    folder, name = os.path.split(path)
    return (os.path.dirname(folder) if name in _FOLDERS else folder) or "."


def pair(one: str, other: str) -> tuple[str, str] | None:
    """The tool that has a file of such a name for each direction of a migration, and what the names have in common."""
    halves = [_HALF.fullmatch(name) for name in sorted((one, other))]
    if all(halves) and {half[2].lower() for half in halves if half} == {"up", "down"}:
        stems = {half[1] for half in halves if half}
        return ("golang-migrate", stems.pop()) if len(stems) == 1 else None
    shorter, longer = sorted((one, other), key=len)
    undone = _UNDONE.fullmatch(longer)
    return (NUMBERED, undone[1]) if undone and shorter == f"{undone[1]}.sql" else None


def tool_of_folder(names: Collection[str]) -> tuple[str, str] | None:
    """The tool that keeps each migration in a folder with files of these names, and the file that it reads there."""
    return next(((tool, file) for file, tool in _FOLDERS.items() if file in names), None)


# --------------------------------------------------------------------------------------------------------------- tables


@frozen
class HistoryTable:
    """How a tool's history table looks.

    It has at least `columns`; `name` is its usual name where the columns alone say too little; `beside` are tables of
    which one has to stand in the same schema. `keys` are the columns that name a migration.
    """

    tool: str
    columns: frozenset[str]
    keys: tuple[str, ...]
    name: str | None = None
    beside: frozenset[str] = frozenset()


def _table(tool: str, columns: str, keys: str, *, name: str | None = None, beside: str = "") -> HistoryTable:
    return HistoryTable(tool, frozenset(columns.split()), tuple(keys.split()), name, frozenset(beside.split()))


# what tells more comes first
TABLES: tuple[HistoryTable, ...] = (
    _table("Flyway", "installed_rank version description type script checksum success", "version script"),
    _table("Liquibase", "id author filename orderexecuted md5sum", "filename"),
    _table("sqlx", "version description installed_on success checksum execution_time", "version"),
    _table("Prisma", "migration_name checksum finished_at rolled_back_at", "migration_name"),
    _table("Atlas", "version description applied total executed_at hash", "version"),
    _table("pgroll", "schema name migration parent done", "name"),
    _table("codd", "migration_timestamp applied_at name", "name"),
    _table("graphile-migrate", "hash previous_hash filename date", "filename"),
    _table("Sqitch", "change_id change project planned_at", "change"),
    _table("goose", "version_id is_applied tstamp", "version_id"),
    _table("yoyo", "migration_hash migration_id applied_at_utc", "migration_id"),
    _table("Supabase", "version statements name", "version"),
    _table("refinery", "version name applied_on checksum", "version"),
    _table("golang-migrate", "version dirty", "version"),
    _table("Ecto", "version inserted_at", "version"),
    _table("Diesel", "version run_on", "version"),
    _table("node-pg-migrate", "name run_on", "name"),
    _table("knex", "name batch migration_time", "name"),
    _table("Django", "app name applied", "name", name="django_migrations"),
    _table("TypeORM", "timestamp name", "name timestamp", name="migrations"),
    _table("Sequelize", "name", "name", name="SequelizeMeta"),
    _table("sql-migrate", "id applied_at", "id", name="gorp_migrations"),
    _table("Alembic", "version_num", "version_num"),
    _table("tern", "version", "version", name="schema_version"),
    _table("Rails", "version", "version", beside="ar_internal_metadata"),
)

# a regular expression of PostgreSQL for the names of tables that are worth a look, as `schema.table`, in lower case
CANDIDATES = (
    r"migrat|schema_(version|history|revision)|changelog$|alembic|goose_db|sequelizemeta|[.]changes$|db_version"
)
_HAND_MADE = re.compile(
    r"(?:schema_|db_|applied_)?migrations?|migration_(?:records|history|log|versions)|(?:schema|db)_(?:versions?|history)"
)
_HAND_MADE_KEYS = ("version", "migration", "migration_name", "filename", "file_name", "name", "script")
HAND_MADE = "a hand-made script"

_TEXT = ("character varying", "text")


def is_dbmates(columns: Mapping[str, str]) -> bool:
    """Whether these columns, types by name, are those of dbmate's table, which is ours."""
    return list(columns) == ["version"] and columns["version"] in _TEXT


def tool_of_table(
    name: str, columns: Mapping[str, str], neighbours: Collection[str] = ()
) -> tuple[str, tuple[str, ...]] | None:
    """The tool whose history a table is, and the columns that name its migrations.

    `columns` are types by name, `neighbours` the names of the other tables of its schema. None for a table that is
    dbmate's (and ours), and for one that is not a history.
    """
    for known in TABLES:
        fits = known.columns <= set(columns) and known.name in (None, name)
        if fits and (not known.beside or known.beside & set(neighbours)):
            return known.tool, known.keys
    keys = tuple(key for key in _HAND_MADE_KEYS if key in columns)
    if keys and _HAND_MADE.fullmatch(name) and not is_dbmates(columns):
        return HAND_MADE, keys
    return None


# ------------------------------------------------------------------------------------------------------------ platforms

# schemas that a platform makes in a user's database and migrates itself: Supabase, Hasura, Neon
_SUPABASE = {"auth", "storage", "realtime", "_realtime", "supabase_functions", "extensions", "graphql", "vault", "net"}
_SUPABASE |= {"graphql_public", "pgsodium", "pgbouncer", "cron", "_analytics", "_supavisor"}
_PLATFORM = frozenset(_SUPABASE | {"hdb_catalog", "neon", "neon_auth"})


def is_of_platform(schema: str) -> bool:
    """Whether a platform looks after this schema, so that what is in it is nobody's migration of this project."""
    return schema in _PLATFORM
