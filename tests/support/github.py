"""The part of GitHub's API that keeps comments, as a server: it answers as GitHub does, or as a test says.

https://docs.github.com/rest/issues/comments
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support import web

TOKEN = "ghs_0123456789abcdefghijABCDEFGHIJ012345"
LONGEST = 65536
Fault = Callable[[BaseHTTPRequestHandler], bool]


@dataclass
class GitHub:
    """The comments of the pull request 7 of ann/shop. `fault` may answer instead, and says if it did."""

    url: str = ""
    comments: list[dict[str, Any]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    fault: Fault = lambda _: False

    def add(self, body: str, kind: str = "Bot") -> int:
        number = 1000 + len(self.comments)
        self.comments.append({"id": number, "user": {"login": "x", "type": kind}, "body": body})
        return number

    def environ(self, event: str, **others: str) -> dict[str, str]:
        """The variables of a job for the event in this file."""
        return {
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": self.url,
            "GITHUB_EVENT_NAME": "pull_request",
            "GITHUB_EVENT_PATH": event,
            "GITHUB_REPOSITORY": "ann/shop",
            "GITHUB_RUN_ID": "77",
            "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_TOKEN": TOKEN,
            **others,
        }


def refusing(status: int, message: str, method: str = "", **headers: str) -> Fault:
    """Answers with this status, all calls or those of one method."""

    def answer(handler: BaseHTTPRequestHandler) -> bool:
        if method not in ("", handler.command):
            return False
        _answer(handler, status, {"message": message}, **headers)
        return True

    return answer


@contextmanager
def github() -> Iterator[GitHub]:
    """The server for the duration of the block."""
    found = GitHub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def do_PATCH(self) -> None:
            self._serve()

        def _serve(self) -> None:
            found.calls.append(f"{self.command} {self.path}")
            found.headers.append(dict(self.headers))
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if not found.fault(self):
                _api(found, self, json.loads(content or b"null"))

        def log_message(self, *arguments: object) -> None:
            """Not into the test's output."""

    with web.serving(Handler) as found.url:
        yield found


def _api(found: GitHub, handler: BaseHTTPRequestHandler, content: Any) -> None:
    parts = urlsplit(handler.path)
    one = re.fullmatch(r"/repos/ann/shop/issues/comments/(\d+)", parts.path)
    if handler.headers.get("Authorization") != f"Bearer {TOKEN}":
        _answer(handler, 401, {"message": "Bad credentials"})
    elif content is not None and len(content["body"]) > LONGEST:
        _answer(handler, 422, {"message": "Validation Failed", "errors": ["body is too long"]})
    elif handler.command == "GET" and parts.path == "/repos/ann/shop/issues/7/comments":
        query = parse_qs(parts.query)
        _page(found, handler, int(query.get("page", ["1"])[0]), min(int(query.get("per_page", ["30"])[0]), 100))
    elif handler.command == "POST" and parts.path == "/repos/ann/shop/issues/7/comments":
        found.add(content["body"])
        _answer(handler, 201, found.comments[-1])
    elif handler.command == "PATCH" and one:
        (wanted,) = (each for each in found.comments if each["id"] == int(one[1]))
        wanted["body"] = content["body"]
        _answer(handler, 200, wanted)
    else:
        _answer(handler, 404, {"message": "Not Found"})


def _page(found: GitHub, handler: BaseHTTPRequestHandler, page: int, size: int) -> None:
    links = []
    if page > 1:
        links.append(f'<{found.url}{_path(page - 1, size)}>; rel="prev"')
    if page * size < len(found.comments):
        links.append(f'<{found.url}{_path(page + 1, size)}>; rel="next"')
    shown = found.comments[(page - 1) * size : page * size]
    _answer(handler, 200, shown, **({"Link": ", ".join(links)} if links else {}))


def _path(page: int, size: int) -> str:
    return f"/repos/ann/shop/issues/7/comments?per_page={size}&page={page}"


def _answer(handler: BaseHTTPRequestHandler, status: int, value: Any, **headers: str) -> None:
    body = json.dumps(value).encode()
    handler.send_response(status)
    for name, text in headers.items():
        handler.send_header(name.replace("_", "-"), text)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
