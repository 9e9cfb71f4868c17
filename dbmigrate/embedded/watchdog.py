"""Cleaning up after ourselves even when we are killed.

A shell waits for our end of a pipe to close. Nothing but our death or our word closes it, so it works for ``kill -9``
and for a crash, on every POSIX system. (PR_SET_PDEATHSIG is Linux's alone, and fires when the *thread* ends.)
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dbmigrate.embedded.failures import translated
from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

# Input: one line for each process to end, empty for none; the last one counts. $1: the signal that ends it; $2: the
# directory to remove. A zombie counts as ended: where process 1 of a container does not reap, it stays one for ever.
SCRIPT = """
trap '' INT TERM HUP QUIT
alive() {
    kill -s 0 "$1" 2>/dev/null || return 1
    [ -r "/proc/$1/stat" ] || return 0
    read -r _ _ state _ 2>/dev/null <"/proc/$1/stat" || return 1
    [ "$state" != Z ]
}
pid=
while read -r line; do pid=$line; done
tries=0
if [ -n "$pid" ]; then
    kill -s "$1" "$pid" 2>/dev/null
    while alive "$pid" && [ "$tries" -lt 600 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
fi
until rm -rf -- "$2" 2>/dev/null || [ "$tries" -ge 700 ]; do
    sleep 0.05
    tries=$((tries + 1))
done
"""


@frozen
class Watchdog:
    """The waiting shell. `directory` is ours to use; it is removed at the end, whatever the end is."""

    directory: Path
    shell: subprocess.Popen[bytes]

    @contextmanager
    def watching(self, process: subprocess.Popen[bytes], end: Callable[[], None]) -> Iterator[None]:
        """The process lives no longer than the block: `end` ends it there, the watchdog if we do not come so far.

        One process at a time. `end` has to wait for the process; an ended process's number belongs to anybody.
        """
        try:
            self._watch(str(process.pid))
            yield
        finally:
            end()
            with suppress(BrokenPipeError):  # somebody killed the watchdog, and there is nothing left for it to do
                self._watch("")

    def _watch(self, line: str) -> None:
        assert self.shell.stdin is not None
        self.shell.stdin.write(f"{line}\n".encode())


@contextmanager
def guarded_directory(base: Path, *, signal: str, keep_open: Sequence[int] = ()) -> Iterator[Watchdog]:
    """A new directory in `base`, removed at the end, also when we are killed.

    `signal` (``QUIT``, ``INT``) is what the watched process gets when we are gone. The file descriptors `keep_open`
    stay open in the watchdog until it has cleaned up: a lock held through one of them outlives us for that long.
    Raises `errors.ConfigError` (E207).
    """
    with translated(f"a directory in {base}"):
        directory = Path(tempfile.mkdtemp(prefix="dbmigrate-", dir=base))
    try:
        with translated("a shell to clean up"):
            shell = _shell(directory, signal, keep_open)
        with shell:
            yield Watchdog(directory, shell)
    finally:
        shutil.rmtree(directory, ignore_errors=True)  # done by the watchdog, unless that was killed or never started


def _shell(directory: Path, signal: str, keep_open: Sequence[int]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["/bin/sh", "-c", SCRIPT, "dbmigrate-watchdog", signal, str(directory)],
        stdin=subprocess.PIPE,
        bufsize=0,  # a line is sent when it is written, and nothing is left to be sent when we close
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
        pass_fds=keep_open,
    )


def roomy_directory() -> Path:
    """Memory (``/dev/shm``) when at least 512 MB of it are free, which halves the start of a cluster; else ``/tmp``.

    Docker's default ``/dev/shm`` of 64 MB is too small for a cluster.
    """
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK | os.X_OK) and _free_bytes(memory) >= 512 * 1024 * 1024:
        return memory
    return short_directory()


def short_directory() -> Path:
    """A directory with a path short enough for a socket in it (the limit is 103 bytes on macOS, 107 on Linux)."""
    return Path("/tmp") if os.access("/tmp", os.W_OK | os.X_OK) else Path(tempfile.gettempdir())


def _free_bytes(path: Path) -> int:
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize
