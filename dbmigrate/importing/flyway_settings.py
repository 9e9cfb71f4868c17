"""What Flyway reads beside its scripts: ``flyway.conf`` and ``flyway.toml``, a script's ``.conf``, placeholders."""

from __future__ import annotations

import codecs
import re
from dataclasses import field
from typing import TYPE_CHECKING

from dbmigrate.errors import MigrationFileError
from dbmigrate.frozen import frozen
from dbmigrate.importing import variables
from dbmigrate.importing.read_source import decoded
from dbmigrate.importing.values import Judgement
from dbmigrate.model import Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dbmigrate.importing.values import Source, SourceFile

__all__ = ["Placeholders", "ScriptSettings", "Settings", "project_settings", "script_settings"]

_LINE = re.compile(r"\s*([^#!=:\s][^=:]*?)\s*[=:]\s*(.*?)\s*").fullmatch


@frozen
class Settings:
    """What holds for the whole project."""

    versioned: str = "V"
    undo: str = "U"
    repeatable: str = "R"
    baseline: str = "B"
    separator: str = "__"
    suffixes: tuple[str, ...] = (".sql",)
    encoding: str = "utf-8"
    replaces: bool = True
    transaction: bool = True
    mixed: bool = False
    begins: str = "${"
    ends: str = "}"
    placeholders: Mapping[str, str] = field(default_factory=dict)


@frozen
class ScriptSettings:
    """What holds for one script. `should_execute` is as it is written, in `line` of its file."""

    transaction: bool
    encoding: str
    replaces: bool
    should_execute: str | None = None
    line: int = 1


def project_settings(source: Source) -> Settings:
    """What the project's own files say; flyway.toml wins over flyway.conf, as in Flyway."""
    found: dict[str, str] = {}
    for file in source.files:
        name = file.path.rpartition("/")[2]
        if name == "flyway.conf":
            found |= {key: value for _, key, value in _lines(file)}
    for file in source.files:
        if file.path.rpartition("/")[2] == "flyway.toml":
            found |= dict(_of_toml(file))
    values = {key.removeprefix("flyway.").lower(): value for key, value in found.items()}
    known = {
        "versioned": values.get("sqlmigrationprefix"),
        "undo": values.get("undosqlmigrationprefix"),
        "repeatable": values.get("repeatablesqlmigrationprefix"),
        "baseline": values.get("baselinemigrationprefix"),
        "separator": values.get("sqlmigrationseparator"),
        "begins": values.get("placeholderprefix"),
        "ends": values.get("placeholdersuffix"),
    }
    return Settings(
        **{name: value for name, value in known.items() if value},
        suffixes=tuple(filter(None, values.get("sqlmigrationsuffixes", "").split(","))) or (".sql",),
        encoding=values.get("encoding", "utf-8"),
        replaces=values.get("placeholderreplacement", "true").lower() != "false",
        transaction=values.get("executeintransaction", "true").lower() != "false",
        mixed=values.get("mixed", "false").lower() == "true",
        placeholders={
            key.removeprefix("placeholders."): value for key, value in values.items() if key.startswith("placeholders.")
        },
    )


def script_settings(conf: SourceFile | None, project: Settings) -> ScriptSettings:
    """What a script's own file says. Raises MigrationFileError E281 for an encoding that does not exist."""
    values: dict[str, str] = {}
    lines: dict[str, int] = {}
    for line, key, value in _lines(conf) if conf else ():
        values[key.lower()] = value
        lines[key.lower()] = line
    encoding = values.get("encoding", project.encoding)
    try:
        codecs.lookup(encoding)
    except LookupError as exc:
        place = Place(conf.path if conf else "flyway.conf", lines.get("encoding", 1))
        raise MigrationFileError(f"encoding {encoding} is not known", code="E281", place=place) from exc
    return ScriptSettings(
        values.get("executeintransaction", str(project.transaction)).lower() != "false",
        encoding,
        values.get("placeholderreplacement", str(project.replaces)).lower() != "false",
        values.get("shouldexecute"),
        lines.get("shouldexecute", 1),
    )


def _lines(file: SourceFile) -> Iterator[tuple[int, str, str]]:
    for number, line in enumerate(decoded(file).splitlines(), 1):
        if found := _LINE(line):
            yield number, found[1], found[2]


def _of_toml(file: SourceFile) -> Iterator[tuple[str, str]]:
    import tomllib

    try:
        table = tomllib.loads(decoded(file))
    except tomllib.TOMLDecodeError as exc:
        raise MigrationFileError(f"not valid TOML: {exc}", code="E281", place=Place(file.path, 1)) from exc
    yield from _flattened("", table)


def _flattened(prefix: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flattened(f"{prefix}.{key}" if prefix else str(key), inner)
    elif isinstance(value, list):
        yield prefix, ",".join(map(str, value))
    else:
        yield prefix, str(value).lower() if isinstance(value, bool) else str(value)


class Placeholders:
    """Puts values in the places of ``${name}``, everywhere: Flyway knows no quotes here. Names ignore case."""

    def __init__(self, settings: Settings, given: Mapping[str, str], path: str) -> None:
        name = path.rpartition("/")[2]
        known = {"flyway:filename": name, **settings.placeholders, **given}
        self._values = {key.lower(): value for key, value in known.items()}
        self._pattern = re.compile(re.escape(settings.begins) + r"(.*?)" + re.escape(settings.ends))
        self._path = path

    def replaced(self, text: str) -> tuple[str, tuple[Judgement, ...]]:
        """The text with values, and what was done; asks for each name that has none and cannot be a variable's."""
        judged: dict[str, Judgement] = {}

        def value_of(found: re.Match[str]) -> str:
            name = found[1]
            place = Place(self._path, text.count("\n", 0, found.start()) + 1)
            value = self._values.get(name.lower())
            if value is None:
                if marked := variables.mark(name.lower(), found[0], place):
                    return marked
                judged.setdefault(name, _question(found[0], name, place))
                return found[0]
            judged.setdefault(name, Judgement(f"{found[0]} is replaced by {value!r}, for good", place))
            return value

        return self._pattern.sub(value_of, text), tuple(judged.values())


def _question(shown: str, name: str, place: Place) -> Judgement:
    return Judgement(f"{shown} has no value", place, f"--placeholder {name}=VALUE", asks=True)
