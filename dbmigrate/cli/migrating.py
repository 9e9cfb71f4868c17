"""Commands that make migrations and run them. Each one parses, calls one method, renders what it returns."""

from __future__ import annotations

from typing import Annotated

import typer

from dbmigrate.cli import locking, rehearsing
from dbmigrate.cli.call import Call, goal
from dbmigrate.cli.locking import Locks
from dbmigrate.cli.options import (
    Backup,
    Confirm,
    DownTo,
    DryRun,
    ExpectPlan,
    LockTimeout,
    LockWait,
    Reason,
    RequireApplied,
    Steps,
    Strict,
    Timeout,
    ToVersion,
    Yes,
    common,
)
from dbmigrate.cli.rehearsing import Execute, InPlace
from dbmigrate.cli.scratching import ScratchUrl
from dbmigrate.guards import Consent


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
    execute: Execute = False,
    in_place: InPlace = False,
    locks: Locks = None,
    scratch_url: ScratchUrl = None,
    strict: Strict = None,
    lock_wait: LockWait = None,
    lock_timeout: LockTimeout = None,
    timeout: Timeout = None,
    expect_plan: ExpectPlan = None,
    require_applied_in: RequireApplied = None,
    backup: Backup = None,
    yes: Yes = False,
    reason: Reason = None,
) -> None:
    """Create the database if it is missing, and apply what is pending."""
    call.add({"scratch_url": scratch_url})
    call.add({"strict": strict, "lock_wait": lock_wait, "lock_timeout": lock_timeout, "timeout": timeout})
    consent = Consent(yes=yes, applied_in=require_applied_in)
    if where := rehearsing.stage(dry_run=dry_run, execute=execute, in_place=in_place):
        rehearsing.up(call, where, goal(steps, to), expect_plan=expect_plan, consent=consent)
        return
    with call.migrator(reason=reason, expect_plan=expect_plan, consent=consent, backup=backup) as migrator:
        if dry_run:
            call.script(migrator.script_up(goal(steps, to)))
            locking.report(call, migrator, goal(steps, to), wanted=locks)
        else:
            call.renderer.report("up", migrator.up(goal(steps, to)))


@common
def migrate(
    call: Call,
    to: ToVersion = None,
    steps: Steps = None,
    dry_run: DryRun = False,
    execute: Execute = False,
    in_place: InPlace = False,
    locks: Locks = None,
    scratch_url: ScratchUrl = None,
    strict: Strict = None,
    lock_wait: LockWait = None,
    lock_timeout: LockTimeout = None,
    timeout: Timeout = None,
    expect_plan: ExpectPlan = None,
    require_applied_in: RequireApplied = None,
    backup: Backup = None,
    yes: Yes = False,
    reason: Reason = None,
) -> None:
    """Apply what is pending to a database that exists."""
    call.add({"scratch_url": scratch_url})
    call.add({"strict": strict, "lock_wait": lock_wait, "lock_timeout": lock_timeout, "timeout": timeout})
    consent = Consent(yes=yes, applied_in=require_applied_in)
    if where := rehearsing.stage(dry_run=dry_run, execute=execute, in_place=in_place):
        rehearsing.up(call, where, goal(steps, to), expect_plan=expect_plan, consent=consent)
        return
    with call.migrator(reason=reason, expect_plan=expect_plan, consent=consent, backup=backup) as migrator:
        if dry_run:
            call.script(migrator.script_migrate(goal(steps, to)))
            locking.report(call, migrator, goal(steps, to), wanted=locks)
        else:
            call.renderer.report("migrate", migrator.migrate(goal(steps, to)))


@common
def rollback(
    call: Call,
    to: DownTo = None,
    steps: Steps = None,
    all_: Annotated[bool, typer.Option("--all", help="Undo every applied migration.")] = False,
    dry_run: DryRun = False,
    execute: Execute = False,
    in_place: InPlace = False,
    scratch_url: ScratchUrl = None,
    lock_wait: LockWait = None,
    lock_timeout: LockTimeout = None,
    timeout: Timeout = None,
    expect_plan: ExpectPlan = None,
    yes: Yes = False,
    confirm: Confirm = None,
    reason: Reason = None,
) -> None:
    """Undo the last migration (also: down)."""
    call.add({"scratch_url": scratch_url})
    call.add({"lock_wait": lock_wait, "lock_timeout": lock_timeout, "timeout": timeout})
    wanted = goal(steps, to, everything=all_, default=1)
    consent = Consent(yes=yes, database=confirm, everything=all_)
    if where := rehearsing.stage(dry_run=dry_run, execute=execute, in_place=in_place):
        rehearsing.rollback(call, where, wanted, expect_plan=expect_plan, consent=consent)
        return
    with call.migrator(reason=reason, expect_plan=expect_plan, consent=consent) as migrator:
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
    yes: Yes = False,
    reason: Reason = None,
) -> None:
    """Undo the last migration and apply it again."""
    call.add({"lock_wait": lock_wait, "lock_timeout": lock_timeout, "timeout": timeout})
    with call.migrator(reason=reason, consent=Consent(yes=yes)) as migrator:
        call.renderer.report("redo", migrator.redo())
