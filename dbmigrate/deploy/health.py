"""Health checks: whether the application works after a migration. URLs are asked with GET, commands are run by a shell.

Neither can hold the caller up for longer than its limit, whatever the other side does: nameservers that do not answer,
servers that send a byte a second, commands that leave a child behind with their output open.
"""

from __future__ import annotations

import http.client
import os
import queue
import re
import shlex
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit

from dbmigrate.connection.redaction import redact, spellings
from dbmigrate.errors import ConfigError
from dbmigrate.frozen import frozen
from dbmigrate.reports import Answer, HealthOutcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

__all__ = ["Check", "CommandCheck", "HealthOutcome", "Patience", "UrlCheck", "header", "run"]

URL_SECONDS = 5.0
COMMAND_SECONDS = 300.0
RETRIES = 5
INTERVAL = 2.0

_KEPT = 2000  # characters of what an unhealthy application says
_MASK = "********"
_SHORTEST_SECRET = 6
_HEADER = re.compile(r"([!#$%&'*+.^`|~\w-]+)\s*:\s*([ -~]+)", re.ASCII)
_ASSIGNMENT = re.compile(r"\w+=")


@frozen
class UrlCheck:
    """Healthy if a GET answers 2xx within `seconds`. Redirects are not followed: a login page is not a healthy answer.

    A user name and password in the URL are sent as Basic authentication.
    """

    url: str
    headers: tuple[tuple[str, str], ...] = ()
    seconds: float = URL_SECONDS

    def __post_init__(self) -> None:
        """Raises ConfigError E205 for what is no URL that can be asked."""
        _refuse_odd(self.url)

    @property
    def name(self) -> str:
        """The URL without its secrets: user, password and query are left out."""
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        netloc = f"{_MASK}@{host}" if "@" in parts.netloc else host
        return urlunsplit((parts.scheme, netloc, parts.path, _MASK if parts.query else "", ""))

    def ask(self) -> Answer:
        """One try."""
        return _within(self.seconds, self._get) or Answer(f"no answer within {self.seconds:g} s")

    def _get(self) -> Answer:
        parts = urlsplit(self.url)
        bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))
        request = urllib.request.Request(bare, headers=self._sent(parts), method="GET")
        try:
            with urllib.request.build_opener(_NoRedirects).open(request, timeout=self.seconds) as response:
                return Answer(str(response.status), is_healthy=True)
        except urllib.error.HTTPError as exc:
            with exc:
                return Answer(self._status(exc), self._redacted(_text(_body(exc))))
        except (OSError, http.client.HTTPException, ValueError) as exc:
            reason = exc.reason if isinstance(exc, urllib.error.URLError) else exc
            said = (isinstance(reason, OSError) and reason.strerror) or str(reason) or type(reason).__name__
            return Answer(self._redacted(said))

    def _sent(self, parts: SplitResult) -> dict[str, str]:
        sent = {"User-Agent": "dbmigrate", **dict(self.headers)}
        if parts.username is not None:
            import base64

            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            sent.setdefault("Authorization", f"Basic {base64.b64encode(login.encode()).decode()}")
        return sent

    def _status(self, exc: urllib.error.HTTPError) -> str:
        target = exc.headers.get("Location") if 300 <= exc.code < 400 else None
        if not target:
            return str(exc.code)
        parts = urlsplit(target)
        return f"{exc.code}, which leads to {parts.scheme}{'://' if parts.netloc else ''}{_host(parts)}{parts.path}"

    def _redacted(self, text: str) -> str:
        """`text` without what the URL and the headers hold; a short value of a query is not a secret."""
        parts = urlsplit(self.url)
        values = [value for _, value in (*parse_qsl(parts.query), *self.headers)]
        words = [word for value in values for word in (value, *value.split()) if len(word) >= _SHORTEST_SECRET]
        given = filter(None, (parts.username, parts.password, parts.query, *words))
        secrets = {form for secret in given for form in spellings(secret)}
        return redact(text, secrets=sorted(secrets, key=len, reverse=True))


@frozen
class CommandCheck:
    """Healthy if ``sh -c COMMAND`` ends with 0 within `seconds`. It sees the environment that dbmigrate was given."""

    command: str
    seconds: float = COMMAND_SECONDS

    def __post_init__(self) -> None:
        """Raises ConfigError E205 for nothing at all."""
        if not self.command.strip() or "\0" in self.command:
            raise ConfigError("a health command is empty, or holds a NUL character", code="E205")

    @property
    def name(self) -> str:
        """The program alone: a shell has put secrets of its variables into the other words."""
        try:
            words = shlex.split(self.command)
        except ValueError:  # the shell will say what it thinks of it
            words = []
        program = next((word for word in words if not _ASSIGNMENT.match(word)), "sh")
        return f"command {os.path.basename(program) or 'sh'}"

    def ask(self) -> Answer:
        """One try. What the command started is ended with it when it takes too long, or when dbmigrate is interrupted.

        Raises ConfigError E206 where there is no shell.
        """
        process = self._start()
        output = _Tail(process.stdout)
        try:
            code: int | None = process.wait(self.seconds)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            if process.returncode is None:
                _end(process)
        said = redact(_text(output.read()))
        if code is None:
            return Answer(f"not done after {self.seconds:g} s", said)
        return Answer(f"exit {code}" if code >= 0 else f"ended by signal {-code}", said, is_healthy=code == 0)

    def _start(self) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                ["sh", "-c", self.command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a group of its own, to be ended as a whole
            )
        except OSError as exc:
            raise ConfigError(f"the health command cannot be run: {exc.strerror}", code="E206") from exc


Check = UrlCheck | CommandCheck


@frozen
class Patience:
    """How often an unhealthy application is asked again, and how many seconds later."""

    retries: int = RETRIES
    interval: float = INTERVAL


def run(check: Check, patience: Patience, *, on_retry: Callable[[HealthOutcome], None]) -> HealthOutcome:
    """Ask until the application is healthy, or patience ends. `on_retry` hears of each try that is followed by another.

    Blocks for (retries + 1) times the check's limit at most, and the pauses.
    """
    started = time.monotonic()
    for number in range(1, patience.retries + 2):
        outcome = HealthOutcome(check.name, check.ask(), number, time.monotonic() - started)
        if outcome.is_healthy or number > patience.retries:
            break
        on_retry(outcome)
        time.sleep(patience.interval)
    return outcome


def header(text: str) -> tuple[str, str]:
    """``Name: value`` as name and value. Raises ConfigError E205; the text is not quoted, because it may be secret."""
    found = _HEADER.fullmatch(text.strip())
    if found is None:
        raise ConfigError("a health header is not of the form 'Name: value', in printable ASCII", code="E205")
    return found[1], found[2].strip()


# ------------------------------------------------------------------------------------------------------------- details


def _refuse_odd(url: str) -> None:
    hint = "write it as https://host:port/path"
    if not re.fullmatch(r"[!-~]+", url):
        raise ConfigError("a health URL has blanks or characters that are not ASCII", code="E205", hint=hint)
    try:
        parts = urlsplit(url)
        is_sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_sound = False
    if not is_sound:
        raise ConfigError("a health URL is not one of http:// or https:// with a host", code="E205", hint=hint)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer like any other, and no 2xx."""

    def redirect_request(self, *arguments: object) -> None:
        return None


def _host(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2]


def _body(response: IO[bytes]) -> bytes:
    """The beginning of what an unhealthy application says."""
    with suppress(OSError, http.client.HTTPException):
        return response.read(_KEPT)
    return b""


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace").strip()


def _within(seconds: float, ask: Callable[[], Answer]) -> Answer | None:
    """The answer, or None after `seconds`: a socket's own limit is one for each read, and none for a nameserver."""
    answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
    threading.Thread(target=lambda: answers.put(ask()), daemon=True).start()
    try:
        return answers.get(timeout=seconds)
    except queue.Empty:
        return None


class _Tail:
    """The end of what a process writes, read while it runs. A grandchild that keeps the pipe open is not waited for."""

    def __init__(self, pipe: IO[bytes] | None) -> None:
        assert pipe is not None
        self._pipe = pipe
        self._kept = b""
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        with suppress(OSError, ValueError):  # closed by `read`
            while chunk := os.read(self._pipe.fileno(), 65536):
                self._kept = (self._kept + chunk)[-_KEPT:]

    def read(self) -> bytes:
        """What came so far, and until the pipe is closed or a moment has passed. Nothing is read after that."""
        self._thread.join(0.5)
        self._pipe.close()
        return self._kept


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and all it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
