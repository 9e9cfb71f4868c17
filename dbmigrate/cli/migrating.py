"""Commands that make migrations and run them. Each one parses, calls one method, renders what it returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dbmigrate.cli import locking, rehearsing
from dbmigrate.cli.call import Call, goal
from dbmigrate.cli.locking import Locks
from dbmigrate.cli.options import (
    AllowExisting,
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
from dbmigrate.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from dbmigrate.migrator import Migrator
    from dbmigrate.model import Goal, Report


@common
def new(
    call: Call, name: Annotated[list[str], typer.Argument(metavar="NAME", help="What the migration does.")]
) -> None:
    """Make a new migration file and print its path."""
    from datetime import UTC, datetime

    from dbmigrate import files

    directories = call.settings().migrations_dirs
    call.renderer.created_file(files.create(directories, " ".join(name), datetime.now(UTC)))


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
    allow_existing: AllowExisting = False,
    yes: Yes = False,
    reason: Reason = None,
) -> None:
    """Create the database if it is missing, and apply what is pending."""
    call.add({"scratch_url": scratch_url, "strict": strict})
    call.add({"lock_wait": lock_wait, "lock_timeout": lock_timeout, "timeout": timeout})
    consent = Consent(yes=yes, applied_in=require_applied_in, allow_existing=allow_existing)
    asked = _Asked(goal(steps, to), consent, expect_plan, reason, backup)
    where = rehearsing.stage(dry_run=dry_run, execute=execute, in_place=in_place)
    _carry_out(call, "up", asked, _Dry(where, locks) if dry_run else None)


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
    allow_existing: AllowExisting = False,
    yes: Yes = False,
    reason: Reason = None,
) -> None:
    """Apply what is pending to a database that exists."""
    call.add({"scratch_url": scratch_url, "strict": strict})
    call.add({"lock_wait": lock_wait, "lock_timeout": lock_timeout, "timeout": timeout})
    consent = Consent(yes=yes, applied_in=require_applied_in, allow_existing=allow_existing)
    asked = _Asked(goal(steps, to), consent, expect_plan, reason, backup)
    where = rehearsing.stage(dry_run=dry_run, execute=execute, in_place=in_place)
    _carry_out(call, "migrate", asked, _Dry(where, locks) if dry_run else None)


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
    consent = Consent(yes=yes, database=confirm, everything=all_)
    asked = _Asked(goal(steps, to, everything=all_, default=1), consent, expect_plan, reason)
    where = rehearsing.stage(dry_run=dry_run, execute=execute, in_place=in_place)
    _carry_out(call, "rollback", asked, _Dry(where) if dry_run else None)


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


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a command that runs migrations was asked for."""

    goal: Goal
    consent: Consent
    expect_plan: str | None
    reason: str | None
    backup: str | None = None


@dataclass(frozen=True, slots=True)
class _Dry:
    """How a dry run was asked for: `stage` says where it is rehearsed, None that its script is shown."""

    stage: rehearsing.Stage | None
    locks: bool | None = None


def _carry_out(call: Call, command: str, asked: _Asked, dry: _Dry | None) -> None:
    """Run ``up``, ``migrate`` or ``rollback``; or show, or rehearse, what it would run."""
    if dry and dry.stage:
        rehearsing.rehearse(call, command, dry.stage, asked.goal, expect_plan=asked.expect_plan, consent=asked.consent)
        return
    with call.migrator(
        reason=asked.reason, expect_plan=asked.expect_plan, consent=asked.consent, backup=asked.backup
    ) as migrator:
        script, run = _ways(migrator)[command]
        if dry is None:
            call.renderer.report(command, run(asked.goal))
            return
        call.script(script(asked.goal))
        if command != "rollback":
            locking.report(call, migrator, asked.goal, wanted=dry.locks)


def _ways(migrator: Migrator) -> Mapping[str, tuple[Callable[[Goal], Iterable[str]], Callable[[Goal], Report]]]:
    """The script of each command, and its run."""
    return {
        "up": (migrator.script_up, migrator.up),
        "migrate": (migrator.script_migrate, migrator.migrate),
        "rollback": (migrator.script_rollback, migrator.rollback),
    }
