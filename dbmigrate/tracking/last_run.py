"""Which applied versions the last run applied, by the run ids of the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

if TYPE_CHECKING:
    from dbmigrate.connection.database import Connection
    from dbmigrate.tracking.tables import Tables

# Of each version in the tracking table the newest log entry that says how it came there. A `repair` that accepts an
# edited file says nothing of that, and counts only where there is no other entry: then it followed a renamed file.
_ORIGINS = """
select version, run_id, direction from (
  select distinct on (version) version, event_id, run_id, direction
  from (select l.version::text as version, l.event_id, l.run_id::text as run_id, l.direction::text as direction,
               l.direction::text in ('repair', 'replace') and not (l.up_sql is null
                 and (l.down_sql is not null or l.checksum is null)) as is_weak
          from {log} l
         where l.step is null and l.state::text = 'done'
           and exists (select 1 from {versions} v where v.version::text = l.version::text)) entries
  order by version, is_weak, event_id desc) origins
order by event_id desc
"""


def read(conn: Connection, tables: Tables) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The versions that the last run applied, the newest first; and those that were recorded since, without a run.

    Nothing of either if no run is known. What a squashed file replaced does not count as done since.
    """
    if not (tables.exists and tables.log_exists):
        return (), ()
    statement = sql.SQL(_ORIGINS).format(log=tables.log, versions=tables.versions)
    rows = [(str(version), str(run), str(kind)) for version, run, kind in conn.execute(statement)]
    last = next((run for _, run, kind in rows if kind == "up"), None)
    if last is None:
        return (), ()
    newer = rows[: next(number for number, (_, _, kind) in enumerate(rows) if kind == "up")]
    applied = tuple(version for version, run, kind in rows if run == last and kind == "up")
    return applied, tuple(version for version, _, kind in newer if kind != "replace")
