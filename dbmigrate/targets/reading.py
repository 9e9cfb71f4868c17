"""The targets of a list: lines to values. Pure, but for what `Dsn` reads.

A line is a URL, ``database:NAME`` or ``schema:NAME``; the last two are on the server of the configured database. Blank
lines and lines that begin with # are comments. A line that begins with { is one of a report, which names its target.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import unquote

from dbmigrate.connection import dsn
from dbmigrate.connection.libpq_keywords import SECRETS
from dbmigrate.errors import ConfigError
from dbmigrate.targets.values import Outcome, Selection, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from dbmigrate.connection.dsn import Dsn

__all__ = ["ambiguous", "read"]

_DATABASE, _SCHEMA = "database:", "schema:"
_FORMS = "a line is a URL, database:NAME or schema:NAME"


def read(
    lines: Iterable[str], origin: str, *, base: Callable[[], Dsn], complete: Callable[[Dsn], Dsn], driver: str = ""
) -> Selection:
    """The targets that `lines` name, each once; what an earlier report says is not done comes first.

    `base` is the configured database, asked for only if a line needs it; `complete` adds to a URL what libpq would take
    from the environment. Raises ConfigError E273 with the line's place, for a list without targets too.
    """
    seen: dict[tuple[object, ...], str] = {}
    waiting: list[Target] = []
    done: list[Target] = []
    repeated = []
    for number, line in enumerate(lines, 1):
        text = line.strip().removeprefix("\ufeff")
        if not text or text.startswith("#"):
            continue
        place = f"{origin}:{number}"
        text, is_done = _of_report(text, place) if text.startswith("{") else (text, False)
        if not text:
            continue
        target = _target(text, place, base, lambda url, place: complete(dsn.parse(url, driver=driver, origin=place)))
        key = _identity(target.dsn)
        if target.dsn.embedded is not None:
            raise _fault(place, "the embedded server cannot be one of several targets", "name databases of a server")
        if key in seen:
            repeated.append((target.name, seen[key]))
            continue
        seen[key] = target.name
        (done if is_done else waiting).append(target)
    if not seen:
        raise ConfigError(f"{origin} names no target", code="E273", hint=_FORMS)
    return Selection((*waiting, *done), tuple(repeated))


def _target(text: str, place: str, base: Callable[[], Dsn], parse: Callable[[str, str], Dsn]) -> Target:
    for prefix in (_DATABASE, _SCHEMA):
        name = text.removeprefix(prefix).strip()
        if text.startswith(prefix):
            if not name or not name.isprintable():
                raise _fault(place, f"{prefix} without a name", _FORMS)
            known = base()
            chosen = known.with_database(name) if prefix == _DATABASE else _in_schema(known, name)
            return Target(prefix + name, chosen)
    if "://" not in text:
        # not quoted: it may be a password, or a URL that was cut
        raise _fault(place, "neither a URL nor database:NAME nor schema:NAME", _hint_for(text))
    return Target(_public(text), parse(text, place))


def _in_schema(known: Dsn, name: str) -> Dsn:
    """Before what the URL's search_path names, such as a schema of extensions."""
    quoted = '"' + name.replace('"', '""') + '"'
    behind = known.settings.get("search_path", "").strip()
    path = f"{quoted}, {behind}" if behind else quoted
    return replace(known, settings={**known.settings, "search_path": path})


def _hint_for(text: str) -> str:
    return f"write database:{text} or schema:{text}" if re.fullmatch(r"\w{1,63}", text) else _FORMS


def _of_report(line: str, place: str) -> tuple[str, bool]:
    """The target of a report's line, and whether it is done; no target in the line about all of them."""
    try:
        value = json.loads(line)
    except ValueError as exc:
        raise _fault(place, "not a line of a report: it is not JSON", _FORMS) from exc
    # a report has a line about the whole run, and may have one about what ended it
    name = value.get("target", "" if str(value.get("format")).startswith("dbmigrate/") else None)
    if not isinstance(name, str):
        raise _fault(place, 'not a line of a report: it has no "target"', "a report is what --json prints")
    return name, value.get("result") == Outcome.DONE


def _public(url: str) -> str:
    """A URL without passwords, cut as `dsn` cuts it."""
    scheme, mark, text = url.partition("://")
    login, at, rest = text.partition("@")
    if not at or "/" in login:
        login, at, rest = "", "", text
    start, _, query = rest.partition("?")
    kept = "&".join(pair for pair in query.split("&") if unquote(pair.partition("=")[0]) not in SECRETS)
    user = login.partition(":")[0]
    return f"{scheme}{mark}{user}{at}{start}{'?' if kept else ''}{kept}"


def _identity(found: Dsn) -> tuple[object, ...]:
    """Equal for two ways to write one place; names of one server that differ are not seen here."""
    place = {key: found.conninfo.get(key, "") for key in ("service", "host", "hostaddr", "port")}
    place["port"] = place["port"] or "5432"
    path = found.search_path
    return (*place.values(), found.database, path[0] if path else found.user, bool(path))


def _fault(place: str, message: str, hint: str) -> ConfigError:
    return ConfigError(f"{place}: {message}", code="E273", hint=hint)


def ambiguous(targets: Iterable[Target]) -> frozenset[str]:
    """The names of targets that could be one place under two names: databases of one name on servers that are not."""
    by_database: dict[str, list[Target]] = {}
    for target in targets:
        by_database.setdefault(target.dsn.database, []).append(target)
    return frozenset(target.name for group in by_database.values() for target in _doubtful(group))


def _doubtful(group: list[Target]) -> Iterator[Target]:
    servers = {_identity(target.dsn)[:4] for target in group}
    has_default = any(not target.dsn.search_path for target in group)
    if len(group) > 1 and (len(servers) > 1 or has_default):
        yield from group
