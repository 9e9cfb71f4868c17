"""``dbmigrate wait``."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import common
from dbmigrate.errors import ConfigError, ConnectionFailed, LockNotAcquired

CURRENT = "current"


@common
def wait(
    call: Call,
    for_: Annotated[
        str | None,
        typer.Option(
            "--for", metavar="VERSION", help="Wait until VERSION is applied; current: until nothing is pending."
        ),
    ] = None,
) -> None:
    """Wait until the server answers, or with --for until migrations are applied."""
    settings = call.settings()
    timeout, interval = settings.wait_timeout, settings.wait_interval
    if for_ is None:
        with call.migrator() as migrator:
            migrator.wait(timeout=timeout, interval=interval)
    else:
        _wait_for(call, _version(for_))
    call.renderer.finished("wait")


def _version(text: str) -> str | None:
    if text == CURRENT:
        return None
    if not re.fullmatch("[0-9]+", text):
        hint = "write current, or a version: the digits that the name of its file begins with"
        raise ConfigError(f"--for: {text!r} is neither a version nor {CURRENT}", code="E205", hint=hint)
    return text


def _wait_for(call: Call, version: str | None) -> None:
    settings = call.settings()
    try:
        from dbmigrate.api.readiness import Readiness

        with call.opened(Readiness) as readiness:
            readiness.wait_for(version, timeout=settings.wait_timeout, interval=settings.wait_interval)
    except ConnectionFailed as exc:
        if exc.code != "E302":  # DBMIGRATE_WAIT: the same wait, for the server alone
            raise
        raise exc.recast(LockNotAcquired, code="E603") from exc
