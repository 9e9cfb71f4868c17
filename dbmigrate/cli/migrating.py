"""Commands that make migrations and run them. Each one parses, calls one method, renders what it returns."""

from __future__ import annotations

from typing import Annotated

import typer

from dbmigrate.cli.call import Call, goal
from dbmigrate.cli.options import (
    DownTo,
    DryRun,
    ExpectPlan,
    LockTimeout,
    LockWait,
    Reason,
    Steps,
    Strict,
    Timeout,
    ToVersion,
    common,
)


@common
def new(
    call: Call, name: Annotated[list[str], typer.Argument(metavar="NAME", help="What the migration does.")]
) -> None:
    """Make a new migration file and print its path."""
    from datetime import UTC, datetime

    from dbmigrate import files

    directory = call.settings().migrations_dirs[0]
    call.renderer.created_file(files.create(directory, " ".join(name), datetime.now(UTC)))


@common
def up(
    call: Call,
    to: ToVersion = None,
    steps: Steps = None,
    dry_run: DryRun = False,
    strict: Strict = None,
    lock_wait: LockWait = None,
    lock_timeout: LockTimeout = None,
    timeout: Timeout = None,
    expect_plan: ExpectPlan = None,
    reason: Reason = None,
) -> None:
    """Create the database if it is missing, and apply what is pending."""
    call.add({"strict": strict, "lock_wait": lock_wait, "lock_timeout": lock_timeout, "timeout": timeout})
    with call.migrator(reason=reason, expect_plan=expect_plan) as migrator:
        if dry_run:
            call.script(migrator.script_up(goal(steps, to)))
        else:
            call.renderer.report("up", migrator.up(goal(steps, to)))


@common
def migrate(
    call: Call,
    to: ToVersion = None,
    steps: Steps = None,
    dry_run: DryRun = False,
    strict: Strict = None,
    lock_wait: LockWait = None,
    lock_timeout: LockTimeout = None,
    timeout: Timeout = None,
    expect_plan: ExpectPlan = None,
    reason: Reason = None,
) -> None:
    """Apply what is pending to a database that exists."""
    call.add({"strict": strict, "lock_wait": lock_wait, "lock_timeout": lock_timeout, "timeout": timeout})
    with call.migrator(reason=reason, expect_plan=expect_plan) as migrator:
        if dry_run:
            call.script(migrator.script_migrate(goal(steps, to)))
        else:
            call.renderer.report("migrate", migrator.migrate(goal(steps, to)))


@common
def rollback(
    call: Call,
    to: DownTo = None,
    steps: Steps = None,
    all_: Annotated[bool, typer.Option("--all", help="Undo every applied migration.")] = False,
    dry_run: DryRun = False,
    lock_wait: LockWait = None,
    lock_timeout: LockTimeout = None,
    timeout: Timeout = None,
    expect_plan: ExpectPlan = None,
    reason: Reason = None,
) -> None:
    """Undo the last migration (also: down)."""
    call.add({"lock_wait": lock_wait, "lock_timeout": lock_timeout, "timeout": timeout})
    wanted = goal(steps, to, everything=all_, default=1)
    with call.migrator(reason=reason, expect_plan=expect_plan) as migrator:
        if dry_run:
            call.script(migrator.script_rollback(wanted))
        else:
            call.renderer.report("rollback", migrator.rollback(wanted))


@common
def redo(
    call: Call,
    lock_wait: LockWait = None,
    lock_timeout: LockTimeout = None,
    timeout: Timeout = None,
    reason: Reason = None,
) -> None:
    """Undo the last migration and apply it again."""
    call.add({"lock_wait": lock_wait, "lock_timeout": lock_timeout, "timeout": timeout})
    with call.migrator(reason=reason) as migrator:
        call.renderer.report("redo", migrator.redo())
