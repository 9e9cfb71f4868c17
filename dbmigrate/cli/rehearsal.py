"""A rehearsal (``--dry-run --execute``): run the plan on a scratch copy, or in a transaction that is rolled back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.api.rehearsal import Rehearser
from dbmigrate.cli import scratch
from dbmigrate.cli.run_request import DryRunKind
from dbmigrate.events import Targeted, Warned
from dbmigrate.execution import breaker
from dbmigrate.output import rehearsal as output
from dbmigrate.scratch.lock_report import Means

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbmigrate.api.rehearsal import Rehearsed
    from dbmigrate.cli.call import Call
    from dbmigrate.cli.run_request import RunRequest
    from dbmigrate.model import Goal


def rehearse(call: Call, command: str, request: RunRequest, kind: DryRunKind) -> None:
    """Rehearse ``up``, ``migrate`` or ``rollback``, and print the result.

    In place the locks are real: a protected environment needs the same confirmation as for a run.
    """
    with call.migrator(expect_plan=request.expect_plan, approval=request.approval) as migrator:
        rehearser = Rehearser.of(migrator)
        if kind is DryRunKind.REHEARSE_IN_PLACE:
            # before anybody is asked for a confirmation: this is not a run
            call.renderer.on_event(Targeted(call.target_name(call.settings()), kind.value))
            found = _in_place(rehearser, command)(request.goal)
        else:
            means = Means(scratch.choice(call), call.settings().environ)
            found = _on_copy(rehearser, command)(means, request.goal)
    for problem in (*found.problems, *breaker.slow_steps(found.done, call.settings().max_blocked)):
        call.renderer.on_event(Warned(problem))
    call.renderer.answer(command, output.lines(found), output.value(found))


def _in_place(rehearser: Rehearser, command: str) -> Callable[[Goal], Rehearsed]:
    up = rehearser.rehearse_up_in_place
    return {"up": up, "migrate": up, "rollback": rehearser.rehearse_rollback_in_place}[command]


def _on_copy(rehearser: Rehearser, command: str) -> Callable[[Means, Goal], Rehearsed]:
    return {
        "up": rehearser.rehearse_up,
        "migrate": rehearser.rehearse_migrate,
        "rollback": rehearser.rehearse_rollback,
    }[command]
