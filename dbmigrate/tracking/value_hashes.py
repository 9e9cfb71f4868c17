"""Hashes of the values of variables, by which a rollback notices that it would undo something else.

The log keeps no value. A hash of a short one could be guessed from a list, so each is salted with its entry, which
makes a list of hashes useless for the next entry, and repeated, which makes each guess slow. A script computes
the same in SQL, because its values are those of the environment in which it is run.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from psycopg import sql

from dbmigrate.frozen import frozen
from dbmigrate.model import Direction
from dbmigrate.tracking.tables import _DETAILS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dbmigrate.connection.database import Connection
    from dbmigrate.model import Step
    from dbmigrate.tracking.tables import Tables
    from dbmigrate.variables import Bound

__all__ = ["KEY", "Recorded", "details", "details_in_script", "hashes", "recorded"]

KEY = "vars"  # of the column `details`
_ROUNDS = 10_000


@frozen
class Recorded:
    """What the log says of the variables of a migration: their hashes; None for one that its up sections do not use."""

    salt: str
    hashes: Mapping[str, str | None]

    @property
    def compared(self) -> frozenset[str]:
        """The variables with a hash."""
        return frozenset(name for name, found in self.hashes.items() if found is not None)

    def is_same(self, name: str, value: str) -> bool:
        return self.hashes.get(name) == _digest(self.salt, name, value)


def details(run_id: str, step: Step) -> str | None:
    """The `details` of the log entry of a step with variables, as SQL text."""
    import json

    bound = step.migration.bound if step.migration and step.runs_sql else None
    if bound is None or step.direction is Direction.DOWN:
        return None
    return _literal(json.dumps({KEY: hashes(run_id, step, bound)}))


def hashes(run_id: str, step: Step, bound: Bound) -> dict[str, str | None]:
    """A hash of each value that the up sections use; None for the other variables."""
    salt, texts, used = _salt(run_id, step), bound.texts, bound.used(Direction.UP)
    return {name: _digest(salt, name, texts[name]) if name in used & texts.keys() else None for name in bound.names}


def details_in_script(run_id: str, step: Step, value: Callable[[str], str]) -> str | None:
    """The same, computed by the server; `value` makes the SQL text of a variable's value."""
    bound = step.migration.bound if step.migration and step.runs_sql else None
    if bound is None or step.direction is Direction.DOWN:
        return None
    salt, used = _salt(run_id, step), bound.used(Direction.UP)
    pairs = (
        f"{_literal(name)}, {_digest_in_sql(salt, name, value(name)) if name in used else 'null'}"
        for name in bound.names
    )
    return f"pg_catalog.json_build_object({_literal(KEY)}, pg_catalog.json_build_object({', '.join(pairs)}))::jsonb"


def recorded(conn: Connection, tables: Tables, version: str) -> Recorded | None:
    """What the log has of the variables of a version; None if its newest entry has none, or there is none."""
    if not tables.log_exists or _DETAILS in tables.missing:
        return None
    statement = sql.SQL(
        "select run_id::text, details operator(pg_catalog.->) {}::text from {} where version::text = %s"
        " and step is null and direction::text in ('up', 'mark', 'baseline', 'adopt') order by event_id desc limit 1"
    ).format(KEY, tables.log)
    row = conn.execute(statement, (version,)).fetchone()
    if row is None or not isinstance(row[1], dict):
        return None
    return Recorded(f"{row[0]}:{version}", {str(name): found for name, found in row[1].items()})


def _literal(text: str) -> str:
    return sql.Literal(text).as_string(None)


def _salt(run_id: str, step: Step) -> str:
    return f"{run_id}:{step.version}"


def _salted(salt: str, name: str) -> str:
    return f"{salt}:{name}:"


def _digest(salt: str, name: str, value: str) -> str:
    found = sha256(f"{_salted(salt, name)}{value}".encode(errors="replace")).digest()
    for _ in range(_ROUNDS):
        found = sha256(found).digest()
    return found.hex()


def _digest_in_sql(salt: str, name: str, value: str) -> str:
    first = f"pg_catalog.sha256(pg_catalog.convert_to({_literal(_salted(salt, name))}::text || {value}, 'UTF8'::name))"
    return (
        f"(with recursive rounds (number, digest) as (select 0, {first} union all select number + 1,"
        f" pg_catalog.sha256(digest) from rounds where number < {_ROUNDS})"
        f" select pg_catalog.encode(digest, 'hex'::text) from rounds where number = {_ROUNDS})"
    )
