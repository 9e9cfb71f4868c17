"""What the log table says about all runs together, for metrics."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, cast

from psycopg import sql

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbmigrate.connection.database import Connection
    from dbmigrate.tracking.tables import Tables

__all__ = ["OUTSIDE", "Totals", "read"]

OUTSIDE = "--outside-window: "  # what begins the reason of a run outside the maintenance window

# A run is up, rollback or redo, by what it did. Its entries are of migrations, not of steps. One that is still open
# counts once a later entry shows that its run died: runs follow each other. Operators have the types of their operands.
_RUNS = """
select kind, ended, pg_catalog.count(*)::int8,
       pg_catalog.max(at)::float8
from (select case when pg_catalog.bool_or(direction::text = 'down') then
                    case when pg_catalog.bool_or(direction::text <> 'down') then 'redo' else 'rollback' end
                  else 'up' end as kind,
             case when pg_catalog.bool_or(state::text in ('failed', 'started') or error is not null)
                  then 'failure' else 'success' end as ended,
             pg_catalog.max(pg_catalog.date_part('epoch', coalesce(finished_at, started_at))) as at
      from {log} where step is null and direction::text in ('up', 'down', 'repeatable')
        and (state::text <> 'started' or event_id < (select pg_catalog.max(event_id) from {log}))
      group by run_id) runs
group by kind, ended
"""
_ROLLBACKS = """
select pg_catalog.count(*)::int8, pg_catalog.max(pg_catalog.date_part('epoch', finished_at))::float8
from {log} where step is null and direction::text = 'down' and state::text = 'done'
"""
_LAST_OUTSIDE = """
select pg_catalog.max(pg_catalog.date_part('epoch', coalesce(finished_at, started_at)))::float8
from {log} where pg_catalog.strpos(reason::text, %s::text) > 0
"""


@frozen
class Totals:
    """Runs by command and result, rollbacks, and moments as seconds since 1970; None: it never happened."""

    runs: Mapping[tuple[str, str], int] = field(default_factory=dict)
    rollbacks: int = 0
    last_success: float | None = None
    last_rollback: float | None = None
    last_outside_window: float | None = None


def read(conn: Connection, tables: Tables) -> Totals:
    """The totals; all of them zero where there is no log."""
    if not tables.log_exists:
        return Totals()
    rows = conn.execute(sql.SQL(_RUNS).format(log=tables.log)).fetchall()
    found = cast("list[tuple[str, str, int, float | None]]", rows)
    rollbacks, last_rollback = cast(
        "tuple[int, float | None]", conn.execute(sql.SQL(_ROLLBACKS).format(log=tables.log)).fetchone()
    )
    outside = None
    if not any(column.startswith("reason ") for column in tables.missing):
        row = conn.execute(sql.SQL(_LAST_OUTSIDE).format(log=tables.log), (OUTSIDE,)).fetchone()
        outside = cast("tuple[float | None]", row)[0]
    return Totals(
        {(kind, ended): number for kind, ended, number, _ in found},
        rollbacks,
        max((at for _, ended, _, at in found if ended == "success" and at is not None), default=None),
        last_rollback,
        outside,
    )
