"""Sends messages beside the run, and never holds it up: `close` waits for a few seconds in all.

A time-out of `urllib` counts for each read alone, and the look-up of a name has none; so each message has a thread of
its own, which nobody waits for longer than that. Redirects are not followed: they would turn the POST into a GET
without a body, which looks like success. The URL is a secret; only its scheme and host are ever shown.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

    from dbmigrate.notify.messages import Message

__all__ = ["LIMIT", "Sender", "place"]

LIMIT = 5.0  # seconds that `close` waits for all messages together
_ANSWER = 4.0  # seconds for one read
_PAUSE = 0.5
_TRIES = 2
_IN_TURN = 2.0  # seconds that a message waits for the one before it
_AGAIN = frozenset((429, 500, 502, 503, 504))


def place(url: str) -> str:
    """Scheme and host of a URL, to be shown. Raises ValueError, without the URL, if it is none for a webhook."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    is_plain = url.isascii() and url.isprintable() and " " not in url
    if not is_plain or not host or parts.scheme not in ("http", "https"):
        raise ValueError("it is not a URL that begins with https://")
    return f"{parts.scheme}://{host}"


class _Sending:
    """One message on its way."""

    def __init__(self, url: str, sent: Message, before: _Sending | None) -> None:
        self._url = url
        self._sent = sent
        self._before = before
        self.failure: str | None = None
        self.over = threading.Event()
        threading.Thread(target=self._run, name="notice", daemon=True).start()

    def _run(self) -> None:
        if self._before is not None:
            self._before.over.wait(_IN_TURN)
        try:
            for number in range(_TRIES):
                if number:
                    time.sleep(_PAUSE)
                self.failure, is_final = self._try()
                if is_final:
                    return
        finally:
            self.over.set()

    def _try(self) -> tuple[str | None, bool]:
        """Why it failed, None if it did not; and whether another try makes no sense."""
        from http.client import HTTPException
        from urllib.error import HTTPError, URLError
        from urllib.request import Request

        request = Request(self._url, data=self._sent.body, headers=dict(self._sent.headers), method="POST")
        try:
            with _opener().open(request, timeout=_ANSWER):
                return None, True
        except HTTPError as exc:
            exc.close()
            return f"HTTP status {exc.code}", exc.code not in _AGAIN
        except URLError as exc:
            return _reason(exc.reason), False
        except (OSError, HTTPException, ValueError) as exc:  # its text may hold the path of the URL
            return _reason(exc), False


def _opener() -> OpenerDirector:
    from urllib.request import HTTPRedirectHandler, build_opener

    class NoRedirect(HTTPRedirectHandler):
        def redirect_request(self, *arguments: object) -> None:
            """An answer with a redirect is an error."""

    return build_opener(NoRedirect)


def _reason(cause: object) -> str:
    """What went wrong, without a text that may hold the URL."""
    if isinstance(cause, TimeoutError):
        return "no answer in time"
    text = cause.strerror if isinstance(cause, OSError) else None
    return text or type(cause).__name__


class Sender:
    """Sends to one URL, one message after the other."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._sendings: list[_Sending] = []

    def send(self, sent: Message) -> None:
        """Send it beside the run."""
        before = self._sendings[-1] if self._sendings else None
        self._sendings.append(_Sending(self._url, sent, before))

    def close(self) -> str | None:
        """Wait for what is on its way, but not for long. Why a message did not arrive; None if all did."""
        deadline = time.monotonic() + LIMIT
        failures = []
        for sending in self._sendings:
            if not sending.over.wait(max(deadline - time.monotonic(), 0)):
                failures.append(f"no answer within {LIMIT:.0f} s")
            elif sending.failure is not None:
                failures.append(sending.failure)
        return failures[-1] if failures else None
