"""A server whose data directory stays: the database that dbmigrate uses when none is configured."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from dbmigrate import errors
from dbmigrate.connection.programs import Search, ServerPrograms, find_server
from dbmigrate.embedded import cluster
from dbmigrate.embedded.account import Account, owner_of, reachable_bindir, server_account
from dbmigrate.embedded.cluster import Durability, Programs
from dbmigrate.embedded.failures import translated
from dbmigrate.embedded.server import Options, Server, running
from dbmigrate.embedded.watchdog import guarded_directory, short_directory
from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOCK_FILE = "dbmigrate.lock"
ROOT_DATA = Path("/var/tmp")


@frozen
class Patience:
    """How long to wait for another process that uses the same directory, in seconds.

    `on_wait` is called once, before the waiting begins, with a sentence that names what it waits for.
    """

    timeout: float = 60.0
    interval: float = 0.05
    on_wait: Callable[[str], None] | None = None


@frozen
class _Home:
    """The directory in use, and a note if it is not the requested one."""

    directory: Path
    note: str | None = None

    @property
    def data(self) -> Path:
        return self.directory / "data"


@contextmanager
def kept_server(
    directory: Path, search: Search, *, patience: Patience | None = None, options: Options | None = None
) -> Iterator[Server]:
    """A server on the data below `directory`, which is made at the first use and stays when the server stops.

    Below `directory` lie ``data`` (the cluster), ``dbmigrate.lock`` and a ``.gitignore``. One process at a time uses
    it; others wait. Data is as durable as PostgreSQL makes it, but for the last moments before a power failure
    (``synchronous_commit=off``). The cluster's own major version decides which server programs are used.

    Root runs the server as another account. Where that account cannot reach `directory` (a home with mode 0700), the
    data lies in ``/var/tmp/dbmigrate-<hash of the path>`` instead, and `Server.note` says so.

    Raises `errors.ToolMissing` (E206), `errors.ConfigError` (E207: not ours, no permission, no room),
    `errors.LockNotAcquired` (E601), `errors.ConnectionFailed` (E301: the server did not start).
    """
    home = _home(directory.absolute())
    with _locked(home.directory, patience or Patience()) as lock:
        binaries = _binaries_for(home.data, search)
        with guarded_directory(short_directory(), signal="INT", keep_open=[lock.fileno()]) as dog:
            with translated(f"the server in {home.directory}"):
                account = _account_for(home.directory)
                programs = Programs(binaries, reachable_bindir(binaries, account), account, dog)
                dog.directory.chmod(account.directory_mode)
                _make_data(programs, home)
            with running(programs, home.data, Durability.KEPT, options=options or Options()) as server:
                yield replace(server, note=home.note)


def _home(directory: Path) -> _Home:
    with translated(f"the directory {directory}"):
        account = _account_for(directory)
        if account.is_other and not _can_reach(account, directory):
            key = hashlib.sha256(str(directory).encode(errors="surrogateescape")).hexdigest()[:16]
            elsewhere = ROOT_DATA / f"dbmigrate-{key}"
            _claim(elsewhere, account.directory_mode)
            _check_made_by_root(elsewhere)
            return _Home(elsewhere, f"the data is in {elsewhere}: root's server cannot reach {directory}")
        _claim(directory, account.directory_mode)
        return _Home(directory)


def _account_for(directory: Path) -> Account:
    data = directory / "data"
    return owner_of(data) if data.exists() else server_account()


def _can_reach(account: Account, directory: Path) -> bool:
    nearest = next(path for path in (directory, *directory.parents) if path.exists())
    os.listdir(nearest)  # NotADirectoryError: nobody can reach anything through a file
    return account.can(["/bin/sh", "-c", 'cd -- "$1"', "sh", nearest])


def _claim(directory: Path, mode: int) -> None:
    """Make the directory, or check that it is one of ours: what others put somewhere is never touched."""
    for missing in reversed([path for path in (directory, *directory.parents) if not path.exists()]):
        missing.mkdir(exist_ok=True)
        missing.chmod(mode)
    names = os.listdir(directory)
    if names and LOCK_FILE not in names:
        raise _not_ours(directory, "it is not empty, and dbmigrate did not make it")


def _check_made_by_root(directory: Path) -> None:
    """Anybody may make directories in /var/tmp, under names that can be foreseen."""
    if directory.is_symlink() or directory.stat().st_uid != 0:
        raise _not_ours(directory, "root did not make it")


def _not_ours(directory: Path, reason: str) -> errors.ConfigError:
    return errors.ConfigError(
        f"{directory} cannot hold the data of an embedded server: {reason}",
        code="E207",
        hint="name a new directory",
    )


@contextmanager
def _locked(directory: Path, patience: Patience) -> Iterator[IO[str]]:
    """Hold the directory alone. The holder's process id is in the file, for the message of those who wait."""
    with translated(f"the lock file in {directory}"):
        descriptor = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "r+", encoding="utf-8", errors="replace") as lock:
        _acquire(lock, directory, patience)
        with translated(f"the directory {directory}"):
            lock.truncate(0)
            lock.write(f"{os.getpid()}\n")
            lock.flush()
            _ignore_in_git(directory / ".gitignore")
        yield lock


def _ignore_in_git(path: Path) -> None:
    if not path.exists():
        with open(path, "x", encoding="utf-8") as file:
            file.write("*\n")


def _acquire(lock: IO[str], directory: Path, patience: Patience) -> None:
    end = time.monotonic() + patience.timeout
    is_reported = False
    while not _try_lock(lock):
        holder = f"the embedded server in {directory} is in use by {_holder(lock)}"
        if time.monotonic() >= end:
            raise errors.LockNotAcquired(
                f"{holder}; waited {patience.timeout:g} s", code="E601", hint="wait for it to finish, then try again"
            )
        if patience.on_wait and not is_reported:
            patience.on_wait(f"{holder}; waiting for it to finish")
        is_reported = True
        time.sleep(patience.interval)


def _try_lock(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as exc:
        raise errors.ConfigError(f"cannot lock {lock.name}: {exc.strerror}", code="E207") from exc
    return True


def _holder(lock: IO[str]) -> str:
    lock.seek(0)
    pid = lock.readline(32).strip()
    return f"process {pid}" if pid.isdigit() else "another process"


def _binaries_for(data: Path, search: Search) -> ServerPrograms:
    """Server programs for the data that is there: PostgreSQL refuses the data of another major version."""
    if not data.exists():
        return find_server(search)
    major = _major_of(data)
    try:
        return find_server(search, major=major)
    except errors.ToolMissing as exc:
        raise errors.ToolMissing(
            f"the data in {data} was made by PostgreSQL {major}, and no PostgreSQL {major} server is here to run it",
            code="E206",
            hint=f"install PostgreSQL {major}; or, if the data can be made again, remove {data.parent}",
        ) from exc


def _major_of(data: Path) -> int:
    with translated(f"the server in {data}"):
        text = (data / "PG_VERSION").read_text(encoding="utf-8", errors="replace").strip()
    if not text.isascii() or not text.isdigit():
        raise errors.ConfigError(f"{data / 'PG_VERSION'} does not hold a version: {text[:40]!r}", code="E207")
    return int(text)


def _make_data(programs: Programs, home: _Home) -> None:
    """initdb beside the target, then rename: a cluster that is there is a whole one."""
    if home.data.exists():
        return
    new = home.directory / "data.new"
    if new.exists():
        shutil.rmtree(new)
    cluster.create(programs, new, Durability.KEPT)
    new.rename(home.data)
