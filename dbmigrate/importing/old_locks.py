"""The advisory lock that another tool holds while it runs. Pure.

Each key is as the tool's source has it. Others have none: goose's command line, sql-migrate, Diesel, Alembic, Django,
TypeORM and psql; Liquibase and knex have a table for it, which is read; of Supabase and graphile-migrate none is known.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbmigrate.importing.values import HistoryTable

__all__ = ["key_of"]

_FIXED = {
    "goose": 4097083626,  # of its library, where a program asks for it
    "node-pg-migrate": 7241865325823964,
    "tern": 9628173550095224,
    "sqitch": 75474063,
    "prisma": 72707369,
}
_FLYWAY = 0x466C79776179  # "Flyway"
_GOLANG_MIGRATE = 1486364155
_SQLX = 0x3D32AD9E
_RAILS = 2053462845


def key_of(tool: str, table: HistoryTable, database: str) -> int | None:
    """The key of a tool with this history table, as one bigint; None where no lock of it is known."""
    if tool == "flyway":
        return _FLYWAY + _java_hash(f'"{table.schema}"."{table.name}"')
    if tool == "golang-migrate":
        if "dirty" not in table.columns:
            return None  # an engine with tables of its own
        return _crc(f"{table.schema}\0{table.name}\0{database}") * _GOLANG_MIGRATE % (1 << 32)
    if tool == "sqlx":
        return _SQLX * _crc(database)
    if tool == "rails":
        return _RAILS * _crc(database)
    return _FIXED.get(tool)


def _crc(text: str) -> int:
    return zlib.crc32(text.encode())


def _java_hash(text: str) -> int:
    """String.hashCode of Java, over UTF-16."""
    found, units = 0, text.encode("utf-16-be")
    for place in range(0, len(units), 2):
        found = (31 * found + int.from_bytes(units[place : place + 2], "big")) % (1 << 32)
    return found - (1 << 32) if found >= 1 << 31 else found
