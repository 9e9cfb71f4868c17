"""The command that does all of a deployment."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import (
    LIMITS,
    STRICT,
    AllowExisting,
    ExpectPlan,
    Reason,
    RequireApplied,
    Yes,
    common_with,
)
from dbmigrate.deploy.health import Patience, header
from dbmigrate.deploy.settings import DeployConfig, OnFailure
from dbmigrate.errors import ConfigError
from dbmigrate.planning.approval import Approval
from dbmigrate.settings.durations import duration

HealthUrl = Annotated[
    list[str] | None, typer.Option("--health-url", metavar="URL", help="Ask this afterwards; 2xx is healthy.")
]
HealthHeader = Annotated[
    list[str] | None, typer.Option("--health-header", metavar="'NAME: VALUE'", help="Send this with the question.")
]
HealthCommand = Annotated[
    list[str] | None, typer.Option("--health-command", metavar="CMD", help="Run this afterwards; 0 is healthy.")
]
HealthRetries = Annotated[
    int | None, typer.Option("--health-retries", metavar="N", min=0, help="How often to ask again. [5]")
]
HealthInterval = Annotated[
    str | None, typer.Option("--health-interval", metavar="DURATION", help="How long to wait before that. [2s]")
]
AfterFailure = Annotated[
    OnFailure | None,
    typer.Option("--on-failure", metavar="rollback|keep", help="What becomes of this run's migrations. [rollback]"),
]
BackupDirectory = Annotated[
    str | None, typer.Option("--backup", metavar="DIR", help="Where the backup goes. [./backups]")
]
NoBackup = Annotated[bool, typer.Option("--no-backup", help="Make no backup.")]


@common_with(STRICT, LIMITS)
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
    expect_plan: ExpectPlan = None,
    require_applied_in: RequireApplied = None,
    allow_existing: AllowExisting = False,
    yes: Yes = False,
    reason: Reason = None,
) -> None:
    """Verify, plan, back up, migrate, check the health; roll back if that fails."""
    from dbmigrate.output import deploying

    agreed = _agreed(call)
    config = replace(
        agreed,
        backup_dir=_directory(agreed, backup, wants_none=no_backup),
        urls=tuple(health_url or agreed.urls),
        headers=tuple(map(header, health_header)) if health_header else agreed.headers,
        commands=tuple(health_command or agreed.commands),
        patience=_patience(agreed.patience, health_retries, health_interval),
        on_failure=on_failure or agreed.on_failure,
    )
    approval = Approval(yes=yes, applied_in=require_applied_in, allow_existing=allow_existing)
    with call.deployer(config, reason=reason, expect_plan=expect_plan, approval=approval) as deployer:
        done = deployer.deploy()
    call.renderer.outcome("deploy", deploying.result_lines(done), deploying.value(done))


def _agreed(call: Call) -> DeployConfig:
    """What the project file says."""
    project = call.settings().project
    return DeployConfig.from_mapping(project.deploy, origin=project.path)


def _directory(agreed: DeployConfig, given: str | None, *, wants_none: bool) -> str | None:
    if wants_none and given is not None:
        raise ConfigError("--backup and --no-backup exclude each other", code="E200", hint="give one of them")
    return None if wants_none else given or agreed.backup_dir


def _patience(agreed: Patience, retries: int | None, interval: str | None) -> Patience:
    return Patience(
        agreed.retries if retries is None else retries,
        agreed.interval if interval is None else duration(interval, "--health-interval"),
    )
