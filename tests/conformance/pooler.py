"""A stand-in for a transaction pooler: as there, a session's process is not the one that the login announced."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread


@contextmanager
def pooler(*, host: str, port: int) -> Iterator[int]:
    """Forward a free TCP port to a server; the port is returned."""
    threads: list[Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = Thread(target=_serve, args=(listener, (host, port), threads))
        accepting.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)  # ends its accept()
            accepting.join()
            for thread in threads:
                thread.join()


def _serve(listener: socket.socket, server: tuple[str, int], threads: list[Thread]) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            threads.append(Thread(target=_session, args=(client, server)))
            threads[-1].start()


def _session(client: socket.socket, server: tuple[str, int]) -> None:
    with client, socket.create_connection(server) as upstream:
        forward = Thread(target=_copy, args=(client, upstream))
        forward.start()
        with suppress(OSError):
            _answer(upstream, client)
        forward.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def _answer(source: socket.socket, target: socket.socket) -> None:
    """Messages are a letter, a length that counts itself, and a body; K (BackendKeyData) begins with the process."""
    with source.makefile("rb") as stream:
        while head := stream.read(5):
            body = stream.read(struct.unpack_from("!i", head, 1)[0] - 4)
            if head[:1] == b"K":
                body = struct.pack("!i", 1) + body[4:]
            target.sendall(head + body)
    target.shutdown(socket.SHUT_WR)
