"""What a backfill waits for between two pages: others that it would hinder."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dbmigrate.connection import database
from dbmigrate.errors import Refused

if TYPE_CHECKING:
    from dbmigrate.backfill.key import Key
    from dbmigrate.backfill.options import Settings
    from dbmigrate.connection.database import Connection

__all__ = ["Waits"]

_KEPT = 3600.0  # seconds of samples
_QUEUE = """
select l.pid, l.mode, coalesce(nullif(a.application_name, ''), 'process ' || l.pid::text)
from pg_catalog.pg_locks l left join pg_catalog.pg_stat_activity a on a.pid = l.pid
where l.locktype = 'relation' and not l.granted and l.relation = %s::int8::oid and l.pid <> pg_catalog.pg_backend_pid()
  and l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()) limit 1
"""
# the query of another role's vacuum cannot be read without rights, its lock can
_WRAPAROUND = """
select exists (select 1 from pg_catalog.pg_locks l where l.relation = c.oid and l.granted
                 and l.mode = 'ShareUpdateExclusiveLock')
   and pg_catalog.age(c.relfrozenxid) > pg_catalog.current_setting('autovacuum_freeze_max_age')::int4
from pg_catalog.pg_class c where c.oid = %s::int8::oid and c.relkind = 'r'
"""
_WRITTEN = "select (pg_catalog.pg_current_wal_lsn() - '0/0'::pg_lsn)::float8"
_REPLICAS = """
select (replay_lsn - '0/0'::pg_lsn)::float8, coalesce(nullif(application_name, ''), 'process ' || pid::text)
from pg_catalog.pg_stat_replication where state is distinct from 'backup'
"""


@dataclass(slots=True)
class Waits:
    """Why the next page has to wait. `is_blind`: there are replicas whose lag this role may not read."""

    key: Key
    settings: Settings
    is_blind: bool = False
    _samples: deque[tuple[float, float]] = field(default_factory=deque)

    def look_ahead(self, conn: Connection, role: str) -> None:
        """Find out what can be read. Raises Refused E761 if the file names a lag that cannot be."""
        if self.settings.max_lag is None:
            return
        self.is_blind = any(row[0] is None for row in database.query(conn, _REPLICAS))
        if self.is_blind and self.settings.asks_for_lag:
            raise Refused(
                f"role {role} may not read how far the replicas are behind",
                code="E761",
                hint=f"`grant pg_monitor to {role}`, or write `max_lag:off`",
            )

    def reason(self, conn: Connection) -> str | None:
        """What to wait for; None if nothing is in the way."""
        queued = database.query(conn, _QUEUE, self.key.oid)
        if queued:
            _, mode, who = queued[0]
            return f"{who} waits for {mode} on {self.key.shown}"
        vacuumed = database.query(conn, _WRAPAROUND, self.key.oid)
        if vacuumed and vacuumed[0][0]:
            return f"{self.key.shown} is being vacuumed to prevent wraparound"
        return self._lag(conn)

    def _lag(self, conn: Connection) -> str | None:
        """The lag by samples of the WAL position: the server's own value stands still while a replica does."""
        if self.settings.max_lag is None or self.is_blind:
            return None
        now, written = time.monotonic(), float(str(database.query(conn, _WRITTEN)[0][0]))
        self._samples.append((now, written))
        while self._samples and now - self._samples[0][0] > _KEPT:
            self._samples.popleft()
        replicas = [(float(str(row[0])), str(row[1])) for row in database.query(conn, _REPLICAS) if row[0] is not None]
        if not replicas:
            return None
        replayed, name = min(replicas)
        behind = next((now - at for at, position in self._samples if position > replayed), 0.0)
        return f"replica {name} is {behind:.0f} s behind" if behind > self.settings.max_lag else None
