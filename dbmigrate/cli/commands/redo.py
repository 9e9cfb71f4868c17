"""``dbmigrate redo``."""

from __future__ import annotations

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import LIMITS, WATCHED, Reason, Salvage, SalvageLimit, Yes, common_with
from dbmigrate.cli.run_request import salvage_request
from dbmigrate.planning.approval import Approval


@common_with(LIMITS, WATCHED)
def redo(
    call: Call,
    salvage: Salvage = None,
    salvage_limit: SalvageLimit = None,
    yes: Yes = False,
    reason: Reason = None,
) -> None:
    """Undo the last migration and apply it again."""
    salvaging = salvage_request(salvage, salvage_limit, dry_run=False)
    approval = Approval(yes=yes)
    with call.watched("redo"), call.migrator(reason=reason, approval=approval, salvage=salvaging) as migrator:
        call.renderer.report("redo", migrator.redo())
