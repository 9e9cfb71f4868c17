"""The commands. Each one parses, calls one method of the migrator and renders what it returns."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from dbmigrate.cli.call import Call, dumping, goal
from dbmigrate.cli.options import common

app = typer.Typer(
    name="dbmigrate",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

ToVersion = Annotated[str | None, typer.Option("--to", metavar="VERSION", help="Up to and including this version.")]
DownTo = Annotated[str | None, typer.Option("--to", metavar="VERSION", help="Undo everything after this version.")]
Steps = Annotated[int | None, typer.Option("--steps", "-n", metavar="N", min=1, help="At most N migrations.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the SQL as a psql script; change nothing.")]
Strict = Annotated[
    bool | None,
    typer.Option("--strict/--no-strict", help="Refuse migrations out of order. [on for protected environments]"),
]
LockWait = Annotated[
    str | None, typer.Option("--lock-wait", metavar="DURATION", help="How long to wait for another run. [5m]")
]
LockTimeout = Annotated[
    str | None, typer.Option("--lock-timeout", metavar="DURATION", help="Lock timeout of each try; 0: no limit.")
]
Timeout = Annotated[str | None, typer.Option("--timeout", metavar="DURATION", help="Limit for each statement.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Reason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; kept in the log.")]


class MarkedState(StrEnum):
    """What `mark` records."""

    APPLIED = "applied"
    PENDING = "pending"


@app.command("new")
@app.command("n", hidden=True)
@common
def new(
    call: Call, name: Annotated[list[str], typer.Argument(metavar="NAME", help="What the migration does.")]
) -> None:
    """Make a new migration file and print its path."""
    from datetime import UTC, datetime

    from dbmigrate import files

    directory = call.settings().migrations_dirs[0]
    call.renderer.created_file(files.create(directory, " ".join(name), datetime.now(UTC)))


@app.command("up")
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
    reason: Reason = None,
) -> None:
    """Create the database if it is missing, and apply what is pending."""
    call.add({"strict": strict, "lock_wait": lock_wait, "lock_timeout": lock_timeout, "timeout": timeout})
    with call.migrator(reason=reason) as migrator:
        if dry_run:
            call.script(migrator.script_up(goal(steps, to)))
        else:
            call.renderer.report("up", migrator.up(goal(steps, to)))


@app.command("migrate")
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
    reason: Reason = None,
) -> None:
    """Apply what is pending to a database that exists."""
    call.add({"strict": strict, "lock_wait": lock_wait, "lock_timeout": lock_timeout, "timeout": timeout})
    with call.migrator(reason=reason) as migrator:
        if dry_run:
            call.script(migrator.script_migrate(goal(steps, to)))
        else:
            call.renderer.report("migrate", migrator.migrate(goal(steps, to)))


@app.command("rollback")
@app.command("down", hidden=True)
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
    reason: Reason = None,
) -> None:
    """Undo the last migration (also: down)."""
    call.add({"lock_wait": lock_wait, "lock_timeout": lock_timeout, "timeout": timeout})
    wanted = goal(steps, to, everything=all_, default=1)
    with call.migrator(reason=reason) as migrator:
        if dry_run:
            call.script(migrator.script_rollback(wanted))
        else:
            call.renderer.report("rollback", migrator.rollback(wanted))


@app.command("redo")
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


@app.command("status")
@app.command("info", hidden=True)
@common
def status(
    call: Call,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 1 if anything is pending.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing; implies --exit-code.")] = False,
) -> None:
    """Show applied and pending migrations."""
    call.add({"quiet": quiet})
    with call.migrator() as migrator:
        found = migrator.status()
    if not call.is_quiet:
        call.renderer.status(found)
    if found.pending and (exit_code or call.is_quiet):
        raise typer.Exit(1)


@app.command("create")
@common
def create(call: Call) -> None:
    """Create the database."""
    with call.migrator() as migrator:
        migrator.create()
    call.renderer.finished("create")


@app.command("drop")
@common
def drop(call: Call) -> None:
    """Drop the database if it exists."""
    with call.migrator() as migrator:
        migrator.drop()
    call.renderer.finished("drop")


@app.command("dump")
@common
def dump(
    call: Call,
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[-- PG_DUMP_OPTION...]", help="Handed to pg_dump.")
    ] = None,
) -> None:
    """Write the schema file."""
    with call.migrator() as migrator:
        migrator.dump(dumping(call.settings()), arguments=arguments or ())
    call.renderer.finished("dump")


@app.command("load")
@common
def load(call: Call) -> None:
    """Load the schema file into the database, whole or not at all."""
    with call.migrator() as migrator:
        migrator.load(call.settings().schema_file)
    call.renderer.finished("load")


@app.command("wait")
@common
def wait(call: Call) -> None:
    """Wait until the server answers."""
    settings = call.settings()
    with call.migrator() as migrator:
        migrator.wait(timeout=settings.wait_timeout, interval=settings.wait_interval)
    call.renderer.finished("wait")


@app.command("verify")
@app.command("validate", hidden=True)
@common
def verify(
    call: Call,
    warn_only: Annotated[bool, typer.Option("--warn-only", help="Exit with 0 whatever is found.")] = False,
) -> None:
    """Compare the files with what was applied; exit with 1 if they disagree."""
    with call.upkeep() as upkeep:
        findings = upkeep.verify()
    call.renderer.findings(findings)
    if any(finding.is_serious for finding in findings) and not warn_only:
        raise typer.Exit(1)


@app.command("history")
@common
def history(
    call: Call,
    number: Annotated[int | None, typer.Option("-n", "--number", metavar="N", min=1, help="The last N events.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only what failed.")] = False,
) -> None:
    """Show the log, the newest event first."""
    with call.upkeep() as upkeep:
        call.renderer.events(upkeep.history(limit=number, failed=failed))


@app.command("repair")
@common
def repair(
    call: Call,
    forget_missing: Annotated[
        bool, typer.Option("--forget-missing", help="Forget applied versions whose files are gone.")
    ] = False,
    yes: Yes = False,
    reason: Reason = None,
) -> None:
    """Make the records agree with the files, after showing what will change."""
    from dbmigrate.upkeep import Repair

    wanted = Repair(forget_missing=forget_missing)
    with call.upkeep(reason=reason) as upkeep:
        planned = upkeep.plan_repair(wanted)
        call.renderer.plan(planned)
        if planned.steps:
            call.confirm("change the records", yes=yes)
            call.renderer.report("repair", upkeep.repair(wanted, expected=planned))
        else:
            call.renderer.finished("repair")


@app.command("baseline")
@common
def baseline(call: Call, version: Annotated[str, typer.Argument(metavar="VERSION")], reason: Reason = None) -> None:
    """Record everything up to VERSION as applied, running nothing."""
    with call.upkeep(reason=reason) as upkeep:
        call.renderer.report("baseline", upkeep.baseline(version))


@app.command("mark")
@common
def mark(
    call: Call,
    state: Annotated[MarkedState, typer.Argument(metavar="applied|pending")],
    version: Annotated[str, typer.Argument(metavar="VERSION")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept in the log.", show_default=False)],
) -> None:
    """Record one migration as applied or as pending, running nothing."""
    with call.upkeep(reason=reason) as upkeep:
        change = upkeep.mark_applied if state is MarkedState.APPLIED else upkeep.mark_pending
        call.renderer.report("mark", change(version))


@app.command("resume")
@common
def resume(
    call: Call,
    retry: Annotated[list[int] | None, typer.Option("--retry", metavar="N", help="Run statement N again.")] = None,
    done: Annotated[list[int] | None, typer.Option("--done", metavar="N", help="Take statement N as done.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Run the down section instead.")] = False,
    lock_wait: LockWait = None,
    lock_timeout: LockTimeout = None,
    timeout: Timeout = None,
    reason: Reason = None,
) -> None:
    """Go on with a migration without a transaction that stopped half-way."""
    from dbmigrate.upkeep import Decision

    call.add({"lock_wait": lock_wait, "lock_timeout": lock_timeout, "timeout": timeout})
    decision = Decision(retry=frozenset(retry or ()), done=frozenset(done or ()))
    with call.upkeep(reason=reason) as upkeep:
        call.renderer.report("resume", upkeep.undo() if undo else upkeep.resume(decision))


@app.command("demo")
@common
def demo(call: Call) -> None:
    """Run the example project on an embedded PostgreSQL, in this folder."""
    from pathlib import Path

    from dbmigrate import demo as example

    example.unpack(Path.cwd())
    call.add({"url": example.URL})
    with call.migrator() as migrator:
        call.renderer.report("demo", migrator.up())
        call.renderer.status(migrator.status())
    call.renderer.suggestions(example.program(sys.argv[0]))
