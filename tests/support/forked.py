"""Asking the fork server for a run of the program."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, BinaryIO

from tests.support import environment, fork_server

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# set: a fresh interpreter for each run; read now, because the tests do not see the variables of the program
_WANTS_FRESH = "DBMIGRATE_TEST_FRESH" in os.environ
# what Python and the libraries read once, when they start
_READ_AT_START = ("PYTHON", "LC_", "LANG", "TZ", "SSL", "OPENSSL", "LD_", "MALLOC", "COVERAGE")
_MOST = 100_000  # of the characters of a request: a message of this socket is not cut, but refused


@dataclass(frozen=True, slots=True)
class Request:
    """One run: what a process gets from the one that starts it."""

    arguments: tuple[str, ...]
    environ: Mapping[str, str]
    cwd: Path
    input: bytes = b""
    timeout: float = 60

    def is_like_fresh(self, usual: Mapping[str, str]) -> bool:
        """Whether a fork does what a fresh interpreter would; `usual` is the environment that the server has."""
        other = {name for name in {*self.environ, *usual} if self.environ.get(name) != usual.get(name)}
        length = sum(map(len, self.arguments)) + sum(len(name) + len(value) for name, value in self.environ.items())
        return (
            hasattr(os, "pidfd_open")
            and not _WANTS_FRESH
            and length < _MOST
            and not any(name.startswith(_READ_AT_START) for name in other)
        )


def run(request: Request) -> subprocess.CompletedProcess[bytes]:
    """Run to the end. Raises TimeoutExpired when the time is over; the process is killed then."""
    return _server().run(request)


@cache
def _server() -> _Server:
    return _Server()


class _Server:
    """The connection to a fork server, which ends with this process."""

    def __init__(self) -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", fork_server.__name__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=environment.clean(os.environ, home=environment.PACKAGE_PARENT),
                cwd=environment.PACKAGE_PARENT,
                stdin=subprocess.DEVNULL,
            )

    def run(self, request: Request) -> subprocess.CompletedProcess[bytes]:
        (in_, to_child), (from_out, out), (from_err, err), (told, answers) = (os.pipe() for _ in range(4))
        theirs = [in_, out, err, answers]
        message = {
            "arguments": request.arguments,
            "environment": dict(request.environ),
            "directory": os.fspath(request.cwd),
            "umask": _umask(),
        }
        try:
            socket.send_fds(self._requests, [json.dumps(message).encode()], theirs)
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        with (
            open(to_child, "wb") as stdin,
            open(from_out, "rb") as stdout,
            open(from_err, "rb") as stderr,
            open(told, "rb", buffering=0) as ends,
        ):
            pid = int(_line(ends))
            with ThreadPoolExecutor(3) as threads:
                threads.submit(_write, stdin, request.input)
                texts = threads.submit(stdout.read), threads.submit(stderr.read)
                try:
                    words = [text.result(request.timeout) for text in texts]
                except TimeoutError as exc:
                    os.kill(pid, signal.SIGKILL)
                    raise subprocess.TimeoutExpired(list(request.arguments), request.timeout) from exc
            status = os.waitstatus_to_exitcode(int(_line(ends)))
        return subprocess.CompletedProcess(list(request.arguments), status, *words)


def _write(stdin: BinaryIO, text: bytes) -> None:
    with suppress(BrokenPipeError), stdin:  # a program need not read what it is given
        stdin.write(text)


def _line(stream: BinaryIO) -> bytes:
    """A line of the answers: they come one by one, and never in parts."""
    text = stream.readline()
    if not text:
        raise RuntimeError("the fork server is gone")
    return text


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
