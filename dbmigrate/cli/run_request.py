"""What ``up``, ``migrate`` and ``rollback`` are asked for: how far to go, with which approval, or a dry run."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from dbmigrate.cli.options import (
    AllowBreaking,
    AllowExisting,
    AllowUntracked,
    Backup,
    DryRun,
    Execute,
    ExpectPlan,
    InPlace,
    Locks,
    OnClone,
    Only,
    Reason,
    RehearsalSummary,
    RequireApplied,
    Salvage,
    SalvageLimit,
    Steps,
    ToVersion,
    Traffic,
    Yes,
)
from dbmigrate.errors import ConfigError
from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.cli.salvaging import SalvageRequest
    from dbmigrate.model import Goal
    from dbmigrate.planning.approval import Approval

LAST_RUN = "last"


@frozen
class UpOptions:
    """The options of ``up`` and ``migrate``."""

    to: ToVersion = None
    steps: Steps = None
    only: Only = None
    dry_run: DryRun = False
    execute: Execute = False
    in_place: InPlace = False
    on: OnClone = None
    traffic: Traffic = None
    summary: RehearsalSummary = None
    locks: Locks = None
    expect_plan: ExpectPlan = None
    require_applied_in: RequireApplied = None
    backup: Backup = None
    salvage: Salvage = None
    salvage_limit: SalvageLimit = None
    allow_existing: AllowExisting = False
    allow_breaking: AllowBreaking = False
    allow_untracked: AllowUntracked = None
    yes: Yes = False
    reason: Reason = None

    def request(self) -> RunRequest:
        """What they ask for. Raises ConfigError E200 for options that exclude each other."""
        from dbmigrate.planning.approval import Approval

        approval = Approval(
            yes=self.yes,
            applied_in=self.require_applied_in,
            allow_existing=self.allow_existing,
            allow_breaking=self.allow_breaking,
            allow_untracked=self.allow_untracked,
        )
        reason = self.reason if self.allow_untracked is None else _reason(self.reason, self.allow_untracked)
        salvaging = salvage_request(self.salvage, self.salvage_limit, self.dry_run)
        goal = _upward(self.steps, self.to, self.only)
        return RunRequest(goal, approval, self.expect_plan, reason, self.backup, salvaging)

    def dry_run_request(self) -> DryRunRequest | None:
        """The dry run that they ask for; None: run the plan."""
        found = dry_run_request(self.dry_run, self.execute, self.in_place, self.locks)
        return with_clone(found, self.on, self.traffic, self.summary)


def _reason(given: str | None, allowed: str) -> str:
    """What the log keeps of both. Raises ConfigError E200."""
    from dbmigrate.planning import untracked

    return untracked.reason(given, allowed)


def _upward(steps: int | None, version: str | None, only: str | None) -> Goal:
    """The goal of ``up`` and ``migrate``. Raises ConfigError E200 for options that exclude each other."""
    from dbmigrate.model import Goal

    _refuse_several({"--steps": steps is not None, "--to": version is not None, "--only": only is not None})
    return Goal(steps, version, only)


def rollback_goal(steps: int | None, version: str | None, run: str | None, *, everything: bool) -> Goal:
    """The goal of ``rollback``: one migration without an option. Raises ConfigError E200, E205 (another run)."""
    from dbmigrate.model import ALL, LAST, Goal

    given = {"--steps": steps is not None, "--to": version is not None, "--all": everything, "--run": run is not None}
    _refuse_several(given)
    if run is not None:
        if run != LAST_RUN:
            hint = f"write --run {LAST_RUN}; for an earlier one --to VERSION"
            raise ConfigError("--run: only the last run can be rolled back", code="E205", hint=hint)
        return Goal(last_run=True)
    if everything:
        return ALL
    return Goal(steps, version) if any(given.values()) else LAST


def _refuse_several(given: dict[str, bool]) -> None:
    if sum(given.values()) > 1:
        *names, last = given
        message = f"{', '.join(names)} and {last} exclude each other"
        raise ConfigError(message, code="E200", hint="give one of them")


@frozen
class RunRequest:
    """What a command that runs migrations was asked for."""

    goal: Goal
    approval: Approval
    expect_plan: str | None
    reason: str | None
    backup: str | None = None
    salvage: SalvageRequest | None = None


def salvage_request(directory: str | None, limit: str | None, dry_run: bool) -> SalvageRequest | None:
    """What ``--salvage`` and ``--salvage-limit`` ask for. Raises ConfigError E200, E205."""
    if directory is None and limit is None:
        return None
    from dbmigrate.cli import salvaging

    return salvaging.request(directory, limit, dry_run)


class DryRunKind(Enum):
    """What a dry run does with the plan."""

    SHOW = "show it"
    REHEARSE_ON_COPY = "run on a scratch copy"
    REHEARSE_ON_CLONE = "run on a clone, for good"
    REHEARSE_IN_PLACE = "run on the database and roll back"


@frozen
class DryRunRequest:
    """The dry run that was asked for. `locks` None: the setting decides whether there is a lock report.

    `on` is the URL of a clone, `traffic` names queries to run there, `summary` a file for the report.
    """

    kind: DryRunKind
    locks: bool | None = None
    on: str | None = None
    traffic: Sequence[str] | None = None
    summary: str | None = None


def dry_run_request(dry_run: bool, execute: bool, in_place: bool, locks: bool | None) -> DryRunRequest | None:
    """The dry run that the options ask for; None: run the plan. Raises ConfigError E200."""
    if execute and not dry_run:
        raise ConfigError("--execute needs --dry-run", code="E200", hint="write --dry-run --execute")
    if in_place and not execute:
        raise ConfigError("--in-place needs --execute", code="E200", hint="write --dry-run --execute --in-place")
    if not dry_run:
        return None
    if not execute:
        return DryRunRequest(DryRunKind.SHOW, locks)
    return DryRunRequest(DryRunKind.REHEARSE_IN_PLACE if in_place else DryRunKind.REHEARSE_ON_COPY, locks)


def with_clone(
    found: DryRunRequest | None, on: str | None, traffic: Sequence[str] | None, summary: str | None
) -> DryRunRequest | None:
    """The dry run, on a clone if one is named. Raises ConfigError E200."""
    if on is None:
        if traffic or summary:
            name = "--traffic" if traffic else "--summary"
            raise ConfigError(f"{name} needs --on", code="E200", hint="write --dry-run --execute --on URL")
        return found
    if found is None or found.kind is not DryRunKind.REHEARSE_ON_COPY:
        hint = "write --dry-run --execute --on URL, without --in-place"
        raise ConfigError("--on is for a rehearsal on a clone", code="E200", hint=hint)
    return DryRunRequest(DryRunKind.REHEARSE_ON_CLONE, on=on, traffic=traffic, summary=summary)
