"""A PgBouncer of this machine before the test server, in transaction mode unless asked otherwise."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from tests.support.children import eventually
from tests.support.servers import DatabaseServer, free_port, make_url

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")

_CONFIGURATION = """\
[databases]
* = host={host} port={port} user={user} password='{password}'
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen_port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = {pool_size}
logfile = {directory}/pgbouncer.log
"""


class PgBouncer:
    """A running one; `url` is that of a database through it."""

    def __init__(self, port: int, user: str) -> None:
        self.port = port
        self._user = user

    def url(self, database: str, **parameters: str) -> str:
        place = {"host": "127.0.0.1", "port": str(self.port), "user": self._user}
        return make_url({**place, "dbname": database, **parameters})


@contextmanager
def pgbouncer(
    server: DatabaseServer, directory: Path, *, mode: str = "transaction", pool_size: int = 2
) -> Iterator[PgBouncer]:
    """Start one. `directory` must be reachable for other accounts: as root it runs as an unprivileged one."""
    target = conninfo_to_dict(server.tcp_url("postgres"))
    port = free_port()
    configuration = directory / "pgbouncer.ini"
    configuration.write_text(
        _CONFIGURATION.format(
            host=target["host"],
            port=target["port"],
            user=target["user"],
            password=target.get("password", ""),
            listen_port=port,
            mode=mode,
            pool_size=pool_size,
            directory=directory,
        )
    )
    account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    if account:
        os.chown(directory, account.pw_uid, account.pw_gid)
        os.chown(configuration, account.pw_uid, account.pw_gid)
    assert PROGRAM is not None
    process = subprocess.Popen(
        [PROGRAM, "--quiet", str(configuration)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
    )
    try:
        assert eventually(lambda: _answers(port)), (directory / "pgbouncer.log").read_text()
        yield PgBouncer(port, str(target["user"]))
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False
