"""The migration tools whose projects can be taken over, by the names that ``--from`` takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from dbmigrate.importing.values import Tool

__all__ = ["COMPANIONS", "GUESSES_SUMS", "ON_PLATFORMS", "OWN_SCHEMAS", "TOOLS"]

# name -> the module of this package whose TOOL it is; imported when the tool is asked for
_MODULES: dict[str, str] = {
    "flyway": "flyway",
    "golang-migrate": "golang_migrate",
    "numbered": "numbered",
    "node-pg-migrate": "node_pg_migrate",
    "goose": "goose",
    "sql-migrate": "sql_migrate",
    "sqlx": "sqlx",
    "diesel": "diesel",
    "prisma": "prisma",
    "supabase": "supabase",
    "tern": "tern",
    "liquibase": "liquibase",
    "sqitch": "sqitch",
    "graphile-migrate": "graphile_migrate",
    "alembic": "alembic",
    "knex": "knex",
    "django": "django",
    "rails": "rails",
    "typeorm": "typeorm",
}

# tables that a tool keeps beside its history: they are its own as well, and no migration makes them
COMPANIONS: Mapping[str, frozenset[str]] = {
    "liquibase": frozenset(("databasechangeloglock",)),
    "golang-migrate": frozenset(("schema_versions", "migration_records")),
    "rails": frozenset(("ar_internal_metadata",)),
    "knex": frozenset(("knex_migrations_lock",)),
    "supabase": frozenset(("seed_files",)),
}
# tools that make a schema for themselves: everything in that of their history is theirs
OWN_SCHEMAS = frozenset(("sqitch", "graphile-migrate", "supabase"))
# tools whose databases a platform looks after: its own schemas are not the project's
ON_PLATFORMS = frozenset(("supabase",))
# engines made by hand: nobody says what their checksums are made of, so the usual algorithms are tried
GUESSES_SUMS = frozenset(("golang-migrate", "numbered"))


class _Tools(Mapping[str, "Tool"]):
    def __getitem__(self, name: str) -> Tool:
        return cast("Tool", import_module(f"dbmigrate.importing.{_MODULES[name]}").TOOL)

    def __iter__(self) -> Iterator[str]:
        return iter(_MODULES)

    def __len__(self) -> int:
        return len(_MODULES)


TOOLS: Mapping[str, Tool] = _Tools()
