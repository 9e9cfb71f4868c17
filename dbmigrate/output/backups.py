"""Backups as text and as JSON: taken, listed, pruned, restored. Pure, but for the present time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dbmigrate.output import deploying, text
from dbmigrate.output.colour import Style

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dbmigrate.output.colour import Line
    from dbmigrate.reports import Backup, BackupFile, Restored

_DAY = 86400


def taken_value(taken: Backup) -> dict[str, object]:
    """A backup that was taken, for programs."""
    return {"action": "take", "backup": deploying.backup_value(taken)}


def age(taken_at: datetime, now: datetime | None = None) -> str:
    """``3 days old``, ``5 h old``, ``12 min old``"""
    seconds = max(((now or datetime.now(UTC)) - taken_at).total_seconds(), 0)
    if seconds >= _DAY:
        return f"{text.count(int(seconds // _DAY), 'day')} old"
    return f"{int(seconds // 3600)} h old" if seconds >= 3600 else f"{int(seconds // 60)} min old"


def described(file: BackupFile) -> str:
    """``3 days old · 12.3 MB · of shop``"""
    return f"{age(file.taken_at)} · {deploying.size(file.size)} · of {file.database or '?'}"


def listed_lines(directory: str, files: Iterable[BackupFile]) -> Iterator[Line | str]:
    """A line for each file, as it is read."""
    is_empty = True
    for each in files:
        is_empty = False
        rest = text.one_line(f"{each.path} · {described(each)}")
        if each.is_good:
            yield text.labelled(Style.SUCCESS, "good    ", rest)
        else:
            yield text.labelled(Style.ERROR, "damaged ", f"{rest} · {text.one_line(each.fault or '')}")
    if is_empty:
        yield f"no backup is in {directory}"


def listed_value(directory: str, files: Sequence[BackupFile]) -> dict[str, object]:
    """The same for programs: sizes are bytes."""
    return {"action": "list", "directory": directory, "backups": [_value(each) for each in files]}


def _value(file: BackupFile) -> dict[str, object]:
    return {
        "path": file.path,
        "bytes": file.size,
        "taken_at": file.taken_at.isoformat(),
        "database": file.database,
        "readable": file.is_good,
        "fault": file.fault,
    }


def amount(files: Sequence[BackupFile]) -> str:
    """``3 backups (12.3 MB)``"""
    return f"{text.count(len(files), 'backup')} ({deploying.size(sum(each.size for each in files))})"


def prune_lines(directory: str, files: Sequence[BackupFile], old: Sequence[BackupFile]) -> Iterator[str]:
    """What would be deleted."""
    for each in old:
        yield f"{each.path} · {described(each)}"
    verb = "would be deleted" if old else "to delete"
    yield f"{amount(old) if old else 'nothing'} {verb} in {directory}{_staying(files, old)}"


def pruned_line(directory: str, files: Sequence[BackupFile], old: Sequence[BackupFile]) -> str:
    """What was deleted."""
    return f"{amount(old)} deleted from {directory}{_staying(files, old)}"


def _staying(files: Sequence[BackupFile], old: Sequence[BackupFile]) -> str:
    damaged = sum(not each.is_good for each in files)
    more = f", {damaged} of them cannot be read" if damaged else ""
    return f" · {len(files) - len(old)} kept{more}"


def pruned_value(directory: str, files: Sequence[BackupFile], old: Sequence[BackupFile]) -> dict[str, object]:
    """The same for programs."""
    paths = {each.path for each in old}
    return {
        "action": "prune",
        "directory": directory,
        "old": [_value(each) for each in old],
        "kept": [_value(each) for each in files if each.path not in paths],
        "deleted": False,
    }


def restored_summary(made: Restored) -> str:
    """``shop_restore_20261201065500 · version 3 · 3 applied, 1 pending · 1.2 s``"""
    version = f"version {made.current}" if made.current else "no version is applied"
    counts = f"{made.applied} applied, {made.pending} pending"
    return f"{made.database} · {version} · {counts} · {text.duration(made.seconds)}"


def restored_lines(made: Restored, target: str, *, is_replaced: bool) -> Iterator[str]:
    """The renames, as a script for psql; or what was renamed."""
    if is_replaced:
        before = f"; what it was before is {made.previous}: drop it when nobody needs it" if made.previous else ""
        yield f"{target} holds what {made.path} holds{before}"
        return
    keeps = f"; the present one is then {made.previous}" if made.previous else ""
    yield f"-- to be run in another database, such as postgres: it becomes {target}{keeps}"
    yield from made.renames


def restored_value(made: Restored, target: str, *, is_replaced: bool) -> dict[str, object]:
    """The same for programs."""
    return {
        "path": made.path,
        "target": target,
        "database": target if is_replaced else made.database,
        "previous": made.previous if is_replaced else None,
        "replaced": is_replaced,
        "renames": list(made.renames),
        "version": made.current,
        "applied": made.applied,
        "pending": made.pending,
        "duration_ms": round(made.seconds * 1000, 3),
    }
