"""``dbmigrate redo``."""

from __future__ import annotations

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import LIMITS, WATCHED, Reason, Yes, common_with
from dbmigrate.planning.approval import Approval


@common_with(LIMITS, WATCHED)
def redo(
    call: Call,
    yes: Yes = False,
    reason: Reason = None,
) -> None:
    """Undo the last migration and apply it again."""
    with call.watched("redo"), call.migrator(reason=reason, approval=Approval(yes=yes)) as migrator:
        call.renderer.report("redo", migrator.redo())
