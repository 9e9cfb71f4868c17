"""``dbmigrate seed``."""

from __future__ import annotations

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import LIMITS, SEEDS, WATCHED, ListOnly, Yes, common_with
from dbmigrate.planning.approval import Approval


@common_with(SEEDS, LIMITS, WATCHED)
def seed(call: Call, dry_run: ListOnly = False, yes: Yes = False) -> None:
    """Run the seeds: SQL files with rows, which are not recorded."""
    from dbmigrate.api import seeds as api
    from dbmigrate.migrations import seeds
    from dbmigrate.output import seeds as output

    settings = call.settings()
    files = seeds.look(settings.seeds_dir, settings.environment, settings.migrations_dirs)
    if dry_run:
        planned = api.plan(files)
        call.renderer.answer("seed", output.lines(planned), output.value(planned))
        return
    with call.watched("seed"), call.migrator(approval=Approval(yes=yes)) as migrator:
        report = api.Seeder.of(migrator).seed(files)
    call.renderer.report("seed", report)
