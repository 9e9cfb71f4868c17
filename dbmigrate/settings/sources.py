"""Where settings are from: flags, the environment of the process, the env files, the project file, in this order."""

from __future__ import annotations

from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from dbmigrate.connection import libpq_keywords
from dbmigrate.errors import ConfigError
from dbmigrate.frozen import frozen
from dbmigrate.settings import durations
from dbmigrate.settings.variables import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.settings import env_file
    from dbmigrate.settings.project_file import Project

__all__ = ["DB_KEYWORDS", "Choice", "Sources", "Value"]

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
        return {name: value.text for name in names if (value := self.find(name))}

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
