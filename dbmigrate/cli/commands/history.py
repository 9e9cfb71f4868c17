"""``dbmigrate history``."""

from __future__ import annotations

from typing import Annotated

import typer

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import common


@common
def history(
    call: Call,
    number: Annotated[int | None, typer.Option("-n", "--number", metavar="N", min=1, help="Only N entries.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only failures.")] = False,
    sql: Annotated[bool, typer.Option("--sql", help="Print the query that shows the same, for psql.")] = False,
) -> None:
    """Show the log, the newest entry first."""
    with call.upkeep() as upkeep:
        if sql:
            _show_query(call, upkeep.history_sql(limit=number, failed=failed))
            return
        entries = upkeep.history(limit=number, failed=failed)
    call.renderer.log_entries(entries)
    if not entries:
        call.renderer.notes(["The log has no failure"] if failed else _EMPTY)


_EMPTY = ("The log is empty", "hint: `dbmigrate status` shows what is applied, and what is pending")


def _show_query(call: Call, query: str | None) -> None:
    if call.wants_json:
        call.renderer.answer("history", (), {"sql": query})
    elif query is None:
        call.renderer.notes(_EMPTY)
    else:
        call.script([query])
