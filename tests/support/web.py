"""An HTTP server that answers what a test tells it to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Site:
    """Where the server is, what it answers next (the last answer is repeated), and what it was asked."""

    url: str
    answers: list[Answer]
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)  # of POST requests, in the order of `requests`
    methods: list[str] = field(default_factory=list)


def status(code: int, body: str = "", **headers: str) -> Answer:
    """An answer with this status, text and headers (``_`` stands for ``-``)."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body.encode())))
        handler.end_headers()
        handler.wfile.write(body.encode())

    return answer


def dripping(seconds: float) -> Answer:
    """An answer whose headers never end: a byte now and then, for so long."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        end = time.monotonic() + seconds
        with suppress(OSError):
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
            while time.monotonic() < end:
                handler.wfile.write(b"x")
                handler.wfile.flush()
                time.sleep(0.2)
        handler.close_connection = True

    return answer


def hanging_up(handler: BaseHTTPRequestHandler) -> None:
    """No answer at all."""
    handler.close_connection = True


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The URL of a server on 127.0.0.1 for the duration of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def site(*answers: Answer) -> Iterator[Site]:
    """A server on 127.0.0.1 for the duration of the block."""
    found = Site("", list(answers))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            self.do_GET()

        def do_GET(self) -> None:
            found.methods.append(self.command)
            found.requests.append((self.path, dict(self.headers)))
            (found.answers.pop(0) if len(found.answers) > 1 else found.answers[0])(self)

        def log_message(self, *arguments: object) -> None:
            """Not into the test's output."""

    with serving(Handler) as url:
        found.url = f"{url}/health"
        yield found
