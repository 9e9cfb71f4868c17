"""``dbmigrate up``."""

from __future__ import annotations

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import LIMITS, STRICT, common_with
from dbmigrate.cli.run_plan import UpOptions, carry_out
from dbmigrate.cli.scratch import SCRATCH


@common_with(SCRATCH, STRICT, LIMITS)
def up(call: Call, options: UpOptions) -> None:
    """Create the database if it is missing, and apply what is pending."""
    carry_out(call, "up", options.wanted(), options.mode())
