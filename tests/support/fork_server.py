"""A process that has imported the program, and forks for each run of it.

Most of the processor time of a short run goes into Python's start and the imports, and there are thousands of runs.
What runs is the program as it is, in a process of its own, with its own arguments, environment, directory and streams.
A fresh interpreter runs where the difference could matter (`forked.Request`), and in the matrix for conformance tests.

A message of the socket asks for a run: a JSON object, and four file descriptors: stdin, stdout, stderr, and where the
answers go: the process id when it was started, and the status of `waitpid` when it ended.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST = 1 << 20  # bytes of a request


def main(number: int) -> NoReturn:
    """Serve requests from the socket with this number until its other end is closed."""
    import_everything()
    requests = socket.socket(fileno=number)
    waiting = selectors.DefaultSelector()
    waiting.register(requests, selectors.EVENT_READ)
    gc.freeze()  # a child that collects garbage would copy all of these pages
    while True:
        for key, _ in waiting.select():
            if key.data is not None:
                waiting.unregister(key.fd)
                key.data(key.fd)
                continue
            text, descriptors, _, _ = socket.recv_fds(requests, MOST, 4)
            if not text:
                sys.exit()
            request = json.loads(text)
            answers = descriptors.pop()
            pid = os.fork()
            if pid == 0:
                waiting.close()
                requests.close()
                os.close(answers)
                become(request, descriptors)
                run(request["arguments"])
            for descriptor in descriptors:
                os.close(descriptor)
            os.write(answers, f"{pid}\n".encode())
            waiting.register(os.pidfd_open(pid), selectors.EVENT_READ, _Ended(pid, answers))


class _Ended:
    """Says how a child ended, when it has."""

    def __init__(self, pid: int, answers: int) -> None:
        self.pid, self.answers = pid, answers

    def __call__(self, descriptor: int) -> None:
        os.close(descriptor)
        _, status = os.waitpid(self.pid, 0)
        with suppress(BrokenPipeError):  # who asked is gone
            os.write(self.answers, f"{status}\n".encode())
        os.close(self.answers)


def import_everything() -> None:
    """Import every module of the program: none of them does more than to define things."""
    import dbmigrate
    import dbmigrate.__main__

    for module in pkgutil.walk_packages(dbmigrate.__path__, "dbmigrate."):
        importlib.import_module(module.name)


def become(request: Mapping[str, object], descriptors: list[int]) -> None:
    """Take over what a process gets from the one that starts it."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(request["environment"])  # type: ignore[call-overload]
    os.umask(request["umask"])  # type: ignore[arg-type]
    os.chdir(request["directory"])  # type: ignore[arg-type]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _open_streams()


def _open_streams() -> None:
    """As at Python's start: the objects of the server remember what its own streams can do."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        old = getattr(sys, name)
        stream = open(number, mode, encoding=old.encoding, errors=old.errors, closefd=False)  # noqa: SIM115
        stream.reconfigure(line_buffering=old.line_buffering)  # type: ignore[attr-defined]
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def run(arguments: list[str]) -> NoReturn:
    from dbmigrate.__main__ import main as program

    sys.argv = ["dbmigrate", *arguments]
    program()


if __name__ == "__main__":
    main(int(sys.argv[1]))
