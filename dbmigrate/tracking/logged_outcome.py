"""Queries for what the log shows after a lost connection: whether a step was committed, and who went on meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.tracking.write_log import identifier, literal

if TYPE_CHECKING:
    from dbmigrate.model import Step
    from dbmigrate.tracking.tables import Tables


def entry_of(tables: Tables, run_id: str, step: Step, newest: int | None) -> str:
    """A query for the entry of `step` behind the one that was the newest before it: a row, if that was committed."""
    behind = "" if newest is None else f" and event_id > {newest}::bigint"
    return (
        f"select 1 from {identifier(tables.schema)}.{identifier(tables.log_name)} where run_id = {literal(run_id)}"
        f" and version::text = {literal(step.version)} and direction::text = {literal(step.log_kind.value)}"
        f" and step is null and state::text = 'done'{behind}"
    )


def others_since(tables: Tables, run_id: str) -> str:
    """A query for the entries that other runs have written after the last one of this run."""
    log, own = f"{identifier(tables.schema)}.{identifier(tables.log_name)}", literal(run_id)
    return (
        f"select 1 from {log} where run_id <> {own}"
        f" and event_id > (select max(event_id) from {log} where run_id = {own})"
    )
