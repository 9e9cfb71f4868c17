"""A listener that hands what happens to Python's `logging`, for programs that run migrations themselves."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from dbmigrate.events import RunStarted, StepDone
from dbmigrate.output import records
from dbmigrate.output.logged import logger_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbmigrate.events import Event

__all__ = ["log_events"]


def log_events(service: str | None = None) -> Callable[[Event], None]:
    """A listener for ``on_event=`` that logs to ``dbmigrate``, or to ``dbmigrate.SERVICE``.

    The fields of a record are in its attribute `dbmigrate`. As anywhere, the program configures handlers and levels.
    """
    logger = logging.getLogger(logger_name(service))
    left = 0

    def listen(event: Event) -> None:
        nonlocal left
        for record in records.of_event(event) or ():
            logger.log(logging.getLevelNamesMapping()[record.level.upper()], "%s", record.message, extra=_extra(record))
        if isinstance(event, RunStarted):
            left = len(event.plan.steps)
        elif isinstance(event, StepDone):
            left -= 1
            if left == 0:
                logger.info(records.COMPLETED)

    return listen


def _extra(record: records.Record) -> dict[str, object]:
    return {"dbmigrate": dict(record.fields)}
