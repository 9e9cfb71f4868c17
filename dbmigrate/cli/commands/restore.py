"""``dbmigrate restore``."""

from __future__ import annotations

from typing import Annotated

import typer

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import WINDOW, Confirm, common_with


@common_with(WINDOW)
def restore(
    call: Call,
    file: Annotated[str, typer.Argument(metavar="FILE", help="The backup.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Let it take the place of the database, which is kept by another name.")
    ] = False,
    confirm: Confirm = None,
) -> None:
    """Restore a backup into a new database, and show how it takes the place of the present one."""
    from dbmigrate.events import Phase, PhaseDone
    from dbmigrate.output import backups as output

    if replace:
        from dbmigrate.cli import approval, watching

        keep_window = watching.keep_window(call)
        approval.confirm_destruction(call, f"replace it by {file}", confirm=confirm)
        keep_window()
    from dbmigrate.api.restore import Backups

    with call.opened(Backups) as found:
        made = found.restore(file, call.settings().environ, replacing=replace)
        call.renderer.on_event(PhaseDone(Phase.RESTORE, output.restored_summary(made)))
        if replace:
            found.replace(made)
    target = call.settings().target().database
    lines = output.restored_lines(made, target, is_replaced=replace)
    call.renderer.outcome("restore", lines, output.restored_value(made, target, is_replaced=replace))
