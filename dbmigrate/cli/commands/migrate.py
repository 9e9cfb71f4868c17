"""``dbmigrate migrate``."""

from __future__ import annotations

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import LIMITS, STRICT, common_with
from dbmigrate.cli.run_plan import UpOptions, carry_out
from dbmigrate.cli.scratch import SCRATCH


@common_with(SCRATCH, STRICT, LIMITS)
def migrate(call: Call, options: UpOptions) -> None:
    """Apply what is pending to a database that exists."""
    carry_out(call, "migrate", options.wanted(), options.mode())
