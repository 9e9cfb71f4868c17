"""The one comment: unchanged text is not sent again, and no server holds the caller up."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from dbmigrate.pull_requests import Comment, PullRequest, comments, keep
from tests.support.github import TOKEN, GitHub, github

COMMENT = Comment("<!-- m -->", "text\n")


@pytest.fixture
def api() -> Iterator[GitHub]:
    with github() as served:
        yield served


def request(api: GitHub) -> PullRequest:
    return PullRequest(api.url, "ann/shop", 7, TOKEN)


def test_the_same_text_is_not_sent_again(api: GitHub) -> None:
    api.add("<!-- m -->\r\ntext\r\n")  # as GitHub may give it back

    assert keep(request(api), COMMENT) is None
    assert [call.split()[0] for call in api.calls] == ["GET"]


def test_another_text_replaces_it(api: GitHub) -> None:
    keep(request(api), COMMENT)
    keep(request(api), Comment("<!-- m -->", "other"))

    assert [each["body"] for each in api.comments] == ["<!-- m -->\nother"]


def test_pages_that_lead_in_a_circle_end(api: GitHub) -> None:
    def same_again(handler: BaseHTTPRequestHandler) -> bool:
        if handler.command != "GET":
            return False
        handler.send_response(200)
        handler.send_header("Link", f'<{api.url}{handler.path}>; rel="next"')
        handler.send_header("Content-Length", "2")
        handler.end_headers()
        handler.wfile.write(b"[]")
        return True

    api.fault = same_again

    assert keep(request(api), COMMENT) is None
    assert len(api.comments) == 1


def test_a_server_that_sends_a_byte_now_and_then_does_not_hold_anybody_up(
    api: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> bool:
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        while not released.wait(0.05):
            handler.wfile.write(b" ")
        return True

    api.fault = drip
    monkeypatch.setattr(comments, "SECONDS", 0.5)
    began = time.monotonic()
    problem = keep(request(api), COMMENT)
    took = time.monotonic() - began
    released.set()

    assert problem is not None
    assert (problem.code, "no answer within 0.5 s" in problem.message) == ("W776", True)
    assert took < 10  # the socket's own limit is ten seconds for each byte


def test_a_comment_without_an_author_or_text_is_not_ours(api: GitHub) -> None:
    api.comments += [{"id": 1, "user": None, "body": "<!-- m -->"}, {"id": 2, "user": {"type": "Bot"}, "body": None}]

    assert keep(request(api), COMMENT) is None
    assert [each["id"] for each in api.comments] == [1, 2, 1002]
