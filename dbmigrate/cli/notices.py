"""Sends notices of a run as the project file says."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dbmigrate.cli.watcher import Watcher
from dbmigrate.model import Problem, Severity
from dbmigrate.notify import messages, notices, sending
from dbmigrate.notify.notices import Notice, Occasion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dbmigrate.execution.session import Session
    from dbmigrate.reports import RunResult
    from dbmigrate.settings.project_watching import NotifyTable
    from dbmigrate.settings.watching import Watching

__all__ = ["Notifier", "Silent", "notifier"]


class Silent(Watcher):
    """Sends nothing, and says at the end of a run why."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem

    def ended(self, result: RunResult) -> Sequence[Problem]:
        """Only where something would have been sent."""
        return (self._problem,) if result.has_begun or result.result == "failure" else ()


class Notifier(Watcher):
    """Notices before a run, after it, on a failure, of slow migrations, outside of the window."""

    def __init__(self, url: str, secret: bytes | None, form: str | None, on: frozenset[str]) -> None:
        self._place = sending.place(url)
        self._sender = sending.Sender(url)
        self._secret = secret
        self._form = form or messages.format_of(urlsplit(url).hostname or "")
        self._on = on
        self._ci_url: str | None = None

    def runs_in(self, environ: Mapping[str, str]) -> Notifier:
        """With a link to the job of the CI that runs this."""
        self._ci_url = notices.ci_url(environ)
        return self

    def started(self, session: Session, so_far: RunResult) -> None:
        """The first step is about to run."""
        if so_far.outside_window:
            self._send(Occasion.OUTSIDE_WINDOW, so_far)
        self._send(Occasion.STARTED, so_far)

    def slow(self, name: str, so_far: RunResult) -> None:
        """It is sent while the migration runs."""
        self._send(Occasion.SLOW, so_far, name)

    def ended(self, result: RunResult) -> Sequence[Problem]:
        """Say how it ended. One that was refused before it began, or had nothing to do, is nobody's business."""
        if result.has_rolled_back and Occasion.ROLLED_BACK.value in self._on:
            self._send(Occasion.ROLLED_BACK, result)
        elif result.result == "success" and result.has_begun:
            self._send(Occasion.SUCCEEDED, result)
        if result.result == "failure":
            self._send(Occasion.FAILED, result)
        failure = self._sender.close()
        if failure is None:
            return ()
        message = f"a notice could not be sent to {self._place}: {failure}"
        return (Problem("W781", message, hint="the run is not affected"),)

    def _send(self, occasion: Occasion, result: RunResult, slow: str | None = None) -> None:
        if occasion.value in self._on:
            notice = Notice(occasion, result, slow, self._ci_url)
            self._sender.send(messages.message(notice, self._form, self._secret))


def notifier(watching: Watching, table: NotifyTable, environ: Mapping[str, str]) -> Watcher:
    """Who sends the notices. The URL and the secret are never shown."""
    if not watching.url:
        return Silent(_incomplete(f"{table.url_env} is not set", Severity.NOTE))
    if table.secret_env is not None and not watching.secret:
        return Silent(_incomplete(f"{table.secret_env} is not set"))
    try:
        secret = messages.key(watching.secret) if watching.secret else None
    except ValueError as exc:
        return Silent(_incomplete(f"{table.secret_env}: {exc}"))
    try:
        return Notifier(watching.url, secret, table.format, table.on).runs_in(environ)
    except ValueError as exc:
        return Silent(_incomplete(f"{table.url_env}: {exc}"))


def _incomplete(reason: str, severity: Severity = Severity.WARNING) -> Problem:
    return Problem("W784", f"no notices are sent: {reason}", severity, hint="[notify] in the project file names it")
