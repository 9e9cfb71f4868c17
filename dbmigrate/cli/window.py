"""Whether a run may start now, by the maintenance windows of its environment."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError, Refused, unchanged
from dbmigrate.frozen import frozen
from dbmigrate.model import Problem, Severity
from dbmigrate.settings import windows

if TYPE_CHECKING:
    from datetime import datetime

    from dbmigrate.settings.windows import Window

__all__ = ["Guard", "reason"]

_WAY_OUT = "outside of it: --outside-window REASON"
_LOGGED = f"{_WAY_OUT}; the log keeps the reason"


@frozen
class Guard:
    """The windows of an environment, the reason of ``--outside-window``, and whether a window was open when the command
    began: what the log says of the run was settled then. Not every command has a log: see `unlogged`."""

    environment: str
    windows: tuple[Window, ...]
    allowed: str | None
    was_open: bool
    way_out: str = _LOGGED

    @property
    def is_outside(self) -> bool:
        """Whether the run is logged as one outside of the window."""
        return not self.was_open and self.allowed is not None

    def check(self, now: datetime) -> None:
        """Raise Refused E788 outside of the windows, E789 if they were open when the command began."""
        if windows.is_open(self.windows, now) or self.is_outside:
            return
        if self.was_open:
            message = f"the maintenance window of {self.environment} closed while this command waited ({self._shown})"
            raise unchanged(Refused(message, code="E789", hint=f"{windows.opening(self.windows, now)}; {self.way_out}"))
        message = f"outside the maintenance window of {self.environment} ({self._shown})"
        raise unchanged(Refused(message, code="E788", hint=f"{windows.opening(self.windows, now)}; {self.way_out}"))

    def unlogged(self) -> Guard:
        """The guard of a command that leaves no log entry in which the reason could be."""
        return replace(self, way_out=_WAY_OUT)

    def notes(self, now: datetime) -> tuple[Problem, ...]:
        """What a dry run says: a run would be refused now."""
        if windows.is_open(self.windows, now):
            return ()
        message = f"outside the maintenance window of {self.environment} ({self._shown}): a run would be refused now"
        return (Problem("W783", message, Severity.NOTE, hint=f"{windows.opening(self.windows, now)}; {self.way_out}"),)

    @property
    def warning(self) -> Problem:
        """What a run says that was allowed."""
        message = f"this run is outside the maintenance window of {self.environment} ({self._shown})"
        return Problem("W786", message, hint=f"--outside-window: {self.allowed}")

    @property
    def _shown(self) -> str:
        return windows.shown(self.windows)


def reason(given: str | None, allowed: str) -> str:
    """The reason that the log keeps. Raises ConfigError E200 where the option has none."""
    if not allowed.strip():
        hint = "say why the change cannot wait"
        raise ConfigError("--outside-window needs a reason", code="E200", hint=hint)
    return "; ".join(filter(None, (given, f"--outside-window: {allowed}")))
