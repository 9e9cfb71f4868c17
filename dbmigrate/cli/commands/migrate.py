"""``dbmigrate migrate``."""

from __future__ import annotations

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import BACKFILLS, LIMITS, ROLLOUT, SCRATCH, STRICT, TARGETS, WATCHED, common_with
from dbmigrate.cli.run_plan import run_plan
from dbmigrate.cli.run_request import UpOptions


@common_with(SCRATCH, STRICT, BACKFILLS, LIMITS, TARGETS, ROLLOUT, WATCHED)
def migrate(call: Call, options: UpOptions) -> None:
    """Apply what is pending to a database that exists."""
    run_plan(call, "migrate", options.request(), options.dry_run_request())
