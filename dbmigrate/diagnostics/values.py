"""What `doctor` finds, as values."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.connection.programs import Search
    from dbmigrate.errors import Error

__all__ = ["Diagnosis", "Result", "Setup", "exit_code", "failed", "of_error", "ok", "warning"]

NO = 1  # the exit code of a question that was answered no


class Result(StrEnum):
    """What a line of `doctor` says: a warning is something that hurts, a failure is something that does not work."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@frozen
class Diagnosis:
    """One thing that was looked at. `code` is that of the error that other commands would end with, if there is one."""

    subject: str
    result: Result
    message: str
    hint: str | None = None
    code: str | None = None
    exit_code: int = 0


@frozen
class Setup:
    """What there is to look at. `wants_schema_file`: a change writes the schema file, which needs pg_dump.

    `services` are the names that ``--service`` may choose, where none is chosen. `own_settings` are those with which
    dbmigrate itself has started the server.
    """

    dsn: Dsn | None
    table: str
    directories: Sequence[str]
    schema_file: str
    wants_schema_file: bool
    search: Search
    services: Sequence[str] = ()
    own_settings: Mapping[str, str] = field(default_factory=dict)


def ok(subject: str, message: str) -> Diagnosis:
    return Diagnosis(subject, Result.OK, message)


def warning(subject: str, message: str, hint: str) -> Diagnosis:
    return Diagnosis(subject, Result.WARNING, message, hint)


def failed(subject: str, message: str, hint: str, *, exit_code: int = NO) -> Diagnosis:
    return Diagnosis(subject, Result.FAILED, message, hint, exit_code=exit_code)


def of_error(subject: str, error: Error, *, exit_code: int | None = None) -> Diagnosis:
    """A failure with the message, the way out and the code of an error."""
    code = error.exit_code if exit_code is None else exit_code
    message = "; ".join((error.message, *(f"{label}: {text}" for label, text in error.details)))
    return Diagnosis(subject, Result.FAILED, message, error.hint, error.code, code)


def exit_code(found: Sequence[Diagnosis]) -> int:
    """3 if there is no connection, else 2 if the configuration is wrong, else 1 if anything else fails, else 0."""
    codes = {each.exit_code for each in found if each.result is Result.FAILED}
    return next((code for code in (3, 2) if code in codes), NO if codes else 0)
