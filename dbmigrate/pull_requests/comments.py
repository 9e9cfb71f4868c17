"""One comment on a pull request, found again by its first line, and changed instead of added.

https://docs.github.com/rest/issues/comments. All calls together take no longer than `SECONDS`, whatever the other side
does. A redirect is not followed: the token is for one host.
"""

from __future__ import annotations

import http.client
import json
import queue
import re
import threading
import urllib.error
import urllib.request
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from dbmigrate.connection.redaction import redact
from dbmigrate.frozen import frozen
from dbmigrate.model import Problem, Severity
from dbmigrate.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dbmigrate.pull_requests.github import PullRequest

__all__ = ["Comment", "keep"]

SECONDS = 30.0
_EACH = 10.0  # for a read of a socket
_PAGES = 100  # of 100 comments each
_LARGEST = 64 << 20  # bytes of an answer
_KEPT = 2000  # of what a refusal says
_NEXT = re.compile(r"<([^>]*)>\s*(?:;[^,]*?)?;\s*rel=\"?next\"?")
# a token that may not write; 404 is what GitHub says about what a token may not even see
_FORBIDDEN = (401, 403, 404)


@frozen
class Comment:
    """The comment that begins with the line `marker`. It is `optional` where there is nothing to say: then an old one
    is changed, and no new one made.
    """

    marker: str
    text: str
    optional: bool = False

    @property
    def body(self) -> str:
        return f"{self.marker}\n{self.text}"


def keep(pull_request: PullRequest, comment: Comment) -> Problem | None:
    """Make the comment, or change the one that is there. W775, W776: why that could not be done."""
    answers: queue.SimpleQueue[Problem | None] = queue.SimpleQueue()
    threading.Thread(target=lambda: answers.put(_Client(pull_request).keep(comment)), daemon=True).start()
    try:
        return answers.get(timeout=SECONDS)
    except queue.Empty:
        return _failed(f"no answer within {SECONDS:g} s")


class _CallError(Exception):
    """A call did not do what it should."""

    def __init__(self, said: str, *, is_forbidden: bool = False) -> None:
        super().__init__(said)
        self.is_forbidden = is_forbidden


class _Client:
    def __init__(self, pull_request: PullRequest) -> None:
        self._request = pull_request
        self._opener = urllib.request.build_opener(_NoRedirects)

    def keep(self, comment: Comment) -> Problem | None:
        try:
            self._keep(comment)
        except _CallError as exc:
            said = redact(str(exc), secrets=[self._request.token])
            return _forbidden(said) if exc.is_forbidden else _failed(said)
        return None

    def _keep(self, comment: Comment) -> None:
        found = next((each for each in self._comments() if _is_ours(each, comment.marker)), None)
        if found is not None:
            if _same(str(found["body"]), comment.body):
                return
            self._call("PATCH", self._request.comment(int(str(found["id"]))), {"body": comment.body})
        elif not comment.optional:
            self._call("POST", self._request.comments, {"body": comment.body})

    def _comments(self) -> Iterator[Mapping[str, object]]:
        url, known = f"{self._request.comments}?per_page=100", set[str]()
        while url and url not in known and len(known) < _PAGES:
            known.add(url)
            page, link = self._call("GET", url)
            if not isinstance(page, list):
                raise _CallError("the answer is not a list of comments")
            yield from (each for each in page if isinstance(each, dict))
            found = _NEXT.search(link)
            url = urljoin(url, found[1]) if found else ""
            if url and urlsplit(url)[:2] != urlsplit(self._request.api)[:2]:
                raise _CallError("the next page of comments is on another host")

    def _call(self, method: str, url: str, content: Mapping[str, str] | None = None) -> tuple[object, str]:
        """The answer, and its header ``Link``."""
        data = None if content is None else json.dumps(content).encode()
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {self._request.token}",
            "X-GitHub-Api-Version": "2022-11-28",
            "User-Agent": f"dbmigrate/{__version__}",
            **({} if data is None else {"Content-Type": "application/json"}),
        }
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with self._opener.open(request, timeout=_EACH) as response:
                return json.loads(response.read(_LARGEST)), response.headers.get("Link", "")
        except urllib.error.HTTPError as exc:
            with exc:
                raise _refusal(method, exc) from exc
        except (OSError, http.client.HTTPException) as exc:
            reason = exc.reason if isinstance(exc, urllib.error.URLError) else exc
            said = (isinstance(reason, OSError) and reason.strerror) or str(reason) or type(reason).__name__
            raise _CallError(f"{method}: {said}") from exc
        except (ValueError, RecursionError) as exc:
            raise _CallError(f"{method}: the answer is not JSON") from exc


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer like any other, and no 2xx."""

    def redirect_request(self, *arguments: object) -> None:
        return None


def _is_ours(found: Mapping[str, object], marker: str) -> bool:
    """People may quote the first line; a bot that begins with it is an earlier run."""
    user = found.get("user")
    is_bot = isinstance(user, dict) and user.get("type") == "Bot"
    body = found.get("body")
    return is_bot and isinstance(body, str) and body.split("\n")[0].strip() == marker and isinstance(found["id"], int)


def _same(one: str, other: str) -> bool:
    return one.replace("\r\n", "\n").strip() == other.strip()


def _refusal(method: str, exc: urllib.error.HTTPError) -> _CallError:
    try:
        said = json.loads(exc.read(_KEPT))["message"]
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError, RecursionError):
        said = exc.reason
    is_limit = exc.code == 403 and (exc.headers.get("Retry-After") or exc.headers.get("X-RateLimit-Remaining") == "0")
    return _CallError(f"{method}: {exc.code} {said}", is_forbidden=exc.code in _FORBIDDEN and not is_limit)


def _forbidden(said: str) -> Problem:
    hint = "the job needs `permissions: pull-requests: write`; the token of a pull request from a fork never has it"
    return Problem("W775", f"the token may not comment on the pull request: {said}", Severity.NOTE, hint=hint)


def _failed(said: str) -> Problem:
    hint = "what it would say is in the summary of the job"
    return Problem("W776", f"the comment on the pull request could not be kept: {said}", Severity.WARNING, hint=hint)
