"""The errors of `mark` for a version that is in that state already: since when, by whom, and what comes next. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.errors import PlanError
from dbmigrate.planning import selection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.model import Applied, History, MigrationFile, Order

__all__ = ["already"]


def already(version: str, files: Sequence[MigrationFile], history: History, order: Order) -> PlanError:
    """E241; E232 for a version that is neither recorded nor that of a file."""
    applied = next((item for item in history.applied if item.version == version), None)
    if applied is not None:
        hint = f"to run it again: {_again(version, files, history, order)}"
        return PlanError(f"version {version} was applied already{_since(applied)}", code="E241", hint=hint)
    if version not in [file.version for file in files]:
        known = [item.version for item in history.applied]
        return selection.unknown_version(version, known, f"version {version} is not applied, and no file has it")
    undone = next((item for item in history.undone if item.version == version), None)
    more = f": it was rolled back{_since(undone)}" if undone else ""
    return PlanError(f"version {version} is pending already{more}", code="E241", hint="`dbmigrate up` applies it")


def _since(item: Applied) -> str:
    when = f" on {item.applied_at:%Y-%m-%d %H:%M:%S %Z}" if item.applied_at else ""
    return (
        f"{when}{f' by {item.applied_by}' if item.applied_by else ''}{f' because {item.reason}' if item.reason else ''}"
    )


def _again(version: str, files: Sequence[MigrationFile], history: History, order: Order) -> str:
    """The commands that run an applied version again: those after it are undone before."""
    names = {file.version: file.name for file in files}
    key = {item.version: order.key(names.get(item.version) or item.name or item.version) for item in history.applied}
    versions = sorted(key, key=lambda each: key[each])
    if versions[-1] == version:
        return "`dbmigrate redo`"
    at = versions.index(version)
    goal = f"--to {versions[at - 1]}" if at else "--all"
    return f"`dbmigrate rollback {goal}` undoes it and what came after it, then `dbmigrate up`"
