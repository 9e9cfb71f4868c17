"""``status`` of all services of a database."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError
from dbmigrate.events import Warned
from dbmigrate.output import services as output
from dbmigrate.services import choice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.cli.call import Call
    from dbmigrate.errors import Error
    from dbmigrate.reports import ServiceStatus
    from dbmigrate.services import Service

__all__ = ["for_one", "show", "survey"]


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
            call.renderer.on_event(Warned(replace(problem, message=message, hint=_of(each.service, problem.hint))))
    call.renderer.answer("status", output.lines(found, verbose=call.is_verbose), output.value(found))


def _of(service: Service, hint: str | None) -> str | None:
    """`hint`, whose commands are for `service`."""
    from dbmigrate.cli import next_commands

    started = next_commands.Started(of_files=(("--service", service.name),) if service.name else ())
    return hint and next_commands.completed(hint, started)


def for_one(call: Call, error: Error) -> Error:
    """`error`, which names the services if the directory is missing because none of them was chosen (E235)."""
    settings = call.settings()
    names = [each.name for each in settings.services if each.name]
    if names and settings.service is None:
        error.hint = choice(names)
    return error
