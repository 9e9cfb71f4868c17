"""``dbmigrate up``."""

from __future__ import annotations

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import BACKFILLS, LIMITS, ROLLOUT, SCRATCH, STRICT, TARGETS, WATCHED, common_with
from dbmigrate.cli.run_plan import run_plan
from dbmigrate.cli.run_request import UpOptions


@common_with(SCRATCH, STRICT, BACKFILLS, LIMITS, TARGETS, ROLLOUT, WATCHED)
def up(call: Call, options: UpOptions) -> None:
    """Create the database if it is missing, and apply what is pending."""
    run_plan(call, "up", options.request(), options.dry_run_request())
