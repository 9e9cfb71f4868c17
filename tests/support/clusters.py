"""Servers of a test's own, for what must not happen to the one that all tests share: crashes, and life as a standby."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from dbmigrate.connection.programs import ServerPrograms
from dbmigrate.embedded import Options
from dbmigrate.embedded.account import reachable_bindir, server_account
from dbmigrate.embedded.cluster import Durability, Programs, create_from_cache
from dbmigrate.embedded.server import running
from dbmigrate.embedded.watchdog import guarded_directory, roomy_directory
from tests.support.psql import ENVIRON
from tests.support.servers import (
    DatabaseServer,
    UnavailableError,
    binaries_of,
    cache_directory,
    connected_server,
    free_port,
    our_server,
)


@contextmanager
def own_server(
    binaries: ServerPrograms, *, cache: Path, settings: Mapping[str, str] | None = None
) -> Iterator[DatabaseServer]:
    """A server like the shared one, but for `settings`."""
    with our_server(binaries, cache=cache, settings=settings) as server:
        yield server


@contextmanager
def another_server(server: DatabaseServer, settings: Mapping[str, str] | None = None) -> Iterator[DatabaseServer]:
    """One of the version of `server`, which may be harmed; the test is skipped where there is none."""
    try:
        binaries = binaries_of(server.major if server.is_ours else None, environ=ENVIRON)
    except UnavailableError as exc:
        pytest.skip(str(exc))
    with own_server(binaries, cache=cache_directory(ENVIRON), settings=settings) as running:
        yield running


def crash(server: DatabaseServer) -> None:
    """Kill a bystander's session: the server then ends all sessions, recovers from its log and starts again.

    Returns when the server has begun with that, which the end of a witness shows: before, it takes new connections.
    """
    url = server.url("postgres")
    with psycopg.connect(url, autocommit=True) as witness, psycopg.connect(url, autocommit=True) as bystander:
        os.kill(bystander.info.backend_pid, 9)
        with suppress(psycopg.OperationalError):
            witness.execute("select pg_sleep(30)")


@contextmanager
def standby(
    binaries: ServerPrograms, *, cache: Path, prepare: Callable[[DatabaseServer], None]
) -> Iterator[DatabaseServer]:
    """A server in recovery, as a standby whose primary is away; `prepare` is what happened on it when it was one."""
    account = server_account()
    bindir = reachable_bindir(binaries, account)
    with guarded_directory(roomy_directory(), signal="QUIT") as dog:
        programs = Programs(binaries, bindir, account, dog)
        data = dog.directory / "data"
        dog.directory.chmod(account.directory_mode)
        create_from_cache(programs, data, cache / "clusters")
        options = Options(port=free_port(), settings={"hot_standby": "on", "fsync": "off"})
        with _connected(programs, data, options) as primary:
            prepare(primary)
        shutil.rmtree(dog.directory / "socket")
        (data / "standby.signal").touch()
        with _connected(programs, data, options) as server:
            yield server


@contextmanager
def _connected(programs: Programs, data: Path, options: Options) -> Iterator[DatabaseServer]:
    with (
        running(programs, data, Durability.KEPT, options=options) as server,
        connected_server(server.conninfo(), is_ours=True) as connected,
    ):
        yield connected


@contextmanager
def replicated(binaries: ServerPrograms, *, cache: Path) -> Iterator[tuple[DatabaseServer, DatabaseServer]]:
    """A primary and a standby that follows it."""
    account = server_account()
    bindir = reachable_bindir(binaries, account)
    with (
        guarded_directory(roomy_directory(), signal="QUIT") as first,
        guarded_directory(roomy_directory(), signal="QUIT") as second,
    ):
        programs = [Programs(binaries, bindir, account, dog) for dog in (first, second)]
        create_from_cache(programs[0], first.directory / "data", cache / "clusters")
        for dog in (first, second):
            dog.directory.chmod(account.directory_mode)
        ports = free_port(), free_port()
        settings = {"hot_standby": "on", "fsync": "off", "max_wal_senders": "4", "wal_level": "replica"}
        followed = f"host={first.directory / 'socket'} port={ports[0]} user=postgres application_name=r1"
        with _connected(programs[0], first.directory / "data", Options(port=ports[0], settings=settings)):
            pass
        shutil.rmtree(first.directory / "socket")
        shutil.copytree(first.directory / "data", second.directory / "data", symlinks=True)
        _give(second.directory / "data", first.directory / "data")
        (second.directory / "data" / "standby.signal").touch()
        follower = {**settings, "primary_conninfo": followed}
        with (
            _connected(programs[0], first.directory / "data", Options(port=ports[0], settings=settings)) as primary,
            _connected(programs[1], second.directory / "data", Options(port=ports[1], settings=follower)) as replica,
        ):
            yield primary, replica


def _give(copy: Path, original: Path) -> None:
    """The same owner for a copy of a data directory: the server refuses another one."""
    owner = original.stat()
    for path in (copy, *copy.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)
    copy.chmod(0o700)
