"""The commands that hints name, completed: whoever copies one works on the same database and the same service. Pure.

A hint is written where something is found out, by code that does not know how the command was started. It names
commands as ```` `dbmigrate status` ````; what chose the database is added here, once, when the hint is printed.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Started", "completed", "started"]

_COMMAND = re.compile(r"`dbmigrate ([^`]+)`")
# what is the same wherever it runs; of `new` and `lint` only the files matter
_ANYWHERE = frozenset(("demo", "explain", "help", "init", "merge-driver"))
_OF_FILES = frozenset(("lint", "new"))
_ON_TARGETS = frozenset(("backfill", "drift", "migrate", "status", "up", "verify"))
_SERVICES = ("--service", "--all-services")
_URLS = ("--url", "-u", "--env", "-e")


@frozen
class Started:
    """What a command line said of database and files: options that stand before a command, by their names.

    `targets` is the option that named several targets, as it is written behind a command.
    """

    of_files: tuple[tuple[str, str], ...] = ()
    of_database: tuple[tuple[str, str], ...] = ()
    targets: str = ""


def started(given: Mapping[str, object], environments: tuple[str, ...], targets: str = "") -> Started:
    """What to repeat of the options `given`. A URL is not repeated, as it may hold a password: URL stands for it."""
    files: list[tuple[str, str]] = []
    for option, name in (("--service", "service"), ("-d", "migrations_dirs"), ("--env-file", "env_files")):
        value = given.get(name)
        files += ((option, str(each)) for each in (value if isinstance(value, list) else [value]) if each)
    database = [("-e", name) for name in environments if len(environments) == 1]
    if table := given.get("migrations_table"):
        database.append(("--migrations-table", str(table)))
    if given.get("url"):
        database.append(("--url", "URL"))
    return Started(tuple(files), tuple(database), targets)


def completed(text: str, command: Started) -> str:
    """`text` with the options of `command` in each command that it names and that has none of the kind yet."""
    return _COMMAND.sub(lambda found: f"`dbmigrate {_completed(found[1], command)}`", text)


def _completed(written: str, command: Started) -> str:
    try:
        words = shlex.split(written)
    except ValueError:  # a quotation mark that is not closed: an example of something else
        return written
    name = next(_without_options(words), "")
    if not re.fullmatch("[a-z-]+", name) or name in _ANYWHERE or "--help" in words:
        return written
    options = [*(() if name in _OF_FILES else command.of_database), *command.of_files]
    missing = [(option, value) for option, value in options if not _says(option, words)]
    behind = ""
    if command.targets and name not in _OF_FILES:
        is_on_targets = name in _ON_TARGETS or (name == "rollback" and "--to" in words)
        behind = f" {command.targets}" if is_on_targets else ""
        missing += [] if is_on_targets or _says("--url", words) else [("--url", "URL")]
    before = "".join(f"{option} {shlex.quote(value)} " for option, value in missing)
    return f"{before}{written}{behind}"


def _without_options(words: list[str]) -> Iterator[str]:
    """The words that are neither options before the command nor their values; the first one is the command."""
    rest = iter(words)
    for word in rest:
        if word.startswith("-"):
            next(rest, None)
        else:
            yield word


def _says(option: str, words: list[str]) -> bool:
    """Whether `words` choose themselves what the option chooses."""
    same = _SERVICES if option == "--service" else _URLS if option in _URLS else (option,)
    return any(word.partition("=")[0] in same for word in words)
