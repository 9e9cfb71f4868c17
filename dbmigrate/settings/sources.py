"""Where settings are from: flags, the environment of the process, the env files, the project file, in this order."""

from __future__ import annotations

import re
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from dbmigrate.connection import libpq_keywords
from dbmigrate.errors import ConfigError
from dbmigrate.frozen import frozen
from dbmigrate.model import Order
from dbmigrate.settings import durations
from dbmigrate.settings.variables import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.settings import env_file
    from dbmigrate.settings.project_file import Project

__all__ = [
    "DB_KEYWORDS",
    "LAYOUTS",
    "Choice",
    "Sources",
    "Value",
    "directories",
    "interval",
    "layout",
    "order",
    "table",
    "tickets",
]

LAYOUTS = ("dbmate", "scattered")  # schema.versions.Layout; a test compares them
DB_KEYWORDS = {
    "DB_HOST": "host",
    "DB_PORT": "port",
    "DB_USER": "user",
    "DB_PASSWORD": "password",
    "DB_NAME": "dbname",
    "DB_SSLMODE": "sslmode",
}
_PLACES = (
    "PGHOST",
    "PGHOSTADDR",
    "PGPORT",
    "PGUSER",
    "PGDATABASE",
    "PGSERVICE",
)  # one of them is enough
_LONGEST_URL_FILE = 65536  # characters


@frozen
class Value:
    """A text and where it comes from: `name` for errors about it, `origin` for people."""

    text: str = field(repr=False)
    name: str
    origin: str


@frozen
class Sources:
    """The environment of the process, then the env files."""

    environ: Mapping[str, str] = field(repr=False)
    files: env_file.EnvFiles
    cwd: str

    def _layers(self) -> Iterator[Callable[[str], Value | None]]:
        yield self._of_process
        yield self._of_files

    def _of_process(self, name: str) -> Value | None:
        label = f"{name} (environment)"
        return Value(self.environ[name], label, label) if name in self.environ else None

    def _of_files(self, name: str) -> Value | None:
        setting = self.files.settings.get(name)
        return Value(setting.text, f"{name} ({setting.origin})", setting.origin) if setting else None

    def find(self, *names: str) -> Value | None:
        """The first of the names with a value. An empty one in the environment hides the values of the env files."""
        for look in self._layers():
            values = [value for value in map(look, names) if value is not None]
            if values:
                return next((value for value in values if value.text.strip()), None)
        return None

    def names(self) -> frozenset[str]:
        return frozenset(self.environ) | frozenset(self.files.settings)

    def url(self, name: str) -> Value | None:
        """The URL in variable `name`, or in the file that ``<name>_FILE`` names. Raises ConfigError E205, E207."""
        for look in self._layers():
            direct, by_file = look(name), look(f"{name}_FILE")
            if direct and direct.text.strip() and by_file and by_file.text.strip():
                raise ConfigError(
                    f"{direct.name} and {by_file.name} are both set", code="E205", hint="unset one of them"
                )
            if by_file and by_file.text.strip():
                return self._url_in_file(by_file)
            if direct or by_file:
                return direct if direct and direct.text.strip() else None
        return None

    def _url_in_file(self, value: Value) -> Value:
        path = value.text.strip()
        try:
            with open(Path(self.cwd, path), encoding="utf-8-sig", errors="replace") as file:
                text = file.read(_LONGEST_URL_FILE)
        except (OSError, ValueError) as exc:  # ValueError: a NUL in the name
            reason = exc.strerror if isinstance(exc, OSError) else "the name contains a NUL character"
            raise ConfigError(f"{value.name}: {path} cannot be read: {reason}", code="E207") from exc
        if not text.strip():
            raise ConfigError(f"{value.name}: {path} is empty", code="E202", hint="write the URL into it")
        return Value(text, value.name, value.name)

    def db_variables(self) -> dict[str, str]:
        """libpq's keywords from the ``DB_*`` variables, with their defaults; empty when none of them is set."""
        given = {name: value.text for name in DB_KEYWORDS if (value := self.find(name))}
        if not given:
            return {}
        defaults = {name: VARIABLES[name].default for name in ("DB_HOST", "DB_PORT", "DB_USER", "DB_NAME")}
        return {DB_KEYWORDS[name]: text for name, text in {**defaults, **given}.items()}

    def has_libpq_place(self) -> bool:
        return any(self.find(name) for name in _PLACES)

    def completed(self, target: Dsn) -> Dsn:
        environ = self._libpq_environ()
        if not (target.conninfo.get("service") or environ.get("PGSERVICE")):
            return target.completed(environ)
        return target.completed(environ, service=self._section(target, environ))

    def service_section(self, target: Dsn) -> Mapping[str, str]:
        """What the service file adds to `target`."""
        return self._section(target, self._libpq_environ()) or {}

    def _libpq_environ(self) -> dict[str, str]:
        names = (
            "HOME",
            "PGSERVICEFILE",
            "PGSYSCONFDIR",
            *libpq_keywords.VARIABLES.values(),
            *libpq_keywords.SETTING_VARIABLES,
        )
        given = (name for name in names if name in self.environ or name in self.files.settings)  # few of them are
        return {name: value.text for name in given if (value := self.find(name))}

    def _section(self, target: Dsn, environ: Mapping[str, str]) -> dict[str, str] | None:
        service = target.conninfo.get("service") or environ.get("PGSERVICE")
        if not service:
            return None
        from dbmigrate.connection import service_file

        return service_file.read(service, environ)


class Choice:
    """Looks up settings by their names in `VARIABLES`, and remembers where each was found."""

    def __init__(self, sources: Sources, project: Project) -> None:
        self._sources = sources
        self._project = project
        self.origins: dict[str, str] = {}
        self.of_service: dict[str, Value] = {}  # of the chosen service; only a flag wins over them

    def value(self, name: str, flag: str | None = None) -> Value:
        variable = VARIABLES[name]
        if flag is not None:
            found = Value(flag, variable.option, variable.option)
        elif name in self.of_service:
            found = self.of_service[name]
        else:
            names = (name, variable.twin) if variable.twin else (name,)
            found = self._sources.find(*names) or self._from_project(name) or Value(variable.default, name, "default")
        self.origins[name] = found.origin
        return found

    def _from_project(self, name: str) -> Value | None:
        """What the project file says."""
        found = self._project.values.get(name)
        return Value(found.text, f"{found.key} ({found.origin})", found.origin) if found else None

    def text(self, name: str, flag: str | None = None) -> str:
        """A text; it may be empty only if its default is."""
        value = self.value(name, flag)
        if VARIABLES[name].default and not value.text.strip():
            raise ConfigError(f"{value.name} is empty", code="E205", hint="give it a value, or remove it")
        return value.text.strip()

    def secret(self, name: str) -> str | None:
        """What a variable holds that the project file names."""
        value = self._sources.find(name)
        return None if value is None else value.text.strip()

    def seconds(self, name: str, flag: str | None = None) -> float:
        value = self.value(name, flag)
        return durations.duration(value.text, value.name)

    def optional_seconds(self, name: str, flag: str | None = None) -> float | None:
        value = self.value(name, flag)
        return durations.duration(value.text, value.name) if value.origin != "default" else None

    def boolean(self, name: str, *, flag: bool | None) -> bool:
        value = self.value(name, None if flag is None else str(flag))
        return durations.boolean(value.text, value.name)


# single settings, of which each has a form of its own; all raise ConfigError E205


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
