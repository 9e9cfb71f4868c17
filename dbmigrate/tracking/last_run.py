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
select version, run_id, direction, event_id from (
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


# those that ran with a run came after its migrations
_REPEATABLES = """
select distinct version::text from {log}
where direction::text = 'repeatable' and step is null and state::text = 'done' and event_id > %s
  and run_id::text <> %s
"""


def read(conn: Connection, tables: Tables) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The versions that the last run applied, the newest first; and what was recorded since, or run and is repeatable.

    Nothing of either if no run is known. What a squashed file replaced does not count as done since.
    """
    if not (tables.exists and tables.log_exists):
        return (), ()
    statement = sql.SQL(_ORIGINS).format(log=tables.log, versions=tables.versions)
    rows = [(str(row[0]), str(row[1]), str(row[2]), row[3]) for row in conn.execute(statement)]
    first = next((number for number, row in enumerate(rows) if row[2] == "up"), None)
    if first is None:
        return (), ()
    _, last, _, event = rows[first]
    applied = tuple(version for version, run, kind, _ in rows if run == last and kind == "up")
    since = [version for version, _, kind, _ in rows[:first] if kind != "replace"]
    ran = conn.execute(sql.SQL(_REPEATABLES).format(log=tables.log), (event, last)).fetchall()
    return applied, (*since, *(str(row[0]) for row in ran))
