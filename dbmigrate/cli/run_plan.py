"""Run the plan of ``up``, ``migrate`` or ``rollback``, or do a dry run of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.cli.run_request import DryRunKind

if TYPE_CHECKING:
    from dbmigrate.cli.call import Call
    from dbmigrate.cli.run_request import DryRunRequest, RunRequest


def run_plan(call: Call, command: str, request: RunRequest, dry_run: DryRunRequest | None) -> None:
    """Run ``up``, ``migrate`` or ``rollback``, or do the dry run that was asked for."""
    if dry_run is None:
        with (
            call.watched(command),
            call.migrator(
                reason=request.reason,
                expect_plan=request.expect_plan,
                approval=request.approval,
                backup=request.backup,
                salvage=request.salvage,
            ) as migrator,
        ):
            run = {"up": migrator.up, "migrate": migrator.migrate, "rollback": migrator.rollback}[command]
            call.renderer.report(command, run(request.goal))
        return
    from dbmigrate.cli import watching

    watching.note_window(call)
    if dry_run.kind is DryRunKind.SHOW:
        from dbmigrate.cli import dry_run as shown

        shown.show(call, command, request, locks=dry_run.locks)
    else:
        from dbmigrate.cli import rehearsal

        rehearsal.rehearse(call, command, request, dry_run)
