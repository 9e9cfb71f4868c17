"""What this machine needs to have: migration files, room for the schema file, a pg_dump that is new enough."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from dbmigrate import services
from dbmigrate.connection import programs
from dbmigrate.diagnostics.values import failed, of_error, ok, warning
from dbmigrate.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.connection.programs import ClientProgram
    from dbmigrate.diagnostics.values import Diagnosis, Setup

__all__ = ["driver", "dumper", "files"]

_WRONG = 2  # the exit code of what is configured wrongly
_ROOM = 1 << 20  # bytes; schema files are smaller, but for very few


def driver() -> str:
    """The versions of psycopg and of the libpq that it uses."""
    libpq = psycopg.pq.version()
    return f"psycopg {psycopg.__version__} ({psycopg.pq.__impl__}), libpq {libpq // 10000}.{libpq % 10000}"


def files(setup: Setup) -> Iterator[Diagnosis]:
    """Whether the migrations can be read, and the schema file can be written."""
    for directory in setup.directories:
        path = Path(directory)
        if not path.is_dir():
            hint = "make it with `dbmigrate new NAME`, or name another with --migrations-dir"
            hint = services.choice(setup.services) if setup.services else hint
            yield failed("files", f"the migrations directory {directory} does not exist", hint, exit_code=_WRONG)
        elif not os.access(path, os.R_OK | os.X_OK):
            hint = "run as a user who may read it"
            yield failed("files", f"the migrations directory {directory} cannot be read", hint, exit_code=_WRONG)
        else:
            number = sum(1 for each in path.iterdir() if each.suffix == ".sql" and each.name[:1].isdigit())
            yield ok("files", f"{number} migration{'' if number == 1 else 's'} in {directory}")
    if setup.wants_schema_file:
        yield _room(Path(setup.schema_file))


def _room(file: Path) -> Diagnosis:
    """Write a file of 1 MB beside the schema file, which is gone when it is closed."""
    nearest = next((path for path in file.absolute().parents if path.exists()), Path("/"))
    try:
        with tempfile.TemporaryFile(dir=nearest) as probe:
            probe.write(b"x" * _ROOM)
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as exc:
        is_full = exc.errno in (errno.ENOSPC, errno.EDQUOT)
        what = "the disk of this machine is full" if is_full else f"{nearest} cannot be written"
        hint = "free space there" if is_full else "correct its owner or mode, or use --no-dump-schema"
        message = f"{what}: there is no room for the schema file {file}" if is_full else f"{what}: {exc.strerror}"
        return failed("disk" if is_full else "files", message, hint, exit_code=_WRONG)
    return ok("files", f"the schema file {file} can be written")


def dumper(setup: Setup, server: int | None, *, is_encrypted: bool) -> Diagnosis:
    """Whether a pg_dump is as new as the server, whose major version is `server`; None: not known."""
    try:
        found = programs.pg_dumps(setup.search)
    except ConfigError as exc:
        return of_error(programs.DUMPER, exc)
    versions = [(programs.version_of(program), program) for program in found]
    usable = [(version, program) for version, program in versions if version != (0, 0)]
    if not usable:
        return _missing(setup, found[0].command[0] if found else None, server)
    fitting = [(version, program) for version, program in usable if server is None or version[0] >= server]
    shown = _shown(*(fitting or usable)[0])
    if not fitting:
        message = f"the server is PostgreSQL {server}, and the newest pg_dump here is {shown}"
        return _unfit(setup, message, server)
    encrypting = [each for each in fitting if not each[1].source.startswith("package")]
    if is_encrypted and not encrypting:
        return _unfit(setup, f"the connection is encrypted, and pg_dump {shown} knows no TLS", server)
    return ok(programs.DUMPER, _shown(*encrypting[0]) if is_encrypted else shown)


def _shown(version: tuple[int, int], program: ClientProgram) -> str:
    return f"{version[0]}.{version[1]} ({' '.join(program.command)})"


def _missing(setup: Setup, command: str | None, server: int | None) -> Diagnosis:
    if command is not None and setup.search.pg_dump:
        return _unfit(setup, f"{programs.PG_DUMP} names {command}, which does not run", server)
    return _unfit(setup, "there is no pg_dump on this machine", server)


def _unfit(setup: Setup, message: str, server: int | None) -> Diagnosis:
    """A failure where the schema file is wanted; otherwise a warning, because only `dump` and backups need it."""
    package = "postgresql-client" + (f"-{server}" if server else "")
    hint = f"install PostgreSQL's client programs (apt-get install {package}), or set {programs.PG_DUMP} to a command"
    if not setup.wants_schema_file:
        return warning(programs.DUMPER, f"{message}; `dump` and backups need it", hint)
    return failed(programs.DUMPER, message, f"{hint}; or do without a schema file: --no-dump-schema", exit_code=_WRONG)
