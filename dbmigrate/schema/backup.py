"""Backups before a change: one archive of the whole database, written by pg_dump into a directory of the user's.

What somebody writes to the database after the backup was begun is not in it. Roles and tablespaces belong to the
server, and are not in it either.

A run that is killed in the middle leaves a hidden file that ends in ``.part``, and a pg_dump that goes on until it is
done; nothing reads such a file.
"""

from __future__ import annotations

import os
import re
import shlex
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dbmigrate.connection import database, programs
from dbmigrate.errors import ConfigError, DatabaseError, ToolMissing, unchanged
from dbmigrate.reports import Backup
from dbmigrate.schema import dump, file, pgdump

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.connection.programs import ClientProgram
    from dbmigrate.execution.session import Session

__all__ = ["Backup", "restoring", "take"]

_PRIVATE = 0o700  # a backup holds every row, and passwords of subscriptions and user mappings
_UNUSUAL = re.compile(r"[^\w.-]+|^[.-]+")


def take(session: Session, directory: str, environ: Mapping[str, str], *, now: Callable[[], datetime]) -> Backup:
    """Back the database of `session` up into `directory`, which is made if it is missing.

    The file is called ``<database>-YYYYmmdd-HHMMSS.dump``, after `now()` in UTC; one that is there is never written
    over. Only its owner can read it. It appears under its name when it is complete and on the disk; after a failure
    nothing is left. `environ` is pg_dump's environment: the password reaches it there, and by no other way.

    Raises DatabaseError E410 (pg_dump's own words), ToolMissing E206, ConfigError E207, Refused E703 behind a pooler.
    """
    database.refuse_shared_session(session.facts, "pg_dump changes the settings of its session")
    started = time.monotonic()
    stem = f"{_file_name(session.dsn.database)}-{now():%Y%m%d-%H%M%S}"
    try:
        with _unfinished(Path(directory), stem) as part:
            program = _fill(part, session, environ)
            path = _reserved(Path(directory), stem)
            os.replace(part, path)
        file.sync_directory(path.parent)
        size = path.stat().st_size
    except OSError as exc:
        message = f"the backup cannot be written to {directory}: {exc.strerror}"
        raise unchanged(ConfigError(message, code="E207")) from exc
    return Backup(str(path), size, time.monotonic() - started, restoring(path, session.dsn, program))


def restoring(path: Path, dsn: Dsn, program: ClientProgram) -> str:
    """The shell command that reads a backup into a new database, by the program that belongs to its pg_dump."""
    server = {name: dsn.conninfo.get(name) for name in ("host", "port", "user")}
    options = [
        f"--{'username' if name == 'user' else name}={value}" for name, value in server.items() if value is not None
    ]
    command = program.beside("pg_restore") or "pg_restore"
    return shlex.join([command, "--exit-on-error", *options, f"--dbname={dsn.database}_restored", str(path)])


def _fill(part: Path, session: Session, environ: Mapping[str, str]) -> ClientProgram:
    """Write the archive, see it through to the disk, and look whether it can be read."""
    child = {**environ, **dump.environment(session)}
    child.pop("PGCLIENTENCODING", None)
    try:
        with part.open("r+b") as output:
            program = pgdump.archive(
                output,
                child,
                server_version=session.facts.server_version,
                search=programs.Search.from_environ(environ),
            )
            os.fsync(output.fileno())
        pgdump.check_archive(part, program, environ)
    except DatabaseError as exc:
        message = f"the backup failed: {session.dsn.redact(exc.message)}"
        raise unchanged(exc.recast(DatabaseError, message, code="E410")) from exc
    except ToolMissing as exc:
        message = f"no backup can be made: {session.dsn.redact(exc.message)}"
        raise unchanged(exc.recast(ToolMissing, message, code=exc.code)) from exc
    return program


@contextmanager
def _unfinished(directory: Path, stem: str) -> Iterator[Path]:
    """A new file in `directory` that is gone afterwards, unless it was given another name."""
    if not directory.exists():
        directory.mkdir(_PRIVATE, parents=True, exist_ok=True)
        (directory / ".gitignore").write_text("*\n")  # rows of customers do not belong in a repository
    descriptor, name = tempfile.mkstemp(prefix=f".{stem}-", suffix=".part", dir=directory)  # for the owner alone
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _reserved(directory: Path, stem: str) -> Path:
    """An empty file of a name that nobody had before."""
    number = 1
    while True:
        path = directory / f"{stem}{f'-{number}' if number > 1 else ''}.dump"
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            number += 1
        else:
            return path


def _file_name(name: str) -> str:
    """A database's name as a part of a file's name."""
    return _UNUSUAL.sub("_", name)
