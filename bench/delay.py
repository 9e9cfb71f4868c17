"""A server that is far away: a TCP proxy that keeps everything for half a round trip, in both directions."""

from __future__ import annotations

import queue
import socket
import threading
import time
from contextlib import suppress
from urllib.parse import urlsplit

_CHUNK = 1 << 16


class Delay:
    """Use as a context manager. What is sent is late, but the line is as wide as it was."""

    def __init__(self, url: str, round_trip: float) -> None:
        """Before the server of `url`; `round_trip` in seconds."""
        parts = urlsplit(url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 5432)
        self._seconds = round_trip / 2
        self._listener = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> Delay:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def url(self, url: str) -> str:
        """The same database through the delay."""
        host, port = self._target
        return url.replace(f"@{host}:{port}/", f"@127.0.0.1:{self._listener.getsockname()[1]}/")

    def _accept(self) -> None:
        with suppress(OSError):  # the listener was closed
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for source, sink in ((client, server), (server, client)):
                    late: queue.Queue[tuple[float, bytes]] = queue.Queue()
                    threading.Thread(target=self._read, args=(source, late), daemon=True).start()
                    threading.Thread(target=_write, args=(sink, late), daemon=True).start()

    def _read(self, source: socket.socket, late: queue.Queue[tuple[float, bytes]]) -> None:
        data = b"-"
        while data:
            try:
                data = source.recv(_CHUNK)
            except OSError:
                data = b""
            late.put((time.monotonic() + self._seconds, data))


def _write(sink: socket.socket, late: queue.Queue[tuple[float, bytes]]) -> None:
    with suppress(OSError):
        while True:
            due, data = late.get()
            time.sleep(max(due - time.monotonic(), 0))
            if not data:
                sink.shutdown(socket.SHUT_WR)
                return
            sink.sendall(data)
