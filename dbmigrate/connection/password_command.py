"""The password from a command, such as that of a secret manager: asked when the first login needs it.

The shell runs it. It has a time limit, no input and no terminal; ``PGHOST``, ``PGPORT``, ``PGUSER``, ``PGDATABASE`` and
``DBMIGRATE_ENV`` tell it whose password is wanted. Its line on stdout is the password. No error quotes the command or
that line: both may be secret.
"""

from __future__ import annotations

import os
import re
import selectors
import signal
import subprocess
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from dbmigrate.connection import redaction
from dbmigrate.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LASTS", "SECONDS", "PasswordCommand", "of"]

SECONDS = 30.0
LASTS = 600.0  # seconds; tokens of cloud providers are valid for fifteen minutes
_KEPT = 64 * 1024  # bytes of what the command prints
_PAUSE = 0.05  # seconds between two looks whether the command has ended, if it writes nothing
_SHOWN = 500  # characters of its stderr
_REFUSED = re.compile("authentication failed", re.IGNORECASE)
_HINT = "run the command by hand: it has to print the password, alone on one line, and exit with 0"


class PasswordCommand:
    """A command, and the password that it has printed. `origin` is where it was configured, for errors.

    The command has `seconds` for an answer, which is used for logins within the next `lasts` seconds.
    """

    def __init__(
        self,
        command: str,
        *,
        origin: str,
        environ: Mapping[str, str],
        seconds: float = SECONDS,
        lasts: float = LASTS,
    ) -> None:
        self._command = command
        self._environ = environ
        self._seconds = seconds
        self._lasts = lasts
        self._lock = threading.Lock()
        self._answer: str | None = None
        self._asked = 0.0
        self._logins = 0  # since it was asked
        self._known: set[str] = set()
        self.origin = origin

    @property
    def secrets(self) -> tuple[str, ...]:
        """All spellings of the passwords so far."""
        return tuple(self._known)

    def password(self) -> str:
        """The password. The command runs for the first one, and for one that is needed more than ten minutes later.

        Raises ConfigError E224 (the command failed), E225 (what it printed is not a password).
        """
        with self._lock:
            if self._answer is None or time.monotonic() - self._asked > self._lasts:
                self._ask()
            self._logins += 1
            assert self._answer is not None
            return self._answer

    def is_renewed(self, complaint: str) -> bool:
        """Whether the command has another password than the one that was refused with `complaint`.

        It is asked again only if that password was used before, so that it may have expired. Raises as `password`.
        """
        with self._lock:
            if self._logins < 2 or not _REFUSED.search(complaint):
                return False
            refused = self._answer
            self._ask()
            return self._answer != refused

    def _ask(self) -> None:
        """Run the command."""
        process = self._start()
        try:
            code, printed, complaint = _ended(process, self._seconds)
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
        if code != 0:
            raise self._failed(code, printed, complaint)
        self._answer = self._line(printed)
        self._known |= redaction.spellings(self._answer)
        self._asked, self._logins = time.monotonic(), 0

    def _start(self) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                ["/bin/sh", "-c", self._command],
                env=dict(self._environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # a group of its own, to be ended as a whole
            )
        except (OSError, ValueError) as exc:  # ValueError: a NUL in it
            reason = exc.strerror if isinstance(exc, OSError) else "it contains a NUL character"
            message = f"{self.origin}: the password command cannot be run: {reason}"
            raise ConfigError(message, code="E224", hint=_HINT) from exc

    def _failed(self, code: int | None, printed: bytes, complaint: bytes) -> ConfigError:
        if code is None:
            what = f"did not end within {self._seconds:g} s"
        else:
            what = f"failed with status {code}" if code > 0 else f"was ended by signal {-code}"
        secrets = [line for line in _text(printed).splitlines() if line.strip()]
        spellings = sorted({form for each in secrets for form in redaction.spellings(each.strip())}, key=len)
        shown = redaction.redact(_text(complaint)[-_SHOWN:].strip(), secrets=spellings[::-1])
        return ConfigError(
            f"{self.origin}: the password command {what}",
            code="E224",
            hint=_HINT,
            details=(("STDERR", shown),) if shown else (),
        )

    def _line(self, printed: bytes) -> str:
        """The one line of the output, without its end."""
        try:
            text = printed.decode()
        except UnicodeDecodeError as exc:
            raise self._odd("what is not UTF-8") from exc
        line, _, rest = text.replace("\r\n", "\n").partition("\n")
        if rest:
            raise self._odd("more than one line")
        if not line:
            raise self._odd("nothing")
        if "\0" in line:
            raise self._odd("a NUL character")
        return line

    def _odd(self, what: str) -> ConfigError:
        return ConfigError(f"{self.origin}: the password command printed {what}", code="E225", hint=_HINT)


def _ended(process: subprocess.Popen[bytes], seconds: float) -> tuple[int | None, bytes, bytes]:
    """How a process ended within `seconds` (None: not yet), and the beginning of what it wrote on stdout and stderr.

    A process that it has started, and that keeps the pipes, is not waited for: what the first one wrote is in them when
    it has ended.
    """
    deadline = time.monotonic() + seconds
    outputs: dict[int, bytes] = {}
    with selectors.DefaultSelector() as selector:
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            selector.register(pipe, selectors.EVENT_READ)
            outputs[pipe.fileno()] = b""
        while selector.get_map() and time.monotonic() < deadline:
            has_ended = process.poll() is not None
            ready = selector.select(0 if has_ended else _PAUSE)
            if has_ended and not ready:
                break
            for key, _ in ready:
                chunk = os.read(key.fd, _KEPT)
                outputs[key.fd] = (outputs[key.fd] + chunk)[:_KEPT]
                if not chunk:
                    selector.unregister(key.fileobj)
    try:
        code: int | None = process.wait(max(deadline - time.monotonic(), 0))
    except subprocess.TimeoutExpired:
        code = None
    printed, complaint = outputs.values()
    return code, printed, complaint


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def of(command: str, *, origin: str, environ: Mapping[str, str], place: Mapping[str, str]) -> PasswordCommand:
    """The command for the login of `place` (``PGHOST``, ``PGUSER`` ...): one for a process, so that it is asked once.

    `environ` is the environment of the process.
    """
    key = (command, origin, *place.values())
    if key not in _commands:
        _commands[key] = PasswordCommand(command, origin=origin, environ={**environ, **place})
    return _commands[key]


_commands: dict[tuple[str, ...], PasswordCommand] = {}
