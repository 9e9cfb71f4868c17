"""A rehearsal (``--dry-run --execute``): on a scratch copy, on a clone, or in a transaction that is rolled back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.api.rehearsal import Rehearser
from dbmigrate.cli import scratch, traffic
from dbmigrate.cli.run_request import DryRunKind
from dbmigrate.errors import ConfigError, Refused
from dbmigrate.events import Targeted, Warned
from dbmigrate.execution import breaker
from dbmigrate.output import rehearsal as output
from dbmigrate.scratch.lock_report import Means

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbmigrate.api.rehearsal import Rehearsed
    from dbmigrate.cli.call import Call
    from dbmigrate.cli.run_request import DryRunRequest, RunRequest
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.model import Goal


def rehearse(call: Call, command: str, request: RunRequest, dry_run: DryRunRequest) -> None:
    """Rehearse ``up``, ``migrate`` or ``rollback``, and print the result.

    In place the locks are real: a protected environment needs the same confirmation as for a run.
    """
    approval = replace(request.approval, is_rehearsal=True)
    with call.migrator(expect_plan=request.expect_plan, approval=approval) as migrator:
        rehearser = Rehearser.of(migrator)
        if dry_run.on is not None:
            clone, queries = _clone(call, dry_run.on), traffic.queries(dry_run.traffic or ())
            is_rollback = command == "rollback"
            rehearse_on = rehearser.rehearse_rollback_on if is_rollback else rehearser.rehearse_up_on
            found = rehearse_on(clone, request.goal, queries=queries)
        elif dry_run.kind is DryRunKind.REHEARSE_IN_PLACE:
            # before anybody is asked for a confirmation: this is not a run
            call.renderer.on_event(Targeted(call.target_name(call.settings()), dry_run.kind.value))
            found = _in_place(rehearser, command)(request.goal)
        else:
            means = Means(scratch.choice(call), call.settings().environ)
            found = _on_copy(rehearser, command)(means, request.goal)
    for problem in (*found.problems, *breaker.slow_steps(found.done, call.settings().max_blocked)):
        call.renderer.on_event(Warned(problem))
    call.renderer.answer(command, map(call.hide, output.lines(found)), output.value(found, hide=call.hide))
    append_summary(call, dry_run.summary, found)


def _clone(call: Call, url: str) -> Dsn:
    """The database that a rehearsal may change for good. Raises Refused E781 for a protected environment."""
    settings = call.settings()
    clone = settings.clone(url)
    if protection := settings.protection_of(clone):
        raise Refused(
            f"--on names the database of the protected environment {protection.environment}",
            code="E781",
            hint="a clone stays migrated: name a copy of the database that nobody needs",
        )
    return clone


def append_summary(call: Call, path: str | None, found: Rehearsed) -> None:
    """Append the report in Markdown to a file, if one is named. Raises ConfigError E207."""
    if path is None or found.measurement is None:
        return
    try:
        with open(path, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(f"{call.hide(line)}\n" for line in output.markdown(found))
    except OSError as exc:
        raise ConfigError(f"cannot write {path}: {exc.strerror}", code="E207") from exc


def _in_place(rehearser: Rehearser, command: str) -> Callable[[Goal], Rehearsed]:
    up = rehearser.rehearse_up_in_place
    return {"up": up, "migrate": up, "rollback": rehearser.rehearse_rollback_in_place}[command]


def _on_copy(rehearser: Rehearser, command: str) -> Callable[[Means, Goal], Rehearsed]:
    return {
        "up": rehearser.rehearse_up,
        "migrate": rehearser.rehearse_migrate,
        "rollback": rehearser.rehearse_rollback,
    }[command]
