"""Looking at a run from outside: peaks of memory, and CPU time of the server's processes. From /proc: Linux only."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.servers import DatabaseServer

_SAMPLE_SECONDS = 0.02
_PATIENCE_SECONDS = 5.0
_PROCESSES = "select pid, backend_type = 'client backend' and pid <> pg_backend_pid() from pg_stat_activity"


@dataclass(slots=True)
class Peaks:
    """In MB; 0 where there is no /proc, or a program was too quick to be looked at."""

    client: float = 0.0
    backend: float = 0.0


class Watch:
    """Watches one server, and the programs that are run against it."""

    def __init__(self, server: DatabaseServer) -> None:
        self._admin = server.admin
        self._postmaster = 0
        with suppress(OSError):
            self._postmaster = _field(server.admin.info.backend_pid, "PPid")

    def server_cpu(self) -> float:
        """Seconds of CPU of all server processes that have ended. Waits until the last session has; 0 without /proc.

        The kernel adds the times of a process to those of its parent when that has waited for it.
        """
        began = time.monotonic()
        while self._has_sessions() and time.monotonic() - began < _PATIENCE_SECONDS:
            time.sleep(0.005)
        with suppress(OSError):
            words = Path(f"/proc/{self._postmaster}/stat").read_text().rpartition(") ")[2].split()
            return (int(words[13]) + int(words[14])) / os.sysconf("SC_CLK_TCK")
        return 0.0

    def _has_sessions(self) -> bool:
        """A session leaves the server's list before its process ends, and that before the postmaster takes note."""
        listed = dict(self._admin.execute(_PROCESSES).fetchall())
        return any(listed.values()) or not listed.keys() >= set(_children(self._postmaster))

    @contextmanager
    def peaks(self, client: int) -> Iterator[Peaks]:
        """Samples memory: the whole client, and what any process of the server has for itself."""
        peaks = Peaks()
        done = threading.Event()
        thread = threading.Thread(target=self._sample, args=(peaks, client, done))
        thread.start()
        try:
            yield peaks
        finally:
            done.set()
            thread.join()

    def _sample(self, peaks: Peaks, client: int, done: threading.Event) -> None:
        while not done.wait(_SAMPLE_SECONDS):
            self._look(peaks, client)

    def _look(self, peaks: Peaks, client: int) -> None:
        """What a child inherits counts in its `ru_maxrss`, so the client is looked at while it runs.

        What a client starts (a shell dbmate, dbmate pg_dump) is looked at as well; the largest process is the peak.
        """
        for pid in (client, *_children(client)):
            peaks.client = max(peaks.client, _megabytes(pid, "VmHWM"))
        for pid in _children(self._postmaster):
            peaks.backend = max(peaks.backend, _megabytes(pid, "RssAnon"))


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _megabytes(pid: int, name: str) -> float:
    with suppress(OSError):
        return _field(pid, name) / 1024
    return 0.0


def _field(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)
