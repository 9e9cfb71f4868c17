"""``status`` of all services of a database."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError
from dbmigrate.events import Warned
from dbmigrate.output import services as output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.cli.call import Call
    from dbmigrate.reports import ServiceStatus

__all__ = ["show", "survey"]


def survey(call: Call) -> Sequence[ServiceStatus]:
    """Ask for all services. Raises ConfigError E200 (one is named), E268 (there are none)."""
    from dbmigrate.settings import service_choice

    settings = call.settings()
    if call.given.get("service"):
        hint = "leave out one of --service and --all-services"
        raise ConfigError("--all-services is not for one service", code="E200", hint=hint)
    if not settings.services:
        raise service_choice.unknown("NAME", settings.project)
    with call.migrator() as migrator:
        return migrator.services()


def show(call: Call, found: Sequence[ServiceStatus]) -> None:
    """Print the table, and what each service warns of."""
    for each in found:
        for problem in each.status.problems if each.status else ():
            message = f"{output.prefix(each.service)}{problem.message}"
            call.renderer.on_event(Warned(replace(problem, message=message)))
    call.renderer.answer("status", output.lines(found, verbose=call.is_verbose), output.value(found))
