"""The project file: ``dbmigrate.toml``, or ``[tool.dbmigrate]`` in ``pyproject.toml``, in the current directory.

It holds what is the same for a whole team, under the names of the options. Hosts, URLs and passwords do not belong in
it: such a key is an error. If there is a ``dbmigrate.toml``, ``pyproject.toml`` is ignored.

`tomllib` says where a syntax error is, but not where a key is; that is looked up in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from dbmigrate.environment_name import canonical
from dbmigrate.errors import ConfigError
from dbmigrate.frozen import frozen
from dbmigrate.model import Place, Problem, Severity
from dbmigrate.settings.variables import VARIABLES, Kind

if TYPE_CHECKING:
    from dbmigrate.services import Service
    from dbmigrate.settings.project_variables import ProjectVariable
    from dbmigrate.settings.project_watching import NotifyTable
    from dbmigrate.settings.windows import Window

__all__ = ["ENVIRONMENT_NAME", "FILE", "PYPROJECT", "Project", "Requirement", "Text", "read"]

FILE = "dbmigrate.toml"
PYPROJECT = "pyproject.toml"

_SECTION = ("tool", "dbmigrate")
_ENVIRONMENTS = ("environments", "env")  # the second is read as the first
_TABLES = ("lint", "deploy", *_ENVIRONMENTS, "vars", "service", "notify")
_ENV_DEFAULT = "env-default"
_ORDER = "order"
_REQUIRED = "require-applied-in"
_MAX_BLOCKED = "max-blocked"
_PASSWORD_COMMAND = "password-command"
_SLOW_AFTER = "slow-after"
_WINDOW = "window"
_OF_ENVIRONMENT = (_REQUIRED, _MAX_BLOCKED, _PASSWORD_COMMAND, _SLOW_AFTER, _WINDOW)
_KEYS = {variable.key: name for name, variable in VARIABLES.items() if variable.key}
# patterns, compiled on first use: most projects have no such file
_CONNECTION = r"(.*[-_])?(url|dsn|conninfo|password|passwd|host|hostaddr|port|user|dbname|database)"
# what a file must contain to be parsed, and what shows that it has the section
_MENTION = b"dbmigrate"
_HEADING = rb"(?m)^[ \t]*\[[ \t]*tool[ \t]*\.[ \t]*dbmigrate[ \t]*[\].]"
_TABLE_LINE = r"\s*\[\s*([^\[\]]+?)\s*\]\s*(#.*)?"
_KEY_LINE = r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*="""
_WORD = r"""[\w-]+|"[^"]*"|'[^']*'"""
ENVIRONMENT_NAME = r"[A-Za-z0-9_.-]+"
_POSITION = r"(?s)(.*?) \(at (?:line (\d+), column (\d+)|end of document)\)"

_NOT_HERE = "remove [tool.dbmigrate]: in dbmigrate.toml the keys are at the top level"

_Path = tuple[str, ...]


@frozen
class Text:
    """A value as an environment variable would have it, the key that it stands under, and its ``file:line``."""

    text: str
    key: str
    origin: str


@frozen
class Requirement:
    """An environment in which everything must have been applied, and the ``file:line`` that says so."""

    environment: str
    origin: str


@frozen
class Project:
    """What the project file says; all of it is empty where there is none.

    `values` are settings by the name of their variable. `lint` and `deploy` are the tables of these names as they
    stand, for the commands to check. `order` is how environments are shown side by side, `required` what
    ``require-applied-in`` says, by environment, `env_default` the environment of a run that names none, by which files
    with ``env`` are chosen, `max_blocked`, `slow_after` and `password_commands` what an environment says in place of
    the key at the top, `windows` when it may be changed. `notify` is the table of that name, `variables` are those of
    migrations, `services` those that share the database, `problems` are warnings.
    """

    path: str = ""
    values: Mapping[str, Text] = field(default_factory=dict)
    lint: Mapping[str, object] = field(default_factory=dict)
    deploy: Mapping[str, object] = field(default_factory=dict)
    order: tuple[str, ...] = ()
    required: Mapping[str, Requirement] = field(default_factory=dict)
    env_default: str | None = None
    max_blocked: Mapping[str, Text] = field(default_factory=dict)
    password_commands: Mapping[str, Text] = field(default_factory=dict, repr=False)
    slow_after: Mapping[str, Text] = field(default_factory=dict)
    windows: Mapping[str, tuple[Window, ...]] = field(default_factory=dict)
    notify: NotifyTable | None = None
    variables: Mapping[str, ProjectVariable] = field(default_factory=dict, repr=False)
    services: tuple[Service, ...] = ()
    problems: tuple[Problem, ...] = ()


def read(cwd: str) -> Project:
    """Read the project file in `cwd`; without one the result is empty.

    Keys may have underscores in place of hyphens. Raises ConfigError E253 (not TOML; with its place), E254 (an unknown
    key), E255 (a value of the wrong type), E256 (a key that would say where the database is), E209 (two spellings of
    one key or environment), E269 and E272 (services), E207 (a file that cannot be opened).
    """
    own = _content(cwd, FILE)
    shared = _content(cwd, PYPROJECT)
    if own is not None:
        note = _both() if shared is not None and re.search(_HEADING, shared) else ()
        return _project(FILE, own, section=(), problems=note)
    if shared is not None and _MENTION in shared:
        return _project(PYPROJECT, shared, section=_SECTION)
    return Project()


def _content(cwd: str, name: str) -> bytes | None:
    try:
        return Path(cwd, name).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        raise ConfigError(f"{name} cannot be read: {exc.strerror}", code="E207") from exc


def _both() -> tuple[Problem, ...]:
    text = f"[tool.dbmigrate] in {PYPROJECT} is ignored, because there is a {FILE}"
    return (Problem("W620", text, Severity.NOTE, hint="keep one of them"),)


def _project(name: str, raw: bytes, *, section: _Path, problems: tuple[Problem, ...] = ()) -> Project:
    text = _decoded(name, raw)
    reader = _Reader(name, text, section)
    table: object = _parsed(name, text)
    for word in section:
        table = table.get(word, {}) if isinstance(table, Mapping) else {}
    return reader.project(reader.table(table, ()), problems)


def _decoded(name: str, raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as exc:
        place = Place(name, raw.count(b"\n", 0, exc.start) + 1)
        raise ConfigError(f"{name} is not valid UTF-8", code="E253", place=place) from exc


def _parsed(name: str, text: str) -> Mapping[str, object]:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        reason, place = _position(name, text, str(exc))
        raise ConfigError(
            f"{name} is not valid TOML: {reason}", code="E253", place=place, hint="see https://toml.io"
        ) from exc
    except RecursionError as exc:  # a value in hundreds of brackets
        raise ConfigError(f"{name} is not valid TOML: too many nested brackets", code="E253") from exc


def _position(name: str, text: str, message: str) -> tuple[str, Place]:
    """The place is only in tomllib's message: ``Invalid value (at line 1, column 5)``."""
    lines = text.split("\n")
    found = re.fullmatch(_POSITION, message)
    if found is None:
        return message, Place(name, 1)
    line, column = (int(found[2]), int(found[3])) if found[2] else (len(lines), len(lines[-1]) + 1)
    return found[1], Place(name, line, column)


class _Reader:
    """Checks the section's keys and values; errors name the file, the key and its line."""

    def __init__(self, name: str, text: str, section: _Path) -> None:
        self._name = name
        self._section = section
        self._lines = _lines(text)

    def project(self, found: Mapping[str, object], problems: tuple[Problem, ...]) -> Project:
        table = self._hyphened(found, (), (*_KEYS, *_TABLES, _ENV_DEFAULT))
        environments = self._environments(table)
        return Project(
            path=self._name,
            values={_KEYS[key]: self._text(key, value) for key, value in table.items() if key in _KEYS},
            lint=self._hyphened(table.get("lint", {}), ("lint",)),
            deploy=self._hyphened(table.get("deploy", {}), ("deploy",)),
            order=self._order(table),
            required=dict(self._requirements(environments)),
            env_default=self._env_default(table),
            max_blocked=dict(self._of_each(environments, _MAX_BLOCKED, Kind.DURATION)),
            password_commands=dict(self._of_each(environments, _PASSWORD_COMMAND, Kind.TEXT)),
            slow_after=dict(self._of_each(environments, _SLOW_AFTER, Kind.DURATION)),
            windows=dict(self._windows(environments)),
            notify=self._notify(table),
            variables=self._variables(table),
            services=self._services(table),
            problems=problems,
        )

    def _variables(self, table: Mapping[str, object]) -> Mapping[str, ProjectVariable]:
        if "vars" not in table:
            return {}
        from dbmigrate.settings import project_variables

        given = self.table(table["vars"], ("vars",))
        return project_variables.read(given, project_variables.Place(self._wrong, self._unknown, self._origin))

    def _services(self, root: Mapping[str, object]) -> tuple[Service, ...]:
        if "service" not in root:
            return ()
        from dbmigrate.settings import project_services

        tables: dict[str, dict[str, str]] = {}
        for name, given in self.table(root["service"], ("service",)).items():
            path = ("service", name)
            values = self._hyphened(given, path, project_services.KEYS)
            kinds = {key: Kind.LIST if key == "dir" else Kind.TEXT for key in values}
            tables[name] = {key: self._value((*path, key), value, kinds[key]) for key, value in values.items()}
        return project_services.read(tables, self._place)

    def _notify(self, table: Mapping[str, object]) -> NotifyTable | None:
        if "notify" not in table:
            return None
        from dbmigrate.settings import project_variables, project_watching

        given = self._hyphened(table["notify"], ("notify",), project_watching.NOTIFY_KEYS)
        place = project_variables.Place(self._wrong, self._unknown, self._origin)
        return project_watching.notify(given, place)

    def _windows(self, environments: Mapping[_Path, Mapping[str, object]]) -> Iterator[tuple[str, tuple[Window, ...]]]:
        for path, table in environments.items():
            if _WINDOW in table:
                from dbmigrate.settings import project_variables, project_watching

                place = project_variables.Place(self._wrong, self._unknown, self._origin)
                yield canonical(path[-1]), project_watching.windows(table[_WINDOW], (*path, _WINDOW), place)

    def table(self, value: object, path: _Path) -> Mapping[str, object]:
        if not isinstance(value, Mapping):
            raise self._wrong(path, "a table")
        return value

    def _hyphened(self, value: object, path: _Path, known: tuple[str, ...] = ()) -> Mapping[str, object]:
        """A table with its keys in their one spelling; all of them `known`, if any are given.

        Raises ConfigError E209 for two spellings of one, E254, E256.
        """
        found: dict[str, object] = {}
        for key, item in self.table(value, path).items():
            name = key.replace("_", "-")
            if known and name not in known:
                raise self._unknown((*path, key), known)
            if name in found:
                raise self._double((*path, key), f"{_shown((*path, name))} is given twice, with - and with _")
            found[name] = item
        return found

    def _environments(self, root: Mapping[str, object]) -> Mapping[_Path, Mapping[str, object]]:
        """The tables of single environments, by their path. Raises ConfigError E209 for two of one environment."""
        found: dict[_Path, Mapping[str, object]] = {}
        seen: dict[str, _Path] = {}
        for kind in _ENVIRONMENTS:
            for name, value in self.table(root.get(kind, {}), (kind,)).items():
                path = (kind, name)
                if name == _ORDER and not isinstance(value, Mapping):
                    continue
                if other := seen.get(canonical(name)):
                    raise self._double(path, f"[{_shown(path)}] and [{_shown(other)}] are one environment")
                seen[canonical(name)] = path
                found[path] = self._hyphened(value, path, _OF_ENVIRONMENT)
        return found

    def _env_default(self, table: Mapping[str, object]) -> str | None:
        if _ENV_DEFAULT not in table:
            return None
        name = self._string((_ENV_DEFAULT,), table[_ENV_DEFAULT], "the name of an environment").strip()
        if not re.fullmatch(ENVIRONMENT_NAME, name):
            raise self._wrong((_ENV_DEFAULT,), "the name of an environment: letters, digits, _ - and .")
        return canonical(name)

    def _of_each(
        self, environments: Mapping[_Path, Mapping[str, object]], name: str, kind: Kind
    ) -> Iterator[tuple[str, Text]]:
        """What the environments say of one key."""
        for path, table in environments.items():
            if name in table:
                key = (*path, name)
                text = self._value(key, table[name], kind)
                yield canonical(path[-1]), Text(text, _shown(key), self._origin(key))

    def _text(self, key: str, value: object) -> Text:
        return Text(self._value((key,), value, VARIABLES[_KEYS[key]].kind), key, self._origin((key,)))

    def _value(self, path: _Path, value: object, kind: Kind) -> str:
        if kind in (Kind.BOOLEAN, Kind.NEGATION):
            if not isinstance(value, bool):
                raise self._wrong(path, "true or false")
            return str(value is (kind is Kind.BOOLEAN)).lower()
        if kind is Kind.LIST and isinstance(value, list):
            return ",".join(self._string(path, item, "a list of strings") for item in value)
        if kind is Kind.DURATION:
            is_zero = value == 0 and not isinstance(value, bool)
            return "0" if is_zero else self._string(path, value, 'a duration such as "30s"')
        return self._string(path, value, "a string" if kind is Kind.TEXT else "a string or a list of strings")

    def _string(self, path: _Path, value: object, wanted: str) -> str:
        if not isinstance(value, str):
            raise self._wrong(path, wanted)
        if not value.strip() or "\0" in value:
            raise self._wrong(path, f"{wanted}, not empty")
        return value

    def _order(self, root: Mapping[str, object]) -> tuple[str, ...]:
        given = [(kind, order) for kind in _ENVIRONMENTS if (order := self._order_in(root, kind)) is not None]
        if len(given) > 1:
            raise self._double((given[1][0], _ORDER), "environments.order and env.order are the same key")
        for kind, order in given:
            path = (kind, _ORDER)
            if not isinstance(order, list):
                raise self._wrong(path, "a list of strings")
            return tuple(self._string(path, name, "a list of strings") for name in order)
        return ()

    def _order_in(self, root: Mapping[str, object], kind: str) -> object:
        """None also where it is an environment of that name."""
        order = self.table(root.get(kind, {}), (kind,)).get(_ORDER)
        return None if isinstance(order, Mapping) else order

    def _requirements(self, environments: Mapping[_Path, Mapping[str, object]]) -> Iterator[tuple[str, Requirement]]:
        for path, table in environments.items():
            if _REQUIRED in table:
                key = (*path, _REQUIRED)
                text = self._string(key, table[_REQUIRED], "the name of an environment")
                yield path[-1], Requirement(text, self._origin(key))

    # -- errors, and where keys stand

    def _origin(self, path: _Path) -> str:
        place = self._place(path)
        return f"{place.path}:{place.line}" if place else self._name

    def _place(self, path: _Path) -> Place | None:
        line = self._lines.get(_spelt((*self._section, *path)))
        return Place(self._name, line) if line else None

    def _double(self, path: _Path, message: str) -> ConfigError:
        return ConfigError(f"{self._name}: {message}", code="E209", place=self._place(path), hint="keep one of them")

    def _wrong(self, path: _Path, wanted: str) -> ConfigError:
        key = _shown(path) or "[tool.dbmigrate]"
        return ConfigError(f"{self._name}: {key} must be {wanted}", code="E255", place=self._place(path))

    def _unknown(self, path: _Path, known: tuple[str, ...]) -> ConfigError:
        shown, place = _shown(path), self._place(path)
        if re.fullmatch(_CONNECTION, path[-1].lower()):
            return ConfigError(
                f"{self._name}: {shown} does not belong in a committed file",
                code="E256",
                place=place,
                hint="set DATABASE_URL or <NAME>_DATABASE_URL, in the environment or in .env",
            )
        hint = _NOT_HERE if path == _SECTION[:1] else _nearest(path[-1], known)
        return ConfigError(f"{self._name}: unknown key {shown}", code="E254", place=place, hint=hint)


def _nearest(key: str, known: tuple[str, ...]) -> str:
    import difflib

    close = difflib.get_close_matches(key.lower().replace("_", "-"), known, n=1)
    return f"did you mean {close[0]}?" if close else f"the keys are {', '.join(sorted(known))}"


def _lines(text: str) -> dict[_Path, int]:
    """The line on which each table and key begins: of the first that looks like it, for people to find it by."""
    found: dict[_Path, int] = {}
    table: _Path = ()
    for number, line in enumerate(text.split("\n"), 1):
        if heading := re.fullmatch(_TABLE_LINE, line):
            table = _words(heading[1])
            for length in range(1, len(table) + 1):
                found.setdefault(_spelt(table[:length]), number)
        elif key := re.match(_KEY_LINE, line):
            found.setdefault(_spelt((*table, *_words(key[1]))), number)
    return found


def _spelt(path: _Path) -> _Path:
    return tuple(word.replace("_", "-") for word in path)


def _shown(path: _Path) -> str:
    return ".".join(path)


def _words(text: str) -> _Path:
    return tuple(word.strip("\"'") for word in re.findall(_WORD, text))
