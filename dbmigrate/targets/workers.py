"""Processes that each work on one target at a time, forked from a process that has read everything.

Processes, not threads: measured, both take the same time and nearly the same CPU (forked ones a tenth more, for pages
of memory that they no longer share), and a process is what the rest of dbmigrate is written for. A signal reaches it in
its main thread, an abort of one target cannot be seen by another, a crash takes one target with it, and the
interpreter's lock is not shared where there are more cores than two.

Each target has a connection of its own, schemas of one database as well. To share one would save the login, half of
what a target with nothing to do costs; but role, settings and search_path of a session are what it began with, by URL,
ALTER ROLE and ALTER DATABASE, and nothing but another login makes it begin again. And its end would be that of both.

A worker ends when its parent does, however that ends: it keeps the reading end of a pipe that only the parent writes.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

from dbmigrate.errors import Terminated
from dbmigrate.frozen import frozen
from dbmigrate.targets.values import Failure, Outcome, Result, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.context import ForkProcess
    from types import FrameType

    from dbmigrate.targets.values import Place

__all__ = ["Channel", "Claimed", "Crew", "Waits"]

_END = None  # the message that ends a worker
_FORK = multiprocessing.get_context("fork")


@frozen
class Waits:
    """A target has to wait; `text` says for what."""

    name: str
    text: str


@frozen
class Claimed:
    """A target is about to be changed; `place` is what its server says that it is."""

    name: str
    place: Place


class Channel:
    """What a worker can say while it works."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self._name = name

    def waits(self, text: str) -> None:
        """Tell people what the target waits for."""
        self._connection.send(Waits(self._name, text))

    def claim(self, place: Place) -> str | None:
        """Ask whether another target is at the same place; its name, None if this one may go on."""
        self._connection.send(Claimed(self._name, place))
        return self._connection.recv()  # type: ignore[no-any-return]


class _Worker:
    """A process, as its parent sees it."""

    def __init__(self, process: ForkProcess, connection: Connection) -> None:
        self.process = process
        self.connection = connection
        self.target: Target | None = None


class Crew:
    """The workers. A context manager: leaving it ends them, in order if they are idle."""

    def __init__(self, size: int, work: Callable[[Target, Channel], Result]) -> None:
        self._size = size
        self._work = work
        self._workers: list[_Worker] = []
        self._lifeline = os.pipe()

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for worker in self._workers:
            with suppress(OSError):  # it is gone
                if worker.target is None:
                    worker.connection.send(_END)
        for end in self._lifeline:
            os.close(end)
        for worker in self._workers:
            worker.process.join()
            worker.connection.close()

    @property
    def busy(self) -> int:
        """How many targets are worked on."""
        return sum(worker.target is not None for worker in self._workers)

    @property
    def has_room(self) -> bool:
        """Whether another target can be given."""
        return self.busy < self._size

    def give(self, target: Target) -> None:
        """Have an idle worker begin with a target; a new one, as long as there is room for it."""
        for worker in [worker for worker in self._workers if worker.target is None]:
            with suppress(OSError):  # it was killed meanwhile
                worker.connection.send(target)
                worker.target = target
                return
            self._forget(worker)
        worker = self._new()
        worker.connection.send(target)
        worker.target = target

    def answer(self, name: str, other: str | None) -> None:
        """Answer the claim of a target."""
        for worker in self._workers:
            if worker.target is not None and worker.target.name == name:
                worker.connection.send(other)

    def messages(self, timeout: float) -> Iterator[Waits | Claimed | Result]:
        """What workers say, or what became of one that died; ends when nothing came for `timeout` seconds."""
        by_end = {worker.connection: worker for worker in self._workers if worker.target is not None}
        for end in wait(list(by_end), timeout):
            worker = by_end[end]  # type: ignore[index]
            try:
                message = worker.connection.recv()
            except (EOFError, OSError):
                yield self._lost(worker)
                continue
            if isinstance(message, Result):
                worker.target = None
            yield message

    def end(self) -> None:
        """Have all that work cancel what they do, and say how it ended."""
        for worker in self._workers:
            if worker.target is not None and worker.process.pid is not None:
                os.kill(worker.process.pid, signal.SIGTERM)

    def _new(self) -> _Worker:
        ours, theirs = _FORK.Pipe()
        process = _FORK.Process(target=_serve, args=(theirs, self._lifeline, self._work))
        process.start()
        theirs.close()
        worker = _Worker(process, ours)
        self._workers.append(worker)
        return worker

    def _lost(self, worker: _Worker) -> Result:
        """A worker that ended without a word: killed, or by a fault of the program, which it has printed."""
        target = worker.target
        assert target is not None
        self._forget(worker)
        failure = Failure(
            "E432",
            f"the process that worked on it ended: {_end_of(worker.process.exitcode or 0)}",
            state="what it was doing is rolled back, or recorded; a non-transactional migration can be half done",
            hint="run the command again: it goes on from what is recorded",
        )
        return Result(target.name, Outcome.FAILED, 4, "failed", failure)

    def _forget(self, worker: _Worker) -> None:
        worker.process.join()
        worker.connection.close()
        self._workers.remove(worker)


def _end_of(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


# ------------------------------------------------------------------------------------------------------- in the worker


class _Interruption:
    """SIGTERM, once, while there is work; a terminal's signals reach the parent, which passes them on.

    A service manager sends SIGTERM to every process of a group, and the parent sends it as well: only the first counts.
    A worker that waits for its next target goes on waiting for the parent's word, unless the parent is gone.
    """

    def __init__(self) -> None:
        self.has_come = False
        self.is_working = False
        self.is_orphan = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        is_first, self.has_come = not self.has_come, True
        if is_first if self.is_working else self.is_orphan:
            raise Terminated


def _serve(connection: Connection, lifeline: tuple[int, int], work: Callable[[Target, Channel], Result]) -> None:
    interruption = _Interruption()
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, interruption)
    os.close(lifeline[1])
    threading.Thread(target=_end_with_parent, args=(lifeline[0], interruption), daemon=True).start()
    try:
        while (target := connection.recv()) is not _END:
            connection.send(_worked(target, Channel(connection, target.name), work, interruption))
            if interruption.has_come:
                return  # an answer to a claim may still be on its way
    except (EOFError, OSError, Terminated):
        return  # the parent is gone


def _worked(
    target: Target, channel: Channel, work: Callable[[Target, Channel], Result], interruption: _Interruption
) -> Result:
    if interruption.has_come:
        return Result(target.name, Outcome.NOT_STARTED)
    try:
        interruption.is_working = True
        return work(target, channel)
    except Terminated:  # before the work began, or after it was done
        return Result(target.name, Outcome.INTERRUPTED, 143, "interrupted: run the command again")
    finally:
        interruption.is_working = False


def _end_with_parent(lifeline: int, interruption: _Interruption) -> None:
    """Send this process SIGTERM when its parent is gone. Signals are for the main thread, which may be waiting."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    os.read(lifeline, 1)
    interruption.is_orphan = True
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
