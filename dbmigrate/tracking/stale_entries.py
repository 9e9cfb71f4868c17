"""Open log entries of runs that ended without doing anything, which the next run closes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.tracking.write_log import ENDED, identifier, literal

if TYPE_CHECKING:
    from dbmigrate.model import History
    from dbmigrate.tracking.tables import Tables


def closing(tables: Tables, recorded: History) -> str:
    """SQL that closes the entries of `recorded.stale` as failed; only under the run lock: no other run is at work.

    The open steps of a repeatable migration are closed too: nothing looks up what became of them, it runs again whole.
    """
    log = f"{identifier(tables.schema)}.{identifier(tables.log_name)}"
    ids = f"any(array[{', '.join(map(str, recorded.stale))}]::bigint[])"
    runs = f"select run_id, version::text from {log} where event_id = {ids}"
    return (
        f"update {log} set state = 'failed', finished_at = coalesce(finished_at, pg_catalog.clock_timestamp()),"
        f" error = coalesce(error, {literal(ENDED)}) where state::text = 'started' and (event_id = {ids}"
        f" or (direction::text = 'repeatable' and (run_id, version::text) in ({runs})));\n"
    )
