"""Restores a dump into a database: an archive or directory of pg_dump by pg_restore, a file of SQL by psql.

What a dump needs of another server (roles, mostly) is left out, and reported: a scratch database has other owners.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from dbmigrate.connection.programs import client_programs
from dbmigrate.errors import ConfigError, DatabaseError, ToolMissing
from dbmigrate.model import Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.connection.programs import ClientProgram, Search

_ARCHIVE = b"PGDMP"
_GZIP = b"\x1f\x8b"
_TOC = "toc.dat"  # the first member of a tar archive, and a file of a directory
_PSQL = ("--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=0", "--output=/dev/null")
_RESTORE = ("--no-owner", "--no-privileges", "--no-tablespaces", "--no-password")
# pg_restore cannot read an archive of a later pg_dump: pg_backup_archiver.c
_UNFIT = re.compile(r"unsupported version \(")
_ERROR = re.compile(r"^(?:psql:.*?:\d+: |pg_restore: error: could not execute query: )ERROR: +(.*)", re.MULTILINE)
# roles belong to a server; `transaction_timeout` is from pg_dump 17 on, and unknown to servers before it
_ELSEWHERE = re.compile(
    r'role "[^"]*" does not exist|unrecognized configuration parameter "transaction_timeout"'
    r'|schema "public" already exists'
)
_SHOWN = 3


def restore(dump: str, into: Dsn, *, major: int, search: Search) -> tuple[Problem, ...]:
    """Restore the dump at the path `dump` into an empty database of a server of version `major`; what was left out.

    Raises ConfigError E207 (it cannot be read), ToolMissing E206 (no pg_restore or psql), DatabaseError E431.
    """
    name, options = _program(dump)
    programs = client_programs(search, name)
    fitting = sorted(programs, key=lambda each: (each.version[0] != major, -each.version[0]))
    if not fitting:
        raise ToolMissing(f"no {name} was found, which restores {dump}", code="E206", hint=_HINT)
    complaint, status = "", 0
    for program in fitting:
        complaint, status = _run(program, [*options, dump], into)
        if not _UNFIT.search(complaint):
            break
    faults = _ERROR.findall(complaint)
    serious = [fault for fault in faults if not _ELSEWHERE.search(fault)]
    if serious or (status and not faults):
        raise DatabaseError(
            f"{dump} cannot be restored by {name}: {_some(serious or complaint.strip().splitlines())}",
            code="E431",
            hint="restore it by hand into an empty database to see all of it",
        )
    left = dict.fromkeys(fault for fault in faults if fault.startswith("role "))
    if not left:
        return ()
    return (Problem("W393", f"left out of {dump}: {_some(list(left))}", Severity.NOTE),)


_HINT = "install PostgreSQL's client programs, or pip install 'dbmigrate[embedded]'"


def _program(dump: str) -> tuple[str, Sequence[str]]:
    """The program that restores it, with its options."""
    path = Path(dump)
    try:
        if path.is_dir():
            if not (path / _TOC).is_file():
                raise ConfigError(f"{dump} is a directory, but not one of pg_dump", code="E207")
            return "pg_restore", _RESTORE
        with path.open("rb") as file:
            head = file.read(len(_TOC))
    except OSError as exc:
        raise ConfigError(f"cannot read {dump}: {exc.strerror}", code="E207") from exc
    if head.startswith(_GZIP):
        raise ConfigError(f"{dump} is compressed", code="E207", hint=f"gunzip {dump}")
    if head.startswith(_ARCHIVE) or head == _TOC.encode():
        return "pg_restore", _RESTORE
    return "psql", (*_PSQL, "--file")


def _run(program: ClientProgram, arguments: Sequence[str], into: Dsn) -> tuple[str, int]:
    """What it wrote to stderr, and its exit code."""
    environ: Mapping[str, str] = {"PGAPPNAME": "dbmigrate", **into.environment(), "LC_ALL": "C"}
    name = Path(program.command[-1]).name
    database = [f"--dbname={into.database}"] if name == "pg_restore" else []
    command = [*program.command, *database, *arguments]
    try:
        done = subprocess.run(command, env=dict(environ), stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as exc:
        raise ToolMissing(f"{program.command[0]} does not run: {exc.strerror}", code="E206") from exc
    return into.redact(done.stderr.decode(errors="replace")), done.returncode


def _some(lines: Sequence[str]) -> str:
    shown = "; ".join(lines[:_SHOWN])
    rest = len(lines) - _SHOWN
    return f"{shown} and {rest} more" if rest > 0 else shown
