"""``dbmigrate backup``: one is taken now; the files that are there are listed, or pruned."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import Yes, common
from dbmigrate.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from dbmigrate.reports import BackupFile


class Action(StrEnum):
    """What is done with the backups that are there."""

    LIST = "list"
    PRUNE = "prune"


@common
def backup(
    call: Call,
    action: Annotated[
        Action | None,
        typer.Argument(metavar="[list|prune]", help="Show or delete backups, in the place of taking one."),
    ] = None,
    directory: Annotated[
        str | None, typer.Option("--backup-dir", metavar="DIR", help="Where the backups are. [./backups]")
    ] = None,
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="AGE", help="With prune: what is older, such as 30d.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With prune: show what would be deleted.")] = False,
    yes: Yes = False,
) -> None:
    """Back the database up now; `backup list` and `backup prune` show and delete backups."""
    if action is not Action.PRUNE and (older_than is not None or dry_run):
        name = "--older-than" if older_than is not None else "--dry-run"
        raise ConfigError(f"{name} is for `backup prune`", code="E200", hint="write dbmigrate backup prune")
    where = directory or _configured(call)
    if action is None:
        _take(call, where)
    elif action is Action.LIST:
        _list(call, where)
    else:
        _prune(call, where, _before(older_than), asks=None if dry_run else yes)


def _configured(call: Call) -> str:
    from dbmigrate.deploy.settings import BACKUPS, DeployConfig

    project = call.settings().project
    return DeployConfig.from_mapping(project.deploy, origin=project.path).backup_dir or BACKUPS


def _before(text: str | None) -> datetime:
    """The time before which a backup is old. Raises ConfigError E200, E205."""
    from datetime import UTC, datetime, timedelta

    from dbmigrate.settings import durations

    found = None if text is None else durations.seconds(text)
    if text is None:
        raise ConfigError("backup prune needs --older-than", code="E200", hint=_AGE)
    if found is None:
        raise ConfigError(f"--older-than: {text!r} is not a duration", code="E205", hint=_AGE)
    try:
        return datetime.now(UTC) - timedelta(seconds=found)
    except OverflowError as exc:
        raise ConfigError(f"--older-than: {text!r} is out of range", code="E205", hint=_AGE) from exc


def _take(call: Call, directory: str) -> None:
    from dbmigrate.api.restore import Backups
    from dbmigrate.events import Phase, PhaseDone
    from dbmigrate.output import backups as output

    with call.opened(Backups) as found:
        taken = found.take(directory, call.settings().environ)
    call.renderer.on_event(PhaseDone(Phase.BACKUP, taken))
    call.renderer.outcome("backup", (taken.path,), output.taken_value(taken))


def _read(call: Call, directory: str) -> Iterator[BackupFile]:
    from dbmigrate.connection.programs import Search
    from dbmigrate.schema import archives, backup_files

    found, environ = backup_files.found(directory), call.settings().environ
    if not found:
        return iter(())
    return backup_files.read(found, archives.Restorer.of(Search.from_environ(environ), environ))


def _list(call: Call, directory: str) -> None:
    """The lines appear one by one: each file is read to its end."""
    from dbmigrate.output import backups as output

    files = _read(call, directory)
    if call.wants_json:
        call.renderer.answer("backup", (), output.listed_value(directory, tuple(files)))
    else:
        call.renderer.answer("backup", output.listed_lines(directory, files), {})


def _prune(call: Call, directory: str, before: datetime, *, asks: bool | None) -> None:
    """Show what is old, ask, delete; `asks` None only shows it."""
    from dbmigrate.cli import confirming
    from dbmigrate.events import Targeted
    from dbmigrate.output import backups as output
    from dbmigrate.schema import backup_files

    files = tuple(_read(call, directory))
    old = backup_files.to_prune(files, before)
    value = output.pruned_value(directory, files, old)
    if asks is None or not old:
        call.renderer.answer("backup", output.prune_lines(directory, files, old), value)
        return
    for each in old:
        call.renderer.on_event(Targeted(each.path, output.described(each)))
    confirming.ask(call.renderer, f"delete {output.amount(old)} from {directory}", yes=asks)
    backup_files.remove(old)
    call.renderer.outcome("backup", (output.pruned_line(directory, files, old),), {**value, "deleted": True})


_AGE = "write --older-than 30d, or 12h"
