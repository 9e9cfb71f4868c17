"""What the cases are made of: servers and databases, projects with migrations, and the programs that run them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from psycopg import sql

from bench import revisions
from bench.harness import Program
from dbmigrate.connection.programs import Search
from dbmigrate.embedded import Options, kept_server
from tests.support import dbmate
from tests.support.servers import (
    PASSWORD,
    DatabaseServer,
    UnavailableError,
    binaries_of,
    cache_directory,
    connected_server,
    free_port,
)

PYTHON = sys.executable
OURS = str(Path(PYTHON).with_name("dbmigrate"))
ROOT = str(Path(__file__).parents[1])
NO_DUMP = "--no-dump-schema"
# PostgreSQL's own defaults, where our servers for development have others
DEFAULTS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "128MB",
    "max_locks_per_transaction": "64",
    "jit": "on",
    "max_wal_size": "1GB",
    "min_wal_size": "80MB",
}


@dataclass(slots=True)
class Databases:
    """Fresh databases for runs. None is dropped: the server goes as a whole, when all is measured."""

    server: DatabaseServer
    made: int = 0

    def fresh(self) -> str:
        """The TCP URL of a new, empty database, in the form that every program understands."""
        name = self._name()
        self.server.create(name)
        return self.server.tcp_url(name) + "?sslmode=disable"

    def copy(self, url: str) -> str:
        """The URL of a new database that is a copy of another."""
        name, template = self._name(), url.partition("?")[0].rpartition("/")[2]
        strategy = " strategy file_copy" if self.server.major >= 15 else ""
        self.server.admin.execute(f"create database {name} template {template}{strategy}".encode())
        return self.server.tcp_url(name) + "?sslmode=disable"

    def _name(self) -> str:
        self.made += 1
        return f"bench_{os.getpid()}_{self.made}"


@contextmanager
def default_server(directory: Path, major: int | None, environ: Mapping[str, str]) -> Iterator[DatabaseServer]:
    """A server of our own, on disk, with PostgreSQL's default settings. Raises `UnavailableError`."""
    binaries = binaries_of(major, environ=environ)
    options = Options(port=free_port(), settings=DEFAULTS)
    with (
        kept_server(directory, Search(bindir=binaries.bindir), options=options) as server,
        connected_server(server.conninfo(), is_ours=True) as database_server,
    ):
        database_server.admin.execute(sql.SQL("alter role postgres password {}").format(sql.Literal(PASSWORD)))
        yield database_server


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: rounds of short and of long runs, the megabytes of the largest files, the most files."""

    short: int = 21
    long: int = 5
    megabytes: int = 100
    many: int = 5000


QUICK = Size(short=9, long=2, megabytes=20, many=2000)


@dataclass(frozen=True, slots=True)
class Others:
    """The programs of others, as far as they are here, and the reasons why some are not."""

    dbmate: Path | None
    alembic: Path | None
    missing: tuple[str, ...] = ()

    @classmethod
    def found(cls, environ: Mapping[str, str]) -> Others:
        paths: list[Path | None] = [None, None]
        missing = []
        cache = cache_directory(environ)
        for number, find in enumerate(
            (lambda: dbmate.binary(cache=cache), lambda: revisions.program(cache=cache, environ=environ))
        ):
            try:
                paths[number] = find()
            except UnavailableError as exc:
                missing.append(f"{('dbmate', 'Alembic')[number]} is left out: {exc}")
        return cls(*paths, tuple(missing))


@dataclass(frozen=True, slots=True)
class Setting:
    """Where files go, the environment that the benchmark was started in, databases, others' programs, and the size."""

    folder: Path
    environ: Mapping[str, str]
    databases: Databases
    others: Others
    size: Size
    stack: ExitStack = field(default_factory=ExitStack)

    def project(self, name: str, files: Mapping[str, str]) -> Path:
        """A folder with these migrations, and the same for Alembic; generated once."""
        root = self.folder / name
        directory = root / "db" / "migrations"
        if not directory.exists():
            directory.mkdir(parents=True)
            for file, text in files.items():
                (directory / file).write_text(text)
        return self.with_revisions(root)

    def with_revisions(self, root: Path) -> Path:
        if self.others.alembic is not None:
            revisions.write(root, alembic=self.others.alembic)
        return root

    def fresh(self, program: Program) -> dict[str, str]:
        return self.env(self.databases.fresh())

    def env(self, url: str) -> dict[str, str]:
        return {"DATABASE_URL": url, "PYTHONPATH": ROOT}

    def applied(self, root: Path, *, name: str = "dbmigrate", databases: Databases | None = None) -> dict[str, str]:
        """A database in which all migrations of `root` are applied, by dbmigrate or by Alembic."""
        env = self.env((databases or self.databases).fresh())
        command = self.alembic(root, "upgrade", "head") if name == "Alembic" else [self.ours(NO_DUMP, "-q", "up")]
        subprocess.run(
            command[0].command, cwd=root, env={**env, "PATH": os.defpath}, check=True, stderr=subprocess.DEVNULL
        )
        return env

    def server(self, major: int) -> DatabaseServer:
        """A second server, of another version, until the end. Raises `UnavailableError`."""
        return self.stack.enter_context(default_server(self.folder / f"server{major}", major, self.environ))

    # -- programs: one of somebody else is a list, empty where it is not here

    def ours(self, *arguments: str) -> Program:
        return Program("dbmigrate", (OURS, *arguments))

    def dbmate(self, *arguments: str) -> list[Program]:
        return [] if self.others.dbmate is None else [Program("dbmate", (str(self.others.dbmate), *arguments))]

    def alembic(self, root: Path, *arguments: str) -> list[Program]:
        if self.others.alembic is None:
            return []
        return [Program("Alembic", (str(self.others.alembic), "-c", str(root / "alembic.ini"), *arguments))]

    def floor(self, command: str, root: Path, *arguments: str, name: str = "floor") -> Program:
        start = "from bench.floor import main; main()"  # as the script of an installed program does it
        return Program(name, (PYTHON, "-c", start, command, str(root / "db" / "migrations"), *arguments))
