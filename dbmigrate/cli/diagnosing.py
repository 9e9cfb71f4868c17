"""``doctor``: what there is to look at, from the settings, and what a report says of this machine."""

from __future__ import annotations

import getpass
import platform
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dbmigrate.connection import redaction, shown_url
from dbmigrate.connection.programs import Search
from dbmigrate.diagnostics import doctor, machine, network
from dbmigrate.diagnostics.values import Result, Setup, of_error, ok, warning
from dbmigrate.errors import Error
from dbmigrate.output.doctor import Answer, Origin
from dbmigrate.reports import MigrationState
from dbmigrate.settings import windows
from dbmigrate.version import __version__, build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dbmigrate.cli.call import Call
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.diagnostics.values import Diagnosis
    from dbmigrate.settings.load import Settings

# names that say nothing about anybody
_COMMON = frozenset(("", "localhost", "127.0.0.1", "::1", "postgres", "root", "/var/run/postgresql", "/tmp"))


def answer(call: Call) -> Answer:
    """Look at everything; raises only what `Call.settings` raises."""
    settings = call.settings()
    found = list(_examined(call, settings))
    if not any(each.result is Result.FAILED for each in found):
        found.append(_history(call))
    found += _window(settings)
    masked = tuple(_masked(each, _hiding(call, settings)) for each in found)
    try:
        target, parts = settings.target(), settings.parts
    except Error:
        return Answer("", "", (), masked, tuple(_versions(settings)), {})
    url = shown_url.masked(target)
    psql_url = "" if target.embedded is not None else shown_url.for_psql(target)
    origins = tuple(Origin(part.name, call.hide(part.value), part.origin) for part in parts)
    shown = ("", ()) if target.embedded is not None else (call.hide(psql_url), origins)
    return Answer(
        call.hide(url), shown[0], shown[1] or _embedded(settings), masked, tuple(_versions(settings)), _names(target)
    )


def _embedded(settings: Settings) -> tuple[Origin, ...]:
    return (Origin("url", settings.target().display, settings.origin),)


def _examined(call: Call, settings: Settings) -> Iterator[Diagnosis]:
    setup = Setup(
        dsn=None,
        table=settings.migrations_table,
        directories=settings.migrations_dirs,
        schema_file=settings.schema_file,
        wants_schema_file=settings.dump_schema,
        search=Search.from_environ(settings.environ),
        services=() if settings.service else tuple(each.name for each in settings.services if each.name),
    )
    try:
        target = settings.target()
        with call.served(target) as dsn:
            _wait(call, settings, dsn)
            yield from doctor.examine(replace(setup, dsn=dsn, own_settings=_own_settings(target)))
    except Error as exc:
        yield of_error("configuration" if exc.exit_code == 2 else "server", exc)
        yield from doctor.examine(setup)


def _own_settings(target: Dsn) -> Mapping[str, str]:
    """What dbmigrate sets where it runs the server."""
    if target.embedded is None:
        return {}
    from dbmigrate.embedded.server import KEPT_SETTINGS

    return KEPT_SETTINGS


def _wait(call: Call, settings: Settings, dsn: Dsn) -> None:
    """Wait for the server with ``--wait``; why it did not answer is looked at afterwards."""
    from dbmigrate.connection import waiting

    if settings.wait:
        with suppress(Error):
            timeout, interval = settings.wait_timeout, settings.wait_interval
            waiting.wait(dsn, timeout=timeout, interval=interval, on_event=call.renderer.on_event)


def _history(call: Call) -> Diagnosis:
    """What `status` would say."""
    try:
        with call.migrator() as migrator:
            status = migrator.status()
    except Error as exc:
        return of_error("history", exc, exit_code=1)
    counted = f"{len(status.applied)} applied, {len(status.pending)} pending"
    if unfinished := status.count(MigrationState.UNFINISHED):
        hint = "`dbmigrate status` says where it stopped, `dbmigrate resume` continues"
        return warning("history", f"{counted}, {unfinished} of them unfinished", hint)
    return ok("history", counted)


def _window(settings: Settings) -> Iterator[Diagnosis]:
    """Whether the environment may be changed now, if there is a rule."""
    rules = settings.watching.windows(settings.target_environment)
    if rules:
        now = datetime.now(UTC)
        state = "open" if windows.is_open(rules, now) else f"closed, {windows.opening(rules, now)}"
        yield ok("window", f"{state} ({windows.shown(rules)})")


def _hiding(call: Call, settings: Settings) -> Callable[[str], str]:
    values = sorted(settings.values, key=len, reverse=True)
    return lambda text: redaction.without(call.hide(text), values)


def _masked(each: Diagnosis, hide: Callable[[str], str]) -> Diagnosis:
    return replace(each, message=hide(each.message), hint=hide(each.hint) if each.hint else None)


def _versions(settings: Settings) -> Iterator[str]:
    """What a maintainer wants to know of this machine."""
    made = f" ({build()})" if build() else ""
    yield f"dbmigrate {__version__}{made}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    yield machine.driver()
    changed = {name: origin for name, origin in settings.origins.items() if origin != "default"}
    if changed:
        yield "set: " + ", ".join(f"{name} by {origin}" for name, origin in changed.items())


def _names(target: Dsn) -> Mapping[str, str]:
    """Who and what is not to be seen in an issue, and what stands there instead."""
    names: dict[str, str] = {}
    with suppress(KeyError, OSError):
        names[getpass.getuser()] = "USER"
    names[platform.node()] = "MACHINE"
    names |= {target.user: "ROLE", target.database: "DATABASE"}
    for place in network.places(target):
        names |= {place.host: "HOST", place.address: "ADDRESS"}
    return {name: word for name, word in names.items() if name not in _COMMON}
