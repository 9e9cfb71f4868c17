"""The renderer of one target among several: it prints nothing, and keeps what the command has to say."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

from dbmigrate.events import Progress, Retrying, RunStarted, Waiting, Warned
from dbmigrate.output.jsonlines import Json
from dbmigrate.output.renderer import Streams
from dbmigrate.output.verbosity import Verbosity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from dbmigrate.events import Event
    from dbmigrate.model import Problem
    from dbmigrate.reports import Status

__all__ = ["Recorder"]


class Recorder(Json):
    """`value` is the object that a program would get, `problems` are the warnings, `waited` the seconds of waiting.

    `on_wait` is called with a text when the target begins to wait, and now and then while it does.
    """

    def __init__(self, *, hide: Callable[[str], str], on_wait: Callable[[str], None]) -> None:
        super().__init__(Streams(StringIO(), StringIO()), verbosity=Verbosity.QUIET, hide=hide)
        self._on_wait = on_wait
        self.value: Mapping[str, object] = {}
        self.problems: list[Problem] = []
        self._waited = 0.0
        self._waiting = 0.0

    @property
    def waited(self) -> float:
        """How long the target has waited, in seconds."""
        return self._waited + self._waiting

    def on_event(self, event: Event) -> None:
        if isinstance(event, Warned):
            self._keep((event.problem,))
        elif isinstance(event, RunStarted):
            self._keep(event.plan.problems)
        elif isinstance(event, Waiting):
            if event.seconds < self._waiting:
                self._waited += self._waiting
            self._waiting = event.seconds
            self._on_wait(event.what)
        elif isinstance(event, Retrying):
            self._on_wait("; ".join(("a lock", *event.blockers)))
        elif isinstance(event, Progress) and event.detail:
            self._on_wait(event.detail)

    def status(self, status: Status) -> None:
        self._keep(status.problems)
        super().status(status)

    def _keep(self, problems: Iterable[Problem]) -> None:
        self.problems += [problem for problem in problems if problem not in self.problems]

    def _print(self, value: Mapping[str, object]) -> None:
        self.value = value

    def _answer(self, value: Mapping[str, object]) -> None:
        self.value = value
