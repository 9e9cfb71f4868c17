"""`up --dry-run --execute`: a run that does not count."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from dbmigrate.cli import scratch
from dbmigrate.errors import ConfigError
from dbmigrate.events import Targeted, Warned

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbmigrate.api.rehearsal import Rehearsed, Rehearser
    from dbmigrate.cli.call import Call
    from dbmigrate.model import Goal
    from dbmigrate.planning.approval import Approval
    from dbmigrate.scratch.lock_report import Means

Execute = Annotated[
    bool, typer.Option("--execute", help="With --dry-run: really run it, on a scratch copy of the schema.")
]
InPlace = Annotated[
    bool,
    typer.Option("--in-place", help="With --execute: on the database itself, in a transaction that is rolled back."),
]


class Stage(Enum):
    """Where a run is rehearsed."""

    COPY = "run on a scratch copy"
    IN_PLACE = "run on the database and roll back"


def stage(*, dry_run: bool, execute: bool, in_place: bool) -> Stage | None:
    """What the options ask for; None: no rehearsal. Raises ConfigError E200."""
    if execute and not dry_run:
        raise ConfigError("--execute belongs to --dry-run", code="E200", hint="say --dry-run --execute")
    if in_place and not execute:
        raise ConfigError("--in-place belongs to --execute", code="E200", hint="say --dry-run --execute --in-place")
    if not execute:
        return None
    return Stage.IN_PLACE if in_place else Stage.COPY


def rehearse(
    call: Call, command: str, where: Stage, goal: Goal, *, expect_plan: str | None, approval: Approval
) -> None:
    """Rehearse ``up``, ``migrate`` or ``rollback``, and tell what came of it.

    In place the locks are real ones: a protected environment is asked for as before a run.
    """
    from dbmigrate.api.rehearsal import Rehearser

    with call.migrator(expect_plan=expect_plan, approval=approval) as migrator:
        rehearser = Rehearser.of(migrator)
        if where is Stage.IN_PLACE:
            _announce(call, where)
            found = _in_place(rehearser, command)(goal)
        else:
            found = _on_copy(rehearser, command)(_means(call), goal)
    _tell(call, command, found)


def _in_place(rehearser: Rehearser, command: str) -> Callable[[Goal], Rehearsed]:
    up = rehearser.rehearse_up_in_place
    return {"up": up, "migrate": up, "rollback": rehearser.rehearse_rollback_in_place}[command]


def _on_copy(rehearser: Rehearser, command: str) -> Callable[[Means, Goal], Rehearsed]:
    return {
        "up": rehearser.rehearse_up,
        "migrate": rehearser.rehearse_migrate,
        "rollback": rehearser.rehearse_rollback,
    }[command]


def _announce(call: Call, where: Stage) -> None:
    """Say that it is no run before anybody is asked whether it may run."""
    call.renderer.on_event(Targeted(call.where(call.settings()), where.value))


def _means(call: Call) -> Means:
    from dbmigrate.scratch.lock_report import Means

    return Means(scratch.choice(call), call.settings().environ)


def _tell(call: Call, command: str, found: Rehearsed) -> None:
    from dbmigrate.output import rehearsal

    for problem in found.problems:
        call.renderer.on_event(Warned(problem))
    call.renderer.answer(command, rehearsal.lines(found), rehearsal.value(found))
