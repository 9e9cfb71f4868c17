"""A stand-in for a transaction pooler: as there, a session's process is not the one that the login announced."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def pooler(*, host: str, port: int) -> Iterator[int]:
    """Forward a free TCP port to a server; the port is returned."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener, (host, port)), daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)  # ends the accept() of the thread


def _serve(listener: socket.socket, server: tuple[str, int]) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            upstream = socket.create_connection(server)
            threading.Thread(target=_forward, args=(client, upstream), daemon=True).start()
            threading.Thread(target=_answer, args=(upstream, client), daemon=True).start()


def _forward(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def _answer(source: socket.socket, target: socket.socket) -> None:
    """Messages are a letter, a length that counts itself, and a body; K (BackendKeyData) begins with the process."""
    with suppress(OSError, struct.error), source.makefile("rb") as stream:
        kind = b""
        while kind != b"K":
            kind = stream.read(1)
            (length,) = struct.unpack("!i", stream.read(4))
            body = stream.read(length - 4)
            if kind == b"K":
                body = struct.pack("!i", 1) + body[4:]
            target.sendall(kind + struct.pack("!i", length) + body)
        while data := stream.read1(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
