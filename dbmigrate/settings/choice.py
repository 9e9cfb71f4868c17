"""Looks up single settings: flag over environment over env files over project file over default."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError
from dbmigrate.settings import durations
from dbmigrate.settings.sources import Sources, Value
from dbmigrate.settings.variables import VARIABLES

if TYPE_CHECKING:
    from dbmigrate.settings.project_file import Project


class Choice:
    """Looks up settings by their names in `VARIABLES`, and remembers where each was found."""

    def __init__(self, sources: Sources, project: Project) -> None:
        self._sources = sources
        self._project = project
        self.origins: dict[str, str] = {}

    def value(self, name: str, flag: str | None = None) -> Value:
        variable = VARIABLES[name]
        if flag is not None:
            found = Value(flag, variable.option, variable.option)
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

    def seconds(self, name: str, flag: str | None = None) -> float:
        value = self.value(name, flag)
        return durations.duration(value.text, value.name)

    def optional_seconds(self, name: str, flag: str | None = None) -> float | None:
        value = self.value(name, flag)
        return durations.duration(value.text, value.name) if value.origin != "default" else None

    def boolean(self, name: str, *, flag: bool | None) -> bool:
        value = self.value(name, None if flag is None else str(flag))
        return durations.boolean(value.text, value.name)
