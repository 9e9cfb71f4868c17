"""The backups of a directory: which files are backups, and which of them are old enough to go."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError, unchanged
from dbmigrate.reports import BackupFile
from dbmigrate.schema import archives

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dbmigrate.schema.archives import Restorer

# as `backup.take` names them
_NAME = re.compile(r"(?P<stem>.+)-(?P<at>\d{8}-\d{6})(?:-\d+)?\.dump")


def found(directory: str) -> list[BackupFile]:
    """The files that are named as backups, the newest first; nothing of them is read. Raises ConfigError E207."""
    try:
        paths = [path for path in Path(directory).iterdir() if path.is_file()]
        files = [each for each in map(_backup, paths) if each is not None]
    except OSError as exc:
        message = f"cannot read the backups in {directory}: {exc.strerror}"
        raise unchanged(ConfigError(message, code="E207", hint="--backup-dir names another directory")) from exc
    return sorted(files, key=lambda each: (each.taken_at, each.path), reverse=True)


def _backup(path: Path) -> BackupFile | None:
    named = _NAME.fullmatch(path.name)
    if named is None:
        return None
    try:
        taken_at = datetime.strptime(named["at"], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    except ValueError:  # digits, but not of a time
        return None
    return BackupFile(str(path), named["stem"], taken_at, path.stat().st_size)


def read(files: Iterable[BackupFile], restorer: Restorer) -> Iterator[BackupFile]:
    """Each of them with its database, and why it cannot be read, if so. Everything is read: that takes its time."""
    from dataclasses import replace

    for each in files:
        path = Path(each.path)
        database = archives.database_of(path, restorer)
        fault = archives.fault(path, restorer) if database is not None else "it is not an archive of pg_dump"
        yield replace(each, database=database, fault=fault)


def to_prune(files: Sequence[BackupFile], before: datetime) -> tuple[BackupFile, ...]:
    """Of `files`, as `read` returns them, those from `before` that are not the last good one of their database.

    What cannot be read stays: nobody knows what it is. A name counts beside the database, because two servers may have
    databases of the same name. Pure.
    """
    good = [each for each in files if each.is_good]
    newest: dict[tuple[str, str | None], BackupFile] = {}
    for each in good:
        known = newest.setdefault((each.stem, each.database), each)
        if each.taken_at > known.taken_at:
            newest[each.stem, each.database] = each
    last = {each.path for each in newest.values()}
    return tuple(each for each in good if each.taken_at < before and each.path not in last)


def remove(files: Iterable[BackupFile]) -> None:
    """Delete them. Raises ConfigError E207 at the first one that cannot be deleted."""
    for each in files:
        try:
            Path(each.path).unlink()
        except OSError as exc:
            raise ConfigError(f"cannot delete {each.path}: {exc.strerror}", code="E207") from exc
