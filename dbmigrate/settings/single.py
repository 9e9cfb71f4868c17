"""Reads single settings, of which each has a form of its own. All raise ConfigError E205."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrate.environment_name import canonical
from dbmigrate.errors import ConfigError
from dbmigrate.model import Order
from dbmigrate.settings import project_file
from dbmigrate.settings.environments import name_of, variable_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.settings.sources import Choice

LAYOUTS = ("dbmate", "scattered")  # schema.versions.Layout; a test compares them


def protected(choice: Choice) -> frozenset[str]:
    """The names of the protected environments; an empty list in the project file means none."""
    names = choice.value("DBMIGRATE_PROTECTED").text.split(",")
    return frozenset(canonical(name.strip()) for name in names if name.strip())


def directories(choice: Choice, flags: Sequence[str]) -> tuple[str, ...]:
    """Both the repeated flag and the variable may hold several, separated by commas (dbmate)."""
    text = choice.text("DBMIGRATE_MIGRATIONS_DIR", ",".join(flags) if flags else None)
    directories = tuple(part.strip() for part in text.split(",") if part.strip())
    if not directories:
        raise ConfigError("the migrations directory is empty", code="E205", hint="name one with --migrations-dir")
    return directories


def order(choice: Choice, flag: str | None) -> Order:
    value = choice.value("DBMIGRATE_VERSION_ORDER", flag)
    try:
        return Order(value.text.strip())
    except ValueError:
        hint = f"use {' or '.join(Order)}"
        raise ConfigError(f"{value.name}: unknown order {value.text.strip()!r}", code="E205", hint=hint) from None


def table(choice: Choice, flag: str | None) -> str:
    """``table`` or ``schema.table``; whatever follows the first dot is the table's name (dbmate)."""
    text = choice.text("DBMIGRATE_MIGRATIONS_TABLE", flag)
    if text.startswith(".") or text.endswith(".") or "\0" in text:
        raise ConfigError(
            f"the migrations table {text!r} has no name on one side of the dot", code="E205", hint="write schema.table"
        )
    return text


def layout(choice: Choice) -> str:
    value = choice.value("DBMIGRATE_SCHEMA_VERSIONS")
    if value.text.strip() not in LAYOUTS:
        raise ConfigError(
            f"{value.name}: unknown layout {value.text.strip()!r}", code="E205", hint=f"use {' or '.join(LAYOUTS)}"
        )
    return value.text.strip()


def tickets(choice: Choice) -> str | None:
    """None for the usual pattern."""
    value = choice.value("DBMIGRATE_TICKET_PATTERN")
    if value.origin == "default":
        return None
    try:
        re.compile(value.text)
    except re.error as exc:
        message = f"{value.name}: {value.text!r} is not a regular expression: {exc}"
        raise ConfigError(message, code="E205", hint="for example [A-Z]+-[0-9]+") from exc
    return value.text


def interval(choice: Choice, flag: str | None) -> float:
    seconds = choice.seconds("DBMIGRATE_WAIT_INTERVAL", flag)
    if seconds == 0:
        raise ConfigError("the wait interval is 0", code="E205", hint="write a pause such as 1s")
    return seconds


def environment(choice: Choice, flag: str | None) -> str | None:
    """The name for ``-e``. An empty flag is an error: it comes from an unset shell variable."""
    value = choice.value("DBMIGRATE_ENV", flag)
    if value.origin == "default":
        return None
    if not re.fullmatch(project_file.ENVIRONMENT_NAME, value.text.strip()):
        hint = "use letters, digits, _ - and ."
        raise ConfigError(f"{value.name}: the name of the environment is empty or invalid", code="E205", hint=hint)
    variable = variable_of(value.text.strip())
    return name_of(variable) or variable
