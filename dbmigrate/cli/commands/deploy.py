"""``dbmigrate deploy``."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import (
    BACKFILLS,
    LIMITS,
    STRICT,
    WATCHED,
    AllowBreaking,
    AllowExisting,
    AllowUntracked,
    ExpectPlan,
    Reason,
    RequireApplied,
    Salvage,
    SalvageLimit,
    Yes,
    common_with,
)
from dbmigrate.cli.run_request import salvage_request
from dbmigrate.deploy.health import Patience, header
from dbmigrate.deploy.settings import DeployConfig, OnFailure
from dbmigrate.errors import ConfigError
from dbmigrate.planning import untracked
from dbmigrate.planning.approval import Approval
from dbmigrate.settings.durations import duration

HealthUrl = Annotated[
    list[str] | None, typer.Option("--health-url", metavar="URL", help="Request this URL afterwards; 2xx is healthy.")
]
HealthHeader = Annotated[
    list[str] | None,
    typer.Option("--health-header", metavar="'NAME: VALUE'", help="Header for the request."),
]
HealthCommand = Annotated[
    list[str] | None,
    typer.Option("--health-command", metavar="CMD", help="Run this afterwards; exit code 0 is healthy."),
]
HealthRetries = Annotated[
    int | None, typer.Option("--health-retries", metavar="N", min=0, help="How often to repeat a failed check. [5]")
]
HealthInterval = Annotated[
    str | None, typer.Option("--health-interval", metavar="DURATION", help="How long to wait before a repeat. [2s]")
]
AfterFailure = Annotated[
    OnFailure | None,
    typer.Option(
        "--on-failure",
        metavar="rollback|keep",
        help="What to do after a failure. [rollback]",
    ),
]
BackupDirectory = Annotated[
    str | None, typer.Option("--backup", metavar="DIR", help="Directory for the backup. [./backups]")
]
NoBackup = Annotated[bool, typer.Option("--no-backup", help="Make no backup.")]


@common_with(STRICT, BACKFILLS, LIMITS, WATCHED)
def deploy(
    call: Call,
    health_url: HealthUrl = None,
    health_header: HealthHeader = None,
    health_command: HealthCommand = None,
    health_retries: HealthRetries = None,
    health_interval: HealthInterval = None,
    on_failure: AfterFailure = None,
    backup: BackupDirectory = None,
    no_backup: NoBackup = False,
    salvage: Salvage = None,
    salvage_limit: SalvageLimit = None,
    expect_plan: ExpectPlan = None,
    require_applied_in: RequireApplied = None,
    allow_existing: AllowExisting = False,
    allow_breaking: AllowBreaking = False,
    allow_untracked: AllowUntracked = None,
    yes: Yes = False,
    reason: Reason = None,
) -> None:
    """Verify, plan, back up, migrate and check the health; roll back if that fails."""
    from dbmigrate.output import deploying

    configured = _configured(call)
    config = replace(
        _with_health(configured, health_url, health_header, health_command),
        backup_dir=_directory(configured, backup, wants_none=no_backup),
        patience=_patience(configured.patience, health_retries, health_interval),
        on_failure=on_failure or configured.on_failure,
    )
    approval = Approval(
        yes=yes,
        applied_in=require_applied_in,
        allow_existing=allow_existing,
        allow_breaking=allow_breaking,
        allow_untracked=allow_untracked,
    )
    why = reason if allow_untracked is None else untracked.reason(reason, allow_untracked)
    salvaging = salvage_request(salvage, salvage_limit, dry_run=False)
    with (
        call.watched("deploy"),
        call.deployer(config, reason=why, expect_plan=expect_plan, approval=approval, salvage=salvaging) as deployer,
    ):
        done = deployer.deploy()
    call.renderer.outcome("deploy", deploying.result_lines(done), deploying.value(done))


def _configured(call: Call) -> DeployConfig:
    """What the project file says."""
    project = call.settings().project
    return DeployConfig.from_mapping(project.deploy, origin=project.path)


def _with_health(
    configured: DeployConfig, urls: HealthUrl, headers: HealthHeader, commands: HealthCommand
) -> DeployConfig:
    """With the options about the checks in the place of what the project file says."""
    return replace(
        configured,
        urls=tuple(urls or configured.urls),
        headers=tuple(map(header, headers)) if headers else configured.headers,
        commands=tuple(commands or configured.commands),
    )


def _directory(configured: DeployConfig, given: str | None, *, wants_none: bool) -> str | None:
    if wants_none and given is not None:
        raise ConfigError("--backup and --no-backup exclude each other", code="E200", hint="give one of them")
    return None if wants_none else given or configured.backup_dir


def _patience(configured: Patience, retries: int | None, interval: str | None) -> Patience:
    return Patience(
        configured.retries if retries is None else retries,
        configured.interval if interval is None else duration(interval, "--health-interval"),
    )
