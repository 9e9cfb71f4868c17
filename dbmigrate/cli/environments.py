"""``status`` of several environments: they are read at once, and shown side by side."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from dbmigrate.cli.call import CONNECT_TIMEOUT
from dbmigrate.environment_name import canonical
from dbmigrate.errors import ConfigError, Error, MigrationFileError
from dbmigrate.events import Warned
from dbmigrate.migrations import find
from dbmigrate.output import environments as output
from dbmigrate.output.verbosity import Verbosity
from dbmigrate.planning import environments
from dbmigrate.planning.environments import Look

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dbmigrate.cli.call import Call
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.planning.environments import Reading, Table
    from dbmigrate.reports import Status

_AFTER_CONNECTING = 30.0  # seconds for the queries


def survey(call: Call, names: Sequence[str], *, own: str | None = None) -> Table:
    """Ask the environments `names`, as they were given, or all that are known; raises ConfigError E201, E203.

    `own` is what the target database is called, where it is shown beside them, or alone.
    """
    for problem in find.look(call.settings().migrations_dirs, call.settings().version_order).notes:
        call.renderer.on_event(Warned(problem))
    asked = names or (() if own and not call.settings().environments() else _known(call))
    looks = [_look(call, name) for name in dict.fromkeys(asked)]
    readings = environments.gather([*looks, *([_own_look(call, own)] if own else ())])
    _warn_of_order(call, readings)
    return environments.merge(readings, totals=_totals(call, readings), order=call.settings().version_order)


def _warn_of_order(call: Call, readings: Iterable[Reading]) -> None:
    """Warn about the order of the files, once: it is the same for all environments."""
    problems = (problem for reading in readings if reading.status for problem in reading.status.problems)
    odd = next((problem for problem in problems if problem.code == "W302"), None)
    if odd is not None:
        call.renderer.on_event(Warned(odd))


def show(call: Call, table: Table, *, as_markdown: bool) -> None:
    """Print the table; with ``--verbose`` all of it."""
    folded = 0 if call.verbosity >= Verbosity.VERBOSE else table.folded
    shown = (
        output.markdown(table, folded=folded)
        if as_markdown
        else map(call.completed, output.lines(table, folded=folded))
    )
    call.renderer.answer("status", shown, output.value(table))


def _known(call: Call) -> Sequence[str]:
    settings = call.settings()
    names = settings.environments()
    if not names:
        raise ConfigError(
            "no environment is configured", code="E201", hint="set DEV_DATABASE_URL, STAGING_DATABASE_URL ... in .env"
        )
    return environments.in_order(names, [canonical(name) for name in settings.project.order])


def _look(call: Call, name: str) -> Look:
    """How to read one environment. An embedded one is read here: several may share one server, one after the other."""
    settings = call.settings_of(name)
    shown = settings.environment or name
    try:
        target = settings.target().patient(CONNECT_TIMEOUT)
        with call.other_environment(name) as migrator:
            ask = partial(_same, migrator.status()) if target.embedded else migrator.status
    except Error as exc:
        if exc.code == "E203":  # a mistyped name
            raise
        return Look(shown, partial(_fail, exc))
    return Look(shown, ask, target.display, _patience(target))


def _own_look(call: Call, name: str) -> Look:
    """How to read the target database."""
    target = call.settings().target().patient(CONNECT_TIMEOUT)
    with call.migrator() as migrator:
        ask = partial(_same, migrator.status()) if target.embedded else migrator.status
    return Look(name, ask, target.display, _patience(target))


def _patience(target: Dsn) -> float:
    """How long to wait for the answer: libpq spends the time to connect on every host."""
    seconds = target.conninfo["connect_timeout"]
    hosts = target.conninfo.get("host", "").count(",") + 1
    return _AFTER_CONNECTING + hosts * (int(seconds) if seconds.isdecimal() else CONNECT_TIMEOUT)


def _same(status: Status) -> Status:
    return status


def _fail(error: Error) -> Status:
    raise error


def _totals(call: Call, readings: Iterable[Reading]) -> Mapping[str, int]:
    """How many statements the files of unfinished migrations have, where they can be read."""
    rows = [row for reading in readings if reading.status for row in reading.status.rows]
    broken = {row.version: row.unfinished for row in rows if row.unfinished}
    if not broken:
        return {}
    from dbmigrate.migrations import parser

    found: dict[str, int] = {}
    for file in find.find(call.settings().migrations_dirs, call.settings().version_order):
        if file.version in broken:
            with suppress(MigrationFileError, ConfigError):
                direction = broken[file.version].direction
                sections = parser.read(file, (direction,)).run_order(direction)
                found[file.version] = sum(section.count for section in sections)
    return found
