"""A PostgreSQL server that lives for as long as a ``with`` block."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import contextmanager
from dataclasses import field
from typing import TYPE_CHECKING

from dbmigrate import errors
from dbmigrate.embedded import cluster
from dbmigrate.embedded.account import reachable_bindir, server_account
from dbmigrate.embedded.cluster import Durability, Programs
from dbmigrate.embedded.failures import translated
from dbmigrate.embedded.watchdog import guarded_directory, roomy_directory
from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from dbmigrate.embedded.binaries import Binaries

DEFAULT_PORT = 5432
SOCKET_PATH_LIMIT = 103  # bytes; macOS's, which is the smallest

COMMON_SETTINGS = {
    "shared_buffers": "32MB",
    "max_connections": "100",
    "jit": "off",
    "logging_collector": "off",
    "log_min_messages": "fatal",
    "unix_socket_permissions": "0700",
    "max_locks_per_transaction": "1024",  # one transaction may create some ten thousand objects
}
THROWAWAY_SETTINGS = COMMON_SETTINGS | {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
}
KEPT_SETTINGS = COMMON_SETTINGS | {"synchronous_commit": "off"}


@frozen
class Options:
    """How to run a server.

    Without `port` it listens on a Unix socket only; with it also on 127.0.0.1, where a password is needed (the
    superuser has none at first). `settings` are server settings that win over ours. `start_timeout` is in seconds;
    recovery after a crash counts.
    """

    port: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    start_timeout: float = 60.0


@frozen
class Server:
    """A running server. `directory` holds its data; `note` is something the user should be told about it, or None."""

    binaries: Binaries
    directory: Path
    socket_directory: Path
    pid: int
    port: int = DEFAULT_PORT
    note: str | None = None

    def conninfo(self, database: str = "postgres") -> dict[str, str]:
        """libpq's keywords for the superuser's connection to `database` through the socket."""
        return {
            "host": str(self.socket_directory),
            "port": str(self.port),
            "user": cluster.SUPERUSER,
            "dbname": database,
        }


@contextmanager
def throwaway_server(
    binaries: Binaries, *, cache: Path | None = None, options: Options | None = None
) -> Iterator[Server]:
    """A server with an empty cluster of its own, in memory if there is room, without fsync; nothing of it is left.

    `cache` is a directory for a ready-made cluster: with it a start takes some 60 ms, else some 400 ms.
    Raises `errors.ToolMissing` (E206: root without an account for it), `errors.ConfigError` (E207: no room, no
    permission), `errors.ConnectionFailed` (E301: the server did not start).
    """
    account = server_account()
    with translated("a throw-away server"):
        bindir = reachable_bindir(binaries, account)
    with guarded_directory(roomy_directory(), signal="QUIT") as dog:
        programs = Programs(binaries, bindir, account, dog)
        data = dog.directory / "data"
        with translated(f"a throw-away server in {dog.directory}"):
            dog.directory.chmod(account.directory_mode)
            if cache is None:
                cluster.create(programs, data, Durability.THROWAWAY)
            else:
                cluster.create_from_cache(programs, data, cache)
        with running(programs, data, Durability.THROWAWAY, options=options or Options()) as server:
            yield server


@contextmanager
def running(programs: Programs, data: Path, durability: Durability, *, options: Options) -> Iterator[Server]:
    """Start the server on `data`; stop it at the end: at once when its data is throw-away, else with a checkpoint."""
    port = options.port or DEFAULT_PORT
    log = programs.dog.directory / "server.log"
    with translated(f"the server in {data}"), open(log, "wb") as output:
        socket_directory = _make_socket_directory(programs, port)
        process = programs.account.spawn(
            [programs.bindir / "postgres", "-D", data, "-k", socket_directory, *_settings(durability, options)],
            output=output,
        )
    with programs.dog.watching(process, lambda: _end(process, durability)):
        _wait_until_ready(process, data, log, options.start_timeout)
        yield Server(programs.binaries, data, socket_directory, process.pid, port)


def _make_socket_directory(programs: Programs, port: int) -> Path:
    """Only this directory and the data belong to the server's account; what root writes stays out of its hands."""
    directory = programs.dog.directory / "socket"
    if len(os.fsencode(directory / f".s.PGSQL.{port}")) > SOCKET_PATH_LIMIT:
        raise errors.ConfigError(
            f"the path {directory} is too long for a Unix socket", code="E207", hint="make /tmp writable"
        )
    directory.mkdir(mode=0o700)
    programs.account.own(directory)
    return directory


def _settings(durability: Durability, options: Options) -> list[str]:
    ours = THROWAWAY_SETTINGS if durability is Durability.THROWAWAY else KEPT_SETTINGS
    listen = {"listen_addresses": "127.0.0.1" if options.port else "", "port": str(options.port or DEFAULT_PORT)}
    settings = {**ours, **listen, **options.settings}
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]


def _wait_until_ready(process: subprocess.Popen[bytes], data: Path, log: Path, timeout: float) -> None:
    began = time.monotonic()
    while not _is_ready(process.pid, data / "postmaster.pid"):
        waited = time.monotonic() - began
        if process.poll() is not None or waited > timeout:
            raise errors.ConnectionFailed(
                f"the PostgreSQL server in {data} did not start"
                + ("" if process.returncode is not None else f" within {timeout:g} s"),
                code="E301",
                details=(("log", cluster.log_tail(log)),),
            )
        time.sleep(0.002 if waited < 1 else 0.02)


def _is_ready(pid: int, pid_file: Path) -> bool:
    """The server says so in the eighth line of postmaster.pid. A crashed predecessor's file may still lie there."""
    lines = _read_if_there(pid_file).splitlines()
    return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"


def _read_if_there(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""  # not written yet


def _end(process: subprocess.Popen[bytes], durability: Durability) -> None:
    """SIGINT is a fast shutdown, SIGQUIT one without checkpoint; a server that hears neither is killed."""
    signals = [signal.SIGQUIT] if durability is Durability.THROWAWAY else [signal.SIGINT, signal.SIGQUIT]
    for number in (*signals, signal.SIGKILL):
        if process.poll() is not None:
            return
        process.send_signal(number)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            continue  # the next signal is a stronger one
